/* detection.h - how well a discriminator tells real images from damaged ones, and by what
 * [ours]. */
#ifndef HIDI_EVAL_DETECTION_H
#define HIDI_EVAL_DETECTION_H

#include "../data/dataset.h"
#include "../method/heads.h"
#include "../method/times.h"
#include "damage.h"

typedef struct hidi_detection_trial {
    const hidi_dataset *data;
    hidi_split split;
    size_t n;               /* images; each is shown whole, and damaged                       */
    hidi_defect defect;
    size_t damaged;         /* k of N tokens                                                  */
    hidi_time_options time; /* of the noise on the images                                     */
    uint64_t seed;
} hidi_detection_trial;

/* Of a head with logits per token D is their mean. */
typedef struct hidi_detection_result {
    double accuracy;       /* share of the 2 n images of which D has the right sign           */
    double auc;            /* share of the pairs of a real and a damaged image whose real one
                            * has the larger D (equal: half)                                  */
    double auc_error;      /* its standard error, over images (Hanley and McNeil)             */
    double auc_worst;      /* the same with min_i s_i for D; NaN: tokens have no scores       */
    double gradient_share; /* of |dL_G/dz|^2, L_G = softplus(-D) being what a generator would
                            * go down, on the damaged tokens: mean over damaged images.  k/N
                            * if it fell evenly                                               */
    double weight_share;   /* of the token weights, likewise; NaN: there are none             */
} hidi_detection_result;

hidi_status hidi_measure_detection(const hidi_heads *heads, const hidi_dit *backbone,
                                   const hidi_detection_trial *task, hidi_detection_result *result);

#endif
