/* rehearsal.c - the trainings are created on the dry backend, by the same calls as later. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/rehearsal.h"

#include <unistd.h>

#include "backend/tables.h"
#include "eval/precision_recall.h"
#include "io/atomic_file.h"
#include "lab/measuring.h"
#include "lab/pipeline.h"
#include "lab/report.h"
#include "lab/step.h"
#include "train/autoencoder_training.h"

/* What a run writes.  Its settings are not among them: they may be the very ones that it was called
 * with, which it leaves as they are. */
static const char *const parts[] = {HIDI_FEATURES_FILE, HIDI_TEACHER_FILE, HIDI_STAGE1_FILE,
                                    HIDI_STAGE2_FILE,   HIDI_FAKE_FILE,    HIDI_HEADS_FILE,
                                    HIDI_AUTOENCODER_FILE, HIDI_LATENTS_FILE};
static const char *const results[] = {
    "features.csv", "teacher.csv", "stage1.csv",  "stage2.csv",      "spectrum.csv",
    "real.png",     "teacher.png", "stage1.png",  "stage2.png",      "compare.png",
    "path.png",     "stage1.svg",  "stage2.svg",  "teacher-1-step.png", "results.settings",
    HIDI_RESULTS_FILE, HIDI_REPORT_FILE};

static hidi_status check_outputs(const char *dir)
{
    char path[HIDI_PATH];
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (access(hidi_path(path, sizeof path, dir, parts[i]), F_OK) != 0) /* else it is read */
            HIDI_TRY(hidi_atomic_check(path));
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        HIDI_TRY(hidi_atomic_check(hidi_path(path, sizeof path, dir, results[i])));
    return hidi_make_folder(hidi_path(path, sizeof path, dir, "growth"));
}

/* There are no latents yet: zeros. */
static void no_image(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                     int32_t *label)
{
    (void)split;
    for (size_t i = 0; i < data->channels * data->height * data->width; i++)
        image[i] = 0;
    *label = (int32_t)(index % data->n_classes);
}

/* The network in a file, or that of teacher.start (path NULL), without its weights. */
static hidi_status read_config(const hidi_session *session, const hidi_dataset *data,
                               const char *path, hidi_dit_config *config)
{
    hidi_session dry = *session;
    hidi_dit *net;
    dry.backend = hidi_dry_backend(session->backend);
    HIDI_TRY(path != NULL ? hidi_load_for(&dry, data, path, HIDI_GIVEN_TEACHER, &net)
                          : hidi_load_start(&dry, data, &net));
    *config = net->config;
    hidi_dit_destroy(net);
    return HIDI_OK;
}

/* Creates the autoencoder's training, and no more. */
static hidi_status rehearse_autoencoder(const hidi_session *session, const hidi_dataset *data,
                                        hidi_autoencoder_config *config)
{
    hidi_autoencoder_options options;
    hidi_autoencoder_training *training;
    hidi_session dry = *session;
    hidi_dit *critic;
    dry.backend = hidi_dry_backend(session->backend);
    HIDI_TRY(hidi_settings_autoencoder(&session->settings, &options));
    HIDI_TRY(hidi_load_critic(&dry, data, &critic));
    const hidi_status status = hidi_autoencoder_training_create(&training, dry.backend, data,
                                                                &options, critic, "");
    if (status == HIDI_OK)
        *config = hidi_autoencoder_training_result(training)->config;
    hidi_autoencoder_training_destroy(training);
    hidi_dit_destroy(critic);
    return status;
}

/* The autoencoder that these settings lead to. */
static hidi_status find_autoencoder(const hidi_session *session, const hidi_dataset *data,
                                    const char *dir, hidi_autoencoder_config *config)
{
    char path[HIDI_PATH];
    hidi_autoencoder *net;
    const char *ready = session->settings.vae.file;
    if (dir != NULL && access(hidi_path(path, sizeof path, dir, HIDI_AUTOENCODER_FILE), F_OK) == 0)
        ready = path;
    if (ready[0] == '\0')
        return rehearse_autoencoder(session, data, config);
    if (ready != path)
        HIDI_TRY(hidi_find_ready(ready, path, sizeof path));
    HIDI_TRY(hidi_autoencoder_load(&net, hidi_dry_backend(session->backend), path,
                                   HIDI_ENCODER_AND_DECODER));
    *config = net->config;
    hidi_autoencoder_destroy(net);
    const size_t factor = hidi_autoencoder_factor(config);
    if (config->image_channels == data->channels && data->height % factor == 0)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s does not fit the images of %s: it takes %zu channels, "
                                         "and a side that is a multiple of %zu",
                      path, data->name, config->image_channels, factor);
}

hidi_status hidi_rehearse_latents(const hidi_session *session, const hidi_dataset *data,
                                  const char *dir, hidi_dataset *latents)
{
    hidi_autoencoder_config config;
    *latents = *data;
    if (session->settings.data.space == HIDI_SPACE_PIXELS)
        return HIDI_OK;
    HIDI_TRY(find_autoencoder(session, data, dir, &config));
    snprintf(latents->name, sizeof latents->name, "latents");
    latents->channels = config.latent_channels;
    latents->height = latents->width = data->height / hidi_autoencoder_factor(&config);
    latents->get = no_image;
    latents->draw = NULL;
    return HIDI_OK;
}

/* Creates the training, and no more. */
static hidi_status rehearse(hidi_step_kind kind, const hidi_session *session,
                            const hidi_dit_config *teacher, const hidi_dataset *data)
{
    hidi_step step;
    const hidi_status status =
        hidi_step_begin(&step, kind, &session->settings, teacher, data,
                        hidi_dry_backend(session->backend), false);
    hidi_step_end(&step);
    return status;
}

hidi_status hidi_rehearse_teacher(const hidi_session *session, const hidi_dataset *data,
                                  const char *dir, hidi_dit_config *teacher)
{
    char path[HIDI_PATH];
    const char *ready = session->settings.teacher.file;
    if (dir != NULL && access(hidi_path(path, sizeof path, dir, HIDI_TEACHER_FILE), F_OK) == 0)
        return read_config(session, data, path, teacher);
    if (session->settings.teacher.start[0] != '\0') {
        HIDI_TRY(read_config(session, data, NULL, teacher));
    } else if (ready[0] != '\0') {
        HIDI_TRY(hidi_find_ready(ready, path, sizeof path));
        return read_config(session, data, path, teacher);
    } else {
        *teacher = hidi_settings_dit(&session->settings, data);
    }
    return rehearse(HIDI_STEP_TEACHER, session, teacher, data);
}

hidi_status hidi_rehearse_stage(int number, const hidi_session *session, const hidi_dataset *data,
                                const hidi_dit_config *teacher)
{
    return rehearse(number == 1 ? HIDI_STEP_STAGE1 : HIDI_STEP_STAGE2, session, teacher, data);
}

hidi_status hidi_rehearse_measurement(const hidi_session *session, const hidi_dataset *data)
{
    const hidi_settings *s = &session->settings;
    const size_t n = (size_t)s->eval.images;
    HIDI_TRY(hidi_check_measurable(s, data));
    return hidi_error_prefix(hidi_neighbours_check((size_t)s->eval.neighbours, n, n),
                             "eval.neighbours, eval.images");
}

hidi_status hidi_rehearse_run(const hidi_session *session, const hidi_dataset *data,
                              const char *dir)
{
    hidi_dit_config teacher;
    hidi_dataset latents;
    HIDI_TRY(hidi_rehearse_measurement(session, data));
    HIDI_TRY(check_outputs(dir));
    HIDI_TRY(hidi_check_stages(session, data, dir));
    HIDI_TRY(hidi_rehearse_latents(session, data, dir, &latents));
    HIDI_TRY(hidi_rehearse_teacher(session, &latents, dir, &teacher));
    HIDI_TRY(hidi_rehearse_stage(1, session, &latents, &teacher));
    return hidi_rehearse_stage(2, session, &latents, &teacher);
}
