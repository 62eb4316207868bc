/* image.h - 8-bit pictures, the files they come from, and grids of samples. */
#ifndef HIDI_IO_IMAGE_H
#define HIDI_IO_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/real.h"
#include "../core/status.h"

typedef struct hidi_image {
    size_t width, height;
    int channels;    /* 1 grey, 3 RGB                                       */
    uint8_t *pixel;  /* [height, width, channels]; owned, freed by _free     */
    int deep_grey;   /* 1: read from 16-bit grey, the high byte of each value */
} hidi_image;

hidi_status hidi_image_create(hidi_image *image, size_t width, size_t height, int channels,
                              uint8_t background);
void hidi_image_free(hidi_image *image);

/* x [n] in [-1, 1] (clamped; NaN is -1) to the nearest of 256 values b / 127.5 - 1, as in a PNG
 * file of ours: b = floor(127.5 x + 128), which is DiT's rounding, too. */
void hidi_round_to_bytes(hidi_real *x, size_t n);

enum { HIDI_NO_BACKGROUND = -1 };

/* What hidi_image_read has to say of a picture, beside its pixels. */
enum {
    HIDI_IMAGE_TRANSPARENT = 1, /* some of its pixels are not opaque                               */
    HIDI_IMAGE_TURNED = 2       /* a camera was held sideways (EXIF orientation of a JPEG file);
                                 * pixels are as they are stored, as in PIL and pytorch-fid        */
};

/* Reads a picture of one of the kinds that hidi_image_kinds() has, told apart by its content, as 1
 * or 3 channels; 0: as the file has it.  Colour to grey by Rec. 601.
 *   PNG   as hidi_png_read
 *   JPEG  the bits that libjpeg makes with its defaults, as Pillow does; CMYK as its convert("RGB")
 *   WebP  no animations.  TIFF: 8-bit grey and RGB in strips.  BMP: without compression
 * background: 0xRRGGBB, which pixels that are not opaque are composited with, or
 * HIDI_NO_BACKGROUND: transparency is left out, as PIL's convert("RGB") has it. remarks (NULL: not
 * wanted): HIDI_IMAGE_... of this picture. HIDI_BAD_FORMAT for damaged and truncated files, with
 * the library's reason; HIDI_UNSUPPORTED for kinds that this build does not read. */
hidi_status hidi_image_read(hidi_image *image, const char *path, int channels, long background,
                            unsigned *remarks);

/* The kinds of files that this build reads: "PNG, JPEG, BMP". */
const char *hidi_image_kinds(void);

/* Has the name the ending of a picture, one of any kind? */
bool hidi_image_named(const char *name);

/* HIDI_UNSUPPORTED, with what to do, if the name has an ending of a kind that is not read. */
hidi_status hidi_image_readable(const char *path);

/* "" or "none", a grey level "0" to "255", or "#rrggbb" to a background of hidi_image_read. */
hidi_status hidi_background_parse(const char *text, long *background);

/* Makes a picture side x side pixels: crop, the largest square in its middle; otherwise all of it
 * in the middle of a square of the background (HIDI_NO_BACKGROUND: black).  Each pixel is the mean
 * over the area that it covers (antialiased); made larger, pixels repeat. */
hidi_status hidi_image_square(hidi_image *image, size_t side, bool crop, long background);

/* Reads a PNG as 1 or 3 channels of 8 bits (palettes expanded, 16 bits cut); channels 0: as the
 * file has it.  Transparency is dropped and nothing is blended, as in PIL's convert("RGB") and so
 * in pytorch-fid, clean-fid and torch-fidelity.  Damaged files are HIDI_BAD_FORMAT with libpng's
 * reason. */
hidi_status hidi_png_read(hidi_image *image, const char *path, int channels);
hidi_status hidi_png_write(const hidi_image *image, const char *path); /* atomically */
/* The same bytes in memory (for the report); the caller frees *data. */
hidi_status hidi_png_encode(const hidi_image *image, unsigned char **data, size_t *bytes);

/* A grid of samples x [n, C, H, W], host memory, values in [-1, 1] (clamped), C = 1 or 3, row by
 * row in `columns` columns, each enlarged `zoom` times by nearest neighbour, with white gaps of
 * (zoom + 1) / 2 pixels between them and around.
 * The caller frees `image`. */
hidi_status hidi_image_grid(hidi_image *image, const hidi_real *x, size_t n, size_t C, size_t H,
                            size_t W, size_t columns, size_t zoom);

/* One sample x [C, H, W] with heat [h, w] over it (h | H, w | W): the picture in grey, and over it
 * in red the heat, scaled so that its largest value is full red.  The caller frees `image`. */
hidi_status hidi_image_heat(hidi_image *image, const hidi_real *x, size_t C, size_t H, size_t W,
                            const hidi_real *heat, size_t h, size_t w, size_t zoom);

#endif
