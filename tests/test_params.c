/* test_params.c - the named parameters of a model. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "autograd/params.h"
#include "each_backend.h"

static const hidi_backend *backend; /* set by main */
static hidi_params params;          /* a [2, 3], b.0 [3], b.1 [], b.2 [0]; values 1, 2, ... */

static void begin(void)
{
    hidi_params_init(&params, backend);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape2(2, 3), "a"), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape1(3), "b.%d", 0), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape0(), "b.%d", 1), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape1(0), "b.%d", 2), HIDI_OK);
    ck_assert_int_eq(hidi_params_allocate(&params), HIDI_OK);
    for (size_t i = 0, k = 1; i < 4; i++) {
        hidi_real host[6];
        for (size_t j = 0; j < hidi_count(params.param[i].shape); j++)
            host[j] = (hidi_real)k++;
        hidi_params_write(&params, (int)i, host);
    }
}

static void end(void)
{
    hidi_params_free(&params);
}

START_TEST(declared_in_one_piece)
{
    hidi_real host[6] = { 0 };
    char name[200];
    ck_assert_int_eq(params.n_params, 4);
    ck_assert_uint_eq(params.count, 10);
    ck_assert_uint_eq(params.param[2].offset, 9);
    ck_assert_int_eq(hidi_params_find(&params, "b.1"), 2);
    ck_assert_int_eq(hidi_params_find(&params, "b"), -1);
    hidi_params_read(&params, 1, host);
    ck_assert(host[0] == 7 && host[1] == 8 && host[2] == 9);

    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape0(), "late"), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_params_allocate(&params), HIDI_BAD_ARGUMENT);
    hidi_params_free(&params);
    ck_assert_int_eq(params.n_params, 0);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape0(), "x.y"), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape0(), "x.%c", 'y'), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), "parameter x.y: declared twice");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape0(), "%s", name), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_params_declare(&params, hidi_shape0(), "%s", ""), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_params_train(&params), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(params.n_params, 1);
    ck_assert_int_eq(hidi_params_allocate(&params), HIDI_OK);
    hidi_params_read(&params, 0, host);
    ck_assert(host[0] == 0);
}
END_TEST

START_TEST(gradients_add_up_unless_frozen)
{
    hidi_real host[6];
    hidi_tape *tape = hidi_tape_create(backend);
    ck_assert_ptr_nonnull(tape);
    ck_assert(!hidi_param_var(tape, &params, 0, false)->needs_grad); /* not trainable yet */
    hidi_params_read_grad(&params, 0, host);
    ck_assert(host[0] == 0);
    ck_assert(hidi_params_grad_norm(&params) == 0);
    ck_assert_int_eq(hidi_params_train(&params), HIDI_OK);
    ck_assert(hidi_params_grad_norm(&params) == 0);
    for (hidi_real pass = 1; pass <= 2; pass++) {
        hidi_tape_reset(tape);
        hidi_var *loss = hidi_sum(tape, hidi_square(tape, hidi_param_var(tape, &params, 1, false)));
        hidi_var *frozen = hidi_param_var(tape, &params, 2, true);
        ck_assert_int_eq(hidi_tape_backward(tape, hidi_add(tape, loss, frozen), NULL), HIDI_OK);
        hidi_params_read_grad(&params, 1, host); /* 2 (7, 8, 9) for each pass */
        ck_assert(host[0] == 14 * pass && host[1] == 16 * pass && host[2] == 18 * pass);
        hidi_params_read_grad(&params, 2, host);
        ck_assert(host[0] == 0);
        ck_assert_int_eq(hidi_params_train(&params), HIDI_OK); /* does nothing */
    }
    const double norm = 4 * sqrt(7 * 7 + 8 * 8 + 9 * 9);
    ck_assert(fabs(hidi_params_grad_norm(&params) - norm) <= 2 * HIDI_REAL_EPSILON * norm);
    hidi_params_zero_grad(&params);
    ck_assert(hidi_params_grad_norm(&params) == 0);

    ck_assert_ptr_null(hidi_param_var(tape, &params, 4, false));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    hidi_tape_reset(tape);
    ck_assert_ptr_null(hidi_param_var(tape, &params, -1, false));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    hidi_tape_destroy(tape);
}
END_TEST

START_TEST(copied_by_name)
{
    const hidi_real five[2] = { 5, 5 };
    hidi_real host[6];
    hidi_params other;
    hidi_params_init(&other, backend);
    ck_assert_int_eq(hidi_params_declare(&other, hidi_shape1(3), "b.0"), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&other, hidi_shape1(2), "new"), HIDI_OK);
    ck_assert_int_eq(hidi_params_copy(&other, &params), HIDI_BAD_ARGUMENT); /* not allocated */
    ck_assert_int_eq(hidi_params_allocate(&other), HIDI_OK);
    hidi_params_write(&other, 1, five);
    ck_assert_int_eq(hidi_params_copy(&other, &params), HIDI_OK);
    hidi_params_read(&other, 0, host);
    ck_assert(host[0] == 7 && host[1] == 8 && host[2] == 9);
    hidi_params_read(&other, 1, host);
    ck_assert(host[0] == 5 && host[1] == 5);
    hidi_params_free(&other);

    ck_assert_int_eq(hidi_params_declare(&other, hidi_shape1(3), "b.0"), HIDI_OK);
    ck_assert_int_eq(hidi_params_declare(&other, hidi_shape2(3, 2), "a"), HIDI_OK);
    ck_assert_int_eq(hidi_params_allocate(&other), HIDI_OK);
    ck_assert_int_eq(hidi_params_copy(&other, &params), HIDI_BAD_SHAPE);
    ck_assert_str_eq(hidi_error_message(), "parameter a: [3, 2] here, [2, 3] in the copied model");
    hidi_params_read(&other, 0, host);
    ck_assert(host[0] == 0); /* nothing was copied */
    hidi_params_free(&other);
}
END_TEST

START_TEST(what_is_not_finite_is_named)
{
    hidi_real bad[3] = { 1, 2, (hidi_real)NAN };
    ck_assert_ptr_null(hidi_params_not_finite(&params, true));
    ck_assert_ptr_null(hidi_params_not_finite(&params, false)); /* no gradients */
    ck_assert_int_eq(hidi_params_train(&params), HIDI_OK);
    hidi_params_write(&params, 1, bad);
    ck_assert_str_eq(hidi_params_not_finite(&params, true), "b.0");
    ck_assert_ptr_null(hidi_params_not_finite(&params, false));
    bad[2] = (hidi_real)-INFINITY;
    backend->upload(params.grad + params.param[2].offset, &bad[2], sizeof bad[2]);
    ck_assert_str_eq(hidi_params_not_finite(&params, false), "b.1");

    hidi_params large; /* more than is looked at in one piece */
    const hidi_real infinite = (hidi_real)INFINITY;
    hidi_params_init(&large, backend);
    ck_assert_int_eq(hidi_params_declare(&large, hidi_shape1(3000), "large"), HIDI_OK);
    ck_assert_int_eq(hidi_params_allocate(&large), HIDI_OK);
    ck_assert_ptr_null(hidi_params_not_finite(&large, true));
    backend->upload(large.value + 2999, &infinite, sizeof infinite);
    ck_assert_str_eq(hidi_params_not_finite(&large, true), "large");
    hidi_params_free(&large);
}
END_TEST

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

START_TEST(without_memory_there_is_an_error)
{
    hidi_backend poor = *backend;
    hidi_params other;
    poor.allocate = no_memory;
    hidi_params_init(&other, &poor);
    ck_assert_int_eq(hidi_params_declare(&other, hidi_shape1(3), "b.0"), HIDI_OK);
    ck_assert_int_eq(hidi_params_allocate(&other), HIDI_NO_MEMORY);
    hidi_params_free(&other);
    params.backend = &poor;
    const hidi_status status = hidi_params_train(&params);
    params.backend = backend; /* poor ends here, and params are freed after it */
    ck_assert_int_eq(status, HIDI_NO_MEMORY);
    ck_assert_ptr_null(params.grad);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, declared_in_one_piece);
    tcase_add_test(tcase, gradients_add_up_unless_frozen);
    tcase_add_test(tcase, copied_by_name);
    tcase_add_test(tcase, what_is_not_finite_is_named);
    tcase_add_test(tcase, without_memory_there_is_an_error);
}

int main(void)
{
    return run_on_each_backend("params", &backend, add);
}
