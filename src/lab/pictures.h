/* pictures.h - samples and token weights as PNG files. */
#ifndef HIDI_LAB_PICTURES_H
#define HIDI_LAB_PICTURES_H

#include "lab/session.h"
#include "io/image.h"

/* A grid of x [n, C, H, W] in a PNG file. */
hidi_status hidi_write_grid(const char *path, const hidi_real *x, size_t n,
                            const hidi_dit_config *shape, size_t columns, size_t zoom);

/* Columns of the pictures of a run: the classes, if there are not too many. */
size_t hidi_picture_columns(size_t n_classes);

/* The part of a picture of these extents whose upper left corner is at (left, top); the caller
 * frees it. */
hidi_status hidi_image_cut(hidi_image *part, const hidi_image *image, size_t left, size_t top,
                           size_t width, size_t height);

/* Stage 2's discriminator, as its files are. */
typedef struct hidi_discriminator {
    hidi_heads *heads;
    hidi_dit *backbone; /* the network whose tokens they read */
} hidi_discriminator;

/* Free it in any case. */
hidi_status hidi_discriminator_load(hidi_discriminator *discriminator, const hidi_session *session,
                                    const char *heads, const char *backbone);
void hidi_discriminator_free(hidi_discriminator *discriminator);

/* How token weights are drawn. */
typedef struct hidi_heat {
    const hidi_discriminator *discriminator;
    double t;             /* images are noised to this                                          */
    uint64_t seed;        /* of the noise                                                       */
    size_t columns, zoom; /* of the picture                                                     */
    bool with_images;     /* above each row of weights the images, in their colours             */
    double *fullest;      /* output: the weight that is drawn as full red, in units of the even
                           * share 1 / tokens; NULL: not wanted                                 */
} hidi_heat;

/* With t in the middle of dm.adversary_time, and eval.zoom. */
hidi_heat hidi_settings_heat(const hidi_settings *settings, const hidi_discriminator *discriminator,
                             uint64_t seed, size_t columns);

/* Where an adaptive weighted discriminator looks: its token weights a_i (the mean over its heads)
 * in red over each image of x [n, C, H, W], classes y [n], on one scale for all: 0 is grey; the
 * largest weight of the picture, but at least twice the even share, is full red.  Heads of another
 * kind have no token weights: HIDI_UNSUPPORTED. */
hidi_status hidi_write_heat(const char *path, const hidi_heat *heat, const hidi_real *x,
                            const hidi_condition *y, size_t n);

#endif
