/* info.h - what `hidi info` says about a file. */
#ifndef HIDI_CLI_INFO_H
#define HIDI_CLI_INFO_H

#include <stdbool.h>

#include "core/status.h"

/* Prints what a safetensors file holds: its kind, its metadata (in full, or the first line of each),
 * and all its tensors, or the sums over those whose names begin alike. */
hidi_status hidi_info_file(const char *path, bool full_metadata, bool all_tensors);

#endif
