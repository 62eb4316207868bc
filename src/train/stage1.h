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
    size_t batch, micro_batch; /* images of a step, and of what is computed at one time (task.h) */
    uint64_t seed;
    double ema;
    hidi_interval_options interval;
    hidi_meanflow_options meanflow;
    hidi_adamw adamw;
    hidi_schedule schedule;
    hidi_student_options student;
} hidi_stage1_options;

/* The defaults of the command, chosen on the validation split of shapes (docs/results.md) [ours],
 * but for what is marked:
 *
 *     batch 64, 1500 steps at 1e-3 after a warm-up of 100, cosine down to 5 %; ema 0.99
 *     interval: cover, r = 0 in 0.6 of the intervals, r = t in a share of 0.25
 *               [base: r = t in 0.75; logit-normal(-0.4, 1), which mean and deviation keep]
 *     guidance 1.5
 *     p = 1 [base: MeanFlow], c = 1    [base: 0.01]
 *     difference 0.05, bound 1         [base: JVP, no bound], which ran away at this rate
 *     adamw                            hidi_adamw_defaults()
 *     the student is the teacher's network, with its weights
 *     seed 2                           not the teacher's, so that its draws are not repeated */
hidi_stage1_options hidi_stage1_defaults(void);

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h). */
hidi_status hidi_stage1_check(const hidi_stage1_options *options);

/* The network of a student of a teacher with this one: it takes r as well as t, and its MLPs are as
 * many times as wide as its tokens as the teacher's are (mlp_width / width, rounded). */
hidi_dit_config hidi_student_config(const hidi_dit_config *teacher,
                                    const hidi_student_options *options);

/* A student before stage 1, on the teacher's backend: with the teacher's weights [base], or with
 * initial ones of its own, drawn from the seed.  HIDI_BAD_ARGUMENT where the teacher's do not fit
 * (see hidi_student_options).  The caller destroys it. */
hidi_status hidi_student_create(hidi_dit **student, const hidi_dit *teacher,
                                const hidi_student_options *options, uint64_t seed);

/* The training of one student. */
typedef struct hidi_stage1 hidi_stage1;

/* Starts from a student of hidi_student_create.  settings: text for checkpoints (hidi_task).
 * teacher, data and settings must outlive the training; the caller destroys it.  After an error
 * *training is NULL. */
hidi_status hidi_stage1_create(hidi_stage1 **training, const hidi_dit *teacher,
                               const hidi_dataset *data, const hidi_stage1_options *options,
                               const char *settings);
void hidi_stage1_destroy(hidi_stage1 *training); /* NULL is allowed */

/* What hidi_train runs; it lives as long as the training. */
const hidi_task *hidi_stage1_task(const hidi_stage1 *training);

/* The weights that are trained, and the result so far: their moving average. */
const hidi_dit *hidi_stage1_student(const hidi_stage1 *training);
const hidi_dit *hidi_stage1_result(const hidi_stage1 *training);

/* Hands the result over to the caller, who destroys it; the training can then only be destroyed. */
hidi_dit *hidi_stage1_take_result(hidi_stage1 *training);

#endif
