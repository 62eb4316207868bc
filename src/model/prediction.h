/* prediction.h - between this project's convention and a network's own: what it is shown of z_t and
 * t, and what its output is as a velocity.  The equations are in prediction.c. */
#ifndef HIDI_MODEL_PREDICTION_H
#define HIDI_MODEL_PREDICTION_H

#include "model/dit.h"

/* What a network is shown. */
typedef struct hidi_shown {
    hidi_var *z;     /* [B, C, H, W]                                        */
    hidi_var *t;     /* [B], its own time                                   */
    hidi_real scale; /* the factor of that time before its sin-cos features */
} hidi_shown;

/* z_t and t as the network has them. */
hidi_shown hidi_dit_show(hidi_tape *tape, const hidi_dit_config *config, hidi_var *z,
                           hidi_var *t);

/* The factor of the chain's step s before its sin-cos features. */
hidi_real hidi_step_scale(const hidi_dit_config *config);

/* Its output [B, C_out, H, W] at z_t and t, as a velocity [B, C, H, W]. */
hidi_var *hidi_dit_as_velocity(hidi_tape *tape, const hidi_dit_config *config, hidi_var *out,
                               hidi_var *z, hidi_var *t);

#endif
