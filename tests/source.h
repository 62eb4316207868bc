/* source.h - where a test finds the files of the source tree: below $srcdir, which make sets; without
 * it, where the compiler found this header, seen from the build directory. */
#ifndef HIDI_TESTS_SOURCE_H
#define HIDI_TESTS_SOURCE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The path of "tests/NAME", in one of four buffers that take turns. */
static inline const char *source_file(const char *name)
{
    static char path[4][1024];
    static int turn;
    const char *top = getenv("srcdir"), *here = __FILE__;
    const int length = (int)(strlen(here) - strlen("tests/source.h"));

    turn = (turn + 1) % 4;
    if (top != NULL)
        snprintf(path[turn], sizeof path[turn], "%s/%s", top, name);
    else
        snprintf(path[turn], sizeof path[turn], "%.*s%s", length, here, name);
    return path[turn];
}

#endif
