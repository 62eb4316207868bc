/* source_files.c - images one after another, in memory for one batch at a time: the pictures below
 * a folder, or the array arr_0 [N, H, W, C] of an npz. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "data/listing.h"
#include "data/readers.h"
#include "io/image.h"
#include "io/npz.h"

/* --- a folder of pictures --------------------------------------------------------------------- */

enum { DEEPEST = 16 }; /* folders in folders: a link to a folder above has no end */

typedef struct folder_state {
    hidi_name_list path;
    size_t next;        /* picture to be decoded next                                     */
    hidi_image image;   /* one that was decoded, and did not fit into its batch           */
} folder_state;

static hidi_status no_memory(const char *path)
{
    return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
}

/* Appends the paths of a folder's own pictures. */
static hidi_status append_pictures(hidi_name_list *paths, const char *folder)
{
    hidi_name_list names;
    hidi_status status = hidi_list_folder(&names, folder, HIDI_LIST_PICTURES);
    for (size_t i = 0; status == HIDI_OK && i < names.n; i++) {
        char *path = hidi_path_join(folder, names.name[i]);
        if (path == NULL || !hidi_name_list_append(paths, path))
            status = no_memory(folder);
        free(path);
    }
    hidi_name_list_free(&names);
    return status;
}

/* The same of all folders below. */
static hidi_status append_folders(hidi_name_list *paths, const char *folder, int depth)
{
    hidi_name_list names;
    if (depth > DEEPEST)
        return hidi_error(HIDI_UNSUPPORTED, "%s: more than %d folders deep", folder, DEEPEST);
    hidi_status status = hidi_list_folder(&names, folder, HIDI_LIST_FOLDERS);
    for (size_t i = 0; status == HIDI_OK && i < names.n; i++) {
        char *path = hidi_path_join(folder, names.name[i]);
        status = path == NULL ? no_memory(folder) : append_pictures(paths, path);
        if (status == HIDI_OK)
            status = append_folders(paths, path, depth + 1);
        free(path);
    }
    hidi_name_list_free(&names);
    return status;
}

/* Pictures until the batch is full or the size changes; that one is kept for the next batch. */
static hidi_status folder_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    folder_state *state = source->state;
    const size_t C = source->channels;
    size_t n = 0, room = most;
    while (n < room && (state->image.pixel != NULL || state->next < state->path.n)) {
        hidi_image *image = &state->image;
        HIDI_TRY(hidi_check_stop());
        if (image->pixel == NULL)
            HIDI_TRY(hidi_image_read(image, state->path.name[state->next++], (int)C,
                                     HIDI_NO_BACKGROUND, NULL));
        const size_t pixels = image->width * image->height;
        if (n == 0) {
            batch->height = image->height;
            batch->width = image->width;
            room = hidi_image_source_fit(source, image->height, image->width, most);
            HIDI_TRY(hidi_image_source_room(source, batch, room));
        } else if (image->height != batch->height || image->width != batch->width) {
            break;
        }
        source->deep_greys += image->deep_grey != 0;
        hidi_bytes_to_planes(image->pixel, C, pixels, batch->images + n++ * C * pixels, C);
        hidi_image_free(image);
    }
    batch->n = n;
    return HIDI_OK;
}

static void folder_close(hidi_image_source *source)
{
    folder_state *state = source->state;
    hidi_name_list_free(&state->path);
    hidi_image_free(&state->image);
    free(state);
}

hidi_status hidi_folder_source(hidi_image_source *source, const char *path)
{
    folder_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return no_memory(path);
    source->state = state;
    source->next = folder_next;
    source->close = folder_close;
    HIDI_TRY(append_pictures(&state->path, path));
    if (state->path.n == 0) {
        HIDI_TRY(append_folders(&state->path, path, 0));
        hidi_name_list_sort(&state->path);
    }
    source->count = state->path.n;
    if (source->count == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no pictures in it (%s)", path,
                          hidi_image_kinds());
    return HIDI_OK;
}

/* --- an npz ----------------------------------------------------------------------------------- */

typedef struct npz_state {
    hidi_npz *npz;
    size_t channels; /* of the array */
    uint8_t *bytes;  /* [most, H, W, C] */
    size_t most;
} npz_state;

static hidi_status npz_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    npz_state *state = source->state;
    const size_t pixels = source->height * source->width, C = source->channels;
    const size_t n = hidi_image_source_fit(source, source->height, source->width, most);
    batch->height = source->height;
    batch->width = source->width;
    HIDI_TRY(hidi_image_source_room(source, batch, n));
    if (n > state->most) {
        free(state->bytes);
        state->bytes = malloc(n * pixels * state->channels);
        state->most = state->bytes != NULL ? n : 0;
    }
    if (state->most == 0)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu images", n);
    HIDI_TRY(hidi_npz_rows(state->npz, n, state->bytes));
    for (size_t i = 0; i < n; i++)
        hidi_bytes_to_planes(state->bytes + i * pixels * state->channels, state->channels, pixels,
                             batch->images + i * C * pixels, C);
    return HIDI_OK;
}

static void npz_close(hidi_image_source *source)
{
    npz_state *state = source->state;
    hidi_npz_close(state->npz);
    free(state->bytes);
    free(state);
}

/* arr_0 as guided-diffusion has it, or an error that says what it is instead. */
static hidi_status start_images(hidi_image_source *source, const char *path)
{
    npz_state *state = source->state;
    const hidi_tensor_file *arrays = hidi_npz_arrays(state->npz);
    const hidi_file_tensor *array;
    char text[128];
    const hidi_status status = hidi_tensor_file_need(arrays, "arr_0", &array);
    if (status == HIDI_UNSUPPORTED)
        return status;
    if (array == NULL)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: no array arr_0 of images, nor mu and sigma (%zu array%s%s%.40s%s)",
                          path, arrays->n_tensors, arrays->n_tensors == 1 ? "" : "s",
                          arrays->n_tensors > 0 ? ": " : "",
                          arrays->n_tensors > 0 ? arrays->tensor[0].name : "",
                          arrays->n_tensors > 1 ? " ..." : "");
    const size_t *dim = array->dim;
    if (array->dtype != HIDI_U8 || array->rank != 4 || (dim[3] != 1 && dim[3] != source->channels))
        return hidi_error(HIDI_BAD_FORMAT, "%s: arr_0 is %s, expected U8 [N, H, W, %zu]", path,
                          hidi_file_tensor_text(array, text, sizeof text), source->channels);
    if (array->count == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: arr_0 has no images", path);
    HIDI_TRY(hidi_npz_start(state->npz, "arr_0", NULL));
    source->count = dim[0];
    source->height = dim[1];
    source->width = dim[2];
    state->channels = dim[3];
    return HIDI_OK;
}

hidi_status hidi_npz_source(hidi_image_source *source, const char *path)
{
    npz_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return no_memory(path);
    source->state = state;
    source->next = npz_next;
    source->close = npz_close;
    HIDI_TRY(hidi_npz_open(&state->npz, path));
    return start_images(source, path);
}
