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

/* The training of one generator. */
typedef struct hidi_stage2 hidi_stage2;

/* Starts the generator from `student` (stage 1's), copied, and the fake score from the teacher.
 * settings: text for checkpoints (hidi_task).  teacher, data and settings must outlive the training; the
 * caller destroys it.  After an error *training is NULL. */
hidi_status hidi_stage2_create(hidi_stage2 **training, const hidi_dit *student,
                               const hidi_dit *teacher, const hidi_dataset *data,
                               const hidi_stage2_options *options, const char *settings);
void hidi_stage2_destroy(hidi_stage2 *training); /* NULL is allowed */

/* What hidi_train runs; it lives as long as the training. */
const hidi_task *hidi_stage2_task(const hidi_stage2 *training);

/* The generator's weights that are trained, and the result so far: their moving average. */
const hidi_dit *hidi_stage2_student(const hidi_stage2 *training);
const hidi_dit *hidi_stage2_result(const hidi_stage2 *training);

/* Its opponents: the velocity of G's samples, and the discriminator (NULL: no adversary). */
const hidi_dit *hidi_stage2_fake(const hidi_stage2 *training);
const hidi_heads *hidi_stage2_heads(const hidi_stage2 *training);

/* Hands the result over to the caller, who destroys it.  The training can then only be destroyed. */
hidi_dit *hidi_stage2_take_result(hidi_stage2 *training);

#endif
