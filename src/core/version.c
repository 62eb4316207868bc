/* version.c - the version that configure.ac names, which tests/test_core.c compares with the header's. */
#include "core/version.h"

const char *hidi_version(void)
{
    return HIDI_VERSION;
}
