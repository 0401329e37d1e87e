# Words are told apart by spaces alone: readline also breaks them at the colons of images' names and at `=`, and puts
# what is answered behind the last of these.
_varve() {
    local line="${COMP_LINE:0:COMP_POINT}" words current before
    read -ra words <<< "$line"
    if [[ "$line" == *[[:space:]] ]]; then
        words+=("")
    fi
    current="${words[-1]}"
    local IFS=$'\n'
    COMPREPLY=($(VARVE_COMPLETE=bash _CLAP_IFS=$'\n' _CLAP_COMPLETE_INDEX=$((${#words[@]} - 1)) \
        "${words[0]}" -- "${words[@]}" 2>/dev/null))
    if [[ "$current" == *[:=]* ]]; then
        before="${current%"${current##*[:=]}"}"
        COMPREPLY=("${COMPREPLY[@]#"$before"}")
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -o nosort -F _varve varve
