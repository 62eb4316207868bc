/* test_op_errors.c - every op refuses what does not fit, with its name and the shapes found. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "suite.h"

static const hidi_backend *backend; /* set by main */

typedef hidi_var *build_function(hidi_tape *tape);

/* A var of zeros whose shape is the arguments. */
#define X(...) hidi_filled(tape, shape_of((const size_t[]){ __VA_ARGS__, 0 }), 0)
#define SCALAR hidi_filled(tape, hidi_shape0(), 0)

static hidi_shape shape_of(const size_t *dim)
{
    hidi_shape shape = hidi_shape0();
    for (; dim[shape.rank] != 0; shape.rank++)
        shape.dim[shape.rank] = dim[shape.rank];
    return shape;
}

#define REFUSED(name, call)                                                                        \
    static hidi_var *name(hidi_tape *tape)                                                         \
    {                                                                                              \
        return call;                                                                               \
    }

REFUSED(add, hidi_add(tape, X(2, 3), X(3, 2)))
REFUSED(sub, hidi_sub(tape, X(3), X(1, 3)))
REFUSED(mul, hidi_mul(tape, X(3), SCALAR))
REFUSED(scale_samples, hidi_scale_samples(tape, X(2, 3), X(3)))
REFUSED(scale_samples_rank, hidi_scale_samples(tape, X(2, 3), X(2, 1)))
REFUSED(scale_scalar, hidi_scale_samples(tape, SCALAR, X(1)))
REFUSED(sum_samples, hidi_sum_samples(tape, SCALAR))
REFUSED(mean_samples, hidi_mean_samples(tape, hidi_filled(tape, hidi_shape2(2, 0), 0)))
REFUSED(mean, hidi_mean(tape, hidi_filled(tape, hidi_shape2(0, 2), 0)))
REFUSED(reshape, hidi_reshape(tape, X(2, 3), hidi_shape1(5)))
REFUSED(columns_of, hidi_columns_of(tape, X(2, 3), 2, 2))
REFUSED(columns_first, hidi_columns_of(tape, X(2, 3), (size_t)-1, 2))
REFUSED(join, hidi_join(tape, (hidi_var *[]){ X(2, 3), X(3, 3) }, 2))
REFUSED(join_many, hidi_join(tape, (hidi_var *[]){ SCALAR, SCALAR, SCALAR, SCALAR }, 4))
REFUSED(join_scalar, hidi_join(tape, (hidi_var *[]){ SCALAR }, 1))
REFUSED(columns_scalar, hidi_columns_of(tape, SCALAR, 0, 1))
REFUSED(channels_of, hidi_channels_of(tape, X(2, 3, 4, 5), 0, 4))
REFUSED(channels_rank, hidi_channels_of(tape, X(2, 3, 4), 0, 1))
REFUSED(patchify, hidi_patchify(tape, X(1, 3, 4, 5), 2, HIDI_PATCH_CPQ))
REFUSED(patchify_zero, hidi_patchify(tape, X(1, 3, 4, 4), 0, HIDI_PATCH_CPQ))
REFUSED(patchify_rank, hidi_patchify(tape, X(3, 4, 4), 2, HIDI_PATCH_CPQ))
REFUSED(unpatchify, hidi_unpatchify(tape, X(1, 4, 12), 4, 4, 4, 2, HIDI_PATCH_PQC))
REFUSED(unpatchify_count, hidi_unpatchify(tape, X(1, 3, 12), 3, 4, 4, 2, HIDI_PATCH_PQC))
REFUSED(linear, hidi_linear(tape, X(2, 3), X(4, 5), NULL))
REFUSED(linear_bias, hidi_linear(tape, X(2, 3), X(4, 3), X(3)))
REFUSED(linear_scalar, hidi_linear(tape, SCALAR, X(4, 1), NULL))
REFUSED(matmul, hidi_matmul(tape, X(2, 3, 4), false, X(2, 3, 4), false))
REFUSED(matmul_transposed, hidi_matmul(tape, X(2, 3, 4), true, X(2, 4, 3), false))
REFUSED(matmul_batch, hidi_matmul(tape, X(2, 3, 4), false, X(1, 4, 3), false))
REFUSED(matmul_rank, hidi_matmul(tape, X(3, 4), false, X(4, 3), false))
REFUSED(matmul_rank_x, hidi_matmul(tape, X(2, 3, 4, 2), false, X(2, 4, 3), false))
REFUSED(matmul_rank_w, hidi_matmul(tape, X(2, 3, 4), false, X(2, 4, 3, 2), false))
REFUSED(add_rows_scalar, hidi_add_rows(tape, X(5), X(1, 5)))
REFUSED(add_rows_rank, hidi_add_rows(tape, X(1, 3, 5), X(3, 1, 5)))
REFUSED(add_rows, hidi_add_rows(tape, X(2, 3, 5), X(2, 5)))
REFUSED(add_rows_columns, hidi_add_rows(tape, X(2, 3, 5), X(3, 4)))
REFUSED(attention, hidi_attention(tape, X(2, 3, 12), 3))
REFUSED(attention_heads, hidi_attention(tape, X(2, 3, 12), 0))
REFUSED(attention_rank, hidi_attention(tape, X(2, 12), 1))
REFUSED(layer_norm, hidi_layer_norm(tape, X(2, 3), X(2), X(3), 0))
REFUSED(layer_norm_bias, hidi_layer_norm(tape, X(2, 3), X(3), X(1, 3), 0))
REFUSED(adaln, hidi_adaln(tape, X(2, 3, 5), X(2, 5), X(3, 5), 1))
REFUSED(adaln_rank, hidi_adaln(tape, X(3, 5), X(3, 5), X(3, 5), 1))
REFUSED(gated, hidi_gated_residual(tape, X(2, 3, 5), X(2, 5), X(2, 5)))
REFUSED(embedding, hidi_embedding(tape, X(3), hidi_indices(tape, (const int32_t[]){ 0 }, 1, 3), 1))
REFUSED(embedding_none, hidi_embedding(tape, X(3, 2), NULL, 1))
REFUSED(odd_features, hidi_sincos(tape, X(3), 1, 7))
REFUSED(no_features, hidi_sincos(tape, X(3), 1, 0))
REFUSED(sincos_rank, hidi_sincos(tape, X(3, 1), 1, 8))
REFUSED(conv2d, hidi_conv2d(tape, X(1, 3, 5, 5), X(4, 2, 3, 3), NULL, 1, 1, 1))
REFUSED(conv2d_oblong, hidi_conv2d(tape, X(1, 2, 5, 5), X(4, 2, 1, 6), NULL, 1, 3, 0))
REFUSED(conv2d_bias, hidi_conv2d(tape, X(1, 2, 5, 5), X(4, 2, 3, 3), X(2), 1, 1, 1))
REFUSED(conv2d_small, hidi_conv2d(tape, X(1, 2, 2, 5), X(4, 2, 3, 3), NULL, 1, 0, 0))
REFUSED(conv2d_stride, hidi_conv2d(tape, X(1, 2, 5, 5), X(4, 2, 3, 3), NULL, 0, 0, 0))
REFUSED(upsample2, hidi_upsample2(tape, X(2, 5, 5)))
REFUSED(pixel_attention, hidi_pixel_attention(tape, X(1, 2, 2, 2), X(1, 2, 2, 3), X(1, 2, 2, 2)))
REFUSED(cross_attention, hidi_cross_attention(tape, X(1, 2, 4), X(1, 3, 4), (int32_t[]){3}, 2))
REFUSED(cross_attention_length,
        hidi_cross_attention(tape, X(1, 2, 4), X(1, 3, 8), (int32_t[]){4}, 2))
REFUSED(pixel_attention_rank, hidi_pixel_attention(tape, X(2, 2, 2), X(2, 2, 2), X(2, 2, 2)))
REFUSED(upsample_conv2d, hidi_upsample_conv2d(tape, X(1, 2, 5, 5), X(4, 2, 1, 1), X(4)))
REFUSED(upsample_conv2d_bias, hidi_upsample_conv2d(tape, X(1, 2, 5, 5), X(4, 2, 3, 3), X(2)))
REFUSED(group_norm, hidi_group_norm(tape, X(1, 6, 2, 2), 4, X(6), X(6), 1))
REFUSED(group_norm_none, hidi_group_norm(tape, X(1, 6, 2, 2), 0, X(6), X(6), 1))
REFUSED(group_norm_scale, hidi_group_norm(tape, X(1, 6, 2, 2), 3, X(3), X(6), 1))
REFUSED(group_norm_shift, hidi_group_norm(tape, X(1, 6, 2, 2), 3, X(6), X(2, 3), 1))
REFUSED(group_norm_rank, hidi_group_norm(tape, X(6, 2, 2), 3, X(6), X(6), 1))
REFUSED(average_pool, hidi_average_pool(tape, X(1, 2, 5, 5), 3, 1, 2))
REFUSED(average_pool_empty, hidi_average_pool(tape, X(1, 2, 5, 5), 0, 1, 0))
REFUSED(average_pool_large, hidi_average_pool(tape, X(1, 2, 5, 5), 6, 1, 0))
REFUSED(average_pool_rank, hidi_average_pool(tape, X(2, 5, 5), 3, 1, 1))
REFUSED(cross_entropy, hidi_cross_entropy(tape, X(3),
                                          hidi_indices(tape, (const int32_t[]){ 0 }, 1, 3)))
REFUSED(no_labels, hidi_cross_entropy(tape, X(3, 2), NULL))

static const struct {
    build_function *build;
    hidi_status status;
    const char *phrases[3]; /* of the message; the first one begins it */
} cases[] = {
    { add, HIDI_BAD_SHAPE, { "add: ", "[2, 3]", "[3, 2]" } },
    { sub, HIDI_BAD_SHAPE, { "sub: ", "[3]", "[1, 3]" } },
    { mul, HIDI_BAD_SHAPE, { "mul: ", "[3]", "[]" } },
    { scale_samples, HIDI_BAD_SHAPE, { "scale_samples: ", "[2, 3]", "[3]" } },
    { scale_samples_rank, HIDI_BAD_SHAPE, { "scale_samples: ", "[2, 3]", "[2, 1]" } },
    { scale_scalar, HIDI_BAD_SHAPE, { "scale_samples: ", "[]", "[1]" } },
    { sum_samples, HIDI_BAD_SHAPE, { "sum_samples: ", "[]" } },
    { mean_samples, HIDI_BAD_SHAPE, { "mean_samples: ", "[2, 0]" } },
    { mean, HIDI_BAD_SHAPE, { "mean: ", "[0, 2]" } },
    { reshape, HIDI_BAD_SHAPE, { "reshape: ", "[2, 3]", "[5]" } },
    { columns_of, HIDI_BAD_SHAPE, { "columns_of: ", "2 entries from 2 on", "[2, 3]" } },
    { columns_first, HIDI_BAD_SHAPE, { "columns_of: ", "[2, 3]" } },
    { join, HIDI_BAD_SHAPE, { "join: ", "[3, 3] beside [2, 3]" } },
    { join_many, HIDI_BAD_ARGUMENT, { "join: ", "4 tensors, expected 1 to 3" } },
    { join_scalar, HIDI_BAD_SHAPE, { "join: ", "[]" } },
    { columns_scalar, HIDI_BAD_SHAPE, { "columns_of: ", "[]" } },
    { channels_of, HIDI_BAD_SHAPE, { "channels_of: ", "[2, 3, 4, 5]" } },
    { channels_rank, HIDI_BAD_SHAPE, { "channels_of: ", "[2, 3, 4]", "4 extents" } },
    { patchify, HIDI_BAD_SHAPE, { "patchify: ", "[1, 3, 4, 5]", "2 x 2" } },
    { patchify_zero, HIDI_BAD_SHAPE, { "patchify: ", "[1, 3, 4, 4]" } },
    { patchify_rank, HIDI_BAD_SHAPE, { "patchify: ", "[3, 4, 4]" } },
    { unpatchify, HIDI_BAD_SHAPE, { "unpatchify: ", "[1, 4, 12]", "4 channels of 4 x 4" } },
    { unpatchify_count, HIDI_BAD_SHAPE, { "unpatchify: ", "[1, 3, 12]" } },
    { linear, HIDI_BAD_SHAPE, { "linear: ", "[2, 3]", "[4, 5]" } },
    { linear_bias, HIDI_BAD_SHAPE, { "linear: ", "[4, 3]", "[3]" } },
    { linear_scalar, HIDI_BAD_SHAPE, { "linear: ", "[]", "[4, 1]" } },
    { matmul, HIDI_BAD_SHAPE, { "matmul: ", "x [2, 3, 4] and w [2, 3, 4]" } },
    { matmul_transposed, HIDI_BAD_SHAPE, { "matmul: ", "x [2, 3, 4] transposed", "[2, 4, 3]" } },
    { matmul_batch, HIDI_BAD_SHAPE, { "matmul: ", "[2, 3, 4]", "[1, 4, 3]" } },
    { matmul_rank, HIDI_BAD_SHAPE, { "matmul: ", "[3, 4]", "[4, 3]" } },
    { matmul_rank_x, HIDI_BAD_SHAPE, { "matmul: ", "[2, 3, 4, 2]", "[2, 4, 3]" } },
    { matmul_rank_w, HIDI_BAD_SHAPE, { "matmul: ", "[2, 3, 4]", "[2, 4, 3, 2]" } },
    { add_rows_scalar, HIDI_BAD_SHAPE, { "add_rows: ", "x [5]", "[1, 5]" } },
    { add_rows_rank, HIDI_BAD_SHAPE, { "add_rows: ", "[1, 3, 5]", "[3, 1, 5]" } },
    { add_rows, HIDI_BAD_SHAPE, { "add_rows: ", "[2, 3, 5]", "[2, 5]" } },
    { add_rows_columns, HIDI_BAD_SHAPE, { "add_rows: ", "[2, 3, 5]", "[3, 4]" } },
    { attention, HIDI_BAD_SHAPE, { "attention: ", "[2, 3, 12]", "3 heads" } },
    { attention_heads, HIDI_BAD_SHAPE, { "attention: ", "[2, 3, 12]", "0 heads" } },
    { attention_rank, HIDI_BAD_SHAPE, { "attention: ", "[2, 12]" } },
    { layer_norm, HIDI_BAD_SHAPE, { "layer_norm: ", "[2, 3]", "[2]" } },
    { layer_norm_bias, HIDI_BAD_SHAPE, { "layer_norm: ", "[2, 3]", "[1, 3]" } },
    { adaln, HIDI_BAD_SHAPE, { "adaln: ", "[2, 3, 5]", "[3, 5]" } },
    { adaln_rank, HIDI_BAD_SHAPE, { "adaln: ", "[3, 5]" } },
    { gated, HIDI_BAD_SHAPE, { "gated_residual: ", "[2, 3, 5]", "[2, 5]" } },
    { embedding, HIDI_BAD_SHAPE, { "embedding: ", "[3]" } },
    { embedding_none, HIDI_BAD_ARGUMENT, { "embedding: ", "no indices" } },
    { odd_features, HIDI_BAD_SHAPE, { "sincos: ", "[3]", "7 features" } },
    { no_features, HIDI_BAD_SHAPE, { "sincos: ", "0 features" } },
    { sincos_rank, HIDI_BAD_SHAPE, { "sincos: ", "[3, 1]" } },
    { conv2d, HIDI_BAD_SHAPE, { "conv2d: ", "[1, 3, 5, 5]", "[4, 2, 3, 3]" } },
    { conv2d_oblong, HIDI_BAD_SHAPE, { "conv2d: ", "kernel 1x6", "padding 3x0" } },
    { conv2d_bias, HIDI_BAD_SHAPE, { "conv2d: ", "[4, 2, 3, 3]", "b [2]" } },
    { conv2d_small, HIDI_BAD_SHAPE, { "conv2d: ", "kernel 3x3", "[1, 2, 2, 5]" } },
    { conv2d_stride, HIDI_BAD_SHAPE, { "conv2d: ", "stride 0" } },
    { upsample2, HIDI_BAD_SHAPE, { "upsample2: ", "[2, 5, 5]" } },
    { pixel_attention, HIDI_BAD_SHAPE, { "pixel_attention: ", "[1, 2, 2, 3]" } },
    { cross_attention, HIDI_BAD_SHAPE, { "cross_attention: ", "kv [1, 3, 4]" } },
    { cross_attention_length, HIDI_BAD_ARGUMENT, { "cross_attention: length 4", "0 to 3" } },
    { pixel_attention_rank, HIDI_BAD_SHAPE, { "pixel_attention: ", "q [2, 2, 2]" } },
    { upsample_conv2d, HIDI_BAD_SHAPE, { "upsample_conv2d: ", "w [4, 2, 1, 1]" } },
    { upsample_conv2d_bias, HIDI_BAD_SHAPE, { "upsample_conv2d: ", "b [2]" } },
    { group_norm, HIDI_BAD_SHAPE, { "group_norm: ", "[1, 6, 2, 2]", "4 groups" } },
    { group_norm_none, HIDI_BAD_SHAPE, { "group_norm: ", "0 groups" } },
    { group_norm_scale, HIDI_BAD_SHAPE, { "group_norm: ", "g [3]" } },
    { group_norm_shift, HIDI_BAD_SHAPE, { "group_norm: ", "b [2, 3]" } },
    { group_norm_rank, HIDI_BAD_SHAPE, { "group_norm: ", "x [6, 2, 2]" } },
    { average_pool, HIDI_BAD_SHAPE, { "average_pool: ", "kernel 3x3", "padding 2x2" } },
    { average_pool_empty, HIDI_BAD_SHAPE, { "average_pool: ", "kernel 0x0" } },
    { average_pool_large, HIDI_BAD_SHAPE, { "average_pool: ", "kernel 6x6", "[1, 2, 5, 5]" } },
    { average_pool_rank, HIDI_BAD_SHAPE, { "average_pool: ", "[2, 5, 5]" } },
    { cross_entropy, HIDI_BAD_SHAPE, { "cross_entropy: ", "[3]" } },
    { no_labels, HIDI_BAD_ARGUMENT, { "cross_entropy: ", "no labels" } },
};
#define N_CASES ((int)(sizeof cases / sizeof cases[0]))

START_TEST(what_does_not_fit_is_refused)
{
    hidi_tape *tape = hidi_tape_create(backend);
    ck_assert_ptr_nonnull(tape);
    ck_assert_ptr_null(cases[_i].build(tape));
    ck_assert_int_eq(hidi_tape_status(tape), cases[_i].status);
    const char *message = hidi_error_message();
    const char *const *phrases = cases[_i].phrases;
    if (strncmp(message, phrases[0], strlen(phrases[0])) != 0)
        ck_abort_msg("\"%s\" does not begin with \"%s\"", message, phrases[0]);
    for (int i = 1; i < 3 && phrases[i] != NULL; i++)
        if (strstr(message, phrases[i]) == NULL)
            ck_abort_msg("\"%s\" does not say \"%s\"", message, phrases[i]);
    hidi_tape_destroy(tape);
}
END_TEST

/* The same calls are refused quietly after an error, with that error. */
START_TEST(after_an_error_nothing_runs)
{
    hidi_tape *tape = hidi_tape_create(backend);
    ck_assert_ptr_nonnull(tape);
    hidi_tape_fail(tape, hidi_error(HIDI_BAD_FILE, "the first"));
    ck_assert_ptr_null(cases[_i].build(tape));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_FILE);
    ck_assert_str_eq(hidi_error_message(), "the first");
    hidi_tape_destroy(tape);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("op errors");
    TCase *tcase = tcase_create("op errors");
    if (hidi_backend_open("reference", &backend) != HIDI_OK) {
        fprintf(stderr, "%s\n", hidi_error_message());
        return EXIT_FAILURE;
    }
    tcase_add_loop_test(tcase, what_does_not_fit_is_refused, 0, N_CASES);
    tcase_add_loop_test(tcase, after_an_error_nothing_runs, 0, N_CASES);
    suite_add_tcase(suite, tcase);
    return run_suite_in_process(suite);
}
