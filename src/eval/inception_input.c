/* inception_input.c - images of any size as Inception-v3's input: the three ways that are in use.
 *
 * Each is a linear map of rows after a linear map of columns: pixel i of the result is a weighted
 * sum of a run of input pixels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/inception.h"

enum { SIDE = HIDI_INCEPTION_SIDE };

static const char *const input_name[HIDI_INCEPTION_INPUTS] = {"pytorch-fid", "tf", "clean"};

hidi_status hidi_inception_input_named(hidi_inception_input *input, const char *name)
{
    for (int i = 0; i < HIDI_INCEPTION_INPUTS; i++)
        if (strcmp(name, input_name[i]) == 0) {
            *input = (hidi_inception_input)i;
            return HIDI_OK;
        }
    return hidi_error(HIDI_BAD_ARGUMENT, "no input %s of Inception-v3: pytorch-fid, tf or clean",
                      name);
}

const char *hidi_inception_input_name(hidi_inception_input input)
{
    return input_name[input];
}

/* --- one direction ---------------------------------------------------------------------------- */

/* Pixel i of SIDE = sum over k < count[i] of weight[i * most + k] x[first[i] + k] */
typedef struct taps {
    size_t most; /* the largest count */
    size_t first[SIDE], count[SIDE];
    double *weight;
} taps;

/* Two neighbours of a coordinate that is >= 0; beyond the last pixel, that one alone. */
static void linear_taps(taps *t, size_t i, float at, size_t size)
{
    const size_t low = (size_t)at < size - 1 ? (size_t)at : size - 1;
    const float share = at - (float)low;
    double *weight = t->weight + i * t->most;
    t->first[i] = low;
    t->count[i] = low + 1 < size ? 2 : 1;
    weight[0] = t->count[i] == 2 ? (double)(1 - share) : 1;
    weight[1] = t->count[i] == 2 ? (double)share : 0;
}

/* pytorch-fid: centres of pixels are at i + 1/2, and what lies outside the first one equals it. */
static void half_pixel_taps(taps *t, size_t size)
{
    const float scale = (float)size / (float)SIDE;
    for (size_t i = 0; i < SIDE; i++) {
        const float at = scale * ((float)i + 0.5f) - 0.5f;
        linear_taps(t, i, at > 0 ? at : 0, size);
    }
}

/* TensorFlow 1: pixel i is at i. */
static void corner_taps(taps *t, size_t size)
{
    const float scale = (float)size / (float)SIDE;
    for (size_t i = 0; i < SIDE; i++)
        linear_taps(t, i, (float)i * scale, size);
}

/* Keys' cubic with a = -1/2 (IEEE Trans. ASSP 29(6), 1981), as PIL has it. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0;
}

/* The cubic's reach in input pixels: beyond 2 if the image is made smaller, against aliasing. */
static double reach(size_t size)
{
    return size > SIDE ? 2 * (double)size / SIDE : 2;
}

/* clean-fid: weights at the centres of the pixels in reach, divided by their sum. */
static void cubic_taps(taps *t, size_t size)
{
    const double scale = (double)size / SIDE, filter = scale > 1 ? scale : 1;
    for (size_t i = 0; i < SIDE; i++) {
        const double centre = ((double)i + 0.5) * scale;
        const double low = floor(centre - reach(size) + 0.5);
        const double high = floor(centre + reach(size) + 0.5);
        double *weight = t->weight + i * t->most, sum = 0;
        t->first[i] = low > 0 ? (size_t)low : 0;
        t->count[i] = (high < (double)size ? (size_t)high : size) - t->first[i];
        for (size_t k = 0; k < t->count[i]; k++)
            sum += weight[k] = cubic(((double)(t->first[i] + k) + 0.5 - centre) / filter);
        for (size_t k = 0; k < t->count[i]; k++)
            weight[k] /= sum;
    }
}

static hidi_status make_taps(taps *t, hidi_inception_input input, size_t size)
{
    t->most = input == HIDI_INCEPTION_CLEAN ? 2 * (size_t)ceil(reach(size)) + 1 : 2;
    t->weight = calloc(SIDE * t->most, sizeof *t->weight);
    if (t->weight == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for resizing images");
    if (input == HIDI_INCEPTION_PYTORCH_FID)
        half_pixel_taps(t, size);
    else if (input == HIDI_INCEPTION_TF)
        corner_taps(t, size);
    else
        cubic_taps(t, size);
    return HIDI_OK;
}

/* --- both directions -------------------------------------------------------------------------- */

/* y [SIDE] = one row x through the taps of the columns */
static void resize_row(const taps *t, const hidi_real *x, hidi_real *y)
{
    for (size_t i = 0; i < SIDE; i++) {
        const double *weight = t->weight + i * t->most;
        const hidi_real *run = x + t->first[i];
        double sum = 0;
        for (size_t k = 0; k < t->count[i]; k++)
            sum += weight[k] * (double)run[k];
        y[i] = (hidi_real)sum;
    }
}

/* y [SIDE] = row i of the result, from rows x [height, SIDE] */
static void mix_rows(const taps *t, size_t i, const hidi_real *x, hidi_real *y)
{
    const double *weight = t->weight + i * t->most;
    double sum[SIDE] = {0};
    for (size_t k = 0; k < t->count[i]; k++)
        for (size_t j = 0; j < SIDE; j++)
            sum[j] += weight[k] * (double)x[(t->first[i] + k) * SIDE + j];
    for (size_t j = 0; j < SIDE; j++)
        y[j] = (hidi_real)sum[j];
}

/* From [-1, 1] = 0 .. 255 to (v - 128) / 128; v = 127.5 (x + 1).  The bicubic filter overshoots,
 * and is cut to the range first; pytorch-fid's 2 v / 255 - 1 is x. */
static void rescale(hidi_inception_input input, hidi_real *x, size_t n)
{
    const hidi_real scale = (hidi_real)(127.5 / 128), shift = (hidi_real)(-0.5 / 128);
    for (size_t i = 0; i < n && input != HIDI_INCEPTION_PYTORCH_FID; i++) {
        if (input == HIDI_INCEPTION_CLEAN)
            x[i] = x[i] < -1 ? -1 : x[i] > 1 ? 1 : x[i];
        x[i] = scale * x[i] + shift;
    }
}

hidi_status hidi_inception_resize(hidi_inception_input input, const hidi_real *images, size_t n,
                                  size_t height, size_t width, hidi_real *out)
{
    taps columns = {.weight = NULL}, rows = {.weight = NULL};
    hidi_real *narrow = malloc(height * SIDE * sizeof *narrow); /* [height, SIDE] */
    hidi_status status = narrow != NULL
                             ? make_taps(&columns, input, width)
                             : hidi_error(HIDI_NO_MEMORY, "out of memory for resizing images");
    if (status == HIDI_OK)
        status = make_taps(&rows, input, height);
    for (size_t plane = 0; plane < 3 * n && status == HIDI_OK; plane++) {
        const hidi_real *x = images + plane * height * width;
        hidi_real *y = out + plane * SIDE * SIDE;
        for (size_t i = 0; i < height; i++)
            resize_row(&columns, x + i * width, narrow + i * SIDE);
        for (size_t i = 0; i < SIDE; i++)
            mix_rows(&rows, i, narrow, y + i * SIDE);
        rescale(input, y, SIDE * SIDE);
    }
    free(columns.weight);
    free(rows.weight);
    free(narrow);
    return status;
}
