/* test_dense.c - products, eigenvalues and singular values in double precision. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "eval/dense.h"
#include "core/threads.h"
#include "doubles.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const double pi = 3.14159265358979323846;

/* --- products --------------------------------------------------------------------------------- */

/* From the definition; what is below the diagonal is left out of a Gram matrix. */
START_TEST(products_as_defined)
{
    static const size_t sizes[][3] = { { 1, 1, 1 }, { 3, 5, 7 }, { 300, 270, 33 }, { 257, 1, 4 },
                                       { 2, 513, 0 } };

    for (size_t s = 0; s < COUNT(sizes); s++) {
        size_t m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        double *a = draw(1, m * k), *b = draw(2, k * n), *bt = draw(3, k * n), *c = draw(4, m * n);
        double *sum = draw(4, m * n), *product = draw(5, m * n);
        for (size_t i = 0; i < k * n; i++)
            bt[i % n * k + i / n] = b[i];
        hidi_dense_multiply(product, false, a, b, false, m, n, k);
        hidi_dense_multiply(sum, true, a, bt, true, m, n, k);
        for (size_t i = 0; i < m * n; i++) {
            double expected = 0;
            for (size_t l = 0; l < k; l++)
                expected += a[i / n * k + l] * b[l * n + i % n];
            assert_double_near(product[i], expected, DBL_EPSILON * (double)(k * k + 1));
            assert_double_near(sum[i], c[i] + expected, DBL_EPSILON * (double)(k * k + 4));
        }
        free(a), free(b), free(bt), free(c), free(sum), free(product);
    }
}
END_TEST

START_TEST(gram_matrices_as_defined)
{
    const size_t n = 37, D = 300;
    double *x = draw(6, n * D), *c = calloc(D * D, sizeof *c);

    hidi_dense_add_gram(c, x, 30, D);
    hidi_dense_add_gram(c, x + 30 * D, n - 30, D);
    for (size_t i = 0; i < D; i++)
        for (size_t j = i; j < D; j++) {
            double expected = 0;
            for (size_t k = 0; k < n; k++)
                expected += x[k * D + i] * x[k * D + j];
            assert_double_near(c[i * D + j], expected, DBL_EPSILON * (double)(n * n));
        }
    free(x);
    free(c);
}
END_TEST

START_TEST(threads_do_not_change_a_bit)
{
    const size_t n = 600, k = 50;
    double *a = draw(7, n * k), *one = draw(8, n * n), *two = draw(9, n * n);
    const int before = hidi_limit_threads(1);

    hidi_dense_multiply(one, false, a, a, true, n, n, k);
    hidi_limit_threads(3);
    hidi_dense_multiply(two, false, a, a, true, n, n, k);
    ck_assert_int_eq(memcmp(one, two, n * n * sizeof *one), 0);
    hidi_limit_threads(before);
    free(a), free(one), free(two);
}
END_TEST

/* --- eigenvalues: loop tests, 0 is what the build uses, 1 is Jacobi --------------------------- */

static hidi_status (*const eigen[])(double *, double *, size_t) = { hidi_symmetric_eigen,
                                                                    hidi_jacobi_eigen };

/* A v_i = w_i v_i, V V^T = 1 and w ascending, all to n^2 roundings of |A|. */
static void check_eigen(hidi_status (*solve)(double *, double *, size_t), const double *a, size_t n,
                        double *w)
{
    double *v = malloc(n * n * sizeof *v), norm = 0;
    double roundings = (double)(n * n + 4) * DBL_EPSILON;

    ck_assert_ptr_nonnull(v);
    memcpy(v, a, n * n * sizeof *v);
    for (size_t i = 0; i < n * n; i++)
        norm = hypot(norm, a[i]);
    ck_assert_int_eq(solve(v, w, n), HIDI_OK);
    for (size_t i = 0; i < n; i++) {
        ck_assert(i == 0 || w[i - 1] <= w[i]);
        for (size_t j = 0; j < n; j++) {
            double product = 0, inner = 0;
            for (size_t k = 0; k < n; k++) {
                product += a[j * n + k] * v[i * n + k];
                inner += v[i * n + k] * v[j * n + k];
            }
            assert_double_near(product, w[i] * v[i * n + j], roundings * norm);
            assert_double_near(inner, i == j, roundings);
        }
    }
    free(v);
}

START_TEST(known_eigenvalues)
{
    const size_t n = 12;
    double a[144] = { 0 }, w[12], two[4] = { 2, -3, -3, 2 }, one = -7;

    check_eigen(eigen[_i], two, 2, w);
    assert_double_near(w[0], -1, 8 * DBL_EPSILON);
    assert_double_near(w[1], 5, 8 * DBL_EPSILON);
    check_eigen(eigen[_i], &one, 1, w);
    ck_assert(w[0] == -7);
    check_eigen(eigen[_i], a, n, w);
    for (size_t i = 0; i < n; i++)
        ck_assert(w[i] == 0);
    /* -1 2 -1: 2 - 2 cos(k pi / (n + 1)), k = 1 .. n */
    for (size_t i = 0; i < n; i++) {
        a[i * n + i] = 2;
        if (i + 1 < n)
            a[i * n + i + 1] = a[(i + 1) * n + i] = -1;
    }
    check_eigen(eigen[_i], a, n, w);
    for (size_t k = 1; k <= n; k++)
        assert_double_near(w[k - 1], 2 - 2 * cos((double)k * pi / 13), 100 * DBL_EPSILON);
}
END_TEST

START_TEST(eigenvectors_of_any_symmetric_matrix)
{
    static const double scale[] = { 1, 1e-100, 1e100, 1e-160 };
    static const size_t size[] = { 2, 3, 7, 33, 64 };
    double w[64];

    for (size_t s = 0; s < COUNT(size); s++)
        for (size_t c = 0; c < COUNT(scale); c++) {
            size_t n = size[s];
            double *a = draw(n, n * n);
            for (size_t i = 0; i < n; i++)
                for (size_t j = 0; j <= i; j++)
                    a[j * n + i] = a[i * n + j] *= scale[c];
            check_eigen(eigen[_i], a, n, w);
            free(a);
        }
}
END_TEST

START_TEST(repeated_eigenvalues)
{
    const size_t n = 16; /* 1 + u u^T: 1 fifteen times, 1 + |u|^2 */
    double *u = draw(9, n), a[256], w[16], norm = 0;

    for (size_t i = 0; i < n; i++) {
        norm += u[i] * u[i];
        for (size_t j = 0; j < n; j++)
            a[i * n + j] = (i == j) + u[i] * u[j];
    }
    check_eigen(eigen[_i], a, n, w);
    for (size_t i = 0; i < n - 1; i++)
        assert_double_near(w[i], 1, 100 * DBL_EPSILON * norm);
    assert_double_near(w[n - 1], 1 + norm, 100 * DBL_EPSILON * norm);
    free(u);
}
END_TEST

START_TEST(matrices_that_are_not_finite)
{
    double a[4] = { 1, (double)NAN, (double)NAN, 1 }, b[4] = { (double)INFINITY, 0, 0, 1 }, w[2];

    ck_assert_int_eq(eigen[_i](a, w, 2), HIDI_NOT_FINITE);
    ck_assert_int_eq(eigen[_i](b, w, 2), HIDI_NOT_FINITE);
}
END_TEST

/* --- singular values: loop tests, likewise ---------------------------------------------------- */

static hidi_status (*const singular[])(double *, size_t, size_t, double *) = {
    hidi_singular_values, hidi_jacobi_singular
};

START_TEST(known_singular_values)
{
    double a[6] = { 0, 3, 0, -4, 0, 0 }, s[3], column[3] = { 2, -3, 6 }, zero[4] = { 0 };

    ck_assert_int_eq(singular[_i](a, 2, 3, s), HIDI_OK);
    assert_double_near(s[0], 4, 8 * DBL_EPSILON);
    assert_double_near(s[1], 3, 8 * DBL_EPSILON);
    ck_assert_int_eq(singular[_i](column, 3, 1, s), HIDI_OK);
    assert_double_near(s[0], 7, 16 * DBL_EPSILON);
    ck_assert_int_eq(singular[_i](zero, 2, 2, s), HIDI_OK);
    ck_assert(s[0] == 0 && s[1] == 0);
    ck_assert_int_eq(singular[_i](zero, 0, 4, s), HIDI_OK);
}
END_TEST

/* A = H(u) diag(d) H(v) with reflections H: singular values |d|, the smallest ones as exactly as
 * the largest, which roots of eigenvalues of A A^T would not give. */
START_TEST(singular_values_of_any_shape)
{
    static const size_t shape[][2] = { { 1, 1 }, { 5, 5 }, { 7, 20 }, { 40, 12 } };

    for (size_t c = 0; c < COUNT(shape); c++) {
        size_t m = shape[c][0], n = shape[c][1], few = m < n ? m : n;
        double *u = draw(10, m), *v = draw(11, n), *a = calloc(m * n, sizeof *a), s[64];
        double uu = 0, vv = 0;
        for (size_t i = 0; i < m; i++)
            uu += u[i] * u[i];
        for (size_t j = 0; j < n; j++)
            vv += v[j] * v[j];
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++)
                for (size_t k = 0; k < few; k++)
                    a[i * n + j] += ((i == k) - 2 * u[i] * u[k] / uu) * pow(0.2, (double)k) *
                                    ((j == k) - 2 * v[j] * v[k] / vv);
        ck_assert_int_eq(singular[_i](a, m, n, s), HIDI_OK);
        for (size_t k = 0; k < few; k++)
            assert_double_near(s[k], pow(0.2, (double)k), 64 * DBL_EPSILON);
        free(u), free(v), free(a);
    }
}
END_TEST

START_TEST(singular_values_of_large_and_small_numbers)
{
    static const double scale[] = { 1e-200, 1e200 };

    for (size_t c = 0; c < COUNT(scale); c++) {
        double a[4] = { scale[c], scale[c], 0, scale[c] }, s[2], golden = (sqrt(5) + 1) / 2;
        ck_assert_int_eq(singular[_i](a, 2, 2, s), HIDI_OK);
        assert_double_near(s[0], golden * scale[c], 8 * DBL_EPSILON * scale[c]);
        assert_double_near(s[1], scale[c] / golden, 8 * DBL_EPSILON * scale[c]);
    }
}
END_TEST

START_TEST(singular_values_of_what_is_not_finite)
{
    double a[2] = { 1, (double)NAN }, s[1];

    ck_assert_int_eq(singular[_i](a, 1, 2, s), HIDI_NOT_FINITE);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("dense");
    TCase *tcase = tcase_create("dense");
    tcase_add_test(tcase, products_as_defined);
    tcase_add_test(tcase, gram_matrices_as_defined);
    tcase_add_test(tcase, threads_do_not_change_a_bit);
    tcase_add_loop_test(tcase, known_eigenvalues, 0, 2);
    tcase_add_loop_test(tcase, eigenvectors_of_any_symmetric_matrix, 0, 2);
    tcase_add_loop_test(tcase, repeated_eigenvalues, 0, 2);
    tcase_add_loop_test(tcase, matrices_that_are_not_finite, 0, 2);
    tcase_add_loop_test(tcase, known_singular_values, 0, 2);
    tcase_add_loop_test(tcase, singular_values_of_any_shape, 0, 2);
    tcase_add_loop_test(tcase, singular_values_of_large_and_small_numbers, 0, 2);
    tcase_add_loop_test(tcase, singular_values_of_what_is_not_finite, 0, 2);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
