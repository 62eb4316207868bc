/* dit_foreign.h - files of diffusers', besides what dit.h has. */
#ifndef HIDI_MODEL_DIT_FOREIGN_H
#define HIDI_MODEL_DIT_FOREIGN_H

#include "model/dit.h"

/* What diffusers' names, and the config.json beside the file, say becomes metadata, where it has
 * none yet.  Another file is left as it is.  HIDI_UNSUPPORTED for a config of another network. */
hidi_status hidi_dit_take_config(hidi_tensor_file *file);

/* Takes a tensor out of the file; those behind it move up. */
void hidi_dit_remove_tensor(hidi_tensor_file *file, const hidi_file_tensor *tensor);

/* PixArt's embedders of resolution and aspect ratio, if it has them, are computed for images of
 * hidi.image_size, and removed; hidi.told_size says so (dit_pixart.c).  The other names are hidi's
 * by now. */
hidi_status hidi_dit_add_size(hidi_tensor_file *file);

#endif
