/* dit_foreign.h - between dit_foreign.c and dit_pixart.c. */
#ifndef HIDI_MODEL_DIT_FOREIGN_H
#define HIDI_MODEL_DIT_FOREIGN_H

#include "model/dit.h"

/* Takes a tensor out of the file; those behind it move up. */
void hidi_dit_remove_tensor(hidi_tensor_file *file, const hidi_file_tensor *tensor);

/* What is PixArt's own in a file whose names are hidi's by now: settings in the config.json at
 * `config`, if there is one, and the embedders of resolution and aspect ratio. */
hidi_status hidi_dit_adopt_pixart(hidi_tensor_file *file, const char *config);

#endif
