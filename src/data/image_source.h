/* image_source.h - a set of images that is read once, from front to back, a batch at a time, so
 * that it need not fit into memory: a folder of pictures, an npz, a split of a data set.
 *
 *     HIDI_TRY(hidi_image_source_open(&source, "samples.npz", 3));
 *     while ((status = hidi_image_source_next(&source, 64, &batch)) == HIDI_OK && batch.n > 0)
 *         ... batch.images [n, 3, batch.height, batch.width] ...
 *     hidi_image_source_close(&source);
 */
#ifndef HIDI_DATA_IMAGE_SOURCE_H
#define HIDI_DATA_IMAGE_SOURCE_H

#include <stdbool.h>

#include "../core/progress.h"
#include "dataset.h"

typedef struct hidi_image_batch {
    size_t n, height, width; /* n images of one size; 0: there are no more                */
    hidi_real *images;       /* [n, C, height, width], values in [-1, 1] (samples may leave it);
                              * the source's, until the next call or the close; may be
                              * altered                                                   */
    const int32_t *labels;   /* [n] their classes, likewise; NULL: not known              */
} hidi_image_batch;

typedef struct hidi_image_source hidi_image_source;
struct hidi_image_source {
    size_t channels;  /* of the images it gives                                            */
    size_t height, width; /* of all images; 0: they may differ                              */
    uint64_t count;   /* images in all                                                     */
    uint64_t first;   /* images given so far                                               */
    const char *kind; /* "folder", "npz", "data set", "memory", "model" (eval/samples.h)   */
    long evaluations; /* of a network for one image; 0: images are read, not made          */
    uint64_t deep_greys; /* of the images given so far: PNG files of 16-bit grey           */
    double seconds;   /* that making the images given so far took                          */
    hidi_real *buffer; /* of the latest batch, [capacity]                                  */
    size_t capacity;
    /* What hidi_image_source_next calls: at least one image, at most `most`, fewer than asked for
     * where the size changes; fills in batch, whose memory is from hidi_image_source_room. */
    hidi_status (*next)(hidi_image_source *source, size_t most, hidi_image_batch *batch);
    void (*close)(hidi_image_source *source); /* frees `state`; NULL: nothing to free */
    void *state;
};

/* Images [n, channels, H, W] of 8 bits, from
 *   a folder   its PNG files, in the order of their names, and if it has none, those of all folders
 *              below it (in the order of their paths).  Sizes may differ.  Pictures of other kinds
 *              are refused: a set with some of them left out is another set
 *   an npz     the array arr_0, u8, [N, H, W, C], as guided-diffusion has it
 * channels: 1 or 3.  Grey images become three equal channels; PNG files in colour become grey
 * (Rec. 601).  Reads names and headers, no images.  HIDI_BAD_FORMAT where there is no image. */
hidi_status hidi_image_source_open(hidi_image_source *source, const char *path, size_t channels);

/* Images 0 .. n - 1 of a split, with their classes.  eight_bits: rounded as in a PNG file.  `data`
 * is borrowed. */
hidi_status hidi_image_source_dataset(hidi_image_source *source, const hidi_dataset *data,
                                      hidi_split split, size_t n, size_t channels,
                                      bool eight_bits);

/* Images [n, channels, height, width] of the caller's, which are given out where they are. */
void hidi_image_source_memory(hidi_image_source *source, hidi_real *images, size_t n,
                              size_t channels, size_t height, size_t width);

/* The next images: at most `most`, and no more than fit into some 64 MB unless that is one. */
hidi_status hidi_image_source_next(hidi_image_source *source, size_t most, hidi_image_batch *batch);

/* All images that are left, [n, channels, height, width], and their classes (labels NULL: not
 * wanted); the caller frees both, which are NULL after an error.  They must be of one size
 * (HIDI_BAD_SHAPE), and have classes if these are wanted (HIDI_UNSUPPORTED).  progress (NULL: none)
 * counts images. */
hidi_status hidi_image_source_all(hidi_image_source *source, hidi_progress *progress,
                                  hidi_real **images, int32_t **labels);

/* For a `next`: memory for n images of the batch's size, in batch->images.  HIDI_UNSUPPORTED for an
 * image of more than 2^27 values (512 MB in single precision). */
hidi_status hidi_image_source_room(hidi_image_source *source, hidi_image_batch *batch, size_t n);

/* For a `next`: how many images of this size, up to `most`, fit into a batch; at least 1. */
size_t hidi_image_source_fit(const hidi_image_source *source, size_t height, size_t width,
                             size_t most);

/* For a `next`: images [n, from, pixels] as out [n, to, pixels], where from = to, or from = 1 and
 * the one channel is repeated. */
void hidi_image_source_spread(const hidi_real *images, size_t n, size_t pixels, size_t from,
                              hidi_real *out, size_t to);

void hidi_image_source_close(hidi_image_source *source); /* one that is zeroed is allowed */

#endif
