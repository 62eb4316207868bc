/* detection.h - discriminators alone: heads on a frozen backbone learn to tell real images from
 * real images of which some tokens are damaged  [ours].
 *
 * What the generator's samples will be like is not known; what is wrong with these images is.  All
 * heads see the same images, noise and features, and are trained in the same way.
 */
#ifndef HIDI_TRAIN_DETECTION_H
#define HIDI_TRAIN_DETECTION_H

#include "../eval/damage.h"
#include "../method/heads.h"
#include "loop.h"
#include "optimizer.h"

typedef struct hidi_detection_options {
    size_t batch, micro_batch;
    uint64_t seed;
    int defect;             /* a hidi_defect                                                  */
    size_t damaged;         /* k of the N tokens of a damaged image                           */
    hidi_time_options time; /* of the noise on the images                                     */
    hidi_adamw adamw;
    hidi_schedule schedule;
    int n;                                     /* heads, 1 .. HIDI_MAX_TRAINED                */
    hidi_heads_config heads[HIDI_MAX_TRAINED]; /* all of them read the same blocks            */
    const char *name[HIDI_MAX_TRAINED];        /* in the log; borrowed                        */
} hidi_detection_options;

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h). */
hidi_status hidi_detection_check(const hidi_detection_options *options);

/* The training of all heads.  The loss of each is the adversary's, non-saturating:
 *
 *     L = mean over samples of 2 softplus(-D) for a real image, 2 softplus(D) for a damaged one
 *
 * Every second sample of a batch is damaged. */
typedef struct hidi_detection hidi_detection;

/* backbone, data and settings (for checkpoints: hidi_task) must outlive the training; the caller
 * destroys it.  After an error *training is NULL. */
hidi_status hidi_detection_create(hidi_detection **training, const hidi_dit *backbone,
                                  const hidi_dataset *data, const hidi_detection_options *options,
                                  const char *settings);
void hidi_detection_destroy(hidi_detection *training); /* NULL is allowed */

/* What hidi_train runs; it lives as long as the training. */
const hidi_task *hidi_detection_task(const hidi_detection *training);

const hidi_heads *hidi_detection_heads(const hidi_detection *training, int i);

#endif
