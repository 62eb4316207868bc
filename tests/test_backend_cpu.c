/* test_backend_cpu.c - what the cpu backend promises beyond its slots' contracts, on one to three
 * threads with this machine's kernels, and on two with those that run on all.  The slots
 * themselves: test_backend_slots.c.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <check.h>

#include "backend/tables.h"
#include "backend/cpu/cpu.h"
#include "suite.h"

enum { THREADS = 3, LOOPS = THREADS + 1 };

static const hidi_backend *cpu;

static void setup(int i)
{
    static const hidi_cpu_kernels *best;

    ck_assert_int_eq(hidi_backend_open("cpu", &cpu), HIDI_OK);
    if (!best)
        best = hidi_kernels;
    hidi_kernels = i < THREADS ? best : &hidi_cpu_kernels_baseline;
    cpu->set_threads(i < THREADS ? i + 1 : 2);
}

/* An OpenBLAS that does not know the processor is told of one that it knows. */
START_TEST(test_blas_core)
{
    ck_assert_str_eq(hidi_blas_core_for("Prescott", true, true), "SkylakeX");
    ck_assert_str_eq(hidi_blas_core_for("Nehalem", true, false), "Haswell");
    ck_assert_ptr_null(hidi_blas_core_for("Nehalem", false, false));
    ck_assert_ptr_null(hidi_blas_core_for("Haswell", true, true));
    ck_assert_ptr_null(hidi_blas_core_for("Zen", true, true));
}
END_TEST

/* In the tails a derivative of 1 or 0 is exact, infinity does not become NaN, and NaN stays. */
START_TEST(test_unary_extremes)
{
    const hidi_real big = (hidi_real)1e30, inf = (hidi_real)INFINITY, nan = (hidi_real)NAN;
    const hidi_real x[16] = { big, -big, inf, nan, nan, nan, nan, nan, /* vectors, and a tail */
                              nan, nan, nan, nan, nan, nan, nan, nan };
    hidi_real y[11], d[11] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const hidi_unary maps[] = { HIDI_GELU, HIDI_SILU };

    setup(_i);
    for (size_t f = 0; f < sizeof maps / sizeof *maps; f++) {
        cpu->unary(maps[f], y, x, 11, NULL);
        ck_assert(y[0] == big && y[1] == 0 && y[2] == inf);
        for (int i = 3; i < 11; i++)
            ck_assert(isnan(y[i]));
        cpu->unary_jacobian(maps[f], y, 0, x, d, 11, NULL);
        ck_assert(y[0] == 1 && y[1] == 0 && y[2] == 1);
        for (int i = 3; i < 11; i++)
            ck_assert(isnan(y[i]));
    }
    cpu->softmax(y, x, 1, 11);
    for (int i = 0; i < 11; i++)
        ck_assert_msg(isnan(y[i]), "softmax of a row with a NaN: y[%d] is %g", i, (double)y[i]);
}
END_TEST

/* A NaN in the last column reaches the outputs whose windows hold it, not the rows and channels
 * behind it, whose padding its place takes where rows are gathered in one piece. */
START_TEST(test_conv_edges)
{
    enum { C = 3, SIDE = 9, PIXELS = SIDE * SIDE, O = 2, ROW = 4 };
    const hidi_window window = { 1, C, SIDE, SIDE, O, 3, 3, 1, 1, 1, SIDE, SIDE };
    hidi_real x[C * PIXELS], w[O * C * 9], y[O * PIXELS], *scratch;

    setup(_i);
    for (size_t i = 0; i < C * PIXELS; i++)
        x[i] = 1;
    for (size_t i = 0; i < O * C * 9; i++)
        w[i] = 1;
    x[PIXELS + ROW * SIDE + SIDE - 1] = (hidi_real)NAN;
    scratch = cpu->allocate((cpu->conv_scratch(&window) + 1) * sizeof *scratch);
    ck_assert_ptr_nonnull(scratch);
    cpu->conv2d(y, 0, x, w, NULL, &window, scratch);
    for (size_t i = 0; i < O * PIXELS; i++) {
        const size_t row = i % PIXELS / SIDE, column = i % SIDE;
        const bool sees = row + 1 >= ROW && row <= ROW + 1 && column >= SIDE - 2;
        ck_assert_msg(isnan(y[i]) == sees, "row %zu, column %zu: %g", row, column, (double)y[i]);
    }
    cpu->release(scratch);
}
END_TEST

START_TEST(test_threads)
{
    setup(_i);
    ck_assert_str_eq(cpu->name, "cpu");
    ck_assert_int_ge(cpu->threads(), 1);
#ifdef _OPENMP
    ck_assert_int_eq(cpu->threads(), _i < THREADS ? _i + 1 : 2);
    const char *text = ", OpenMP,";
#else
    const char *text = ", no OpenMP,";
#endif
    ck_assert_msg(strstr(cpu->describe(), text) != NULL, "\"%s\" without \"%s\"", cpu->describe(),
                  text);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("cpu backend");
    TCase *cases = tcase_create("extremes and threads");

    if (hidi_cpu_backend() == hidi_reference_backend())
        return 77; /* built without BLAS: automake's "skipped" */
    tcase_add_test(cases, test_blas_core);
    tcase_add_loop_test(cases, test_unary_extremes, 0, LOOPS);
    tcase_add_loop_test(cases, test_conv_edges, 0, LOOPS);
    tcase_add_loop_test(cases, test_threads, 0, LOOPS);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
