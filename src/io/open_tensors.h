/* open_tensors.h - one door to all files of tensors. */
#ifndef HIDI_IO_OPEN_TENSORS_H
#define HIDI_IO_OPEN_TENSORS_H

#include "tensor_file.h"

/* Reads a file of tensors, whatever its name: safetensors, PyTorch (zip or legacy) or npz, told
 * apart by their first bytes and a zip's members (what is not a regular file, such as a pipe, is
 * taken for safetensors).  `key` chooses a part of a PyTorch file, as in torch_file.h; for the flat
 * formats it is a prefix of names up to a dot, which is taken off ("ema": "ema.x" becomes "x"), and
 * NULL and "" are the whole file.  An unknown key is HIDI_BAD_ARGUMENT.  *file is empty on
 * errors. */
hidi_status hidi_tensor_file_open(hidi_tensor_file *file, const char *path, const char *key);

/* The same, whole, with the tensors of a safetensors file mapped and not read (safetensors.h):
 * for one that may be larger than memory. */
hidi_status hidi_tensor_file_map(hidi_tensor_file *file, const char *path);

/* Names, dtypes and shapes; the data of the tensors may be NULL and is not to be used. */
hidi_status hidi_tensor_file_list(hidi_tensor_file *file, const char *path, const char *key);

/* "safetensors", "PyTorch", "PyTorch (legacy)", "npz": which of them it is, or HIDI_BAD_FORMAT. */
hidi_status hidi_tensor_file_format(const char *path, const char **format);

#endif
