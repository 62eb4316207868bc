/* autoencoder_training.h - training the autoencoder of latents on images. */
#ifndef HIDI_TRAIN_AUTOENCODER_TRAINING_H
#define HIDI_TRAIN_AUTOENCODER_TRAINING_H

#include "adversary.h"
#include "batch.h"
#include "optimizer.h"
#include "loop.h"
#include "../model/autoencoder.h"

typedef struct hidi_autoencoder_options {
    size_t batch, micro_batch; /* images of a step, and of what is computed at one time (task.h) */
    uint64_t seed;
    hidi_autoencoder_config net; /* but for the images' channels and the scale, which are found  */
    double kl_weight;            /* of the divergence from N(0, I) (method/autoencoder_loss.h)   */
    double ema;                  /* decay of the moving average                                  */
    hidi_adversary_options adversary; /* beside both; its weight is 0: none                     */
    long adversary_start;        /* the first step that has it: what is told from real images
                                  * before that is only how blurred they are                    */
    hidi_adamw adamw;
    hidi_schedule schedule;
} hidi_autoencoder_options;

/* The defaults of the command, chosen for images of 32 x 32 on a CPU [ours], but for what is
 * marked:
 *
 *     latents of 4 channels and a quarter of the side, widths 32, 48, 64, a block a level,
 *     16 groups
 *     batch 16, 6000 steps at 1e-3 after a warm-up of 200, cosine down to 5 %; ema 0.995
 *     kl_weight 1e-6                [base: LDM]
 *     no adversary, head_rate 1     [base: LDM has one from step 50,001 on]
 *     adamw                         hidi_adamw_defaults()
 *     seed 1 */
hidi_autoencoder_options hidi_autoencoder_defaults(void);

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h). */
hidi_status hidi_autoencoder_check(const hidi_autoencoder_options *options);

/* The training of one autoencoder. */
typedef struct hidi_autoencoder_training hidi_autoencoder_training;

/* Starts from a new network for the data's images, with weights drawn from the seed.  critic: where
 * there is an adversary, a teacher of such images whose features its heads read, on the same
 * backend, frozen; else NULL.  settings: text for checkpoints (hidi_task).  data, critic and
 * settings must outlive the training; the caller destroys it.  After an error *training is NULL.
 * HIDI_BAD_ARGUMENT for images whose sides are no multiples of the network's factor, latents of
 * more numbers than the images, or a weight of the adversary without a critic. */
hidi_status hidi_autoencoder_training_create(hidi_autoencoder_training **training,
                                             const hidi_backend *backend, const hidi_dataset *data,
                                             const hidi_autoencoder_options *options,
                                             const hidi_dit *critic, const char *settings);
void hidi_autoencoder_training_destroy(hidi_autoencoder_training *training); /* NULL is allowed */

/* What hidi_train runs; it lives as long as the training. */
const hidi_task *hidi_autoencoder_training_task(const hidi_autoencoder_training *training);

/* How well images in [-1, 1] come back: mean |x - D(mean)|, and mean (x - D(mean))^2. */
typedef struct hidi_reconstruction {
    double error, squared;
    size_t images;
} hidi_reconstruction;

/* After the training: sets the result's scale to 1 / the standard deviation of the latents of
 * training images [base: LDM, appendix G], and measures it on the first n test images. */
hidi_status hidi_autoencoder_training_finish(hidi_autoencoder_training *training, size_t n,
                                             hidi_reconstruction *reconstruction);

/* The result so far: the moving average of the weights. */
const hidi_autoencoder *
hidi_autoencoder_training_result(const hidi_autoencoder_training *training);

/* Hands the result over to the caller, who destroys it; the training can then only be destroyed. */
hidi_autoencoder *hidi_autoencoder_training_take_result(hidi_autoencoder_training *training);

#endif
