/* shards.h - a model in several files, with the list of what is where that Hugging Face's libraries
 * write beside them (NAME.safetensors.index.json, NAME.bin.index.json). */
#ifndef HIDI_IO_SHARDS_H
#define HIDI_IO_SHARDS_H

#include "io/tensor_file.h"

/* Reads one of the files. */
typedef hidi_status hidi_shard_reader(hidi_tensor_file *file, const char *path);

/* All tensors of the files that the list at `path` names; they lie in its folder.  A tensor that is
 * listed must be there, and none twice: HIDI_BAD_FORMAT.  On errors `file` is empty. */
hidi_status hidi_shards_read(hidi_tensor_file *file, const char *path, hidi_shard_reader *read);

#endif
