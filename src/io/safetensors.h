/* safetensors.h - the file format of weights: an 8-byte little-endian header length, a JSON header
 * {"name": {"dtype", "shape", "data_offsets"}, "__metadata__": {text: text}}, and the data.
 * Source: github.com/huggingface/safetensors.
 */
#ifndef HIDI_IO_SAFETENSORS_H
#define HIDI_IO_SAFETENSORS_H

#include "tensor_file.h"

/* Reads a whole file.  Everything is checked before anything is believed: header length, JSON,
 * dtypes, shapes whose product overflows, offsets that overlap, leave gaps or leave the file.
 * HIDI_BAD_FILE or HIDI_BAD_FORMAT (HIDI_UNSUPPORTED for a legal dtype or rank that a
 * hidi_file_tensor cannot hold) with the file's and the tensor's name; then `file` is empty.
 * The caller frees `file` with hidi_tensor_file_free. */
hidi_status hidi_safetensors_read(hidi_tensor_file *file, const char *path);

/* The same without reading the data: the file is mapped, and what is looked at is read then.  For
 * regular files larger than memory; one that is cut short meanwhile ends the program. */
hidi_status hidi_safetensors_map(hidi_tensor_file *file, const char *path);

/* What such a file begins with, for one whose data (of the tensors' sizes; `data` may be NULL) is
 * written piece by piece: the caller frees *bytes [*n], and begin [n_tensors] says where in the
 * file each tensor's data goes. */
hidi_status hidi_safetensors_header(const hidi_tensor_file *file, const char *path,
                                    unsigned char **bytes, size_t *n, size_t *begin);

/* Writes all of `file` to `path` through a temporary file beside it, fsync and rename: a failed
 * or interrupted write leaves an existing file as it was. */
hidi_status hidi_safetensors_write(const hidi_tensor_file *file, const char *path);

#endif
