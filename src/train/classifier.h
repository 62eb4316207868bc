/* classifier.h - training the feature net on a data set's classes. */
#ifndef HIDI_TRAIN_CLASSIFIER_H
#define HIDI_TRAIN_CLASSIFIER_H

#include "batch.h"
#include "optimizer.h"
#include "loop.h"
#include "../eval/feature_net.h"

typedef struct hidi_classifier_options {
    size_t batch;
    uint64_t seed;
    hidi_adamw adamw;
    hidi_schedule schedule;
} hidi_classifier_options;

typedef struct hidi_classifier_training {
    hidi_classifier_options options;
    hidi_feature_net *net; /* the result */
    hidi_optimizer optimizer;
    hidi_batch batch;
    hidi_tape *tape;
    hidi_task task;
} hidi_classifier_training;

/* As the other trainings: data and settings must outlive it; free it in any case. */
hidi_status hidi_classifier_init(hidi_classifier_training *training, const hidi_backend *backend,
                                 const hidi_dataset *data, const hidi_classifier_options *options,
                                 const char *settings);
void hidi_classifier_free(hidi_classifier_training *training);

/* After the training: scales the features over training images, and *accuracy = share of the first
 * n test images that are classified right. */
hidi_status hidi_classifier_finish(hidi_classifier_training *training, size_t n, double *accuracy);

#endif
