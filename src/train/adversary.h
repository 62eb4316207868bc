/* adversary.h - discriminators as the opponent of what is trained: they tell its images from real
 * ones by the features of a backbone, and it learns to deceive them.
 */
#ifndef HIDI_TRAIN_ADVERSARY_H
#define HIDI_TRAIN_ADVERSARY_H

#include "batch.h"
#include "optimizer.h"
#include "../io/tensor_file.h"
#include "../method/heads.h"

typedef struct hidi_adversary_options {
    double weight;             /* lambda_adv; 0: no adversary at all                            */
    hidi_time_options time;    /* of the noise on the images that the heads see                 */
    int loss;                  /* a hidi_adversarial                                            */
    double r1_weight, r1_sigma; /* approximate R1; 0: off                                       */
    double head_rate;          /* the heads' learning rate, relative to that of their opponent  */
    hidi_heads_config heads;   /* but for the width, which is the backbone's                    */
} hidi_adversary_options;

/* With this weight and head_rate: t in U(0, 0.3), since it is to look at the detail, which more
 * noise covers; non-saturating [base: DMD2]; awd after blocks 1 and 3 (of the default 4), key_width
 * 32, not conditional; r1_weight 0, r1_sigma 0.05 once it is not  [ours, where it does not say]. */
hidi_adversary_options hidi_adversary_defaults(double weight, double head_rate);

/* HIDI_BAD_ARGUMENT, naming the option, for what makes no sense (train/options.h).  heads is only
 * looked at if there is an adversary. */
hidi_status hidi_adversary_check(const hidi_adversary_options *options);

typedef struct hidi_adversary {
    hidi_adversary_options options;
    const hidi_dit *backbone; /* borrowed                                                       */
    bool backbone_learns;     /* it gets gradients of the discriminator's loss, too             */
    hidi_heads *heads;        /* NULL: no adversary                                             */
    hidi_optimizer optimizer; /* theirs                                                         */
} hidi_adversary;

/* With heads drawn from the seed, if the weight is not 0.  The backbone must outlive the adversary;
 * free it in any case.  HIDI_BAD_ARGUMENT: the heads read blocks that the backbone has not. */
hidi_status hidi_adversary_init(hidi_adversary *adversary, const hidi_adversary_options *options,
                                const hidi_dit *backbone, bool backbone_learns,
                                const hidi_adamw *adamw, uint64_t seed);
void hidi_adversary_free(hidi_adversary *adversary); /* one that is all 0 is allowed */

/* What the opponent is to lessen, for its images x_gen [B, C, H, W] of the batch's classes or
 * captions; noise and t are draws of the batch.  A scalar, without the weight. */
hidi_var *hidi_adversary_deceived(const hidi_adversary *adversary, hidi_tape *tape,
                                  hidi_batch *batch, hidi_var *x_gen);

/* Scalars: the discriminator's loss without R1, R1 (NULL: off), and the mean logits. */
typedef struct hidi_adversary_terms {
    hidi_var *discriminator, *r1, *d_real, *d_fake;
} hidi_adversary_terms;

/* What the heads are to lessen: L_D, for generated images x_g (without gradient) and real ones x,
 * both [B, C, H, W].  A scalar. */
hidi_var *hidi_adversary_loss(const hidi_adversary *adversary, hidi_tape *tape, hidi_batch *batch,
                              hidi_var *x_g, hidi_var *x, hidi_adversary_terms *terms);

/* Updates the heads, at head_rate times this rate. */
hidi_status hidi_adversary_step(hidi_adversary *adversary, double rate, double *grad_norm);

/* The parts "discriminator. ..." and "discriminator_adamw. ..." of a checkpoint; nothing without
 * heads. */
hidi_status hidi_adversary_to_file(const hidi_adversary *adversary, hidi_tensor_file *file);
hidi_status hidi_adversary_from_file(hidi_adversary *adversary, const hidi_tensor_file *file);

#endif
