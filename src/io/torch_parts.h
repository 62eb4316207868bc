/* torch_parts.h - which part of what torch.save wrote is wanted, and what its tensors are called.
 * Private to io/. */
#ifndef HIDI_IO_TORCH_PARTS_H
#define HIDI_IO_TORCH_PARTS_H

#include "io/pickle.h"

typedef struct hidi_named_view {
    char *name;
    const hidi_stored_view *view;
} hidi_named_view;

typedef struct hidi_torch_views {
    hidi_named_view *item;
    size_t n;
} hidi_torch_views;

/* The part that `key` names (hidi_torch_read says how), of the file `path`; *prefix: the end of `key`
 * if that is what names in the part begin with, or NULL. */
hidi_status hidi_torch_choose(const hidi_value *root, const char *key, const char *path,
                              const hidi_value **part, const char **prefix);

/* All tensors of a part, or those called "prefix.NAME", as NAME, in order; metadata and the unread go
 * into `file`.  The caller frees with
 * hidi_torch_views_free, after errors too. */
hidi_status hidi_torch_list_part(hidi_torch_views *list, const hidi_value *part, const char *prefix,
                                 hidi_tensor_file *file);
void hidi_torch_views_free(hidi_torch_views *list);

#endif
