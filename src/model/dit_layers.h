/* dit_layers.h - which parameter of a DiT is which: dit_params.c declares them in this order, dit.c
 * asks for them by these numbers.  A linear layer is two parameters, its weight and then its bias;
 * its number is the weight's. */
#ifndef HIDI_MODEL_DIT_LAYERS_H
#define HIDI_MODEL_DIT_LAYERS_H

#include "model/dit.h"

enum { X_EMBEDDER = 0 }; /* the first of all; dit.h's struct has where the others begin */

/* The linear layers of a block, counted from its first parameter.  ADALN is the last before those
 * of QK-norm and cross-attention: a linear layer, or adaLN-single's table, which is one
 * parameter. */
enum { QKV = 0, PROJECTION = 2, FC1 = 4, FC2 = 6, ADALN = 8 };
/* QK-norm's, counted from hidi_dit_norms, or from the end of cross-attention's: a scale and a shift
 * of the queries, then of the keys. */
enum { Q_NORM = 0, K_NORM = 2, NORM_PARAMS = 4 };
/* Those of cross-attention, counted from hidi_dit_cross: where there are captions. */
enum { CROSS_Q = 0, CROSS_KV = 2, CROSS_PROJECTION = 4, CROSS_PARAMS = 6 };

/* Where QK-norm and cross-attention begin in a block, and how many parameters a block has. */
static inline int hidi_dit_norms(const hidi_dit_config *c)
{
    return ADALN + (c->adaln == HIDI_ADALN_SINGLE ? 1 : 2);
}
static inline int hidi_dit_cross(const hidi_dit_config *c)
{
    return hidi_dit_norms(c) + (c->qk_norm ? NORM_PARAMS : 0);
}
static inline int hidi_dit_block_params(const hidi_dit_config *c)
{
    const int cross = CROSS_PARAMS + (c->qk_norm ? NORM_PARAMS : 0);
    return hidi_dit_cross(c) + (c->caption_length > 0 ? cross : 0);
}

/* Of captions, counted from y_embedder: words, or embeddings.  Blocks of the text encoder have QKV
 * to FC2. */
enum { WORDS = 0, WORD_POSITIONS = 1, TEXT_BLOCKS = 2, TEXT_BLOCK_PARAMS = 8 };
enum { NULL_EMBEDDING = 0, CAPTION_FC1 = 1, CAPTION_FC2 = 3 }; /* without a null caption, 1 less */

/* Those of an embedder of t or h, and of the final layer, whose last is as ADALN of a block. */
enum { MLP_0 = 0, MLP_2 = 2 };
enum { FINAL_LINEAR = 0, FINAL_ADALN = 2 };

/* The largest of a config, which keep every product of extents within a size_t. */
enum { HIDI_DIT_MOST_SIDE = 16384, HIDI_DIT_MOST_PATCH = 1024, HIDI_DIT_MOST_DEPTH = 1024 };
enum { HIDI_MOST_CAPTION_TOKENS = 1024 };

/* Checks dit->config and declares its parameters, without memory for them (dit_params.c). */
hidi_status hidi_dit_declare(hidi_dit *dit);

#endif
