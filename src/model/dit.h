/* dit.h - the diffusion transformer with adaLN-Zero (Peebles & Xie, arXiv 2212.09748), as a
 * velocity v(z, t, y) or, with an interval embedder, as an average velocity u(z, r, t, y).
 * Its equations and forward pass are dit.c.
 *
 * Parameters have the names of facebookresearch/DiT's state dict; the interval embedder's are
 * h_embedder.mlp.{0,2}.{weight,bias}.
 */
#ifndef HIDI_MODEL_DIT_H
#define HIDI_MODEL_DIT_H

#include <stdint.h>

#include "../autograd/ops.h"
#include "../autograd/params.h"
#include "../io/tensor_file.h"

#define HIDI_TIME_FEATURES 256 /* sin-cos features of t and h, as in DiT */
#define HIDI_DIT_EPS 1e-6      /* of the layer norms                     */

typedef struct hidi_dit_config {
    size_t image_size;   /* H = W, divisible by patch                                        */
    size_t channels;     /* C                                                                */
    size_t out_channels; /* C, or 2 C if the network also puts out a variance (DiT's do):    */
                         /*   only the first C are the velocity                              */
    size_t patch;        /* p: T = (H / p)^2 tokens                                          */
    size_t width;        /* D, divisible by heads and by 4                                   */
    size_t depth;        /* blocks                                                           */
    size_t heads;
    size_t mlp_width;    /* 4 D                                                              */
    size_t n_classes;    /* without the null class, which is row n_classes of the table      */
    bool has_interval;   /* has an h embedder: takes r                                       */
    double time_scale;   /* t and h in [0, 1] are multiplied by it before the features       */
} hidi_dit_config;

typedef struct hidi_dit {
    hidi_dit_config config;
    hidi_params params;
    hidi_real *positions; /* [T, D], backend memory, fixed                             */
    int t_embedder, h_embedder, y_embedder, blocks, final_layer; /* number of the first
                                           * parameter of each; x_embedder's is 0       */
} hidi_dit;

/* What a forward pass leaves besides its output: hidden states for a discriminator. */
#define HIDI_MAX_TAPS 8
typedef struct hidi_taps {
    int n;                           /* input: how many                                */
    int block[HIDI_MAX_TAPS];        /* input: after which blocks (0-based, ascending)   */
    hidi_var *tokens[HIDI_MAX_TAPS]; /* output: [B, T, D] each                           */
    hidi_var *condition;             /* output: c, [B, D]                                */
} hidi_taps;

/* --- a network and its parameters (dit_params.c) ---------------------------------------------- */

/* A network whose parameters are all 0.  HIDI_BAD_ARGUMENT for a config that does not fit together.
 * The caller destroys it. */
hidi_status hidi_dit_create(hidi_dit **dit, const hidi_backend *backend,
                            const hidi_dit_config *config);
void hidi_dit_destroy(hidi_dit *dit); /* NULL is allowed */

/* DiT's initialisation: Xavier-uniform linear layers, N(0, 0.02^2) embedders, and zeros for the
 * adaLN modulations, the final layer and all biases; h_embedder's last layer is zero too, so that
 * a student starts as its teacher. */
hidi_status hidi_dit_initialise(hidi_dit *dit, uint64_t seed);

/* A student: `dit` with an interval embedder (zero at its output) and the same other weights. */
hidi_status hidi_dit_student(hidi_dit **student, const hidi_dit *dit, uint64_t seed);

/* The same with another number of blocks [ours].  More: those after the last are new and, with
 * adaLN-Zero, do nothing at first, so that the student still starts as its teacher.  Fewer: evenly
 * spaced ones of the teacher's, the first and the last among them (one: the first). */
hidi_status hidi_dit_student_of_depth(hidi_dit **student, const hidi_dit *dit, size_t depth,
                                      uint64_t seed);

/* An independent copy, without gradients. */
hidi_status hidi_dit_copy(hidi_dit **copy, const hidi_dit *dit);

/* --- the forward pass (dit.c) ----------------------------------------------------------------- */

/* out [B, C_out, H, W] = dit(z, t, y), or dit(z, r, t, y).
 *   z       [B, C, H, W]; may carry a tangent and want a gradient
 *   t, r    [B] in [0, 1]; r NULL: r = t.  r with a network without interval embedder: an error
 *   y       host, [B], classes 0 .. n_classes, the last being the null class; NULL: all null
 *   frozen  no gradients for the parameters (z's still flow)
 *   taps    NULL: none.  With taps the pass ends after the last tapped block and returns that
 *           block's tokens (n = 0: the embedded image); the output itself is not computed.
 * A frozen pass whose z wants no gradient gives the memory of each block back. */
hidi_var *hidi_dit_forward(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                           hidi_var *t, hidi_var *r, const int32_t *y, hidi_taps *taps);

/* The first C channels of hidi_dit_forward: the (average) velocity. */
hidi_var *hidi_dit_velocity(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                            hidi_var *t, hidi_var *r, const int32_t *y);

/* --- published sizes (dit_sizes.c) ------------------------------------------------------------ */

/* Fills in D, depth, heads (and mlp_width) of the published sizes "S", "B", "L", "XL", with
 * "/p" for the patch, such as "B/2" or "DiT-B/2"; HIDI_BAD_ARGUMENT for another name. */
hidi_status hidi_dit_named_size(const char *name, hidi_dit_config *config);

/* A size as DiT has it for ImageNet: 1000 classes, and twice the channels put out; on images, or
 * latents, of `side` x `side` x `channels`.  A name without /p has patches of 2. */
hidi_status hidi_dit_imagenet_config(const char *name, size_t side, size_t channels,
                                      hidi_dit_config *config);

/* --- files (dit_file.c) ----------------------------------------------------------------------- */

/* Adds all parameters and pos_embed as tensors named prefix + name; with prefix "", or "average."
 * (a checkpoint's result so far), also the metadata hidi.heads and hidi.time_scale: what the shapes do not say. */
hidi_status hidi_dit_to_file(const hidi_dit *dit, const char *prefix, hidi_tensor_file *file);

/* A network from a file's tensors.  Everything but heads and time_scale follows from the tensors'
 * shapes, so that a plain state dict of the DiT code can be read; these two come from the metadata,
 * or, where they are not 0, from the arguments.  Missing, superfluous or misshapen tensors:
 * HIDI_BAD_FORMAT with the name.  image_size: needed only for a file without pos_embed, else 0. */
hidi_status hidi_dit_from_file(hidi_dit **dit, const hidi_backend *backend,
                               const hidi_tensor_file *file, const char *prefix, size_t heads,
                               double time_scale, size_t image_size);

/* The two above with a safetensors file; hidi_dit_save writes it atomically. */
hidi_status hidi_dit_save(const hidi_dit *dit, const char *path);
hidi_status hidi_dit_load(hidi_dit **dit, const hidi_backend *backend, const char *path);

/* "DiT 16x16x3 patch 4, width 128, depth 4, 4 heads, 10 classes, ..." into text[size]. */
char *hidi_dit_text(const hidi_dit_config *config, char *text, size_t size);

#endif
