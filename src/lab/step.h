/* step.h - the work that `hidi bench` times and `hidi info` sizes: a step of each training, and
 * of sampling, with the same calls as in a run. */
#ifndef HIDI_LAB_STEP_H
#define HIDI_LAB_STEP_H

#include "lab/settings.h"

typedef enum hidi_step_kind {
    HIDI_STEP_TEACHER,
    HIDI_STEP_STAGE1,
    HIDI_STEP_STAGE2,
    HIDI_STEP_SAMPLE_STUDENT, /* a step: one solver step of a batch */
    HIDI_STEP_SAMPLE_TEACHER,
    HIDI_STEP_KINDS
} hidi_step_kind;

/* "teacher step", ..., "sampling, teacher" */
const char *hidi_step_name(hidi_step_kind work);

/* Images of a step. */
size_t hidi_step_batch(hidi_step_kind work, const hidi_settings *settings);

typedef struct hidi_step {
    hidi_step_kind work;
    hidi_dit *teacher, *student; /* what it starts from; NULL: not needed                */
    union {
        hidi_teacher *teacher;
        hidi_stage1 *stage1;
        hidi_stage2 *stage2;
    } training;
    const hidi_task *task; /* of the training; NULL: sampling                            */
    hidi_tape *tape;       /* of sampling                                                */
    hidi_sampler sampler;
    hidi_real *image; /* sampling: [batch, C, H, W]                                      */
    int32_t *label;
} hidi_step;

/* Everything that comes before the first step, with random weights.  config: the teacher's; data
 * may be NULL for sampling.  End it in any case. */
hidi_status hidi_step_begin(hidi_step *load, hidi_step_kind work, const hidi_settings *settings,
                                const hidi_dit_config *config, const hidi_dataset *data,
                                const hidi_backend *backend);
hidi_status hidi_step_run(hidi_step *load, long step);
void hidi_step_end(hidi_step *load);

/* Bytes in the backend's memory. */
typedef struct hidi_footprint {
    size_t models;    /* parameters, their gradients, moments and averages                     */
    size_t tape;      /* most that activations, tangents and gradients take at one time        */
    size_t allocated; /* all that is asked for: both, and what is left over of the tape's pieces */
} hidi_footprint;

/* What the work needs on the backend `like`: its first steps, on the dry backend. */
hidi_status hidi_step_footprint(hidi_footprint *footprint, hidi_step_kind work,
                                    const hidi_settings *settings, const hidi_dit_config *config,
                                    const hidi_dataset *data, const hidi_backend *like);

/* An error that names what is too large if this machine has less memory than that in all. */
hidi_status hidi_step_fits(const hidi_footprint *footprint, const char *name);

/* The median time of `repeat` steps first, first + every, ..., after a warm-up of two.  Sampling: a
 * step of the solver, which takes the same time as every other. */
hidi_status hidi_step_time(hidi_step *load, long repeat, long first, long every,
                               double *seconds);
/* The same of step(state, i). */
hidi_status hidi_time_steps(hidi_status (*step)(void *state, long i), void *state, long repeat,
                            long first, long every, double *seconds);

/* The value at share p (0.5: the median) of x [n], which it sorts. */
double hidi_quantile(double *x, int n, double p);

/* Floating-point operations of a step in the matrix products of the DiTs, two for each of
 * hidi_dit_macs:
 *     a forward pass counts            1
 *     its tangent (JVP)                1 more
 *     its backward pass                2 more, or 1 where the parameters are frozen
 *     a pass for the heads             its blocks up to the last one that a head reads
 * The heads themselves, AdamW and all that is element-wise are not counted.  An upper bound is not
 * meant: the JVP and the frozen backward pass of attention do 2 where 1 is counted.
 * config: the teacher's; the settings say how the student's differs. */
double hidi_step_flop(hidi_step_kind work, const hidi_settings *settings, const hidi_dit_config *config,
                      long step);

#endif
