/* classifier.h - training the feature net on a data set's classes. */
#ifndef HIDI_TRAIN_CLASSIFIER_H
#define HIDI_TRAIN_CLASSIFIER_H

#include "batch.h"
#include "optimizer.h"
#include "loop.h"
#include "../eval/feature_net.h"

typedef struct hidi_classifier_options {
    size_t batch, micro_batch;
    uint64_t seed;
    hidi_adamw adamw;
    hidi_schedule schedule;
} hidi_classifier_options;

/* The defaults of the command [ours]: batch 64, 2000 steps at 1e-3 after a warm-up of 50, cosine
 * down to 5 %, hidi_adamw_defaults(), seed 1.  The net is small, and its classes are easy. */
hidi_classifier_options hidi_classifier_defaults(void);

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h). */
hidi_status hidi_classifier_check(const hidi_classifier_options *options);

/* The training of one feature net. */
typedef struct hidi_classifier hidi_classifier;

/* Starts from a new net for the data's images and classes, with weights drawn from the seed.
 * settings: text for checkpoints (hidi_task).  data and settings must outlive the training; the
 * caller destroys it.  After an error *training is NULL. */
hidi_status hidi_classifier_create(hidi_classifier **training, const hidi_backend *backend,
                                   const hidi_dataset *data, const hidi_classifier_options *options,
                                   const char *settings);
void hidi_classifier_destroy(hidi_classifier *training); /* NULL is allowed */

/* What hidi_train runs; it lives as long as the training. */
const hidi_task *hidi_classifier_task(const hidi_classifier *training);

/* After the training: scales the features over training images, and *accuracy = share of the first
 * n test images that are classified right. */
hidi_status hidi_classifier_finish(hidi_classifier *training, size_t n, double *accuracy);

/* The net that is trained: the result, once it is finished. */
const hidi_feature_net *hidi_classifier_result(const hidi_classifier *training);

/* Hands the result over to the caller, who destroys it; the training can then only be destroyed. */
hidi_feature_net *hidi_classifier_take_result(hidi_classifier *training);

#endif
