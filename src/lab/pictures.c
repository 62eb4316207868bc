/* pictures.c - images in a grid, and over each the token weights a_i of the discriminator: the
 * larger a token's weight, the deeper its red. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/pictures.h"

#include <stdlib.h>
#include <string.h>

#include "io/open_tensors.h"
#include "eval/defects.h"

hidi_status hidi_write_grid(const char *path, const hidi_real *x, size_t n,
                            const hidi_dit_config *shape, size_t columns, size_t zoom)
{
    hidi_image image;
    HIDI_TRY(hidi_image_grid(&image, x, n, shape->channels, shape->image_size, shape->image_size,
                             columns, zoom));
    hidi_status status = hidi_png_write(&image, path);
    hidi_image_free(&image);
    return status;
}

/* Copies `tile` into `image` at (left, top); both RGB. */
static void paste(hidi_image *image, const hidi_image *tile, size_t left, size_t top)
{
    for (size_t i = 0; i < tile->height; i++)
        memcpy(image->pixel + ((top + i) * image->width + left) * 3,
               tile->pixel + i * tile->width * 3, tile->width * 3);
}

/* One heat map after the other, in a grid. */
static hidi_status heat_grid(hidi_image *image, const hidi_real *x, const hidi_real *heat, size_t n,
                             const hidi_dit_config *c, size_t columns, size_t zoom)
{
    enum { GAP = 2 };
    const size_t side = c->image_size / c->patch, H = c->image_size, tile_size = H * zoom;
    const size_t rows = (n + columns - 1) / columns;
    HIDI_TRY(hidi_image_create(image, columns * (tile_size + GAP) + GAP,
                               rows * (tile_size + GAP) + GAP, 3, 255));
    hidi_status status = HIDI_OK;
    for (size_t i = 0; i < n && status == HIDI_OK; i++) {
        hidi_image tile;
        status = hidi_image_heat(&tile, x + i * c->channels * H * H, c->channels, H, H,
                                 heat + i * side * side, side, side, zoom);
        if (status != HIDI_OK)
            break;
        paste(image, &tile, GAP + i % columns * (tile_size + GAP),
              GAP + i / columns * (tile_size + GAP));
        hidi_image_free(&tile);
    }
    if (status != HIDI_OK)
        hidi_image_free(image);
    return status;
}

/* --- where a discriminator looks -------------------------------------------------------------- */

hidi_status hidi_discriminator_load(hidi_discriminator *d, const hidi_backend *backend,
                                    const char *heads, const char *backbone)
{
    hidi_tensor_file file;
    *d = (hidi_discriminator){NULL, NULL};
    HIDI_TRY(hidi_tensor_file_open(&file, heads, NULL));
    const hidi_status status = hidi_heads_from_file(&d->heads, backend, &file);
    hidi_tensor_file_free(&file);
    return status == HIDI_OK ? hidi_dit_load(&d->backbone, backend, backbone) : status;
}

void hidi_discriminator_free(hidi_discriminator *d)
{
    hidi_heads_destroy(d->heads);
    hidi_dit_destroy(d->backbone);
    *d = (hidi_discriminator){NULL, NULL};
}

hidi_heat hidi_settings_heat(const hidi_settings *settings, const hidi_discriminator *discriminator,
                             uint64_t seed, size_t columns)
{
    const hidi_time_options *time = &settings->dm.adversary_time;
    return (hidi_heat){discriminator, (time->least + time->most) / 2, seed, columns,
                       (size_t)settings->eval.zoom};
}

hidi_status hidi_write_heat(const char *path, const hidi_heat *heat, const hidi_real *x,
                            const int32_t *y, size_t n)
{
    const hidi_heads *heads = heat->discriminator->heads;
    const hidi_dit *backbone = heat->discriminator->backbone;
    const hidi_dit_config *c = &backbone->config;
    const size_t tokens = c->image_size / c->patch * (c->image_size / c->patch);
    hidi_image image;
    if (!hidi_head_of(heads->config.kind)->has_weights)
        return hidi_error(HIDI_UNSUPPORTED, "only awd heads have token weights");
    hidi_tape *tape = hidi_tape_create(backbone->params.backend);
    hidi_real *map = malloc(n * tokens * sizeof *map);
    hidi_status status = HIDI_OK;
    if (tape == NULL || map == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "heat map: out of memory");
    if (status == HIDI_OK)
        status = hidi_token_maps(tape, heads, backbone, x, y, n, heat->t, heat->seed, UINT32_MAX,
                                 map, NULL, NULL);
    if (status == HIDI_OK)
        status = heat_grid(&image, x, map, n, c, heat->columns, heat->zoom);
    hidi_tape_destroy(tape);
    free(map);
    if (status != HIDI_OK)
        return status;
    status = hidi_png_write(&image, path);
    hidi_image_free(&image);
    return status;
}
