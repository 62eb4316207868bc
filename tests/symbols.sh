#!/bin/sh
# symbols.sh - prints what the public headers declare, one name per line: functions and objects.
#
#   sh tests/symbols.sh >src/libhidi.sym       (from the top of the source tree; CC: the compiler)
#
# The headers are preprocessed; lines of other headers, bodies in braces and typedefs are left out.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck disable=SC2086 # CC may be a command with options
${CC:-cc} -std=c99 -E "$top/src/hidi.h" | awk -v top="$top" '
    /^#/ { ours = index($0, top "/src/") > 0; next }
    ours {
        line = $0
        for (i = 1; i <= length(line); i++) {
            c = substr(line, i, 1)
            if (c == "{") depth++
            else if (c == "}") {
                if (--depth == 0 && text ~ /\) *$/)
                    text = "" # of an inline function
            } else if (c == ";" && depth == 0) {
                declare(text)
                text = ""
            } else if (depth == 0)
                text = text c
        }
        text = text " "
    }
    function declare(text)
    {
        gsub(/__attribute__ *\(\(.*\)\)/, "", text)
        if (text ~ /^ *typedef/ || text ~ /^ *static/)
            return
        if (match(text, /hidi_[a-z0-9_]+ *\(/)) # the first name before a bracket
            name = substr(text, RSTART, RLENGTH)
        else if (text ~ /extern/ && match(text, /hidi_[a-z0-9_]+ *(\[[^]]*\])? *$/))
            name = substr(text, RSTART, RLENGTH)
        else
            return
        sub(/[^a-z0-9_].*/, "", name)
        print name
    }' | LC_ALL=C sort -u
