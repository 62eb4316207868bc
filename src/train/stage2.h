/* stage2.h - training of stage 2: distribution matching with an adversary, two time scales. */
#ifndef HIDI_TRAIN_STAGE2_H
#define HIDI_TRAIN_STAGE2_H

#include "batch.h"
#include "../method/dmd.h"
#include "../method/meanflow.h"
#include "optimizer.h"
#include "loop.h"

typedef enum hidi_backbone { HIDI_BACKBONE_TEACHER, HIDI_BACKBONE_FAKE } hidi_backbone;
#define HIDI_BACKBONES "teacher fake"

typedef struct hidi_stage2_options {
    size_t batch;
    uint64_t seed;
    double ema;
    double guidance;             /* w of the teacher                                           */
    long generator_every;        /* k: fake score and heads step in every iteration, G in every
                                  * k-th                                                       */
    hidi_time_options time;      /* t of the distribution matching and of the fake score       */
    double adversary_weight;     /* lambda_adv; 0: no adversary at all                         */
    hidi_time_options adversary_time; /* the adversary's own range of noise levels             */
    int adversarial;             /* a hidi_adversarial                                         */
    int backbone;                /* a hidi_backbone: whose features the heads read.  The fake
                                  * score, if it is the backbone, also learns from the heads'
                                  * loss, as in DMD2                                           */
    double r1_weight, r1_sigma;  /* approximate R1; 0: off                                     */
    hidi_heads_config heads;
    double td_weight;            /* lambda_td of a retained MeanFlow loss; 0: off              */
    hidi_interval_options interval;
    hidi_meanflow_options meanflow;
    hidi_adamw adamw;
    hidi_schedule schedule;      /* of the generator                                           */
    double fake_rate, head_rate; /* learning rates, relative to the generator's                */
} hidi_stage2_options;

typedef struct hidi_stage2_training {
    hidi_stage2_options options;
    const hidi_dit *teacher; /* borrowed, frozen                                               */
    hidi_dit *student;       /* the generator                                                  */
    hidi_dit *average;       /* its moving average: the result                                 */
    hidi_dit *fake;          /* the velocity of G's samples                                    */
    hidi_heads *heads;       /* NULL: no adversary                                             */
    hidi_optimizer student_optimizer, fake_optimizer, head_optimizer;
    hidi_batch batch;
    hidi_tape *tape;
    hidi_task task;
} hidi_stage2_training;

/* Starts the generator from `student` (stage 1's), copied, and the fake score from the teacher.
 * teacher, data and settings must outlive the training.  Free with hidi_stage2_free in any case. */
hidi_status hidi_stage2_init(hidi_stage2_training *training, const hidi_dit *student,
                         const hidi_dit *teacher, const hidi_dataset *data,
                         const hidi_stage2_options *options, const char *settings);
void hidi_stage2_free(hidi_stage2_training *training);

#endif
