/* backend.h - the dispatch table: the only door to memory and arithmetic.
 *
 * A backend is a constant table of functions.  `reference` (reference/: plain loops, the oracle of
 * all tests) fills every slot; `cpu` starts as a copy of it and overrides what it can do faster.
 * Ops on the tape call the table and never BLAS, OpenMP or CUDA.
 *
 * Conventions of every slot
 *   - Arrays are dense and row-major unless a leading dimension (ld) is given, and live in memory
 *     from the table's allocate().  Sizes may be 0: then nothing is read or written, except that a
 *     reduction over nothing gives 0.
 *   - `beta` means  out = beta * out + result.  beta == 0 overwrites: out is not read and may hold
 *     NaN.  beta == 1 accumulates.  Any other value works too.
 *   - Slots named *_jacobian apply a symmetric Jacobian J: out = beta * out + J d.  The same slot
 *     serves the tangent (jvp) and the gradient (vjp).
 *   - Inputs and outputs do not overlap unless a slot says "may alias" (then: exactly the same
 *     array or disjoint).
 *   - Results are deterministic; those of the gradients of convolutions for a given number of
 *     threads, all others for any.
 *   - A slot does not fail visibly: a device backend keeps its first error until check() is called.
 */
#ifndef HIDI_BACKEND_BACKEND_H
#define HIDI_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/arena.h"
#include "../core/bf16.h"
#include "../core/real.h"
#include "../core/status.h"

/* Element-wise maps y = f(x); p[0], p[1] are parameters that only POWER uses. */
typedef enum hidi_unary {
    HIDI_GELU,     /* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))                    */
    HIDI_SILU,     /* x / (1 + exp(-x))                                                */
    HIDI_SOFTPLUS, /* log(1 + exp(x)), without overflow                                */
    HIDI_RELU,     /* max(x, 0); derivative 0 at 0                                     */
    HIDI_ABS,      /* |x|; derivative 0 at 0                                           */
    HIDI_SQUARE,   /* x^2                                                              */
    HIDI_EXP,      /* exp(x)                                                           */
    HIDI_POWER     /* (x + p[0])^p[1], for x + p[0] > 0                                */
} hidi_unary;

/* Order of the elements inside a patch. */
typedef enum hidi_patch_order {
    HIDI_PATCH_CPQ, /* (channel, row, column): a p x p convolution's weight, DiT's input */
    HIDI_PATCH_PQC  /* (row, column, channel): what DiT's final layer puts out           */
} hidi_patch_order;

/* A convolution or pooling on images [batch, channels, height, width]. */
typedef struct hidi_window {
    size_t batch, channels, height, width; /* input                                        */
    size_t out_channels;                   /* convolution only; pooling: = channels        */
    size_t kernel_h, kernel_w, stride;     /* rows and columns of the window               */
    size_t padding_h, padding_w;           /* zeros above, and left; < kernel for a pool   */
    size_t out_height, out_width;          /* usually (size + 2 padding - kernel) / stride
                                            * + 1; more zeros lie below and to the right as
                                            * far as the last windows reach                */
} hidi_window;

typedef struct hidi_backend {
    const char *name; /* "reference", "cpu", "cuda" */

    /* --- life ---------------------------------------------------------------------------- */
    const char *(*describe)(void);           /* one line for `hidi info`                      */
    hidi_status (*open)(void);               /* once, before use; error if there is no device */
    hidi_status (*check)(void);              /* waits; the first error since the last check   */
    void (*set_threads)(int n);              /* n >= 1; ignored where it means nothing        */
    int (*threads)(void);                    /* in use now                                    */
    bool (*concurrent)(void);                /* may several threads call it at a time?        */
    bool (*large_batches)(void);             /* is it fast on large batches alone?            */

    /* --- memory -------------------------------------------------------------------------- */
    hidi_allocate_function *allocate;        /* 64-byte aligned; NULL when out of memory       */
    hidi_release_function *release;
    void (*upload)(void *device, const void *host, size_t bytes);
    void (*download)(void *host, const void *device, size_t bytes); /* waits                  */
    void (*copy)(hidi_real *y, const hidi_real *x, size_t n);       /* may overlap (memmove)  */
    void (*fill)(hidi_real *y, hidi_real a, size_t n);
    /* y[i, 0..n) = beta y[i, 0..n) + x[i, 0..n), rows i of leading dimensions ldy, ldx        */
    void (*copy_block)(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x, size_t ldx,
                       size_t rows, size_t n);
    /* y[i, j] = x[i, j], exactly;  y [rows, n], rows of x ldx apart (core/bf16.h)             */
    void (*from_bf16)(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n);

    /* --- element-wise, n elements --------------------------------------------------------- */
    /* y = beta y + a x; may alias                                                             */
    void (*axpby)(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n);
    /* y += a (x - y), a in [0, 1]: a moving average of what x is.  y is rounded once, and stays
     * as it is where x = y; beta y + a x does neither.  a = 1: y = x                          */
    void (*lerp)(hidi_real *y, hidi_real a, const hidi_real *x, size_t n);
    /* y = beta y + a u w; may alias                                                           */
    void (*multiply)(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                     const hidi_real *w, size_t n);
    /* y = f(x); may alias                                                                     */
    void (*unary)(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n, const hidi_real p[2]);
    /* out = beta out + f'(x) d; out may alias d                                               */
    void (*unary_jacobian)(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                           const hidi_real *d, size_t n, const hidi_real p[2]);

    /* --- rows: x, y [rows, n] -------------------------------------------------------------- */
    /* y[i, j] = beta y[i, j] + b[i mod period, j];  b [period, n] (bias: 1; positions: T)     */
    void (*add_rows)(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period, size_t rows,
                     size_t n);
    /* out[k, j] = beta out[k, j] + sum over i = k mod period of x[i, j]: adjoint of add_rows  */
    void (*sum_rows)(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period, size_t rows,
                     size_t n);
    /* y[i, j] = beta y[i, j] + a s[i] x[i, j];  s [rows]; may alias                           */
    void (*scale_rows)(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                       const hidi_real *x, size_t rows, size_t n);
    /* out[i] = beta out[i] + a sum_j x[i, j] w[i, j];  w NULL: ones                           */
    void (*dot_rows)(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                     const hidi_real *w, size_t rows, size_t n);
    /* y[i, j] = beta y[i, j] + a s[i];  s [rows]: adjoint of a row sum                        */
    void (*spread_rows)(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s, size_t rows,
                        size_t n);
    /* out[0] = beta out[0] + a sum_i x[i] w[i];  w NULL: ones.  Sums in double.               */
    void (*dot)(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x, const hidi_real *w,
                size_t n);

    /* --- matrices --------------------------------------------------------------------------- */
    /* C[m, n] = beta C + alpha op(A) op(B), op(A) [m, k], op(B) [k, n]; op transposes if set.  */
    void (*gemm)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, hidi_real alpha,
                 const hidi_real *a, size_t lda, const hidi_real *b, size_t ldb, hidi_real beta,
                 hidi_real *c, size_t ldc);
    /* The same for `batch` dense matrices each; a stride of 0 uses one matrix for all of A or B. */
    void (*gemm_batched)(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                         hidi_real alpha, const hidi_real *a, size_t stride_a, const hidi_real *b,
                         size_t stride_b, hidi_real beta, hidi_real *c, size_t stride_c,
                         size_t batch);
    /* y[rows, out] = beta y + x[rows, in] w[out, in]^T + bias[out];  bias NULL: none           */
    void (*linear)(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                   const hidi_real *bias, size_t rows, size_t in, size_t out);

    /* --- attention: qkv [B, T, 3, H, Dh], probs [B, H, T, T], y [B, T, H, Dh] ----------------
     * P = softmax(Q K^T / sqrt(Dh)),  Y = P V  for each of B * H.  scratch: [B, H, T, T].      */
    void (*attention)(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B, size_t T,
                      size_t H, size_t Dh);
    /* dy from dqkv (overwrites dy)                                                            */
    void (*attention_jvp)(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                          const hidi_real *probs, hidi_real *scratch, size_t B, size_t T, size_t H,
                          size_t Dh);
    /* gqkv = beta gqkv + (adjoint) gy                                                          */
    void (*attention_vjp)(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                          const hidi_real *gy, const hidi_real *probs, hidi_real *scratch, size_t B,
                          size_t T, size_t H, size_t Dh);

    /* --- softmax over the last extent: x, y [rows, n] ----------------------------------------- */
    void (*softmax)(hidi_real *y, const hidi_real *x, size_t rows, size_t n); /* may alias       */
    /* J d = y (d - <y, d>); out may alias d                                                     */
    void (*softmax_jacobian)(hidi_real *out, hidi_real beta, const hidi_real *y, const hidi_real *d,
                             size_t rows, size_t n);

    /* --- layer norm without affine map: x, y [rows, n], rstd [rows] ------------------------------
     * y = (x - mean) rstd,  rstd = 1 / sqrt(variance + eps), biased variance                    */
    void (*layer_norm)(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                       hidi_real eps);
    /* J d = rstd (d - mean(d) - y mean(y d)); out may alias d                                   */
    void (*layer_norm_jacobian)(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n);

    /* --- modulation: x, y [B, T, D]; scale, shift, gate [B, D] -------------------------------- */
    /* y = beta y + x (offset + scale) + shift;  scale, shift NULL: 0                            */
    void (*modulate)(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                     const hidi_real *scale, const hidi_real *shift, size_t B, size_t T, size_t D);
    /* Layer norm and that in one pass: x^ = (x - mean) rstd,  y = x^ (offset + scale) + shift;
     * x^ [B, T, D], rstd [B, T]                                                                 */
    void (*layer_norm_modulate)(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                const hidi_real *x, hidi_real eps, hidi_real offset,
                                const hidi_real *scale, const hidi_real *shift, size_t B, size_t T,
                                size_t D);
    /* out[b, d] = beta out[b, d] + sum_t x[b, t, d] w[b, t, d];  w NULL: ones                   */
    void (*sum_tokens)(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                       size_t B, size_t T, size_t D);
    /* y = x + gate h;  y may alias x                                                            */
    void (*gated_residual)(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                           const hidi_real *h, size_t B, size_t T, size_t D);

    /* --- look-up and sin-cos features --------------------------------------------------------- */
    /* y[i, :] = table[index[i], :];  y [rows, n]; the caller checks that 0 <= index[i] < entries */
    void (*embedding)(hidi_real *y, const hidi_real *table, const int32_t *index, size_t rows,
                      size_t n);
    /* gtable[index[i], :] += gy[i, :] (accumulates, in order of i)                              */
    void (*embedding_vjp)(hidi_real *gtable, const int32_t *index, const hidi_real *gy, size_t rows,
                          size_t n);
    /* y[i, :] = [cos(s t_i w_k)..., sin(s t_i w_k)...],  w_k = 10000^(-k/(n/2)), k < n/2; n even */
    void (*sincos)(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n);
    /* dy[i, :] = beta dy[i, :] + (dy/dt)(t_i) dt[i]                                             */
    void (*sincos_jvp)(hidi_real *dy, hidi_real beta, const hidi_real *t, const hidi_real *dt,
                       hidi_real s, size_t rows, size_t n);
    /* gt[i] = beta gt[i] + <gy[i, :], (dy/dt)(t_i)>                                             */
    void (*sincos_vjp)(hidi_real *gt, hidi_real beta, const hidi_real *t, const hidi_real *gy,
                       hidi_real s, size_t rows, size_t n);

    /* --- images: [B, C, H, W] ----------------------------------------------------------------- */
    /* tokens [B, (H/p)(W/p), p p C] = beta tokens + the image's patches, row by row; p | H, W    */
    void (*patchify)(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                     hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p);
    /* the inverse, which is also the adjoint: image = beta image + tokens put in place           */
    void (*unpatchify)(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                       hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p);

    /* y [B, O, OH, OW] = beta y + w [O, C, kh, kw] * x (+ bias [O]);  bias NULL: none
     * scratch: conv_scratch(window) elements, for all four; it may grow with the threads,
     * whose number must not change between asking and calling                                    */
    size_t (*conv_scratch)(const hidi_window *window);
    void (*conv2d)(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                   const hidi_real *bias, const hidi_window *window, hidi_real *scratch);
    /* For inference: y = max(w * x + bias, 0), with image b of y at y + b ldy, ldy >= O OH OW, so
     * that each branch of a block writes its own channels of the output; the rest stays as it
     * is. */
    void (*conv2d_relu)(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                        const hidi_real *bias, const hidi_window *window, hidi_real *scratch);
    void (*conv2d_grad_input)(hidi_real *gx, hidi_real beta, const hidi_real *w,
                              const hidi_real *gy, const hidi_window *window, hidi_real *scratch);
    void (*conv2d_grad_weight)(hidi_real *gw, hidi_real beta, const hidi_real *x,
                               const hidi_real *gy, const hidi_window *window, hidi_real *scratch);
    /* y[b, o, i] = beta y[b, o, i] + bias[o];  y [B, O, n]; and its adjoint, with sums in out[O] */
    void (*add_channels)(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B, size_t O,
                         size_t n);
    void (*sum_channels)(hidi_real *out, hidi_real beta, const hidi_real *y, size_t B, size_t O,
                         size_t n);
    /* y[b, o, i] = beta y[b, o, i] + scale[o] x[b, o, i] + shift[o];  shift NULL: 0; may alias   */
    void (*scale_channels)(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *scale,
                           const hidi_real *shift, size_t B, size_t O, size_t n);
    /* out[o] = beta out[o] + sum_{b, i} x[b, o, i] w[b, o, i]: its adjoint in scale              */
    void (*dot_channels)(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         size_t B, size_t O, size_t n);
    /* y[p, i, j] = beta y[p, i, j] + x[p, i / 2, j / 2];  x [planes, H, W], y [planes, 2 H, 2 W]:
     * nearest-neighbour upsampling; and its adjoint, the sums of 2 x 2 pixels in gx
     * [planes, H, W] */
    void (*upsample2)(hidi_real *y, hidi_real beta, const hidi_real *x, size_t planes, size_t H,
                      size_t W);
    void (*upsample2_vjp)(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t planes,
                          size_t H, size_t W);
    /* y = beta y + the mean over those pixels of each window that lie in the image; its adjoint  */
    void (*average_pool)(hidi_real *y, hidi_real beta, const hidi_real *x,
                         const hidi_window *window);
    void (*average_pool_vjp)(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                             const hidi_window *window);
    /* For inference: the largest pixel of each window; padding never wins                        */
    void (*max_pool)(hidi_real *y, const hidi_real *x, const hidi_window *window);

    /* --- losses and optimiser ----------------------------------------------------------------- */
    /* loss[i] = -log softmax(logits[i])[label[i]], probs = softmax(logits);  logits [rows, n]    */
    void (*cross_entropy)(hidi_real *loss, hidi_real *probs, const hidi_real *logits,
                          const int32_t *label, size_t rows, size_t n);
    /* dloss[i] = <probs_i - onehot(label_i), dlogits_i>                                          */
    void (*cross_entropy_jvp)(hidi_real *dloss, const hidi_real *probs, const int32_t *label,
                              const hidi_real *dlogits, size_t rows, size_t n);
    /* glogits = beta glogits + gloss[i] (probs_i - onehot(label_i))                              */
    void (*cross_entropy_vjp)(hidi_real *glogits, hidi_real beta, const hidi_real *probs,
                              const int32_t *label, const hidi_real *gloss, size_t rows, size_t n);
    /* AdamW (Loshchilov & Hutter, arXiv 1711.05101, decoupled decay as in PyTorch), step >= 1:
     *   g' = g * scale;  w -= lr decay w;  m = b1 m + (1-b1) g';  v = b2 v + (1-b2) g'^2
     *   w -= lr (m / (1 - b1^step)) / (sqrt(v / (1 - b2^step)) + eps)                            */
    void (*adamw)(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                  hidi_real scale, double lr, double b1, double b2, double eps, double decay,
                  long step);
} hidi_backend;

/* The backend called `name` ("reference", "cpu", "cuda"), opened.  A name that is unknown, was not
 * built in or finds no device: HIDI_BAD_BACKEND and a message that says which; nothing is
 * substituted for it. */
hidi_status hidi_backend_open(const char *name, const hidi_backend **backend);

/* How many of the backend's threads can share `pieces` out. */
int hidi_backend_members(const hidi_backend *backend, size_t pieces);

/* Is what it allocates host memory, which may be read without download()? */
bool hidi_backend_in_host_memory(const hidi_backend *backend);

/* hidi_team_work with these members (core/team.h).  Where only one thread may call the backend, it
 * does all pieces, and plays each member in turn. */
hidi_status hidi_backend_share_out(const hidi_backend *backend, size_t pieces,
                                   hidi_status (*work)(void *context, int member, size_t piece),
                                   void *context);

/* "reference cpu": the names that were built in. */
const char *hidi_backend_names(void);

/* "CBLAS, LAPACK, OpenMP, kernels for baseline avx2": what this build was given. */
const char *hidi_backend_build(void);

/* The core whose kernels OpenBLAS should be told to take, OPENBLAS_CORETYPE, before it is loaded;
 * NULL: it is well as it is.  An OpenBLAS that is older than the processor does not know it and
 * takes those of the oldest one (0.3.21, 2022: "Prescott"), a fifth of the speed or less. */
const char *hidi_better_blas_core(void);

#endif
