# _hidi_words COMMAND OPTION TEXT: what TEXT, the value of an option or an argument, may become.
_hidi_words()
{
    local value
    value=$(_hidi_value "$1$2")
    case ${value:-$(_hidi_argument "$1")} in
    *=VALUE)
        case $3 in
        *=*) compgen -W "$(_hidi_choices "${3%%=*}")" -P "${3%%=*}=" -- "${3#*=}" ;;
        *) compgen -W "$(_hidi_settings "$1")" -- "$3" ;;
        esac
        ;;
    NAME) test "$2" != --preset || { compgen -W "$_hidi_presets" -- "$3"; compgen -f -- "$3"; } ;;
    SET*) compgen -W "data:test data:train data:validation" -- "$3"; compgen -f -- "$3" ;;
    FILE* | PATH | FROM | CHECKPOINT | "[FILE") compgen -f -- "$3" ;;
    DIR) compgen -d -- "$3" ;;
    N | KEY | LIST | Y | "") ;;
    *) compgen -W "$value$(test -n "$value" || _hidi_argument "$1")" -- "$3" ;;
    esac
}

# The line is split at blanks alone; COMP_WORDS is split at = and : as well, which settings and sets
# have inside, and so is what is to be replaced: what is before it is taken away in the end.
_hidi()
{
    local line=${COMP_LINE:0:COMP_POINT} words current="" previous command lead="" rest i
    read -ra words <<<"$line"
    case $line in *[![:blank:]])
        current=${words[${#words[@]} - 1]}
        unset "words[${#words[@]} - 1]"
        ;;
    esac
    command=${words[1]}
    previous=${words[${#words[@]} - 1]}
    case $command in distill-td) command=stage1 ;; distill-dm) command=stage2 ;; esac
    rest=$current
    case $current in --*=*)
        previous=${current%%=*}
        lead=$previous=
        rest=${current#*=}
        ;;
    esac
    if test ${#words[@]} -le 1; then
        mapfile -t COMPREPLY < <(compgen -W "$_hidi_commands help --help --version" -- "$current")
    elif test "$command" = help; then
        mapfile -t COMPREPLY < <(compgen -W "$_hidi_commands" -- "$current")
    elif test -z "$lead" && test "${current#-}" != "$current" &&
        test -z "$(_hidi_value "$command$previous")"; then
        mapfile -t COMPREPLY < <(compgen -W "$(_hidi_options "$command")" -- "$current")
    else
        mapfile -t COMPREPLY < <(_hidi_words "$command" "$previous" "$rest")
        compopt -o filenames 2>/dev/null
    fi
    rest=$current
    case $COMP_WORDBREAKS in *=*) rest=${rest##*=} ;; esac
    case $COMP_WORDBREAKS in *:*) rest=${rest##*:} ;; esac
    for i in "${!COMPREPLY[@]}"; do
        line=$lead${COMPREPLY[i]}
        COMPREPLY[i]=${line#"${current%"$rest"}"}
    done
    case ${COMPREPLY[0]-} in *=) compopt -o nospace 2>/dev/null ;; esac
}
complete -F _hidi hidi
