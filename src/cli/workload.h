/* workload.h - the work that `hidi bench` times and `hidi info` sizes: a step of each training, and
 * of sampling, with the same calls as in a run. */
#ifndef HIDI_CLI_WORKLOAD_H
#define HIDI_CLI_WORKLOAD_H

#include "cli/settings.h"

typedef enum hidi_work {
    HIDI_WORK_TEACHER,
    HIDI_WORK_STAGE1,
    HIDI_WORK_STAGE2,
    HIDI_WORK_SAMPLE_STUDENT, /* a step: one solver step of a batch */
    HIDI_WORK_SAMPLE_TEACHER,
    HIDI_WORKS
} hidi_work;

/* "teacher step", ..., "sampling, teacher" */
const char *hidi_work_name(hidi_work work);

/* Images of a step. */
size_t hidi_work_batch(hidi_work work, const hidi_settings *settings);

typedef struct hidi_workload {
    hidi_work work;
    hidi_dit *teacher, *student; /* what it starts from; NULL: not needed                */
    union {
        hidi_teacher_training teacher;
        hidi_td_training td;
        hidi_dm_training dm;
    } training;
    const hidi_task *task; /* of the training; NULL: sampling                            */
    hidi_tape *tape;
    hidi_sampler sampler;
    hidi_real *image; /* sampling: [batch, C, H, W]                                      */
    int32_t *label;
} hidi_workload;

/* Everything that comes before the first step, with random weights.  config: the teacher's; data
 * may be NULL for sampling.  End it in any case. */
hidi_status hidi_workload_begin(hidi_workload *load, hidi_work work, const hidi_settings *settings,
                                const hidi_dit_config *config, const hidi_dataset *data,
                                const hidi_backend *backend);
hidi_status hidi_workload_step(hidi_workload *load, long step);
void hidi_workload_end(hidi_workload *load);

/* Bytes in the backend's memory. */
typedef struct hidi_footprint {
    size_t models;    /* parameters, their gradients, moments and averages                     */
    size_t tape;      /* most that activations, tangents and gradients take at one time        */
    size_t allocated; /* all that is asked for: both, and what is left over of the tape's pieces */
} hidi_footprint;

/* What the work needs on the backend `like`: its first steps, on the dry backend. */
hidi_status hidi_workload_footprint(hidi_footprint *footprint, hidi_work work,
                                    const hidi_settings *settings, const hidi_dit_config *config,
                                    const hidi_dataset *data, const hidi_backend *like);

/* An error that names what is too large if this machine has less memory than that in all. */
hidi_status hidi_workload_fits(const hidi_footprint *footprint, const char *name);

/* The median time of `repeat` steps first, first + every, ..., after a warm-up of two.  Sampling: a
 * step of the solver, which takes the same time as every other. */
hidi_status hidi_workload_time(hidi_workload *load, long repeat, long first, long every,
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
double hidi_work_flop(hidi_work work, const hidi_settings *settings, const hidi_dit_config *config,
                      long step);

#endif
