/* image_source.c - what sources of images have in common (batches that fit, memory for one of
 * them), and the sources of images in memory and of a split of a data set. */
#include "data/image_source.h"

#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "data/listing.h"
#include "data/readers.h"
#include "io/image.h"

#define BATCH_PIXELS ((size_t)1 << 24) /* values of a batch: 64 MB in single precision */
#define MOST_PIXELS ((size_t)1 << 27)  /* values of one image: a small file may claim any number */

hidi_status hidi_image_source_open(hidi_image_source *source, const char *path, size_t channels)
{
    memset(source, 0, sizeof *source);
    if (channels != 1 && channels != 3)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: pictures have 1 or 3 channels, %zu are wanted",
                          path, channels);
    const bool is_folder = hidi_is_folder(path);
    source->channels = channels;
    hidi_status status = is_folder ? hidi_folder_source(source, path)
                                   : hidi_npz_source(source, path);
    source->kind = is_folder ? "folder" : "npz";
    if (status != HIDI_OK)
        hidi_image_source_close(source);
    return status;
}

void hidi_image_source_close(hidi_image_source *source)
{
    if (source->state != NULL && source->close != NULL)
        source->close(source);
    free(source->buffer);
    memset(source, 0, sizeof *source);
}

hidi_status hidi_image_source_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    const uint64_t left = source->count - source->first;
    memset(batch, 0, sizeof *batch);
    if (left == 0 || most == 0)
        return HIDI_OK;
    HIDI_TRY(source->next(source, left < most ? (size_t)left : most, batch));
    source->first += batch->n;
    return HIDI_OK;
}

/* Copies the images of a source behind each other. */
static hidi_status read_all(hidi_image_source *source, hidi_progress *progress, hidi_real *images,
                            int32_t *labels)
{
    const size_t height = source->height, width = source->width;
    const size_t pixels = source->channels * height * width;
    hidi_image_batch batch;
    for (size_t n = 0; source->first < source->count; n += batch.n) {
        HIDI_TRY(hidi_check_stop());
        HIDI_TRY(hidi_image_source_next(source, SIZE_MAX, &batch));
        if (batch.height != height || batch.width != width)
            return hidi_error(HIDI_BAD_SHAPE, "images of %zux%zu and of %zux%zu", height, width,
                              batch.height, batch.width);
        if (labels != NULL && batch.labels == NULL)
            return hidi_error(HIDI_UNSUPPORTED, "the classes of these images are not known");
        memcpy(images + n * pixels, batch.images, batch.n * pixels * sizeof *images);
        if (labels != NULL)
            memcpy(labels + n, batch.labels, batch.n * sizeof *labels);
        if (progress != NULL)
            hidi_progress_update(progress, (long)(n + batch.n), NULL);
    }
    return HIDI_OK;
}

hidi_status hidi_image_source_all(hidi_image_source *source, hidi_progress *progress,
                                  hidi_real **images, int32_t **labels)
{
    const size_t n = (size_t)(source->count - source->first);
    const size_t pixels = source->channels * source->height * source->width;
    int32_t *classes = NULL;
    hidi_status status = HIDI_OK;
    *images = NULL;
    if (labels != NULL)
        *labels = NULL;
    if (pixels == 0)
        return hidi_error(HIDI_BAD_SHAPE, "the images are not all of one size");
    if (n > 0 && n <= SIZE_MAX / sizeof **images / pixels) {
        *images = malloc(n * pixels * sizeof **images);
        classes = labels != NULL ? malloc(n * sizeof *classes) : NULL;
    }
    if (*images == NULL || (labels != NULL && classes == NULL))
        status = hidi_error(HIDI_NO_MEMORY, "no memory for %zu images", n);
    if (status == HIDI_OK)
        status = read_all(source, progress, *images, classes);
    if (status == HIDI_OK && labels != NULL)
        *labels = classes;
    if (status == HIDI_OK)
        return HIDI_OK;
    free(*images);
    free(classes);
    *images = NULL;
    return status;
}

size_t hidi_image_source_fit(const hidi_image_source *source, size_t height, size_t width,
                             size_t most)
{
    const size_t fit = BATCH_PIXELS / source->channels / height / width;
    return fit == 0 ? 1 : fit < most ? fit : most;
}

hidi_status hidi_image_source_room(hidi_image_source *source, hidi_image_batch *batch, size_t n)
{
    if (batch->height > MOST_PIXELS / source->channels / batch->width)
        return hidi_error(HIDI_UNSUPPORTED,
                          "an image of %zux%zux%zu is too large; up to %zu values are read",
                          batch->height, batch->width, source->channels, MOST_PIXELS);
    const size_t needed = n * source->channels * batch->height * batch->width;
    if (needed > source->capacity) {
        free(source->buffer);
        source->buffer = malloc(needed * sizeof *source->buffer);
        source->capacity = source->buffer != NULL ? needed : 0;
    }
    if (source->buffer == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu images of %zux%zu", n,
                          batch->height, batch->width);
    batch->n = n;
    batch->images = source->buffer;
    return HIDI_OK;
}

void hidi_image_source_spread(const hidi_real *images, size_t n, size_t pixels, size_t from,
                              hidi_real *out, size_t to)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < to; c++)
            memcpy(out + (i * to + c) * pixels, images + (i * from + c % from) * pixels,
                   pixels * sizeof *out);
}

void hidi_bytes_to_planes(const uint8_t *pixel, size_t channels, size_t pixels, hidi_real *out,
                          size_t C)
{
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < pixels; i++)
            out[c * pixels + i] = (hidi_real)(pixel[i * channels + c % channels] / 127.5 - 1.0);
}

/* --- images in memory ------------------------------------------------------------------------- */

static hidi_status memory_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    const size_t pixels = source->channels * source->height * source->width;
    *batch = (hidi_image_batch){.n = most,
                                .height = source->height,
                                .width = source->width,
                                .images = (hidi_real *)source->state + source->first * pixels};
    return HIDI_OK;
}

void hidi_image_source_memory(hidi_image_source *source, hidi_real *images, size_t n,
                              size_t channels, size_t height, size_t width)
{
    *source = (hidi_image_source){.channels = channels,
                                  .height = height,
                                  .width = width,
                                  .count = n,
                                  .kind = "memory",
                                  .next = memory_next,
                                  .state = images};
}

/* --- a split of a data set -------------------------------------------------------------------- */

typedef struct dataset_state {
    const hidi_dataset *data;
    hidi_split split;
    bool eight_bits;
    hidi_real *images; /* [most, C of the data, H, W] if that is not what is wanted */
    int32_t *labels;
    size_t most;
} dataset_state;

static hidi_status dataset_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    dataset_state *state = source->state;
    const hidi_dataset *data = state->data;
    const size_t pixels = data->height * data->width;
    const size_t n = hidi_image_source_fit(source, data->height, data->width, most);
    batch->height = data->height;
    batch->width = data->width;
    HIDI_TRY(hidi_image_source_room(source, batch, n));
    if (n > state->most) {
        free(state->images);
        free(state->labels);
        state->images = malloc(n * data->channels * pixels * sizeof *state->images);
        state->labels = malloc(n * sizeof *state->labels);
        state->most = state->images != NULL && state->labels != NULL ? n : 0;
    }
    if (state->most == 0)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu images", n);
    hidi_dataset_range(data, state->split, source->first, n, state->images, state->labels);
    for (size_t i = 0; i < n; i++)
        state->labels[i] = hidi_dataset_class(data, state->labels[i]);
    hidi_image_source_spread(state->images, n, pixels, data->channels, batch->images,
                             source->channels);
    batch->labels = state->labels;
    if (state->eight_bits)
        hidi_round_to_bytes(batch->images, n * source->channels * pixels);
    return HIDI_OK;
}

static void dataset_close(hidi_image_source *source)
{
    dataset_state *state = source->state;
    free(state->images);
    free(state->labels);
    free(state);
}

hidi_status hidi_image_source_dataset(hidi_image_source *source, const hidi_dataset *data,
                                      hidi_split split, size_t n, size_t channels, bool eight_bits)
{
    memset(source, 0, sizeof *source);
    HIDI_TRY(hidi_dataset_has(data, split, n));
    if (data->channels != channels && data->channels != 1)
        return hidi_error(HIDI_BAD_SHAPE, "%s: images of %zu channels, expected %zu", data->name,
                          data->channels, channels);
    dataset_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a data set");
    *state = (dataset_state){.data = data, .split = split, .eight_bits = eight_bits};
    *source = (hidi_image_source){.channels = channels,
                                  .height = data->height,
                                  .width = data->width,
                                  .count = n,
                                  .kind = "data set",
                                  .next = dataset_next,
                                  .close = dataset_close,
                                  .state = state};
    return HIDI_OK;
}
