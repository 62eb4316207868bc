/* version.c - the version that configure.ac names; tests/test_core.c compares the header's with
 * it. */
#include "core/version.h"

const char *hidi_version(void)
{
    return HIDI_VERSION;
}
