# Completion of lhprov in Bash. Into ~/.bashrc: source <(lhprov completions bash)
_lhprov() {
    local candidate
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <("$1" __complete bash -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    # The value, the name of a file or a key is still to come.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/[] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
if [[ ${BASH_VERSINFO[0]} -gt 4 || ${BASH_VERSINFO[0]} -eq 4 && ${BASH_VERSINFO[1]} -ge 4 ]]; then
    complete -o nosort -F _lhprov lhprov
else
    complete -F _lhprov lhprov
fi
