/* spectrum.c - the radial power spectrum of images [size, size]:
 *
 *     F(k) = sum_x f(x) exp(-2 pi i k x / size)        along the rows, then along the columns
 *     P(b) = sum over round(|k|) = b of |F(k)|^2 / size^2
 *
 * By sums and not by a fast transform: images are small, and any size will do. */
#include "eval/spectrum.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IMAGES 16        /* that are transformed at a time, each in a work space of its own */
#define WORTHWHILE 30000 /* multiplications, about, for which threads are woken             */

static const double pi = 3.14159265358979323846;

/* Columns kept of a transform: F(-k) is the conjugate of F(k), so that 0 .. size/2 are enough. */
static size_t half(const hidi_spectrum *s)
{
    return s->size / 2 + 1;
}

/* Work space of one image: its transform along rows (real and imaginary part), one column's
 * transform (the same), its power. */
static size_t work_of_one(const hidi_spectrum *s)
{
    return 2 * s->size * half(s) + 2 * half(s) + s->bins;
}

hidi_status hidi_spectrum_init(hidi_spectrum *s, size_t size)
{
    memset(s, 0, sizeof *s);
    if (size < 2 || size > 4096)
        return hidi_error(HIDI_BAD_ARGUMENT, "spectrum: images of size %zu, not within 2 to 4096",
                          size);
    s->size = size;
    s->bins = size / 2 + 1;
    s->power = calloc(s->bins, sizeof(double));
    s->table = malloc(2 * size * size * sizeof(double));
    s->work = malloc(IMAGES * work_of_one(s) * sizeof(double));
    if (s->power == NULL || s->table == NULL || s->work == NULL) {
        hidi_spectrum_free(s);
        return hidi_error(HIDI_NO_MEMORY, "spectrum: out of memory for size %zu", size);
    }
    for (size_t k = 0; k < size; k++)
        for (size_t x = 0; x < size; x++) {
            double angle = 2 * pi * (double)(k * x % size) / (double)size;
            s->table[k * size + x] = cos(angle);
            s->table[size * size + k * size + x] = sin(angle);
        }
    return HIDI_OK;
}

void hidi_spectrum_free(hidi_spectrum *s)
{
    free(s->power);
    free(s->table);
    free(s->work);
    memset(s, 0, sizeof *s);
}

/* Row by row: G(y, kx) = sum_x f(y, x) exp(-2 pi i kx x / size), re and im: [size, half]. */
static void transform_rows(const hidi_spectrum *s, const hidi_real *image, double *re, double *im)
{
    size_t N = s->size, n = half(s);
    const double *cosine = s->table, *sine = s->table + N * N;

    memset(re, 0, N * n * sizeof *re);
    memset(im, 0, N * n * sizeof *im);
    for (size_t y = 0; y < N; y++)
        for (size_t x = 0; x < N; x++) {
            double f = (double)image[y * N + x];
#pragma omp simd
            for (size_t k = 0; k < n; k++) {
                re[y * n + k] += f * cosine[x * N + k];
                im[y * n + k] -= f * sine[x * N + k];
            }
        }
}

/* F(ky, kx) = sum_y G(y, kx) exp(-2 pi i ky y / size) for one ky; f_re and f_im: [half]. */
static void transform_columns(const hidi_spectrum *s, const double *re, const double *im, size_t ky,
                              double *f_re, double *f_im)
{
    size_t N = s->size, n = half(s);

    memset(f_re, 0, n * sizeof *f_re);
    memset(f_im, 0, n * sizeof *f_im);
    for (size_t y = 0; y < N; y++) {
        double c = s->table[ky * N + y], d = s->table[N * N + ky * N + y];
#pragma omp simd
        for (size_t k = 0; k < n; k++) {
            f_re[k] += c * re[y * n + k] + d * im[y * n + k];
            f_im[k] += c * im[y * n + k] - d * re[y * n + k];
        }
    }
}

static size_t bin_of(const hidi_spectrum *s, size_t ky, size_t kx)
{
    size_t k = ky <= s->size / 2 ? ky : s->size - ky; /* |ky| of the frequency ky - size, too */
    size_t bin = (size_t)floor(sqrt((double)(k * k + kx * kx)) + 0.5);

    return bin < s->bins ? bin : s->bins - 1;
}

/* The power of one image by bins, at the end of its work space. */
static void image_power(const hidi_spectrum *s, const hidi_real *image, double *work)
{
    size_t N = s->size, n = half(s);
    double *re = work, *im = re + N * n, *f_re = im + N * n, *f_im = f_re + n, *power = f_im + n;

    memset(power, 0, s->bins * sizeof *power);
    transform_rows(s, image, re, im);
    for (size_t ky = 0; ky < N; ky++) {
        transform_columns(s, re, im, ky, f_re, f_im);
        for (size_t kx = 0; kx < n; kx++) {
            double twice = kx == 0 || 2 * kx == N ? 1 : 2; /* kx and -kx */
            power[bin_of(s, ky, kx)] += twice * (f_re[kx] * f_re[kx] + f_im[kx] * f_im[kx]) /
                                        (double)(N * N);
        }
    }
}

void hidi_spectrum_add(hidi_spectrum *s, const hidi_real *images, size_t n, size_t C)
{
    size_t stride = work_of_one(s), total = n * C;

    for (size_t first = 0; first < total; first += IMAGES) {
        size_t m = total - first < IMAGES ? total - first : IMAGES;

#pragma omp parallel for if (m * s->size * s->size * s->size > WORTHWHILE)
        for (size_t i = 0; i < m; i++)
            image_power(s, images + (first + i) * s->size * s->size, s->work + i * stride);
        /* In the order of the images, so that the number of threads changes nothing. */
        for (size_t i = 0; i < m; i++)
            for (size_t b = 0; b < s->bins; b++)
                s->power[b] += s->work[(i + 1) * stride - s->bins + b];
    }
    s->count += total;
}

double hidi_spectrum_high(const hidi_spectrum *s)
{
    double sum = 0;

    for (size_t b = (s->size + 3) / 4; b < s->bins; b++)
        sum += s->power[b];
    return s->count == 0 ? 0 : sum / (double)s->count;
}

double hidi_spectrum_ratio(const hidi_spectrum *s, const hidi_spectrum *reference, size_t bin)
{
    return s->power[bin] / (double)s->count /
           (reference->power[bin] / (double)reference->count);
}
