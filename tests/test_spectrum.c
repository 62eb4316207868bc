/* test_spectrum.c - the radial power spectrum of images. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/random.h"
#include "eval/spectrum.h"
#include "doubles.h"
#include "near.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const double pi = 3.14159265358979323846;

static hidi_spectrum spectrum_of(const hidi_real *images, size_t n, size_t C, size_t size)
{
    hidi_spectrum spectrum;

    ck_assert_int_eq(hidi_spectrum_init(&spectrum, size), HIDI_OK);
    ck_assert_uint_eq(spectrum.bins, size / 2 + 1);
    hidi_spectrum_add(&spectrum, images, n, C);
    ck_assert_uint_eq(spectrum.count, n * C);
    return spectrum;
}

START_TEST(a_cosine_is_in_one_bin)
{
    /* cos(2 pi (kx x + ky y) / N): |F|^2 = N^4 / 4 at +-k, so N^2 / 2; N^2 if k = -k. */
    static const struct {
        size_t size, kx, ky, bin;
        double power; /* / N^2 */
    } cosines[] = {
        { 16, 0, 0, 0, 1 },    { 16, 1, 0, 1, 0.5 },  { 16, 0, 1, 1, 0.5 },   { 16, 3, 4, 5, 0.5 },
        { 16, 13, 4, 5, 0.5 }, { 16, 1, 1, 1, 0.5 },  { 16, 2, 2, 3, 0.5 },   { 16, 8, 0, 8, 1 },
        { 16, 0, 8, 8, 1 },    { 16, 8, 8, 8, 1 },    { 16, 8, 3, 8, 0.5 },   { 16, 7, 7, 8, 0.5 },
        { 15, 7, 0, 7, 0.5 },  { 15, 5, 9, 7, 0.5 },  { 15, 14, 0, 1, 0.5 },  { 3, 1, 1, 1, 0.5 },
        { 32, 5, 12, 13, 0.5 }, { 2, 1, 1, 1, 1 },
    };
    hidi_real image[32 * 32];

    for (size_t i = 0; i < COUNT(cosines); i++) {
        size_t N = cosines[i].size;
        double area = (double)(N * N);
        for (size_t y = 0; y < N; y++)
            for (size_t x = 0; x < N; x++) {
                size_t turn = (cosines[i].kx * x + cosines[i].ky * y) % N;
                image[y * N + x] = (hidi_real)cos(2 * pi * (double)turn / (double)N);
            }
        hidi_spectrum spectrum = spectrum_of(image, 1, 1, N);
        for (size_t b = 0; b < spectrum.bins; b++)
            assert_close(spectrum.power[b], b == cosines[i].bin ? cosines[i].power * area : 0, area,
                         2 * (double)N);
        hidi_spectrum_free(&spectrum);
    }
}
END_TEST

START_TEST(a_single_pixel_has_all_frequencies_alike)
{
    /* |F|^2 = 1, so that a bin's power is the number of its frequencies. */
    for (size_t N = 2; N <= 17; N += 3) {
        hidi_real image[17 * 17] = { 0 };
        double frequencies[17] = { 0 };
        long half = (long)N / 2, last = (long)N - half;

        image[N + 1] = 1;
        for (long ky = -half; ky < last; ky++)
            for (long kx = -half; kx < last; kx++) {
                long radius = lround(sqrt((double)(kx * kx + ky * ky)));
                frequencies[radius < half ? radius : half]++;
            }
        hidi_spectrum spectrum = spectrum_of(image, 1, 1, N);
        for (size_t b = 0; b < spectrum.bins; b++)
            assert_double_near(spectrum.power[b], frequencies[b] / (double)(N * N),
                               100 * DBL_EPSILON);
        hidi_spectrum_free(&spectrum);
    }
}
END_TEST

START_TEST(power_is_conserved)
{
    /* Parseval: sum |F|^2 / (H W) = sum f^2. */
    for (size_t N = 2; N < 40; N += 7) {
        size_t n = 11 * 3 * N * N;
        hidi_real *x = malloc(n * sizeof *x);
        double energy = 0, power = 0;

        hidi_normal((hidi_random){ 2, HIDI_STREAM_TEST, N }, 0, x, n);
        for (size_t i = 0; i < n; i++)
            energy += (double)x[i] * (double)x[i];
        hidi_spectrum spectrum = spectrum_of(x, 11, 3, N);
        for (size_t b = 0; b < spectrum.bins; b++)
            power += spectrum.power[b];
        assert_double_near(power, energy, (double)(N * N) * DBL_EPSILON * energy);
        hidi_spectrum_free(&spectrum);
        free(x);
    }
}
END_TEST

START_TEST(spectrum_does_not_depend_on_batches)
{
    hidi_real x[37 * 64];
    hidi_spectrum one;

    hidi_normal((hidi_random){ 3, HIDI_STREAM_TEST, 0 }, 0, x, 37 * 64);
    hidi_spectrum all = spectrum_of(x, 37, 1, 8);
    ck_assert_int_eq(hidi_spectrum_init(&one, 8), HIDI_OK);
    for (size_t i = 0; i < 37; i++)
        hidi_spectrum_add(&one, x + 64 * i, 1, 1);
    ck_assert_mem_eq(all.power, one.power, all.bins * sizeof(double));
    hidi_spectrum_free(&all);
    hidi_spectrum_free(&one);
}
END_TEST

START_TEST(high_frequencies_are_those_from_a_quarter_of_the_size)
{
    hidi_spectrum s;

    for (size_t N = 4; N < 12; N++) {
        double expected = 0;
        ck_assert_int_eq(hidi_spectrum_init(&s, N), HIDI_OK);
        ck_assert(hidi_spectrum_high(&s) == 0);
        s.count = 2;
        for (size_t b = 0; b < s.bins; b++) {
            s.power[b] = (double)(1 << b);
            expected += (double)b >= (double)N / 4 ? s.power[b] / 2 : 0;
        }
        ck_assert(hidi_spectrum_high(&s) == expected);
        hidi_spectrum_free(&s);
    }
    ck_assert_int_eq(hidi_spectrum_init(&s, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_spectrum_init(&s, 1), HIDI_BAD_ARGUMENT);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("spectrum");
    TCase *tcase = tcase_create("spectrum");
    tcase_add_test(tcase, a_cosine_is_in_one_bin);
    tcase_add_test(tcase, a_single_pixel_has_all_frequencies_alike);
    tcase_add_test(tcase, power_is_conserved);
    tcase_add_test(tcase, spectrum_does_not_depend_on_batches);
    tcase_add_test(tcase, high_frequencies_are_those_from_a_quarter_of_the_size);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
