/* run_stage.c - a stage's file carries all that it depends on as text, its settings and the weights
 * before it, so that the next run knows whether it may be used. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/run_stage.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"
#include "core/processes.h"
#include "io/atomic_file.h"
#include "io/differences.h"
#include "io/number.h"
#include "io/safetensors.h"
#include "lab/classes.h"
#include "lab/growth.h"
#include "lab/lock.h"
#include "lab/log_plot.h"
#include "lab/pipeline.h"

static const struct {
    const char *name, *sections;
} stages[] = {
    [HIDI_RUN_FEATURES] = {"features", "run data features"},
    [HIDI_RUN_AUTOENCODER] = {"autoencoder", "run data vae"},
    [HIDI_RUN_LATENTS] = {"latents", "run data vae"},
    [HIDI_RUN_TEACHER] = {"teacher", "run data model teacher"},
    [HIDI_RUN_STAGE1] = {"stage1", "run data student td"},
    [HIDI_RUN_STAGE2] = {"stage2", "run data td dm"},
    [HIDI_RUN_DETECT] = {"detect", "run data detect"},
};

hidi_status hidi_stage_begin(hidi_run_stage *stage, const hidi_session *session,
                             const hidi_dataset *data, const char *dir, int number)
{
    const char *name = stages[number].name, *sections = stages[number].sections;
    char file[64];
    if (number == HIDI_RUN_TEACHER && hidi_settings_teacher_file(&session->settings)[0] != '\0')
        sections = "run data teacher"; /* a file has a model of its own */
    *stage = (hidi_run_stage){.session = session, .data = data, .dir = dir, .name = name};
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
    if (stage->settings == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    if (session->coder == NULL || number < HIDI_RUN_TEACHER)
        return HIDI_OK;
    const hidi_status status = hidi_stage_weights(stage, "autoencoder", &session->coder->params);
    if (status != HIDI_OK)
        free(stage->settings);
    return status;
}

hidi_status hidi_stage_notes(hidi_run_stage *stage, const char *name, const char *text)
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
static hidi_status add_config(hidi_run_stage *stage, const char *name, const hidi_dit_config *c)
{
    const hidi_dit_given as = {.heads = c->heads,
                               .time_scale = c->time_scale,
                               .prediction = 1 + c->prediction,
                               .code = 1 + c->code};
    char text[256];
    hidi_given_text(&as, text, sizeof text);
    return hidi_stage_notes(stage, name, text);
}

hidi_status hidi_stage_weights(hidi_run_stage *stage, const char *name, const hidi_params *params)
{
    const size_t values = params->count * sizeof(hidi_real);
    const size_t bytes = values + params->bf16_count * sizeof(hidi_bf16);
    unsigned char *host = malloc(bytes);
    char text[64];
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    params->backend->download(host, params->value, values);
    if (params->bf16 != NULL)
        params->backend->download(host + values, params->bf16, bytes - values);
    const hidi_status status = params->backend->check();
    snprintf(text, sizeof text, "weights = %016llx", (unsigned long long)hidi_hash(host, bytes));
    free(host);
    HIDI_TRY(status);
    return hidi_stage_notes(stage, name, text);
}

hidi_status hidi_stage_depends(hidi_run_stage *stage, const char *name, const hidi_dit *net)
{
    HIDI_TRY(hidi_stage_weights(stage, name, &net->params));
    return net->config.prediction == HIDI_VELOCITY ? HIDI_OK
                                                   : add_config(stage, name, &net->config);
}

/* The file of a stage was made with settings that are not `now`. */
static hidi_status refuse_settings(const hidi_run_stage *stage, const char *settings,
                                   const char *now)
{
    char differences[512] = "it does not say with which";
    if (settings != NULL)
        hidi_text_differences(differences, sizeof differences, settings, now);
    return hidi_error(HIDI_BAD_ARGUMENT, "%s was made with other settings or weights (%s): remove "
                                         "it, or use another --out",
                      stage->file, differences);
}

hidi_status hidi_stage_read(const hidi_run_stage *stage, hidi_tensor_file *file, bool *found)
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

hidi_status hidi_stage_check(const hidi_run_stage *stage)
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

hidi_status hidi_stage_write(const hidi_run_stage *stage, hidi_tensor_file *file, const char *path,
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

hidi_status hidi_stage_write_net(const hidi_run_stage *stage, const hidi_dit *net, const char *path,
                                 double seconds)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    file.borrows = true;
    hidi_status status = hidi_dit_to_file(net, "", &file);
    if (status == HIDI_OK)
        status = hidi_classes_to_file(stage->data, &file);
    if (status != HIDI_OK) {
        hidi_tensor_file_free(&file);
        return status;
    }
    return hidi_stage_write(stage, &file, path, seconds);
}

char *hidi_snapshot_path(char *path, size_t size, const char *dir, int number, long step)
{
    static const char *const names[] = {"teacher", "stage1", "stage2"};
    snprintf(path, size, "%s/%s-%06ld.safetensors", dir, names[number], step);
    return path;
}

/* A training that is looked at while it runs. */
typedef struct looks {
    const hidi_run_stage *stage;
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
    if (!hidi_process_is_first())
        return;
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
    hidi_snapshot_path(path, sizeof path, l->stage->dir, l->growth.number, step);
    return hidi_stage_write_net(l->stage, l->net, path, NAN);
}

hidi_status hidi_stage_train(const hidi_run_stage *stage, const hidi_task *task,
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
    if (status == HIDI_OK && hidi_process_is_first())
        (void)hidi_plot_log(stage->dir, stage->name);
    hidi_growth_free(&l.growth);
    return status;
}

void hidi_stage_end(hidi_run_stage *stage, hidi_status status)
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
