/* batch.h - what a training step draws: images, labels, noise, times.
 *
 * Every draw is a function of (seed, stream, step).  The buffers are in host memory; the functions
 * put copies on the tape.
 */
#ifndef HIDI_TRAIN_BATCH_H
#define HIDI_TRAIN_BATCH_H

#include "../autograd/tape.h"
#include "../core/random.h"
#include "../data/dataset.h"
#include "../method/times.h"

typedef struct hidi_batch {
    const hidi_dataset *data; /* borrowed                                  */
    size_t size;              /* B                                         */
    uint64_t seed;
    int32_t *label;           /* [B] the classes y of the latest images    */
    hidi_real *image;         /* [B, C, H, W] scratch                      */
    hidi_real *t, *r;         /* [B] scratch                               */
} hidi_batch;

/* size: 1 .. HIDI_MAX_BATCH (train/options.h).  data must outlive it; the caller frees it. */
hidi_status hidi_batch_init(hidi_batch *batch, const hidi_dataset *data, size_t size,
                            uint64_t seed);
void hidi_batch_free(hidi_batch *batch);

hidi_shape hidi_batch_shape(const hidi_batch *batch); /* [B, C, H, W] */

/* Training images of a step, [B, C, H, W]; their classes in batch->label. */
hidi_var *hidi_batch_images(hidi_batch *batch, hidi_tape *tape, long step);

/* e ~ N(0, I), [B, C, H, W]; stream: one of HIDI_STREAM_NOISE ... */
hidi_var *hidi_batch_noise(hidi_batch *batch, hidi_tape *tape, hidi_stream stream, long step);

/* t [B] */
hidi_var *hidi_batch_times(hidi_batch *batch, hidi_tape *tape, const hidi_time_options *options,
                           hidi_stream stream, long step);

/* (t, r), [B] each */
void hidi_batch_intervals(hidi_batch *batch, hidi_tape *tape, const hidi_interval_options *options,
                          long step, hidi_var **t, hidi_var **r);

/* Replaces each label by the null class with probability `share`. */
void hidi_batch_drop_labels(hidi_batch *batch, double share, long step);

/* y ~ uniform over the classes, into label [n]. */
void hidi_draw_classes(uint64_t seed, uint64_t step, size_t n_classes, int32_t *label, size_t n);

#endif
