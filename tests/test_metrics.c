/* test_metrics.c - Frechet distance, precision and recall. */
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

#include "eval/frechet.h"
#include "eval/precision_recall.h"
#include "doubles.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const double pi = 3.14159265358979323846;

/* --- Frechet distance ------------------------------------------------------------------------- */

/* mean: [D], NULL for 0; covariance: [D, D] */
static hidi_moments gaussian(size_t D, const double *mean, const double *covariance)
{
    hidi_moments moments;

    ck_assert_int_eq(hidi_moments_init(&moments, D), HIDI_OK);
    if (mean != NULL)
        memcpy(moments.mean, mean, D * sizeof *mean);
    memcpy(moments.covariance, covariance, D * D * sizeof *covariance);
    return moments;
}

static hidi_moments moments_of(const double *features, size_t n, size_t D)
{
    hidi_moments moments;

    ck_assert_int_eq(hidi_moments_init(&moments, D), HIDI_OK);
    hidi_moments_add(&moments, features, n);
    ck_assert_int_eq(hidi_moments_finish(&moments), HIDI_OK);
    return moments;
}

/* Both ways round: it is symmetric.  Frees a and b. */
static hidi_frechet distance(hidi_moments a, hidi_moments b)
{
    hidi_frechet there, back;

    ck_assert_int_eq(hidi_frechet_distance(&there, &a, &b), HIDI_OK);
    ck_assert_int_eq(hidi_frechet_distance(&back, &b, &a), HIDI_OK);
    double scale = there.mean_term + there.trace_1 + there.trace_2;
    assert_double_near(there.distance, back.distance, 1e-7 * scale);
    hidi_moments_free(&a);
    hidi_moments_free(&b);
    return there;
}

START_TEST(frechet_in_one_dimension)
{
    /* (m1 - m2)^2 + (s1 - s2)^2 */
    const double mean[2] = { 3, -1.5 }, variance[2] = { 4, 0.25 };
    hidi_frechet d = distance(gaussian(1, &mean[0], &variance[0]),
                              gaussian(1, &mean[1], &variance[1]));

    assert_double_near(d.distance, 4.5 * 4.5 + 1.5 * 1.5, 64 * DBL_EPSILON * 24);
    assert_double_near(d.mean_term, 20.25, 8 * DBL_EPSILON * 20);
    assert_double_near(d.cross_term, 1, 8 * DBL_EPSILON);
    ck_assert(d.trace_1 == 4 && d.trace_2 == 0.25);
}
END_TEST

START_TEST(frechet_of_covariances_that_commute)
{
    /* C = Q diag(c) Q^T with the reflection Q = 1 - 2 u u^T / |u|^2 for both:
     * sum (sqrt(c1) - sqrt(c2))^2. */
    const size_t D = 24;
    double *u = draw(3, D), *s1 = draw(4, D), *s2 = draw(5, D), c1[576], c2[576];
    double norm = 0, expected = 0, total = 0;

    for (size_t i = 0; i < D; i++) {
        norm += u[i] * u[i];
        expected += (fabs(s1[i]) - fabs(s2[i])) * (fabs(s1[i]) - fabs(s2[i]));
        total += s1[i] * s1[i] + s2[i] * s2[i];
    }
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            c1[i * D + j] = c2[i * D + j] = 0;
            for (size_t k = 0; k < D; k++) {
                double q = (i == k) - 2 * u[i] * u[k] / norm;
                q *= (j == k) - 2 * u[j] * u[k] / norm;
                c1[i * D + j] += q * s1[k] * s1[k];
                c2[i * D + j] += q * s2[k] * s2[k];
            }
        }
    hidi_frechet d = distance(gaussian(D, NULL, c1), gaussian(D, NULL, c2));
    assert_double_near(d.distance, expected, 1e-12 * total);
    free(u);
    free(s1);
    free(s2);
}
END_TEST

START_TEST(frechet_of_a_rotated_pair)
{
    /* 2 x 2: tr X^(1/2) = sqrt(tr X + 2 sqrt(det X)) for X = C1 C2. */
    for (int degrees = 0; degrees <= 180; degrees += 15) {
        double c = cos(degrees * pi / 180), s = sin(degrees * pi / 180);
        const double c1[4] = { 4, 0, 0, 1 };
        const double c2[4] = { 9 * c * c + s * s, 8 * c * s, 8 * c * s, 9 * s * s + c * c };
        hidi_frechet d = distance(gaussian(2, NULL, c1), gaussian(2, NULL, c2));
        double cross = sqrt(4 * c2[0] + c2[3] + 2 * sqrt(4 * 9));
        assert_double_near(d.cross_term, cross, 32 * DBL_EPSILON * cross);
        assert_double_near(d.distance, 5 + 10 - 2 * cross, 128 * DBL_EPSILON * 15);
    }
}
END_TEST

START_TEST(frechet_of_a_set_with_itself_is_0)
{
    /* Fewer samples than dimensions, as many, and more. */
    static const size_t n[] = { 5, 40, 41, 500 };

    for (size_t i = 0; i < COUNT(n); i++) {
        double *x = draw(n[i], n[i] * 40);
        hidi_frechet d = distance(moments_of(x, n[i], 40), moments_of(x, n[i], 40));
        assert_double_near(d.distance, 0, 1e-12 * d.trace_1);
        ck_assert(d.mean_term == 0);
        free(x);
    }
}
END_TEST

START_TEST(frechet_of_a_set_and_the_set_moved)
{
    double *x = draw(6, 300 * 10), *y = draw(6, 300 * 10);

    for (size_t i = 0; i < 3000; i++)
        y[i] += i % 10 == 3 ? 2 : 0;
    hidi_frechet d = distance(moments_of(x, 300, 10), moments_of(y, 300, 10));
    assert_double_near(d.distance, 4, 1e-12 * 4);
    free(x);
    free(y);
}
END_TEST

START_TEST(frechet_with_a_covariance_of_rank_1)
{
    /* C1 = u u^T: tr (C1 C2)^(1/2) = sqrt(u^T C2 u). */
    const size_t D = 20;
    double *x = draw(7, 50 * D), *u = draw(8, D), c1[400], quadratic = 0;
    hidi_moments b = moments_of(x, 50, D);

    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            c1[i * D + j] = u[i] * u[j];
            quadratic += u[i] * b.covariance[i * D + j] * u[j];
        }
    hidi_frechet d = distance(gaussian(D, b.mean, c1), b);
    assert_double_near(d.cross_term, sqrt(quadratic), 1e-12 * sqrt(quadratic));
    free(x);
    free(u);
}
END_TEST

START_TEST(moments_do_not_depend_on_batches)
{
    const size_t n = 200, D = 9;
    double *x = draw(10, n * D), mean[9] = { 0 }, covariance[81] = { 0 };

    for (size_t i = 0; i < n * D; i++)
        x[i] += 1e6; /* E x^2 - (E x)^2 would lose 12 of 16 digits */
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            mean[j] += (x[i * D + j] - 1e6) / (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            for (size_t k = 0; k < D; k++)
                covariance[j * D + k] += (x[i * D + j] - 1e6 - mean[j]) *
                                         (x[i * D + k] - 1e6 - mean[k]) / (double)(n - 1);
    for (size_t batch = 1; batch <= n; batch += batch < 4 ? 1 : 49) {
        hidi_moments moments;
        ck_assert_int_eq(hidi_moments_init(&moments, D), HIDI_OK);
        for (size_t i = 0; i < n; i += batch)
            hidi_moments_add(&moments, x + i * D, n - i < batch ? n - i : batch);
        ck_assert_int_eq(hidi_moments_finish(&moments), HIDI_OK);
        ck_assert_uint_eq(moments.count, n);
        for (size_t j = 0; j < D; j++)
            assert_double_near(moments.mean[j] - 1e6, mean[j], 1e6 * (double)n * DBL_EPSILON);
        for (size_t j = 0; j < D * D; j++)
            assert_double_near(moments.covariance[j], covariance[j], 1e-8);
        hidi_moments_free(&moments);
    }
    free(x);
}
END_TEST

START_TEST(moments_that_make_no_sense)
{
    const double x[4] = { 1, 2, 3, (double)NAN };
    hidi_moments a, b;
    hidi_frechet d;

    ck_assert_int_eq(hidi_moments_init(&a, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_moments_init(&a, SIZE_MAX / 8), HIDI_NO_MEMORY);
    ck_assert_int_eq(hidi_moments_init(&a, 2), HIDI_OK);
    ck_assert_int_eq(hidi_moments_finish(&a), HIDI_BAD_ARGUMENT);
    hidi_moments_add(&a, x, 1);
    ck_assert_int_eq(hidi_moments_finish(&a), HIDI_BAD_ARGUMENT);
    hidi_moments_add(&a, x + 2, 1);
    ck_assert_int_eq(hidi_moments_finish(&a), HIDI_OK);
    ck_assert_int_eq(hidi_frechet_distance(&d, &a, &a), HIDI_NOT_FINITE);
    ck_assert_int_eq(hidi_moments_init(&b, 3), HIDI_OK);
    ck_assert_int_eq(hidi_frechet_distance(&d, &a, &b), HIDI_BAD_SHAPE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "of 2 and of 3 dimensions"));
    hidi_moments_free(&a);
    hidi_moments_free(&b);
}
END_TEST

/* --- precision and recall --------------------------------------------------------------------- */

static void check_precision_recall(const double *real, size_t n_real, const double *fake,
                                   size_t n_fake, size_t D, size_t k, size_t precise,
                                   size_t recalled)
{
    double precision, recall;

    ck_assert_int_eq(hidi_precision_recall(real, n_real, fake, n_fake, D, k, &precision, &recall),
                     HIDI_OK);
    assert_double_near(precision, (double)precise / (double)n_fake, DBL_EPSILON);
    assert_double_near(recall, (double)recalled / (double)n_real, DBL_EPSILON);
}

START_TEST(precision_and_recall_on_a_line)
{
    /* Distances to the nearest other: real 1 1 1 4, fake 0.5 0.5 99.5.  Real manifold: [-1, 10];
     * fake manifold: [-0.5, 1] and [0.5, 199.5]. */
    const double real[4] = { 0, 1, 2, 6 }, fake[3] = { 0, 0.5, 100 };
    const double near[4] = { 0, 0.5, 5, 7.5 };

    check_precision_recall(real, 4, fake, 3, 1, 1, 2, 4);
    /* The fake one is [-0.5, 1] and [2.5, 10] now, without 2. */
    check_precision_recall(real, 4, near, 4, 1, 1, 4, 3);
    /* To the second nearest other: real 2 1 2 5, manifold [-2, 11]. */
    check_precision_recall(real, 4, fake, 3, 1, 2, 2, 4);
}
END_TEST

START_TEST(the_rim_belongs_to_the_manifold)
{
    const double real[3] = { 0, 1, 2 }, at[2] = { 3, 3 }, beyond[2] = { nextafter(3, 4), 3.5 };

    check_precision_recall(real, 3, at, 2, 1, 1, 2, 0);
    check_precision_recall(real, 3, beyond, 2, 1, 1, 0, 0);
}
END_TEST

START_TEST(copies_are_inside_and_nothing_else)
{
    /* Radius 0 around points that are there twice, at a place where |a|^2 - 2 ab + |b|^2 would not
     * be 0. */
    double real[4 * 6], fake[3 * 6];

    for (size_t i = 0; i < 24; i++)
        real[i] = 1e3 + 0.1 * (double)(i % 6);
    memcpy(fake, real, sizeof fake);
    fake[17] += 1e-9;
    check_precision_recall(real, 4, fake, 3, 6, 1, 2, 4);
}
END_TEST

START_TEST(sets_that_are_equal_and_far_apart)
{
    double *x = draw(11, 100 * 5), *y = draw(12, 100 * 5);

    check_precision_recall(x, 100, x, 100, 5, 3, 100, 100);
    for (size_t i = 0; i < 500; i++)
        y[i] += 100;
    check_precision_recall(x, 100, y, 100, 5, 3, 0, 0);
    free(x);
    free(y);
}
END_TEST

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* From the definition, point by point. */
static size_t count_naively(const double *set, size_t n, const double *points, size_t m, size_t D,
                            size_t k)
{
    double *radius = calloc(n, sizeof *radius), *d = calloc(n, sizeof *d);
    size_t inside = 0;

    for (size_t pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < (pass == 0 ? n : m); i++) {
            bool found = false;
            for (size_t j = 0; j < n; j++) {
                const double *x = (pass == 0 ? set : points) + i * D;
                d[j] = 0;
                for (size_t l = 0; l < D; l++)
                    d[j] += (x[l] - set[j * D + l]) * (x[l] - set[j * D + l]);
                found = found || (pass == 1 && d[j] <= radius[j]);
            }
            inside += found;
            if (pass == 0) {
                qsort(d, n, sizeof *d, ascending); /* d[0] is the point itself */
                radius[i] = d[k];
            }
        }
    free(radius);
    free(d);
    return inside;
}

START_TEST(precision_and_recall_as_defined)
{
    static const size_t sizes[][4] = { { 64, 65, 3, 1 }, { 150, 40, 7, 3 }, { 33, 200, 8, 5 },
                                       { 20, 17, 2, 16 } };

    for (size_t i = 0; i < COUNT(sizes); i++) {
        size_t n = sizes[i][0], m = sizes[i][1], D = sizes[i][2], k = sizes[i][3];
        double *x = draw(20 + i, n * D), *y = draw(30 + i, m * D);
        for (size_t j = 0; j < m * D; j++)
            y[j] = 0.7 * y[j] + 0.2;
        size_t precise = count_naively(x, n, y, m, D, k);
        size_t recalled = count_naively(y, m, x, n, D, k);
        ck_assert_uint_gt(precise, 0);
        check_precision_recall(x, n, y, m, D, k, precise, recalled);
        free(x);
        free(y);
    }
}
END_TEST

START_TEST(precision_and_recall_of_nonsense)
{
    double x[6] = { 1, 2, 3, 4, 5, 6 }, y[6] = { 1, 2, 3, 4, 5, (double)NAN }, p, r;

    ck_assert_int_eq(hidi_precision_recall(x, 3, x, 6, 1, 3, &p, &r), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_precision_recall(x, 6, x, 3, 1, 3, &p, &r), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_precision_recall(x, 6, x, 6, 1, 0, &p, &r), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_precision_recall(x, 6, x, 6, 0, 1, &p, &r), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_precision_recall(x, 6, y, 6, 1, 1, &p, &r), HIDI_NOT_FINITE);
    ck_assert_int_eq(hidi_precision_recall(y, 6, x, 6, 1, 1, &p, &r), HIDI_NOT_FINITE);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("metrics");
    TCase *tcase = tcase_create("metrics");
    tcase_add_test(tcase, frechet_in_one_dimension);
    tcase_add_test(tcase, frechet_of_covariances_that_commute);
    tcase_add_test(tcase, frechet_of_a_rotated_pair);
    tcase_add_test(tcase, frechet_of_a_set_with_itself_is_0);
    tcase_add_test(tcase, frechet_of_a_set_and_the_set_moved);
    tcase_add_test(tcase, frechet_with_a_covariance_of_rank_1);
    tcase_add_test(tcase, moments_do_not_depend_on_batches);
    tcase_add_test(tcase, moments_that_make_no_sense);
    tcase_add_test(tcase, precision_and_recall_on_a_line);
    tcase_add_test(tcase, the_rim_belongs_to_the_manifold);
    tcase_add_test(tcase, copies_are_inside_and_nothing_else);
    tcase_add_test(tcase, sets_that_are_equal_and_far_apart);
    tcase_add_test(tcase, precision_and_recall_as_defined);
    tcase_add_test(tcase, precision_and_recall_of_nonsense);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
