/* flow.h - flow matching: the teacher's loss, and its guided velocity.
 *
 * t = 0 is data, t = 1 is noise:  z_t = (1 - t) x + t e,  v = dz/dt = e - x.
 */
#ifndef HIDI_METHOD_FLOW_H
#define HIDI_METHOD_FLOW_H

#include "../model/dit.h"

/* z_t = (1 - t) x + t e;  x, e [B, C, H, W], t [B] */
hidi_var *hidi_noised(hidi_tape *tape, hidi_var *x, hidi_var *e, hidi_var *t);

/* x = z_t - t v: the data that a velocity at z_t points back to */
hidi_var *hidi_denoised(hidi_tape *tape, hidi_var *z, hidi_var *v, hidi_var *t);

/* L = mean || v(z_t, t, y) - (e - x) ||^2, mean over batch and pixels: a scalar
 * [base: SiT, arXiv 2401.08740].  y: host [B]; a dropped label is the null class. */
hidi_var *hidi_flow_loss(hidi_tape *tape, const hidi_dit *net, hidi_var *x, hidi_var *e,
                         hidi_var *t, const hidi_condition *y);

/* v_w(z, t, y) = v(z, t, null) + w (v(z, t, y) - v(z, t, null)), frozen; w = 1: one evaluation
 * [base: Ho & Salimans, arXiv 2207.12598] */
hidi_var *hidi_guided_velocity(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z, hidi_var *t,
                               const hidi_condition *y, double w);

/* v + (w - 1) (v - v_null) on the first n channels of [B, C, H, W], and v on the others: DiT's and
 * SiT's code guides three of four [base: their forward_with_cfg]. */
hidi_var *hidi_guided_channels(hidi_tape *tape, hidi_var *v, hidi_var *v_null, double w, size_t n);

#endif
