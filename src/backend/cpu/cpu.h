/* cpu.h - what the files of the cpu backend share: the kernels in use, threads, and the slots.
 *
 * A slot divides its rows, samples or elements into one contiguous share per thread and calls a
 * serial kernel on each.  Where an output element is a sum, one thread computes all of it, in an
 * order that does not depend on timing: the same thread count gives the same bits.
 */
#ifndef HIDI_BACKEND_CPU_CPU_H
#define HIDI_BACKEND_CPU_CPU_H

#include "backend/tables.h"
#include "backend/cpu/kernels.h"

/* The kernels for this machine's instruction set: set by hidi_cpu_backend(). */
extern const hidi_cpu_kernels *hidi_kernels;

/* Whether this machine has the instructions that the kernels of that name need, and they were
 * built. */
bool hidi_cpu_runs_avx2(void);
bool hidi_cpu_runs_avx512(void);

/* The core whose kernels OpenBLAS should take instead of those of `taken`, as it calls them, on a
 * processor with or without AVX2 and AVX-512; NULL: none (hidi_better_blas_core). */
const char *hidi_blas_core_for(const char *taken, bool avx2, bool avx512);

/* --- threads --------------------------------------------------------------------------------- */

/* `HIDI_OMP(parallel if (...))`: a directive that is nothing at all when OpenMP is off. */
#ifdef _OPENMP
#include <omp.h>
#define HIDI_OMP_TEXT(text) _Pragma(#text)
#define HIDI_OMP(...) HIDI_OMP_TEXT(omp __VA_ARGS__)
#else
#define HIDI_OMP(...)
#endif

/* Element operations below which a loop is not worth waking threads for (some microseconds), and
 * how many of them an exponential counts as. */
#define HIDI_CPU_MIN_WORK 32768
#define HIDI_CPU_EXP_WORK 8

typedef struct hidi_share {
    size_t begin, end;
} hidi_share;

/* Inside a parallel region: the calling thread's share of 0 .. n, cut at multiples of `granule`.
 * Outside of one: all of it. */
static inline hidi_share hidi_cpu_share(size_t n, size_t granule)
{
    size_t thread = 0, threads = 1, blocks = (n + granule - 1) / granule;
    hidi_share share;

#ifdef _OPENMP
    thread = (size_t)omp_get_thread_num();
    threads = (size_t)omp_get_num_threads();
#endif
    share.begin = blocks * thread / threads * granule;
    share.end = blocks * (thread + 1) / threads * granule;
    if (share.end > n)
        share.end = n;
    if (share.begin > n)
        share.begin = n;
    return share;
}

/* How many threads the next parallel region gets. */
static inline size_t hidi_cpu_threads(void)
{
#ifdef _OPENMP
    return omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
#else
    return 1;
#endif
}

/* --- elementwise.c --------------------------------------------------------------------------- */
void hidi_cpu_copy(hidi_real *y, const hidi_real *x, size_t n);
void hidi_cpu_fill(hidi_real *y, hidi_real a, size_t n);
void hidi_cpu_copy_block(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x, size_t ldx,
                         size_t rows, size_t n);
void hidi_cpu_from_bf16(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n);
void hidi_cpu_axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n);
void hidi_cpu_lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n);
void hidi_cpu_multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                       const hidi_real *w, size_t n);
void hidi_cpu_unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n, const hidi_real p[2]);
void hidi_cpu_unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                             const hidi_real *d, size_t n, const hidi_real p[2]);
void hidi_cpu_adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                    hidi_real scale, double lr, double b1, double b2, double eps, double decay,
                    long step);

/* --- rows.c ---------------------------------------------------------------------------------- */
void hidi_cpu_add_rows(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period, size_t rows,
                       size_t n);
void hidi_cpu_sum_rows(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period,
                       size_t rows, size_t n);
void hidi_cpu_scale_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                         const hidi_real *x, size_t rows, size_t n);
void hidi_cpu_dot_rows(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                       const hidi_real *w, size_t rows, size_t n);
void hidi_cpu_dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                  const hidi_real *w, size_t n);
void hidi_cpu_softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n);
void hidi_cpu_softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                               const hidi_real *d, size_t rows, size_t n);
void hidi_cpu_layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                         hidi_real eps);
void hidi_cpu_layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                  const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n);
void hidi_cpu_modulate(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                       const hidi_real *scale, const hidi_real *shift, size_t B, size_t T,
                       size_t D);
void hidi_cpu_layer_norm_modulate(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                  const hidi_real *x, hidi_real eps, hidi_real offset,
                                  const hidi_real *scale, const hidi_real *shift, size_t B,
                                  size_t T, size_t D);
void hidi_cpu_sum_tokens(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         size_t B, size_t T, size_t D);
void hidi_cpu_gated_residual(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                             const hidi_real *h, size_t B, size_t T, size_t D);

void hidi_cpu_scale_channels(hidi_real *y, hidi_real beta, const hidi_real *x,
                             const hidi_real *scale, const hidi_real *shift, size_t B, size_t O,
                             size_t n);
void hidi_cpu_dot_channels(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                           size_t B, size_t O, size_t n);
void hidi_cpu_upsample2(hidi_real *y, hidi_real beta, const hidi_real *x, size_t planes, size_t H,
                        size_t W);
void hidi_cpu_upsample2_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy, size_t planes,
                            size_t H, size_t W);

/* --- gemm.c ---------------------------------------------------------------------------------- */
/* gemm on the calling thread alone, for use inside parallel regions. */
void hidi_cpu_gemm_serial(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                          hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b,
                          size_t ldb, hidi_real beta, hidi_real *c, size_t ldc);
void hidi_cpu_gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                   hidi_real alpha, const hidi_real *a, size_t lda, const hidi_real *b, size_t ldb,
                   hidi_real beta, hidi_real *c, size_t ldc);
void hidi_cpu_gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                           hidi_real alpha, const hidi_real *a, size_t stride_a, const hidi_real *b,
                           size_t stride_b, hidi_real beta, hidi_real *c, size_t stride_c,
                           size_t batch);
void hidi_cpu_linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                     const hidi_real *bias, size_t rows, size_t in, size_t out);

/* --- attention.c ----------------------------------------------------------------------------- */
void hidi_cpu_attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B, size_t T,
                        size_t H, size_t Dh);
void hidi_cpu_attention_jvp(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                            const hidi_real *probs, hidi_real *scratch, size_t B, size_t T,
                            size_t H, size_t Dh);
void hidi_cpu_attention_vjp(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                            const hidi_real *gy, const hidi_real *probs, hidi_real *scratch,
                            size_t B, size_t T, size_t H, size_t Dh);

/* --- conv2d.c -------------------------------------------------------------------------------- */
size_t hidi_cpu_conv2d_scratch(const hidi_window *window); /* of the first two */
void hidi_cpu_conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                     const hidi_real *bias, const hidi_window *window, hidi_real *scratch);
void hidi_cpu_conv2d_relu(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                          const hidi_real *bias, const hidi_window *window, hidi_real *scratch);

/* --- conv.c ---------------------------------------------------------------------------------- */
size_t hidi_cpu_conv_scratch(const hidi_window *window); /* of all four */
void hidi_cpu_conv2d_grad_input(hidi_real *gx, hidi_real beta, const hidi_real *w,
                                const hidi_real *gy, const hidi_window *window,
                                hidi_real *scratch);
void hidi_cpu_conv2d_grad_weight(hidi_real *gw, hidi_real beta, const hidi_real *x,
                                 const hidi_real *gy, const hidi_window *window,
                                 hidi_real *scratch);

/* --- split.c: the reference kernels, a share of the rows or images per thread ---------------- */
void hidi_cpu_sincos(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n);
void hidi_cpu_sincos_jvp(hidi_real *dy, hidi_real beta, const hidi_real *t, const hidi_real *dt,
                         hidi_real s, size_t rows, size_t n);
void hidi_cpu_sincos_vjp(hidi_real *gt, hidi_real beta, const hidi_real *t, const hidi_real *gy,
                         hidi_real s, size_t rows, size_t n);
void hidi_cpu_patchify(hidi_real *tokens, hidi_real beta, const hidi_real *image,
                       hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p);
void hidi_cpu_unpatchify(hidi_real *image, hidi_real beta, const hidi_real *tokens,
                         hidi_patch_order order, size_t B, size_t C, size_t H, size_t W, size_t p);
void hidi_cpu_add_channels(hidi_real *y, hidi_real beta, const hidi_real *bias, size_t B, size_t O,
                           size_t n);

/* --- pool.c ---------------------------------------------------------------------------------- */
/* Columns j of an output row whose tap v lies inside the image: begin <= j < end. */
hidi_share hidi_cpu_columns_inside(const hidi_window *w, size_t v);
void hidi_cpu_average_pool(hidi_real *y, hidi_real beta, const hidi_real *x,
                           const hidi_window *window);
void hidi_cpu_average_pool_vjp(hidi_real *gx, hidi_real beta, const hidi_real *gy,
                               const hidi_window *window);
void hidi_cpu_max_pool(hidi_real *y, const hidi_real *x, const hidi_window *window);

#endif
