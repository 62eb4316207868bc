/* cpu.c - the cpu backend: OpenBLAS, OpenMP and vectorised kernels over the reference table.
 *
 * hidi_cpu_backend() starts from a copy of the reference table, so that every slot works, and then
 * overrides the slots that gain by it; override_slots() is the list.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <pthread.h>
#include <stdio.h>

#include "backend/tables.h"
#include "backend/cpu/cpu.h"
#include "core/thread_local.h"
#include "core/threads.h"

const hidi_cpu_kernels *hidi_kernels = &hidi_cpu_kernels_baseline;

bool hidi_cpu_runs_avx2(void)
{
#ifdef HIDI_CPU_AVX2
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

bool hidi_cpu_runs_avx512(void)
{
#ifdef HIDI_CPU_AVX512
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#else
    return false;
#endif
}

#ifdef HAVE_CBLAS
#include <cblas.h>

static void choose_kernels(void)
{
#ifdef HIDI_CPU_AVX2
    if (hidi_cpu_runs_avx2())
        hidi_kernels = &hidi_cpu_kernels_avx2;
#endif
#ifdef HIDI_CPU_AVX512
    if (hidi_cpu_runs_avx512())
        hidi_kernels = &hidi_cpu_kernels_avx512;
#endif
}

static void set_threads(int n)
{
    hidi_limit_threads(n > 1 ? n : 1);
}

static int threads(void)
{
    return (int)hidi_cpu_threads();
}

/* "OpenBLAS 0.3.21 Zen, OpenMP, avx2 kernels": what the bits of a result depend on. */
static const char *describe(void)
{
    static HIDI_THREAD_LOCAL char text[160];
    char blas[64] = "BLAS";
    const char *openmp = "no OpenMP";

#ifdef HAVE_OPENBLAS_GET_CONFIG
    char version[32] = "";
    if (sscanf(openblas_get_config(), "OpenBLAS %31s", version) == 1)
        snprintf(blas, sizeof blas, "OpenBLAS %s %.20s", version, openblas_get_corename());
#endif
#ifdef _OPENMP
    openmp = "OpenMP";
#endif
    snprintf(text, sizeof text, "%s, %s, %s kernels", blas, openmp, hidi_kernels->name);
    return text;
}

static hidi_backend table;

static void override_slots(void)
{
    /* OpenBLAS, one block of the output per thread */
    table.gemm = hidi_cpu_gemm;
    table.gemm_batched = hidi_cpu_gemm_batched;
    table.linear = hidi_cpu_linear;
    table.attention = hidi_cpu_attention;
    table.attention_jvp = hidi_cpu_attention_jvp;
    table.attention_vjp = hidi_cpu_attention_vjp;
    table.conv_scratch = hidi_cpu_conv_scratch;
    table.conv2d = hidi_cpu_conv2d;
    table.conv2d_relu = hidi_cpu_conv2d_relu;
    table.conv2d_grad_input = hidi_cpu_conv2d_grad_input;
    table.conv2d_grad_weight = hidi_cpu_conv2d_grad_weight;

    /* vectorised kernels, each thread with a share of the rows or elements */
    table.copy = hidi_cpu_copy;
    table.fill = hidi_cpu_fill;
    table.copy_block = hidi_cpu_copy_block;
    table.from_bf16 = hidi_cpu_from_bf16;
    table.axpby = hidi_cpu_axpby;
    table.lerp = hidi_cpu_lerp;
    table.multiply = hidi_cpu_multiply;
    table.unary = hidi_cpu_unary;
    table.unary_jacobian = hidi_cpu_unary_jacobian;
    table.add_rows = hidi_cpu_add_rows;
    table.sum_rows = hidi_cpu_sum_rows;
    table.scale_rows = hidi_cpu_scale_rows;
    table.dot_rows = hidi_cpu_dot_rows;
    table.dot = hidi_cpu_dot;
    table.softmax = hidi_cpu_softmax;
    table.softmax_jacobian = hidi_cpu_softmax_jacobian;
    table.layer_norm = hidi_cpu_layer_norm;
    table.layer_norm_jacobian = hidi_cpu_layer_norm_jacobian;
    table.modulate = hidi_cpu_modulate;
    table.layer_norm_modulate = hidi_cpu_layer_norm_modulate;
    table.sum_tokens = hidi_cpu_sum_tokens;
    table.gated_residual = hidi_cpu_gated_residual;
    table.adamw = hidi_cpu_adamw;
    table.scale_channels = hidi_cpu_scale_channels;
    table.dot_channels = hidi_cpu_dot_channels;
    table.upsample2 = hidi_cpu_upsample2;
    table.upsample2_vjp = hidi_cpu_upsample2_vjp;
    table.average_pool = hidi_cpu_average_pool;
    table.max_pool = hidi_cpu_max_pool;

    /* the reference kernel, each thread with a share of the rows or images */
    table.sincos = hidi_cpu_sincos;
    table.sincos_jvp = hidi_cpu_sincos_jvp;
    table.sincos_vjp = hidi_cpu_sincos_vjp;
    table.patchify = hidi_cpu_patchify;
    table.unpatchify = hidi_cpu_unpatchify;
    table.add_channels = hidi_cpu_add_channels;
    table.average_pool_vjp = hidi_cpu_average_pool_vjp;

    /* left to the reference: fill, spread_rows, embedding, embedding_vjp, sum_channels,
     * cross_entropy and its derivatives, and memory */
}

static void fill_table(void)
{
    choose_kernels();
    table = *hidi_reference_backend();
    override_slots();
    table.name = "cpu";
    table.describe = describe;
    table.set_threads = set_threads;
    table.threads = threads;
}

const hidi_backend *hidi_cpu_backend(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_table);
    return &table;
}

#else /* without BLAS */

const hidi_backend *hidi_cpu_backend(void)
{
    return hidi_reference_backend();
}

#endif
