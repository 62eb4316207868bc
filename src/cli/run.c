/* run.c - hidi run: the whole of hierarchical distillation from one preset. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#include "lab/evaluate.h"
#include "lab/pipeline.h"
#include "lab/pictures.h"
#include "lab/report.h"
#include "io/atomic_file.h"
#include "io/safetensors.h"

/* Everything of a run. */
typedef struct pipeline {
    hidi_cli cli;
    char dir[HIDI_PATH];
    hidi_dataset *data;
    hidi_feature_net *features;
    hidi_dit *teacher, *stage1, *stage2;
    hidi_extractor extractor;
    hidi_image_set real;
    hidi_measurement measured[HIDI_REPORT_ROWS];
    size_t n_measured;
} pipeline;

static hidi_status make_parts(pipeline *p)
{
    HIDI_TRY(hidi_make_features(&p->cli.session, p->data, p->dir, &p->features));
    HIDI_TRY(hidi_make_teacher(&p->cli.session, p->data, p->dir, &p->teacher));
    HIDI_TRY(hidi_make_stage1(&p->cli.session, p->data, p->dir, p->teacher, &p->stage1));
    return hidi_make_stage2(&p->cli.session, p->data, p->dir, p->teacher, p->stage1, &p->stage2);
}

/* --- measuring -------------------------------------------------------------------------------- */

static hidi_status measure_real(pipeline *p)
{
    hidi_image_set train;
    const size_t n = (size_t)p->cli.session.settings.eval.images;
    hidi_measurement *m = &p->measured[p->n_measured++];
    char name[64];
    hidi_feature_net *net = p->features;
    p->features = NULL; /* the extractor takes it over */
    HIDI_TRY(hidi_feature_net_extractor(&p->extractor, net,
                                        hidi_extractor_name(name, sizeof name, p->data)));
    HIDI_TRY(hidi_image_set_real(&p->real, &p->extractor, p->data,
                                 hidi_settings_split(&p->cli.session.settings), n));
    *m = (hidi_measurement){.label = "real (training split)", .seconds = NAN};
    hidi_status status = hidi_image_set_real(&train, &p->extractor, p->data, HIDI_TRAIN, n);
    if (status == HIDI_OK)
        status = hidi_measure(m, &train, &p->real, (size_t)p->cli.session.settings.eval.neighbours);
    hidi_image_set_free(&train);
    return status;
}

static hidi_status measure(pipeline *p, const char *name, const hidi_dit *net,
                           const hidi_sampler *sampler)
{
    hidi_measurement *m = &p->measured[p->n_measured++];
    memset(m, 0, sizeof *m);
    snprintf(m->label, sizeof m->label, "%s, %ld step%s", name, sampler->steps,
             sampler->steps == 1 ? "" : "s");
    return hidi_measure_net(m, &p->cli.session, net, sampler, &p->extractor, &p->real);
}

static hidi_status measure_all(pipeline *p)
{
    const hidi_sampler teacher = hidi_settings_sampler(&p->cli.session.settings, false);
    hidi_sampler one = teacher, student = hidi_settings_sampler(&p->cli.session.settings, true);
    char path[HIDI_PATH];
    one.solver = HIDI_EULER;
    one.steps = 1;
    HIDI_TRY(measure_real(p));
    HIDI_TRY(measure(p, "teacher", p->teacher, &teacher));
    HIDI_TRY(measure(p, "teacher (Euler)", p->teacher, &one));
    HIDI_TRY(measure(p, "stage 1", p->stage1, &student));
    student.steps = 4;
    HIDI_TRY(measure(p, "stage 1", p->stage1, &student));
    student.steps = p->cli.session.settings.sample.student_steps;
    HIDI_TRY(measure(p, "stage 2", p->stage2, &student));
    return hidi_write_measurements(hidi_path(path, sizeof path, p->dir, HIDI_RESULTS_FILE),
                                   p->measured, p->n_measured);
}

/* --- pictures --------------------------------------------------------------------------------- */

/* n real images of the split that is measured against, with the classes that the samples have; white where a class has none. */
static hidi_status real_samples(const pipeline *p, size_t n, hidi_real **x)
{
    enum { MOST_TRIES = 100000 }; /* of an unlimited data set; others: each image once */
    const hidi_dataset *data = p->data;
    const size_t pixels = data->channels * data->height * data->width;
    const hidi_split split = hidi_settings_split(&p->cli.session.settings);
    const uint64_t count = data->count[split], tries = count ? count : MOST_TRIES;
    uint64_t index = 0;
    *x = malloc(n * pixels * sizeof **x);
    if (*x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu images", n);
    for (size_t i = 0; i < n; i++) {
        hidi_real *image = *x + i * pixels;
        int32_t label = -1;
        for (uint64_t k = 0; k < tries && (size_t)label != i % data->n_classes; k++) {
            data->get(data, split, index, image, &label);
            index = count ? (index + 1) % count : index + 1;
        }
        for (size_t k = 0; (size_t)label != i % data->n_classes && k < pixels; k++)
            image[k] = 1;
    }
    return HIDI_OK;
}

static hidi_status picture(const pipeline *p, const char *file, const hidi_real *x, size_t n,
                           size_t columns)
{
    char path[HIDI_PATH];
    return hidi_write_grid(hidi_path(path, sizeof path, p->dir, file), x, n,
                           &p->teacher->config, columns, (size_t)p->cli.session.settings.eval.zoom);
}

/* One row of the comparison per source, the first `columns` samples of each. */
static hidi_status write_comparison(const pipeline *p, hidi_real *const *x, size_t sources,
                                    size_t columns)
{
    const hidi_dit_config *c = &p->teacher->config;
    const size_t row = columns * c->channels * c->image_size * c->image_size;
    hidi_real *all = malloc(sources * row * sizeof *all);
    if (all == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a picture");
    for (size_t i = 0; i < sources; i++)
        memcpy(all + i * row, x[i], row * sizeof *all);
    hidi_status status = picture(p, "compare.png", all, sources * columns, columns);
    free(all);
    return status;
}

/* The token weights of stage 2's discriminator over real images and stage 2's samples. */
static hidi_status write_heat_maps(const pipeline *p, const hidi_real *real, const hidi_real *fake,
                                   size_t n, size_t columns)
{
    char path[HIDI_PATH];
    hidi_tensor_file file;
    hidi_heads *heads = NULL;
    hidi_dit *backbone = NULL;
    const hidi_settings *s = &p->cli.session.settings;
    if (!hidi_head_of((hidi_head_kind)s->dm.head)->has_weights || s->dm.adversary_weight <= 0)
        return HIDI_OK;
    const double t = (s->dm.adversary_time.least + s->dm.adversary_time.most) / 2;
    int32_t *y = malloc(n * sizeof *y);
    if (y == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a picture");
    for (size_t i = 0; i < n; i++)
        y[i] = (int32_t)(i % p->data->n_classes);
    const char *name = s->dm.backbone == HIDI_BACKBONE_TEACHER ? HIDI_TEACHER_FILE : HIDI_FAKE_FILE;
    hidi_tensor_file_init(&file);
    hidi_status status =
        hidi_safetensors_read(&file, hidi_path(path, sizeof path, p->dir, HIDI_HEADS_FILE));
    if (status == HIDI_OK)
        status = hidi_heads_from_file(&heads, p->cli.session.backend, &file);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK)
        status = hidi_dit_load(&backbone, p->cli.session.backend,
                               hidi_path(path, sizeof path, p->dir, name));
    if (status == HIDI_OK)
        status = hidi_write_heat(hidi_path(path, sizeof path, p->dir, "heat-real.png"), heads,
                                 backbone, real, y, n, t, 1, columns, (size_t)s->eval.zoom);
    if (status == HIDI_OK)
        status = hidi_write_heat(hidi_path(path, sizeof path, p->dir, "heat-stage2.png"), heads,
                                 backbone, fake, y, n, t, 1, columns, (size_t)s->eval.zoom);
    hidi_heads_destroy(heads);
    hidi_dit_destroy(backbone);
    free(y);
    return status;
}

static hidi_status write_pictures(const pipeline *p)
{
    enum { REAL, TEACHER, EULER, STAGE1, STAGE2, SOURCES };
    static const char *const files[SOURCES] = {"real.png", "teacher.png", "teacher-1-step.png",
                                               "stage1.png", "stage2.png"};
    const size_t columns = p->data->n_classes < 20 ? p->data->n_classes : 10;
    const size_t n = columns * (size_t)p->cli.session.settings.eval.grid_rows;
    const hidi_sampler teacher = hidi_settings_sampler(&p->cli.session.settings, false);
    const hidi_sampler student = hidi_settings_sampler(&p->cli.session.settings, true);
    hidi_sampler euler = teacher;
    hidi_real *x[SOURCES] = {NULL};
    double seconds;
    euler.solver = HIDI_EULER;
    euler.steps = 1;
    hidi_session quiet = p->cli.session;
    quiet.progress = NULL;
    hidi_status status = real_samples(p, n, &x[REAL]);
    if (status == HIDI_OK)
        status = hidi_draw_samples(&quiet, p->teacher, &teacher, n, "", &x[TEACHER], &seconds);
    if (status == HIDI_OK)
        status = hidi_draw_samples(&quiet, p->teacher, &euler, n, "", &x[EULER], &seconds);
    if (status == HIDI_OK)
        status = hidi_draw_samples(&quiet, p->stage1, &student, n, "", &x[STAGE1], &seconds);
    if (status == HIDI_OK)
        status = hidi_draw_samples(&quiet, p->stage2, &student, n, "", &x[STAGE2], &seconds);
    for (int i = 0; i < SOURCES && status == HIDI_OK; i++)
        status = picture(p, files[i], x[i], n, columns);
    if (status == HIDI_OK)
        status = write_comparison(p, x, SOURCES, columns);
    if (status == HIDI_OK)
        status = write_heat_maps(p, x[REAL], x[STAGE2], n < 2 * columns ? n : 2 * columns, columns);
    for (int i = 0; i < SOURCES; i++)
        free(x[i]);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

/* The settings as they were used: a preset file of its own. */
static hidi_status write_settings(const pipeline *p)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    HIDI_TRY(hidi_make_folder(p->dir));
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, p->dir, "settings.ini")));
    hidi_config_print(hidi_settings_table, &p->cli.session.settings, file.out);
    return hidi_atomic_commit(&file);
}

/* What the results depend on, and whether those in the folder are of just that. */
static hidi_status results_are_there(const pipeline *p, char **settings, bool *there)
{
    char path[HIDI_PATH];
    unsigned char *old;
    *there = false;
    *settings = hidi_settings_text(&p->cli.session.settings, p->cli.command->sections);
    if (*settings == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    if (access(hidi_path(path, sizeof path, p->dir, HIDI_REPORT_FILE), F_OK) != 0 ||
        access(hidi_path(path, sizeof path, p->dir, "results.settings"), F_OK) != 0)
        return HIDI_OK;
    HIDI_TRY(hidi_read_file(path, &old, NULL));
    *there = strcmp((const char *)old, *settings) == 0;
    free(old);
    return HIDI_OK;
}

static hidi_status write_results(pipeline *p, const char *settings)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    HIDI_TRY(measure_all(p));
    HIDI_TRY(write_pictures(p));
    const hidi_report report = {.dir = p->dir,
                                .preset = p->cli.session.preset,
                                .session = &p->cli.session,
                                .data = p->data,
                                .teacher = p->teacher,
                                .student = p->stage2,
                                .extractor = p->extractor.name,
                                .measured = p->measured,
                                .n_measured = p->n_measured};
    HIDI_TRY(hidi_write_report(&report));
    HIDI_TRY(hidi_atomic_open(&file, hidi_path(path, sizeof path, p->dir, "results.settings")));
    fputs(settings, file.out);
    return hidi_atomic_commit(&file);
}

static hidi_status run_pipeline(pipeline *p)
{
    char *settings;
    bool there;
    HIDI_TRY(hidi_session_backend(&p->cli.session));
    HIDI_TRY(hidi_session_data(&p->cli.session, &p->data));
    HIDI_TRY(make_parts(p));
    HIDI_TRY(write_settings(p));
    hidi_status status = results_are_there(p, &settings, &there);
    if (status == HIDI_OK && there)
        printf("everything is done; see %s/%s\n", p->dir, HIDI_REPORT_FILE);
    else if (status == HIDI_OK)
        status = write_results(p, settings);
    free(settings);
    if (status != HIDI_OK || there)
        return status;
    hidi_print_measurements(stdout, p->measured, p->n_measured, p->extractor.name);
    printf("pictures, logs and the report: %s/%s\n", p->dir, HIDI_REPORT_FILE);
    return HIDI_OK;
}

static void close_pipeline(pipeline *p)
{
    hidi_image_set_free(&p->real);
    hidi_extractor_close(&p->extractor);
    hidi_feature_net_destroy(p->features);
    hidi_dit_destroy(p->teacher);
    hidi_dit_destroy(p->stage1);
    hidi_dit_destroy(p->stage2);
    hidi_dataset_close(p->data);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    pipeline p = {.n_measured = 0};
    int first, code, train_teacher = 0;
    const hidi_flag flags[] = {
        {"train-teacher", NULL, NULL, &train_teacher, "train the teacher even if one is shipped"},
        {0}};
    if (!hidi_cli_begin(&p.cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&p.cli, "unexpected argument %s", argv[first]);
    if (p.cli.session.preset == NULL)
        return hidi_cli_usage(&p.cli, "--preset NAME is missing (shapes, fashion, ...)");
    if (train_teacher)
        p.cli.session.settings.teacher.file[0] = '\0';
    const char *base = strrchr(p.cli.session.preset, '/');
    if (p.cli.session.out != NULL)
        snprintf(p.dir, sizeof p.dir, "%s", p.cli.session.out);
    else
        snprintf(p.dir, sizeof p.dir, "run-%s", base ? base + 1 : p.cli.session.preset);
    hidi_status status = run_pipeline(&p);
    close_pipeline(&p);
    return hidi_cli_end(&p.cli, status);
}

const hidi_command hidi_command_run = {
    "run", "", "the whole of hierarchical distillation, from one preset, with a report",
    "Makes, in the folder given by --out (run-PRESET), whatever is not there yet: feature net,\n"
    "teacher (shipped with some presets; --train-teacher starts from nothing), stage 1's and\n"
    "stage 2's students; then measures them, draws them and writes report.html.  Interrupted,\n"
    "the same command goes on where it stopped.\n",
    "run data model features teacher student td dm sample eval", run};
