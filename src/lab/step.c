/* step.c - a step of a training or of a sampler, taken alone: what comes before it, the step
 * itself, and its time. */
#include "lab/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/timing.h"
#include "io/choice.h"

const char *hidi_step_name(hidi_step_kind kind)
{
    static const char *const names[] = {"teacher step", "stage 1 step", "stage 2 step",
                                        "sampling, student", "sampling, teacher"};
    return names[kind];
}

char *hidi_sampler_text(const hidi_sampler *sampler, char *text, size_t size)
{
    char solver[16];
    const long steps = sampler->steps;
    if (sampler->solver == HIDI_AVERAGE)
        snprintf(text, size, "student, %ld step%s", steps, steps == 1 ? "" : "s");
    else
        snprintf(text, size, "teacher, %ld %s, w = %g", steps,
                 hidi_choice_name(HIDI_SOLVERS, sampler->solver, solver, sizeof solver),
                 sampler->guidance);
    return text;
}

void hidi_sampler_one_step(hidi_sampler *sampler)
{
    if (sampler->solver != HIDI_HEUN && sampler->solver != HIDI_AVERAGE)
        sampler->solver = HIDI_EULER;
    sampler->steps = 1;
    sampler->guided_from = sampler->guided_to = 0;
}

size_t hidi_step_batch(hidi_step_kind kind, const hidi_settings *s)
{
    switch (kind) {
    case HIDI_STEP_TEACHER:
        return (size_t)s->teacher.train.batch;
    case HIDI_STEP_STAGE1:
        return (size_t)s->td.train.batch;
    case HIDI_STEP_STAGE2:
        return (size_t)s->dm.train.batch;
    default:
        return (size_t)s->sample.batch;
    }
}

/* --- what comes before ------------------------------------------------------------------------ */

static hidi_status begin_teacher(hidi_step *step, const hidi_settings *s, const hidi_dataset *data)
{
    const hidi_teacher_options options = hidi_settings_teacher(s);
    hidi_dit *net = step->teacher;
    step->teacher = NULL; /* the training takes it over */
    HIDI_TRY(hidi_teacher_create(&step->training.teacher, net, data, &options, ""));
    return hidi_workers_create(&step->workers, hidi_teacher_task(step->training.teacher));
}

static hidi_status begin_stage1(hidi_step *step, const hidi_settings *s, const hidi_dataset *data)
{
    const hidi_stage1_options options = hidi_settings_stage1(s);
    HIDI_TRY(hidi_stage1_create(&step->training.stage1, step->teacher, data, &options, ""));
    return hidi_workers_create(&step->workers, hidi_stage1_task(step->training.stage1));
}

/* The student that stage 1 starts from, in place of the one that it makes. */
static hidi_status start_student(hidi_step *step, const hidi_settings *s)
{
    const hidi_student_options options = hidi_settings_stage1(s).student;
    return hidi_student_create(&step->student, step->teacher, &options, (uint64_t)s->run.seed);
}

static hidi_status begin_stage2(hidi_step *step, const hidi_settings *s, const hidi_dataset *data)
{
    hidi_stage2_options options;
    HIDI_TRY(hidi_settings_stage2(s, &options));
    HIDI_TRY(start_student(step, s));
    HIDI_TRY(hidi_stage2_create(&step->training.stage2, step->student, step->teacher, data, &options,
                                ""));
    return hidi_workers_create(&step->workers, hidi_stage2_task(step->training.stage2));
}

static hidi_status begin_sampling(hidi_step *step, const hidi_settings *s,
                                  const hidi_dit_config *c, bool draw)
{
    const bool is_student = step->kind == HIDI_STEP_SAMPLE_STUDENT;
    step->sampler = hidi_settings_sampler(s, is_student);
    hidi_sampler_one_step(&step->sampler);
    const size_t n = step->sampler.batch, pixels = c->channels * c->image_size * c->image_size;
    step->tape = hidi_tape_create(step->teacher->params.backend);
    step->image = calloc(n, pixels * sizeof *step->image);
    step->label = calloc(n, sizeof *step->label);
    if (step->tape == NULL || step->image == NULL || step->label == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", n);
    if (draw)
        hidi_sample_inputs((uint64_t)s->sample.seed, c, 0, n, step->image, step->label);
    return HIDI_OK;
}

hidi_status hidi_step_begin(hidi_step *step, hidi_step_kind kind, const hidi_settings *settings,
                            const hidi_dit_config *config, const hidi_dataset *data,
                            const hidi_backend *backend, bool draw)
{
    const hidi_student_options options = hidi_settings_stage1(settings).student;
    hidi_dit_config held = kind == HIDI_STEP_SAMPLE_STUDENT ? hidi_student_config(config, &options)
                                                            : *config;
    held.bf16 = kind != HIDI_STEP_TEACHER && settings->run.frozen == HIDI_FROZEN_BF16;
    memset(step, 0, sizeof *step);
    step->kind = kind;
    HIDI_TRY(hidi_dit_create(&step->teacher, backend, &held));
    if (draw)
        HIDI_TRY(hidi_dit_initialise(step->teacher, (uint64_t)settings->run.seed));
    switch (kind) {
    case HIDI_STEP_TEACHER:
        return begin_teacher(step, settings, data);
    case HIDI_STEP_STAGE1:
        return begin_stage1(step, settings, data);
    case HIDI_STEP_STAGE2:
        return begin_stage2(step, settings, data);
    default:
        return begin_sampling(step, settings, config, draw);
    }
}

/* --- the step itself -------------------------------------------------------------------------- */

hidi_status hidi_step_run(hidi_step *step, long i)
{
    double values[HIDI_MAX_LOG_COLUMNS];
    if (step->workers != NULL)
        return hidi_workers_step(step->workers, i, values);
    const hidi_dit *net = step->teacher;
    const hidi_condition *y = net->config.n_classes > 0 ? HIDI_CLASSES(step->label) : NULL;
    return hidi_sample(&step->sampler, net, step->tape,
                       step->image, y, step->sampler.batch, NULL);
}

size_t hidi_step_tape_peak(const hidi_step *step)
{
    return step->workers != NULL ? hidi_workers_peak(step->workers) : hidi_tape_peak(step->tape);
}

void hidi_step_end(hidi_step *step)
{
    hidi_workers_destroy(step->workers);
    if (step->kind == HIDI_STEP_TEACHER)
        hidi_teacher_destroy(step->training.teacher);
    else if (step->kind == HIDI_STEP_STAGE1)
        hidi_stage1_destroy(step->training.stage1);
    else if (step->kind == HIDI_STEP_STAGE2)
        hidi_stage2_destroy(step->training.stage2);
    hidi_tape_destroy(step->tape);
    hidi_dit_destroy(step->teacher);
    hidi_dit_destroy(step->student);
    free(step->image);
    free(step->label);
    memset(step, 0, sizeof *step);
}

static hidi_status run_number(void *step, long i)
{
    return hidi_step_run(step, i);
}

hidi_status hidi_step_time(hidi_step *step, long repeat, long first, long every, double *seconds)
{
    return hidi_time_steps(run_number, step, repeat, first, every, seconds);
}
