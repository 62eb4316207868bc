/* image.c - pictures in memory, grids of samples and heat maps over them. */
#include "io/image.h"

#include <stdlib.h>
#include <string.h>

#define MAX_SAMPLES ((size_t)1 << 30) /* of a picture we make or read: 1 GiB */

/* Rec. 601 luma, in integers. */
static const int red_weight = 299, green_weight = 587, blue_weight = 114;

hidi_status hidi_image_create(hidi_image *image, size_t width, size_t height, int channels,
                              uint8_t background)
{
    memset(image, 0, sizeof *image);
    if (channels != 1 && channels != 3)
        return hidi_error(HIDI_BAD_ARGUMENT, "a picture has 1 or 3 channels, found %d", channels);
    if (width == 0 || height == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "a picture of %zu x %zu pixels is empty", width,
                          height);
    const size_t limit = MAX_SAMPLES / (size_t)channels;
    if (width > limit || height > limit / width)
        return hidi_error(HIDI_BAD_ARGUMENT, "a picture of %zu x %zu pixels is too large", width,
                          height);
    const size_t bytes = width * height * (size_t)channels;
    image->pixel = malloc(bytes);
    if (image->pixel == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a picture of %zu x %zu pixels", width,
                          height);
    memset(image->pixel, background, bytes);
    image->width = width;
    image->height = height;
    image->channels = channels;
    return HIDI_OK;
}

void hidi_image_free(hidi_image *image)
{
    free(image->pixel);
    memset(image, 0, sizeof *image);
}

/* [-1, 1] to 0 .. 255, clamped; NaN fails the first comparison and is black. */
static uint8_t to_byte(hidi_real value)
{
    const double v = ((double)value + 1.0) * 127.5;
    if (!(v > 0.0))
        return 0;
    return (uint8_t)((v < 255.0 ? v : 255.0) + 0.5);
}

void hidi_round_to_bytes(hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (hidi_real)(to_byte(x[i]) / 127.5 - 1.0);
}

/* *total = gap + n (size + gap), checked against overflow. */
static int grid_extent(size_t n, size_t size, size_t gap, size_t *total)
{
    if (size > MAX_SAMPLES || gap > MAX_SAMPLES || n > MAX_SAMPLES / (size + gap))
        return 0;
    *total = gap + n * (size + gap);
    return 1;
}

/* Sample x [C, H, W], enlarged, with its upper left corner at (left, top) of the picture. */
static void draw_sample(hidi_image *image, size_t left, size_t top, const hidi_real *x, size_t C,
                        size_t H, size_t W, size_t zoom)
{
    for (size_t row = 0; row < H * zoom; row++) {
        uint8_t *out = image->pixel + ((top + row) * image->width + left) * C;
        for (size_t column = 0; column < W * zoom; column++)
            for (size_t c = 0; c < C; c++)
                *out++ = to_byte(x[(c * H + row / zoom) * W + column / zoom]);
    }
}

hidi_status hidi_image_grid(hidi_image *image, const hidi_real *x, size_t n, size_t C, size_t H,
                            size_t W, size_t columns, size_t zoom)
{
    memset(image, 0, sizeof *image);
    if (C != 1 && C != 3)
        return hidi_error(HIDI_BAD_SHAPE, "a grid shows samples of 1 or 3 channels, found %zu", C);
    if (n == 0 || columns == 0 || zoom == 0 || H == 0 || W == 0)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "a grid of %zu samples of %zu x %zu in %zu columns, zoom %zu, is empty",
                          n, H, W, columns, zoom);
    const size_t gap = (zoom + 1) / 2, rows = n / columns + (n % columns != 0);
    size_t width = 0, height = 0;
    if (H > MAX_SAMPLES / zoom || W > MAX_SAMPLES / zoom ||
        !grid_extent(columns, W * zoom, gap, &width) || !grid_extent(rows, H * zoom, gap, &height))
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "a grid of %zu samples of %zu x %zu in %zu columns, zoom %zu, is too "
                          "large", n, H, W, columns, zoom);
    HIDI_TRY(hidi_image_create(image, width, height, (int)C, 255));
    for (size_t i = 0; i < n; i++)
        draw_sample(image, gap + i % columns * (W * zoom + gap),
                    gap + i / columns * (H * zoom + gap), x + i * C * H * W, C, H, W, zoom);
    return HIDI_OK;
}

/* The grey value of pixel (row, column) of x [C, H, W]. */
static double grey(const hidi_real *x, size_t C, size_t H, size_t W, size_t row, size_t column)
{
    const size_t at = row * W + column;
    if (C == 1)
        return to_byte(x[at]);
    return (red_weight * to_byte(x[at]) + green_weight * to_byte(x[H * W + at]) +
            blue_weight * to_byte(x[2 * H * W + at])) / 1000.0;
}

static double largest(const hidi_real *heat, size_t n)
{
    double max = 0.0;
    for (size_t i = 0; i < n; i++)
        if ((double)heat[i] > max)
            max = (double)heat[i];
    return max;
}

hidi_status hidi_image_heat(hidi_image *image, const hidi_real *x, size_t C, size_t H, size_t W,
                            const hidi_real *heat, size_t h, size_t w, size_t zoom)
{
    const double opacity = 0.8; /* full heat still lets the picture through */
    memset(image, 0, sizeof *image);
    if (C != 1 && C != 3)
        return hidi_error(HIDI_BAD_SHAPE, "a heat map shows 1 or 3 channels, found %zu", C);
    if (h == 0 || w == 0 || H % h != 0 || W % w != 0)
        return hidi_error(HIDI_BAD_SHAPE,
                          "heat of %zu x %zu does not divide a picture of %zu x %zu", h, w, H, W);
    if (zoom == 0 || H > MAX_SAMPLES / zoom || W > MAX_SAMPLES / zoom)
        return hidi_error(HIDI_BAD_ARGUMENT, "zoom %zu of a picture of %zu x %zu", zoom, H, W);
    HIDI_TRY(hidi_image_create(image, W * zoom, H * zoom, 3, 0));
    const double max = largest(heat, h * w);
    uint8_t *out = image->pixel;
    for (size_t i = 0; i < H * zoom; i++) {
        for (size_t j = 0; j < W * zoom; j++) {
            const size_t row = i / zoom, column = j / zoom;
            const double value = (double)heat[row / (H / h) * w + column / (W / w)];
            const double share = value >= max ? 1.0 : value / max; /* also of an infinite max */
            const double a = value > 0.0 ? opacity * share : 0.0;
            const double g = (1.0 - a) * grey(x, C, H, W, row, column);
            *out++ = (uint8_t)(g + a * 255.0 + 0.5);
            *out++ = (uint8_t)(g + 0.5);
            *out++ = (uint8_t)(g + 0.5);
        }
    }
    return HIDI_OK;
}
