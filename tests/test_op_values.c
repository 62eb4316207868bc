/* test_op_values.c - small results known by hand: each op computes what ops.h says, in that shape.
 * (test_ops.c proves that derivatives belong to the function, not that it is the right one.) */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "each_backend.h"
#include "near.h"

static const hidi_backend *backend; /* set by main */
static hidi_tape *tape;             /* a new one for each test */

static void begin(void)
{
    tape = hidi_tape_create(backend);
    ck_assert_ptr_nonnull(tape);
}

static void end(void)
{
    hidi_tape_destroy(tape);
}

/* The roundings allowed: those of a few operations, and of the vectorised exp and tanh. */
static void expect(int line, const hidi_var *y, hidi_shape shape, const double *values, size_t n)
{
    hidi_real found[32];
    if (y == NULL)
        ck_abort_msg("line %d: %s", line, hidi_error_message());
    if (!hidi_same_shape(y->shape, shape))
        ck_abort_msg("line %d: %s instead of %s", line, hidi_shape_text(y->shape),
                     hidi_shape_text(shape));
    ck_assert_uint_eq(hidi_count(shape), n);
    ck_assert_int_eq(hidi_read(tape, y, found), HIDI_OK);
    near_compare(__FILE__, line, found, values, n, 16);
}

#define X(shape, ...) hidi_constant(tape, shape, (const hidi_real[]){ __VA_ARGS__ })
#define INDICES(n, bound, ...) hidi_indices(tape, (const int32_t[]){ __VA_ARGS__ }, n, bound)
#define EXPECT(y, shape, ...)                                                                      \
    expect(__LINE__, y, shape, (const double[]){ __VA_ARGS__ },                                    \
           sizeof((const double[]){ __VA_ARGS__ }) / sizeof(double))

#define S0 hidi_shape0()
#define S1 hidi_shape1
#define S2 hidi_shape2
#define S3 hidi_shape3
#define S4 hidi_shape4
#define LN3 1.0986122886681098

START_TEST(elementwise)
{
    hidi_var *x = X(S1(2), 1, -3), *y = X(S1(2), 10, 20);
    EXPECT(hidi_add(tape, x, y), S1(2), 11, 17);
    EXPECT(hidi_sub(tape, x, y), S1(2), -9, -23);
    EXPECT(hidi_mul(tape, x, y), S1(2), 10, -60);
    EXPECT(hidi_affine(tape, x, 2, 4), S1(2), 6, -2);
    EXPECT(hidi_scale(tape, x, 2), S1(2), 2, -6);
    EXPECT(hidi_gelu(tape, X(S1(2), 1, 0)), S1(2), 0.8411919906082768, 0);
    EXPECT(hidi_silu(tape, X(S1(2), 1, 0)), S1(2), 0.7310585786300049, 0);
    EXPECT(hidi_softplus(tape, X(S1(2), 0, 200)), S1(2), 0.6931471805599453, 200);
    EXPECT(hidi_relu(tape, x), S1(2), 1, 0);
    EXPECT(hidi_abs(tape, x), S1(2), 1, 3);
    EXPECT(hidi_square(tape, x), S1(2), 1, 9);
    EXPECT(hidi_exp(tape, X(S1(2), 1, 0)), S1(2), 2.718281828459045, 1);
    EXPECT(hidi_power(tape, X(S1(2), 1, 3), 1, -2), S1(2), 0.25, 0.0625);
}
END_TEST

static double square_and_slope(double x, double constant, double *slope)
{
    *slope = 2 * x;
    return x * x + constant;
}

START_TEST(pointwise)
{
    hidi_var *x = hidi_dual(tape, X(S1(3), 1, -3, 0.5), X(S1(3), 2, 1, 4));
    hidi_var *y = hidi_pointwise(tape, x, square_and_slope, 10);
    EXPECT(y, S1(3), 11, 19, 10.25);
    EXPECT(hidi_tangent(tape, y), S1(3), 4, -6, 4);
}
END_TEST

START_TEST(reductions)
{
    hidi_var *x = X(S3(2, 1, 3), 1, 2, 3, 4, 5, 9);
    EXPECT(hidi_scale_samples(tape, x, X(S1(2), 10, -1)), S3(2, 1, 3), 10, 20, 30, -4, -5, -9);
    EXPECT(hidi_sum_samples(tape, x), S1(2), 6, 18);
    EXPECT(hidi_mean_samples(tape, x), S1(2), 2, 6);
    EXPECT(hidi_sum(tape, x), S0, 24);
    EXPECT(hidi_mean(tape, x), S0, 4);
}
END_TEST

START_TEST(pieces)
{
    hidi_var *x = X(S2(2, 3), 1, 2, 3, 4, 5, 6);
    hidi_var *image = X(S4(2, 3, 1, 2), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
    EXPECT(hidi_reshape(tape, x, S3(3, 1, 2)), S3(3, 1, 2), 1, 2, 3, 4, 5, 6);
    EXPECT(hidi_columns_of(tape, x, 1, 2), S2(2, 2), 2, 3, 5, 6);
    EXPECT(hidi_join(tape, (hidi_var *[]){x, hidi_columns_of(tape, x, 0, 1)}, 2), S2(2, 4), 1, 2, 3,
           1, 4, 5, 6, 4);
    EXPECT(hidi_channels_of(tape, image, 1, 1), S4(2, 1, 1, 2), 3, 4, 9, 10);
    EXPECT(hidi_channels_of(tape, image, 1, 2), S4(2, 2, 1, 2), 3, 4, 5, 6, 9, 10, 11, 12);
}
END_TEST

START_TEST(patches)
{
    hidi_var *image = X(S4(1, 2, 2, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    hidi_var *wide = X(S4(1, 1, 2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
    hidi_var *high = X(S4(1, 1, 4, 2), 1, 2, 3, 4, 5, 6, 7, 8);
    hidi_var *token = X(S3(1, 1, 8), 1, 5, 2, 6, 3, 7, 4, 8);
    EXPECT(hidi_patchify(tape, image, 2, HIDI_PATCH_CPQ), S3(1, 1, 8), 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT(hidi_patchify(tape, image, 2, HIDI_PATCH_PQC), S3(1, 1, 8), 1, 5, 2, 6, 3, 7, 4, 8);
    EXPECT(hidi_patchify(tape, wide, 2, HIDI_PATCH_CPQ), S3(1, 2, 4), 1, 2, 5, 6, 3, 4, 7, 8);
    EXPECT(hidi_patchify(tape, high, 2, HIDI_PATCH_CPQ), S3(1, 2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
    EXPECT(hidi_unpatchify(tape, token, 2, 2, 2, 2, HIDI_PATCH_PQC), S4(1, 2, 2, 2), 1, 2, 3, 4, 5,
           6, 7, 8);
    EXPECT(hidi_unpatchify(tape, X(S3(1, 2, 4), 1, 2, 5, 6, 3, 4, 7, 8), 1, 2, 4, 2,
                           HIDI_PATCH_CPQ), S4(1, 1, 2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
}
END_TEST

START_TEST(products)
{
    hidi_var *x = X(S3(1, 2, 2), 1, 2, 3, 4), *w = X(S3(1, 2, 2), 5, 6, 7, 8);
    EXPECT(hidi_matmul(tape, x, false, w, false), S3(1, 2, 2), 19, 22, 43, 50);
    EXPECT(hidi_matmul(tape, x, true, w, false), S3(1, 2, 2), 26, 30, 38, 44);
    EXPECT(hidi_matmul(tape, x, false, w, true), S3(1, 2, 2), 17, 23, 39, 53);
    EXPECT(hidi_matmul(tape, x, true, w, true), S3(1, 2, 2), 23, 31, 34, 46);
    hidi_var *columns = X(S2(2, 1), 1, 2), *rows = X(S2(3, 1), 1, 10, 100);
    EXPECT(hidi_linear(tape, columns, rows, NULL), S2(2, 3), 1, 10, 100, 2, 20, 200);
    EXPECT(hidi_linear(tape, X(S1(2), 1, 2), X(S2(2, 2), 3, 4, 5, 6), X(S1(2), 10, 20)), S1(2), 21,
           37);
    EXPECT(hidi_add_rows(tape, X(S3(2, 2, 1), 1, 2, 3, 4), X(S2(2, 1), 10, 20)), S3(2, 2, 1), 11,
           22, 13, 24);
    EXPECT(hidi_add_rows(tape, X(S3(1, 2, 2), 1, 2, 3, 4), X(S2(1, 2), 10, 20)), S3(1, 2, 2), 11,
           22, 13, 24);
}
END_TEST

/* Head 0 has q = 0 and averages; head 1 has q = log 3 and keys 0 and 1: weights 1/4 and 3/4. */
START_TEST(attention)
{
    const hidi_real q = (hidi_real)LN3;
    hidi_var *qkv = X(S3(1, 2, 6), 0, q, 1, 0, 10, 20, 0, q, 5, 1, 30, 40);
    EXPECT(hidi_attention(tape, qkv, 2), S3(1, 2, 2), 20, 35, 20, 35);
    qkv = X(S3(1, 2, 12), 2 * q, 0, 0, 0, 0, 0, 0, 0, 4, 8, 12, 0, 2 * q, 0, 0, 0, 1, 0, 0, 0, 0, 0,
            0, 4); /* q k / sqrt(4) = log 3 */
    EXPECT(hidi_attention(tape, qkv, 1), S3(1, 2, 4), 1, 2, 3, 3, 1, 2, 3, 3);
    EXPECT(hidi_softmax(tape, X(S2(2, 2), 0, q, 7, 7)), S2(2, 2), 0.25, 0.75, 0.5, 0.5);
}
END_TEST

START_TEST(normalisation)
{
    hidi_var *x = X(S2(1, 2), 1, 3), *g = X(S1(2), 2, 4), *b = X(S1(2), 10, 20);
    EXPECT(hidi_layer_norm(tape, x, NULL, NULL, 0), S2(1, 2), -1, 1);
    EXPECT(hidi_layer_norm(tape, x, NULL, NULL, 3), S2(1, 2), -0.5, 0.5);
    EXPECT(hidi_layer_norm(tape, x, g, b, 3), S2(1, 2), 9, 22);
    EXPECT(hidi_layer_norm(tape, x, g, NULL, 3), S2(1, 2), -1, 2);
    EXPECT(hidi_layer_norm(tape, x, NULL, b, 3), S2(1, 2), 9.5, 20.5);
    hidi_var *tokens = X(S3(1, 2, 2), 1, 2, 3, 4), *h = X(S3(1, 2, 2), 5, 6, 7, 8);
    hidi_var *row = X(S2(1, 2), 10, 20), *other = X(S2(1, 2), 1, 2);
    EXPECT(hidi_adaln(tape, X(S3(1, 2, 2), 1, 3, 7, 7), row, other, 3), S3(1, 2, 2), 9, 21.5, 10,
           20);
    EXPECT(hidi_gated_residual(tape, tokens, row, h), S3(1, 2, 2), 51, 122, 73, 164);
}
END_TEST

START_TEST(embeddings)
{
    hidi_var *table = X(S2(3, 2), 1, 2, 3, 4, 5, 6);
    EXPECT(hidi_embedding(tape, table, INDICES(3, 3, 2, 0, 2), 3), S2(3, 2), 5, 6, 1, 2, 5, 6);
    EXPECT(hidi_sincos(tape, X(S1(2), 0.25, 0), 2, 4), S2(2, 4), cos(0.5), cos(0.005), sin(0.5),
           sin(0.005), 1, 1, 0, 0);
    hidi_var *logits = X(S2(2, 2), 0, (hidi_real)LN3, 0, (hidi_real)LN3);
    EXPECT(hidi_cross_entropy(tape, logits, INDICES(2, 2, 1, 0)), S1(2), log(4.0 / 3), log(4));
}
END_TEST

START_TEST(convolutions)
{
    hidi_var *x = X(S4(1, 1, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    hidi_var *w = X(S4(1, 1, 2, 2), 1, 0, 0, 1), *b = X(S1(1), 100);
    EXPECT(hidi_conv2d(tape, x, w, b, 1, 0, 0), S4(1, 1, 2, 2), 106, 108, 112, 114);
    EXPECT(hidi_conv2d(tape, x, w, NULL, 2, 1, 1), S4(1, 1, 2, 2), 1, 3, 7, 14);
    hidi_var *oblong = X(S4(1, 1, 2, 5), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    EXPECT(hidi_conv2d(tape, oblong, X(S4(1, 1, 1, 1), 1), NULL, 2, 2, 2), S4(1, 1, 3, 5),
           0, 0, 0, 0, 0, 0, 1, 3, 5, 0, 0, 0, 0, 0, 0);
    EXPECT(hidi_conv2d(tape, oblong, X(S4(1, 1, 1, 3), 1, 10, 100), NULL, 1, 0, 1), S4(1, 1, 2, 5),
           210, 321, 432, 543, 54, 760, 876, 987, 1098, 109);
    EXPECT(hidi_conv2d(tape, oblong, X(S4(1, 1, 2, 1), 1, 10), NULL, 2, 1, 0), S4(1, 1, 2, 3), 10,
           30, 50, 6, 8, 10);
    EXPECT(hidi_conv2d(tape, X(S4(1, 2, 1, 1), 2, 3), X(S4(2, 2, 1, 1), 1, 10, 100, 1000),
                       X(S1(2), 1, 2), 1, 0, 0), S4(1, 2, 1, 1), 33, 3202);
}
END_TEST

START_TEST(padded_convolutions)
{
    hidi_var *x = X(S4(1, 1, 2, 2), 1, 2, 3, 4), *taps = X(S4(1, 1, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    EXPECT(hidi_conv2d_padded(tape, x, taps, NULL, 2, (hidi_padding){ 0, 1, 0, 1 }),
           S4(1, 1, 1, 1), 1 + 4 + 12 + 20);
    EXPECT(hidi_conv2d_padded(tape, x, X(S4(1, 1, 1, 2), 1, 10), NULL, 1,
                              (hidi_padding){ 1, 0, 0, 2 }), S4(1, 1, 3, 3),
           0, 0, 0, 21, 2, 0, 43, 4, 0);
}
END_TEST

/* Two pixels of one channel: scores 0 and ln 3 for the second query, 0 and 0 for the first. */
START_TEST(pixel_attentions)
{
    hidi_var *q = X(S4(1, 1, 1, 2), 0, 1), *k = X(S4(1, 1, 1, 2), 0, (hidi_real)LN3);
    EXPECT(hidi_pixel_attention(tape, q, k, X(S4(1, 1, 1, 2), 4, 8)), S4(1, 1, 1, 2), 6, 7);
}
END_TEST

/* More than one block of queries: 4096 pixels; each attends to all alike, to the mean of v. */
START_TEST(pixel_attention_blocks)
{
    enum { T = 64 * 64 };
    static hidi_real zeros[T], v[T], y[T];
    for (int i = 0; i < T; i++)
        v[i] = (hidi_real)(i % 4);
    hidi_var *q = hidi_constant(tape, S4(1, 1, 64, 64), zeros);
    hidi_var *Y = hidi_pixel_attention(tape, q, q, hidi_constant(tape, S4(1, 1, 64, 64), v));
    ck_assert_int_eq(hidi_read(tape, Y, y), HIDI_OK);
    for (int i = 0; i < T; i++)
        ck_assert_msg(fabs((double)y[i] - 1.5) < 1e-5, "pixel %d: %g", i, (double)y[i]);
}
END_TEST

START_TEST(upsampling)
{
    EXPECT(hidi_upsample2(tape, X(S4(1, 2, 1, 2), 1, 2, 3, 4)), S4(1, 2, 2, 4), 1, 1, 2, 2, 1, 1, 2,
           2, 3, 3, 4, 4, 3, 3, 4, 4);
}
END_TEST

/* The same as a convolution of the larger image: taps 1 .. 9 of whole numbers are exact. */
START_TEST(upsampled_convolutions)
{
    hidi_var *x = X(S4(1, 1, 2, 3), 1, 2, 3, 4, 5, 6), *b = X(S1(1), 100);
    hidi_var *w = X(S4(1, 1, 3, 3), 1, 2, 3, 4, 5, 6, 7, 8, 9);
    hidi_real expected[24], found[24];
    ck_assert_int_eq(hidi_read(tape, hidi_conv2d(tape, hidi_upsample2(tape, x), w, b, 1, 1, 1),
                               expected), HIDI_OK);
    hidi_var *y = hidi_upsample_conv2d(tape, x, w, b);
    ck_assert_int_eq(hidi_read(tape, y, found), HIDI_OK);
    for (int i = 0; i < 24; i++)
        ck_assert_msg(found[i] == expected[i], "pixel %d: %g, not %g", i, (double)found[i],
                      (double)expected[i]);
}
END_TEST

/* Means 2 and 30, variances 1 and 100. */
START_TEST(group_norms)
{
    hidi_var *x = X(S4(1, 4, 1, 2), 1, 3, 3, 1, 20, 20, 40, 40);
    EXPECT(hidi_group_norm(tape, x, 2, X(S1(4), 1, 2, 3, 4), X(S1(4), 0, 10, 20, 30), 0),
           S4(1, 4, 1, 2), -1, 1, 12, 8, 17, 17, 34, 34);
    EXPECT(hidi_group_norm(tape, X(S4(1, 1, 1, 2), 1, 3), 1, X(S1(1), 1), X(S1(1), 0), 3),
           S4(1, 1, 1, 2), -0.5, 0.5);
}
END_TEST

START_TEST(pools)
{
    hidi_var *x = X(S4(1, 1, 2, 4), 1, 2, 3, 4, 5, 6, 7, 8);
    hidi_var *square = X(S4(1, 1, 2, 2), 1, 2, 3, 4);
    EXPECT(hidi_average_pool(tape, x, 2, 2, 0), S4(1, 1, 1, 2), 3.5, 5.5);
    EXPECT(hidi_average_pool(tape, square, 3, 1, 1), S4(1, 1, 2, 2), 2.5, 2.5, 2.5, 2.5);
    EXPECT(hidi_average_pool(tape, square, 2, 1, 1), S4(1, 1, 3, 3), 1, 1.5, 2, 2, 2.5, 3, 3, 3.5,
           4);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, elementwise);
    tcase_add_test(tcase, pointwise);
    tcase_add_test(tcase, reductions);
    tcase_add_test(tcase, pieces);
    tcase_add_test(tcase, patches);
    tcase_add_test(tcase, products);
    tcase_add_test(tcase, attention);
    tcase_add_test(tcase, normalisation);
    tcase_add_test(tcase, embeddings);
    tcase_add_test(tcase, convolutions);
    tcase_add_test(tcase, padded_convolutions);
    tcase_add_test(tcase, upsampling);
    tcase_add_test(tcase, upsampled_convolutions);
    tcase_add_test(tcase, pixel_attentions);
    tcase_add_test(tcase, pixel_attention_blocks);
    tcase_add_test(tcase, group_norms);
    tcase_add_test(tcase, pools);
}

int main(void)
{
    return run_on_each_backend("op values", &backend, add);
}
