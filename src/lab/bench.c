/* bench.c - times the real steps of a run, on random weights, each between matrix products. */
#include "lab/bench.h"

#include <stdio.h>

#include "core/random.h"
#include "lab/footprint.h"
#include "lab/inception_bench.h"
#include "lab/step_flop.h"

static void say(const hidi_bench *b, const char *what)
{
    if (b->session->progress != NULL)
        fprintf(b->session->progress, "timing: %s\n", what);
}

static hidi_bench_row *add_row(hidi_bench *b, const hidi_footprint *footprint, size_t batch,
                               double seconds, double flop)
{
    hidi_bench_row *row = &b->row[b->n_rows++];
    *row = (hidi_bench_row){.batch = batch,
                            .seconds = seconds,
                            .flop = flop,
                            .models = footprint->models,
                            .tape = footprint->tape};
    return row;
}

/* --- a step ----------------------------------------------------------------------------------- */

/* Stage 2's two kinds of iterations, and their mean when the generator steps in every k-th. */
static hidi_status time_stage2(hidi_bench *b, hidi_step *step, const hidi_settings *s,
                               const hidi_dit_config *config, const hidi_footprint *footprint)
{
    const long k = s->dm.generator_every;
    const size_t batch = hidi_step_batch(HIDI_STEP_STAGE2, s);
    const double flop = hidi_step_flop(HIDI_STEP_STAGE2, s, config, 0);
    double seconds, other;
    HIDI_TRY(hidi_step_time(step, b->repeat, 0, k, &seconds));
    hidi_bench_row *row = add_row(b, footprint, batch, seconds, flop);
    snprintf(row->name, sizeof row->name, "stage 2 step%s", k > 1 ? ", generator too" : "");
    if (k == 1)
        return HIDI_OK;
    const double other_flop = hidi_step_flop(HIDI_STEP_STAGE2, s, config, 1);
    HIDI_TRY(hidi_step_time(step, b->repeat, 1, k, &other));
    row = add_row(b, footprint, batch, other, other_flop);
    snprintf(row->name, sizeof row->name, "stage 2 step, without generator");
    const double share = 1 / (double)k;
    row = add_row(b, footprint, batch, share * seconds + (1 - share) * other,
                  share * flop + (1 - share) * other_flop);
    snprintf(row->name, sizeof row->name, "stage 2 step, mean (k = %ld)", k);
    return HIDI_OK;
}

/* All steps of a sampler take the same time: one is timed. */
static hidi_status time_sampling(hidi_bench *b, hidi_step *step, const hidi_settings *s,
                                 const hidi_dit_config *config, const hidi_footprint *footprint)
{
    const bool is_student = step->kind == HIDI_STEP_SAMPLE_STUDENT;
    const hidi_sampler sampler = hidi_settings_sampler(s, is_student);
    char text[48];
    double seconds;
    HIDI_TRY(hidi_step_time(step, b->repeat, 0, 1, &seconds));
    hidi_bench_row *row =
        add_row(b, footprint, sampler.batch, seconds * (double)sampler.steps,
                hidi_step_flop(step->kind, s, config, 0) * (double)sampler.steps);
    snprintf(row->name, sizeof row->name, "sampling, %s",
             hidi_sampler_text(&sampler, text, sizeof text));
    return HIDI_OK;
}

static hidi_status time_step(hidi_bench *b, hidi_step *step, const hidi_settings *s,
                             const hidi_dit_config *config, const hidi_footprint *footprint)
{
    double seconds;
    if (step->kind == HIDI_STEP_STAGE2)
        return time_stage2(b, step, s, config, footprint);
    if (step->kind == HIDI_STEP_SAMPLE_STUDENT || step->kind == HIDI_STEP_SAMPLE_TEACHER)
        return time_sampling(b, step, s, config, footprint);
    HIDI_TRY(hidi_step_time(step, b->repeat, 0, 1, &seconds));
    hidi_bench_row *row = add_row(b, footprint, hidi_step_batch(step->kind, s), seconds,
                                  hidi_step_flop(step->kind, s, config, 0));
    snprintf(row->name, sizeof row->name, "%s", hidi_step_name(step->kind));
    return HIDI_OK;
}

/* label: what an error calls it. */
static hidi_status measure(hidi_bench *b, const char *label, hidi_step_kind kind,
                           const hidi_settings *s, const hidi_dit_config *config,
                           const hidi_dataset *data)
{
    const hidi_backend *backend = b->session->backend;
    hidi_footprint footprint;
    hidi_step step;
    HIDI_TRY(hidi_step_footprint(&footprint, kind, s, config, data, backend));
    HIDI_TRY(hidi_footprint_fits(&footprint, label));
    HIDI_TRY(hidi_gemm_rate_measure(&b->gemm, backend));
    hidi_status status = hidi_step_begin(&step, kind, s, config, data, backend, true);
    if (status == HIDI_OK)
        status = time_step(b, &step, s, config, &footprint);
    hidi_step_end(&step);
    return status;
}

/* --- what is measured ------------------------------------------------------------------------- */

hidi_status hidi_bench_settings(hidi_bench *b)
{
    const hidi_settings *s = &b->session->settings;
    char text[256];
    hidi_dataset *data;
    hidi_status status = HIDI_OK;
    HIDI_TRY(hidi_session_data(b->session, &data));
    const hidi_dit_config config = hidi_settings_dit(s, data);
    printf("%s\n", hidi_dit_text(&config, text, sizeof text));
    for (int i = 0; i < HIDI_STEP_KINDS && status == HIDI_OK; i++) {
        const hidi_step_kind kind = (hidi_step_kind)i;
        say(b, hidi_step_name(kind));
        status = measure(b, hidi_step_name(kind), kind, s, &config, data);
    }
    hidi_dataset_close(data);
    return status;
}

/* Noise with labels: sizes of DiT's paper are timed without ImageNet's latents. */
static void get_noise(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                      int32_t *label)
{
    const hidi_random random = {(uint64_t)split, HIDI_STREAM_TEST, index};
    hidi_normal(random, 0, image, data->channels * data->height * data->width);
    *label = (int32_t)(index % data->n_classes);
}

hidi_status hidi_bench_dit_size(hidi_bench *b, const char *name, long image, long channels,
                                long batch, bool train)
{
    hidi_settings s = b->session->settings;
    hidi_dit_config config;
    HIDI_TRY(hidi_dit_published_config(name, (size_t)image, (size_t)channels, &config));
    const hidi_dataset noise = {.name = "noise",
                                .channels = config.channels,
                                .height = config.image_size,
                                .width = config.image_size,
                                .n_classes = config.n_classes,
                                .get = get_noise};
    char text[256];
    printf("%s: %s\n", name, hidi_dit_text(&config, text, sizeof text));
    say(b, name);
    s.teacher.train.batch = s.sample.batch = batch;
    s.sample.steps = 1; /* of Euler's method without guidance: a forward pass */
    s.sample.solver = HIDI_EULER;
    s.sample.guidance = 1;
    HIDI_TRY(measure(b, name, HIDI_STEP_SAMPLE_TEACHER, &s, &config, &noise));
    snprintf(b->row[b->n_rows - 1].name, sizeof b->row->name, "%s, forward", name);
    if (!train)
        return HIDI_OK;
    HIDI_TRY(measure(b, name, HIDI_STEP_TEACHER, &s, &config, &noise));
    snprintf(b->row[b->n_rows - 1].name, sizeof b->row->name, "%s, teacher step", name);
    return HIDI_OK;
}

hidi_status hidi_bench_inception(hidi_bench *b, size_t batch)
{
    const hidi_backend *backend = b->session->backend;
    hidi_footprint footprint;
    double seconds, flop;
    say(b, "Inception-v3");
    HIDI_TRY(hidi_gemm_rate_measure(&b->gemm, backend));
    HIDI_TRY(hidi_inception_time(backend, batch, b->repeat, &footprint, &seconds, &flop));
    hidi_bench_row *row = add_row(b, &footprint, batch, seconds, flop);
    snprintf(row->name, sizeof row->name, "Inception-v3, features");
    return HIDI_OK;
}
