/* ops.h - the ops.  Each returns a new var, or NULL after recording an error in the tape.
 *
 * Every op pushes tangents forward and gradients back for each of its differentiable inputs.
 * Shapes that do not fit are an error that names the op and the shapes found.
 */
#ifndef HIDI_AUTOGRAD_OPS_H
#define HIDI_AUTOGRAD_OPS_H

#include "tape.h"

/* --- element-wise (elementwise.c) ------------------------------------------------------------- */
hidi_var *hidi_add(hidi_tape *tape, hidi_var *x, hidi_var *y); /* x + y */
hidi_var *hidi_sub(hidi_tape *tape, hidi_var *x, hidi_var *y); /* x - y */
hidi_var *hidi_mul(hidi_tape *tape, hidi_var *x, hidi_var *y); /* x * y */
hidi_var *hidi_affine(hidi_tape *tape, hidi_var *x, hidi_real a, hidi_real b); /* a x + b */
hidi_var *hidi_scale(hidi_tape *tape, hidi_var *x, hidi_real a); /* a x */
hidi_var *hidi_gelu(hidi_tape *tape, hidi_var *x); /* the tanh form */
hidi_var *hidi_silu(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_softplus(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_relu(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_abs(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_square(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_exp(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_power(hidi_tape *tape, hidi_var *x, hidi_real c, hidi_real p); /* (x + c)^p */

/* --- a function given as code (pointwise.c) --------------------------------------------------- */
/* f(x), and its derivative in *slope; `constant` is the caller's. */
typedef double hidi_function(double x, double constant, double *slope);
/* y = f(x), element by element, on the host: for a few numbers, such as the times of a batch. */
hidi_var *hidi_pointwise(hidi_tape *tape, hidi_var *x, hidi_function *f, double constant);

/* --- rows and reductions (reduce.c) ----------------------------------------------------------- */
/* y[b, ...] = s[b] x[b, ...];  s [B], x [B, ...]: one factor per sample */
hidi_var *hidi_scale_samples(hidi_tape *tape, hidi_var *x, hidi_var *s);
/* out[b] = sum of x[b, ...];  x [B, ...] -> [B] */
hidi_var *hidi_sum_samples(hidi_tape *tape, hidi_var *x);
/* out[b] = mean of x[b, ...] */
hidi_var *hidi_mean_samples(hidi_tape *tape, hidi_var *x);
hidi_var *hidi_sum(hidi_tape *tape, hidi_var *x);  /* all elements -> scalar */
hidi_var *hidi_mean(hidi_tape *tape, hidi_var *x); /* all elements -> scalar */

/* --- shape (shape_ops.c) ---------------------------------------------------------------------- */
/* The same elements in another shape (no copy). */
hidi_var *hidi_reshape(hidi_tape *tape, hidi_var *x, hidi_shape shape);
/* Columns first .. first + n - 1 of the last extent. */
hidi_var *hidi_columns_of(hidi_tape *tape, hidi_var *x, size_t first, size_t n);
/* x[0], ..., x[n - 1], 1 <= n <= 3, side by side: the columns of the last extent, one tensor's after
 * another's; all other extents are the same.  x [..., c_i] -> [..., sum of c_i] */
hidi_var *hidi_join(hidi_tape *tape, hidi_var *const *x, int n);
/* Channels first .. first + n - 1 of images [B, C, H, W]. */
hidi_var *hidi_channels_of(hidi_tape *tape, hidi_var *x, size_t first, size_t n);
/* tokens [B, (H/p)(W/p), p p C] <-> images [B, C, H, W]; order: backend.h */
hidi_var *hidi_patchify(hidi_tape *tape, hidi_var *image, size_t p, hidi_patch_order order);
hidi_var *hidi_unpatchify(hidi_tape *tape, hidi_var *tokens, size_t C, size_t H, size_t W, size_t p,
                          hidi_patch_order order);

/* --- linear algebra (linear.c) ---------------------------------------------------------------- */
/* y = x w^T + b;  x [..., in], w [out, in], b [out] or NULL -> [..., out]; w may be in bfloat16
 * (hidi_bf16_parameter) */
hidi_var *hidi_linear(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b);
/* y[i] = op(x[i]) op(w[i]), batches of matrices: x, w [B, ., .]; op transposes if set */
hidi_var *hidi_matmul(hidi_tape *tape, hidi_var *x, bool transpose_x, hidi_var *w,
                      bool transpose_w);
/* y[b, t, :] = x[b, t, :] + p[t, :];  x [B, T, D], p [T, D] or, for every t the same, [1, D] */
hidi_var *hidi_add_rows(hidi_tape *tape, hidi_var *x, hidi_var *p);

/* --- attention and softmax (attention.c) ------------------------------------------------------ */
/* Multi-head self-attention of qkv [B, T, 3 D] (q, k, v one after the other, each heads x D/heads)
 * -> [B, T, D]; softmax(Q K^T / sqrt(D/heads)) V */
hidi_var *hidi_attention(hidi_tape *tape, hidi_var *qkv, size_t heads);
/* Attention of one head over the pixels of images q, k, v [B, C, H, W] -> [B, C, H, W]; the matrix
 * of pixels by pixels is never held as a whole (pixel_attention.c) */
hidi_var *hidi_pixel_attention(hidi_tape *tape, hidi_var *q, hidi_var *k, hidi_var *v);
/* Multi-head attention of q [B, T, D] to the first length[b] rows (host; 0: y is 0) of kv
 * [B, L, 2 D], keys and then values -> [B, T, D]; heads as in hidi_attention (cross_attention.c) */
hidi_var *hidi_cross_attention(hidi_tape *tape, hidi_var *q, hidi_var *kv, const int32_t *length,
                               size_t heads);
hidi_var *hidi_softmax(hidi_tape *tape, hidi_var *x); /* over the last extent */

/* --- normalisation and modulation (norm.c) ---------------------------------------------------- */
/* (x - mean) / sqrt(variance + eps) over the last extent, then * g + b if g, b [D] are not NULL */
hidi_var *hidi_layer_norm(hidi_tape *tape, hidi_var *x, hidi_var *g, hidi_var *b, hidi_real eps);
/* y = LN(x) (1 + scale) + shift;  x [B, T, D], scale, shift [B, D], LN as above without g, b
 * (adaLN) */
hidi_var *hidi_adaln(hidi_tape *tape, hidi_var *x, hidi_var *shift, hidi_var *scale, hidi_real eps);
/* y = x + gate h;  x, h [B, T, D], gate [B, D]                   (adaLN-Zero) */
hidi_var *hidi_gated_residual(hidi_tape *tape, hidi_var *x, hidi_var *gate, hidi_var *h);

/* --- embeddings (embedding.c) ----------------------------------------------------------------- */
/* y[i, :] = table[index[i], :];  index from hidi_indices, n of them -> [n, D] */
hidi_var *hidi_embedding(hidi_tape *tape, hidi_var *table, const int32_t *index, size_t n);
/* [cos(s t w_k), sin(s t w_k)], w_k = 10000^(-2k/dim);  t [B] -> [B, dim], dim even.  As in DiT. */
hidi_var *hidi_sincos(hidi_tape *tape, hidi_var *t, hidi_real s, size_t dim);

/* --- convolutional nets (conv.c) -------------------------------------------------------------- */
/* x [B, C, H, W], w [O, C, kh, kw], b [O] or NULL -> [B, O, H', W'],
 * H' = (H + 2 padding_h - kh) / stride + 1, W' alike. */
hidi_var *hidi_conv2d(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b, size_t stride,
                      size_t padding_h, size_t padding_w);
/* The mean over square windows, of those pixels that lie in the image; 2 padding <= kernel. */
hidi_var *hidi_average_pool(hidi_tape *tape, hidi_var *x, size_t kernel, size_t stride,
                            size_t padding);

/* The same with other padding below and on the right than above and on the left. */
typedef struct hidi_padding {
    size_t top, bottom, left, right;
} hidi_padding;
hidi_var *hidi_conv2d_padded(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b, size_t stride,
                             hidi_padding padding);
/* Each pixel twice in both directions: x [B, C, H, W] -> [B, C, 2 H, 2 W] (upsample.c) */
hidi_var *hidi_upsample2(hidi_tape *tape, hidi_var *x);
/* conv2d of that, with a border of zeros and w [O, C, 3, 3], b [O] -> [B, O, 2 H, 2 W], for less
 * than half of its arithmetic (upsample_conv.c) */
hidi_var *hidi_upsample_conv2d(hidi_tape *tape, hidi_var *x, hidi_var *w, hidi_var *b);
/* g (x - mean) / sqrt(variance + eps) + b of images x [B, C, H, W], with mean and variance over
 * each of `groups` equal groups of channels, and g, b [C] (group_norm.c) */
hidi_var *hidi_group_norm(hidi_tape *tape, hidi_var *x, size_t groups, hidi_var *g, hidi_var *b,
                          hidi_real eps);

/* --- losses (cross_entropy.c) ----------------------------------------------------------------- */
/* -log softmax(logits)[label];  logits [B, n], labels from hidi_indices -> [B] */
hidi_var *hidi_cross_entropy(hidi_tape *tape, hidi_var *logits, const int32_t *label);

#endif
