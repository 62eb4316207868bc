/* test_random.c - random numbers: the generator's known answers, and what is drawn from it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "suite.h"

#define N 65536

static hidi_random test_draws(uint64_t step)
{
    hidi_random random = { 20240611, HIDI_STREAM_TEST, 0 };

    random.step = step;
    return random;
}

/* The known answers of Random123 (tests/kat_vectors, philox4x32 10) through the layout that
 * random.c documents; a bound of 2^63 shows all but the last bit of a draw. */
START_TEST(philox_known_answers)
{
    const uint64_t bound = UINT64_C(1) << 63;
    hidi_random zero = { 0, 0, 0 }, pi = { UINT64_C(0x299f31d0a4093822), 0x03707344, 0 };
    hidi_random ones = { UINT64_MAX, UINT32_MAX, UINT64_C(0xffffffffffff) };
    uint64_t out[2];

    hidi_uniform_int(zero, 0, bound, out, 2);
    ck_assert_uint_eq(out[0], UINT64_C(0xe169c58d6627e8d5) >> 1);
    ck_assert_uint_eq(out[1], UINT64_C(0x9b00dbd8bc57ac4c) >> 1);

    hidi_uniform_int(ones, (size_t)UINT64_C(0x1fffffffffffe), bound, out, 2);
    ck_assert_uint_eq(out[0], UINT64_C(0x41c83b0e408f276d) >> 1);
    ck_assert_uint_eq(out[1], UINT64_C(0x6d5451fda20bc7c6) >> 1);

    pi.step = UINT64_C(0x85a313198a2e);
    hidi_uniform_int(pi, (size_t)(2 * UINT64_C(0x08d3243f6a88)), bound, out, 2);
    ck_assert_uint_eq(out[0], UINT64_C(0x94fdccebd16cfe09) >> 1);
    ck_assert_uint_eq(out[1], UINT64_C(0x24126ea15001e420) >> 1);
}
END_TEST

/* mean, variance, skewness and excess kurtosis */
static void moments(const double *x, size_t n, double moment[4])
{
    double sum = 0, m2 = 0, m3 = 0, m4 = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    sum /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - sum;

        m2 += d * d / (double)n;
        m3 += d * d * d / (double)n;
        m4 += d * d * d * d / (double)n;
    }
    moment[0] = sum;
    moment[1] = m2;
    moment[2] = m3 / (m2 * sqrt(m2));
    moment[3] = m4 / (m2 * m2) - 3;
}

static double correlation(const double *x, const double *y, size_t n)
{
    double mx[4], my[4], sum = 0;

    moments(x, n, mx);
    moments(y, n, my);
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mx[0]) * (y[i] - my[0]);
    return sum / ((double)n * sqrt(mx[1] * my[1]));
}

/* Sum of (count - expected)^2 / expected for equally likely cells. */
static double chi_square(const size_t *count, size_t cells, size_t n)
{
    double expected = (double)n / (double)cells, sum = 0;

    for (size_t i = 0; i < cells; i++)
        sum += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
    return sum;
}

/* Every statistic is within 5 of its standard deviations: for fixed seeds a test never flickers. */
static const double sigmas = 5;

static double draws_a[N], draws_b[N];
static hidi_real normals[N], normals_b[N];

START_TEST(uniform_moments)
{
    size_t count[64] = { 0 };
    double moment[4];

    hidi_uniform(test_draws(1), 0, draws_a, N);
    for (size_t i = 0; i < N; i++) {
        ck_assert(draws_a[i] > 0 && draws_a[i] < 1);
        count[(size_t)(draws_a[i] * 64)]++;
    }
    moments(draws_a, N, moment);
    ck_assert_double_lt(fabs(moment[0] - 0.5), sigmas * sqrt(1.0 / 12 / N));
    ck_assert_double_lt(fabs(moment[1] - 1.0 / 12), sigmas * sqrt(1.0 / 180 / N));
    ck_assert_double_lt(chi_square(count, 64, N), 63 + sigmas * sqrt(2 * 63));
}
END_TEST

START_TEST(normal_moments)
{
    size_t count[2] = { 0, 0 };
    double moment[4];

    hidi_normal(test_draws(2), 0, normals, N);
    for (size_t i = 0; i < N; i++) {
        draws_a[i] = (double)normals[i];
        count[fabs(draws_a[i]) < 0.6744897501960817]++; /* half of them */
    }
    moments(draws_a, N, moment);
    ck_assert_double_lt(fabs(moment[0]), sigmas * sqrt(1.0 / N));
    ck_assert_double_lt(fabs(moment[1] - 1), sigmas * sqrt(2.0 / N));
    ck_assert_double_lt(fabs(moment[2]), sigmas * sqrt(6.0 / N));
    ck_assert_double_lt(fabs(moment[3]), sigmas * sqrt(24.0 / N));
    ck_assert_double_lt(chi_square(count, 2, N), sigmas * sigmas);
    /* the two halves of each pair */
    ck_assert_double_lt(fabs(correlation(draws_a, draws_a + 1, N - 1)), sigmas / sqrt(N));
}
END_TEST

/* Box and Muller on the uniform draws of the same numbers. */
START_TEST(normal_is_a_function_of_the_uniform_draws)
{
    const double two_pi = 6.283185307179586;

    hidi_uniform(test_draws(3), 10, draws_a, 1000);
    hidi_normal(test_draws(3), 10, normals, 1000);
    for (size_t i = 0; i < 1000; i += 2) {
        double radius = sqrt(-2 * log(draws_a[i])), angle = two_pi * draws_a[i + 1];

        ck_assert_double_le(fabs((double)normals[i] - radius * cos(angle)),
                            4 * HIDI_REAL_EPSILON * radius);
        ck_assert_double_le(fabs((double)normals[i + 1] - radius * sin(angle)),
                            4 * HIDI_REAL_EPSILON * radius);
    }
}
END_TEST

/* In one go (parallel) and in pieces (not): the same bits. */
START_TEST(pieces_make_the_whole)
{
    const size_t odd[] = { 1, 2, 3, 500, 77, 4999 }, even[] = { 2, 100, 6, 498, 78, 5000 };
    uint64_t whole[6000], piece[6000];

    hidi_normal(test_draws(4), 0, normals, N);
    for (size_t at = 0, k = 0; at < N; k++) {
        size_t n = even[k % 6] < N - at ? even[k % 6] : N - at;

        hidi_normal(test_draws(4), at, normals_b + at, n);
        at += n;
    }
    ck_assert_int_eq(memcmp(normals, normals_b, sizeof normals), 0);
    hidi_normal(test_draws(4), 0, normals_b, 4999);
    ck_assert_int_eq(memcmp(normals, normals_b, 4999 * sizeof *normals), 0);

    hidi_uniform(test_draws(4), 0, draws_a, N);
    for (size_t at = 0, k = 0; at < N; k++) {
        size_t n = odd[k % 6] < N - at ? odd[k % 6] : N - at;

        hidi_uniform(test_draws(4), at, draws_b + at, n);
        at += n;
    }
    ck_assert_int_eq(memcmp(draws_a, draws_b, sizeof draws_a), 0);

    hidi_uniform_int(test_draws(4), 0, 1000003, whole, 6000);
    hidi_uniform_int(test_draws(4), 0, 1000003, piece, 333);
    hidi_uniform_int(test_draws(4), 333, 1000003, piece + 333, 6000 - 333);
    ck_assert_int_eq(memcmp(whole, piece, sizeof whole), 0);
}
END_TEST

START_TEST(seeds_streams_and_steps_are_independent)
{
    hidi_random other[4];

    hidi_uniform(test_draws(5), 0, draws_a, N);
    for (int k = 0; k < 4; k++)
        other[k] = test_draws(5);
    other[0].seed++;
    other[1].seed ^= UINT64_C(1) << 40;
    other[2].stream++;
    other[3].step++;
    for (int k = 0; k < 4; k++) {
        hidi_uniform(other[k], 0, draws_b, N);
        ck_assert_double_lt(fabs(correlation(draws_a, draws_b, N)), sigmas / sqrt(N));
    }
}
END_TEST

START_TEST(integers_are_below_their_bound)
{
    uint64_t *out = malloc(N * sizeof *out);
    size_t count[10] = { 0 };

    ck_assert_ptr_nonnull(out);
    hidi_uniform_int(test_draws(6), 0, 10, out, N);
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_lt(out[i], 10);
        count[out[i]]++;
    }
    ck_assert_double_lt(chi_square(count, 10, N), 9 + sigmas * sqrt(2 * 9));
    hidi_uniform_int(test_draws(6), 0, 1, out, 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(out[i], 0);
    free(out);
}
END_TEST

/* floor(draw bound / 2^64) needs all 128 bits of the product; Python's integers gave the
 * answers. */
START_TEST(integers_use_the_whole_product)
{
    const uint64_t bound[] = { UINT64_MAX, UINT64_C(0xfedcba9876543211), UINT64_C(0x1ffffffff) };
    const uint64_t answer[][2] = {
        { UINT64_C(0xe169c58d6627e8d4), UINT64_C(0x9b00dbd8bc57ac4b) },
        { UINT64_C(0xe0694d3529664f56), UINT64_C(0x9a507fd8e90439c1) },
        { UINT64_C(0x1c2d38b19), UINT64_C(0x13601b7b0) }
    };
    hidi_random zero = { 0, 0, 0 };
    uint64_t out[2];

    for (int k = 0; k < 3; k++) {
        hidi_uniform_int(zero, 0, bound[k], out, 2);
        ck_assert_uint_eq(out[0], answer[k][0]);
        ck_assert_uint_eq(out[1], answer[k][1]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("random");
    TCase *tcase = tcase_create("random");
    tcase_add_test(tcase, philox_known_answers);
    tcase_add_test(tcase, uniform_moments);
    tcase_add_test(tcase, normal_moments);
    tcase_add_test(tcase, normal_is_a_function_of_the_uniform_draws);
    tcase_add_test(tcase, pieces_make_the_whole);
    tcase_add_test(tcase, seeds_streams_and_steps_are_independent);
    tcase_add_test(tcase, integers_are_below_their_bound);
    tcase_add_test(tcase, integers_use_the_whole_product);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
