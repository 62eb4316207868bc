/* test_backend_conventions.c - what backend.h promises for all slots, on every backend:
 * beta, aliasing, empty sizes, and that nothing outside the output is written.
 */
#include <stdlib.h>
#include <string.h>

#include "backends.h"
#include "near.h"

enum {
    ROWS = 13, COLUMNS = 37, SIZE = ROWS * COLUMNS, /* odd: no multiple of a vector or a thread */
    B = 3, T = 5, H = 2, Dh = 7, D = H * Dh,
    POOL = 4096 /* elements of every input; more than any slot reads here */
};

static const hidi_backend *b; /* the backend under test */

/* Inputs: x, w, d and s are N(0, 1), probs and y_norm, rstd what attention and layer norm gave. */
static hidi_real x[POOL], w[POOL], d[POOL], s[POOL], probs[POOL], y_norm[POOL], rstd[POOL];
static hidi_real ignored[POOL], scratch[65536];
static int32_t label[ROWS], where[POOL];

static const hidi_real no_parameters[2] = { 0, 0 };

static const hidi_window window = { .batch = 2, .channels = 3, .height = 7, .width = 6,
                                    .out_channels = 4, .kernel = 3, .stride = 2, .padding = 1,
                                    .out_height = 4, .out_width = 3, .count_padding = false };
enum {
    PLANES_IN = 2 * 3 * 7 * 6, OUT = 2 * 4 * 4 * 3, POOLED = 2 * 3 * 4 * 3, WEIGHTS = 4 * 3 * 9
};

static void prepare(int setting)
{
    b = backend_of_setting(setting);
    draw(x, POOL, 0);
    draw(w, POOL, 1);
    draw(d, POOL, 2);
    draw(s, POOL, 3);
    for (int i = 0; i < ROWS; i++)
        label[i] = (11 * i) % COLUMNS;
    b->attention(ignored, probs, x, B, T, H, Dh);
    b->layer_norm(y_norm, rstd, x, ROWS, COLUMNS, (hidi_real)1e-6);
    b->max_pool(ignored, where, x, &window);
    ck_assert_uint_le(b->conv_scratch(&window), sizeof scratch / sizeof *scratch);
}

/* --- the slots, each as out = beta out + result ---------------------------------------------- */

#define SLOT(name, call)                                                                           \
    static void run_##name(hidi_real *out, hidi_real beta)                                         \
    {                                                                                              \
        (void)beta;                                                                                \
        b->call;                                                                                   \
    }

SLOT(copy_block, copy_block(out, COLUMNS, beta, x, COLUMNS + 3, ROWS, COLUMNS))
SLOT(axpby, axpby(out, beta, 1.5, x, SIZE))
SLOT(multiply, multiply(out, beta, 1.5, x, w, SIZE))
SLOT(gelu, unary_jacobian(HIDI_GELU, out, beta, x, d, SIZE, no_parameters))
SLOT(silu, unary_jacobian(HIDI_SILU, out, beta, x, d, SIZE, no_parameters))
SLOT(softplus, unary_jacobian(HIDI_SOFTPLUS, out, beta, x, d, SIZE, no_parameters))
SLOT(relu, unary_jacobian(HIDI_RELU, out, beta, x, d, SIZE, no_parameters))
SLOT(abs, unary_jacobian(HIDI_ABS, out, beta, x, d, SIZE, no_parameters))
SLOT(square, unary_jacobian(HIDI_SQUARE, out, beta, x, d, SIZE, no_parameters))
SLOT(add_bias, add_rows(out, beta, w, 1, ROWS, COLUMNS))
SLOT(add_rows, add_rows(out, beta, w, 4, ROWS, COLUMNS))
SLOT(sum_bias, sum_rows(out, beta, x, 1, ROWS, COLUMNS))
SLOT(sum_rows, sum_rows(out, beta, x, 4, ROWS, COLUMNS))
SLOT(scale_rows, scale_rows(out, beta, 1.5, s, x, ROWS, COLUMNS))
SLOT(dot_rows, dot_rows(out, beta, 1.5, x, w, ROWS, COLUMNS))
SLOT(row_sums, dot_rows(out, beta, 1.5, x, NULL, ROWS, COLUMNS))
SLOT(spread_rows, spread_rows(out, beta, 1.5, s, ROWS, COLUMNS))
SLOT(dot, dot(out, beta, 1.5, x, w, SIZE))
SLOT(sum, dot(out, beta, 1.5, x, NULL, SIZE))
SLOT(gemm_nn, gemm(false, false, ROWS, COLUMNS, 19, 1.5, x, 20, w, 40, beta, out, COLUMNS))
SLOT(gemm_nt, gemm(false, true, ROWS, COLUMNS, 19, 1.5, x, 20, w, 21, beta, out, COLUMNS))
SLOT(gemm_tn, gemm(true, false, ROWS, COLUMNS, 19, 1.5, x, 20, w, 40, beta, out, COLUMNS))
SLOT(gemm_tt, gemm(true, true, ROWS, COLUMNS, 19, 1.5, x, 20, w, 21, beta, out, COLUMNS))
SLOT(gemm_batched, gemm_batched(false, true, T, T, Dh, 1.5, x, 35, w, 35, beta, out, T * T, 9))
SLOT(gemm_shared, gemm_batched(true, false, T, Dh, T, 1.5, x, 0, w, 35, beta, out, 35, 9))
SLOT(linear, linear(out, beta, x, w, s, ROWS, 19, COLUMNS))
SLOT(linear_plain, linear(out, beta, x, w, NULL, ROWS, 19, COLUMNS))
SLOT(attention, attention(out, ignored, x, B, T, H, Dh))
SLOT(attention_jvp, attention_jvp(out, x, d, probs, scratch, B, T, H, Dh))
SLOT(attention_vjp, attention_vjp(out, beta, x, d, probs, scratch, B, T, H, Dh))
SLOT(softmax, softmax(out, x, ROWS, COLUMNS))
SLOT(softmax_jacobian, softmax_jacobian(out, beta, probs, d, B * H * T, T))
SLOT(layer_norm, layer_norm(out, ignored, x, ROWS, COLUMNS, (hidi_real)1e-6))
SLOT(layer_norm_jacobian, layer_norm_jacobian(out, beta, y_norm, rstd, d, ROWS, COLUMNS))
SLOT(modulate, modulate(out, beta, x, 1, w, s, B, T, D))
SLOT(modulate_plain, modulate(out, beta, x, 1, NULL, NULL, B, T, D))
SLOT(sum_tokens, sum_tokens(out, beta, x, w, B, T, D))
SLOT(sum_tokens_plain, sum_tokens(out, beta, x, NULL, B, T, D))
SLOT(gated_residual, gated_residual(out, x, w, d, B, T, D))
SLOT(embedding, embedding(out, x, label, ROWS, COLUMNS))
SLOT(sincos, sincos(out, s, 3, ROWS, 38))
SLOT(sincos_jvp, sincos_jvp(out, beta, s, d, 3, ROWS, 38))
SLOT(sincos_vjp, sincos_vjp(out, beta, s, d, 3, ROWS, 38))
SLOT(patchify, patchify(out, beta, x, HIDI_PATCH_CPQ, B, 3, 9, 6, 3))
SLOT(patchify_pqc, patchify(out, beta, x, HIDI_PATCH_PQC, B, 3, 9, 6, 3))
SLOT(unpatchify, unpatchify(out, beta, x, HIDI_PATCH_CPQ, B, 3, 9, 6, 3))
SLOT(unpatchify_pqc, unpatchify(out, beta, x, HIDI_PATCH_PQC, B, 3, 9, 6, 3))
SLOT(conv2d, conv2d(out, beta, x, w, s, &window, scratch))
SLOT(conv2d_plain, conv2d(out, beta, x, w, NULL, &window, scratch))
SLOT(conv2d_grad_input, conv2d_grad_input(out, beta, w, d, &window, scratch))
SLOT(conv2d_grad_weight, conv2d_grad_weight(out, beta, x, d, &window, scratch))
SLOT(sum_channels, sum_channels(out, beta, x, B, T, COLUMNS))
SLOT(average_pool, average_pool(out, beta, x, &window))
SLOT(average_pool_vjp, average_pool_vjp(out, beta, d, &window))
SLOT(max_pool_jvp, max_pool_jvp(out, where, d, &window))
SLOT(max_pool_vjp, max_pool_vjp(out, beta, where, d, &window))
SLOT(cross_entropy, cross_entropy(out, ignored, x, label, ROWS, COLUMNS))
SLOT(cross_entropy_jvp, cross_entropy_jvp(out, w, label, d, ROWS, COLUMNS))
SLOT(cross_entropy_vjp, cross_entropy_vjp(out, beta, w, label, d, ROWS, COLUMNS))

typedef struct slot_case {
    const char *name;
    void (*run)(hidi_real *out, hidi_real beta);
    size_t size;   /* of out */
    bool has_beta; /* otherwise it overwrites */
} slot_case;

#define BETA(name, size) { #name, run_##name, size, true }
#define OVERWRITES(name, size) { #name, run_##name, size, false }

static const slot_case slots[] = {
    BETA(copy_block, SIZE), BETA(axpby, SIZE), BETA(multiply, SIZE), BETA(gelu, SIZE),
    BETA(silu, SIZE), BETA(softplus, SIZE), BETA(relu, SIZE), BETA(abs, SIZE), BETA(square, SIZE),
    BETA(add_bias, SIZE), BETA(add_rows, SIZE), BETA(sum_bias, COLUMNS),
    BETA(sum_rows, 4 * COLUMNS), BETA(scale_rows, SIZE), BETA(dot_rows, ROWS),
    BETA(row_sums, ROWS), BETA(spread_rows, SIZE), BETA(dot, 1), BETA(sum, 1), BETA(gemm_nn, SIZE),
    BETA(gemm_nt, SIZE), BETA(gemm_tn, SIZE), BETA(gemm_tt, SIZE), BETA(gemm_batched, 9 * T * T),
    BETA(gemm_shared, 9 * T * Dh), BETA(linear, SIZE), BETA(linear_plain, SIZE),
    OVERWRITES(attention, B * T * D), OVERWRITES(attention_jvp, B * T * D),
    BETA(attention_vjp, 3 * B * T * D), OVERWRITES(softmax, SIZE),
    BETA(softmax_jacobian, B * H * T * T), OVERWRITES(layer_norm, SIZE),
    BETA(layer_norm_jacobian, SIZE), BETA(modulate, B * T * D), BETA(modulate_plain, B * T * D),
    BETA(sum_tokens, B * D), BETA(sum_tokens_plain, B * D), OVERWRITES(gated_residual, B * T * D),
    OVERWRITES(embedding, SIZE), OVERWRITES(sincos, ROWS * 38), BETA(sincos_jvp, ROWS * 38),
    BETA(sincos_vjp, ROWS), BETA(patchify, B * 162), BETA(patchify_pqc, B * 162),
    BETA(unpatchify, B * 162), BETA(unpatchify_pqc, B * 162), BETA(conv2d, OUT),
    BETA(conv2d_plain, OUT), BETA(conv2d_grad_input, PLANES_IN), BETA(conv2d_grad_weight, WEIGHTS),
    BETA(sum_channels, T), BETA(average_pool, POOLED), BETA(average_pool_vjp, PLANES_IN),
    OVERWRITES(max_pool_jvp, POOLED), BETA(max_pool_vjp, PLANES_IN),
    OVERWRITES(cross_entropy, ROWS), OVERWRITES(cross_entropy_jvp, ROWS),
    BETA(cross_entropy_vjp, SIZE)
};

enum { SLOTS = sizeof slots / sizeof slots[0], GUARD = 16 };

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
        ck_assert_msg(isfinite(out[i]), "%s of %s: out[%lu] is %g with beta 0", slot->name, b->name,
                      (unsigned long)i, (double)out[i]);
    for (size_t i = 0; i < GUARD; i++)
        ck_assert_msg(isnan(guarded[i]) && isnan(out[slot->size + i]),
                      "%s of %s writes outside its output", slot->name, b->name);
    memcpy(result, out, slot->size * sizeof *out);
}

START_TEST(test_beta)
{
    static const hidi_real betas[] = { 1, 0.5, -2 };
    static hidi_real result[POOL], out[POOL], before[POOL];

    prepare(_i);
    draw(before, POOL, 4);
    for (size_t k = 0; k < SLOTS; k++) {
        check_overwrites(&slots[k], result);
        for (size_t l = 0; slots[k].has_beta && l < 3; l++) {
            double scale = 2 * largest(before, POOL) + largest(result, slots[k].size);

            memcpy(out, before, sizeof out);
            slots[k].run(out, betas[l]);
            for (size_t i = 0; i < slots[k].size; i++) {
                double expected = (double)betas[l] * before[i] + result[i];
                ck_assert_msg(fabs(out[i] - expected) <= 8 * HIDI_REAL_EPSILON * scale,
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

    prepare(_i);
    for (size_t k = 0; k < SLOTS; k++) {
        slots[k].run(first, 0);
        slots[k].run(second, 0);
        ck_assert_msg(memcmp(first, second, slots[k].size * sizeof *first) == 0,
                      "%s of %s differs between two runs", slots[k].name, b->name);
    }
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
            ck_assert_msg(out[i] == same[i], "%s of %s, beta %g: %.9g, in place %.9g", #in_place,  \
                          b->name, (double)beta, (double)out[i], (double)same[i]);                 \
    } while (0)

START_TEST(test_aliasing)
{
    static const hidi_real betas[] = { 0, 1, 0.5 };
    static hidi_real out[POOL], same[POOL];

    prepare(_i);
    for (int l = 0; l < 3; l++) {
        hidi_real beta = betas[l];

        CHECK_ALIAS(x, SIZE, axpby(out, beta, 3, x, SIZE), axpby(same, beta, 3, same, SIZE));
        CHECK_ALIAS(x, SIZE, multiply(out, beta, 3, x, w, SIZE),
                    multiply(same, beta, 3, same, w, SIZE));
        CHECK_ALIAS(x, SIZE, multiply(out, beta, 3, w, x, SIZE),
                    multiply(same, beta, 3, w, same, SIZE));
        CHECK_ALIAS(x, SIZE, multiply(out, beta, 3, x, x, SIZE),
                    multiply(same, beta, 3, same, same, SIZE));
        CHECK_ALIAS(x, SIZE, scale_rows(out, beta, 3, s, x, ROWS, COLUMNS),
                    scale_rows(same, beta, 3, s, same, ROWS, COLUMNS));
        CHECK_ALIAS(d, B * H * T * T, softmax_jacobian(out, beta, probs, d, B * H * T, T),
                    softmax_jacobian(same, beta, probs, same, B * H * T, T));
        CHECK_ALIAS(d, SIZE, layer_norm_jacobian(out, beta, y_norm, rstd, d, ROWS, COLUMNS),
                    layer_norm_jacobian(same, beta, y_norm, rstd, same, ROWS, COLUMNS));
        for (int f = HIDI_GELU; f <= HIDI_SQUARE; f++) {
            hidi_unary map = (hidi_unary)f;
            CHECK_ALIAS(x, SIZE, unary(map, out, x, SIZE, no_parameters),
                        unary(map, same, same, SIZE, no_parameters));
            CHECK_ALIAS(d, SIZE, unary_jacobian(map, out, beta, x, d, SIZE, no_parameters),
                        unary_jacobian(map, same, beta, x, same, SIZE, no_parameters));
        }
    }
    hidi_real beta = 0; /* for the message; these have none */
    CHECK_ALIAS(x, SIZE, softmax(out, x, ROWS, COLUMNS), softmax(same, same, ROWS, COLUMNS));
    CHECK_ALIAS(x, B * T * D, gated_residual(out, x, w, d, B, T, D),
                gated_residual(same, same, w, d, B, T, D));
}
END_TEST

/* --- empty sizes ----------------------------------------------------------------------------- */

/* Nothing to write: out keeps its NaN. */
#define CHECK_UNTOUCHED(call)                                                                      \
    do {                                                                                           \
        b->call;                                                                                   \
        for (size_t i = 0; i < SIZE; i++)                                                          \
            ck_assert_msg(isnan(out[i]), "%s of %s writes something", #call, b->name);             \
    } while (0)

START_TEST(test_empty_outputs)
{
    static hidi_real out[SIZE];
    hidi_window none = window;

    prepare(_i);
    none.batch = 0;
    for (size_t i = 0; i < SIZE; i++)
        out[i] = NAN;
    CHECK_UNTOUCHED(copy(out, x, 0));
    CHECK_UNTOUCHED(fill(out, 0, 0));
    CHECK_UNTOUCHED(copy_block(out, 4, 0, x, 4, 0, 4));
    CHECK_UNTOUCHED(copy_block(out, 4, 0, x, 4, 4, 0));
    CHECK_UNTOUCHED(axpby(out, 0, 1, x, 0));
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
    CHECK_UNTOUCHED(sum_tokens(out, 0, x, w, 0, T, D));
    CHECK_UNTOUCHED(gated_residual(out, x, w, d, B, 0, D));
    CHECK_UNTOUCHED(embedding(out, x, label, 0, 4));
    CHECK_UNTOUCHED(embedding_vjp(out, label, d, 0, 4));
    CHECK_UNTOUCHED(sincos(out, s, 1, 0, 4));
    CHECK_UNTOUCHED(sincos_jvp(out, 0, s, d, 1, 0, 4));
    CHECK_UNTOUCHED(patchify(out, 0, x, HIDI_PATCH_CPQ, 0, 3, 4, 4, 2));
    CHECK_UNTOUCHED(unpatchify(out, 0, x, HIDI_PATCH_PQC, B, 0, 4, 4, 2));
    CHECK_UNTOUCHED(conv2d(out, 0, x, w, s, &none, scratch));
    CHECK_UNTOUCHED(conv2d_grad_input(out, 0, w, d, &none, scratch));
    CHECK_UNTOUCHED(add_channels(out, s, 0, 4, 4));
    CHECK_UNTOUCHED(average_pool(out, 0, x, &none));
    CHECK_UNTOUCHED(average_pool_vjp(out, 0, d, &none));
    CHECK_UNTOUCHED(max_pool(out, where, x, &none));
    CHECK_UNTOUCHED(max_pool_jvp(out, where, d, &none));
    CHECK_UNTOUCHED(max_pool_vjp(out, 0, where, d, &none));
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
            for (size_t i = 0; i < SIZE; i++)                                                      \
                out[i] = beta == 0 ? (hidi_real)NAN : x[i];                                        \
            b->call;                                                                               \
            for (size_t i = 0; i < (n); i++)                                                       \
                ck_assert_msg(out[i] == (beta == 0 ? 0 : x[i] / 2), "%s of %s, beta %g: %g",       \
                              #call, b->name, (double)beta, (double)out[i]);                       \
        }                                                                                          \
    } while (0)

START_TEST(test_empty_sums)
{
    static hidi_real out[SIZE];
    hidi_window none = window;

    prepare(_i);
    none.batch = 0;
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
    CHECK_SCALED(ROWS, sincos_vjp(out, beta, s, d, 1, ROWS, 0));
    CHECK_SCALED(WEIGHTS, conv2d_grad_weight(out, beta, w, d, &none, scratch));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend conventions");
    TCase *tests = tcase_create("every backend");
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, test_beta, 0, BACKEND_SETTINGS);
    tcase_add_loop_test(tests, test_determinism, 0, BACKEND_SETTINGS);
    tcase_add_loop_test(tests, test_aliasing, 0, BACKEND_SETTINGS);
    tcase_add_loop_test(tests, test_empty_outputs, 0, BACKEND_SETTINGS);
    tcase_add_loop_test(tests, test_empty_sums, 0, BACKEND_SETTINGS);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
