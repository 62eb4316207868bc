/* caption.h - a caption as the tokens that the blocks of a DiT attend to. */
#ifndef HIDI_MODEL_CAPTION_H
#define HIDI_MODEL_CAPTION_H

#include "model/dit.h"

/* Parameters of a text encoder or of a projection of embeddings (dit_layers.h). */
hidi_status hidi_caption_declare(hidi_params *params, const hidi_dit_config *config);

/* That y can be asked of this network. */
hidi_status hidi_caption_check(const hidi_dit_config *config, const hidi_condition *y, size_t B);

/* tokens [B, L, D] of the captions y, and how many each has, into length [B] (host, at least 1:
 * the null caption has a token, or more). */
hidi_var *hidi_caption_tokens(hidi_tape *tape, const hidi_dit *dit, bool frozen,
                              const hidi_condition *y, size_t B, int32_t *length);

#endif
