/* byte_images.c - byte b of a file stands for b / 127.5 - 1; the held-out images are the last of
 * the training images; mirrored copies are made as they are asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/readers.h"

static void byte_images_get(const hidi_dataset *data, hidi_split split, uint64_t index,
                            hidi_real *image, int32_t *label)
{
    const hidi_byte_images *images = data->state;
    const size_t size = data->channels * data->height * data->width;
    const uint64_t own = data->count[HIDI_TRAIN] / (data->mirrored ? 2 : 1);
    bool flip = false;
    if (split == HIDI_VALIDATION) { /* held out: behind the training images */
        split = HIDI_TRAIN;
        index += own;
    } else if (split == HIDI_TRAIN && index >= own) {
        flip = true;
        index -= own;
    }
    const uint8_t *pixel = images->pixel[split] + index * size;
    for (size_t i = 0; i < size; i++) {
        const size_t column = i % data->width;
        image[i] = (hidi_real)(pixel[flip ? i - column + (data->width - 1 - column) : i] / 127.5 -
                               1.0);
    }
    *label = images->label[split][index];
}

static void byte_images_close(hidi_dataset *data)
{
    hidi_byte_images *images = data->state;
    for (int split = 0; split < 2; split++) {
        free(images->pixel[split]);
        free(images->label[split]);
    }
    free(images);
}

hidi_status hidi_byte_images_attach(hidi_dataset *data, hidi_byte_images **images)
{
    *images = calloc(1, sizeof **images);
    if (*images == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a data set");
    data->state = *images;
    data->get = byte_images_get;
    data->close = byte_images_close;
    return HIDI_OK;
}

hidi_status hidi_byte_images_reserve(hidi_dataset *data, hidi_split split, uint64_t count)
{
    hidi_byte_images *images = data->state;
    const size_t size = data->channels * data->height * data->width;
    if (count <= SIZE_MAX / sizeof(int32_t) && count <= SIZE_MAX / size) {
        images->pixel[split] = malloc((size_t)count * size);
        images->label[split] = malloc((size_t)count * sizeof(int32_t));
    }
    if (images->pixel[split] == NULL || images->label[split] == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %llu images of %zu bytes",
                          (unsigned long long)count, size);
    data->count[split] = count;
    return HIDI_OK;
}

char *hidi_path_join(const char *folder, const char *name)
{
    const size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path != NULL)
        snprintf(path, bytes, "%s/%s", folder, name);
    return path;
}
