/* dit.h - the diffusion transformer with adaLN-Zero (Peebles & Xie, arXiv 2212.09748) or PixArt's
 * adaLN-single (arXiv 2310.00426), as a velocity v(z, t, y) or, with an interval embedder, as an
 * average velocity u(z, r, t, y).
 * Its equations and forward pass are dit.c; y is a class, or a caption that cross-attention reads
 * (caption.c, arXiv 2310.00426).
 *
 * Parameters have the names of facebookresearch/DiT's state dict; the interval embedder's are
 * h_embedder.mlp.{0,2}.{weight,bias}; those of QK-norm (arXiv 2302.05442) are timm's
 * (blocks.N.attn.{q,k}_norm.{weight,bias}, and cross_attn's alike); those of captions are PixArt's
 * where it has them (blocks.N.cross_attn.{q_linear,kv_linear,proj}, y_embedder.y_proj.{fc1,fc2}), and adaLN-single's
 * (t_block.1, blocks.N.scale_shift_table, final_layer.scale_shift_table).
 */
#ifndef HIDI_MODEL_DIT_H
#define HIDI_MODEL_DIT_H

#include <stdint.h>

#include "../autograd/ops.h"
#include "../autograd/params.h"
#include "../io/tensor_file.h"
#include "condition.h"

/* What a network predicts; hidi_dit_velocity makes one velocity of all (prediction.c). */
typedef enum hidi_prediction {
    HIDI_VELOCITY, /* v = e - x at t, in this project's convention                             */
    HIDI_SIT,      /* x - e at 1 - t: SiT's checkpoints [base: arXiv 2401.08740]               */
    HIDI_EPSILON   /* e on the discrete chain (chain.h): DiT's checkpoints; t is step s / 1000 */
} hidi_prediction;
#define HIDI_PREDICTIONS "velocity sit epsilon"

/* Two codes compute a DiT: DiT's own and SiT's, and diffusers' DiTTransformer2DModel, which spreads
 * the frequencies of its time features otherwise (w_k = 10000^(-k/127), not k/128) and adds 1e-5,
 * not 1e-6, in the blocks' layer norms. */
typedef enum hidi_dit_code { HIDI_CODE_DIT, HIDI_CODE_DIFFUSERS } hidi_dit_code;
#define HIDI_DIT_CODES "dit diffusers"

/* How t (and a class) reach the blocks: each block makes its shifts, scales and gates of them by a
 * linear layer of its own, or all share one layer, and each adds a table. */
typedef enum hidi_dit_adaln { HIDI_ADALN_ZERO, HIDI_ADALN_SINGLE } hidi_dit_adaln;
#define HIDI_ADALNS "zero single"

#define HIDI_TIME_FEATURES 256 /* sin-cos features of t and h, as in DiT */
#define HIDI_DIT_EPS 1e-6      /* of the layer norms                     */
#define HIDI_QK_NORM_EPS 1e-5  /* of those of QK-norm, as in timm        */

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
    size_t n_classes;    /* without the null class, which is row n_classes of the table; 0:  */
                         /*   it is asked for captions, and caption_length is not 0          */
    bool has_interval;   /* has an h embedder: takes r                                       */
    double time_scale;   /* t and h in [0, 1] are multiplied by it before the features       */
    int prediction;      /* a hidi_prediction: what the first C output channels are          */
    double least_data;   /* epsilon: 1 - t counts as no less than this where it is divided   */
                         /*   by; 0: the chain's own least, 0.0064                           */
    int code;            /* a hidi_dit_code                                                  */
    int adaln;           /* a hidi_dit_adaln                                                  */
    bool qk_norm;        /* layer norms of queries and keys, in the blocks' attentions        */
    double position_scale; /* the fixed positions are those of i / this; 0: 1                  */
    bool recompute;      /* a block's activations are computed again in the backward pass    */
                         /*   instead of kept: the same bits, in less memory (not in files)  */
    bool bf16;           /* frozen: its matrices are held in bfloat16 (params.h; not in      */
                         /*   files), but for the first layers of x_, t_ and h_embedder       */
    size_t caption_length; /* L: tokens that a caption may have                              */
    size_t words;          /* rows of the text encoder's table of tokens, the first two being  */
                           /*   null and unknown (data/words.h); 0: captions are embeddings  */
    size_t text_depth;     /* its blocks                                                     */
    size_t caption_width;  /* D_c, of captions that are embeddings                           */
    size_t null_length;    /* tokens of their null caption, at most L; 0 becomes 1           */
    bool no_null;          /* they have no null caption (null_length is 0)                   */
} hidi_dit_config;

typedef struct hidi_dit {
    hidi_dit_config config;
    hidi_params params;
    hidi_real *positions; /* [T, D], backend memory, fixed                             */
    int t_embedder, h_embedder, y_embedder, t_block, blocks, final_layer; /* number of the
                                           * first parameter of each; x_embedder's is 0 */
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
 * adaLN modulations, the final layer and all biases (ones for QK-norm's scales); h_embedder's last
 * layer is zero too, so that a student starts as its teacher.  Of adaLN-single PixArt's: the shared layer is N(0, 0.02^2), and
 * tables are N(0, 1/D). */
hidi_status hidi_dit_initialise(hidi_dit *dit, uint64_t seed);

/* The null caption becomes what the list has for it, where it has something (captions.h): a start,
 * from which it is trained with the rest.  HIDI_BAD_SHAPE if it does not fit the network. */
hidi_status hidi_dit_set_null(hidi_dit *dit, const hidi_captions *captions);

/* For a network that has no null caption, as diffusers' files of PixArt: *dit is replaced by the
 * same with that of the list.  HIDI_BAD_ARGUMENT if the list has none, or it does not fit. */
hidi_status hidi_dit_give_null(hidi_dit **dit, const hidi_captions *captions);

/* A student: `dit` with an interval embedder (zero at its output) and the same other weights, so
 * that it starts as its teacher's velocity, whatever that predicts.  Of a teacher that predicts
 * epsilon it keeps this form, v = (e_hat - z) / (1 - t), but divides by no less than
 * HIDI_STUDENT_LEAST_DATA [ours]: a student is asked for u(e, 0, 1), where the teacher's form would
 * make 157 times of each change of its output.  Up to t = 1 - HIDI_STUDENT_LEAST_DATA it is the
 * teacher's velocity; beyond, it starts between this and 0. */
#define HIDI_STUDENT_LEAST_DATA 0.3
hidi_status hidi_dit_student(hidi_dit **student, const hidi_dit *dit, uint64_t seed);

/* The same with another number of blocks [ours].  More: those after the last are new and do nothing
 * at first (with adaLN-Zero their gates are 0; with adaLN-single what their attention and MLP put
 * out), so that the student still starts as its teacher.  Fewer: evenly
 * spaced ones of the teacher's, the first and the last among them (one: the first). */
hidi_status hidi_dit_student_of_depth(hidi_dit **student, const hidi_dit *dit, size_t depth,
                                      uint64_t seed);

/* An independent copy, without gradients.  Of a network in bfloat16 it has the values, in full, as
 * a student has: it may be trained. */
hidi_status hidi_dit_copy(hidi_dit **copy, const hidi_dit *dit);

/* Rounds the matrices to bfloat16 and holds them so; one that is held so already stays as it is.
 * The network is another one afterwards, the old one is destroyed; after an error it is as it
 * was. */
hidi_status hidi_dit_hold_bf16(hidi_dit **dit);

/* --- the forward pass (dit.c) ----------------------------------------------------------------- */

/* out [B, C_out, H, W] = dit(z, t, y), or dit(z, r, t, y): the network itself, with z and t as it
 * has them; what it predicts does not matter here.
 *   z       [B, C, H, W]; may carry a tangent and want a gradient
 *   t, r    [B] in [0, 1]; r NULL: r = t.  r with a network without interval embedder: an error
 *   y       what each sample is asked for (condition.h); NULL: null for all.  HIDI_BAD_ARGUMENT for
 *           classes where captions are expected, and captions that do not fit the network
 *   frozen  no gradients for the parameters (z's still flow)
 *   taps    NULL: none.  With taps the pass ends after the last tapped block and returns that
 *           block's tokens (n = 0: the embedded image); the output itself is not computed.
 * A frozen pass whose z wants no gradient gives the memory of each block back. */
hidi_var *hidi_dit_forward(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                           hidi_var *t, hidi_var *r, const hidi_condition *y, hidi_taps *taps);

/* The (average) velocity [B, C, H, W] at z_t = (1 - t) x + t e, whatever the network predicts. */
hidi_var *hidi_dit_velocity(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                            hidi_var *t, hidi_var *r, const hidi_condition *y);

/* The hidden states at this z_t, for a discriminator: hidi_dit_forward with taps, in this project's
 * convention. */
hidi_var *hidi_dit_tokens(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                          hidi_var *t, const hidi_condition *y, hidi_taps *taps);

/* All that a network that predicts epsilon puts out [B, C_out, H, W], at z_vp and at step s of the
 * chain, 0 .. 999: e_hat and, if C_out is 2 C, the variance's interpolation.  Frozen. */
hidi_var *hidi_dit_at_step(hidi_tape *tape, const hidi_dit *dit, hidi_var *z_vp, double s,
                           const hidi_condition *y);

/* --- published sizes (dit_sizes.c) ------------------------------------------------------------ */

/* Fills in D, depth, heads (and mlp_width) of the published sizes "S", "B", "L", "XL", with
 * "/p" for the patch, such as "B/2" or "DiT-B/2"; HIDI_BAD_ARGUMENT for another name. */
hidi_status hidi_dit_named_size(const char *name, hidi_dit_config *config);

/* The published size of this width and depth: its number of heads (0: there is none) and its name
 * "S", "B", "L", "XL" (NULL). */
size_t hidi_dit_published_heads(size_t width, size_t depth);
const char *hidi_dit_published_name(size_t width, size_t depth);

/* A size as DiT has it for ImageNet: 1000 classes, and twice the channels put out; on images, or
 * latents, of `side` x `side` x `channels`.  A name without /p has patches of 2. */
hidi_status hidi_dit_imagenet_config(const char *name, size_t side, size_t channels,
                                      hidi_dit_config *config);

/* --- files (dit_file.c) ----------------------------------------------------------------------- */

/* Adds all parameters and pos_embed as tensors named prefix + name; with prefix "", or "average."
 * (a checkpoint's result so far), also the metadata hidi.heads, hidi.time_scale and, where it could
 * be taken for another, hidi.prediction, hidi.least_data, hidi.code: what shapes do not say. */
hidi_status hidi_dit_to_file(const hidi_dit *dit, const char *prefix, hidi_tensor_file *file);

/* What the shapes of a file's tensors do not say, in the place of what its metadata says.  0: not
 * given. */
typedef struct hidi_dit_given {
    size_t heads;
    double time_scale;
    size_t image_size; /* of a file without pos_embed                                            */
    int prediction;    /* 1 + a hidi_prediction                                                  */
    int code;          /* 1 + a hidi_dit_code                                                    */
    size_t caption_length; /* of captions that are embeddings                                    */
    bool bf16;         /* not of the file, but how the network is to be held (hidi_dit_config)   */
} hidi_dit_given;

/* A network from a file's tensors.  Almost everything follows from the tensors' shapes, so that a
 * plain state dict of the DiT code can be read; the rest is given (NULL: nothing is), or in the
 * metadata, or follows:
 *
 *     heads        width and depth are those of a published size (S, B, L, XL): its number of heads
 *     prediction   velocity if C channels are put out; with 2 C it is epsilon or SiT's velocity, and
 *                  has to be given
 *     time_scale   1 for sit, 1000 for epsilon
 *     captions     those that are embeddings: 120 tokens, as PixArt-alpha has, or as many as its
 *                  null caption, if there are more
 *
 * HIDI_BAD_ARGUMENT, with all that is still to be given, where this leaves something open.
 * Missing, superfluous or misshapen tensors: HIDI_BAD_FORMAT with the name. */
hidi_status hidi_dit_read(hidi_dit **dit, const hidi_backend *backend, const hidi_tensor_file *file,
                          const char *prefix, const hidi_dit_given *given);

/* hidi_dit_read with these three given, where they are not 0. */
hidi_status hidi_dit_from_file(hidi_dit **dit, const hidi_backend *backend,
                               const hidi_tensor_file *file, const char *prefix, size_t heads,
                               double time_scale, size_t image_size);

/* Only its config, without tensors' values being looked at. */
hidi_status hidi_dit_config_of(hidi_dit_config *config, const hidi_tensor_file *file,
                               const char *prefix, const hidi_dit_given *given);

/* The two above with a safetensors file; hidi_dit_save writes it atomically. */
hidi_status hidi_dit_save(const hidi_dit *dit, const char *path);
hidi_status hidi_dit_load(hidi_dit **dit, const hidi_backend *backend, const char *path);

/* --- other people's files (dit_foreign.c) ----------------------------------------------------- */

/* hidi_tensor_file_open, with names made DiT's: where there are several parts and no key, "ema" is
 * taken, as DiT's own code does; what DataParallel ("module.") and torch.compile ("_orig_mod.") put
 * in front is taken off; diffusers' Transformer2DModel, DiTTransformer2DModel and
 * PixArtTransformer2DModel get DiT's and PixArt's names, to_q, to_k and to_v being joined, and what
 * their names and the config.json beside them say becomes metadata.  What PixArt's embedders of
 * resolution and aspect ratio put out for square images of the config's size is added to a bias. */
hidi_status hidi_dit_open(hidi_tensor_file *file, const char *path, const char *key);

/* The names alone, of a file that has been read; one that is no DiT's is left as it is. */
hidi_status hidi_dit_adopt(hidi_tensor_file *file);

/* "10 classes", "captions of 77 tokens of width 768" into text[size]. */
char *hidi_dit_asked_text(const hidi_dit_config *config, char *text, size_t size);

/* "DiT 16x16x3 patch 4, width 128, depth 4, 4 heads, 10 classes, ..." into text[size]. */
char *hidi_dit_text(const hidi_dit_config *config, char *text, size_t size);

#endif
