/* readers.h - what hidi_dataset_open chooses among, and what those have in common.
 *
 * Each opener gets a zeroed data set with its name set and fills in the rest.  When it fails,
 * hidi_dataset_close frees whatever it had already put there.
 */
#ifndef HIDI_DATA_READERS_H
#define HIDI_DATA_READERS_H

#include "data/dataset.h"
#include "data/image_source.h"

hidi_status hidi_shapes_open(hidi_dataset *data, size_t image_size, uint64_t seed);
hidi_status hidi_scenes_open(hidi_dataset *data, size_t image_size, uint64_t seed);
hidi_status hidi_idx_open(hidi_dataset *data, const char *path, size_t image_size);
hidi_status hidi_cifar10_open(hidi_dataset *data, const char *path, size_t image_size);
hidi_status hidi_folder_open(hidi_dataset *data, const char *path, size_t image_size,
                             const hidi_folder_options *options);

/* Pictures with captions (caption_list.h). */
hidi_status hidi_captions_open(hidi_dataset *data, const char *path, size_t image_size,
                               const hidi_folder_options *options);

typedef struct hidi_caption_list hidi_caption_list;
void hidi_caption_list_free(hidi_caption_list *list); /* NULL is allowed */

hidi_status hidi_latents_open(hidi_dataset *data, const char *path, size_t image_size, bool draw,
                              uint64_t seed);

/* Copies the names of n classes, cut to what fits; sets n_classes and class_name. */
hidi_status hidi_dataset_set_classes(hidi_dataset *data, const char *const *names, size_t n);

/* HIDI_BAD_SHAPE if image_size is not 0 and the images (height x width) are not of that size. */
hidi_status hidi_dataset_expect_size(const hidi_dataset *data, const char *path,
                                     size_t image_size);

/* "folder/name"; NULL when out of memory.  The caller frees it. */
char *hidi_path_join(const char *folder, const char *name);

/* Sources of images from files; `source` has its channels.  When one fails, the caller closes. */
hidi_status hidi_folder_source(hidi_image_source *source, const char *path);
hidi_status hidi_npz_source(hidi_image_source *source, const char *path);

/* One picture [pixels, channels] to planes [C, pixels], byte b to b / 127.5 - 1; channels is C or
 * 1. */
void hidi_bytes_to_planes(const uint8_t *pixel, size_t channels, size_t pixels, hidi_real *out,
                          size_t C);

/* Images that are held in memory as bytes, the state of the data sets that come from files. */
typedef struct hidi_byte_images {
    uint8_t *pixel[2]; /* [count, C, H, W] of each split; byte b stands for b / 127.5 - 1  */
    int32_t *label[2]; /* [count]                                                          */
} hidi_byte_images;

/* Gives `data` a state of this kind (empty) with its get and close. */
hidi_status hidi_byte_images_attach(hidi_dataset *data, hidi_byte_images **images);

/* Makes room for `count` images (at least 1) of the data set's shape, and sets its count. */
hidi_status hidi_byte_images_reserve(hidi_dataset *data, hidi_split split, uint64_t count);

#endif
