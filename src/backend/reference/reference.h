/* reference.h - the slots of the reference backend, one plain loop each.
 *
 * backend.h documents what every slot computes; this header only lists where it is.  The
 * functions are written to be read: they follow the formula, visit elements in order and use no
 * BLAS, threads or intrinsics.  Long sums are accumulated in double, whatever hidi_real is, so
 * that a faster backend can be measured against them.
 */
#ifndef HIDI_BACKEND_REFERENCE_REFERENCE_H
#define HIDI_BACKEND_REFERENCE_REFERENCE_H

#include "backend/backend.h"

/* *out = beta * *out + result, where beta == 0 does not read *out (it may hold NaN). */
static inline void hidi_reference_blend(hidi_real *out, hidi_real beta, double result)
{
    *out = (hidi_real)(beta == 0 ? result : (double)beta * *out + result);
}

/* --- elementwise.c --------------------------------------------------------------------------- */
void hidi_reference_copy(hidi_real *y, const hidi_real *x, size_t n);
void hidi_reference_fill(hidi_real *y, hidi_real a, size_t n);
void hidi_reference_copy_block(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x,
                               size_t ldx, size_t rows, size_t n);
void hidi_reference_from_bf16(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n);
void hidi_reference_axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n);
void hidi_reference_lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n);
void hidi_reference_multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                             const hidi_real *w, size_t n);
void hidi_reference_unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n,
                          const hidi_real p[2]);
void hidi_reference_unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                                   const hidi_real *d, size_t n, const hidi_real p[2]);

/* --- rows.c ---------------------------------------------------------------------------------- */
void hidi_reference_add_rows(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period,
                             size_t rows, size_t n);
void hidi_reference_sum_rows(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period,
                             size_t rows, size_t n);
void hidi_reference_scale_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                               const hidi_real *x, size_t rows, size_t n);
void hidi_reference_dot_rows(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                             const hidi_real *w, size_t rows, size_t n);
void hidi_reference_spread_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                                size_t rows, size_t n);
void hidi_reference_dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                        const hidi_real *w, size_t n);

/* --- matrix.c -------------------------------------------------------------------------------- */
void hidi_reference_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                         hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                         size_t ldb, hidi_real beta, hidi_real *c, size_t ldc);
void hidi_reference_gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                                 hidi_real alpha, const hidi_real *a, size_t stride_a,
                                 const hidi_real *b, size_t stride_b, hidi_real beta, hidi_real *c,
                                 size_t stride_c, size_t batch);
void hidi_reference_linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           const hidi_real *bias, size_t rows, size_t in, size_t out);
void hidi_reference_attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B,
                              size_t T, size_t H, size_t Dh);
void hidi_reference_attention_jvp(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                                  const hidi_real *probs, hidi_real *scratch, size_t B, size_t T,
                                  size_t H, size_t Dh);
void hidi_reference_attention_vjp(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                                  const hidi_real *gy, const hidi_real *probs, hidi_real *scratch,
                                  size_t B, size_t T, size_t H, size_t Dh);

/* --- norm.c ---------------------------------------------------------------------------------- */
void hidi_reference_softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n);
void hidi_reference_softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                     const hidi_real *d, size_t rows, size_t n);
void hidi_reference_layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows,
                               size_t n, hidi_real eps);
void hidi_reference_layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                        const hidi_real *rstd, const hidi_real *d, size_t rows,
                                        size_t n);
void hidi_reference_modulate(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                             const hidi_real *scale, const hidi_real *shift, size_t B, size_t T,
                             size_t D);
void hidi_reference_layer_norm_modulate(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                        const hidi_real *x, hidi_real eps, hidi_real offset,
                                        const hidi_real *scale, const hidi_real *shift, size_t B,
                                        size_t T, size_t D);
void hidi_reference_sum_tokens(hidi_real *out, hidi_real beta, const hidi_real *x,
                               const hidi_real *w, size_t B, size_t T, size_t D);
void hidi_reference_gated_residual(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                                   const hidi_real *h, size_t B, size_t T, size_t D);

/* --- image.c --------------------------------------------------------------------------------- */
void hidi_reference_patchify(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                             hidi_patch_order order, size_t B, size_t C, size_t H, size_t W,
                             size_t p);
void hidi_reference_unpatchify(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                               hidi_patch_order order, size_t B, size_t C, size_t H, size_t W,
                               size_t p);
size_t hidi_reference_conv_scratch(const hidi_window *window);
void hidi_reference_conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           const hidi_real *bias, const hidi_window *window, hidi_real *scratch);
void hidi_reference_conv2d_relu(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                                const hidi_real *bias, const hidi_window *window,
                                hidi_real *scratch);
void hidi_reference_conv2d_grad_input(hidi_real *gx, hidi_real beta, const hidi_real *w,
                                      const hidi_real *gy, const hidi_window *window,
                                      hidi_real *scratch);
void hidi_reference_conv2d_grad_weight(hidi_real *gw, hidi_real beta, const hidi_real *x,
                                       const hidi_real *gy, const hidi_window *window,
                                       hidi_real *scratch);
void hidi_reference_add_channels(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B,
                                 size_t O, size_t n);
void hidi_reference_sum_channels(hidi_real *out, hidi_real beta, const hidi_real *y, size_t B,
                                 size_t O, size_t n);
void hidi_reference_scale_channels(hidi_real *y, hidi_real beta, const hidi_real *x,
                                   const hidi_real *scale, const hidi_real *shift, size_t B,
                                   size_t O, size_t n);
void hidi_reference_dot_channels(hidi_real *out, hidi_real beta, const hidi_real *x,
                                 const hidi_real *w, size_t B, size_t O, size_t n);
void hidi_reference_upsample2(hidi_real *y, hidi_real beta, const hidi_real *x, size_t planes,
                              size_t H, size_t W);
void hidi_reference_upsample2_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t planes,
                                  size_t H, size_t W);
void hidi_reference_average_pool(hidi_real *y, hidi_real beta, const hidi_real *x,
                                 const hidi_window *window);
void hidi_reference_average_pool_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                                     const hidi_window *window);
void hidi_reference_max_pool(hidi_real *y, const hidi_real *x, const hidi_window *window);

/* --- train.c --------------------------------------------------------------------------------- */
void hidi_reference_embedding(hidi_real *y, const hidi_real *table, const int32_t *index,
                              size_t rows, size_t n);
void hidi_reference_embedding_vjp(hidi_real *gtable, const int32_t *index, const hidi_real *gy,
                                  size_t rows, size_t n);
void hidi_reference_sincos(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n);
void hidi_reference_sincos_jvp(hidi_real *dy, hidi_real beta, const hidi_real *t,
                               const hidi_real *dt, hidi_real s, size_t rows, size_t n);
void hidi_reference_sincos_vjp(hidi_real *gt, hidi_real beta, const hidi_real *t,
                               const hidi_real *gy, hidi_real s, size_t rows, size_t n);
void hidi_reference_cross_entropy(hidi_real *loss, hidi_real *probs, const hidi_real *logits,
                                  const int32_t *label, size_t rows, size_t n);
void hidi_reference_cross_entropy_jvp(hidi_real *dloss, const hidi_real *probs,
                                      const int32_t *label, const hidi_real *dlogits, size_t rows,
                                      size_t n);
void hidi_reference_cross_entropy_vjp(hidi_real *glogits, hidi_real beta, const hidi_real *probs,
                                      const int32_t *label, const hidi_real *gloss, size_t rows,
                                      size_t n);
void hidi_reference_adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                          hidi_real scale, double lr, double b1, double b2, double eps,
                          double decay, long step);

#endif
