# Completion of lhprov in Fish. Once: lhprov completions fish > ~/.config/fish/completions/lhprov.fish
function __lhprov_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    $words[1] __complete fish -- $words (commandline --current-token --cut-at-cursor) 2>/dev/null
end
complete --command lhprov --no-files --keep-order --arguments '(__lhprov_complete)'
