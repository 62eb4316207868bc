/* stage2.h - training of stage 2: distribution matching with an adversary, two time scales. */
#ifndef HIDI_TRAIN_STAGE2_H
#define HIDI_TRAIN_STAGE2_H

#include "batch.h"
#include "../method/meanflow.h"
#include "adversary.h"
#include "optimizer.h"
#include "loop.h"

typedef enum hidi_backbone { HIDI_BACKBONE_TEACHER, HIDI_BACKBONE_FAKE } hidi_backbone;
#define HIDI_BACKBONES "teacher fake"

typedef struct hidi_stage2_options {
    size_t batch, micro_batch; /* images of a step, and of what is computed at one time (task.h) */
    uint64_t seed;
    double ema;
    double guidance;             /* w of the teacher                                           */
    long generator_every;        /* k: fake score and heads step in every iteration, G in every
                                  * k-th                                                       */
    hidi_time_options time;      /* t of the distribution matching and of the fake score       */
    hidi_adversary_options adversary;
    double discriminator_weight; /* w_D: scales all of the discriminator's loss, R1 included, beside
                                  * the fake score's; > 0.  It matters where the fake score is the
                                  * backbone: by it the fake score weighs telling G's images from
                                  * real ones against knowing their velocity (DMD2: 0.01).  With the
                                  * teacher as the backbone it only scales the heads' gradients, to
                                  * which AdamW is blind but for clipping and eps              */
    int backbone;                /* a hidi_backbone: whose features the heads read.  The fake
                                  * score, if it is the backbone, also learns from the heads'
                                  * loss, as in DMD2                                           */
    double td_weight;            /* lambda_td of a retained MeanFlow loss; 0: off              */
    hidi_interval_options interval;
    hidi_meanflow_options meanflow;
    hidi_adamw adamw;
    hidi_schedule schedule;      /* of the generator                                           */
    double fake_rate;            /* the fake score's learning rate, relative to the generator's */
} hidi_stage2_options;

/* The defaults of the command, chosen on the validation split of shapes (docs/results.md) [ours],
 * but for what is marked:
 *
 *     batch 64, 600 iterations at 1e-4 after a warm-up of 20, cosine down to 5 %; ema 0.99
 *     guidance 1.25
 *     generator_every 2                [base: DMD2 has 5]
 *     time U(0.35, 0.98)               [base: U(0.02, 0.98)]; matching below 0.35 removes detail
 *     adversary: weight 0.005          DMD2 has 3e-3 at 64 x 64; it is tuned for each resolution
 *     discriminator_weight 1           [base: DMD2 has 0.01, on the fake score's features]
 *     on the teacher's features        [base: DMD2 has the fake score's]
 *     td_weight 0.05; interval and meanflow as in stage 1
 *     fake_rate 2, head_rate 10        both must follow a generator that moves
 *     adamw                            hidi_adamw_defaults()
 *     seed 3                           neither the teacher's nor stage 1's */
hidi_stage2_options hidi_stage2_defaults(void);

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h). */
hidi_status hidi_stage2_check(const hidi_stage2_options *options);

/* The training of one generator. */
typedef struct hidi_stage2 hidi_stage2;

/* Starts the generator from `student` (stage 1's), copied, and the fake score from the teacher.
 * settings: text for checkpoints (hidi_task).  teacher, data and settings must outlive the
 * training; the caller destroys it.  After an error *training is NULL. */
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

/* Hands the result over to the caller, who destroys it; the training can then only be destroyed. */
hidi_dit *hidi_stage2_take_result(hidi_stage2 *training);

#endif
