/* study_measure.c - a variant's rows: its training after every snapshot and at its end, against the
 * same real images for all variants and seeds, with noise that is the same for all variants. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/measure_table.h"
#include "lab/measuring.h"
#include "lab/pipeline.h"
#include "lab/pictures.h"
#include "lab/step_flop.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "io/safetensors.h"

/* A measurement in the making. */
typedef struct measuring {
    const hidi_plan *plan;
    const hidi_study_task *task;
    hidi_session session;        /* the variant's settings and seed                              */
    hidi_dataset *data, *judge;  /* the seed's; the study's, whose real images all are held to    */
    hidi_extractor extractor;
    hidi_image_set real;
    hidi_measuring how;
    hidi_csv rows;               /* in memory: an interrupted measurement leaves nothing         */
    char *text;
    size_t bytes;
} measuring;

/* What a row says beside the measurement. */
typedef struct row {
    const char *net;
    long step, updates, sampling_steps; /* training steps and generator updates so far           */
    double cost;                        /* of the training: see training_cost                     */
    double train_seconds;
} row;

#define FORMAT "%.6g" /* of a number in the table */

/* --- rows ------------------------------------------------------------------------------------- */

static void write_header(measuring *m)
{
    char name[32];
    hidi_csv_names(&m->rows, "variant,seed,settings,net,step,updates,cost,train_seconds");
    hidi_csv_names(&m->rows, "sampling_steps");
    hidi_csv_measured_names(&m->rows, &m->how.choice);
    hidi_csv_names(&m->rows, "images,diverged");
    for (size_t k = 0; k < m->real.spectrum.bins; k++) {
        snprintf(name, sizeof name, "power_%zu", k);
        hidi_csv_names(&m->rows, name);
    }
    hidi_csv_end_row(&m->rows);
}

/* spectrum NULL: of a training or sampling that diverged.  The last part of a task's path is the
 * hash of its settings. */
static void write_row(measuring *m, const row *r, const hidi_measured *measured,
                      const hidi_spectrum *spectrum)
{
    hidi_csv *csv = &m->rows;
    hidi_csv_text(csv, m->task->variant->name);
    hidi_csv_integer(csv, m->task->seed);
    hidi_csv_text(csv, strrchr(m->task->path, '-') + 1);
    hidi_csv_text(csv, r->net);
    hidi_csv_integer(csv, r->step);
    hidi_csv_integer(csv, r->updates);
    hidi_csv_number(csv, FORMAT, r->cost);
    hidi_csv_number(csv, FORMAT, r->train_seconds);
    hidi_csv_integer(csv, r->sampling_steps);
    hidi_csv_measured(csv, &m->how.choice, FORMAT, measured);
    hidi_csv_integer(csv, spectrum == NULL);
    for (size_t k = 0; k < m->real.spectrum.bins; k++)
        hidi_csv_number(csv, FORMAT,
                        spectrum == NULL ? (double)NAN
                                         : hidi_spectrum_ratio(spectrum, &m->real.spectrum, k));
    hidi_csv_end_row(csv);
}

/* --- one set of images ------------------------------------------------------------------------ */

static hidi_sampler sampler_of(const measuring *m, bool is_student, int i)
{
    const hidi_variant *v = m->task->variant;
    hidi_sampler sampler = hidi_settings_sampler(&m->session.settings, is_student);
    if (v->n_steps > 0)
        sampler.steps = v->steps[i];
    return sampler;
}

/* A row without numbers. */
static void write_diverged(measuring *m, row *r, const hidi_sampler *sampler)
{
    hidi_measured measured;
    hidi_measured_init(&measured, r->net);
    measured.evaluations = hidi_sampler_evaluations(sampler);
    measured.images = (long)m->real.n;
    r->sampling_steps = sampler->steps;
    write_row(m, r, &measured, NULL);
}

/* Measures the images of a source, closes it, and writes their row.  sampler NULL: real images,
 * else samples; a sample that is not finite makes a row without numbers. */
static hidi_status measure_images(measuring *m, row *r, hidi_image_source *source,
                                  const hidi_sampler *sampler)
{
    hidi_image_set set;
    hidi_measured measured;
    const hidi_gathering what = hidi_measuring_needs(&m->how, false, r->net);
    r->sampling_steps = sampler != NULL ? sampler->steps : 0;
    hidi_status status = hidi_image_set_gather(&set, m->how.extractor, source, &what);
    const bool diverged = status == HIDI_NOT_FINITE && sampler != NULL;
    if (status == HIDI_OK)
        status = hidi_measure_set(&measured, &m->how, &set);
    if (status == HIDI_OK)
        write_row(m, r, &measured, &set.spectrum);
    hidi_image_set_free(&set);
    hidi_image_source_close(source);
    if (!diverged)
        return status;
    write_diverged(m, r, sampler);
    return HIDI_OK;
}

static hidi_status measure_samples(measuring *m, row *r, const hidi_dit *net,
                                   const hidi_sampler *sampler)
{
    hidi_image_source source;
    hidi_samples samples = hidi_settings_samples(&m->session.settings, net, sampler,
                                                 m->data->captions, m->real.n);
    /* The noise is another for each seed, and the same for all variants. */
    samples.seed += (uint64_t)m->task->seed;
    HIDI_TRY(hidi_image_source_samples(&source, &samples));
    return measure_images(m, r, &source, sampler);
}

static hidi_status measure_net(measuring *m, row *r, const hidi_dit *net)
{
    const int times = m->task->variant->n_steps > 0 ? m->task->variant->n_steps : 1;
    for (int i = 0; i < times; i++) {
        const hidi_sampler sampler = sampler_of(m, net->config.has_interval, i);
        HIDI_TRY(measure_samples(m, r, net, &sampler));
    }
    return HIDI_OK;
}

/* A row of pictures, with the same noise for each variant. */
static hidi_status draw_row(const measuring *m, const hidi_dit *net)
{
    char path[HIDI_PATH];
    hidi_real *x;
    const hidi_settings *s = &m->session.settings;
    const hidi_sampler sampler = sampler_of(m, net->config.has_interval, 0);
    const size_t columns = (size_t)m->plan->study->columns;
    const hidi_samples samples =
        hidi_settings_samples(s, net, &sampler, m->data->captions, columns);
    if (m->task->seed != m->plan->study->seed[0])
        return HIDI_OK;
    hidi_status status = hidi_samples_draw(&samples, NULL, &x, NULL);
    if (status == HIDI_NOT_FINITE)
        return HIDI_OK; /* nothing to see */
    if (status == HIDI_OK)
        status = hidi_write_grid(hidi_task_file(path, sizeof path, m->task, ".png"), x, columns,
                                 &net->config, columns, (size_t)s->eval.zoom);
    free(x);
    return status;
}

/* --- what a variant measures ------------------------------------------------------------------ */

/* Training images, of the seed's own data: as near as a distance of so many images gets. */
static hidi_status measure_real(measuring *m)
{
    row r = {.net = "real", .train_seconds = NAN};
    hidi_image_source source;
    HIDI_TRY(hidi_open_split(&source, &m->session.settings, m->data, HIDI_TRAIN,
                             m->extractor.channels, false));
    return measure_images(m, &r, &source, NULL);
}

static hidi_status measure_file(measuring *m, row *r, const char *path, bool is_last,
                                const char *dir)
{
    hidi_dit *net;
    HIDI_TRY(hidi_load_for(&m->session, m->data, path, HIDI_GIVEN_ALL, &net));
    hidi_status status = measure_net(m, r, net);
    if (status == HIDI_OK && is_last)
        status = draw_row(m, net);
    if (status == HIDI_OK && is_last && dir != NULL) {
        const hidi_study_look look = {m->plan, m->task, &m->session, m->judge, dir, net,
                                      sampler_of(m, true, 0)};
        status = hidi_study_look_at_heads(&look);
    }
    hidi_dit_destroy(net);
    return status;
}

static hidi_status measure_teacher(measuring *m)
{
    char path[HIDI_PATH];
    row r = {.net = "teacher", .train_seconds = NAN};
    hidi_task_file(path, sizeof path, &m->plan->task[0], "/" HIDI_TEACHER_FILE);
    return measure_file(m, &r, path, true, NULL);
}

/* The training of a stage: where its files are, and what came before. */
typedef struct stage {
    int number;
    const hidi_study_task *task;
    long steps, every, updates_every;
    row before;
} stage;

/* How many of the first `steps` steps are the generator's: every k-th, from number 0 on. */
static long updates_in(const stage *s, long steps)
{
    return (steps + s->updates_every - 1) / s->updates_every;
}

/* Multiply-adds of so many steps, as multiples of those of a step of stage 1 with the settings that
 * all of the study's variants start from. */
static double training_cost(const measuring *m, const stage *s, long steps)
{
    const hidi_settings *all = &m->plan->study->all.settings, *own = &m->task->variant->settings;
    const hidi_dit_config unit = hidi_settings_dit(all, m->data);
    const hidi_dit_config config = hidi_settings_dit(own, m->data);
    const hidi_step_kind kind = s->number == 1 ? HIDI_STEP_STAGE1 : HIDI_STEP_STAGE2;
    const double updates = (double)updates_in(s, steps);
    const double flop = updates * hidi_step_flop(kind, own, &config, 0) +
                        ((double)steps - updates) * hidi_step_flop(kind, own, &config, 1);
    return flop / hidi_step_flop(HIDI_STEP_STAGE1, all, &unit, 0);
}

/* What a row says of the training so far. */
static void after_steps(const measuring *m, const stage *s, long steps, double seconds, row *r)
{
    r->step = s->before.step + steps;
    r->updates = s->before.updates + updates_in(s, steps);
    r->cost = s->before.cost + training_cost(m, s, steps);
    r->train_seconds = s->before.train_seconds + seconds * (double)steps / (double)s->steps;
}

/* The snapshots up to `last` steps, and, if that is the whole training, its result. */
static hidi_status measure_stage(measuring *m, const stage *s, bool snapshots, long last,
                                 bool is_last)
{
    char path[HIDI_PATH];
    const bool finished = access(s->task->done, F_OK) == 0;
    const char *name = s->number == 1 ? HIDI_STAGE1_FILE : HIDI_STAGE2_FILE;
    const double seconds = finished ? hidi_pipeline_seconds(s->task->path, name) : (double)NAN;
    row r = s->before;
    r.net = s->number == 1 ? "stage1" : "stage2";
    for (long step = s->every; snapshots && s->every > 0 && step < s->steps && step <= last;
         step += s->every) {
        after_steps(m, s, step, seconds, &r);
        hidi_snapshot_path(path, sizeof path, s->task->path, s->number, step);
        if (!finished && access(path, F_OK) != 0)
            break;
        HIDI_TRY(measure_file(m, &r, path, false, NULL));
    }
    if (last < s->steps)
        return HIDI_OK;
    after_steps(m, s, s->steps, seconds, &r);
    if (!finished) {
        const hidi_sampler sampler = sampler_of(m, true, 0);
        write_diverged(m, &r, &sampler);
        return HIDI_OK;
    }
    return measure_file(m, &r, hidi_path(path, sizeof path, s->task->path, name), is_last,
                        s->number == 2 ? s->task->path : NULL);
}

static hidi_status measure_students(measuring *m)
{
    const hidi_variant *v = m->task->variant;
    const hidi_settings *s = &v->settings;
    const hidi_study_task *task = &m->plan->task[m->task->needs];
    const bool two = v->net == HIDI_NET_STAGE2;
    stage last = {two ? 2 : 1, task, two ? s->dm.train.steps : s->td.train.steps,
                  two ? s->dm.snapshot_every : s->td.snapshot_every,
                  two ? s->dm.generator_every : 1, {.step = 0}};
    if (two && v->start > 0) { /* on top of stage 1, or a part of it */
        const stage first = {1, &m->plan->task[task->needs], s->td.train.steps,
                             s->td.snapshot_every, 1, {.step = 0}};
        const long steps = first.steps * v->start / 100;
        if (v->snapshots)
            HIDI_TRY(measure_stage(m, &first, s->td.snapshot_every > 0, steps, false));
        after_steps(m, &first, steps, hidi_pipeline_seconds(first.task->path, HIDI_STAGE1_FILE),
                    &last.before);
    }
    return measure_stage(m, &last, v->snapshots, last.steps, true);
}

/* --- opening ---------------------------------------------------------------------------------- */

static hidi_status open_features(measuring *m)
{
    char path[HIDI_PATH];
    hidi_tensor_file file;
    hidi_feature_net *net;
    hidi_task_file(path, sizeof path, &m->plan->task[0], "/" HIDI_FEATURES_FILE);
    HIDI_TRY(hidi_safetensors_read(&file, path));
    hidi_status status = hidi_feature_net_from_file(&net, m->session.backend, &file);
    hidi_tensor_file_free(&file);
    return status == HIDI_OK ? hidi_small_extractor(&m->extractor, net, m->data) : status;
}

static hidi_status open_all(measuring *m)
{
    hidi_session judge;
    const hidi_settings *s = &m->session.settings;
    HIDI_TRY(hidi_task_settings(&m->session, m->plan, m->task));
    HIDI_TRY(hidi_session_data(&m->session, &m->data));
    judge = m->session;
    judge.settings.run.seed = m->plan->study->all.settings.run.seed;
    HIDI_TRY(hidi_session_data(&judge, &m->judge));
    HIDI_TRY(open_features(m));
    HIDI_TRY(hidi_settings_measuring(s, &m->extractor, &m->how));
    m->how.choice.on[HIDI_METRIC_CLASSES] = true;
    m->rows.out = open_memstream(&m->text, &m->bytes);
    if (m->rows.out == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for rows");
    return hidi_gather_real(&m->real, &m->how, s, m->judge);
}

static hidi_status write_rows(measuring *m)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    if (fflush(m->rows.out) != 0)
        return hidi_error(HIDI_NO_MEMORY, "no memory for rows");
    HIDI_TRY(hidi_atomic_open(&file, hidi_task_file(path, sizeof path, m->task, ".csv")));
    fwrite(m->text, 1, m->bytes, file.out);
    return hidi_atomic_commit(&file);
}

hidi_status hidi_task_measure(const hidi_plan *plan, const hidi_study_task *task)
{
    measuring m = {.plan = plan, .task = task};
    hidi_status status = open_all(&m);
    if (status == HIDI_OK) {
        write_header(&m);
        status = task->variant->net == HIDI_NET_REAL      ? measure_real(&m)
                 : task->variant->net == HIDI_NET_TEACHER ? measure_teacher(&m)
                                                          : measure_students(&m);
        if (status == HIDI_OK)
            status = write_rows(&m);
    }
    if (m.rows.out != NULL)
        fclose(m.rows.out);
    free(m.text);
    hidi_image_set_free(&m.real);
    hidi_extractor_close(&m.extractor);
    hidi_dataset_close(m.data);
    hidi_dataset_close(m.judge);
    return status;
}
