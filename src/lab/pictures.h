/* pictures.h - samples and token weights as PNG files. */
#ifndef HIDI_LAB_PICTURES_H
#define HIDI_LAB_PICTURES_H

#include "lab/session.h"
#include "io/image.h"

/* A grid of x [n, C, H, W] in a PNG file. */
hidi_status hidi_write_grid(const char *path, const hidi_real *x, size_t n,
                            const hidi_dit_config *shape, size_t columns, size_t zoom);

/* Where an adaptive weighted discriminator looks: its token weights a_i (the mean over its heads) in
 * red over each image of x [n, C, H, W], classes y [n], noised to t (the noise: `seed`).  Heads of
 * another kind have no token weights: HIDI_UNSUPPORTED. */
hidi_status hidi_write_heat(const char *path, const hidi_heads *heads, const hidi_dit *backbone,
                            const hidi_real *x, const int32_t *y, size_t n, double t, uint64_t seed,
                            size_t columns, size_t zoom);

#endif
