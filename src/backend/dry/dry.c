/* dry.c - the dry backend: address space instead of memory, nothing instead of arithmetic.
 *
 * What allocate() gives is reserved but not accessible: terabytes cost nothing, and code that
 * reaches around the table into a backend's memory ends at once.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/tables.h"
#include "core/thread_local.h"

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter" /* C99 cannot leave a parameter unnamed */
#endif

/* --- life and memory -------------------------------------------------------------------------- */

typedef struct piece {
    void *memory;
    size_t bytes;
    struct piece *next;
} piece;

static HIDI_THREAD_LOCAL piece *pieces; /* handed out, the latest first */
static HIDI_THREAD_LOCAL size_t bytes_now, bytes_peak;
static HIDI_THREAD_LOCAL const hidi_backend *model; /* the backend that is mimicked */

/* A mapping cannot be empty. */
static size_t mapped(size_t bytes)
{
    return bytes > 0 ? bytes : 1;
}

static void *allocate(size_t bytes)
{
    piece *p = malloc(sizeof *p);
    if (p == NULL)
        return NULL;
    p->bytes = bytes;
    p->memory = mmap(NULL, mapped(bytes), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    if (p->memory == MAP_FAILED) {
        free(p);
        return NULL;
    }
    p->next = pieces;
    pieces = p;
    bytes_now += bytes;
    bytes_peak = bytes_now > bytes_peak ? bytes_now : bytes_peak;
    return p->memory;
}

static void release(void *memory)
{
    piece **at = &pieces;
    while (*at != NULL && (*at)->memory != memory)
        at = &(*at)->next;
    if (memory == NULL || *at == NULL)
        return;
    piece *p = *at;
    *at = p->next;
    bytes_now -= p->bytes;
    munmap(p->memory, mapped(p->bytes));
    free(p);
}

static const char *describe(void)
{
    return "address space without memory, nothing is computed";
}

static hidi_status succeed(void)
{
    return HIDI_OK;
}

static void set_threads(int n)
{
}

static int threads(void)
{
    return model->threads();
}

/* Each thread counts its own bytes. */
static bool concurrent(void)
{
    return false;
}

static bool large_batches(void)
{
    return model->large_batches();
}

static void upload(void *device, const void *host, size_t bytes)
{
}

static void download(void *host, const void *device, size_t bytes)
{
    memset(host, 0, bytes);
}

/* --- arithmetic, in the order of the table ---------------------------------------------------- */

static void copy(hidi_real *y, const hidi_real *x, size_t n) {}
static void fill(hidi_real *y, hidi_real a, size_t n) {}
static void copy_block(hidi_real *y, size_t ldy, hidi_real beta, const hidi_real *x, size_t ldx,
                       size_t rows, size_t n) {}
static void from_bf16(hidi_real *y, const hidi_bf16 *x, size_t ldx, size_t rows, size_t n) {}

static void axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n) {}
static void lerp(hidi_real *y, hidi_real a, const hidi_real *x, size_t n) {}
static void multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                     const hidi_real *w, size_t n) {}
static void unary(hidi_unary f, hidi_real *y, const hidi_real *x, size_t n, const hidi_real p[2]) {}
static void unary_jacobian(hidi_unary f, hidi_real *out, hidi_real beta, const hidi_real *x,
                           const hidi_real *d, size_t n, const hidi_real p[2]) {}

/* add_rows, sum_rows */
static void rows_and_period(hidi_real *y, hidi_real beta, const hidi_real *b, size_t period,
                            size_t rows, size_t n) {}
static void scale_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                       const hidi_real *x, size_t rows, size_t n) {}
static void dot_rows(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                     const hidi_real *w, size_t rows, size_t n) {}
static void spread_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s, size_t rows,
                        size_t n) {}
static void dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x, const hidi_real *w,
                size_t n) {}

static void gemm(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k, hidi_real alpha,
                 const hidi_real *a, size_t lda, const hidi_real *b, size_t ldb, hidi_real beta,
                 hidi_real *c, size_t ldc) {}
static void gemm_batched(bool transpose_a, bool transpose_b, size_t m, size_t n, size_t k,
                         hidi_real alpha, const hidi_real *a, size_t stride_a, const hidi_real *b,
                         size_t stride_b, hidi_real beta, hidi_real *c, size_t stride_c,
                         size_t batch) {}
static void linear(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                   const hidi_real *bias, size_t rows, size_t in, size_t out) {}

static void attention(hidi_real *y, hidi_real *probs, const hidi_real *qkv, size_t B, size_t T,
                      size_t H, size_t Dh) {}
static void attention_jvp(hidi_real *dy, const hidi_real *qkv, const hidi_real *dqkv,
                          const hidi_real *probs, hidi_real *scratch, size_t B, size_t T, size_t H,
                          size_t Dh) {}
static void attention_vjp(hidi_real *gqkv, hidi_real beta, const hidi_real *qkv,
                          const hidi_real *gy, const hidi_real *probs, hidi_real *scratch, size_t B,
                          size_t T, size_t H, size_t Dh) {}

static void softmax(hidi_real *y, const hidi_real *x, size_t rows, size_t n) {}
static void softmax_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y, const hidi_real *d,
                             size_t rows, size_t n) {}
static void layer_norm(hidi_real *y, hidi_real *rstd, const hidi_real *x, size_t rows, size_t n,
                       hidi_real eps) {}
static void layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                const hidi_real *rstd, const hidi_real *d, size_t rows, size_t n) {}

static void modulate(hidi_real *y, hidi_real beta, const hidi_real *x, hidi_real offset,
                     const hidi_real *scale, const hidi_real *shift, size_t B, size_t T,
                     size_t D) {}
static void layer_norm_modulate(hidi_real *y, hidi_real *normed, hidi_real *rstd,
                                const hidi_real *x, hidi_real eps, hidi_real offset,
                                const hidi_real *scale, const hidi_real *shift, size_t B,
                                size_t T, size_t D) {}
static void sum_tokens(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                       size_t B, size_t T, size_t D) {}
static void gated_residual(hidi_real *y, const hidi_real *x, const hidi_real *gate,
                           const hidi_real *h, size_t B, size_t T, size_t D) {}

static void embedding(hidi_real *y, const hidi_real *table, const int32_t *index, size_t rows,
                      size_t n) {}
static void embedding_vjp(hidi_real *gtable, const int32_t *index, const hidi_real *gy, size_t rows,
                          size_t n) {}
static void sincos(hidi_real *y, const hidi_real *t, hidi_real s, size_t rows, size_t n) {}
/* sincos_jvp, sincos_vjp */
static void sincos_derivative(hidi_real *out, hidi_real beta, const hidi_real *t,
                              const hidi_real *d, hidi_real s, size_t rows, size_t n) {}

/* patchify, unpatchify */
static void patches(hidi_real *out, hidi_real beta, const hidi_real *in, hidi_patch_order order,
                    size_t B, size_t C, size_t H, size_t W, size_t p) {}
static void conv2d(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *w,
                   const hidi_real *bias, const hidi_window *window, hidi_real *scratch) {}
static void conv2d_relu(hidi_real *y, size_t ldy, const hidi_real *x, const hidi_real *w,
                        const hidi_real *bias, const hidi_window *window, hidi_real *scratch) {}
/* conv2d_grad_input, conv2d_grad_weight */
static void conv2d_grad(hidi_real *g, hidi_real beta, const hidi_real *a, const hidi_real *gy,
                        const hidi_window *window, hidi_real *scratch) {}
/* add_channels, sum_channels */
static void channels(hidi_real *out, hidi_real beta, const hidi_real *in, size_t B, size_t O,
                     size_t n) {}
static void scale_channels(hidi_real *y, hidi_real beta, const hidi_real *x, const hidi_real *scale,
                           const hidi_real *shift, size_t B, size_t O, size_t n) {}
static void dot_channels(hidi_real *out, hidi_real beta, const hidi_real *x, const hidi_real *w,
                         size_t B, size_t O, size_t n) {}
/* upsample2, upsample2_vjp */
static void upsample2(hidi_real *out, hidi_real beta, const hidi_real *in, size_t planes, size_t H,
                      size_t W) {}
/* average_pool, average_pool_vjp */
static void average_pool(hidi_real *y, hidi_real beta, const hidi_real *x,
                         const hidi_window *window) {}
static void max_pool(hidi_real *y, const hidi_real *x, const hidi_window *window) {}

static void cross_entropy(hidi_real *loss, hidi_real *probs, const hidi_real *logits,
                          const int32_t *label, size_t rows, size_t n) {}
static void cross_entropy_jvp(hidi_real *dloss, const hidi_real *probs, const int32_t *label,
                              const hidi_real *dlogits, size_t rows, size_t n) {}
static void cross_entropy_vjp(hidi_real *glogits, hidi_real beta, const hidi_real *probs,
                              const int32_t *label, const hidi_real *gloss, size_t rows,
                              size_t n) {}
static void adamw(hidi_real *w, const hidi_real *g, hidi_real *m, hidi_real *v, size_t n,
                  hidi_real scale, double lr, double b1, double b2, double eps, double decay,
                  long step) {}

static HIDI_THREAD_LOCAL hidi_backend table = {
    .name = "dry",
    .describe = describe,
    .open = succeed,
    .check = succeed,
    .set_threads = set_threads,
    .threads = threads,
    .concurrent = concurrent,
    .large_batches = large_batches,

    .allocate = allocate,
    .release = release,
    .upload = upload,
    .download = download,
    .copy = copy,
    .fill = fill,
    .copy_block = copy_block,
    .from_bf16 = from_bf16,

    .axpby = axpby,
    .lerp = lerp,
    .multiply = multiply,
    .unary = unary,
    .unary_jacobian = unary_jacobian,

    .add_rows = rows_and_period,
    .sum_rows = rows_and_period,
    .scale_rows = scale_rows,
    .dot_rows = dot_rows,
    .spread_rows = spread_rows,
    .dot = dot,

    .gemm = gemm,
    .gemm_batched = gemm_batched,
    .linear = linear,

    .attention = attention,
    .attention_jvp = attention_jvp,
    .attention_vjp = attention_vjp,

    .softmax = softmax,
    .softmax_jacobian = softmax_jacobian,
    .layer_norm = layer_norm,
    .layer_norm_jacobian = layer_norm_jacobian,

    .modulate = modulate,
    .layer_norm_modulate = layer_norm_modulate,
    .sum_tokens = sum_tokens,
    .gated_residual = gated_residual,

    .embedding = embedding,
    .embedding_vjp = embedding_vjp,
    .sincos = sincos,
    .sincos_jvp = sincos_derivative,
    .sincos_vjp = sincos_derivative,

    .patchify = patches,
    .unpatchify = patches,
    .conv2d = conv2d,
    .conv2d_relu = conv2d_relu,
    .conv2d_grad_input = conv2d_grad,
    .conv2d_grad_weight = conv2d_grad,
    .add_channels = channels,
    .sum_channels = channels,
    .scale_channels = scale_channels,
    .dot_channels = dot_channels,
    .upsample2 = upsample2,
    .upsample2_vjp = upsample2,
    .average_pool = average_pool,
    .average_pool_vjp = average_pool,
    .max_pool = max_pool,

    .cross_entropy = cross_entropy,
    .cross_entropy_jvp = cross_entropy_jvp,
    .cross_entropy_vjp = cross_entropy_vjp,
    .adamw = adamw,
};

const hidi_backend *hidi_dry_backend(const hidi_backend *like)
{
    model = like;
    table.conv_scratch = like->conv_scratch;
    bytes_peak = bytes_now;
    return &table;
}

size_t hidi_dry_bytes(void)
{
    return bytes_now;
}

size_t hidi_dry_peak(void)
{
    return bytes_peak;
}
