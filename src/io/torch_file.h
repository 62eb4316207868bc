/* torch_file.h - the files of torch.save: the zip format (since PyTorch 1.6) and the one before it.
 *
 * Both hold a Python pickle, which is a program.  It is not run here: only its instructions that
 * build dicts, lists, tuples, numbers, text and tensors are followed; a call of anything else is
 * noted by its name and not made (pickle.h).
 * Sources: torch/serialization.py and torch/_utils.py (PyTorch), pickletools.py (Python).
 */
#ifndef HIDI_IO_TORCH_FILE_H
#define HIDI_IO_TORCH_FILE_H

#include "io/tensor_file.h"

/* Reads the tensors of a file, or of a part of it.
 *
 *   key "ema", "a.b"   what this key (and the one below it) of the dict that was saved holds
 *   key ""             everything
 *   key NULL           the dict itself if it has tensors, otherwise the only one of its values
 *                      with tensors ("state_dict", beside which a scalar does not count); if there
 *                      are several: HIDI_BAD_ARGUMENT with their names
 *
 * The names of nested dicts, lists and tuples are joined by dots.  Numbers, texts, True, False and
 * None among the tensors become metadata; all other objects, named with their class, are listed in
 * file->unread; what lies outside the part is not read.  Tensors come out contiguous, whatever
 * their strides, and each with its own copy of a storage that several share; hidi_file_budget
 * bounds what that may take.  Parameters are their tensors.  HIDI_BAD_FILE or HIDI_BAD_FORMAT for
 * damaged files, HIDI_UNSUPPORTED if what was asked for is not a dict or a tensor but some other
 * object (a whole pickled model; TorchScript).  On errors `file` is empty; otherwise the caller
 * frees it with hidi_tensor_file_free. */
hidi_status hidi_torch_read(hidi_tensor_file *file, const char *path, const char *key);

/* The same without the data of the tensors, which is NULL: for looking at large files. */
hidi_status hidi_torch_list(hidi_tensor_file *file, const char *path, const char *key);

#endif
