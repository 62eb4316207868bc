/* dmd.h - stage 2: the generator and its distribution matching  [HD names it; formulas: DMD, arXiv
 * 2311.18828, and DMD2, arXiv 2405.14867, in velocities].  The adversary beside it: adversarial.h.
 */
#ifndef HIDI_METHOD_DMD_H
#define HIDI_METHOD_DMD_H

#include "../model/dit.h"

/* G(e, y) = e - u(e, 0, 1, y): one step from noise to image;  e [B, C, H, W], y host [B] */
hidi_var *hidi_generate(hidi_tape *tape, const hidi_dit *student, bool frozen, hidi_var *e,
                        const hidi_condition *y);

typedef struct hidi_dmd_terms {
    hidi_var *x_real;  /* [B, C, H, W] where the teacher's score sends the noised sample       */
    hidi_var *x_fake;  /* [B, C, H, W] where the fake score sends it                           */
    hidi_var *dm_grad; /* [B, C, H, W] g                                                       */
    hidi_var *loss;    /* scalar                                                               */
} hidi_dmd_terms;

/*     z_t = (1 - t) x_g + t e'
 *     x_real = z_t - t v_w(z_t, t, y);  x_fake = z_t - t v_fake(z_t, t, y)
 *     g = (x_fake - x_real) / mean_chw |x_g - x_real|
 *     L = 0.5 mean || x_g - stopgrad(x_g - g) ||^2
 *
 * x_gen [B, C, H, W] from hidi_generate; e2 [B, C, H, W] the noise e'; t [B].  teacher and fake
 * are frozen here.  Returns terms->loss; NULL after an error. */
hidi_var *hidi_dmd_loss(hidi_tape *tape, hidi_var *x_gen, const hidi_dit *teacher,
                        const hidi_dit *fake, double guidance, hidi_var *t, hidi_var *e2,
                        const hidi_condition *y, hidi_dmd_terms *terms);

#endif
