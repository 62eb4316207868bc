/* test_backend_slots.c - every slot of a backend's table against the reference (lab/selftest), on
 * every number of threads and set of kernels; and that the comparison finds what is wrong.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "backend/tables.h"
#include "backend/cpu/cpu.h"
#include "lab/selftest/selftest.h"
#include "suite.h"

#ifdef HIDI_CUDA_EMULATION
#include "control.h"
#endif

/* --- the settings ----------------------------------------------------------------------------- */

#ifdef HIDI_CUDA_EMULATION
#ifdef HIDI_DOUBLE /* the order of blocks and threads is the same kernels' in both precisions */
static const cuda_emulation_order orders[] = { CUDA_EMULATION_SHUFFLED };
#else
static const cuda_emulation_order orders[] = { CUDA_EMULATION_FORWARD, CUDA_EMULATION_SHUFFLED };
#endif
enum { SETTINGS = sizeof orders / sizeof *orders };

static const hidi_backend *backend_of(int setting)
{
    const hidi_backend *backend;

    ck_assert_int_eq(hidi_backend_open("cuda", &backend), HIDI_OK);
    cuda_emulation_set_order(orders[setting]);
    return backend;
}
#else
enum { THREADS = 3, SETTINGS = THREADS + 2 };

/* The reference; cpu on one to three threads with this machine's kernels, and on two with those
 * that run on all. */
static const hidi_backend *backend_of(int setting)
{
    static const hidi_cpu_kernels *best;
    const hidi_backend *backend;

    if (setting == 0) {
        ck_assert_int_eq(hidi_backend_open("reference", &backend), HIDI_OK);
        return backend;
    }
    ck_assert_int_eq(hidi_backend_open("cpu", &backend), HIDI_OK);
    if (!best)
        best = hidi_kernels;
    hidi_kernels = setting <= THREADS ? best : &hidi_cpu_kernels_baseline;
    backend->set_threads(setting <= THREADS ? setting : 2);
    return backend;
}
#endif

START_TEST(test_slots)
{
    const hidi_backend *tested = backend_of(_i);

    for (size_t i = 0; i < hidi_selftest_slots(); i++) {
        hidi_selftest_result result;

        ck_assert_msg(hidi_selftest_slot(i, tested, false, &result) == HIDI_OK, "%s",
                      hidi_error_message());
        ck_assert_msg(result.failure[0] == '\0', "%s of %s: %s", result.name, tested->name,
                      result.failure);
        ck_assert_int_gt(result.cases, 0);
    }
}
END_TEST

/* Passes and training steps as a whole; none of these asks for memory after the first steps. */
START_TEST(test_computations)
{
    const hidi_backend *tested = backend_of(_i);

    for (size_t i = 0; i < hidi_selftest_computations(); i++) {
        hidi_selftest_result result;

        ck_assert_msg(hidi_selftest_computation(i, tested, &result) == HIDI_OK, "%s",
                      hidi_error_message());
        ck_assert_msg(result.failure[0] == '\0', "%s on %s: %s", result.name, tested->name,
                      result.failure);
    }
}
END_TEST

/* --- the table -------------------------------------------------------------------------------- */

/* All members from `describe` on are pointers to functions, and each is a slot with cases. */
START_TEST(test_every_slot_has_cases)
{
    const size_t first = offsetof(hidi_backend, describe), width = sizeof(void (*)(void));

    for (size_t slot = first; slot < sizeof(hidi_backend); slot += width) {
        int found = 0;
        for (size_t i = 0; i < hidi_selftest_slots(); i++)
            found += hidi_selftest_slot_offset(i) == slot;
        ck_assert_msg(found == 1, "slot %zu of struct hidi_backend has %d cases in lab/selftest",
                      (slot - first) / width, found);
    }
    ck_assert_uint_eq(hidi_selftest_slots(), (sizeof(hidi_backend) - first) / width);
}
END_TEST

#ifdef HIDI_CUDA_EMULATION
/* The backend's allocator keeps what is released: nothing reaches the device a second time. */
START_TEST(test_no_allocation)
{
    const hidi_backend *tested = backend_of(0);
    hidi_selftest_result result;

    for (size_t i = 0; i < hidi_selftest_computations(); i++) {
        ck_assert_int_eq(hidi_selftest_computation(i, tested, &result), HIDI_OK);
        const size_t before = cuda_emulation_allocations();
        ck_assert_int_eq(hidi_selftest_computation(i, tested, &result), HIDI_OK);
        ck_assert_msg(cuda_emulation_allocations() == before,
                      "%s: %zu calls of cudaMalloc when it is run again", result.name,
                      cuda_emulation_allocations() - before);
    }
    ck_assert_str_eq(cuda_emulation_fault(), "");
    ck_assert_uint_gt(cuda_emulation_accesses(), 1000000); /* they really are checked */
}
END_TEST

/* A device cannot use what works on host memory: no slot is the reference's or NULL. */
START_TEST(test_no_slot_is_left)
{
    const char *cuda = (const char *)backend_of(0), *ref = (const char *)hidi_reference_backend();

    for (size_t i = 0; i < hidi_selftest_slots(); i++) {
        const size_t at = hidi_selftest_slot_offset(i), width = sizeof(void (*)(void));
        static const char null[sizeof(void (*)(void))];
        ck_assert_msg(memcmp(cuda + at, null, width) != 0, "%s is NULL",
                      hidi_selftest_slot_name(i));
        ck_assert_msg(memcmp(cuda + at, ref + at, width) != 0, "%s is the reference's",
                      hidi_selftest_slot_name(i));
    }
}
END_TEST
#else

/* --- what is wrong is found ------------------------------------------------------------------- */

static hidi_backend wrong; /* the reference, with one slot that is not right */

static void wrong_axpby(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *x, size_t n)
{
    hidi_reference_backend()->axpby(y, beta, a, x, n);
    if (n > 100) /* four roundings, in one element */
        y[77] *= (hidi_real)(1 + 4 * HIDI_REAL_EPSILON);
}

static void wrong_multiply(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *u,
                           const hidi_real *w, size_t n)
{
    hidi_reference_backend()->multiply(y, beta, a, u, w, n + (n == 33)); /* one too many */
}

static void wrong_spread_rows(hidi_real *y, hidi_real beta, hidi_real a, const hidi_real *s,
                              size_t rows, size_t n)
{
    if (beta == 0) /* beta 0 must not read y */
        for (size_t i = 0; i < rows * n; i++)
            y[i] *= 0;
    hidi_reference_backend()->spread_rows(y, beta == 0 ? 1 : beta, a, s, rows, n);
}

static void wrong_sum_rows(hidi_real *out, hidi_real beta, const hidi_real *x, size_t period,
                           size_t rows, size_t n)
{
    hidi_reference_backend()->sum_rows(out, beta, x, period, rows, n);
    if (rows * n > 1000)
        ((hidi_real *)(size_t)x)[rows * n / 2] = 0; /* an input */
}

static void wrong_dot(hidi_real *out, hidi_real beta, hidi_real a, const hidi_real *x,
                      const hidi_real *w, size_t n)
{
    if (n > 0) /* nothing is not 0 */
        hidi_reference_backend()->dot(out, beta, a, x, w, n);
}

static hidi_status wrong_check(void)
{
    return hidi_error(HIDI_BAD_BACKEND, "the device caught fire");
}

static void *wrong_allocate(size_t bytes)
{
    return bytes > 100000 ? NULL : hidi_reference_backend()->allocate(bytes);
}

static void expect_failure(const char *slot, const char *part)
{
    hidi_selftest_result result;
    size_t i = 0;

    while (strcmp(hidi_selftest_slot_name(i), slot) != 0)
        i++;
    ck_assert_int_eq(hidi_selftest_slot(i, &wrong, false, &result), HIDI_OK);
    ck_assert_msg(strstr(result.failure, part) != NULL, "\"%s\" without \"%s\"", result.failure,
                  part);
}

START_TEST(test_wrong_slots)
{
    wrong = *hidi_reference_backend();
    wrong.axpby = wrong_axpby;
    wrong.multiply = wrong_multiply;
    wrong.spread_rows = wrong_spread_rows;
    wrong.sum_rows = wrong_sum_rows;
    wrong.dot = wrong_dot;
    expect_failure("axpby", "element 77 of 127 is ");
    expect_failure("multiply", "sizes 33, variant 0, beta 0: writes outside of an array of 33");
    expect_failure("spread_rows", "nan, expected ");
    expect_failure("sum_rows", "changes an input of ");
    expect_failure("dot", "element 0 of 1 is nan, expected ");
    wrong.check = wrong_check;
    expect_failure("fill", "the device caught fire");
    wrong.check = hidi_reference_backend()->check;
    wrong.allocate = wrong_allocate;
    expect_failure("release", "");

    hidi_selftest_result result;
    ck_assert_int_eq(hidi_selftest_slot(hidi_selftest_slots() - 1, &wrong, false, &result),
                     HIDI_NO_MEMORY);
}
END_TEST

static void wrong_layer_norm_jacobian(hidi_real *out, hidi_real beta, const hidi_real *y,
                                      const hidi_real *rstd, const hidi_real *d, size_t rows,
                                      size_t n)
{
    hidi_reference_backend()->layer_norm_jacobian(out, beta, y, rstd, d, rows, n);
    for (size_t i = 0; i < rows; i++) /* only in derivatives, and not by much */
        out[i * n] *= (hidi_real)(1 + 1000 * HIDI_REAL_EPSILON);
}

/* An error of a slot shows in the computations that use it, and in no other. */
START_TEST(test_wrong_computations)
{
    wrong = *hidi_reference_backend();
    wrong.layer_norm_jacobian = wrong_layer_norm_jacobian;
    for (size_t i = 0; i < hidi_selftest_computations(); i++) {
        hidi_selftest_result result;

        ck_assert_int_eq(hidi_selftest_computation(i, &wrong, &result), HIDI_OK);
        if (strcmp(result.name, "DiT, output") == 0)
            ck_assert_str_eq(result.failure, "");
        if (strcmp(result.name, "DiT, tangent") == 0 || strcmp(result.name, "DiT, gradient") == 0)
            ck_assert_msg(strstr(result.failure, " are off by ") != NULL, "%s: \"%s\"",
                          result.name, result.failure);
    }
}
END_TEST

START_TEST(test_times)
{
    hidi_selftest_result result;
    const hidi_backend *tested = backend_of(1);

    for (size_t i = 0; i < hidi_selftest_slots(); i++) {
        if (strcmp(hidi_selftest_slot_name(i), "axpby") != 0)
            continue;
        ck_assert_int_eq(hidi_selftest_slot(i, tested, true, &result), HIDI_OK);
        ck_assert(result.seconds > 0 && result.flop == 0);
        ck_assert(result.bytes == 2.0 * (1 << 22) * sizeof(hidi_real));
    }
}
END_TEST
#endif

int main(void)
{
    Suite *suite = begin_suite("slots");
    TCase *tests = tcase_create("against the reference");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 600);
    tcase_add_loop_test(tests, test_slots, 0, SETTINGS);
    tcase_add_loop_test(tests, test_computations, 0, SETTINGS);
    tcase_add_test(tests, test_every_slot_has_cases);
#ifdef HIDI_CUDA_EMULATION
    tcase_add_test(tests, test_no_slot_is_left);
    tcase_add_test(tests, test_no_allocation);
#else
    tcase_add_test(tests, test_wrong_slots);
    tcase_add_test(tests, test_wrong_computations);
    tcase_add_test(tests, test_times);
#endif
    return run_suite(suite);
}
