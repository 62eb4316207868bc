/* stage1.h - training of stage 1: trajectory distillation with the MeanFlow objective. */
#ifndef HIDI_TRAIN_STAGE1_H
#define HIDI_TRAIN_STAGE1_H

#include "batch.h"
#include "../method/meanflow.h"
#include "optimizer.h"
#include "loop.h"

typedef enum hidi_student_start { HIDI_START_TEACHER, HIDI_START_RANDOM } hidi_student_start;
#define HIDI_STUDENT_STARTS "teacher random"

/* The student's network, where it is not the teacher's. */
typedef struct hidi_student_options {
    int start;                  /* a hidi_student_start                                         */
    size_t width, depth, heads; /* 0: the teacher's.  Another width or number of heads cannot start
                                 * from the teacher's weights: HIDI_BAD_ARGUMENT; another depth
                                 * starts from blocks of it (hidi_dit_student_of_depth)         */
} hidi_student_options;

typedef struct hidi_stage1_options {
    size_t batch;
    uint64_t seed;
    double ema;
    hidi_interval_options interval;
    hidi_meanflow_options meanflow;
    hidi_adamw adamw;
    hidi_schedule schedule;
    hidi_student_options student;
} hidi_stage1_options;

typedef struct hidi_stage1_training {
    hidi_stage1_options options;
    const hidi_dit *teacher; /* borrowed, frozen                           */
    hidi_dit *student;       /* the weights that are trained               */
    hidi_dit *average;       /* their moving average: the result           */
    hidi_optimizer optimizer;
    hidi_batch batch;
    hidi_tape *tape;
    hidi_task task;
} hidi_stage1_training;

/* The network of a student of a teacher with this one: it takes r as well as t. */
hidi_dit_config hidi_student_config(const hidi_dit_config *teacher,
                                    const hidi_student_options *options);

/* A student before stage 1, on the teacher's backend: with the teacher's weights [base], or with
 * initial ones of its own, drawn from the seed.  HIDI_BAD_ARGUMENT where the teacher's do not fit (see
 * hidi_student_options).  The caller destroys it. */
hidi_status hidi_student_create(hidi_dit **student, const hidi_dit *teacher,
                                const hidi_student_options *options, uint64_t seed);

/* A student of hidi_student_create, and its training.  teacher, data and settings must outlive the
 * training.  Free with hidi_stage1_free in any case. */
hidi_status hidi_stage1_init(hidi_stage1_training *training, const hidi_dit *teacher,
                         const hidi_dataset *data, const hidi_stage1_options *options,
                         const char *settings);
void hidi_stage1_free(hidi_stage1_training *training);

#endif
