/* describe_build.h - what `hidi info` says about the program itself. */
#ifndef HIDI_LAB_DESCRIBE_BUILD_H
#define HIDI_LAB_DESCRIBE_BUILD_H

#include "backend/backend.h"

/* Prints version, compiler, precision, libraries, the backends and whether they can be used here
 * (the one in use: `chosen`), this machine's memory, and where data files and presets are. */
void hidi_describe_build(const hidi_backend *chosen);

#endif
