/* torch_legacy.h - what torch.save wrote before PyTorch 1.6.  Private to io/. */
#ifndef HIDI_IO_TORCH_LEGACY_H
#define HIDI_IO_TORCH_LEGACY_H

#include "io/tensor_file.h"

/* As hidi_torch_read, or hidi_torch_list if `data` is false, into a `file` that is empty but for
 * its path.
 *
 *   pickles: a magic number; the version, 1001; a dict about the system; what was saved; the
 *            names of the storages, a list
 *   for each of these: its number of elements (8 bytes, little-endian), and its data
 */
hidi_status hidi_torch_read_legacy(hidi_tensor_file *file, const char *path, const char *key,
                                   bool data);

/* Does a file begin like this (n >= 15 bytes of it)? */
bool hidi_torch_is_legacy(const unsigned char *bytes, size_t n);

#endif
