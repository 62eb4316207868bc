/* dit_layers.h - which parameter of a DiT is which: dit_params.c declares them in this order, dit.c
 * asks for them by these numbers.  A linear layer is two parameters, its weight and then its bias;
 * its number is the weight's. */
#ifndef HIDI_MODEL_DIT_LAYERS_H
#define HIDI_MODEL_DIT_LAYERS_H

enum { X_EMBEDDER = 0 }; /* the first of all; dit.h's struct has where the others begin */

/* The linear layers of a block, counted from its first parameter. */
enum { QKV = 0, PROJECTION = 2, FC1 = 4, FC2 = 6, ADALN = 8, BLOCK_PARAMS = 10 };

/* Those of an embedder of t or h, and of the final layer. */
enum { MLP_0 = 0, MLP_2 = 2 };
enum { FINAL_LINEAR = 0, FINAL_ADALN = 2 };

#endif
