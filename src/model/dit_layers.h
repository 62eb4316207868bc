/* dit_layers.h - which parameter of a DiT is which: dit_params.c declares them in this order, dit.c
 * asks for them by these numbers.  A linear layer is two parameters, its weight and then its bias;
 * its number is the weight's. */
#ifndef HIDI_MODEL_DIT_LAYERS_H
#define HIDI_MODEL_DIT_LAYERS_H

#include "model/dit.h"

enum { X_EMBEDDER = 0 }; /* the first of all; dit.h's struct has where the others begin */

/* The linear layers of a block, counted from its first parameter. */
enum { QKV = 0, PROJECTION = 2, FC1 = 4, FC2 = 6, ADALN = 8, BLOCK_PARAMS = 10 };

/* Those of an embedder of t or h, and of the final layer. */
enum { MLP_0 = 0, MLP_2 = 2 };
enum { FINAL_LINEAR = 0, FINAL_ADALN = 2 };

/* The largest of a config, which keep every product of extents within a size_t. */
enum { HIDI_DIT_MOST_SIDE = 16384, HIDI_DIT_MOST_PATCH = 1024, HIDI_DIT_MOST_DEPTH = 1024 };

/* Checks dit->config and declares its parameters, without memory for them (dit_params.c). */
hidi_status hidi_dit_declare(hidi_dit *dit);

#endif
