/* describe_file.h - what `hidi info` says about a file. */
#ifndef HIDI_LAB_DESCRIBE_FILE_H
#define HIDI_LAB_DESCRIBE_FILE_H

#include <stdbool.h>

#include "model/dit.h"

/* Prints what a file of tensors holds: its format, its kind, its metadata (in full, or the first
 * line of each), all its tensors, or the sums over those whose names begin alike, and what is in
 * it that cannot be read.  Of a PyTorch file with several parts, and of an npz, no data is read.
 * `key` (NULL: none): a part of the file, as in hidi_tensor_file_open; given: what is said of a
 * network in it.  Of a DiT, wherever it is from, whether it is complete and finite, and what it
 * takes to sample from it. */
hidi_status hidi_describe_file(const char *path, const char *key, const hidi_dit_given *given,
                               bool full_metadata, bool all_tensors);

#endif
