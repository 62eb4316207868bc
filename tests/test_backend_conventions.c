/* test_backend_conventions.c - what backend.h promises for all slots, on every backend:
 * beta, aliasing, empty sizes, and that nothing outside the output is written.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdlib.h>
#include <string.h>

#include "backends.h"
#include "near.h"
#include "suite.h"

enum {
    POOL = 1 << 17, /* elements of every input: more than any slot reads here */
    FEW = 512       /* more than the slots of the empty sizes could write     */
};

static const hidi_backend *b; /* the backend under test */

/* Sizes: odd, so that they are not multiples of a vector or of the number of threads. */
static size_t rows, columns, size;   /* size = rows * columns      */
static size_t B, T, H, Dh, D;        /* D = H * Dh                 */
static size_t height, width;         /* of images cut into patches */
static hidi_window window;

/* Inputs: x, w, d and s are N(0, 1), probs and y_norm, rstd what attention and layer norm gave. */
static hidi_real x[POOL], w[POOL], d[POOL], s[POOL], probs[POOL], y_norm[POOL], rstd[POOL];
static hidi_real ignored[POOL], scratch[POOL];
static int32_t label[POOL];

static const hidi_real no_parameters[2] = { 0, 0 };

static void choose_sizes(bool large)
{
    const hidi_window small_window = { 2, 3, 7, 6, 4, 3, 3, 2, 1, 1, 4, 3 };
    const hidi_window large_window = { 2, 13, 15, 14, 9, 3, 3, 2, 1, 1, 8, 7 };

    rows = large ? 131 : 13;
    columns = large ? 257 : 37;
    size = rows * columns;
    B = large ? 5 : 3;
    T = large ? 67 : 5;
    H = large ? 4 : 2;
    Dh = large ? 27 : 7;
    D = H * Dh;
    height = large ? 48 : 9;
    width = large ? 51 : 6;
    window = large ? large_window : small_window;
}

static void prepare(int run)
{
    b = backend_of(run);
    choose_sizes(is_large(run));
    draw(x, POOL, 0);
    draw(w, POOL, 1);
    draw(d, POOL, 2);
    draw(s, POOL, 3);
    for (size_t i = 0; i < rows; i++)
        label[i] = (int32_t)(11 * i % columns);
    b->attention(ignored, probs, x, B, T, H, Dh);
    b->layer_norm(y_norm, rstd, x, rows, columns, (hidi_real)1e-6);
    ck_assert_uint_le(b->conv_scratch(&window), POOL);
}

/* --- the slots, each as out = beta out + result ---------------------------------------------- */

#define SLOT(name, call)                                                                           \
    static void run_##name(hidi_real *out, hidi_real beta)                                         \
    {                                                                                              \
        (void)beta;                                                                                \
        b->call;                                                                                   \
    }

SLOT(copy_block, copy_block(out, columns, beta, x, columns + 3, rows, columns))
SLOT(axpby, axpby(out, beta, 1.5, x, size))
SLOT(multiply, multiply(out, beta, 1.5, x, w, size))
SLOT(gelu, unary_jacobian(HIDI_GELU, out, beta, x, d, size, no_parameters))
SLOT(silu, unary_jacobian(HIDI_SILU, out, beta, x, d, size, no_parameters))
SLOT(softplus, unary_jacobian(HIDI_SOFTPLUS, out, beta, x, d, size, no_parameters))
SLOT(relu, unary_jacobian(HIDI_RELU, out, beta, x, d, size, no_parameters))
SLOT(abs, unary_jacobian(HIDI_ABS, out, beta, x, d, size, no_parameters))
SLOT(square, unary_jacobian(HIDI_SQUARE, out, beta, x, d, size, no_parameters))
SLOT(exp, unary_jacobian(HIDI_EXP, out, beta, x, d, size, no_parameters))
SLOT(add_bias, add_rows(out, beta, w, 1, rows, columns))
SLOT(add_rows, add_rows(out, beta, w, 4, rows, columns))
SLOT(sum_bias, sum_rows(out, beta, x, 1, rows, columns))
SLOT(sum_rows, sum_rows(out, beta, x, 4, rows, columns))
SLOT(sum_narrow, sum_rows(out, beta, x, 4, size / 16, 16))
SLOT(scale_rows, scale_rows(out, beta, 1.5, s, x, rows, columns))
SLOT(dot_rows, dot_rows(out, beta, 1.5, x, w, rows, columns))
SLOT(row_sums, dot_rows(out, beta, 1.5, x, NULL, rows, columns))
SLOT(spread_rows, spread_rows(out, beta, 1.5, s, rows, columns))
SLOT(dot, dot(out, beta, 1.5, x, w, size))
SLOT(sum, dot(out, beta, 1.5, x, NULL, size))
SLOT(gemm_nn, gemm(false, false, rows, columns, 19, 1.5, x, 20, w, columns + 3, beta, out, columns))
SLOT(gemm_nt, gemm(false, true, rows, columns, 19, 1.5, x, 20, w, 21, beta, out, columns))
SLOT(gemm_tn,
     gemm(true, false, rows, columns, 19, 1.5, x, rows + 7, w, columns + 3, beta, out, columns))
SLOT(gemm_tt, gemm(true, true, rows, columns, 19, 1.5, x, rows + 7, w, 21, beta, out, columns))
SLOT(gemm_batched,
     gemm_batched(false, true, T, T, Dh, 1.5, x, T * Dh, w, T * Dh, beta, out, T * T, 9))
SLOT(gemm_shared, gemm_batched(true, false, T, Dh, T, 1.5, x, 0, w, T * Dh, beta, out, T * Dh, 9))
SLOT(linear, linear(out, beta, x, w, s, rows, 19, columns))
SLOT(linear_plain, linear(out, beta, x, w, NULL, rows, 19, columns))
SLOT(attention, attention(out, ignored, x, B, T, H, Dh))
SLOT(attention_jvp, attention_jvp(out, x, d, probs, scratch, B, T, H, Dh))
SLOT(attention_vjp, attention_vjp(out, beta, x, d, probs, scratch, B, T, H, Dh))
SLOT(softmax, softmax(out, x, rows, columns))
SLOT(softmax_jacobian, softmax_jacobian(out, beta, probs, d, B * H * T, T))
SLOT(layer_norm, layer_norm(out, ignored, x, rows, columns, (hidi_real)1e-6))
SLOT(layer_norm_jacobian, layer_norm_jacobian(out, beta, y_norm, rstd, d, rows, columns))
SLOT(modulate, modulate(out, beta, x, 1, w, s, B, T, D))
SLOT(modulate_plain, modulate(out, beta, x, 1, NULL, NULL, B, T, D))
SLOT(layer_norm_modulate,
     layer_norm_modulate(out, ignored, scratch, x, (hidi_real)1e-6, 1, w, s, B, T, D))
SLOT(sum_tokens, sum_tokens(out, beta, x, w, B, T, D))
SLOT(sum_tokens_plain, sum_tokens(out, beta, x, NULL, B, T, D))
SLOT(sum_tokens_many, sum_tokens(out, beta, x, w, 33, T, size / 33 / T))
SLOT(gated_residual, gated_residual(out, x, w, d, B, T, D))
SLOT(embedding, embedding(out, x, label, rows, columns))
SLOT(sincos, sincos(out, s, 3, rows, 38))
SLOT(sincos_jvp, sincos_jvp(out, beta, s, d, 3, rows, 38))
SLOT(sincos_vjp, sincos_vjp(out, beta, s, d, 3, rows, 38))
SLOT(patchify, patchify(out, beta, x, HIDI_PATCH_CPQ, B, 3, height, width, 3))
SLOT(patchify_pqc, patchify(out, beta, x, HIDI_PATCH_PQC, B, 3, height, width, 3))
SLOT(unpatchify, unpatchify(out, beta, x, HIDI_PATCH_CPQ, B, 3, height, width, 3))
SLOT(unpatchify_pqc, unpatchify(out, beta, x, HIDI_PATCH_PQC, B, 3, height, width, 3))
SLOT(conv2d, conv2d(out, beta, x, w, s, &window, scratch))
SLOT(conv2d_plain, conv2d(out, beta, x, w, NULL, &window, scratch))
SLOT(conv2d_relu, conv2d_relu(out, window.out_channels * window.out_height * window.out_width, x, w,
                              s, &window, scratch))
SLOT(conv2d_grad_input, conv2d_grad_input(out, beta, w, d, &window, scratch))
SLOT(conv2d_grad_weight, conv2d_grad_weight(out, beta, x, d, &window, scratch))
SLOT(add_channels, add_channels(out, beta, s, B, T, columns))
SLOT(sum_channels, sum_channels(out, beta, x, B, T, columns))
SLOT(scale_channels, scale_channels(out, beta, x, w, s, B, T, columns))
SLOT(scale_channels_plain, scale_channels(out, beta, x, w, NULL, B, T, columns))
SLOT(dot_channels, dot_channels(out, beta, x, w, B, T, columns))
SLOT(upsample2, upsample2(out, beta, x, B, T, columns / 4))
SLOT(upsample2_vjp, upsample2_vjp(out, beta, x, B, T, columns / 4))
SLOT(average_pool, average_pool(out, beta, x, &window))
SLOT(average_pool_vjp, average_pool_vjp(out, beta, d, &window))
SLOT(max_pool, max_pool(out, x, &window))
SLOT(cross_entropy, cross_entropy(out, ignored, x, label, rows, columns))
SLOT(cross_entropy_jvp, cross_entropy_jvp(out, w, label, d, rows, columns))
SLOT(cross_entropy_vjp, cross_entropy_vjp(out, beta, w, label, d, rows, columns))

typedef struct slot_case {
    const char *name;
    void (*run)(hidi_real *out, hidi_real beta);
    size_t size;   /* of out */
    bool has_beta; /* otherwise it overwrites */
} slot_case;

static slot_case slots[80];
static size_t slot_count;

#define BETA(name, size) slots[slot_count++] = (slot_case){ #name, run_##name, size, true }
#define OVERWRITES(name, size) slots[slot_count++] = (slot_case){ #name, run_##name, size, false }

static void list_element_and_row_slots(void)
{
    BETA(copy_block, size), BETA(axpby, size), BETA(multiply, size);
    BETA(gelu, size), BETA(silu, size), BETA(softplus, size);
    BETA(relu, size), BETA(abs, size), BETA(square, size), BETA(exp, size);
    BETA(add_bias, size), BETA(add_rows, size), BETA(sum_bias, columns);
    BETA(sum_rows, 4 * columns), BETA(sum_narrow, 4 * 16), BETA(scale_rows, size);
    BETA(dot_rows, rows), BETA(row_sums, rows), BETA(spread_rows, size);
    BETA(dot, 1), BETA(sum, 1);
    OVERWRITES(softmax, size), BETA(softmax_jacobian, B * H * T * T);
    OVERWRITES(layer_norm, size), BETA(layer_norm_jacobian, size);
    BETA(modulate, B * T * D), BETA(modulate_plain, B * T * D);
    OVERWRITES(layer_norm_modulate, B * T * D);
    BETA(sum_tokens, B * D), BETA(sum_tokens_plain, B * D);
    BETA(sum_tokens_many, 33 * (size / 33 / T)), OVERWRITES(gated_residual, B * T * D);
    OVERWRITES(embedding, size), OVERWRITES(sincos, rows * 38);
    BETA(sincos_jvp, rows * 38), BETA(sincos_vjp, rows);
    OVERWRITES(cross_entropy, rows), OVERWRITES(cross_entropy_jvp, rows);
    BETA(cross_entropy_vjp, size);
}

static void list_matrix_slots(void)
{
    BETA(gemm_nn, size), BETA(gemm_nt, size), BETA(gemm_tn, size), BETA(gemm_tt, size);
    BETA(gemm_batched, 9 * T * T), BETA(gemm_shared, 9 * T * Dh);
    BETA(linear, size), BETA(linear_plain, size);
    OVERWRITES(attention, B * T * D), OVERWRITES(attention_jvp, B * T * D);
    BETA(attention_vjp, 3 * B * T * D);
}

static void list_image_slots(void)
{
    size_t image = 3 * height * width;
    size_t filter = window.channels * window.kernel_h * window.kernel_w;
    size_t in = window.batch * window.channels * window.height * window.width;
    size_t positions = window.batch * window.out_height * window.out_width;

    BETA(patchify, B * image), BETA(patchify_pqc, B * image);
    BETA(unpatchify, B * image), BETA(unpatchify_pqc, B * image);
    BETA(conv2d, window.out_channels * positions);
    BETA(conv2d_plain, window.out_channels * positions);
    OVERWRITES(conv2d_relu, window.out_channels * positions);
    BETA(conv2d_grad_input, in), BETA(conv2d_grad_weight, window.out_channels * filter);
    BETA(add_channels, B * T * columns), BETA(sum_channels, T);
    BETA(scale_channels, B * T * columns), BETA(scale_channels_plain, B * T * columns);
    BETA(dot_channels, T);
    BETA(upsample2, 4 * B * T * (columns / 4));
    BETA(upsample2_vjp, B * T * (columns / 4));
    BETA(average_pool, window.channels * positions);
    BETA(average_pool_vjp, in), OVERWRITES(max_pool, window.channels * positions);
}

static void prepare_slots(int run)
{
    prepare(run);
    slot_count = 0;
    list_element_and_row_slots();
    list_matrix_slots();
    list_image_slots();
}

enum { GUARD = 16 };

static double largest(const hidi_real *y, size_t n)
{
    double max = 0;
    for (size_t i = 0; i < n; i++)
        max = fmax(max, fabs((double)y[i]));
    return max;
}

/* beta = 0 on top of NaN, and nothing before or behind the output is touched. */
static void check_overwrites(const slot_case *slot, hidi_real *result)
{
    static hidi_real guarded[GUARD + POOL + GUARD];
    hidi_real *out = guarded + GUARD;

    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        guarded[i] = NAN;
    slot->run(out, 0);
    for (size_t i = 0; i < slot->size; i++)
        check_element(isfinite(out[i]), "%s of %s: out[%lu] is %g with beta 0", slot->name, b->name,
                      (unsigned long)i, (double)out[i]);
    for (size_t i = 0; i < GUARD; i++)
        check_element(isnan(guarded[i]) && isnan(out[slot->size + i]),
                      "%s of %s writes outside its output", slot->name, b->name);
    memcpy(result, out, slot->size * sizeof *out);
}

START_TEST(test_beta)
{
    static const hidi_real betas[] = { 1, 0.5, -2 };
    static hidi_real result[POOL], out[POOL], before[POOL];

    prepare_slots(_i);
    draw(before, POOL, 4);
    for (size_t k = 0; k < slot_count; k++) {
        check_overwrites(&slots[k], result);
        for (size_t l = 0; slots[k].has_beta && l < 3; l++) {
            double scale = 2 * largest(before, POOL) + largest(result, slots[k].size);

            memcpy(out, before, sizeof out);
            slots[k].run(out, betas[l]);
            for (size_t i = 0; i < slots[k].size; i++) {
                double expected = (double)betas[l] * before[i] + result[i];
                check_element(fabs(out[i] - expected) <= 8 * HIDI_REAL_EPSILON * scale,
                              "%s of %s, beta %g: out[%lu] is %.9g, expected %.9g", slots[k].name,
                              b->name, (double)betas[l], (unsigned long)i, (double)out[i],
                              expected);
            }
        }
    }
}
END_TEST

/* Same call, same bits, also with a few threads. */
START_TEST(test_determinism)
{
    static hidi_real first[POOL], second[POOL];

    prepare_slots(_i);
    for (size_t k = 0; k < slot_count; k++) {
        slots[k].run(first, 0);
        slots[k].run(second, 0);
        check_element(memcmp(first, second, slots[k].size * sizeof *first) == 0,
                      "%s of %s differs between two runs", slots[k].name, b->name);
    }
}
END_TEST

/* Every backend gives what the reference gives, to the rounding of its sums: of k terms, about
 * sqrt(k) / 2 roundings, and a scalar is a sum of `size`. */
START_TEST(test_agreement)
{
    static hidi_real expected[POOL], found[POOL];
    const hidi_backend *tested;

    prepare_slots(_i);
    tested = b;
    for (size_t k = 0; k < slot_count; k++) {
        const slot_case *slot = &slots[k];
        double scale, roundings = slot->size == 1 ? 16 + sqrt((double)size) : 16;

        b = hidi_reference_backend();
        slot->run(expected, 0);
        b = tested;
        slot->run(found, 0);
        scale = largest(expected, slot->size);
        for (size_t i = 0; i < slot->size; i++)
            check_element(fabs((double)found[i] - expected[i]) <=
                              roundings * HIDI_REAL_EPSILON * scale,
                          "%s of %s: out[%lu] is %.9g, expected %.9g (largest %.3g)", slot->name,
                          b->name, (unsigned long)i, (double)found[i], (double)expected[i], scale);
    }
}
END_TEST

START_TEST(test_copy_overlap)
{
    static hidi_real y[POOL];

    prepare(_i);
    memcpy(y, x, sizeof y);
    b->copy(y + 3, y, size);
    ck_assert_mem_eq(y + 3, x, size * sizeof *y);
    b->copy(y, y + 3, size);
    ck_assert_mem_eq(y, x, size * sizeof *y);
    b->copy(y + size, y, size); /* disjoint, but only just */
    ck_assert_mem_eq(y + size, x, size * sizeof *y);
}
END_TEST

/* --- aliasing -------------------------------------------------------------------------------- */

/* out = in place of `start` must give what an output of its own gives. */
#define CHECK_ALIAS(start, n, separate, in_place)                                                  \
    do {                                                                                           \
        memcpy(out, start, sizeof out);                                                            \
        memcpy(same, start, sizeof same);                                                          \
        b->separate;                                                                               \
        b->in_place;                                                                               \
        for (size_t i = 0; i < (n); i++)                                                           \
            check_element(out[i] == same[i], "%s of %s, beta %g: %.9g, in place %.9g", #in_place,  \
                          b->name, (double)beta, (double)out[i], (double)same[i]);                 \
    } while (0)

START_TEST(test_aliasing)
{
    static const hidi_real betas[] = { 0, 1, 0.5 };
    static hidi_real out[POOL], same[POOL];

    prepare(_i);
    for (int l = 0; l < 3; l++) {
        hidi_real beta = betas[l];

        CHECK_ALIAS(x, size, axpby(out, beta, 3, x, size), axpby(same, beta, 3, same, size));
        CHECK_ALIAS(x, size, multiply(out, beta, 3, x, w, size),
                    multiply(same, beta, 3, same, w, size));
        CHECK_ALIAS(x, size, multiply(out, beta, 3, w, x, size),
                    multiply(same, beta, 3, w, same, size));
        CHECK_ALIAS(x, size, multiply(out, beta, 3, x, x, size),
                    multiply(same, beta, 3, same, same, size));
        CHECK_ALIAS(x, size, scale_rows(out, beta, 3, s, x, rows, columns),
                    scale_rows(same, beta, 3, s, same, rows, columns));
        CHECK_ALIAS(d, B * H * T * T, softmax_jacobian(out, beta, probs, d, B * H * T, T),
                    softmax_jacobian(same, beta, probs, same, B * H * T, T));
        CHECK_ALIAS(d, size, layer_norm_jacobian(out, beta, y_norm, rstd, d, rows, columns),
                    layer_norm_jacobian(same, beta, y_norm, rstd, same, rows, columns));
        for (int f = HIDI_GELU; f <= HIDI_SQUARE; f++) {
            hidi_unary map = (hidi_unary)f;
            CHECK_ALIAS(x, size, unary(map, out, x, size, no_parameters),
                        unary(map, same, same, size, no_parameters));
            CHECK_ALIAS(d, size, unary_jacobian(map, out, beta, x, d, size, no_parameters),
                        unary_jacobian(map, same, beta, x, same, size, no_parameters));
        }
    }
    hidi_real beta = 0; /* for the message; these have none */
    CHECK_ALIAS(x, size, softmax(out, x, rows, columns), softmax(same, same, rows, columns));
    CHECK_ALIAS(x, B * T * D, gated_residual(out, x, w, d, B, T, D),
                gated_residual(same, same, w, d, B, T, D));
}
END_TEST

/* --- empty sizes ----------------------------------------------------------------------------- */

/* Nothing to write: out keeps its NaN. */
#define CHECK_UNTOUCHED(call)                                                                      \
    do {                                                                                           \
        b->call;                                                                                   \
        for (size_t i = 0; i < FEW; i++)                                                          \
            check_element(isnan(out[i]), "%s of %s writes something", #call, b->name);             \
    } while (0)

/* Where x = y, y stays as it is; 0 and 1 are y and x; one rounding of y in between, beside those of
 * a (x - y), which is at most half as far. */
START_TEST(test_lerp)
{
    static const hidi_real shares[] = {0, (hidi_real)1e-3, (hidi_real)0.3, (hidi_real)0.9, 1};
    static hidi_real out[POOL];
    prepare(_i);
    for (int k = 0; k < 5; k++) {
        const double a = (double)shares[k];
        memcpy(out, x, size * sizeof *out);
        b->lerp(out, shares[k], x, size);
        for (size_t i = 0; i < size; i++)
            check_element(out[i] == x[i], "lerp of %s between %.9g and itself: %.9g", b->name,
                          (double)x[i], (double)out[i]);
        memcpy(out, w, size * sizeof *out);
        b->lerp(out, shares[k], x, size);
        for (size_t i = 0; i < size; i++) {
            const double from = (double)w[i], to = (double)x[i];
            const double exact = a < 0.5 ? from + a * (to - from) : to - (1 - a) * (to - from);
            const double step = (a < 0.5 ? a : 1 - a) * fabs(to - from);
            const double rounding = HIDI_REAL_EPSILON * (0.5 * fabs(exact) + 2.5 * step);
            const double bound = a == 0 || a == 1 ? 0 : rounding;
            check_element(fabs((double)out[i] - exact) <= bound, "lerp of %s, %g: %.9g, not %.9g",
                          b->name, a, (double)out[i], exact);
        }
    }
}
END_TEST

START_TEST(test_empty_outputs)
{
    static hidi_real out[FEW];
    hidi_window none;

    prepare(_i);
    none = window;
    none.batch = 0;
    for (size_t i = 0; i < FEW; i++)
        out[i] = NAN;
    CHECK_UNTOUCHED(copy(out, x, 0));
    CHECK_UNTOUCHED(fill(out, 0, 0));
    CHECK_UNTOUCHED(copy_block(out, 4, 0, x, 4, 0, 4));
    CHECK_UNTOUCHED(copy_block(out, 4, 0, x, 4, 4, 0));
    CHECK_UNTOUCHED(from_bf16(out, (const hidi_bf16 *)x, 4, 0, 4));
    CHECK_UNTOUCHED(from_bf16(out, (const hidi_bf16 *)x, 4, 4, 0));
    CHECK_UNTOUCHED(axpby(out, 0, 1, x, 0));
    CHECK_UNTOUCHED(lerp(out, 1, x, 0));
    CHECK_UNTOUCHED(multiply(out, 0, 1, x, w, 0));
    CHECK_UNTOUCHED(unary(HIDI_GELU, out, x, 0, no_parameters));
    CHECK_UNTOUCHED(unary_jacobian(HIDI_GELU, out, 0, x, d, 0, no_parameters));
    CHECK_UNTOUCHED(add_rows(out, 0, w, 2, 0, 4));
    CHECK_UNTOUCHED(add_rows(out, 0, w, 2, 4, 0));
    CHECK_UNTOUCHED(sum_rows(out, 0, x, 2, 4, 0));
    CHECK_UNTOUCHED(scale_rows(out, 0, 1, s, x, 4, 0));
    CHECK_UNTOUCHED(dot_rows(out, 0, 1, x, w, 0, 4));
    CHECK_UNTOUCHED(spread_rows(out, 0, 1, s, 4, 0));
    CHECK_UNTOUCHED(gemm(false, false, 0, 4, 4, 1, x, 4, w, 4, 0, out, 4));
    CHECK_UNTOUCHED(gemm(false, true, 4, 0, 4, 1, x, 4, w, 4, 0, out, 4));
    CHECK_UNTOUCHED(gemm_batched(false, false, 4, 4, 4, 1, x, 16, w, 16, 0, out, 16, 0));
    CHECK_UNTOUCHED(linear(out, 0, x, w, s, 0, 4, 4));
    CHECK_UNTOUCHED(linear(out, 0, x, w, s, 4, 4, 0));
    CHECK_UNTOUCHED(attention(out, out, x, 0, T, H, Dh));
    CHECK_UNTOUCHED(attention(out, out, x, B, 0, H, Dh));
    CHECK_UNTOUCHED(attention_jvp(out, x, d, probs, out, B, 0, H, Dh));
    CHECK_UNTOUCHED(attention_vjp(out, 0, x, d, probs, out, 0, T, H, Dh));
    CHECK_UNTOUCHED(softmax(out, x, 0, 4));
    CHECK_UNTOUCHED(softmax(out, x, 4, 0));
    CHECK_UNTOUCHED(softmax_jacobian(out, 0, probs, d, 4, 0));
    CHECK_UNTOUCHED(layer_norm(out, out, x, 0, 4, 1));
    CHECK_UNTOUCHED(layer_norm_jacobian(out, 0, y_norm, rstd, d, 4, 0));
    CHECK_UNTOUCHED(modulate(out, 0, x, 1, w, s, B, 0, D));
    CHECK_UNTOUCHED(layer_norm_modulate(out, out, out, x, 1, 1, w, s, B, 0, D));
    CHECK_UNTOUCHED(layer_norm_modulate(out, out, out, x, 1, 1, w, s, B, T, 0));
    CHECK_UNTOUCHED(sum_tokens(out, 0, x, w, 0, T, D));
    CHECK_UNTOUCHED(gated_residual(out, x, w, d, B, 0, D));
    CHECK_UNTOUCHED(embedding(out, x, label, 0, 4));
    CHECK_UNTOUCHED(embedding_vjp(out, label, d, 0, 4));
    CHECK_UNTOUCHED(sincos(out, s, 1, 0, 4));
    CHECK_UNTOUCHED(sincos_jvp(out, 0, s, d, 1, 0, 4));
    CHECK_UNTOUCHED(patchify(out, 0, x, HIDI_PATCH_CPQ, 0, 3, 4, 4, 2));
    CHECK_UNTOUCHED(unpatchify(out, 0, x, HIDI_PATCH_PQC, B, 0, 4, 4, 2));
    CHECK_UNTOUCHED(conv2d(out, 0, x, w, s, &none, scratch));
    CHECK_UNTOUCHED(conv2d_relu(out, 0, x, w, s, &none, scratch));
    CHECK_UNTOUCHED(conv2d_grad_input(out, 0, w, d, &none, scratch));
    CHECK_UNTOUCHED(add_channels(out, 0, s, 0, 4, 4));
    CHECK_UNTOUCHED(scale_channels(out, 0, x, w, s, 2, 0, 4));
    CHECK_UNTOUCHED(upsample2(out, 0, x, 4, 0, 4));
    CHECK_UNTOUCHED(upsample2_vjp(out, 0, x, 4, 4, 0));
    CHECK_UNTOUCHED(average_pool(out, 0, x, &none));
    CHECK_UNTOUCHED(average_pool_vjp(out, 0, d, &none));
    CHECK_UNTOUCHED(max_pool(out, x, &none));
    CHECK_UNTOUCHED(cross_entropy(out, out, x, label, 0, 4));
    CHECK_UNTOUCHED(cross_entropy_vjp(out, 0, probs, label, d, 0, 4));
    CHECK_UNTOUCHED(adamw(out, d, out, out, 0, 1, 1, 0.5, 0.5, 1, 0, 1));
}
END_TEST

/* A sum over nothing is 0:  out = beta out. */
#define CHECK_SCALED(n, call)                                                                      \
    do {                                                                                           \
        for (int l = 0; l < 2; l++) {                                                              \
            hidi_real beta = l == 0 ? 0 : (hidi_real)0.5;                                          \
            for (size_t i = 0; i < FEW; i++)                                                      \
                out[i] = beta == 0 ? (hidi_real)NAN : x[i];                                        \
            b->call;                                                                               \
            for (size_t i = 0; i < (n); i++)                                                       \
                check_element(out[i] == (beta == 0 ? 0 : x[i] / 2), "%s of %s, beta %g: %g",       \
                              #call, b->name, (double)beta, (double)out[i]);                       \
        }                                                                                          \
    } while (0)

START_TEST(test_empty_sums)
{
    static hidi_real out[FEW];
    size_t weights;
    hidi_window none;

    prepare(_i);
    none = window;
    none.batch = 0;
    weights = none.out_channels * none.channels * none.kernel_h * none.kernel_w;
    CHECK_SCALED(8, sum_rows(out, beta, w, 2, 0, 4));
    CHECK_SCALED(4, sum_rows(out, beta, w, 1, 0, 4));
    CHECK_SCALED(4, dot_rows(out, beta, 1, w, d, 4, 0));
    CHECK_SCALED(1, dot(out, beta, 1, w, d, 0));
    CHECK_SCALED(20, gemm(false, false, 4, 5, 0, 1, w, 1, d, 5, beta, out, 5));
    CHECK_SCALED(20, gemm(false, true, 4, 5, 0, 1, w, 1, d, 1, beta, out, 5));
    CHECK_SCALED(40, gemm_batched(true, false, 4, 5, 0, 1, w, 0, d, 0, beta, out, 20, 2));
    CHECK_SCALED(20, linear(out, beta, w, d, NULL, 4, 0, 5));
    CHECK_SCALED(B * D, sum_tokens(out, beta, w, d, B, 0, D));
    CHECK_SCALED(4, sum_channels(out, beta, w, B, 4, 0));
    CHECK_SCALED(4, sum_channels(out, beta, w, 0, 4, 3));
    CHECK_SCALED(4, dot_channels(out, beta, w, d, B, 4, 0));
    CHECK_SCALED(rows, sincos_vjp(out, beta, s, d, 1, rows, 0));
    CHECK_SCALED(weights, conv2d_grad_weight(out, beta, w, d, &none, scratch));
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("backend conventions");
    TCase *tests = tcase_create("every backend");

    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, test_beta, 0, RUNS);
    tcase_add_loop_test(tests, test_determinism, 0, RUNS);
    tcase_add_loop_test(tests, test_agreement, 0, RUNS);
    tcase_add_loop_test(tests, test_copy_overlap, 0, RUNS);
    tcase_add_loop_test(tests, test_aliasing, 0, RUNS);
    tcase_add_loop_test(tests, test_lerp, 0, SETTINGS);
    tcase_add_loop_test(tests, test_empty_outputs, 0, SETTINGS);
    tcase_add_loop_test(tests, test_empty_sums, 0, SETTINGS);

    return run_suite(suite);
}
