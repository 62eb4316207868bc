/* run.c - teacher, sketch, detail: the networks are made (or read, where they are there already),
 * then all are measured against the same real images and drawn from the same noise. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/processes.h"
#include "lab/latent_set.h"
#include "lab/lock.h"
#include "lab/measure_table.h"
#include "lab/measuring.h"
#include "lab/pipeline.h"
#include "lab/rehearsal.h"
#include "lab/report.h"
#include "lab/request_table.h"
#include "lab/run_pictures.h"
#include "io/atomic_file.h"
#include "io/csv.h"

/* Real training images; the samples; of a run on latents, real images through the autoencoder. */
enum { HIDI_MOST_ROWS = HIDI_GENERATORS + 2 };

/* Everything of a run. */
typedef struct distillation {
    const hidi_session *session;
    hidi_session own;           /* what `session` points to: with the autoencoder, if any      */
    const char *dir;
    hidi_dataset *data;         /* images                                                       */
    hidi_dataset *latents;      /* of a run on latents: what networks are trained on; or NULL   */
    hidi_autoencoder *coder;    /* that makes them                                              */
    hidi_feature_net *features; /* until the extractor takes it over */
    hidi_dit *teacher, *stage1, *stage2;
    hidi_extractor extractor;
    hidi_image_set real;
    hidi_measuring how;
    hidi_generator generator[HIDI_GENERATORS];
    hidi_measured measured[HIDI_MOST_ROWS]; /* the first: real training images */
    double *power[HIDI_MOST_ROWS]; /* [bins] of each, relative to the reference's */
    size_t n_measured;
    hidi_request_table requests; /* of the data set scenes; else without rows */
} distillation;

/* From here on networks work on latents. */
static hidi_status make_latents(distillation *d)
{
    const hidi_session *s = d->session;
    HIDI_TRY(hidi_make_autoencoder(s, d->data, d->dir, &d->coder));
    HIDI_TRY(hidi_make_latents(s, d->data, d->coder, d->dir, &d->latents));
    d->own.coder = d->coder;
    d->own.pixels = d->data;
    return HIDI_OK;
}

static hidi_status make_networks(distillation *d)
{
    const hidi_session *s = d->session;
    HIDI_TRY(hidi_make_features(s, d->data, d->dir, &d->features));
    if (s->settings.data.space == HIDI_SPACE_LATENTS)
        HIDI_TRY(make_latents(d));
    const hidi_dataset *data = d->latents != NULL ? d->latents : d->data;
    HIDI_TRY(hidi_make_teacher(s, data, d->dir, &d->teacher));
    HIDI_TRY(hidi_make_stage1(s, data, d->dir, d->teacher, &d->stage1));
    return hidi_make_stage2(s, data, d->dir, d->teacher, d->stage1, &d->stage2);
}

static void list_generators(distillation *d)
{
    const hidi_settings *s = &d->session->settings;
    const hidi_sampler teacher = hidi_settings_sampler(s, false);
    const hidi_sampler student = hidi_settings_sampler(s, true);
    hidi_generator *g = d->generator;
    g[HIDI_GENERATOR_TEACHER] = (hidi_generator){"teacher", d->teacher, teacher};
    g[HIDI_GENERATOR_EULER] = (hidi_generator){"teacher (Euler)", d->teacher, teacher};
    g[HIDI_GENERATOR_EULER].sampler.solver = HIDI_EULER;
    g[HIDI_GENERATOR_EULER].sampler.steps = 1;
    g[HIDI_GENERATOR_STAGE1] = (hidi_generator){"stage 1", d->stage1, student};
    g[HIDI_GENERATOR_STAGE1_4] = (hidi_generator){"stage 1", d->stage1, student};
    g[HIDI_GENERATOR_STAGE1_4].sampler.steps = 4;
    g[HIDI_GENERATOR_STAGE2] = (hidi_generator){"stage 2", d->stage2, student};
}

/* --- what was asked for ----------------------------------------------------------------------- */

/* A row that the samples of a pass are judged for. */
typedef struct judging {
    hidi_request_row *row;
    const hidi_captions *captions;
} judging;

static hidi_status judge_batch(void *context, const hidi_image_batch *batch, size_t first)
{
    const judging *j = context;
    int32_t *caption = malloc(batch->n * sizeof *caption);
    if (caption == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < batch->n; i++)
        caption[i] = hidi_captions_asked(j->captions, first + i);
    const hidi_status status = hidi_judge_pictures(&j->row->counts, batch->images, batch->n,
                                                   batch->height, caption);
    free(caption);
    return status;
}

/* --- measuring -------------------------------------------------------------------------------- */

/* The next row of the results, from a source that it closes.  judged: NULL, or what its images are
 * judged for on the way. */
static hidi_status measure(distillation *d, hidi_image_source *source, const char *label,
                           judging *judged)
{
    hidi_image_set set;
    const hidi_spectrum *reference = &d->real.spectrum;
    hidi_gathering what = hidi_measuring_needs(&d->how, false, label);
    what.look = judged != NULL ? judge_batch : NULL;
    what.context = judged;
    hidi_status status = hidi_image_set_gather(&set, d->how.extractor, source, &what);
    if (status == HIDI_OK)
        status = hidi_measure_set(&d->measured[d->n_measured], &d->how, &set);
    double *power = malloc(reference->bins * sizeof *power);
    if (status == HIDI_OK && power == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (size_t k = 0; status == HIDI_OK && k < reference->bins; k++)
        power[k] = hidi_spectrum_ratio(&set.spectrum, reference, k);
    d->power[d->n_measured++] = power;
    hidi_image_set_free(&set);
    hidi_image_source_close(source);
    return status;
}

/* The reference, and training images against it, for scale. */
static hidi_status measure_real(distillation *d)
{
    const hidi_settings *s = &d->session->settings;
    hidi_image_source source;
    char label[32];
    hidi_feature_net *net = d->features;
    d->features = NULL;
    HIDI_TRY(hidi_small_extractor(&d->extractor, net, d->data));
    HIDI_TRY(hidi_settings_measuring(s, &d->extractor, &d->how));
    HIDI_TRY(hidi_gather_real(&d->real, &d->how, s, d->data));
    HIDI_TRY(hidi_open_split(&source, s, d->data, HIDI_TRAIN, d->extractor.channels, false));
    return measure(d, &source, hidi_split_label(label, sizeof label, HIDI_TRAIN), NULL);
}

static hidi_status measure_samples(distillation *d, const hidi_generator *g)
{
    hidi_samples samples =
        hidi_settings_samples(&d->session->settings, g->net, &g->sampler, d->data->captions,
                              d->real.n);
    hidi_image_source source;
    char label[64];
    judging judged = {.captions = samples.captions};
    samples.decoder = d->coder;
    hidi_samples_label(label, sizeof label, g->name, &g->sampler);
    d->how.progress = d->session->progress;
    if (!hidi_is_scenes(d->data)) {
        HIDI_TRY(hidi_image_source_samples(&source, &samples));
        return measure(d, &source, label, NULL);
    }
    HIDI_TRY(hidi_request_row_add(&d->requests, label, hidi_request_guidance(&samples), HIDI_SEEN,
                                  &judged.row));
    HIDI_TRY(hidi_image_source_samples(&source, &samples));
    judged.row->evaluations = source.evaluations;
    HIDI_TRY(measure(d, &source, label, &judged));
    return hidi_request_samples(&d->requests, d->session, d->data, &samples, label, HIDI_HELD_OUT);
}

/* Real images of the reference's split as they come back from the autoencoder: no sample that it
 * decodes can be crisper. */
static hidi_status measure_reconstructions(distillation *d)
{
    hidi_image_source source;
    if (d->coder == NULL)
        return HIDI_OK;
    HIDI_TRY(hidi_reconstructions(&source, d->data, hidi_settings_split(&d->session->settings),
                                  d->real.n, d->coder));
    return measure(d, &source, "real, through the autoencoder", NULL);
}

/* --- results ---------------------------------------------------------------------------------- */

/* Is the file this text? */
static bool is_text(const char *path, const char *text)
{
    unsigned char *old;
    if (access(path, F_OK) != 0 || hidi_read_file(path, &old, NULL) != HIDI_OK)
        return false;
    const bool is = strcmp((const char *)old, text) == 0;
    free(old);
    return is;
}

/* The settings as they were used: a preset file of its own, which may be the one that this run was
 * started with. */
static hidi_status write_settings(const distillation *d)
{
    char path[HIDI_PATH], *text = NULL;
    size_t size;
    hidi_atomic_file file;
    FILE *out = open_memstream(&text, &size);
    if (out != NULL)
        hidi_config_print(hidi_settings_table, &d->session->settings, out);
    if (out == NULL || fclose(out) != 0) {
        free(text);
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    }
    hidi_status status = HIDI_OK;
    if (!is_text(hidi_path(path, sizeof path, d->dir, "settings.ini"), text)) {
        status = hidi_atomic_open(&file, path);
        if (status == HIDI_OK) {
            fputs(text, file.out);
            status = hidi_atomic_commit(&file);
        }
    }
    free(text);
    return status;
}

const char *hidi_run_sections(const hidi_settings *settings)
{
    return settings->data.space == HIDI_SPACE_LATENTS
               ? HIDI_RUN_SECTIONS
               : "run data model features teacher student td dm sample eval";
}

/* What the results depend on, and whether those in the folder were made with exactly that. */
static hidi_status results_are_there(const distillation *d, char **settings, bool *there)
{
    char path[HIDI_PATH];
    *there = false;
    *settings = hidi_settings_text(&d->session->settings, hidi_run_sections(&d->session->settings));
    if (*settings == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    if (access(hidi_path(path, sizeof path, d->dir, HIDI_REPORT_FILE), F_OK) != 0 ||
        access(hidi_path(path, sizeof path, d->dir, "results.settings"), F_OK) != 0)
        return HIDI_OK;
    *there = is_text(path, *settings);
    return HIDI_OK;
}

/* Power over frequencies of everything that was measured, in its order. */
static hidi_status write_spectra(const distillation *d)
{
    char path[HIDI_PATH];
    hidi_csv csv;
    HIDI_TRY(hidi_csv_create(&csv, hidi_path(path, sizeof path, d->dir, "spectrum.csv")));
    hidi_csv_names(&csv, "radius,real,teacher,teacher_1_step,stage_1,stage_1_4_steps,stage_2");
    if (d->coder != NULL)
        hidi_csv_names(&csv, "autoencoder");
    hidi_csv_end_row(&csv);
    for (size_t k = 0; k < d->real.spectrum.bins; k++) {
        hidi_csv_integer(&csv, (long long)k);
        for (size_t i = 0; i < d->n_measured; i++)
            hidi_csv_number(&csv, "%.6g", d->power[i][k]);
        hidi_csv_end_row(&csv);
    }
    return hidi_csv_finish(&csv, HIDI_OK);
}

static hidi_status write_report(const distillation *d, const hidi_run_pictures *pictures)
{
    const hidi_report report = {.dir = d->dir,
                                .session = d->session,
                                .data = d->data,
                                .pictures = pictures,
                                .teacher = d->teacher,
                                .how = &d->how,
                                .measured = d->measured,
                                .n_measured = d->n_measured,
                                .requests = &d->requests};
    return hidi_write_report(&report);
}

static hidi_status write_results(distillation *d, const char *settings, FILE *out)
{
    char path[HIDI_PATH], weights[HIDI_PATH];
    hidi_atomic_file file;
    hidi_run_pictures pictures = {
        .session = d->session, .dir = d->dir, .data = d->data, .generator = d->generator};
    HIDI_TRY(measure_real(d));
    if (hidi_is_scenes(d->data))
        HIDI_TRY(hidi_request_real(&d->requests, d->session, d->data));
    for (int i = 0; i < HIDI_GENERATORS; i++)
        HIDI_TRY(measure_samples(d, &d->generator[i]));
    HIDI_TRY(measure_reconstructions(d));
    const hidi_measure_table table = {
        .row = d->measured,
        .n = d->n_measured,
        .how = &d->how,
        .weights = hidi_path(weights, sizeof weights, d->dir, HIDI_FEATURES_FILE),
        .format = "%.6g"};
    HIDI_TRY(hidi_measure_table_csv(hidi_path(path, sizeof path, d->dir, HIDI_RESULTS_FILE),
                                    &table));
    if (d->requests.n > 0)
        HIDI_TRY(hidi_request_table_csv(hidi_path(path, sizeof path, d->dir, HIDI_REQUESTS_FILE),
                                        &d->requests));
    HIDI_TRY(hidi_write_run_pictures(&pictures));
    if (!hidi_process_is_first())
        return HIDI_OK; /* what is left reads what the first has written */
    HIDI_TRY(write_spectra(d));
    HIDI_TRY(write_report(d, &pictures));
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, d->dir, "results.settings")));
    fputs(settings, file.out);
    HIDI_TRY(hidi_atomic_commit(&file));
    hidi_measure_table_print(out, &table);
    if (d->requests.n > 0)
        hidi_request_table_print(out, &d->requests);
    fprintf(out, "pictures, logs and the report: %s/%s\n", d->dir, HIDI_REPORT_FILE);
    return HIDI_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

static hidi_status make_all(distillation *d, FILE *out)
{
    char *settings;
    bool there;
    HIDI_TRY(hidi_session_data(d->session, &d->data));
    if (d->data->captions != NULL && d->session->settings.data.space == HIDI_SPACE_LATENTS)
        return hidi_error(HIDI_UNSUPPORTED, "data.space=latents: a file of latents has classes, and "
                                            "%s has captions: data.space=pixels",
                          d->data->name);
    HIDI_TRY(hidi_check_measurable(&d->session->settings, d->data));
    HIDI_TRY(hidi_lock_folder(d->dir, 0, false)); /* the first that is made */
    HIDI_TRY(hidi_rehearse_run(d->session, d->data, d->dir));
    HIDI_TRY(make_networks(d));
    list_generators(d);
    HIDI_TRY(write_settings(d));
    hidi_status status = results_are_there(d, &settings, &there);
    if (status == HIDI_OK && there)
        fprintf(out, "everything is done; see %s/%s\n", d->dir, HIDI_REPORT_FILE);
    else if (status == HIDI_OK)
        status = write_results(d, settings, out);
    free(settings);
    return status;
}

hidi_status hidi_run(const hidi_session *session, const char *dir, FILE *out)
{
    distillation d = {.own = *session, .dir = dir};
    d.session = &d.own;
    hidi_stop_flag();
    const hidi_status status = make_all(&d, out);
    for (size_t i = 0; i < d.n_measured; i++)
        free(d.power[i]);
    hidi_request_table_free(&d.requests);
    hidi_image_set_free(&d.real);
    hidi_extractor_close(&d.extractor);
    hidi_feature_net_destroy(d.features);
    hidi_dit_destroy(d.teacher);
    hidi_dit_destroy(d.stage1);
    hidi_dit_destroy(d.stage2);
    hidi_dataset_close(d.latents);
    hidi_autoencoder_destroy(d.coder);
    hidi_dataset_close(d.data);
    return status;
}
