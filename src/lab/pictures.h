/* pictures.h - samples and token weights as PNG files. */
#ifndef HIDI_LAB_PICTURES_H
#define HIDI_LAB_PICTURES_H

#include "lab/session.h"
#include "io/image.h"

/* A grid of x [n, C, H, W] in a PNG file. */
hidi_status hidi_write_grid(const char *path, const hidi_real *x, size_t n,
                            const hidi_dit_config *shape, size_t columns, size_t zoom);

/* Stage 2's discriminator, as its files are. */
typedef struct hidi_discriminator {
    hidi_heads *heads;
    hidi_dit *backbone; /* the network whose tokens they read */
} hidi_discriminator;

/* Free it in any case. */
hidi_status hidi_discriminator_load(hidi_discriminator *discriminator, const hidi_backend *backend,
                                    const char *heads, const char *backbone);
void hidi_discriminator_free(hidi_discriminator *discriminator);

/* How token weights are drawn. */
typedef struct hidi_heat {
    const hidi_discriminator *discriminator;
    double t;             /* images are noised to this                                          */
    uint64_t seed;        /* of the noise                                                       */
    size_t columns, zoom; /* of the picture                                                     */
} hidi_heat;

/* With t in the middle of dm.adversary_time, and eval.zoom. */
hidi_heat hidi_settings_heat(const hidi_settings *settings, const hidi_discriminator *discriminator,
                             uint64_t seed, size_t columns);

/* Where an adaptive weighted discriminator looks: its token weights a_i (the mean over its heads)
 * in red over each image of x [n, C, H, W], classes y [n].  Heads of another kind have no token
 * weights: HIDI_UNSUPPORTED. */
hidi_status hidi_write_heat(const char *path, const hidi_heat *heat, const hidi_real *x,
                            const int32_t *y, size_t n);

#endif
