/* folder.c - pictures in one folder per class.
 *
 * Images are numbered in turns: the first of each class, then the second of each class, and so on,
 * so that the beginning of a split is not all of one class.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"
#include "core/stop.h"
#include "data/caption_list.h"
#include "data/listing.h"
#include "data/readers.h"
#include "io/image.h"

typedef struct picture {
    char *path;
    hidi_split split;
    size_t rank; /* within its class and split */
    int32_t label;
    hidi_image image;
} picture;

typedef struct listing {
    picture *item;
    size_t n;
} listing;

static hidi_status no_memory(const char *path)
{
    return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
}

static void free_listing(listing *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->item[i].path);
        hidi_image_free(&list->item[i].image);
    }
    free(list->item);
}

/* hidi_list_folder, but there must be some. */
static hidi_status list_names(hidi_name_list *list, const char *path, hidi_listed what)
{
    HIDI_TRY(hidi_list_folder(list, path, what));
    if (list->n == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: expected %s, found none", path,
                          what == HIDI_LIST_FOLDERS ? "a folder for each class" : "pictures");
    return HIDI_OK;
}

static bool append_picture(listing *list, const char *folder, const char *name, picture about)
{
    if (!hidi_array_room(&list->item, list->n, NULL, sizeof *list->item))
        return false;
    about.path = hidi_path_join(folder, name);
    if (about.path == NULL)
        return false;
    list->item[list->n++] = about;
    return true;
}

/* How the pictures of a class are divided. */
typedef enum division { ALL_TRAIN, ALL_TEST, EVERY_TENTH_TEST } division;

static hidi_status list_class(listing *list, const char *folder, const char *class_name,
                              int32_t label, division divide)
{
    hidi_name_list names = {0};
    char *path = hidi_path_join(folder, class_name);
    hidi_status status =
        path == NULL ? no_memory(folder) : list_names(&names, path, HIDI_LIST_PICTURES);
    size_t rank[2] = {0, 0};
    for (size_t i = 0; status == HIDI_OK && i < names.n; i++) {
        const bool test = divide == ALL_TEST || (divide == EVERY_TENTH_TEST && i % 10 == 9);
        picture about = {0};
        about.split = test ? HIDI_TEST : HIDI_TRAIN;
        about.rank = rank[about.split]++;
        about.label = label;
        if (!append_picture(list, path, names.name[i], about))
            status = no_memory(path);
    }
    hidi_name_list_free(&names);
    free(path);
    return status;
}

static hidi_status list_classes(listing *list, const char *folder, const hidi_name_list *classes,
                                division divide)
{
    for (size_t i = 0; i < classes->n; i++)
        HIDI_TRY(list_class(list, folder, classes->name[i], (int32_t)i, divide));
    return HIDI_OK;
}

/* The test split must have the classes of the train split. */
static hidi_status compare_classes(const char *test, const hidi_name_list *expected)
{
    hidi_name_list found;
    hidi_status status = list_names(&found, test, HIDI_LIST_FOLDERS);
    size_t i = 0;
    while (i < found.n && i < expected->n && strcmp(found.name[i], expected->name[i]) == 0)
        i++;
    if (status == HIDI_OK && (i < found.n || i < expected->n))
        status = hidi_error(HIDI_BAD_FORMAT,
                            "%s: expected the classes of the train split, with '%s' as number %zu, "
                            "found '%s'", test, i < expected->n ? expected->name[i] : "none", i,
                            i < found.n ? found.name[i] : "none");
    hidi_name_list_free(&found);
    return status;
}

/* path/train/CLASS and path/test/CLASS. */
static hidi_status list_two_splits(listing *list, const char *path, hidi_name_list *classes)
{
    char *train = hidi_path_join(path, "train"), *test = hidi_path_join(path, "test");
    hidi_status status = train == NULL || test == NULL ? no_memory(path) : HIDI_OK;
    if (status == HIDI_OK)
        status = list_names(classes, train, HIDI_LIST_FOLDERS);
    if (status == HIDI_OK)
        status = compare_classes(test, classes);
    if (status == HIDI_OK)
        status = list_classes(list, train, classes, ALL_TRAIN);
    if (status == HIDI_OK)
        status = list_classes(list, test, classes, ALL_TEST);
    free(train);
    free(test);
    return status;
}

/* path/CLASS. */
static hidi_status list_one_folder(listing *list, const char *path, hidi_name_list *classes)
{
    HIDI_TRY(list_names(classes, path, HIDI_LIST_FOLDERS));
    HIDI_TRY(list_classes(list, path, classes, EVERY_TENTH_TEST));
    for (size_t i = 0; i < list->n; i++)
        if (list->item[i].split == HIDI_TEST)
            return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT,
                      "%s: no class has 10 images, of which the tenth would be a test image", path);
}

/* Split, then rank, then class. */
static int by_turns(const void *a, const void *b)
{
    const picture *p = a, *q = b;
    if (p->split != q->split)
        return p->split < q->split ? -1 : 1;
    if (p->rank != q->rank)
        return p->rank < q->rank ? -1 : 1;
    return (p->label > q->label) - (p->label < q->label);
}

/* What was seen of pictures, that is not in their pixels. */
typedef struct sightings {
    size_t transparent, turned;
} sightings;

static hidi_status decode_one(picture *p, size_t image_size, const hidi_folder_options *options,
                              sightings *seen)
{
    unsigned remarks = 0;
    HIDI_TRY(hidi_image_read(&p->image, p->path, 0, options->background, &remarks));
    seen->transparent += (remarks & HIDI_IMAGE_TRANSPARENT) != 0;
    seen->turned += (remarks & HIDI_IMAGE_TURNED) != 0;
    if (options->resize == HIDI_RESIZE_NONE)
        return HIDI_OK;
    const bool crop = options->resize == HIDI_RESIZE_CROP;
    return hidi_error_prefix(
        hidi_image_square(&p->image, image_size, crop, options->background), "%s", p->path);
}

/* Into data->note. */
static void note_sightings(hidi_dataset *data, const sightings *seen, long background)
{
    const size_t size = sizeof data->note;
    const bool ignored = seen->transparent > 0 && background == HIDI_NO_BACKGROUND;
    size_t at = 0;
    if (ignored)
        at = (size_t)snprintf(data->note, size, "transparency of %zu pictures is ignored, and what "
                                                "lies under it is used (data.background)",
                              seen->transparent);
    if (seen->turned > 0)
        snprintf(data->note + at, size - at, "%s%zu pictures were taken with a turned camera, and "
                                             "are used as they are stored (EXIF orientation)",
                 ignored ? "; " : "", seen->turned);
}

/* Decodes every picture, and finds the shape that they must share; three channels if any has. */
static hidi_status decode(hidi_dataset *data, listing *list, size_t image_size,
                          const hidi_folder_options *options)
{
    sightings seen = {0, 0};
    for (size_t i = 0; i < list->n; i++) {
        picture *p = &list->item[i];
        HIDI_TRY(hidi_check_stop());
        HIDI_TRY(decode_one(p, image_size, options, &seen));
        const picture *first = &list->item[0];
        if (p->image.width != first->image.width || p->image.height != first->image.height)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: %zu x %zu pixels, expected %zu x %zu as in %s; data.resize=crop "
                              "or pad makes all of them data.size", p->path, p->image.height,
                              p->image.width, first->image.height, first->image.width, first->path);
        if ((size_t)p->image.channels > data->channels)
            data->channels = (size_t)p->image.channels;
        data->count[p->split]++;
    }
    data->height = list->item[0].image.height;
    data->width = list->item[0].image.width;
    note_sightings(data, &seen, options->background);
    return HIDI_OK;
}

/* [H, W, channels of the file] to [C, H, W]; grey is repeated if C = 3. */
static void to_planes(const hidi_image *image, uint8_t *out, size_t C)
{
    const size_t n = image->width * image->height, channels = (size_t)image->channels;
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < n; i++)
            out[c * n + i] = image->pixel[i * channels + c % channels];
}

static hidi_status keep(hidi_dataset *data, listing *list)
{
    const hidi_byte_images *images = data->state;
    const size_t size = data->channels * data->height * data->width;
    size_t at[2] = {0, 0};
    HIDI_TRY(hidi_byte_images_reserve(data, HIDI_TRAIN, data->count[HIDI_TRAIN]));
    HIDI_TRY(hidi_byte_images_reserve(data, HIDI_TEST, data->count[HIDI_TEST]));
    for (size_t i = 0; i < list->n; i++) {
        picture *p = &list->item[i];
        to_planes(&p->image, images->pixel[p->split] + at[p->split] * size, data->channels);
        images->label[p->split][at[p->split]++] = p->label;
        hidi_image_free(&p->image); /* so that no more than one copy of all is ever in memory */
    }
    return HIDI_OK;
}

static hidi_status open_listed(hidi_dataset *data, const char *path, size_t image_size,
                               const hidi_folder_options *options, listing *list,
                               hidi_name_list *classes)
{
    const bool train = hidi_has_folder(path, "train"), test = hidi_has_folder(path, "test");
    if (train != test)
        return hidi_error(HIDI_BAD_FILE, "%s/%s: not a folder, though %s/%s is one", path,
                          train ? "test" : "train", path, train ? "train" : "test");
    HIDI_TRY(train ? list_two_splits(list, path, classes) : list_one_folder(list, path, classes));
    qsort(list->item, list->n, sizeof *list->item, by_turns);
    HIDI_TRY(hidi_dataset_set_classes(data, (const char *const *)classes->name, classes->n));
    HIDI_TRY(decode(data, list, image_size, options));
    HIDI_TRY(hidi_dataset_expect_size(data, path, image_size));
    return keep(data, list);
}

/* --- pictures with captions ------------------------------------------------------------------- */

/* Sample number i is asked for what test picture i shows. */
static hidi_status ask_for_tests(hidi_dataset *data, const listing *list, const char *path)
{
    size_t n = 0;
    int32_t *caption = malloc((list->n + 1) * sizeof *caption);
    if (caption == NULL)
        return no_memory(path);
    for (size_t i = 0; i < list->n; i++)
        if (list->item[i].split == HIDI_TEST)
            caption[n++] = list->item[i].label;
    const hidi_status status = hidi_captions_ask(data, caption, n);
    free(caption);
    return status;
}

/* Every tenth is a test picture; its label is its number, which is its caption's. */
static hidi_status list_captioned(listing *list, const char *path, const hidi_name_list *names)
{
    size_t rank[2] = {0, 0};
    if (names->n < 10)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %zu pictures, of which every tenth would be a test "
                                           "image: expected 10 or more",
                          path, names->n);
    for (size_t i = 0; i < names->n; i++) {
        picture about = {.split = i % 10 == 9 ? HIDI_TEST : HIDI_TRAIN, .label = (int32_t)i};
        about.rank = rank[about.split]++;
        if (!append_picture(list, path, names->name[i], about))
            return no_memory(path);
    }
    qsort(list->item, list->n, sizeof *list->item, by_turns);
    return HIDI_OK;
}

static hidi_status open_captioned(hidi_dataset *data, const char *path, size_t image_size,
                                  const hidi_folder_options *options, listing *list,
                                  hidi_name_list *names, hidi_name_list *text)
{
    HIDI_TRY(list_names(names, path, HIDI_LIST_PICTURES));
    if (options->embeddings != NULL) {
        HIDI_TRY(hidi_captions_attach_file(data, options->embeddings, path, names));
    } else {
        HIDI_TRY(hidi_captions_of_pictures(text, path, names));
        HIDI_TRY(hidi_captions_attach(data, path, names, text));
    }
    HIDI_TRY(list_captioned(list, path, names));
    HIDI_TRY(ask_for_tests(data, list, path));
    HIDI_TRY(decode(data, list, image_size, options));
    HIDI_TRY(hidi_dataset_expect_size(data, path, image_size));
    return keep(data, list);
}

hidi_status hidi_captions_open(hidi_dataset *data, const char *path, size_t image_size,
                               const hidi_folder_options *options)
{
    hidi_byte_images *images;
    listing list = {0};
    hidi_name_list names = {0}, text = {0};
    if (options->resize != HIDI_RESIZE_NONE && image_size == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: to resize pictures, their size has to be said "
                                             "(data.size)", path);
    HIDI_TRY(hidi_byte_images_attach(data, &images));
    const hidi_status status =
        open_captioned(data, path, image_size, options, &list, &names, &text);
    free_listing(&list);
    hidi_name_list_free(&names);
    hidi_name_list_free(&text);
    return status;
}

hidi_status hidi_folder_open(hidi_dataset *data, const char *path, size_t image_size,
                             const hidi_folder_options *options)
{
    hidi_byte_images *images;
    listing list = {0};
    hidi_name_list classes = {0};
    if (options->resize != HIDI_RESIZE_NONE && image_size == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: to resize pictures, their size has to be said "
                                             "(data.size)", path);
    HIDI_TRY(hidi_byte_images_attach(data, &images));
    const hidi_status status = open_listed(data, path, image_size, options, &list, &classes);
    free_listing(&list);
    hidi_name_list_free(&classes);
    return status;
}
