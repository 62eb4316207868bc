/* meanflow.h - stage 1, trajectory distillation: the MeanFlow objective with a frozen, guided
 * teacher  [HD names it; formulas: MeanFlow, arXiv 2505.13447].  Its equations are in meanflow.c.
 */
#ifndef HIDI_METHOD_MEANFLOW_H
#define HIDI_METHOD_MEANFLOW_H

#include "../model/dit.h"

/* du/dt by the weights that are trained [base], or by their moving average [ours]: then the target
 * does not answer at once to what the last update did to the derivative. */
typedef enum hidi_meanflow_tangent {
    HIDI_TANGENT_OF_STUDENT,
    HIDI_TANGENT_OF_AVERAGE
} hidi_meanflow_tangent;
#define HIDI_TANGENTS "student average"

typedef struct hidi_meanflow_options {
    double guidance;   /* w of the teacher's velocity                                       */
    double p, c;       /* adaptive weight 1 / (d + c)^p;  p = 0: plain squared error        */
    double difference; /* 0: du/dt by JVP; > 0: by differences over t +- this much, or less where
                        * this would leave [r, 1]                                           */
    double window;     /* > 0, by JVP: du/dt at a random place within t +- this much and [r, 1]
                        * [ours]; 0: at t                                                   */
    double bound;      /* k: (t - r) du/dt is at most k times as long as v, sample by sample
                        * [ours]; 0: no bound                                               */
    int tangent;       /* a hidi_meanflow_tangent: by whose weights du/dt is                */
    long tangent_warmup; /* steps in which (t - r) du/dt enters the target by and by,
                        * linearly [base: sCM, arXiv 2410.11081]                            */
} hidi_meanflow_options;

/* What the target is made with, besides the options: it changes from step to step. */
typedef struct hidi_meanflow_target {
    const hidi_dit *net; /* whose derivative du/dt is, frozen; NULL: the student's own       */
    double share;        /* of (t - r) du/dt in the target: 1, but during a warm-up          */
    hidi_var *place;     /* [B] in [0, 1], where options->window is not 0: where in its interval
                          * du/dt is taken, from the lower end to the upper one              */
} hidi_meanflow_target;

/* The share at this step, from 1 / warmup at step 0 to 1. */
double hidi_tangent_share(const hidi_meanflow_options *options, long step);

/* Every quantity of the loss, for logs and probes. */
typedef struct hidi_meanflow_terms {
    hidi_var *v;      /* [B, C, H, W] the teacher's guided velocity                         */
    hidi_var *u;      /* [B, C, H, W] the student's average velocity                        */
    hidi_var *dudt;   /* [B, C, H, W] its derivative v . d_z u + d_t u                      */
    hidi_var *target; /* [B, C, H, W] v - (t - r) du/dt, of the last term a share, bounded   */
    hidi_var *error;  /* [B] d, the squared error summed over pixels                        */
    hidi_var *loss;   /* scalar                                                             */
} hidi_meanflow_terms;

/* L = mean( d / stopgrad(d + c)^p ),  d = sum over pixels of (u - target)^2, for u, target
 * [B, C, H, W] of which target is behind a stop-gradient   [base: MeanFlow, eq. 22].  A scalar;
 * *error: d [B].  The regression of both kinds of trajectory distillation (progressive.h). */
hidi_var *hidi_adaptive_loss(hidi_tape *tape, hidi_var *u, hidi_var *target, double p, double c,
                             hidi_var **error);

/* The loss of `student` (has_interval) on data x, noise e [B, C, H, W], times r <= t [B], classes y
 * (host, [B]).  The teacher's velocity is the first term of the target and the tangent.  at NULL:
 * the student's own derivative, all of it; with options->window HIDI_BAD_ARGUMENT, as without a
 * place.  Returns terms->loss; NULL after an error. */
hidi_var *hidi_meanflow_loss(hidi_tape *tape, const hidi_dit *student, const hidi_dit *teacher,
                             hidi_var *x, hidi_var *e, hidi_var *t, hidi_var *r, const hidi_condition *y,
                             const hidi_meanflow_options *options, const hidi_meanflow_target *at,
                             hidi_meanflow_terms *terms);

/* The same at points z = z_t with their velocities v [B, C, H, W], which may come from anywhere,
 * for example from a formula (examples/propositions); options->guidance is not used.  With r = 0
 * alone it is the distillation of a continuous-time consistency model,
 * f(z_t, t) = z_t - t u(z_t, 0, t): the identity then says df/dt = 0 along the trajectory   [ours;
 * base: sCM, arXiv 2410.11081]. */
hidi_var *hidi_meanflow_loss_at(hidi_tape *tape, const hidi_dit *student, hidi_var *z, hidi_var *v,
                                hidi_var *t, hidi_var *r, const hidi_condition *y,
                                const hidi_meanflow_options *options,
                                const hidi_meanflow_target *at, hidi_meanflow_terms *terms);

#endif
