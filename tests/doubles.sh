#!/bin/sh
# doubles.sh - prints tests/doubles.am: the twin in double precision of each of the given tests.
#
#   sh tests/doubles.sh tests/test_*.c >tests/doubles.am
set -eu
cat <<'END'
# doubles.am - written by tests/doubles.sh: each test's twin in double precision.
test_double_ldadd = liblab_double.la libobjects_double.la $(CHECK_LIBS)
test_doubles =
END
for source; do
    name=$(basename "$source" .c)
    case $name in
    test_backend_cuda) continue ;; # for emulated devices: tests/cuda_emulation/local.am
    esac
    printf '\ntest_doubles += tests/%s_double\n' "$name"
    printf 'tests_%s_double_SOURCES = tests/%s.c\n' "$name" "$name"
    printf 'tests_%s_double_CPPFLAGS = $(double_cppflags)\n' "$name"
    printf 'tests_%s_double_LDADD = $(test_double_ldadd)\n' "$name"
done
