/* step.c */
#include "lab/step.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/session.h"
#include "model/macs.h"

const char *hidi_step_name(hidi_step_kind work)
{
    static const char *const names[] = {"teacher step", "stage 1 step", "stage 2 step",
                                        "sampling, student", "sampling, teacher"};
    return names[work];
}

size_t hidi_step_batch(hidi_step_kind work, const hidi_settings *s)
{
    switch (work) {
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

/* --- the work itself -------------------------------------------------------------------------- */

static hidi_status begin_teacher(hidi_step *load, const hidi_settings *s,
                                 const hidi_dataset *data)
{
    const hidi_teacher_options options = hidi_settings_teacher(s);
    hidi_dit *net = load->teacher;
    load->teacher = NULL; /* the training takes it over */
    HIDI_TRY(hidi_teacher_create(&load->training.teacher, net, data, &options, ""));
    load->task = hidi_teacher_task(load->training.teacher);
    return HIDI_OK;
}

static hidi_status begin_stage1(hidi_step *load, const hidi_settings *s,
                                const hidi_dataset *data)
{
    const hidi_stage1_options options = hidi_settings_stage1(s);
    HIDI_TRY(hidi_stage1_create(&load->training.stage1, load->teacher, data, &options, ""));
    load->task = hidi_stage1_task(load->training.stage1);
    return HIDI_OK;
}

/* The student that stage 1 starts from, in place of the one that it makes. */
static hidi_status start_student(hidi_step *load, const hidi_settings *s)
{
    const hidi_student_options options = hidi_settings_stage1(s).student;
    return hidi_student_create(&load->student, load->teacher, &options, (uint64_t)s->run.seed);
}

static hidi_status begin_stage2(hidi_step *load, const hidi_settings *s,
                                const hidi_dataset *data)
{
    hidi_stage2_options options;
    HIDI_TRY(hidi_settings_stage2(s, &options));
    HIDI_TRY(start_student(load, s));
    HIDI_TRY(hidi_stage2_create(&load->training.stage2, load->student, load->teacher, data, &options,
                                ""));
    load->task = hidi_stage2_task(load->training.stage2);
    return HIDI_OK;
}

static hidi_status begin_sampling(hidi_step *load, const hidi_settings *s,
                                  const hidi_dit_config *c, bool draw)
{
    const bool is_student = load->work == HIDI_STEP_SAMPLE_STUDENT;
    load->sampler = hidi_settings_sampler(s, is_student);
    load->sampler.steps = 1;
    const size_t n = load->sampler.batch, pixels = c->channels * c->image_size * c->image_size;
    if (is_student) {
        HIDI_TRY(start_student(load, s));
        hidi_dit_destroy(load->teacher);
        load->teacher = NULL;
    }
    load->tape = hidi_tape_create((is_student ? load->student : load->teacher)->params.backend);
    load->image = calloc(n, pixels * sizeof *load->image);
    load->label = calloc(n, sizeof *load->label);
    if (load->tape == NULL || load->image == NULL || load->label == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", n);
    if (draw)
        hidi_sample_inputs((uint64_t)s->sample.seed, c, 0, n, load->image, load->label);
    return HIDI_OK;
}

/* draw: weights and noise; without, they are 0. */
static hidi_status begin(hidi_step *load, hidi_step_kind work, const hidi_settings *settings,
                         const hidi_dit_config *config, const hidi_dataset *data,
                         const hidi_backend *backend, bool draw)
{
    memset(load, 0, sizeof *load);
    load->work = work;
    HIDI_TRY(hidi_dit_create(&load->teacher, backend, config));
    if (draw)
        HIDI_TRY(hidi_dit_initialise(load->teacher, (uint64_t)settings->run.seed));
    switch (work) {
    case HIDI_STEP_TEACHER:
        return begin_teacher(load, settings, data);
    case HIDI_STEP_STAGE1:
        return begin_stage1(load, settings, data);
    case HIDI_STEP_STAGE2:
        return begin_stage2(load, settings, data);
    default:
        return begin_sampling(load, settings, config, draw);
    }
}

hidi_status hidi_step_begin(hidi_step *load, hidi_step_kind work, const hidi_settings *settings,
                                const hidi_dit_config *config, const hidi_dataset *data,
                                const hidi_backend *backend)
{
    return begin(load, work, settings, config, data, backend, true);
}

hidi_status hidi_step_run(hidi_step *load, long step)
{
    double values[HIDI_MAX_LOG_COLUMNS];
    if (load->task != NULL)
        return load->task->step(load->task->self, step, values);
    return hidi_sample(&load->sampler, load->student ? load->student : load->teacher, load->tape,
                       load->image, load->label, load->sampler.batch, NULL);
}

void hidi_step_end(hidi_step *load)
{
    if (load->work == HIDI_STEP_TEACHER)
        hidi_teacher_destroy(load->training.teacher);
    else if (load->work == HIDI_STEP_STAGE1)
        hidi_stage1_destroy(load->training.stage1);
    else if (load->work == HIDI_STEP_STAGE2)
        hidi_stage2_destroy(load->training.stage2);
    hidi_tape_destroy(load->tape);
    hidi_dit_destroy(load->teacher);
    hidi_dit_destroy(load->student);
    free(load->image);
    free(load->label);
    memset(load, 0, sizeof *load);
}

hidi_status hidi_step_footprint(hidi_footprint *footprint, hidi_step_kind work,
                                    const hidi_settings *settings, const hidi_dit_config *config,
                                    const hidi_dataset *data, const hidi_backend *like)
{
    /* Of stage 2's iterations, number 0 is one in which the generator steps, and 1 is another. */
    const long steps = 2;
    hidi_step load;
    *footprint = (hidi_footprint){0, 0, 0};
    hidi_status status =
        begin(&load, work, settings, config, data, hidi_dry_backend(like), false);
    footprint->models = hidi_dry_bytes(); /* a tape takes nothing before its first step */
    for (long i = 0; i < steps && status == HIDI_OK; i++)
        status = hidi_step_run(&load, i);
    if (status == HIDI_OK)
        footprint->tape = hidi_tape_peak(load.task ? load.task->tape : load.tape);
    footprint->allocated = hidi_dry_peak();
    hidi_step_end(&load);
    return status;
}

hidi_status hidi_step_fits(const hidi_footprint *footprint, const char *name)
{
    char need[32], have[32];
    const double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0 || (double)footprint->allocated < pages * page)
        return HIDI_OK;
    return hidi_error(HIDI_NO_MEMORY, "%s needs %s of memory, and this machine has %s", name,
                      hidi_bytes_text(need, sizeof need, (double)footprint->allocated),
                      hidi_bytes_text(have, sizeof have, pages * page));
}

/* --- its time --------------------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double hidi_quantile(double *x, int n, double p)
{
    const double at = p * (n - 1);
    const int i = (int)at;
    qsort(x, (size_t)n, sizeof *x, ascending);
    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[i];
}

hidi_status hidi_time_steps(hidi_status (*step)(void *state, long i), void *state, long repeat,
                            long first, long every, double *seconds)
{
    enum { WARM_UP = 2 };
    double *times = malloc((size_t)repeat * sizeof *times);
    hidi_status status = times ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (long i = -WARM_UP; i < repeat && status == HIDI_OK; i++) {
        const double start = hidi_seconds();
        status = step(state, first + (i + WARM_UP) * every);
        if (i >= 0)
            times[i] = hidi_seconds() - start;
    }
    if (status == HIDI_OK)
        *seconds = hidi_quantile(times, (int)repeat, 0.5);
    free(times);
    return status;
}

static hidi_status step_load(void *load, long i)
{
    return hidi_step_run(load, i);
}

hidi_status hidi_step_time(hidi_step *load, long repeat, long first, long every,
                               double *seconds)
{
    return hidi_time_steps(step_load, load, repeat, first, every, seconds);
}

/* --- its arithmetic --------------------------------------------------------------------------- */

/* Of one pass for one image, in multiply-adds. */
typedef struct costs {
    double teacher; /* and the fake score: the same network */
    double student;
    double backbone; /* the blocks that the heads need      */
} costs;

static costs costs_of(const hidi_settings *s, const hidi_dit_config *config, int last_block)
{
    const hidi_student_options options = hidi_settings_stage1(s).student;
    hidi_dit_config c = *config;
    costs cost;
    c.has_interval = false;
    cost.teacher = hidi_dit_macs(&c);
    c.depth++;
    cost.backbone = (last_block + 1) * (hidi_dit_macs(&c) - cost.teacher);
    c = hidi_student_config(config, &options);
    cost.student = hidi_dit_macs(&c);
    return cost;
}

/* Guided teacher, then u and its loss. */
static double meanflow_macs(const costs *c, const hidi_meanflow_options *options)
{
    const double teacher = options->guidance == 1 ? 1 : 2;
    const double derivative = options->difference > 0 ? 2 : 1; /* two passes, or one tangent */
    return teacher * c->teacher + (1 + derivative + 2) * c->student;
}

/* As stage 2's step (train/stage2.c) goes. */
static double stage2_macs(const hidi_stage2_options *o, const costs *c, bool generator_steps)
{
    const bool has_heads = o->adversary_weight > 0;
    const double seen = 2 + (o->r1_weight > 0 ? 1 : 0); /* fake, real, and perturbed images */
    double macs = c->student + 3 * c->teacher;          /* x_g; the fake score learns it     */
    if (has_heads)
        macs += seen * (o->backbone == HIDI_BACKBONE_FAKE ? 3 : 1) * c->backbone;
    if (!generator_steps)
        return macs;
    macs += 2 * c->student;                                   /* back through G              */
    macs += ((o->guidance == 1 ? 1 : 2) + 1) * c->teacher;    /* v_real, v_fake              */
    macs += has_heads ? 2 * c->backbone : 0;                  /* D(x_g), back to its input   */
    macs += o->td_weight > 0 ? meanflow_macs(c, &o->meanflow) : 0;
    return macs;
}

double hidi_step_flop(hidi_step_kind work, const hidi_settings *s, const hidi_dit_config *config,
                      long step)
{
    hidi_stage2_options stage2;
    hidi_sampler sampler;
    const bool has_blocks = hidi_settings_stage2(s, &stage2) == HIDI_OK;
    const costs c = costs_of(s, config, has_blocks ? stage2.heads.block[stage2.heads.n - 1] : 0);
    double macs = 0;
    switch (work) {
    case HIDI_STEP_TEACHER:
        macs = 3 * c.teacher;
        break;
    case HIDI_STEP_STAGE1:
        macs = meanflow_macs(&c, &s->td.meanflow);
        break;
    case HIDI_STEP_STAGE2:
        macs = stage2_macs(&stage2, &c, step % stage2.generator_every == 0);
        break;
    case HIDI_STEP_SAMPLE_STUDENT:
        macs = c.student;
        break;
    default:
        sampler = hidi_settings_sampler(s, false);
        sampler.steps = 1;
        macs = (double)hidi_sampler_evaluations(&sampler) * c.teacher;
    }
    return 2 * macs * (double)hidi_step_batch(work, s);
}
