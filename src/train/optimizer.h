/* optimizer.h - AdamW with gradient clipping, learning-rate schedules, and the moving average of
 * the weights. */
#ifndef HIDI_TRAIN_OPTIMIZER_H
#define HIDI_TRAIN_OPTIMIZER_H

#include "../autograd/params.h"
#include "../io/tensor_file.h"

typedef enum hidi_decay_kind {
    HIDI_DECAY_NONE,
    HIDI_DECAY_COSINE,
    HIDI_DECAY_LINEAR
} hidi_decay_kind;
#define HIDI_DECAY_KINDS "none cosine linear"

typedef struct hidi_schedule {
    double rate;   /* after the warm-up                                                      */
    long warmup;   /* steps over which it grows linearly from rate / warmup                  */
    int decay;     /* a hidi_decay_kind: none, or from the warm-up's end to the last step    */
    double final;  /* the share of `rate` that it decays to                                  */
    long steps;    /* in all                                                                 */
} hidi_schedule;

/* steps >= 1, warmup >= 0, rate >= 0, final in [0, 1] (train/options.h). */
hidi_status hidi_schedule_check(const hidi_schedule *schedule);

/* The learning rate of step 0 .. steps - 1 (later ones: the last). */
double hidi_learning_rate(const hidi_schedule *schedule, long step);

typedef struct hidi_adamw {
    double beta1, beta2, eps, decay; /* decay: decoupled weight decay                          */
    double clip;                     /* largest norm of all gradients together; 0: no clipping */
} hidi_adamw;

/* beta1 = 0.9, eps = 1e-8 [base: AdamW], no weight decay [base: DiT, SiT]; beta2 = 0.99 [ours],
 * between DiT's 0.999 and MeanFlow's 0.95; clip = 1 [ours]. */
hidi_adamw hidi_adamw_defaults(void);

/* beta1, beta2 in [0, 1), eps > 0, decay and clip >= 0 (train/options.h). */
hidi_status hidi_adamw_check(const hidi_adamw *adamw);

typedef struct hidi_optimizer {
    hidi_adamw config;
    hidi_params *params; /* borrowed                                     */
    hidi_real *m, *v;    /* [params->count], backend memory              */
    long updates;        /* so far                                       */
} hidi_optimizer;

/* Makes the parameters trainable and starts with moments 0.  `params` must outlive it.  The caller
 * frees it; after an error there is nothing to free. */
hidi_status hidi_optimizer_init(hidi_optimizer *optimizer, hidi_params *params,
                                const hidi_adamw *config);
void hidi_optimizer_free(hidi_optimizer *optimizer);

/* One update from the gradients in params, which it then sets to 0.  *norm: the gradients' norm
 * before clipping.  A gradient with NaN or infinity: HIDI_NOT_FINITE naming the tensor, and nothing
 * is changed. */
hidi_status hidi_optimizer_step(hidi_optimizer *optimizer, double rate, double *norm);

/* Moments and count as tensors prefix + "m." + name, prefix + "v." + name, prefix + "updates". */
hidi_status hidi_optimizer_to_file(const hidi_optimizer *optimizer, const char *prefix,
                                   hidi_tensor_file *file);
hidi_status hidi_optimizer_from_file(hidi_optimizer *optimizer, const char *prefix,
                                     const hidi_tensor_file *file);

/* Decay of a moving average: in [0, 1).  With 1 it would stay at the initial weights. */
hidi_status hidi_ema_check(double decay);

/* average += (1 - d) (params - average), d = min(decay, (1 + updates) / (10 + updates)): the first
 * weights are forgotten quickly.  Same declarations in both. */
void hidi_ema_update(hidi_params *average, const hidi_params *params, double decay, long updates);

#endif
