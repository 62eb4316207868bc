/* reference.c - the reference backend: its table, and the slots of life and memory.
 *
 * Plain C99 loops in every slot: the oracle of all tests, and the whole of a build without BLAS.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "backend/reference/reference.h"

enum { ALIGNMENT = 64 }; /* bytes: a cache line, and the widest vector register */

static const char *describe(void)
{
    return "plain C loops, one thread";
}

/* open and check: nothing can fail. */
static hidi_status succeed(void)
{
    return HIDI_OK;
}

static void set_threads(int n)
{
    (void)n; /* always one */
}

static bool concurrent(void)
{
    return true;
}

static bool large_batches(void)
{
    return false;
}

static int threads(void)
{
    return 1;
}

static void *allocate(size_t bytes)
{
    void *memory = NULL;
    if (posix_memalign(&memory, ALIGNMENT, bytes > 0 ? bytes : 1) != 0)
        return NULL;
    return memory;
}

static void release(void *memory)
{
    free(memory);
}

/* Device and host are the same memory: upload and download are one copy. */
static void transfer(void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        memmove(to, from, bytes);
}

static const hidi_backend reference = {
    .name = "reference",

    .describe = describe,
    .open = succeed,
    .check = succeed,
    .set_threads = set_threads,
    .threads = threads,
    .concurrent = concurrent,
    .large_batches = large_batches,

    .allocate = allocate,
    .release = release,
    .upload = transfer,
    .download = transfer,
    .copy = hidi_reference_copy,
    .fill = hidi_reference_fill,
    .copy_block = hidi_reference_copy_block,
    .from_bf16 = hidi_reference_from_bf16,

    .axpby = hidi_reference_axpby,
    .lerp = hidi_reference_lerp,
    .multiply = hidi_reference_multiply,
    .unary = hidi_reference_unary,
    .unary_jacobian = hidi_reference_unary_jacobian,

    .add_rows = hidi_reference_add_rows,
    .sum_rows = hidi_reference_sum_rows,
    .scale_rows = hidi_reference_scale_rows,
    .dot_rows = hidi_reference_dot_rows,
    .spread_rows = hidi_reference_spread_rows,
    .dot = hidi_reference_dot,

    .gemm = hidi_reference_gemm,
    .gemm_batched = hidi_reference_gemm_batched,
    .linear = hidi_reference_linear,

    .attention = hidi_reference_attention,
    .attention_jvp = hidi_reference_attention_jvp,
    .attention_vjp = hidi_reference_attention_vjp,

    .softmax = hidi_reference_softmax,
    .softmax_jacobian = hidi_reference_softmax_jacobian,
    .layer_norm = hidi_reference_layer_norm,
    .layer_norm_jacobian = hidi_reference_layer_norm_jacobian,

    .modulate = hidi_reference_modulate,
    .layer_norm_modulate = hidi_reference_layer_norm_modulate,
    .sum_tokens = hidi_reference_sum_tokens,
    .gated_residual = hidi_reference_gated_residual,

    .embedding = hidi_reference_embedding,
    .embedding_vjp = hidi_reference_embedding_vjp,
    .sincos = hidi_reference_sincos,
    .sincos_jvp = hidi_reference_sincos_jvp,
    .sincos_vjp = hidi_reference_sincos_vjp,

    .patchify = hidi_reference_patchify,
    .unpatchify = hidi_reference_unpatchify,
    .conv_scratch = hidi_reference_conv_scratch,
    .conv2d = hidi_reference_conv2d,
    .conv2d_relu = hidi_reference_conv2d_relu,
    .conv2d_grad_input = hidi_reference_conv2d_grad_input,
    .conv2d_grad_weight = hidi_reference_conv2d_grad_weight,
    .add_channels = hidi_reference_add_channels,
    .sum_channels = hidi_reference_sum_channels,
    .scale_channels = hidi_reference_scale_channels,
    .dot_channels = hidi_reference_dot_channels,
    .upsample2 = hidi_reference_upsample2,
    .upsample2_vjp = hidi_reference_upsample2_vjp,
    .average_pool = hidi_reference_average_pool,
    .average_pool_vjp = hidi_reference_average_pool_vjp,
    .max_pool = hidi_reference_max_pool,

    .cross_entropy = hidi_reference_cross_entropy,
    .cross_entropy_jvp = hidi_reference_cross_entropy_jvp,
    .cross_entropy_vjp = hidi_reference_cross_entropy_vjp,
    .adamw = hidi_reference_adamw,
};

const hidi_backend *hidi_reference_backend(void)
{
    return &reference;
}
