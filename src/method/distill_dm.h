/* distill_dm.h - training of stage 2: distribution matching with an adversary, two time scales. */
#ifndef HIDI_METHOD_DISTILL_DM_H
#define HIDI_METHOD_DISTILL_DM_H

#include "method/batch.h"
#include "method/dmd.h"
#include "method/meanflow.h"
#include "method/optimizer.h"
#include "method/training.h"

typedef enum hidi_backbone { HIDI_BACKBONE_TEACHER, HIDI_BACKBONE_FAKE } hidi_backbone;
#define HIDI_BACKBONES "teacher fake"

typedef struct hidi_dm_options {
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
} hidi_dm_options;

typedef struct hidi_dm_training {
    hidi_dm_options options;
    const hidi_dit *teacher; /* borrowed, frozen                                               */
    hidi_dit *student;       /* the generator                                                  */
    hidi_dit *average;       /* its moving average: the result                                 */
    hidi_dit *fake;          /* the velocity of G's samples                                    */
    hidi_heads *heads;       /* NULL: no adversary                                             */
    hidi_optimizer student_optimizer, fake_optimizer, head_optimizer;
    hidi_batch batch;
    hidi_tape *tape;
    hidi_task task;
} hidi_dm_training;

/* Starts the generator from `student` (stage 1's), copied, and the fake score from the teacher.
 * teacher, data and settings must outlive the training.  Free with hidi_dm_free in any case. */
hidi_status hidi_dm_init(hidi_dm_training *training, const hidi_dit *student,
                         const hidi_dit *teacher, const hidi_dataset *data,
                         const hidi_dm_options *options, const char *settings);
void hidi_dm_free(hidi_dm_training *training);

#endif
