/* Features, teacher, stage 1, stage 2: each depends on its own settings and on the weights before
 * it.  Its file carries all of these as text, so that the next run knows whether it may be used. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/processes.h"
#include "core/hash.h"
#include "io/atomic_file.h"
#include "io/differences.h"
#include "io/number.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/classes.h"
#include "lab/growth.h"
#include "lab/log_plot.h"
#include "lab/measure_table.h"
#include "lab/lock.h"

/* --- a stage's file --------------------------------------------------------------------------- */

/* A stage in the making: where its files go and what it depends on. */
typedef struct run_stage {
    const hidi_session *session;
    const hidi_dataset *data;
    const char *dir;
    const char *name;  /* "stage1": stage1.safetensors, stage1.csv, stage1.checkpoint.safetensors */
    char *settings;
    char file[HIDI_PATH], log[HIDI_PATH], checkpoint[HIDI_PATH];
} run_stage;

/* The stages, and the sections of the settings that each depends on. */
enum { FEATURES, TEACHER, STAGE1, STAGE2, STAGES };
static const struct {
    const char *name, *sections;
} stages[STAGES] = {[FEATURES] = {"features", "run data features"},
                    [TEACHER] = {"teacher", "run data model teacher"},
                    [STAGE1] = {"stage1", "run data student td"},
                    [STAGE2] = {"stage2", "run data td dm"}};

static hidi_status stage_begin(run_stage *stage, const hidi_session *session,
                               const hidi_dataset *data, const char *dir, int number)
{
    const char *name = stages[number].name, *sections = stages[number].sections;
    char file[64];
    if (number == TEACHER && session->settings.teacher.file[0] != '\0')
        sections = "run data teacher"; /* a ready-made one has a model of its own */
    *stage = (run_stage){.session = session, .data = data, .dir = dir, .name = name};
    snprintf(file, sizeof file, "%s.safetensors", name);
    hidi_path(stage->file, sizeof stage->file, dir, file);
    snprintf(file, sizeof file, "%s.csv", name);
    hidi_path(stage->log, sizeof stage->log, dir, file);
    snprintf(file, sizeof file, "%s.checkpoint.safetensors", name);
    hidi_path(stage->checkpoint, sizeof stage->checkpoint, dir, file);
    hidi_stop_flag();
    HIDI_TRY(hidi_lock_folder(dir, 0, false));
    hidi_atomic_tidy(stage->file); /* what a run that was killed has left */
    hidi_atomic_tidy(stage->checkpoint);
    hidi_atomic_tidy(stage->log);
    stage->settings = hidi_settings_text(&session->settings, sections);
    return stage->settings ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory");
}

/* Adds "name.KEY = VALUE" for each line "KEY = VALUE" of text to what the stage depends on. */
static hidi_status stage_notes(run_stage *stage, const char *name, const char *text)
{
    for (size_t line; *text != '\0'; text += line + (text[line] == '\n')) {
        const size_t end = strlen(stage->settings);
        line = strcspn(text, "\n");
        const size_t length = end + strlen(name) + line + 3;
        char *settings = realloc(stage->settings, length);
        if (settings == NULL)
            return hidi_error(HIDI_NO_MEMORY, "out of memory");
        stage->settings = settings;
        snprintf(settings + end, length - end, "%s.%.*s\n", name, (int)line, text);
    }
    return HIDI_OK;
}

/* Adds what these weights are taken for, where it may be something else. */
static hidi_status stage_adds(run_stage *stage, const char *name, const hidi_dit_config *c)
{
    const hidi_dit_given as = {.heads = c->heads,
                               .time_scale = c->time_scale,
                               .prediction = 1 + c->prediction,
                               .code = 1 + c->code};
    char text[256];
    hidi_given_text(&as, text, sizeof text);
    return stage_notes(stage, name, text);
}

/* Adds the weights of another network to what the stage depends on, by their hash. */
static hidi_status stage_depends(run_stage *stage, const char *name, const hidi_dit *net)
{
    const size_t bytes = net->params.count * sizeof(hidi_real);
    const size_t length = strlen(stage->settings) + 64;
    unsigned char *host = malloc(bytes);
    char *settings = realloc(stage->settings, length);
    if (settings != NULL)
        stage->settings = settings;
    if (host == NULL || settings == NULL) {
        free(host);
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    }
    net->params.backend->download(host, net->params.value, bytes);
    const hidi_status status = net->params.backend->check();
    const uint64_t hash = hidi_hash(host, bytes);
    free(host);
    HIDI_TRY(status);
    const size_t end = strlen(settings);
    snprintf(settings + end, length - end, "%s.weights = %016llx\n", name, (unsigned long long)hash);
    return net->config.prediction == HIDI_VELOCITY ? HIDI_OK : stage_adds(stage, name, &net->config);
}

/* The file of a stage was made with settings that are not `now`. */
static hidi_status refuse_settings(const run_stage *stage, const char *settings, const char *now)
{
    char differences[512] = "it does not say with which";
    if (settings != NULL)
        hidi_text_differences(differences, sizeof differences, settings, now);
    return hidi_error(HIDI_BAD_ARGUMENT, "%s was made with other settings or weights (%s): remove it, "
                                         "or use another --out",
                      stage->file, differences);
}

/* Reads a finished stage if it is there: *found.  One made with other settings is an
 * error. */
static hidi_status stage_read(const run_stage *stage, hidi_tensor_file *file, bool *found)
{
    *found = false;
    if (access(stage->file, F_OK) != 0)
        return HIDI_OK;
    HIDI_TRY(hidi_safetensors_read(file, stage->file));
    const char *settings = hidi_tensor_file_meta(file, "hidi.settings");
    *found = settings != NULL && strcmp(settings, stage->settings) == 0;
    if (*found)
        return HIDI_OK;
    const hidi_status status = refuse_settings(stage, settings, stage->settings);
    hidi_tensor_file_free(file);
    return status;
}

static hidi_status write_net(const run_stage *stage, const hidi_dit *net, const char *path,
                             double seconds);

/* The settings of a stage that is there, without the weights it was made from, which are not known
 * before those are made. */
static hidi_status check_stage(const run_stage *stage)
{
    hidi_tensor_file file;
    if (access(stage->file, F_OK) != 0)
        return HIDI_OK;
    HIDI_TRY(hidi_safetensors_read(&file, stage->file));
    const char *settings = hidi_tensor_file_meta(&file, "hidi.settings");
    const size_t length = strlen(stage->settings);
    hidi_status status = HIDI_OK;
    if (settings == NULL) {
        status = refuse_settings(stage, NULL, NULL);
    } else if (strncmp(settings, stage->settings, length) != 0) {
        const char *weights = strstr(settings, "\nteacher.weights = ");
        char *now = malloc(length + strlen(settings) + 1);
        if (now == NULL)
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
        if (status == HIDI_OK) {
            sprintf(now, "%s%s", stage->settings, weights != NULL ? weights + 1 : "");
            status = refuse_settings(stage, settings, now);
        }
        free(now);
    }
    hidi_tensor_file_free(&file);
    return status;
}

hidi_status hidi_check_stages(const hidi_session *session, const hidi_dataset *data,
                              const char *dir)
{
    hidi_status status = HIDI_OK;
    for (int i = 0; i < STAGES && status == HIDI_OK; i++) {
        run_stage stage;
        HIDI_TRY(stage_begin(&stage, session, data, dir, i));
        status = check_stage(&stage);
        free(stage.settings);
    }
    return status;
}

char *hidi_snapshot_path(char *path, size_t size, const char *dir, int number, long step)
{
    static const char *const names[] = {"teacher", "stage1", "stage2"};
    snprintf(path, size, "%s/%s-%06ld.safetensors", dir, names[number], step);
    return path;
}

/* A training that is looked at while it runs. */
typedef struct looks {
    const run_stage *stage;
    const hidi_dit *net;  /* the result so far; NULL: the feature net's, which nobody looks at */
    long every;           /* steps between files of it; 0: none                                */
    long log_every;       /* steps between rows of the log                                     */
    double next_plot;     /* hidi_seconds() from which on the log is plotted again             */
    hidi_growth growth;   /* number 0: the report shows how the students grow, and no other    */
} looks;

/* Seconds between plots of the log: as many as nobody waits for, and nothing beside the time that
 * plotting takes. */
static double time_of_next_plot(double started)
{
    const double now = hidi_seconds();
    return now + fmax(10, 100 * (now - started));
}

/* The log's plot, beside the log, once it has two rows.  One that cannot be drawn is no reason to
 * end a training: the report draws it again. */
static void plot_log(looks *l, long step)
{
    const double started = hidi_seconds();
    if (step <= l->log_every || (step - 1) % l->log_every != 0 || started < l->next_plot)
        return;
    (void)hidi_plot_log(l->stage->dir, l->stage->name);
    l->next_plot = time_of_next_plot(started);
}

static hidi_status look_at_samples(looks *l, long step)
{
    return l->growth.number > 0 ? hidi_growth_look(&l->growth, l->net, step) : HIDI_OK;
}

static hidi_status look(void *context, long step)
{
    looks *l = context;
    char path[HIDI_PATH];
    plot_log(l, step);
    HIDI_TRY(look_at_samples(l, step));
    if (l->every == 0 || step % l->every != 0)
        return HIDI_OK;
    return write_net(l->stage, l->net,
                     hidi_snapshot_path(path, sizeof path, l->stage->dir, l->growth.number, step),
                     NAN);
}

/* Trains with the loop's files in their places.  net: the result so far (NULL: of the feature net),
 * of which there is a file after every `every` steps; number: 0, or the stage's. */
static hidi_status stage_train(const run_stage *stage, const hidi_task *task,
                               const hidi_training_settings *train, const hidi_dit *net, int number,
                               long every, double *seconds)
{
    looks l = {.stage = stage,
               .net = net,
               .every = every,
               .log_every = train->log_every,
               .growth = {.session = stage->session, .data = stage->data, .dir = stage->dir,
                          .number = number, .steps = train->steps}};
    const hidi_training training = {.steps = train->steps,
                                    .save_every = train->save_every,
                                    .log_every = train->log_every,
                                    .checkpoint = stage->checkpoint,
                                    .log = stage->log,
                                    .progress = stage->session->progress,
                                    .notes = stderr,
                                    .snapshot_every = 1,
                                    .snapshot = look,
                                    .context = &l,
                                    .seconds = seconds};
    hidi_status status = HIDI_OK;
    if (access(stage->checkpoint, F_OK) != 0)
        status = look_at_samples(&l, 0);
    if (status == HIDI_OK)
        status = hidi_train(task, &training);
    if (status == HIDI_OK)
        status = look_at_samples(&l, train->steps);
    if (status == HIDI_OK)
        (void)hidi_plot_log(stage->dir, stage->name);
    hidi_growth_free(&l.growth);
    return status;
}

/* Writes the result, with what made it and how long it took; then the checkpoint may go. */
static hidi_status stage_write(const run_stage *stage, hidi_tensor_file *file, const char *path,
                              double seconds)
{
    char text[HIDI_NUMBER_TEXT];
    hidi_status status = hidi_tensor_file_add_meta(file, "hidi.settings", stage->settings);
    if (status == HIDI_OK && isfinite(seconds))
        status = hidi_tensor_file_add_meta(file, "hidi.seconds", hidi_format_double(text, seconds));
    if (status == HIDI_OK)
        status = hidi_safetensors_write(file, path);
    hidi_tensor_file_free(file);
    return status;
}

static hidi_status write_net(const run_stage *stage, const hidi_dit *net, const char *path,
                             double seconds)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_dit_to_file(net, "", &file);
    if (status == HIDI_OK)
        status = hidi_classes_to_file(stage->data, &file);
    if (status != HIDI_OK) {
        hidi_tensor_file_free(&file);
        return status;
    }
    return stage_write(stage, &file, path, seconds);
}

static void stage_end(run_stage *stage, hidi_status status)
{
    if (status == HIDI_OK && hidi_process_is_first())
        unlink(stage->checkpoint);
    free(stage->settings);
}

double hidi_pipeline_seconds(const char *dir, const char *name)
{
    char path[HIDI_PATH];
    hidi_tensor_file file;
    if (hidi_safetensors_read(&file, hidi_path(path, sizeof path, dir, name)) != HIDI_OK)
        return NAN;
    const char *text = hidi_tensor_file_meta(&file, "hidi.seconds");
    double seconds;
    if (text == NULL || !hidi_parse_double(text, &seconds))
        seconds = NAN;
    hidi_tensor_file_free(&file);
    return seconds;
}

/* --- loading what was made elsewhere ---------------------------------------------------------- */

static hidi_status check_fits(const hidi_dit *net, const hidi_dataset *data, const char *path)
{
    const hidi_dit_config *c = &net->config;
    if (c->image_size == data->height && c->channels == data->channels &&
        c->n_classes == data->n_classes)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is for images %zux%zux%zu of %zu classes; %s has "
                                         "%zux%zux%zu of %zu",
                      path, c->image_size, c->image_size, c->channels, c->n_classes, data->name,
                      data->height, data->width, data->channels, data->n_classes);
}

hidi_status hidi_load_for(const hidi_session *session, const hidi_dataset *data, const char *path,
                          hidi_given_role role, hidi_dit **net)
{
    HIDI_TRY(hidi_session_dit(session, path, role, net));
    hidi_status status = check_fits(*net, data, path);
    if (status != HIDI_OK) {
        hidi_dit_destroy(*net);
        *net = NULL;
    }
    return status;
}

hidi_status hidi_find_ready(const char *name, char *path, size_t size)
{
    if (access(name, R_OK) == 0) {
        snprintf(path, size, "%s", name);
        return HIDI_OK;
    }
    return hidi_find_data_file(path, size, name);
}

/* --- the stages ------------------------------------------------------------------------------- */

static hidi_status train_features(const run_stage *stage, const hidi_dataset *data,
                                  hidi_feature_net **net)
{
    const hidi_settings *s = &stage->session->settings;
    const hidi_classifier_options options = hidi_settings_classifier(s);
    hidi_classifier *training;
    hidi_tensor_file file;
    double seconds = NAN, accuracy = NAN;
    char text[HIDI_NUMBER_TEXT];
    long n = s->features.test_images;
    if (data->count[HIDI_TRAIN] > 0 && data->count[HIDI_TEST] < (uint64_t)n)
        n = (long)data->count[HIDI_TEST]; /* none is counted twice */
    HIDI_TRY(hidi_classifier_create(&training, stage->session->backend, data, &options,
                                    stage->settings));
    const hidi_task *task = hidi_classifier_task(training);
    hidi_status status = stage_train(stage, task, &s->features.train, NULL, 0, 0, &seconds);
    if (status == HIDI_OK)
        status = hidi_classifier_finish(training, (size_t)n, &accuracy);
    if (status == HIDI_OK) {
        printf("features: classifies %.1f %% of %ld test images correctly\n", 100 * accuracy,
               n);
        hidi_tensor_file_init(&file);
        status = hidi_feature_net_to_file(hidi_classifier_result(training), &file);
        if (status == HIDI_OK)
            status = hidi_tensor_file_add_meta(&file, HIDI_ACCURACY_KEY,
                                               hidi_print_double(text, sizeof text, "%.4f", accuracy));
        if (status == HIDI_OK)
            status = stage_write(stage, &file, stage->file, seconds);
    }
    if (status == HIDI_OK)
        *net = hidi_classifier_take_result(training);
    hidi_classifier_destroy(training);
    return status;
}

/* The ready-made net, copied into the run's folder. */
static hidi_status copy_features(const run_stage *stage, const hidi_dataset *data,
                                 hidi_feature_net **net)
{
    char path[HIDI_PATH];
    hidi_tensor_file file;
    HIDI_TRY(hidi_find_ready(stage->session->settings.features.file, path, sizeof path));
    HIDI_TRY(hidi_tensor_file_open(&file, path, NULL));
    char accuracy[HIDI_NUMBER_TEXT] = "";
    const char *known = hidi_tensor_file_meta(&file, HIDI_ACCURACY_KEY);
    if (known != NULL)
        snprintf(accuracy, sizeof accuracy, "%s", known);
    hidi_status status = hidi_feature_net_from_file(net, stage->session->backend, &file);
    hidi_tensor_file_free(&file);
    if (status != HIDI_OK)
        return status;
    if ((*net)->image_size != data->height || (*net)->channels != data->channels)
        status = hidi_error(HIDI_BAD_ARGUMENT, "%s does not fit the images of %s", path, data->name);
    hidi_tensor_file_init(&file);
    if (status == HIDI_OK)
        status = hidi_feature_net_to_file(*net, &file);
    if (status == HIDI_OK && accuracy[0] != '\0')
        status = hidi_tensor_file_add_meta(&file, HIDI_ACCURACY_KEY, accuracy);
    if (status == HIDI_OK)
        return stage_write(stage, &file, stage->file, NAN);
    hidi_tensor_file_free(&file);
    hidi_feature_net_destroy(*net);
    *net = NULL;
    return status;
}

hidi_status hidi_make_features(const hidi_session *session, const hidi_dataset *data, const char *dir,
                               hidi_feature_net **net)
{
    run_stage stage;
    bool found;
    hidi_tensor_file file;
    *net = NULL;
    HIDI_TRY(stage_begin(&stage, session, data, dir, FEATURES));
    hidi_status status = stage_read(&stage, &file, &found);
    if (status == HIDI_OK && found) {
        status = hidi_feature_net_from_file(net, session->backend, &file);
        hidi_tensor_file_free(&file);
    } else if (status == HIDI_OK && session->settings.features.file[0] != '\0') {
        status = copy_features(&stage, data, net);
    } else if (status == HIDI_OK) {
        status = train_features(&stage, data, net);
    }
    stage_end(&stage, status);
    return status;
}

/* A finished stage that is a network. */
static hidi_status read_net(const run_stage *stage, hidi_dit **net, bool *found)
{
    hidi_tensor_file file;
    HIDI_TRY(stage_read(stage, &file, found));
    if (!*found)
        return HIDI_OK;
    hidi_status status = hidi_dit_from_file(net, stage->session->backend, &file, "", 0, 0, 0);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status train_teacher(const run_stage *stage, const hidi_dataset *data,
                                 hidi_dit **teacher)
{
    const hidi_settings *s = &stage->session->settings;
    const hidi_dit_config config = hidi_settings_dit(s, data);
    const hidi_teacher_options options = hidi_settings_teacher(s);
    hidi_teacher *training;
    hidi_dit *net;
    double seconds = NAN;
    HIDI_TRY(hidi_dit_create(&net, stage->session->backend, &config));
    hidi_status status = hidi_dit_initialise(net, (uint64_t)s->run.seed);
    if (status != HIDI_OK) {
        hidi_dit_destroy(net);
        return status;
    }
    HIDI_TRY(hidi_teacher_create(&training, net, data, &options, stage->settings));
    status = stage_train(stage, hidi_teacher_task(training), &s->teacher.train,
                         hidi_teacher_result(training), 0, s->teacher.snapshot_every, &seconds);
    if (status == HIDI_OK)
        status = write_net(stage, hidi_teacher_result(training), stage->file, seconds);
    if (status == HIDI_OK)
        *teacher = hidi_teacher_take_result(training);
    hidi_teacher_destroy(training);
    return status;
}

hidi_status hidi_make_teacher(const hidi_session *session, const hidi_dataset *data, const char *dir,
                              hidi_dit **teacher)
{
    run_stage stage;
    bool found;
    char path[HIDI_PATH];
    const char *ready = session->settings.teacher.file;
    *teacher = NULL;
    HIDI_TRY(stage_begin(&stage, session, data, dir, TEACHER));
    hidi_status status = HIDI_OK;
    if (ready[0] != '\0') { /* what is said of that file */
        const hidi_dit_given given = hidi_session_given(session, HIDI_GIVEN_TEACHER);
        char text[256];
        status = stage_notes(&stage, "teacher", hidi_given_text(&given, text, sizeof text));
    }
    if (status == HIDI_OK)
        status = read_net(&stage, teacher, &found);
    if (status == HIDI_OK && !found && ready[0] != '\0') {
        status = hidi_find_ready(ready, path, sizeof path);
        if (status == HIDI_OK)
            status = hidi_load_for(session, data, path, HIDI_GIVEN_TEACHER, teacher);
        if (status == HIDI_OK)
            status = write_net(&stage, *teacher, stage.file, NAN);
    } else if (status == HIDI_OK && !found) {
        status = train_teacher(&stage, data, teacher);
    }
    stage_end(&stage, status);
    return status;
}

static hidi_status train_stage1(const run_stage *stage, const hidi_dataset *data,
                                const hidi_dit *teacher, hidi_dit **student)
{
    const hidi_settings *s = &stage->session->settings;
    const hidi_stage1_options options = hidi_settings_stage1(s);
    hidi_stage1 *training;
    double seconds = NAN;
    HIDI_TRY(hidi_stage1_create(&training, teacher, data, &options, stage->settings));
    const hidi_task *task = hidi_stage1_task(training);
    hidi_status status =
        stage_train(stage, task, &s->td.train, hidi_stage1_result(training), 1,
                    s->td.snapshot_every, &seconds);
    if (status == HIDI_OK)
        status = write_net(stage, hidi_stage1_result(training), stage->file, seconds);
    if (status == HIDI_OK)
        *student = hidi_stage1_take_result(training);
    hidi_stage1_destroy(training);
    return status;
}

hidi_status hidi_make_stage1(const hidi_session *session, const hidi_dataset *data, const char *dir,
                             const hidi_dit *teacher, hidi_dit **student)
{
    run_stage stage;
    bool found;
    *student = NULL;
    HIDI_TRY(stage_begin(&stage, session, data, dir, STAGE1));
    hidi_status status = stage_depends(&stage, "teacher", teacher);
    if (status == HIDI_OK)
        status = read_net(&stage, student, &found);
    if (status == HIDI_OK && !found)
        status = train_stage1(&stage, data, teacher, student);
    stage_end(&stage, status);
    return status;
}

/* What stage 2 leaves besides the student. */
static hidi_status write_opponents(const run_stage *stage, const hidi_stage2 *training)
{
    const hidi_heads *heads = hidi_stage2_heads(training);
    char path[HIDI_PATH];
    hidi_tensor_file file;
    hidi_path(path, sizeof path, stage->dir, HIDI_FAKE_FILE);
    HIDI_TRY(write_net(stage, hidi_stage2_fake(training), path, NAN));
    if (heads == NULL)
        return HIDI_OK;
    hidi_tensor_file_init(&file);
    hidi_path(path, sizeof path, stage->dir, HIDI_HEADS_FILE);
    hidi_status status = hidi_heads_to_file(heads, "", &file);
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, path);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status train_stage2(const run_stage *stage, const hidi_dataset *data,
                                const hidi_dit *teacher, const hidi_dit *stage1, hidi_dit **student)
{
    const hidi_settings *s = &stage->session->settings;
    hidi_stage2_options options;
    hidi_stage2 *training;
    double seconds = NAN;
    HIDI_TRY(hidi_settings_stage2(s, &options));
    HIDI_TRY(hidi_stage2_create(&training, stage1, teacher, data, &options, stage->settings));
    const hidi_task *task = hidi_stage2_task(training);
    hidi_status status =
        stage_train(stage, task, &s->dm.train, hidi_stage2_result(training), 2,
                    s->dm.snapshot_every, &seconds);
    if (status == HIDI_OK)
        status = write_opponents(stage, training);
    if (status == HIDI_OK)
        status = write_net(stage, hidi_stage2_result(training), stage->file, seconds);
    if (status == HIDI_OK)
        *student = hidi_stage2_take_result(training);
    hidi_stage2_destroy(training);
    return status;
}

hidi_status hidi_make_stage2(const hidi_session *session, const hidi_dataset *data, const char *dir,
                             const hidi_dit *teacher, const hidi_dit *stage1, hidi_dit **student)
{
    run_stage stage;
    bool found;
    *student = NULL;
    HIDI_TRY(stage_begin(&stage, session, data, dir, STAGE2));
    hidi_status status = stage_depends(&stage, "teacher", teacher);
    if (status == HIDI_OK)
        status = stage_depends(&stage, "student", stage1);
    if (status == HIDI_OK)
        status = read_net(&stage, student, &found);
    if (status == HIDI_OK && !found)
        status = train_stage2(&stage, data, teacher, stage1, student);
    stage_end(&stage, status);
    return status;
}
