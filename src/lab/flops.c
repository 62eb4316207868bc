/* flops.c - an image costs passes x (multiply-adds of a pass), and one decoding: the teacher's
 * solver takes many passes, twice as many with guidance, and a student one for each step. */
#include "lab/flops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "core/random.h"
#include "io/csv.h"
#include "lab/footprint.h"
#include "lab/step.h"
#include "lab/timing.h"
#include "model/autoencoder.h"

static double giga(double x)
{
    return 1e-9 * x;
}

/* --- counting --------------------------------------------------------------------------------- */

static void add_sampling(hidi_flops *f, const hidi_sampler *sampler)
{
    hidi_sampling_cost *c = &f->sampling[f->n_samplings++];
    const bool is_student = sampler->solver == HIDI_AVERAGE;
    *c = (hidi_sampling_cost){.sampler = *sampler, .seconds = -1};
    hidi_sampler_text(sampler, c->name, sizeof c->name);
    c->passes = hidi_sampler_evaluations(sampler);
    c->macs = (double)c->passes * (is_student ? f->student.sum : f->teacher.sum);
    c->all = c->macs + f->decoder.sum;
    c->ratio = c->all / (f->student.sum + f->decoder.sum);
}

static void count_samplings(hidi_flops *f, const hidi_settings *settings)
{
    static const long steps[] = {1, 2, 4};
    hidi_sampler sampler = hidi_settings_sampler(settings, false);
    add_sampling(f, &sampler);
    if (sampler.guidance != 1) {
        sampler.guidance = 1;
        add_sampling(f, &sampler);
    }
    const hidi_sampler student = hidi_settings_sampler(settings, true);
    bool is_listed = false;
    sampler = student;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        sampler.steps = steps[i];
        is_listed = is_listed || steps[i] == student.steps;
        add_sampling(f, &sampler);
    }
    if (!is_listed)
        add_sampling(f, &student);
}

hidi_status hidi_flops_count(hidi_flops *f, const char *name, const hidi_dit_config *config,
                             bool has_decoder, const hidi_settings *settings)
{
    const hidi_student_options options = hidi_settings_stage1(settings).student;
    const hidi_dit_config student = hidi_student_config(config, &options);
    hidi_dit *dit; /* checks that the configuration fits together */
    HIDI_TRY(hidi_dit_create(&dit, hidi_dry_backend(hidi_reference_backend()), config));
    hidi_dit_destroy(dit);
    HIDI_TRY(hidi_error_prefix(
        hidi_dit_create(&dit, hidi_dry_backend(hidi_reference_backend()), &student), "student"));
    hidi_dit_destroy(dit);
    memset(f, 0, sizeof *f);
    snprintf(f->name, sizeof f->name, "%s", name);
    f->decoding = -1;
    f->config = *config;
    hidi_dit_count_macs(config, &f->teacher);
    hidi_dit_count_macs(&student, &f->student);
    if (has_decoder)
        hidi_vae_decoder_count_macs(&hidi_sd_vae_decoder, config->image_size, &f->decoder);
    count_samplings(f, settings);
    return HIDI_OK;
}

/* --- time ------------------------------------------------------------------------------------- */

/* Seconds of one step of the sampler, for one image. */
static hidi_status time_step(const hidi_flops *f, const hidi_sampler *sampler,
                             const hidi_session *session, long repeat, double *seconds)
{
    const bool is_student = sampler->solver == HIDI_AVERAGE;
    const hidi_step_kind kind = is_student ? HIDI_STEP_SAMPLE_STUDENT : HIDI_STEP_SAMPLE_TEACHER;
    hidi_settings settings = session->settings;
    hidi_footprint footprint;
    hidi_step step;
    if (!is_student)
        settings.sample.guidance = sampler->guidance;
    HIDI_TRY(hidi_step_footprint(&footprint, kind, &settings, &f->config, NULL, session->backend));
    HIDI_TRY(hidi_footprint_fits(&footprint, hidi_step_name(kind)));
    hidi_status status =
        hidi_step_begin(&step, kind, &settings, &f->config, NULL, session->backend, true);
    if (status == HIDI_OK)
        status = hidi_step_time(&step, repeat, 0, 1, seconds);
    hidi_step_end(&step);
    *seconds /= (double)sampler->batch;
    return status;
}

/* A decoder, and what it is given. */
typedef struct decoding {
    hidi_autoencoder *decoder;
    hidi_tape *tape;
    size_t side;              /* of the latents */
    hidi_real *z, *image;
} decoding;

static hidi_status decode(void *state, long i)
{
    const decoding *d = state;
    (void)i;
    return hidi_autoencoder_images(d->decoder, d->tape, d->z, 1, d->side, d->side, d->image);
}

/* Stable Diffusion's decoder, on random weights and latents. */
static hidi_status begin_decoding(decoding *d, const hidi_flops *f, const hidi_session *session)
{
    const hidi_autoencoder_config c = hidi_sd_autoencoder_config();
    const size_t side = d->side = f->config.image_size, whole = side * hidi_autoencoder_factor(&c);
    HIDI_TRY(hidi_autoencoder_create(&d->decoder, session->backend, &c, HIDI_DECODER));
    HIDI_TRY(hidi_autoencoder_initialise(d->decoder, (uint64_t)session->settings.run.seed));
    d->tape = hidi_tape_create(session->backend);
    d->z = malloc(c.latent_channels * side * side * sizeof *d->z);
    d->image = malloc(c.image_channels * whole * whole * sizeof *d->image);
    if (d->tape == NULL || d->z == NULL || d->image == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory to decode %zux%zu latents", side, side);
    hidi_normal((hidi_random){(uint64_t)session->settings.sample.seed, HIDI_STREAM_SAMPLE, 0}, 0,
                d->z, c.latent_channels * side * side);
    return HIDI_OK;
}

static hidi_status time_decoder(hidi_flops *f, const hidi_session *session, long repeat)
{
    decoding d = {.decoder = NULL};
    hidi_status status = begin_decoding(&d, f, session);
    if (status == HIDI_OK)
        status = hidi_time_steps(decode, &d, repeat, 0, 1, &f->decoding);
    hidi_autoencoder_destroy(d.decoder);
    hidi_tape_destroy(d.tape);
    free(d.z);
    free(d.image);
    return status;
}

/* All steps of a sampler take the same time, and all of the student's samplers have the same
 * step. */
hidi_status hidi_flops_time(hidi_flops *f, const hidi_session *session, long repeat)
{
    double step = 0, student_step = 0;
    for (int i = 0; i < f->n_samplings; i++) {
        hidi_sampling_cost *c = &f->sampling[i];
        const bool is_student = c->sampler.solver == HIDI_AVERAGE;
        if (is_student && student_step > 0)
            step = student_step;
        else
            HIDI_TRY(time_step(f, &c->sampler, session, repeat, &step));
        if (is_student)
            student_step = step;
        hidi_sampler one = c->sampler;
        hidi_sampler_one_step(&one);
        c->seconds = step * (double)c->passes / (double)hidi_sampler_evaluations(&one);
    }
    return f->decoder.n > 0 ? time_decoder(f, session, repeat) : HIDI_OK;
}

/* --- tables ----------------------------------------------------------------------------------- */

static void print_pass(const hidi_macs *m, const char *title, bool layers)
{
    printf("  %-48s %10.4g GMAC %10.4g GFLOP\n", title, giga(m->sum), 2 * giga(m->sum));
    for (int i = 0; layers && i < m->n; i++)
        printf("    %3zu x %-40s %10.4g %14.1f %%\n", m->layer[i].count, m->layer[i].name,
               giga(m->layer[i].macs), 100 * m->layer[i].macs / m->sum);
}

void hidi_flops_print_passes(const hidi_flops *f, bool layers)
{
    char text[256];
    const size_t side = f->config.image_size;
    printf("%s%s%s\n", f->name, f->name[0] ? ": " : "",
           hidi_dit_text(&f->config, text, sizeof text));
    print_pass(&f->teacher, "a pass of the teacher", layers);
    print_pass(&f->student, "a pass of the student", layers);
    snprintf(text, sizeof text, "decoder (SD-VAE), %zux%zux4 to %zux%zux3", side, side, 8 * side,
             8 * side);
    if (f->decoder.n > 0)
        print_pass(&f->decoder, text, layers);
}

/* Of the student, without the decoder. */
static double seconds_of_one_step(const hidi_flops *f)
{
    int i = 0;
    while (f->sampling[i].sampler.solver != HIDI_AVERAGE || f->sampling[i].sampler.steps != 1)
        i++;
    return f->sampling[i].seconds;
}

void hidi_flops_print_samplings(const hidi_flops *f)
{
    const bool has_decoder = f->decoder.n > 0, is_timed = f->sampling[0].seconds >= 0;
    const char *times = !is_timed     ? ""
                        : has_decoder ? "           ms with decoder   / one step"
                                      : "           ms";
    const double one_step = seconds_of_one_step(f);
    printf("\n  %-32s %6s %12s%s %12s%s\n", "an image, by sampling", "passes", "GMAC",
           has_decoder ? " with decoder" : "", "/ one step", times);
    for (int i = 0; i < f->n_samplings; i++) {
        const hidi_sampling_cost *c = &f->sampling[i];
        printf("  %-32s %6ld %12.4g", c->name, c->passes, giga(c->macs));
        if (has_decoder)
            printf(" %12.4g", giga(c->all));
        printf(" %12.2f", c->ratio);
        if (is_timed)
            printf(" %12.4g", 1e3 * c->seconds);
        if (is_timed && has_decoder)
            printf(" %12.4g %12.2f", 1e3 * (c->seconds + f->decoding),
                   (c->seconds + f->decoding) / (one_step + f->decoding));
        printf("\n");
    }
}

/* --- a file ----------------------------------------------------------------------------------- */

/* ratio, seconds: NAN for a row that has none. */
static void write_row(hidi_csv *csv, const char *model, const char *kind, const char *name,
                      long count, double macs, double ratio, double seconds)
{
    hidi_csv_text(csv, model);
    hidi_csv_text(csv, kind);
    hidi_csv_quoted(csv, name);
    hidi_csv_integer(csv, count);
    hidi_csv_number(csv, "%.12g", giga(macs));
    hidi_csv_number(csv, "%.6g", ratio);
    hidi_csv_number(csv, "%.6g", seconds);
    hidi_csv_end_row(csv);
}

static void write_layers(hidi_csv *csv, const char *model, const char *network, const hidi_macs *m)
{
    for (int i = 0; i < m->n; i++)
        write_row(csv, model, network, m->layer[i].name, (long)m->layer[i].count, m->layer[i].macs,
                  NAN, NAN);
}

static void write_network(hidi_csv *csv, const hidi_flops *f)
{
    write_layers(csv, f->name, "teacher", &f->teacher);
    write_layers(csv, f->name, "student", &f->student);
    write_layers(csv, f->name, "decoder", &f->decoder);
    for (int i = 0; i < f->n_samplings; i++) {
        const hidi_sampling_cost *c = &f->sampling[i];
        write_row(csv, f->name, "sampling", c->name, c->passes, c->all, c->ratio,
                  c->seconds >= 0 ? c->seconds : (double)NAN);
    }
    if (f->decoding >= 0)
        write_row(csv, f->name, "decoding", "Stable Diffusion's decoder", 1, f->decoder.sum, NAN,
                  f->decoding);
}

hidi_status hidi_flops_write_csv(const hidi_flops *flops, int n, const char *path)
{
    hidi_csv csv;
    HIDI_TRY(hidi_csv_create(&csv, path));
    hidi_csv_names(&csv, "model,kind,name,count,gmac,ratio,seconds");
    hidi_csv_end_row(&csv);
    for (int i = 0; i < n; i++)
        write_network(&csv, &flops[i]);
    return hidi_csv_finish(&csv, HIDI_OK);
}
