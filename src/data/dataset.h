/* dataset.h - labelled images behind one small interface.
 *
 * Images are [C, H, W], values in [-1, 1].  Every data set has a train and a test split that share
 * no image; a third split, for choosing settings, shares none with either: "shapes" draws it like
 * the others, and of images from files it is what hidi_dataset_hold_out takes from the train split.
 * Getting an image is a pure function of (split, index), so that runs can be repeated.
 */
#ifndef HIDI_DATA_DATASET_H
#define HIDI_DATA_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "../core/real.h"
#include "../core/status.h"

typedef enum hidi_split { HIDI_TRAIN, HIDI_TEST, HIDI_VALIDATION, HIDI_SPLITS } hidi_split;

typedef struct hidi_dataset hidi_dataset;

struct hidi_dataset {
    char name[32];              /* "shapes", "idx", "cifar10", "folder"                      */
    size_t channels, height, width;
    size_t n_classes;
    char (*class_name)[48];     /* [n_classes]; owned                                        */
    uint64_t count[HIDI_SPLITS]; /* images of each split; all 0: unlimited (procedural)      */
    /* Image `index` (below count, unless unlimited) into image [C, H, W] and *label.  Safe to
     * call from several threads at once; never fails after a successful open. */
    void (*get)(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                int32_t *label);
    void (*close)(hidi_dataset *data); /* frees `state`                                       */
    void *state;
};

/* Opens a data set:
 *   "shapes"   procedural, path NULL, any image_size from 8 to 4096 (16, 32, 64)
 *   "idx"      a folder with MNIST's four files, plain or .gz (train-images-idx3-ubyte[.gz], ...)
 *   "cifar10"  a folder with data_batch_1.bin .. data_batch_5.bin and test_batch.bin
 *   "folder"   path/train/CLASS/ *.png and path/test/CLASS/ *.png, or path/CLASS/ *.png, of which
 *              every tenth image of a class (in name order) is the test split
 *              (at least one class must have ten).  Images are numbered in turns, one of each
 *              class; they have 3 channels if any of them has
 * image_size: for "shapes" the size; for the others 0, or the size that is expected.
 * seed: of procedural images.  A path that cannot be read or is not what it should be: an error
 * that names the file, the offset, what was expected and found.  The caller closes. */
hidi_status hidi_dataset_open(hidi_dataset **data, const char *name, const char *path,
                              size_t image_size, uint64_t seed);
void hidi_dataset_close(hidi_dataset *data); /* NULL is allowed */

/* Makes the last n training images the validation split, so that no training sees them; called
 * once, before any use.  0: nothing.  At least one must be left.  An unlimited data set has its own
 * validation images and is left as it is. */
hidi_status hidi_dataset_hold_out(hidi_dataset *data, uint64_t n);

/* "training", "test" or "validation". */
const char *hidi_split_name(hidi_split split);

/* Are there n images in this split?  Else an error that says how many there are. */
hidi_status hidi_dataset_has(const hidi_dataset *data, hidi_split split, uint64_t n);

/* `batch` training images drawn with replacement, a function of (seed, step) alone; images
 * [batch, C, H, W], labels [batch].  Unlimited data sets: images number step * batch + i. */
void hidi_dataset_batch(const hidi_dataset *data, uint64_t seed, uint64_t step, size_t batch,
                        hidi_real *images, int32_t *labels);

/* Images first .. first + n - 1 of a split, in order (modulo its count). */
void hidi_dataset_range(const hidi_dataset *data, hidi_split split, uint64_t first, size_t n,
                        hidi_real *images, int32_t *labels);

#endif
