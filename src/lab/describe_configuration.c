/* describe_configuration.c - what a configuration takes: its networks are made, and its steps
 * taken, on the dry backend, which says the memory, and a few of them in earnest, which says the
 * time. */
#include "lab/describe_configuration.h"

#include <math.h>

#include "lab/footprint.h"
#include "lab/rehearsal.h"
#include "lab/step_flop.h"
#include "io/number.h"
#include "backend/tables.h"
#include "model/macs.h"

static hidi_status print_model(const char *label, const hidi_dit_config *config)
{
    char text[256];
    hidi_dit *dit;
    HIDI_TRY(hidi_dit_create(&dit, hidi_dry_backend(hidi_reference_backend()), config));
    printf("  %-10s  %s\n", label, hidi_dit_text(config, text, sizeof text));
    printf("              %zu parameters; a forward pass: %.4g million multiply-adds per image\n",
           dit->params.count, 1e-6 * hidi_dit_macs(config));
    hidi_dit_destroy(dit);
    return HIDI_OK;
}

/* --- memory and time -------------------------------------------------------------------------- */

/* A step with more arithmetic than this is not tried out: info is to answer within seconds. */
#define MOST_FLOP 1e11

/* Steps of a kind in a run of these settings; of sampling, for one measurement. */
static double steps_of(hidi_step_kind kind, const hidi_settings *s)
{
    const double batches = ceil((double)s->eval.images / (double)s->sample.batch);
    switch (kind) {
    case HIDI_STEP_TEACHER:
        return s->teacher.file[0] != '\0' ? 0 : (double)s->teacher.train.steps;
    case HIDI_STEP_STAGE1:
        return (double)s->td.train.steps;
    case HIDI_STEP_STAGE2:
        return (double)s->dm.train.steps;
    case HIDI_STEP_SAMPLE_STUDENT:
        return batches * (double)s->sample.student_steps;
    default:
        return batches * (double)s->sample.steps;
    }
}

/* Seconds of a step, from a few after a first one; of stage 2 the mean over a round of its
 * iterations.  NaN: it was not tried. */
static hidi_status time_step(double *seconds, hidi_step_kind kind, const hidi_session *session,
                             const hidi_dit_config *config, const hidi_dataset *data,
                             const hidi_footprint *footprint)
{
    const hidi_settings *s = &session->settings;
    const long round = kind == HIDI_STEP_STAGE2 && s->dm.generator_every <= 8 ? s->dm.generator_every
                                                                               : 2;
    hidi_step step;
    *seconds = NAN;
    if (session->preset == NULL || hidi_step_flop(kind, s, config, 0) > MOST_FLOP ||
        hidi_footprint_fits(footprint, hidi_step_name(kind)) != HIDI_OK)
        return HIDI_OK;
    hidi_status status = hidi_step_begin(&step, kind, s, config, data, session->backend, true);
    double started = hidi_seconds();
    if (status == HIDI_OK)
        status = hidi_step_run(&step, 0);
    *seconds = hidi_seconds() - started; /* with what a first step allocates; enough where slow */
    if (status == HIDI_OK && *seconds < 0.5) {
        started = hidi_seconds();
        for (long i = 0; i < round && status == HIDI_OK; i++)
            status = hidi_step_run(&step, i);
        *seconds = (hidi_seconds() - started) / (double)round;
    }
    hidi_step_end(&step);
    return status;
}

static void print_time(double seconds, double steps)
{
    char minutes[32];
    if (!isfinite(seconds))
        printf(" %10s %8.0f %9s", "-", steps, "-");
    else
        printf(" %10.3g %8.0f %9s", 1e3 * seconds, steps,
               hidi_print_double(minutes, sizeof minutes, steps * seconds < 600 ? "%.1f" : "%.0f",
                                 steps * seconds / 60));
}

static hidi_status print_needs(const hidi_session *session, const hidi_dit_config *config,
                               const hidi_dataset *data)
{
    const hidi_settings *s = &session->settings;
    double all = 0;
    printf("\n%-20s %6s %11s %12s %11s %10s %8s %9s\n", "memory and time", "batch", "models",
           "activations", "allocated", "ms/step", "steps", "minutes");
    for (int i = 0; i < HIDI_STEP_KINDS; i++) {
        const hidi_step_kind kind = (hidi_step_kind)i;
        char models[32], tape[32], allocated[32];
        double seconds;
        hidi_footprint f;
        HIDI_TRY(hidi_step_footprint(&f, kind, s, config, data, session->backend));
        HIDI_TRY(time_step(&seconds, kind, session, config, data, &f));
        printf("  %-18s %6zu %11s %12s %11s", hidi_step_name(kind), hidi_step_batch(kind, s),
               hidi_bytes_text(models, sizeof models, (double)f.models),
               hidi_bytes_text(tape, sizeof tape, (double)f.tape),
               hidi_bytes_text(allocated, sizeof allocated, (double)f.allocated));
        print_time(seconds, steps_of(kind, s));
        printf("\n");
        if (kind <= HIDI_STEP_STAGE2)
            all += seconds * steps_of(kind, s);
    }
    if (isfinite(all))
        printf("the trainings of teacher, stage 1 and stage 2: about %.*f minutes on %d thread%s, by "
               "a few steps of each\n",
               all < 600 ? 1 : 0, all / 60, session->backend->threads(),
               session->backend->threads() == 1 ? "" : "s");
    else
        printf("-: not tried out: without --preset, or too much memory or arithmetic (hidi bench)\n");
    return HIDI_OK;
}

/* data: images; latents: what networks see, which may be the same. */
static hidi_status describe(const hidi_session *session, const hidi_dataset *data,
                            const hidi_dataset *latents)
{
    const hidi_dit_config teacher = hidi_settings_dit(&session->settings, latents);
    const hidi_student_options options = hidi_settings_stage1(&session->settings).student;
    const hidi_dit_config student = hidi_student_config(&teacher, &options);
    printf("\nconfiguration: %s%s\n", session->preset ? session->preset : "the defaults",
           session->n_sets > 0 ? " and --set" : "");
    printf("  data        %s, %zux%zux%zu, %zu classes\n", data->name, data->height, data->width,
           data->channels, data->n_classes);
    if (latents->height != data->height)
        printf("  latents     %zux%zux%zu\n", latents->height, latents->width, latents->channels);
    HIDI_TRY(print_model("teacher", &teacher));
    HIDI_TRY(print_model("student", &student));
    if (session->settings.run.frozen == HIDI_FROZEN_BF16)
        printf("  frozen      networks that are not trained hold their matrices in bf16\n");
    return print_needs(session, &teacher, latents);
}

hidi_status hidi_describe_configuration(const hidi_session *session)
{
    hidi_dataset *data, latents;
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_rehearse_latents(session, data, NULL, &latents);
    if (status == HIDI_OK)
        status = describe(session, data, &latents);
    hidi_dataset_close(data);
    return status;
}
