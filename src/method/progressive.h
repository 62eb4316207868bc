/* progressive.h - progressive distillation: a student whose step is two of its teacher's; each
 * round halves the number of steps [base: Salimans & Ho, arXiv 2202.00512].  Written in
 * average velocities, so that its limit can be compared with MeanFlow's (the paper's Prop. 2): the
 * target is the average velocity of the teacher's two steps from t to r (progressive.c).
 *
 * A velocity network steps by Euler's method, which here is DDIM: with x = z_t - t v and
 * e = z_t + (1 - t) v, DDIM's z_r = (1 - r) x + r e is z_t - (t - r) v.
 */
#ifndef HIDI_METHOD_PROGRESSIVE_H
#define HIDI_METHOD_PROGRESSIVE_H

#include "../model/dit.h"

typedef struct hidi_progressive_options {
    double guidance; /* w of a velocity teacher; 1 if the teacher has an interval embedder   */
    double p, c;     /* adaptive weight 1 / (d + c)^p;  p = 0: plain squared error           */
} hidi_progressive_options;

typedef struct hidi_progressive_terms {
    hidi_var *u;      /* [B, C, H, W] the student's step from t to r                         */
    hidi_var *target; /* [B, C, H, W] u_tgt                                                  */
    hidi_var *error;  /* [B] the squared error summed over pixels                            */
    hidi_var *loss;   /* scalar                                                              */
} hidi_progressive_terms;

/* The loss of `student` (has_interval) for a step from t to r, both [B], on data x, noise e
 * [B, C, H, W], classes y (host, [B]).  teacher, frozen: a velocity network (the first round), or
 * the student of the round before.  Returns terms->loss; NULL after an error. */
hidi_var *hidi_progressive_loss(hidi_tape *tape, const hidi_dit *student, const hidi_dit *teacher,
                                hidi_var *x, hidi_var *e, hidi_var *t, hidi_var *r,
                                const hidi_condition *y, const hidi_progressive_options *options,
                                hidi_progressive_terms *terms);

/* The target u_tgt alone, [B, C, H, W], at points z = z_t. */
hidi_var *hidi_progressive_target(hidi_tape *tape, const hidi_dit *teacher, hidi_var *z,
                                  hidi_var *t, hidi_var *r, const hidi_condition *y,
                                  double guidance);

#endif
