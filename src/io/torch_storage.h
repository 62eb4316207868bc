/* torch_storage.h - from the storages of a PyTorch file to contiguous tensors.  Private to io/. */
#ifndef HIDI_IO_TORCH_STORAGE_H
#define HIDI_IO_TORCH_STORAGE_H

#include "io/torch_parts.h"

/* Where the bytes of storages come from. */
typedef struct hidi_storage_source {
    /* The bytes of a storage: either allocated (*owned true), or to stay where they are as long as
     * the file.  NULL: only names and shapes are wanted. */
    hidi_status (*load)(void *context, const hidi_stored *storage, unsigned char **data,
                        bool *owned);
    void *context;
    bool big_endian;
    size_t file_bytes; /* for hidi_file_budget */
} hidi_storage_source;

/* Puts the tensors of `list` into `file`, in its order, each contiguous and little-endian.  Every
 * storage is loaded once. */
hidi_status hidi_torch_materialise(hidi_tensor_file *file, const hidi_torch_views *list,
                                   const hidi_storage_source *source);

#endif
