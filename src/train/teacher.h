/* teacher.h - training the teacher: flow matching with label dropout and a moving average. */
#ifndef HIDI_TRAIN_TEACHER_H
#define HIDI_TRAIN_TEACHER_H

#include "batch.h"
#include "optimizer.h"
#include "loop.h"
#include "../model/dit.h"

typedef struct hidi_teacher_options {
    size_t batch, micro_batch; /* images of a step, and of what is computed at one time (task.h) */
    uint64_t seed;
    double label_dropout; /* share of labels replaced by the null class */
    double ema;           /* decay of the moving average                */
    hidi_time_options time;
    hidi_adamw adamw;
    hidi_schedule schedule;
} hidi_teacher_options;

/* The defaults of the command, chosen for images of 16 x 16 on a CPU [ours], but for what is
 * marked:
 *
 *     batch 64, 20000 steps at 1e-3 after a warm-up of 500, cosine down to 5 %
 *     label_dropout 0.1                [base: classifier-free guidance, DiT]
 *     ema 0.999                        [base: 0.9999, over 20 times as many steps and more]
 *     time uniform on (0, 1)           [base: SiT]
 *     adamw                            hidi_adamw_defaults()
 *     seed 1 */
hidi_teacher_options hidi_teacher_defaults(void);

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h). */
hidi_status hidi_teacher_check(const hidi_teacher_options *options);

/* The training of one teacher. */
typedef struct hidi_teacher hidi_teacher;

/* Starts from `net`, which it takes over, whether it succeeds or not.  settings: text for
 * checkpoints (hidi_task).  data and settings must outlive the training; the caller destroys it.
 * After an error *training is NULL. */
hidi_status hidi_teacher_create(hidi_teacher **training, hidi_dit *net, const hidi_dataset *data,
                                const hidi_teacher_options *options, const char *settings);
void hidi_teacher_destroy(hidi_teacher *training); /* NULL is allowed */

/* What hidi_train runs; it lives as long as the training. */
const hidi_task *hidi_teacher_task(const hidi_teacher *training);

/* The weights that are trained, and the result so far: their moving average. */
const hidi_dit *hidi_teacher_net(const hidi_teacher *training);
const hidi_dit *hidi_teacher_result(const hidi_teacher *training);

/* Hands the result over to the caller, who destroys it; the training can then only be destroyed. */
hidi_dit *hidi_teacher_take_result(hidi_teacher *training);

#endif
