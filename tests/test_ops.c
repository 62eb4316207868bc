/* test_ops.c - every op's gradient and tangent, for every differentiable input.
 *
 * An op is tested by a line in `cases`.  With y = f(x), J = dy/dx, and random v and u:
 *   - the gradient of <u, f(x)> against differences of it, element by element;
 *   - the tangent J v against differences of f along v;
 *   - <J v, u> = <v, J^T u>, which needs no differences and holds to a few roundings;
 *   - an input alone gets the gradient that it gets together with the others, bit by bit;
 *   - a second contribution to a gradient is added to the first.
 *
 * Differences are of fourth order, D(h) = [8 (f(h) - f(-h)) - (f(2h) - f(-2h))] / (12 h).  Their
 * error is C h^4 from the Taylor series and O(epsilon / h) from the roundings in f.  C depends on
 * the point (of LayerNorm, on the deviation of a row), so it is measured: D(2h) - D(h) is 15 C h^4.
 *
 * The draws of a case are a function of its name, so that a new case changes no other.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "core/hash.h"
#include "core/random.h"
#include "each_backend.h"

#ifdef HIDI_DOUBLE
#define STEP 1e-3
#else
#define STEP 2e-2
#endif
#define DIFFERENCE_ROUNDINGS (20 * HIDI_REAL_EPSILON / STEP)
#define ADJOINT_ROUNDINGS (200 * HIDI_REAL_EPSILON)

#define MAX_IN 3
#define MAX_ARG 6

typedef enum domain {
    ANY,      /* N(0, 1)                                               */
    POSITIVE, /* 0.5 + |N(0, 1)|                                       */
    KINKED    /* N(0, 1) moved away from 0, where the derivative jumps */
} domain;

typedef struct op_case {
    const char *name;
    hidi_var *(*build)(hidi_tape *tape, hidi_var *const *in, const size_t *arg);
    domain domain;
    int n_in;
    hidi_shape in[MAX_IN];
    size_t arg[MAX_ARG];
} op_case;

#define CPQ HIDI_PATCH_CPQ
#define PQC HIDI_PATCH_PQC

#define S0 { 0, { 1, 1, 1, 1 } }
#define S1(a) { 1, { a, 1, 1, 1 } }
#define S2(a, b) { 2, { a, b, 1, 1 } }
#define S3(a, b, c) { 3, { a, b, c, 1 } }
#define S4(a, b, c, d) { 4, { a, b, c, d } }

#define BUILD(name, call)                                                                          \
    static hidi_var *build_##name(hidi_tape *tape, hidi_var *const *in, const size_t *arg)         \
    {                                                                                              \
        (void)arg;                                                                                 \
        return call;                                                                               \
    }

BUILD(add, hidi_add(tape, in[0], in[1]))
BUILD(add_self, hidi_add(tape, in[0], in[0]))
BUILD(sub, hidi_sub(tape, in[0], in[1]))
BUILD(sub_self, hidi_sub(tape, in[0], in[0]))
BUILD(mul, hidi_mul(tape, in[0], in[1]))
BUILD(mul_self, hidi_mul(tape, in[0], in[0]))
BUILD(affine, hidi_affine(tape, in[0], (hidi_real)-1.5, (hidi_real)0.25))
BUILD(scale, hidi_scale(tape, in[0], (hidi_real)2.5))
BUILD(gelu, hidi_gelu(tape, in[0]))
BUILD(silu, hidi_silu(tape, in[0]))
BUILD(softplus, hidi_softplus(tape, in[0]))
BUILD(relu, hidi_relu(tape, in[0]))
BUILD(abs, hidi_abs(tape, in[0]))
BUILD(square, hidi_square(tape, in[0]))
BUILD(exp, hidi_exp(tape, in[0]))
BUILD(power, hidi_power(tape, in[0], (hidi_real)0.01, (hidi_real)-1))
BUILD(root, hidi_power(tape, in[0], 0, (hidi_real)0.5))
BUILD(scale_samples, hidi_scale_samples(tape, in[0], in[1]))
BUILD(scale_self, hidi_scale_samples(tape, in[0], in[0]))
BUILD(sum_samples, hidi_sum_samples(tape, in[0]))
BUILD(mean_samples, hidi_mean_samples(tape, in[0]))
BUILD(sum, hidi_sum(tape, in[0]))
BUILD(mean, hidi_mean(tape, in[0]))
BUILD(reshape, hidi_reshape(tape, in[0], hidi_shape2(arg[0], arg[1])))
BUILD(columns_of, hidi_columns_of(tape, in[0], arg[0], arg[1]))
BUILD(join, hidi_join(tape, in, (int)arg[0]))
BUILD(join_self, hidi_join(tape, (hidi_var *const[]){ in[0], in[0] }, 2))
BUILD(channels_of, hidi_channels_of(tape, in[0], arg[0], arg[1]))
BUILD(patchify, hidi_patchify(tape, in[0], arg[0], (hidi_patch_order)arg[1]))
BUILD(unpatchify, hidi_unpatchify(tape, in[0], arg[0], arg[1], arg[2], arg[3],
                                  (hidi_patch_order)arg[4]))
BUILD(linear, hidi_linear(tape, in[0], in[1], in[2]))
BUILD(matmul, hidi_matmul(tape, in[0], arg[0] != 0, in[1], arg[1] != 0))
BUILD(matmul_self, hidi_matmul(tape, in[0], arg[0] != 0, in[0], arg[1] != 0))
BUILD(add_rows, hidi_add_rows(tape, in[0], in[1]))
BUILD(attention, hidi_attention(tape, in[0], arg[0]))
BUILD(softmax, hidi_softmax(tape, in[0]))
BUILD(layer_norm, hidi_layer_norm(tape, in[0], in[1], in[2], (hidi_real)1e-3))
BUILD(layer_norm_bias, hidi_layer_norm(tape, in[0], NULL, in[1], (hidi_real)1e-3))
BUILD(adaln, hidi_adaln(tape, in[0], in[1], in[2], (hidi_real)1e-3))
BUILD(adaln_self, hidi_adaln(tape, in[0], in[1], in[1], (hidi_real)1e-3))
BUILD(gated_residual, hidi_gated_residual(tape, in[0], in[1], in[2]))
BUILD(gated_self, hidi_gated_residual(tape, in[0], in[1], in[0]))
static double cubic(double x, double constant, double *slope)
{
    *slope = 3 * x * x + constant;
    return x * x * x + constant * x;
}

BUILD(pointwise, hidi_pointwise(tape, in[0], cubic, 2))
BUILD(sincos, hidi_sincos(tape, in[0], (hidi_real)3, arg[0]))
BUILD(conv2d, hidi_conv2d(tape, in[0], in[1], in[2], arg[0], arg[1], arg[2]))
BUILD(conv2d_padded, hidi_conv2d_padded(tape, in[0], in[1], in[2], arg[0],
                                        (hidi_padding){ arg[1], arg[2], arg[3], arg[4] }))
BUILD(upsample2, hidi_upsample2(tape, in[0]))
BUILD(upsample_conv2d, hidi_upsample_conv2d(tape, in[0], in[1], in[2]))
BUILD(group_norm, hidi_group_norm(tape, in[0], arg[0], in[1], in[2], (hidi_real)1e-3))
BUILD(group_norm_self, hidi_group_norm(tape, in[0], arg[0], in[1], in[1], (hidi_real)1e-3))
BUILD(pixel_attention, hidi_pixel_attention(tape, in[0], in[1], in[2]))
BUILD(pixel_attention_self, hidi_pixel_attention(tape, in[0], in[0], in[0]))
/* Lengths L, L - 1, ..., 0, L, ... */
static hidi_var *attend(hidi_tape *tape, hidi_var *q, hidi_var *kv, size_t heads)
{
    int32_t length[8];
    const size_t L = kv->shape.dim[1];
    for (size_t b = 0; b < 8; b++)
        length[b] = (int32_t)(L - b % (L + 1));
    return hidi_cross_attention(tape, q, kv, length, heads);
}

BUILD(cross_attention, attend(tape, in[0], in[1], arg[0]))
BUILD(average_pool, hidi_average_pool(tape, in[0], arg[0], arg[1], arg[2]))

/* Numbers below `bound`, with repetitions and gaps. */
static const int32_t *some_indices(hidi_tape *tape, size_t n, size_t bound)
{
    int32_t index[32];
    for (size_t i = 0; i < n; i++)
        index[i] = (int32_t)((i * i + 1) % bound);
    return hidi_indices(tape, index, n, bound);
}

BUILD(embedding, hidi_embedding(tape, in[0], some_indices(tape, arg[0], in[0]->shape.dim[0]),
                                arg[0]))
BUILD(cross_entropy, hidi_cross_entropy(tape, in[0], some_indices(tape, in[0]->shape.dim[0],
                                                                  in[0]->shape.dim[1])))

static const op_case cases[] = {
    { "add", build_add, ANY, 2, { S2(3, 5), S2(3, 5) }, { 0 } },
    { "add, scalars", build_add, ANY, 2, { S0, S0 }, { 0 } },
    { "add, nothing", build_add, ANY, 2, { S2(0, 3), S2(0, 3) }, { 0 } },
    { "add x to itself", build_add_self, ANY, 1, { S1(7) }, { 0 } },
    { "sub", build_sub, ANY, 2, { S3(2, 3, 4), S3(2, 3, 4) }, { 0 } },
    { "sub x from itself", build_sub_self, ANY, 1, { S1(3) }, { 0 } },
    { "mul", build_mul, ANY, 2, { S1(17), S1(17) }, { 0 } },
    { "mul x by itself", build_mul_self, ANY, 1, { S2(2, 3) }, { 0 } },
    { "affine", build_affine, ANY, 1, { S2(3, 3) }, { 0 } },
    { "scale", build_scale, ANY, 1, { S1(1) }, { 0 } },
    { "gelu", build_gelu, ANY, 1, { S2(5, 7) }, { 0 } },
    { "silu", build_silu, ANY, 1, { S2(5, 7) }, { 0 } },
    { "softplus", build_softplus, ANY, 1, { S2(5, 7) }, { 0 } },
    { "relu", build_relu, KINKED, 1, { S2(5, 7) }, { 0 } },
    { "abs", build_abs, KINKED, 1, { S2(5, 7) }, { 0 } },
    { "square", build_square, ANY, 1, { S4(1, 2, 3, 5) }, { 0 } },
    { "exp", build_exp, ANY, 1, { S2(5, 7) }, { 0 } },
    { "power -1", build_power, POSITIVE, 1, { S2(5, 7) }, { 0 } },
    { "power 1/2", build_root, POSITIVE, 1, { S1(9) }, { 0 } },
    { "scale_samples", build_scale_samples, ANY, 2, { S3(3, 2, 5), S1(3) }, { 0 } },
    { "scale_samples, one each", build_scale_samples, ANY, 2, { S1(4), S1(4) }, { 0 } },
    { "scale_samples by itself", build_scale_self, ANY, 1, { S1(4) }, { 0 } },
    { "sum_samples", build_sum_samples, ANY, 1, { S3(3, 2, 5) }, { 0 } },
    { "sum_samples of nothing", build_sum_samples, ANY, 1, { S2(3, 0) }, { 0 } },
    { "mean_samples", build_mean_samples, ANY, 1, { S4(2, 3, 1, 5) }, { 0 } },
    { "sum", build_sum, ANY, 1, { S3(3, 2, 5) }, { 0 } },
    { "mean", build_mean, ANY, 1, { S2(3, 7) }, { 0 } },
    { "mean of one", build_mean, ANY, 1, { S0 }, { 0 } },
    { "reshape", build_reshape, ANY, 1, { S3(2, 3, 4) }, { 8, 3 } },
    { "columns_of", build_columns_of, ANY, 1, { S3(2, 3, 7) }, { 2, 3 } },
    { "columns_of, all", build_columns_of, ANY, 1, { S1(4) }, { 0, 4 } },
    { "join, three", build_join, ANY, 3, { S3(2, 3, 4), S3(2, 3, 1), S3(2, 3, 5) }, { 3 } },
    { "join, one", build_join, ANY, 1, { S1(4) }, { 1 } },
    { "join x and x", build_join_self, ANY, 1, { S2(3, 2) }, { 0 } },
    { "channels_of", build_channels_of, ANY, 1, { S4(2, 5, 3, 2) }, { 1, 3 } },
    { "channels_of, the last", build_channels_of, ANY, 1, { S4(1, 3, 1, 1) }, { 2, 1 } },
    { "patchify, cpq", build_patchify, ANY, 1, { S4(2, 3, 4, 6) }, { 2, CPQ } },
    { "patchify, pqc", build_patchify, ANY, 1, { S4(1, 2, 3, 3) }, { 3, PQC } },
    { "patchify, p = 1", build_patchify, ANY, 1, { S4(2, 3, 2, 1) }, { 1, PQC } },
    { "unpatchify, pqc", build_unpatchify, ANY, 1, { S3(2, 6, 12) }, { 3, 4, 6, 2, PQC } },
    { "unpatchify, cpq", build_unpatchify, ANY, 1, { S3(1, 2, 8) }, { 2, 4, 2, 2, CPQ } },
    { "linear", build_linear, ANY, 3, { S3(2, 3, 5), S2(7, 5), S1(7) }, { 0 } },
    { "linear without bias", build_linear, ANY, 2, { S2(3, 4), S2(2, 4) }, { 0 } },
    { "linear, one row", build_linear, ANY, 3, { S1(4), S2(3, 4), S1(3) }, { 0 } },
    { "linear, all ones", build_linear, ANY, 3, { S2(1, 1), S2(1, 1), S1(1) }, { 0 } },
    { "linear, no rows", build_linear, ANY, 3, { S2(0, 3), S2(2, 3), S1(2) }, { 0 } },
    { "matmul", build_matmul, ANY, 2, { S3(2, 3, 5), S3(2, 5, 4) }, { 0, 0 } },
    { "matmul, x^T", build_matmul, ANY, 2, { S3(2, 5, 3), S3(2, 5, 4) }, { 1, 0 } },
    { "matmul, w^T", build_matmul, ANY, 2, { S3(2, 3, 5), S3(2, 4, 5) }, { 0, 1 } },
    { "matmul, x^T and w^T", build_matmul, ANY, 2, { S3(2, 5, 3), S3(2, 4, 5) }, { 1, 1 } },
    { "matmul, ones", build_matmul, ANY, 2, { S3(3, 1, 1), S3(3, 1, 1) }, { 0, 1 } },
    { "matmul x^T x", build_matmul_self, ANY, 1, { S3(2, 3, 4) }, { 1, 0 } },
    { "matmul x x^T", build_matmul_self, ANY, 1, { S3(2, 3, 4) }, { 0, 1 } },
    { "add_rows", build_add_rows, ANY, 2, { S3(2, 3, 5), S2(3, 5) }, { 0 } },
    { "add_rows, one row", build_add_rows, ANY, 2, { S3(2, 3, 5), S2(1, 5) }, { 0 } },
    { "add_rows, a matrix", build_add_rows, ANY, 2, { S2(3, 5), S2(3, 5) }, { 0 } },
    { "attention", build_attention, ANY, 1, { S3(2, 5, 24) }, { 2 } },
    { "attention, one token", build_attention, ANY, 1, { S3(2, 1, 6) }, { 1 } },
    { "attention, heads of 1", build_attention, ANY, 1, { S3(1, 4, 9) }, { 3 } },
    { "attention, odd", build_attention, ANY, 1, { S3(1, 7, 15) }, { 1 } },
    { "softmax", build_softmax, ANY, 1, { S3(2, 3, 7) }, { 0 } },
    { "softmax of one", build_softmax, ANY, 1, { S2(3, 1) }, { 0 } },
    { "layer_norm", build_layer_norm, ANY, 1, { S3(2, 3, 8) }, { 0 } },
    { "layer_norm of one", build_layer_norm, ANY, 1, { S2(3, 1) }, { 0 } },
    { "layer_norm, affine", build_layer_norm, ANY, 3, { S3(2, 3, 5), S1(5), S1(5) }, { 0 } },
    { "layer_norm, factor", build_layer_norm, ANY, 2, { S2(4, 7), S1(7) }, { 0 } },
    { "layer_norm, bias", build_layer_norm_bias, ANY, 2, { S2(4, 3), S1(3) }, { 0 } },
    { "adaln", build_adaln, ANY, 3, { S3(2, 3, 5), S2(2, 5), S2(2, 5) }, { 0 } },
    { "adaln, one token", build_adaln, ANY, 3, { S3(1, 1, 3), S2(1, 3), S2(1, 3) }, { 0 } },
    { "adaln, scale = shift", build_adaln_self, ANY, 2, { S3(2, 3, 5), S2(2, 5) }, { 0 } },
    { "gated", build_gated_residual, ANY, 3, { S3(2, 3, 5), S2(2, 5), S3(2, 3, 5) }, { 0 } },
    { "gated, h = x", build_gated_self, ANY, 2, { S3(2, 3, 5), S2(2, 5) }, { 0 } },
    { "embedding", build_embedding, ANY, 1, { S2(5, 3) }, { 7 } },
    { "embedding, one entry", build_embedding, ANY, 1, { S2(1, 4) }, { 3 } },
    { "pointwise", build_pointwise, ANY, 1, { S1(5) }, { 0 } },
    { "pointwise, two blocks", build_pointwise, ANY, 1, { S2(10, 7) }, { 0 } },
    { "sincos", build_sincos, ANY, 1, { S1(5) }, { 8 } },
    { "sincos, one pair", build_sincos, ANY, 1, { S1(1) }, { 2 } },
    { "conv2d", build_conv2d, ANY, 3, { S4(2, 3, 5, 4), S4(4, 3, 3, 3), S1(4) }, { 1, 1, 1 } },
    { "conv2d, by 2", build_conv2d, ANY, 2, { S4(1, 2, 7, 6), S4(3, 2, 3, 3) }, { 2, 1, 1 } },
    { "conv2d, no bias", build_conv2d, ANY, 2, { S4(2, 1, 5, 5), S4(2, 1, 5, 5) }, { 1, 0 } },
    { "conv2d, 1 x 1", build_conv2d, ANY, 3, { S4(2, 3, 3, 2), S4(2, 3, 1, 1), S1(2) }, { 1, 0 } },
    { "conv2d, by 3", build_conv2d, ANY, 2, { S4(1, 1, 8, 7), S4(1, 1, 2, 2) }, { 3, 0 } },
    { "conv2d, 1 x 7", build_conv2d, ANY, 2, { S4(2, 2, 4, 9), S4(3, 2, 1, 7) }, { 1, 0, 3 } },
    { "conv2d, 7 x 1", build_conv2d, ANY, 2, { S4(1, 2, 8, 3), S4(2, 2, 7, 1) }, { 1, 3, 0 } },
    { "conv2d, 1 x 3", build_conv2d, ANY, 2, { S4(1, 2, 5, 6), S4(2, 2, 1, 3) }, { 2, 0, 1 } },
    { "conv2d, 3 x 2", build_conv2d, ANY, 2, { S4(1, 2, 6, 5), S4(2, 2, 3, 2) }, { 2, 2, 1 } },
    { "conv2d, 0 1 0 1", build_conv2d_padded, ANY, 3, { S4(2, 2, 6, 4), S4(3, 2, 3, 3), S1(3) },
      { 2, 0, 1, 0, 1 } },
    { "conv2d, uneven", build_conv2d_padded, ANY, 2, { S4(1, 2, 5, 4), S4(2, 2, 3, 2) },
      { 1, 2, 0, 0, 1 } },
    { "upsample2", build_upsample2, ANY, 1, { S4(2, 3, 2, 3) }, { 0 } },
    { "upsample2, one pixel", build_upsample2, ANY, 1, { S4(1, 1, 1, 1) }, { 0 } },
    { "upsample_conv2d", build_upsample_conv2d, ANY, 3,
      { S4(2, 2, 3, 2), S4(3, 2, 3, 3), S1(3) }, { 0 } },
    { "upsample_conv2d, one pixel", build_upsample_conv2d, ANY, 3,
      { S4(1, 1, 1, 1), S4(2, 1, 3, 3), S1(2) }, { 0 } },
    { "group_norm", build_group_norm, ANY, 3, { S4(2, 6, 3, 2), S1(6), S1(6) }, { 3 } },
    { "group_norm, one group", build_group_norm, ANY, 3, { S4(2, 3, 2, 2), S1(3), S1(3) }, { 1 } },
    { "group_norm, of channels", build_group_norm, ANY, 3, { S4(1, 4, 2, 3), S1(4), S1(4) },
      { 4 } },
    { "group_norm, g = b", build_group_norm_self, ANY, 2, { S4(2, 4, 1, 3), S1(4) }, { 2 } },
    { "pixel_attention", build_pixel_attention, ANY, 3,
      { S4(2, 3, 2, 3), S4(2, 3, 2, 3), S4(2, 3, 2, 3) }, { 0 } },
    { "pixel_attention, one pixel", build_pixel_attention, ANY, 3,
      { S4(2, 4, 1, 1), S4(2, 4, 1, 1), S4(2, 4, 1, 1) }, { 0 } },
    { "pixel_attention of itself", build_pixel_attention_self, ANY, 1, { S4(2, 2, 2, 2) }, { 0 } },
    { "cross_attention", build_cross_attention, ANY, 2, { S3(2, 5, 8), S3(2, 3, 16) }, { 2 } },
    { "cross_attention, to nothing", build_cross_attention, ANY, 2, { S3(3, 2, 3), S3(3, 2, 6) },
      { 3 } },
    { "cross_attention, one token", build_cross_attention, ANY, 2, { S3(1, 1, 4), S3(1, 1, 8) },
      { 1 } },
    { "average_pool", build_average_pool, ANY, 1, { S4(2, 2, 5, 6) }, { 3, 2, 1 } },
    { "average_pool, overlapping", build_average_pool, ANY, 1, { S4(1, 2, 5, 4) }, { 3, 1, 1 } },
    { "average_pool, 1 x 1", build_average_pool, ANY, 1, { S4(1, 1, 2, 2) }, { 1, 1, 0 } },
    { "cross_entropy", build_cross_entropy, ANY, 1, { S2(4, 5) }, { 0 } },
    { "cross_entropy, one class", build_cross_entropy, ANY, 1, { S2(2, 1) }, { 0 } },
};
#define N_CASES ((int)(sizeof cases / sizeof cases[0]))

/* --- one case on one backend ------------------------------------------------------------------ */

typedef struct trial {
    const op_case *op;
    hidi_tape *tape;
    size_t n[MAX_IN], n_out;
    hidi_real *x[MAX_IN]; /* the point                          */
    hidi_real *v[MAX_IN]; /* a direction                        */
    hidi_real *u;         /* weights of the outputs             */
    hidi_var *leaf[MAX_IN];
} trial;

enum { ALL = (1 << MAX_IN) - 1 };

static const hidi_backend *backend; /* set by main */

static hidi_real *new_array(size_t n)
{
    hidi_real *array = calloc(n + 1, sizeof *array);
    ck_assert_ptr_nonnull(array);
    return array;
}

/* Draw number `step` of an op. */
static hidi_real *random_array(const op_case *op, int step, size_t n)
{
    hidi_real *array = new_array(n);
    const uint64_t seed = hidi_hash(op->name, strlen(op->name));
    hidi_normal((hidi_random){ seed, HIDI_STREAM_TEST, (uint64_t)step }, 0, array, n);
    return array;
}

static void move_into(domain where, hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const hidi_real size = (hidi_real)0.5 + (hidi_real)fabs((double)x[i]);
        if (where == POSITIVE)
            x[i] = size;
        else if (where == KINKED)
            x[i] = x[i] < 0 ? -size : size;
    }
}

/* Resets the tape; the op at x, with gradients and tangents for the inputs whose bits are set. */
static hidi_var *run(trial *t, int gradients, int tangents)
{
    hidi_var *in[MAX_IN] = { NULL };
    hidi_tape_reset(t->tape);
    for (int i = 0; i < t->op->n_in; i++) {
        in[i] = t->leaf[i] = hidi_input(t->tape, t->op->in[i], t->x[i], gradients >> i & 1);
        if (tangents >> i & 1)
            in[i] = hidi_dual(t->tape, in[i], hidi_constant(t->tape, t->op->in[i], t->v[i]));
    }
    hidi_var *y = t->op->build(t->tape, in, t->op->arg);
    if (y == NULL)
        ck_abort_msg("%s: %s", t->op->name, hidi_error_message());
    return y;
}

static void read(trial *t, const hidi_var *y, hidi_real *host)
{
    ck_assert_int_eq(hidi_read(t->tape, y, host), HIDI_OK);
}

static void begin(trial *t, int i)
{
    *t = (trial){ .op = &cases[i], .tape = hidi_tape_create(backend) };
    ck_assert_ptr_nonnull(t->tape);
    for (int j = 0; j < t->op->n_in; j++) {
        t->n[j] = hidi_count(t->op->in[j]);
        t->x[j] = random_array(t->op, j, t->n[j]);
        t->v[j] = random_array(t->op, MAX_IN + j, t->n[j]);
        move_into(t->op->domain, t->x[j], t->n[j]);
    }
    t->n_out = hidi_count(run(t, 0, 0)->shape);
    t->u = random_array(t->op, 2 * MAX_IN, t->n_out);
}

static void end(trial *t)
{
    for (int j = 0; j < t->op->n_in; j++) {
        free(t->x[j]);
        free(t->v[j]);
    }
    free(t->u);
    hidi_tape_destroy(t->tape);
}

/* The gradient of <u, f> with respect to the inputs whose bits are set. */
static void gradients(trial *t, int wanted, hidi_real *g[MAX_IN])
{
    hidi_var *y = run(t, wanted, 0);
    ck_assert_int_eq(hidi_tape_backward(t->tape, y, t->u), HIDI_OK);
    for (int j = 0; j < t->op->n_in; j++) {
        g[j] = new_array(t->n[j]);
        ck_assert_int_eq(hidi_read_grad(t->tape, t->leaf[j], g[j]), HIDI_OK);
    }
}

static void free_gradients(const trial *t, hidi_real *g[MAX_IN])
{
    for (int j = 0; j < t->op->n_in; j++)
        free(g[j]);
}

static double largest(const hidi_real *a, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)a[i]));
    return most;
}

/* --- differences ------------------------------------------------------------------------------ */

/* D(h) of each output along `direction`, n_moved arrays of n elements by which the arrays x (the
 * inputs, or elements of them) are moved, into d [n_out].  Returns a bound for the error of any of
 * them: an output may be small, or be right at h and at 2h, only because large terms cancel. */
static double difference(trial *t, hidi_real *const *x, hidi_real *const *direction,
                         const size_t *n, int n_moved, double *d)
{
    static const struct {
        double steps, weight, wide; /* in 12 h D(h), and in 24 h D(2h) */
    } stencil[] = { { 1, 8, 0 }, { -1, -8, 0 }, { 2, -1, 8 }, { -2, 1, -8 }, { 4, 0, -1 },
                    { -4, 0, 1 } };
    hidi_real *y = new_array(t->n_out);
    double *wide = calloc(t->n_out + 1, sizeof *wide); /* D(2h) */
    double magnitude = 1, truncation = 0; /* the inputs are of size 1 */
    for (size_t k = 0; k < t->n_out; k++)
        d[k] = 0;
    for (size_t s = 0; s < sizeof stencil / sizeof stencil[0]; s++) {
        hidi_real *kept[MAX_IN];
        for (int j = 0; j < n_moved; j++) {
            kept[j] = new_array(n[j]);
            memcpy(kept[j], x[j], n[j] * sizeof *x[j]);
            for (size_t i = 0; i < n[j]; i++)
                x[j][i] += (hidi_real)(stencil[s].steps * STEP * (double)direction[j][i]);
        }
        read(t, run(t, 0, 0), y);
        for (size_t k = 0; k < t->n_out; k++) {
            const double f = (double)y[k];
            d[k] += stencil[s].weight * f / (12 * STEP);
            wide[k] += stencil[s].wide * f / (24 * STEP);
            magnitude = fmax(magnitude, fabs(f));
        }
        for (int j = 0; j < n_moved; j++) {
            memcpy(x[j], kept[j], n[j] * sizeof *x[j]);
            free(kept[j]);
        }
    }
    for (size_t k = 0; k < t->n_out; k++)
        truncation = fmax(truncation, fabs(wide[k] - d[k]));
    free(wide);
    free(y);
    return truncation + DIFFERENCE_ROUNDINGS * magnitude;
}

START_TEST(gradients_are_those_of_differences)
{
    trial t;
    hidi_real *g[MAX_IN];
    hidi_real one[1] = { 1 }, *direction[1] = { one };
    const size_t n_one[1] = { 1 };
    begin(&t, _i);
    gradients(&t, ALL, g);
    double *d = calloc(t.n_out + 1, sizeof *d);
    for (int j = 0; j < t.op->n_in; j++)
        for (size_t i = 0; i < t.n[j]; i++) {
            double expected = 0, allowed = 0;
            hidi_real *x[1] = { &t.x[j][i] };
            const double error = difference(&t, x, direction, n_one, 1, d);
            for (size_t k = 0; k < t.n_out; k++) {
                expected += (double)t.u[k] * d[k];
                allowed += fabs((double)t.u[k]) * error;
            }
            if (!(fabs((double)g[j][i] - expected) <= allowed))
                ck_abort_msg("%s on %s, input %d, element %zu: gradient %.17g, difference %.17g, "
                             "allowed %.3g", t.op->name, backend->name, j, i, (double)g[j][i],
                             expected, allowed);
        }
    free(d);
    free_gradients(&t, g);
    end(&t);
}
END_TEST

START_TEST(tangents_are_those_of_differences)
{
    trial t;
    begin(&t, _i);
    hidi_real *dy = new_array(t.n_out);
    double *d = calloc(t.n_out + 1, sizeof *d);
    for (int moved = 1; moved < 1 << t.op->n_in; moved++) { /* every set of inputs */
        hidi_real *x[MAX_IN], *v[MAX_IN];
        size_t n[MAX_IN];
        int n_moved = 0;
        for (int j = 0; j < t.op->n_in; j++)
            if (moved >> j & 1) {
                x[n_moved] = t.x[j];
                v[n_moved] = t.v[j];
                n[n_moved++] = t.n[j];
            }
        ck_assert_int_eq(hidi_read_tangent(t.tape, run(&t, ALL, moved), dy), HIDI_OK);
        const double allowed = difference(&t, x, v, n, n_moved, d);
        for (size_t k = 0; k < t.n_out; k++)
            if (!(fabs((double)dy[k] - d[k]) <= allowed))
                ck_abort_msg("%s on %s, inputs %d, element %zu: tangent %.17g, difference %.17g, "
                             "allowed %.3g", t.op->name, backend->name, moved, k, (double)dy[k],
                             d[k], allowed);
    }
    free(d);
    free(dy);
    end(&t);
}
END_TEST

/* --- identities ------------------------------------------------------------------------------- */

START_TEST(jvp_and_vjp_are_adjoint)
{
    trial t;
    hidi_real *g[MAX_IN];
    begin(&t, _i);
    hidi_real *dy = new_array(t.n_out);
    gradients(&t, ALL, g);
    for (int wanted = 1; wanted < 1 << t.op->n_in; wanted++) {
        double forward = 0, reverse = 0, size = 0;
        ck_assert_int_eq(hidi_read_tangent(t.tape, run(&t, 0, wanted), dy), HIDI_OK);
        for (size_t k = 0; k < t.n_out; k++) {
            forward += (double)dy[k] * (double)t.u[k];
            size += fabs((double)dy[k] * (double)t.u[k]);
        }
        for (int j = 0; j < t.op->n_in; j++)
            for (size_t i = 0; i < t.n[j] && (wanted >> j & 1); i++) {
                reverse += (double)t.v[j][i] * (double)g[j][i];
                size += fabs((double)t.v[j][i] * (double)g[j][i]);
            }
        if (!(fabs(forward - reverse) <= ADJOINT_ROUNDINGS * size))
            ck_abort_msg("%s on %s, inputs %d: <Jv, u> = %.17g, <v, J'u> = %.17g, allowed %.3g",
                         t.op->name, backend->name, wanted, forward, reverse,
                         ADJOINT_ROUNDINGS * size);
    }
    free(dy);
    free_gradients(&t, g);
    end(&t);
}
END_TEST

START_TEST(inputs_are_independent)
{
    trial t;
    hidi_real *all[MAX_IN], *one[MAX_IN];
    begin(&t, _i);
    gradients(&t, ALL, all);
    for (int j = 0; j < t.op->n_in; j++) {
        gradients(&t, 1 << j, one);
        for (int k = 0; k < t.op->n_in; k++)
            for (size_t i = 0; i < t.n[k]; i++)
                if (!(one[k][i] == (k == j ? all[k][i] : 0)))
                    ck_abort_msg("%s on %s, input %d, element %zu: gradient %.17g alone, %.17g "
                                 "together", t.op->name, backend->name, k, i, (double)one[k][i],
                                 (double)all[k][i]);
        free_gradients(&t, one);
    }
    free_gradients(&t, all);
    end(&t);
}
END_TEST

START_TEST(gradients_accumulate)
{
    trial t;
    hidi_real *once[MAX_IN];
    begin(&t, _i);
    gradients(&t, ALL, once);
    hidi_var *y = run(&t, ALL, 0);
    y = hidi_add(t.tape, y, t.op->build(t.tape, t.leaf, t.op->arg)); /* f(x) + f(x) */
    ck_assert_int_eq(hidi_tape_backward(t.tape, y, t.u), HIDI_OK);
    for (int j = 0; j < t.op->n_in; j++) {
        hidi_real *twice = new_array(t.n[j]);
        const double allowed = ADJOINT_ROUNDINGS * largest(once[j], t.n[j]);
        ck_assert_int_eq(hidi_read_grad(t.tape, t.leaf[j], twice), HIDI_OK);
        for (size_t i = 0; i < t.n[j]; i++)
            if (!(fabs((double)twice[i] - 2 * (double)once[j][i]) <= allowed))
                ck_abort_msg("%s on %s, input %d, element %zu: gradient %.17g once, %.17g twice",
                             t.op->name, backend->name, j, i, (double)once[j][i],
                             (double)twice[i]);
        free(twice);
    }
    free_gradients(&t, once);
    end(&t);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_loop_test(tcase, gradients_are_those_of_differences, 0, N_CASES);
    tcase_add_loop_test(tcase, tangents_are_those_of_differences, 0, N_CASES);
    tcase_add_loop_test(tcase, jvp_and_vjp_are_adjoint, 0, N_CASES);
    tcase_add_loop_test(tcase, inputs_are_independent, 0, N_CASES);
    tcase_add_loop_test(tcase, gradients_accumulate, 0, N_CASES);
}

int main(void)
{
    return run_on_each_backend("ops", &backend, add);
}
