
# _hidi_set SECTION... or KEY=...: a key of these, or behind its = one of the words that it may be.
_hidi_set()
{
    local -a keys
    local section
    if compset -P '*='; then
        compadd -- ${=_hidi_choices[${${IPREFIX%=}##*[= ]}]}
        return
    fi
    for section; do
        case $section in
        *=) keys+=(${section%=}) ;;
        *) keys+=(${(M)_hidi_settings:#$section.*}) ;;
        esac
    done
    _describe -t settings setting keys -S =
}

_hidi()
{
    local state line
    local curcontext=$curcontext
    _arguments -C '(- *)--help[list the commands]' '(- *)--version[print the version]' \
        '1: :->command' '*:: :->arguments'
    case $state in
    command) _describe -t commands command _hidi_commands ;;
    arguments)
        case $words[1] in
        help) _describe -t commands command _hidi_commands ;;
        *) _hidi_arguments $words[1] ;;
        esac
        ;;
    esac
}

_hidi "$@"
