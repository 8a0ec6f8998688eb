# bash completion for dejavu-bench and dejavu. Verbs and options are those that --help lists.
_dejavu_words() { "$1" "${@:3}" --help 2>/dev/null | sed -nE "$2"; }

_dejavu() {
    local program=$1 word=${COMP_WORDS[COMP_CWORD]} verb=
    local words
    [ "$COMP_CWORD" -gt 1 ] && verb=${COMP_WORDS[1]}
    for words in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [ "$words" = -- ] && { mapfile -t COMPREPLY < <(compgen -f -- "$word") && return; }
    done
    if [[ $word == -* ]]; then
        words=$(_dejavu_words "$program" 's/^ *(-[a-zA-Z], )?(--[a-z-]+).*/\2/p' $verb)
    elif [ -z "$verb" ]; then
        words=$(_dejavu_words "$program" 's/^  ([a-z]+) +[A-Z-].*/\1/p')
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$(sort -u <<<"$words")" -- "$word")
}
complete -F _dejavu dejavu dejavu-bench
