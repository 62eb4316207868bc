/* batch.h - what a training step draws: images, labels, noise, times; a part of it at a time.
 *
 * Every draw is a function of (seed, stream, step, number of the sample in the batch), so that it
 * does not depend on the parts that the batch is cut into.  The buffers are in host memory; the
 * functions put copies on the tape.
 */
#ifndef HIDI_TRAIN_BATCH_H
#define HIDI_TRAIN_BATCH_H

#include "../autograd/tape.h"
#include "../core/random.h"
#include "../data/dataset.h"
#include "../method/meanflow.h"
#include "../method/times.h"
#include "../model/condition.h"

typedef struct hidi_batch {
    const hidi_dataset *data; /* borrowed                                    */
    uint64_t seed;
    size_t total;             /* B: samples of a step                        */
    size_t most;              /* of a part: what there is room for           */
    long step;                /* what is drawn: samples first .. first + size - 1 of this step */
    size_t first, size;
    int32_t *label;           /* [size] the classes (or captions) of the latest images */
    hidi_condition y;         /* that, as networks take it                   */
    hidi_real *image;         /* [size, C, H, W] scratch                     */
    hidi_real *t, *r;         /* [size] scratch                              */
} hidi_batch;

/* Room for parts of at most `most` samples of a batch of `total`, both 1 .. HIDI_MAX_BATCH
 * (train/options.h); the part is the first one of step 0.  data must outlive it; the caller frees
 * it. */
hidi_status hidi_batch_init(hidi_batch *batch, const hidi_dataset *data, uint64_t seed,
                            size_t total, size_t most);
void hidi_batch_free(hidi_batch *batch);

/* The part that is drawn from here on: samples first .. first + most - 1 of a step, or as many of
 * them as there are; first < total. */
void hidi_batch_part(hidi_batch *batch, long step, size_t first);

hidi_shape hidi_batch_shape(const hidi_batch *batch); /* [size, C, H, W] */

/* Training images of the step into batch->image [size, C, H, W], and their classes into
 * batch->label. */
void hidi_batch_draw_images(hidi_batch *batch);

/* The same on the tape, [size, C, H, W]; their classes in batch->label. */
hidi_var *hidi_batch_images(hidi_batch *batch, hidi_tape *tape);

/* e ~ N(0, I), [size, C, H, W]; stream: one of HIDI_STREAM_NOISE ... */
hidi_var *hidi_batch_noise(hidi_batch *batch, hidi_tape *tape, hidi_stream stream);

/* The same for samples [C', H', W'] of no more numbers than an image has. */
hidi_var *hidi_batch_noise_of(hidi_batch *batch, hidi_tape *tape, hidi_stream stream,
                              hidi_shape sample);

/* t [size] */
hidi_var *hidi_batch_times(hidi_batch *batch, hidi_tape *tape, const hidi_time_options *options,
                           hidi_stream stream);

/* (t, r), [size] each */
void hidi_batch_intervals(hidi_batch *batch, hidi_tape *tape, const hidi_interval_options *options,
                          hidi_var **t, hidi_var **r);

/* What MeanFlow's target is made with, as the options say: the whole of the derivative, by the
 * student or by `average`, its moving average; and places [size], uniform on [0, 1], if there is a
 * window. */
hidi_meanflow_target hidi_batch_target(hidi_batch *batch, hidi_tape *tape,
                                       const hidi_meanflow_options *options,
                                       const hidi_dit *average);

/* Replaces each label by the null class with probability `share`. */
void hidi_batch_drop_labels(hidi_batch *batch, double share);

/* y ~ uniform over the classes, into label [n]. */
void hidi_draw_classes(uint64_t seed, uint64_t step, size_t n_classes, int32_t *label, size_t n);

#endif
