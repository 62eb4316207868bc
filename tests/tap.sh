# tap.sh - for scripts that test the command and speak TAP; to be sourced in the build directory.
#   srcdir  the top of the sources  (default: where the script is)
#   HIDI    the command             (default: ./hidi)
# Leaves the script in a folder of its own, $work, which is removed at the end.

absolute()
{
    case $1 in
    /*) echo "$1" ;;
    *) echo "$(pwd)/$1" ;;
    esac
}

srcdir=$(absolute "${srcdir:-$(dirname "$0")/..}")
hidi=$(absolute "${HIDI:-./hidi}")
HIDI_DATA=$srcdir/data
export HIDI_DATA
if ! test -x "$hidi"; then
    echo "Bail out! no program $hidi"
    exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/hidi-cli.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 1

number=0
failed=0

# report NAME: a result, by the status of the command before it.
report()
{
    status=$?
    number=$((number + 1))
    if test $status -eq 0; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        sed 's/^/# out: /' "$work/out"
        sed 's/^/# err: /' "$work/err"
        failed=1
    fi
}

# run STATUS NAME ARGUMENTS: hidi ends with this status; an error is one line on stderr that begins
# with the command, and after a usage error another that says where to find help.
run()
{
    expected=$1
    name=$2
    shift 2
    "$hidi" "$@" >"$work/out" 2>"$work/err" </dev/null
    code=$?
    lines=$(wc -l <"$work/err")
    case $expected in
    1) test $code -eq 1 && test "$lines" -eq 1 && grep -q "^hidi $1: ." "$work/err" ;;
    2) test $code -eq 2 && test "$lines" -eq 2 && grep -q "^hidi $1: ." "$work/err" &&
        grep -q "^hidi $1 --help" "$work/err" ;;
    *) test $code -eq "$expected" ;;
    esac
    report "$name"
}

# says PATTERN: ... what the command before this printed.
says()
{
    grep -q -e "$1" "$work/out"
    report "... says \"$1\""
}

complains()
{
    grep -q -e "$1" "$work/err"
    report "... complains \"$1\""
}

# done_testing: the plan, and the end.
done_testing()
{
    echo "1..$number"
    exit $failed
}
