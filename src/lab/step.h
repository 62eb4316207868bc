/* step.h - one step of each training, and of sampling, with the same calls as in a run: what
 * `hidi bench` times (hidi_step_time), `hidi info` sizes (footprint.h) and `hidi flops` counts
 * (step_flop.h). */
#ifndef HIDI_LAB_STEP_H
#define HIDI_LAB_STEP_H

#include "lab/settings.h"
#include "train/workers.h"

typedef enum hidi_step_kind {
    HIDI_STEP_TEACHER,
    HIDI_STEP_STAGE1,
    HIDI_STEP_STAGE2,
    HIDI_STEP_SAMPLE_STUDENT, /* a step: one solver step of a batch */
    HIDI_STEP_SAMPLE_TEACHER,
    HIDI_STEP_KINDS
} hidi_step_kind;

/* "teacher step", ..., "sampling, teacher" */
const char *hidi_step_name(hidi_step_kind kind);

/* "student, 1 step", "teacher, 25 heun, w = 1.5" into text[size]; returns text. */
char *hidi_sampler_text(const hidi_sampler *sampler, char *text, size_t size);

/* Images of a step. */
size_t hidi_step_batch(hidi_step_kind kind, const hidi_settings *settings);

typedef struct hidi_step {
    hidi_step_kind kind;
    hidi_dit *teacher, *student; /* what it starts from, or samples; NULL: not needed    */
    union {
        hidi_teacher *teacher;
        hidi_stage1 *stage1;
        hidi_stage2 *stage2;
    } training;
    hidi_workers *workers; /* of the training; NULL: sampling                            */
    hidi_tape *tape;       /* of sampling                                                */
    hidi_sampler sampler;
    hidi_real *image; /* sampling: [batch, C, H, W]                                      */
    int32_t *label;
} hidi_step;

/* Everything that comes before the first step.  draw: with random weights and noise; without, they
 * are 0.  config: the teacher's; data may be NULL for sampling.  End it in any case. */
hidi_status hidi_step_begin(hidi_step *step, hidi_step_kind kind, const hidi_settings *settings,
                            const hidi_dit_config *config, const hidi_dataset *data,
                            const hidi_backend *backend, bool draw);
/* Takes step number i of the training; of sampling all are the same. */
hidi_status hidi_step_run(hidi_step *step, long i);
void hidi_step_end(hidi_step *step);

/* Most bytes that its tapes have used at one time. */
size_t hidi_step_tape_peak(const hidi_step *step);

/* The median time of `repeat` steps first, first + every, ..., after a warm-up (timing.h). */
hidi_status hidi_step_time(hidi_step *step, long repeat, long first, long every, double *seconds);

/* Makes a sampler one guided step that costs what one of its own does: a pass, or Heun's two. */
void hidi_sampler_one_step(hidi_sampler *sampler);

#endif
