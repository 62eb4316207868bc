/* pictures.c - images in a grid, and over each the token weights a_i of the discriminator: the
 * larger a token's weight, the deeper its red. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/pictures.h"

#include <math.h>
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

/* Full red is at least so many times the even share: weights that are all alike are half red. */
#define LEAST_FULLEST 2.0

size_t hidi_picture_columns(size_t n_classes)
{
    return n_classes > 0 && n_classes < 20 ? n_classes : 10;
}

hidi_status hidi_image_cut(hidi_image *part, const hidi_image *image, size_t left, size_t top,
                           size_t width, size_t height)
{
    const size_t bytes = (size_t)image->channels;
    if (left > image->width || width > image->width - left || top > image->height ||
        height > image->height - top)
        return hidi_error(HIDI_BAD_ARGUMENT, "%zux%zu at (%zu, %zu) is not within %zux%zu", width,
                          height, left, top, image->width, image->height);
    HIDI_TRY(hidi_image_create(part, width, height, image->channels, 0));
    for (size_t i = 0; i < height; i++)
        memcpy(part->pixel + i * width * bytes,
               image->pixel + ((top + i) * image->width + left) * bytes, width * bytes);
    return HIDI_OK;
}

/* Copies `side` rows of `from`, beginning with row first, into the RGB picture `image` at
 * (left, top). */
static void paste(hidi_image *image, size_t left, size_t top, const hidi_image *from, size_t first,
                  size_t side)
{
    const size_t channels = (size_t)from->channels;
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < from->width; j++)
            for (size_t c = 0; c < 3; c++)
                image->pixel[((top + i) * image->width + left + j) * 3 + c] =
                    from->pixel[((first + i) * from->width + j) * channels + c % channels];
}

/* x [n, C, H, W] one below the other, and a black one more, in one picture [C, (n + 1) H, W]. */
static hidi_real *stack(const hidi_real *x, size_t n, size_t channels, size_t pixels)
{
    hidi_real *tall = malloc((n + 1) * channels * pixels * sizeof *tall);
    for (size_t i = 0; tall != NULL && i <= n; i++)
        for (size_t c = 0; c < channels; c++)
            for (size_t k = 0; k < pixels; k++)
                tall[(c * (n + 1) + i) * pixels + k] =
                    i < n ? x[(i * channels + c) * pixels + k] : -1;
    return tall;
}

/* The tiles of `heat`, and above each row of them those of `plain` (NULL: not), in a grid. */
static hidi_status lay_out(hidi_image *image, const hidi_image *heat, const hidi_image *plain,
                           size_t n, size_t columns)
{
    enum { GAP = 2 };
    const size_t side = heat->width, cell = side + GAP, lines = plain != NULL ? 2 : 1;
    const size_t rows = (n + columns - 1) / columns * lines;
    HIDI_TRY(hidi_image_create(image, columns * cell + GAP, rows * cell + GAP, 3, 255));
    for (size_t i = 0; i < n; i++) {
        const size_t left = GAP + i % columns * cell, top = GAP + i / columns * lines * cell;
        paste(image, left, top + (lines - 1) * cell, heat, i * side, side);
        if (plain != NULL)
            paste(image, left, top, plain, i * side, side);
    }
    return HIDI_OK;
}

/* All heat maps are drawn as one tall picture, so that they have one scale; then it is cut.  map
 * [n + 1, side, side]: the last, which is not shown, is the end of the scale. */
static hidi_status heat_grid(hidi_image *image, const hidi_heat *heat, const hidi_real *x,
                             const hidi_real *map, size_t n, const hidi_dit_config *c)
{
    const size_t side = c->image_size / c->patch, H = c->image_size, zoom = heat->zoom;
    const size_t lines = (n + 1) * H * zoom, frame = (zoom + 1) / 2; /* of hidi_image_grid */
    hidi_image hot = {0}, framed = {0}, plain = {0};
    hidi_real *tall = stack(x, n, c->channels, H * H);
    hidi_status status = HIDI_OK;
    if (tall == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "heat map: out of memory");
    if (status == HIDI_OK)
        status = hidi_image_heat(&hot, tall, c->channels, (n + 1) * H, H, map,
                                 (n + 1) * side, side, zoom);
    if (status == HIDI_OK && heat->with_images)
        status = hidi_image_grid(&framed, tall, 1, c->channels, (n + 1) * H, H, 1, zoom);
    if (status == HIDI_OK && heat->with_images)
        status = hidi_image_cut(&plain, &framed, frame, frame, H * zoom, lines);
    if (status == HIDI_OK)
        status = lay_out(image, &hot, heat->with_images ? &plain : NULL, n, heat->columns);
    hidi_image_free(&hot);
    hidi_image_free(&framed);
    hidi_image_free(&plain);
    free(tall);
    return status;
}

static double largest(const hidi_real *map, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = (double)map[i] > most ? (double)map[i] : most;
    return most;
}

/* --- where a discriminator looks -------------------------------------------------------------- */

hidi_status hidi_discriminator_load(hidi_discriminator *d, const hidi_session *session,
                                    const char *heads, const char *backbone)
{
    hidi_tensor_file file;
    *d = (hidi_discriminator){NULL, NULL};
    HIDI_TRY(hidi_tensor_file_open(&file, heads, NULL));
    const hidi_status status = hidi_heads_from_file(&d->heads, session->backend, &file);
    hidi_tensor_file_free(&file);
    hidi_session whole = *session;
    whole.key = NULL; /* that is of another file */
    return status == HIDI_OK ? hidi_session_dit(&whole, backbone, HIDI_GIVEN_TEACHER, &d->backbone)
                             : status;
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
    const hidi_time_options *time = &settings->dm.adversary.time;
    return (hidi_heat){.discriminator = discriminator,
                       .t = (time->least + time->most) / 2,
                       .seed = seed,
                       .columns = columns,
                       .zoom = (size_t)settings->eval.zoom};
}

hidi_status hidi_write_heat(const char *path, const hidi_heat *heat, const hidi_real *x,
                            const hidi_condition *y, size_t n)
{
    const hidi_heads *heads = heat->discriminator->heads;
    const hidi_dit *backbone = heat->discriminator->backbone;
    const hidi_dit_config *c = &backbone->config;
    const size_t tokens = c->image_size / c->patch * (c->image_size / c->patch);
    hidi_image image;
    if (!hidi_head_of(heads->config.kind)->has_weights)
        return hidi_error(HIDI_UNSUPPORTED, "only awd heads have token weights");
    hidi_tape *tape = hidi_tape_create(backbone->params.backend);
    hidi_real *map = malloc((n + 1) * tokens * sizeof *map);
    hidi_status status = HIDI_OK;
    if (tape == NULL || map == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "heat map: out of memory");
    if (status == HIDI_OK)
        status = hidi_token_maps(tape, heads, backbone, x, y, n, heat->t, heat->seed, UINT32_MAX,
                                 map, NULL, NULL);
    if (status == HIDI_OK) {
        const double fullest = fmax(LEAST_FULLEST, largest(map, n * tokens) * (double)tokens);
        for (size_t i = 0; i < tokens; i++)
            map[n * tokens + i] = (hidi_real)(fullest / (double)tokens);
        status = heat_grid(&image, heat, x, map, n, c);
        if (heat->fullest != NULL)
            *heat->fullest = fullest;
    }
    hidi_tape_destroy(tape);
    free(map);
    if (status != HIDI_OK)
        return status;
    status = hidi_png_write(&image, path);
    hidi_image_free(&image);
    return status;
}
