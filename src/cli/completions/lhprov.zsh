#compdef lhprov
# Completion of lhprov in Zsh. Into ~/.zshrc, behind compinit: source <(lhprov completions zsh)
# or into a folder of $fpath: lhprov completions zsh > _lhprov
_lhprov() {
    local line value
    local -a lines whole whole_shown open open_shown
    lines=("${(@f)$("${words[1]}" __complete zsh -- "${(@Q)words[1,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
    for line in "${lines[@]}"; do
        value=${line%%$'\t'*}
        [[ -n $value ]] || continue
        if [[ $value == *[=/\[] ]]; then
            # The value, the name of a file or a key is still to come.
            open+=("$value")
            open_shown+=("${line/$'\t'/  }")
        else
            whole+=("$value")
            whole_shown+=("${line/$'\t'/  }")
        fi
    done
    (( $#whole )) && compadd -l -V lhprov -d whole_shown -- "${whole[@]}"
    (( $#open )) && compadd -l -V lhprov -S '' -d open_shown -- "${open[@]}"
    (( $#whole + $#open ))
}
if [[ ${funcstack[1]} == _lhprov ]]; then
    _lhprov "$@"
else
    compdef _lhprov lhprov
fi
