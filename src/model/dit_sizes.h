/* dit_sizes.h - networks by the names of their papers, for commands that need no weights. */
#ifndef HIDI_MODEL_DIT_SIZES_H
#define HIDI_MODEL_DIT_SIZES_H

#include "dit.h"

enum { HIDI_DIT_SIZE_NAMES = 32 };
typedef char hidi_dit_size_name[16];

/* "S/2,B/2" into name[HIDI_DIT_SIZE_NAMES], *n of them, each of which must be a size that
 * hidi_dit_named_size knows.  list NULL: none. */
hidi_status hidi_dit_size_names(const char *list, hidi_dit_size_name *name, int *n);

/* A size as DiT has it for ImageNet: 1000 classes, and twice the channels put out; on images, or
 * latents, of `side` x `side` x `channels`. */
hidi_status hidi_dit_published_config(const char *name, long side, long channels,
                                  hidi_dit_config *config);

#endif
