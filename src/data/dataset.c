/* dataset.c - choosing a reader by name, holding images out, and gathering batches. */
#include "data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/readers.h"
#include "io/image.h"

/* What one kind of data set or another is told besides. */
typedef struct options {
    hidi_folder_options folder;
    bool draw; /* of latents */
} options;

static hidi_status open_by_name(hidi_dataset *data, const char *path, size_t image_size,
                                uint64_t seed, const options *from)
{
    const bool is_scenes = strcmp(data->name, "scenes") == 0;
    if (is_scenes || strcmp(data->name, "shapes") == 0) {
        if (path != NULL && path[0] != '\0')
            return hidi_error(HIDI_BAD_ARGUMENT,
                              "data set '%s' is procedural and takes no path, found '%s'",
                              data->name, path);
        return is_scenes ? hidi_scenes_open(data, image_size, seed)
                         : hidi_shapes_open(data, image_size, seed);
    }
    hidi_status (*open)(hidi_dataset *, const char *, size_t) = NULL;
    const bool is_folder = strcmp(data->name, "folder") == 0;
    const bool is_captions = strcmp(data->name, "captions") == 0;
    const bool is_latents = strcmp(data->name, "latents") == 0;
    if (strcmp(data->name, "idx") == 0)
        open = hidi_idx_open;
    else if (strcmp(data->name, "cifar10") == 0)
        open = hidi_cifar10_open;
    else if (!is_folder && !is_captions && !is_latents)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "no data set is called '%s'; there are shapes, scenes, idx, cifar10, "
                          "folder, captions and latents",
                          data->name);
    if (path == NULL || path[0] == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT, "data set '%s' needs a path", data->name);
    if (is_latents)
        return hidi_latents_open(data, path, image_size, from->draw, seed);
    if (is_captions)
        return hidi_captions_open(data, path, image_size, &from->folder);
    return is_folder ? hidi_folder_open(data, path, image_size, &from->folder)
                     : open(data, path, image_size);
}

hidi_folder_options hidi_folder_defaults(void)
{
    return (hidi_folder_options){HIDI_RESIZE_NONE, HIDI_NO_BACKGROUND, NULL};
}

static hidi_status open_as(hidi_dataset **data, const char *name, const char *path,
                           size_t image_size, uint64_t seed, const options *from)
{
    *data = NULL;
    hidi_dataset *opened = calloc(1, sizeof *opened);
    if (opened == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a data set");
    snprintf(opened->name, sizeof opened->name, "%s", name);
    hidi_status status = open_by_name(opened, path, image_size, seed, from);
    if (status != HIDI_OK) {
        hidi_dataset_close(opened);
        return status;
    }
    *data = opened;
    return HIDI_OK;
}

hidi_status hidi_dataset_open(hidi_dataset **data, const char *name, const char *path,
                              size_t image_size, uint64_t seed)
{
    const options from = {hidi_folder_defaults(), false};
    return open_as(data, name, path, image_size, seed, &from);
}

hidi_status hidi_dataset_open_folder(hidi_dataset **data, const char *path, size_t image_size,
                                     const hidi_folder_options *folder)
{
    const options from = {*folder, false};
    return open_as(data, "folder", path, image_size, 0, &from);
}

hidi_status hidi_dataset_open_captions(hidi_dataset **data, const char *path, size_t image_size,
                                       const hidi_folder_options *folder)
{
    const options from = {*folder, false};
    return open_as(data, "captions", path, image_size, 0, &from);
}

hidi_status hidi_dataset_open_latents(hidi_dataset **data, const char *path, size_t image_size,
                                      bool draw, uint64_t seed)
{
    const options from = {hidi_folder_defaults(), draw};
    return open_as(data, "latents", path, image_size, seed, &from);
}

void hidi_dataset_close(hidi_dataset *data)
{
    if (data == NULL)
        return;
    if (data->close != NULL)
        data->close(data);
    hidi_caption_list_free(data->caption_list);
    free(data->class_name);
    free(data);
}

static const struct {
    const char *word, *name;
} splits[HIDI_SPLITS] = {{"train", "training"}, {"test", "test"}, {"validation", "validation"}};

const char *hidi_split_word(hidi_split split)
{
    return splits[split].word;
}

bool hidi_split_find(const char *word, hidi_split *split)
{
    for (int i = 0; i < HIDI_SPLITS; i++)
        if (strcmp(word, splits[i].word) == 0) {
            *split = (hidi_split)i;
            return true;
        }
    return false;
}

const char *hidi_split_name(hidi_split split)
{
    return splits[split].name;
}

hidi_status hidi_dataset_hold_out(hidi_dataset *data, uint64_t n)
{
    if (data->count[HIDI_TRAIN] == 0 || n == 0)
        return HIDI_OK;
    if (n >= data->count[HIDI_TRAIN])
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "cannot hold out %llu training images for validation: %s has %llu",
                          (unsigned long long)n, data->name,
                          (unsigned long long)data->count[HIDI_TRAIN]);
    data->count[HIDI_TRAIN] -= n;
    data->count[HIDI_VALIDATION] = n;
    return HIDI_OK;
}

hidi_status hidi_dataset_mirror(hidi_dataset *data)
{
    if (data->count[HIDI_TRAIN] == 0)
        return hidi_error(HIDI_UNSUPPORTED, "%s is unlimited, and has no mirrored copies",
                          data->name);
    if (data->lacks_copies)
        return hidi_error(HIDI_UNSUPPORTED, "the file has no mirrored copies: hidi encode "
                                            "--mirrored makes them");
    data->count[HIDI_TRAIN] *= 2;
    data->mirrored = true;
    return HIDI_OK;
}

hidi_status hidi_dataset_has(const hidi_dataset *data, hidi_split split, uint64_t n)
{
    if (data->count[HIDI_TRAIN] == 0 || data->count[split] >= n)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s has %llu %s images, fewer than the %llu wanted%s",
                      data->name, (unsigned long long)data->count[split], hidi_split_name(split),
                      (unsigned long long)n,
                      split == HIDI_VALIDATION ? " (data.validation holds some out)" : "");
}

hidi_status hidi_dataset_set_classes(hidi_dataset *data, const char *const *names, size_t n)
{
    data->class_name = calloc(n, sizeof *data->class_name);
    if (data->class_name == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for the names of %zu classes", n);
    data->n_classes = n;
    for (size_t i = 0; i < n; i++)
        snprintf(data->class_name[i], sizeof data->class_name[i], "%s", names[i]);
    return HIDI_OK;
}

hidi_status hidi_dataset_expect_size(const hidi_dataset *data, const char *path, size_t image_size)
{
    if (image_size == 0 || (data->height == image_size && data->width == image_size))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_SHAPE, "%s: images of %zu x %zu pixels, expected %zu x %zu", path,
                      data->height, data->width, image_size, image_size);
}

void hidi_dataset_batch(const hidi_dataset *data, uint64_t seed, uint64_t step, size_t batch,
                        size_t first, size_t n, hidi_real *images, int32_t *labels)
{
    const hidi_random random = {seed, HIDI_STREAM_BATCH, step};
    const size_t size = data->channels * data->height * data->width;
    const uint64_t count = data->count[HIDI_TRAIN];
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        uint64_t index = step * batch + first + i;
        if (count != 0)
            hidi_uniform_int(random, first + i, count, &index, 1);
        if (data->draw != NULL)
            data->draw(data, index, (hidi_random){seed, HIDI_STREAM_LATENT, step},
                       (first + i) * size, images + i * size, labels + i);
        else
            data->get(data, HIDI_TRAIN, index, images + i * size, labels + i);
    }
}

void hidi_dataset_range(const hidi_dataset *data, hidi_split split, uint64_t first, size_t n,
                        hidi_real *images, int32_t *labels)
{
    const size_t size = data->channels * data->height * data->width;
    const uint64_t count = data->count[split];
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        const uint64_t index = count != 0 ? (first + i) % count : first + i;
        data->get(data, split, index, images + i * size, labels + i);
    }
}
