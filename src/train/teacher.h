/* teacher.h - training the teacher: flow matching with label dropout and a moving average. */
#ifndef HIDI_TRAIN_TEACHER_H
#define HIDI_TRAIN_TEACHER_H

#include "batch.h"
#include "optimizer.h"
#include "loop.h"
#include "../model/dit.h"

typedef struct hidi_teacher_options {
    size_t batch;
    uint64_t seed;
    double label_dropout; /* share of labels replaced by the null class */
    double ema;           /* decay of the moving average                */
    hidi_time_options time;
    hidi_adamw adamw;
    hidi_schedule schedule;
} hidi_teacher_options;

/* The training of one teacher; its `task` goes to hidi_train. */
typedef struct hidi_teacher_training {
    hidi_teacher_options options;
    hidi_dit *net;     /* the weights that are trained               */
    hidi_dit *average; /* their moving average: the result           */
    hidi_optimizer optimizer;
    hidi_batch batch;
    hidi_tape *tape;
    hidi_task task;
} hidi_teacher_training;

/* Starts from `net`, which it takes over, whether it succeeds or not.  settings: text for
 * checkpoints, must outlive the training, as must data.  Free with hidi_teacher_free in any case. */
hidi_status hidi_teacher_init(hidi_teacher_training *training, hidi_dit *net,
                              const hidi_dataset *data, const hidi_teacher_options *options,
                              const char *settings);
void hidi_teacher_free(hidi_teacher_training *training);

#endif
