/* dataset.h - labelled images behind one small interface.
 *
 * Images are [C, H, W], values in [-1, 1].  Every data set has a train and a test split that share
 * no image; a third split, for choosing settings, shares none with either: "shapes" draws it like
 * the others, and of images from files it is what hidi_dataset_hold_out takes from the train split.
 * Getting an image is a pure function of (split, index), so that runs can be repeated.
 */
#ifndef HIDI_DATA_DATASET_H
#define HIDI_DATA_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/random.h"
#include "../core/real.h"
#include "../core/status.h"
#include "captions.h"

typedef enum hidi_split { HIDI_TRAIN, HIDI_TEST, HIDI_VALIDATION, HIDI_SPLITS } hidi_split;

typedef struct hidi_dataset hidi_dataset;

struct hidi_dataset {
    char name[32];              /* "shapes", "scenes", "idx", "cifar10", "folder", "latents" */
    size_t channels, height, width;
    size_t n_classes;
    char (*class_name)[48];     /* [n_classes]; owned                                        */
    const hidi_captions *captions; /* NULL: labels are classes; else their numbers in this list */
    uint64_t count[HIDI_SPLITS]; /* images of each split; all 0: unlimited (procedural)      */
    bool mirrored;              /* the second half of the training images is the first, left
                                 * and right exchanged                                       */
    bool lacks_copies;          /* ... which would have to be in its file, and are not        */
    char note[256];             /* what there is to say of its files, one line; or ""        */
    /* Image `index` (below count, unless unlimited) into image [C, H, W] and *label.  Safe to
     * call from several threads at once; never fails after a successful open. */
    void (*get)(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                int32_t *label);
    /* The same for a training that takes it in a step, of what is another draw each time: from
     * `random`, whose draws from number `at` on are its own.  NULL: images do not vary, get. */
    void (*draw)(const hidi_dataset *data, uint64_t index, hidi_random random, uint64_t at,
                 hidi_real *image, int32_t *label);
    struct hidi_caption_list *caption_list; /* what captions points to; owned; NULL: state is   */
    void (*close)(hidi_dataset *data); /* frees `state`                                       */
    void *state;
};

/* Opens a data set:
 *   "shapes"   procedural, path NULL, any image_size from 8 to 4096 (16, 32, 64)
 *   "scenes"   procedural pictures with captions (scenes.c has their grammar), otherwise like
 *              "shapes", from a size of 16
 *   "idx"      a folder with MNIST's four files, plain or .gz (train-images-idx3-ubyte[.gz], ...,
 *              or with a dot, train-images.idx3-ubyte), or EMNIST's: path is then the folder and
 *              the beginning of their names, FOLDER/emnist-letters.  If path mentions emnist, there
 *              are 26 classes with "letters" in its last part, 47 with "balanced" or "bymerge" and 62
 *              with "byclass"; otherwise there are 10
 *   "cifar10"  a folder with data_batch_1.bin .. data_batch_5.bin and test_batch.bin
 *   "folder"   path/train/CLASS and path/test/CLASS, or path/CLASS, of which every tenth image of a
 *              class (in name order) is the test split (at least one class must have ten); pictures
 *              of the kinds of io/image.h, and one of another kind is an error.  Images are
 *              numbered in turns, one of each class; they have 3 channels if any of them has
 *   "captions" pictures of a folder, each with a caption: path/metadata.jsonl ({"file_name": ...,
 *              "text": ...} a line), path/metadata.csv (columns file_name, text), or NAME.txt
 *              beside NAME.png.  Every tenth (in name order) is the test split, and sample i is
 *              asked for the caption of test picture i
 *   "latents"  a file of hidi encode: images are latents (of any channels, and not in [-1, 1]),
 *              times the autoencoder's scale, drawn as hidi_dataset_open_latents says
 * image_size: for "shapes" the size; for the others 0, or the size that is expected.
 * seed: of procedural images.  A path that cannot be read or is not what it should be: an error
 * that names the file, the offset, what was expected and found.  The caller closes. */
hidi_status hidi_dataset_open(hidi_dataset **data, const char *name, const char *path,
                              size_t image_size, uint64_t seed);

/* What is done with the pictures of a folder. */
typedef enum hidi_resize { HIDI_RESIZE_NONE, HIDI_RESIZE_CROP, HIDI_RESIZE_PAD } hidi_resize;
#define HIDI_RESIZE_KINDS "none crop pad" /* in the order of the enum */

typedef struct hidi_folder_options {
    hidi_resize resize; /* to image_size, which must not be 0 then, as hidi_image_square does it;
                         * none: all must have one size                                       */
    long background;    /* as in hidi_image_read                                              */
    const char *embeddings; /* of pictures with captions: a file that has these (embeddings.h),
                         * row i for picture i by name, in the place of texts; NULL           */
} hidi_folder_options;

/* {HIDI_RESIZE_NONE, HIDI_NO_BACKGROUND, NULL}, which hidi_dataset_open takes. */
hidi_folder_options hidi_folder_defaults(void);

/* Opens a folder with these options; data->note says what they leave out: transparency,
 * orientation. */
hidi_status hidi_dataset_open_folder(hidi_dataset **data, const char *path, size_t image_size,
                                     const hidi_folder_options *options);

/* The same of pictures with captions. */
hidi_status hidi_dataset_open_captions(hidi_dataset **data, const char *path, size_t image_size,
                                       const hidi_folder_options *options);

/* Opens a file of latents, which is mapped into memory: of each image the mean, or with `draw` a
 * draw from its distribution: in a batch another one each time, otherwise (get) one that is a
 * function of the seed and its number. */
hidi_status hidi_dataset_open_latents(hidi_dataset **data, const char *path, size_t image_size,
                                      bool draw, uint64_t seed);

void hidi_dataset_close(hidi_dataset *data); /* NULL is allowed */

/* Makes the last n training images the validation split, so that no training sees them; called
 * once, before any use.  0: nothing.  At least one must be left.  An unlimited data set has its own
 * validation images and is left as it is. */
hidi_status hidi_dataset_hold_out(hidi_dataset *data, uint64_t n);

/* Doubles the training split with a mirrored copy of each image, left and right exchanged; called
 * once, after hidi_dataset_hold_out, so that no copy of a validation image is among them.
 * HIDI_UNSUPPORTED for "shapes", of which there is no end anyway, and for latents without such
 * copies. */
hidi_status hidi_dataset_mirror(hidi_dataset *data);

/* In commands and file names: "train", "test" or "validation"; false: `word` is none of them. */
const char *hidi_split_word(hidi_split split);
bool hidi_split_find(const char *word, hidi_split *split);

/* In sentences: "training", "test" or "validation". */
const char *hidi_split_name(hidi_split split);

/* The number of no class, or of the null caption: how many of them there are. */
static inline size_t hidi_dataset_null(const hidi_dataset *data)
{
    return data->captions != NULL ? data->captions->n : data->n_classes;
}

/* What sample number i is asked for: classes go round. */
static inline int32_t hidi_dataset_asked(const hidi_dataset *data, uint64_t i)
{
    return data->captions != NULL ? hidi_captions_asked(data->captions, i)
                                  : (int32_t)(i % data->n_classes);
}

/* The class of a label, below n_classes. */
static inline int32_t hidi_dataset_class(const hidi_dataset *data, int32_t label)
{
    return data->captions != NULL && data->captions->class_of != NULL
               ? data->captions->class_of[label]
               : label;
}

/* Are there n images in this split?  Else an error that says how many there are. */
hidi_status hidi_dataset_has(const hidi_dataset *data, hidi_split split, uint64_t n);

/* Samples first .. first + n - 1 of a step's `batch` training images, which are drawn with
 * replacement, and latents from their distributions; a function of (seed, step, number of the
 * sample) alone; images [n, C, H, W], labels [n].  Unlimited data sets: images number
 * step * batch + i. */
void hidi_dataset_batch(const hidi_dataset *data, uint64_t seed, uint64_t step, size_t batch,
                        size_t first, size_t n, hidi_real *images, int32_t *labels);

/* Images first .. first + n - 1 of a split, in order (modulo its count). */
void hidi_dataset_range(const hidi_dataset *data, hidi_split split, uint64_t first, size_t n,
                        hidi_real *images, int32_t *labels);

#endif
