/* Features, teacher, stage 1, stage 2: each depends on its own settings and on the weights before
 * it (run_stage.c). */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/number.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/classes.h"
#include "lab/measure_table.h"
#include "lab/run_stage.h"
#include "model/caption.h"

/* --- loading what was made elsewhere ---------------------------------------------------------- */

static hidi_status check_fits(const hidi_dit *net, const hidi_dataset *data, const char *path)
{
    const hidi_dit_config *c = &net->config;
    if (c->caption_length > 0 && data->captions != NULL)
        HIDI_TRY(hidi_error_prefix(
            hidi_caption_check(c, &(hidi_condition){.captions = data->captions}, 0), "%s", path));
    if (c->image_size == data->height && c->channels == data->channels &&
        (data->captions != NULL ? c->caption_length >= data->captions->most
                                : c->n_classes == data->n_classes))
        return HIDI_OK;
    if ((c->caption_length > 0) != (data->captions != NULL))
        return hidi_error(HIDI_BAD_ARGUMENT, "%s takes %s; %s has %s", path,
                          c->caption_length > 0 ? "captions" : "classes", data->name,
                          data->captions != NULL ? "captions" : "classes");
    if (data->captions != NULL && c->image_size == data->height && c->channels == data->channels)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s takes captions of %zu tokens; those of %s have room "
                                             "for %zu",
                          path, c->caption_length, data->name, data->captions->most);
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is for images %zux%zux%zu of %zu classes; %s has "
                                         "%zux%zux%zu of %zu",
                      path, c->image_size, c->image_size, c->channels, c->n_classes, data->name,
                      data->height, data->width, data->channels, data->n_classes);
}

/* The null caption of the data's captions, for a network that has none. */
static hidi_status give_null(hidi_dit **net, const hidi_dataset *data, const char *path)
{
    if (!(*net)->config.no_null)
        return HIDI_OK;
    if (data->captions->null == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "%s has no null caption, which guidance leads away from: "
                          "data.embeddings needs `null`, the empty caption",
                          path);
    return hidi_error_prefix(hidi_dit_give_null(net, data->captions), "%s", path);
}

hidi_status hidi_load_for(const hidi_session *session, const hidi_dataset *data, const char *path,
                          hidi_given_role role, hidi_dit **net)
{
    HIDI_TRY(hidi_session_dit(session, path, role, net));
    hidi_status status = check_fits(*net, data, path);
    if (status == HIDI_OK)
        status = give_null(net, data, path);
    if (status != HIDI_OK) {
        hidi_dit_destroy(*net);
        *net = NULL;
    }
    return status;
}

/* The teacher that a setting names. */
static hidi_status load_teacher(const hidi_session *session, const hidi_dataset *data,
                                const char *setting, const char *file, hidi_dit **net)
{
    char path[HIDI_PATH];
    HIDI_TRY(hidi_error_prefix(hidi_find_ready(file, path, sizeof path), "%s", setting));
    HIDI_TRY(hidi_load_for(session, data, path, HIDI_GIVEN_TEACHER, net));
    if (!(*net)->config.has_interval)
        return HIDI_OK;
    hidi_dit_destroy(*net);
    *net = NULL;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s: %s is a student; take a teacher", setting, path);
}

hidi_status hidi_load_start(const hidi_session *session, const hidi_dataset *data, hidi_dit **net)
{
    *net = NULL;
    if (session->settings.teacher.file[0] != '\0')
        return hidi_error(HIDI_BAD_ARGUMENT, "teacher.file is a teacher that is ready, teacher.start "
                                             "one that is to be trained: leave one of them empty");
    const hidi_session in_full = hidi_session_to_train(session);
    return load_teacher(&in_full, data, "teacher.start", session->settings.teacher.start, net);
}

hidi_status hidi_load_critic(const hidi_session *session, const hidi_dataset *data, hidi_dit **net)
{
    const char *file = session->settings.vae.backbone;
    *net = NULL;
    if (session->settings.vae.adversary.weight == 0)
        return HIDI_OK;
    if (file[0] == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT, "vae.adversary_weight: an adversary needs "
                                             "vae.adversary_backbone, a teacher of such images");
    return load_teacher(session, data, "vae.adversary_backbone", file, net);
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

static hidi_status train_features(const hidi_run_stage *stage, const hidi_dataset *data,
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
    hidi_status status = hidi_stage_train(stage, task, &s->features.train, NULL, 0, 0, &seconds);
    if (status == HIDI_OK)
        status = hidi_classifier_finish(training, (size_t)n, &accuracy);
    if (status == HIDI_OK) {
        printf("features: classifies %.1f %% of %ld test images correctly\n", 100 * accuracy,
               n);
        hidi_tensor_file_init(&file);
        status = hidi_feature_net_to_file(hidi_classifier_result(training), &file);
        if (status == HIDI_OK)
            status = hidi_tensor_file_add_meta(&file, HIDI_ACCURACY_KEY,
                                               hidi_print_double(text, sizeof text, "%.4f",
                                                                 accuracy));
        if (status == HIDI_OK)
            status = hidi_stage_write(stage, &file, stage->file, seconds);
    }
    if (status == HIDI_OK)
        *net = hidi_classifier_take_result(training);
    hidi_classifier_destroy(training);
    return status;
}

/* The ready-made net, copied into the run's folder. */
static hidi_status copy_features(const hidi_run_stage *stage, const hidi_dataset *data,
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
        status = hidi_error(HIDI_BAD_ARGUMENT, "%s does not fit the images of %s", path,
                            data->name);
    hidi_tensor_file_init(&file);
    if (status == HIDI_OK)
        status = hidi_feature_net_to_file(*net, &file);
    if (status == HIDI_OK && accuracy[0] != '\0')
        status = hidi_tensor_file_add_meta(&file, HIDI_ACCURACY_KEY, accuracy);
    if (status == HIDI_OK)
        return hidi_stage_write(stage, &file, stage->file, NAN);
    hidi_tensor_file_free(&file);
    hidi_feature_net_destroy(*net);
    *net = NULL;
    return status;
}

hidi_status hidi_make_features(const hidi_session *session, const hidi_dataset *data,
                               const char *dir, hidi_feature_net **net)
{
    hidi_run_stage stage;
    bool found;
    hidi_tensor_file file;
    *net = NULL;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_FEATURES));
    hidi_status status = hidi_stage_read(&stage, &file, &found);
    if (status == HIDI_OK && found) {
        status = hidi_feature_net_from_file(net, session->backend, &file);
        hidi_tensor_file_free(&file);
    } else if (status == HIDI_OK && session->settings.features.file[0] != '\0') {
        status = copy_features(&stage, data, net);
    } else if (status == HIDI_OK) {
        status = train_features(&stage, data, net);
    }
    hidi_stage_end(&stage, status);
    return status;
}

/* Writes it, with what made it. */
static hidi_status write_autoencoder(const hidi_run_stage *stage, const hidi_autoencoder *net,
                                     double seconds)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    const hidi_status status = hidi_autoencoder_to_file(net, &file);
    if (status == HIDI_OK)
        return hidi_stage_write(stage, &file, stage->file, seconds);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status finish_autoencoder(const hidi_run_stage *stage, const hidi_dataset *data,
                                      hidi_autoencoder_training *training)
{
    hidi_reconstruction r;
    size_t n = (size_t)stage->session->settings.vae.test_images;
    if (data->count[HIDI_TRAIN] > 0 && data->count[HIDI_TEST] < n)
        n = (size_t)data->count[HIDI_TEST]; /* none is counted twice */
    HIDI_TRY(hidi_autoencoder_training_finish(training, n, &r));
    printf("autoencoder: %zu test images come back with an error of %.4f (values from -1 to 1), "
           "%.1f dB; scale of the latents %.4g\n",
           r.images, r.error, 10 * log10(4 / r.squared),
           hidi_autoencoder_training_result(training)->config.scale);
    return HIDI_OK;
}

/* critic: what the adversary reads; NULL: there is none */
static hidi_status train_against(const hidi_run_stage *stage, const hidi_dataset *data,
                                 const hidi_dit *critic, hidi_autoencoder **net)
{
    const hidi_settings *s = &stage->session->settings;
    hidi_autoencoder_options options;
    hidi_autoencoder_training *training;
    double seconds = NAN;
    HIDI_TRY(hidi_settings_autoencoder(s, &options));
    HIDI_TRY(hidi_autoencoder_training_create(&training, stage->session->backend, data, &options,
                                              critic, stage->settings));
    hidi_status status = hidi_stage_train(stage, hidi_autoencoder_training_task(training),
                                          &s->vae.train, NULL, 0, 0, &seconds);
    if (status == HIDI_OK)
        status = finish_autoencoder(stage, data, training);
    if (status == HIDI_OK)
        status = write_autoencoder(stage, hidi_autoencoder_training_result(training), seconds);
    if (status == HIDI_OK)
        *net = hidi_autoencoder_training_take_result(training);
    hidi_autoencoder_training_destroy(training);
    return status;
}

static hidi_status train_autoencoder(const hidi_run_stage *stage, const hidi_dataset *data,
                                     hidi_autoencoder **net)
{
    hidi_dit *critic;
    HIDI_TRY(hidi_load_critic(stage->session, data, &critic));
    const hidi_status status = train_against(stage, data, critic, net);
    hidi_dit_destroy(critic);
    return status;
}

/* The ready-made one, copied into the run's folder. */
static hidi_status copy_autoencoder(const hidi_run_stage *stage, const hidi_dataset *data,
                                    hidi_autoencoder **net)
{
    char path[HIDI_PATH];
    HIDI_TRY(hidi_find_ready(stage->session->settings.vae.file, path, sizeof path));
    HIDI_TRY(hidi_autoencoder_load(net, stage->session->backend, path, HIDI_ENCODER_AND_DECODER));
    const hidi_autoencoder_config *c = &(*net)->config;
    hidi_status status = HIDI_OK;
    if (c->image_channels != data->channels || data->height % hidi_autoencoder_factor(c) != 0)
        status = hidi_error(HIDI_BAD_ARGUMENT, "%s does not fit the images of %s: it takes %zu "
                                               "channels, and a side that is a multiple of %zu",
                            path, data->name, c->image_channels, hidi_autoencoder_factor(c));
    if (status == HIDI_OK)
        status = write_autoencoder(stage, *net, NAN);
    if (status != HIDI_OK) {
        hidi_autoencoder_destroy(*net);
        *net = NULL;
    }
    return status;
}

hidi_status hidi_make_autoencoder(const hidi_session *session, const hidi_dataset *data,
                                  const char *dir, hidi_autoencoder **autoencoder)
{
    hidi_run_stage stage;
    bool found;
    hidi_tensor_file file;
    *autoencoder = NULL;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_AUTOENCODER));
    hidi_status status = hidi_stage_read(&stage, &file, &found);
    if (status == HIDI_OK && found) {
        status = hidi_autoencoder_from_file(autoencoder, session->backend, &file,
                                            HIDI_ENCODER_AND_DECODER);
        hidi_tensor_file_free(&file);
    } else if (status == HIDI_OK && session->settings.vae.file[0] != '\0') {
        status = copy_autoencoder(&stage, data, autoencoder);
    } else if (status == HIDI_OK) {
        status = train_autoencoder(&stage, data, autoencoder);
    }
    hidi_stage_end(&stage, status);
    return status;
}

/* A finished stage that is a network. */
static hidi_status read_net(const hidi_run_stage *stage, hidi_dit **net, bool *found)
{
    hidi_tensor_file file;
    HIDI_TRY(hidi_stage_read(stage, &file, found));
    if (!*found)
        return HIDI_OK;
    hidi_status status = hidi_dit_from_file(net, stage->session->backend, &file, "", 0, 0, 0);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK)
        (*net)->config.recompute = stage->session->settings.run.recompute != 0;
    return status;
}

/* What the training starts from. */
static hidi_status create_teacher(const hidi_session *session, const hidi_dataset *data,
                                  hidi_dit **net)
{
    const hidi_settings *s = &session->settings;
    const hidi_dit_config config = hidi_settings_dit(s, data);
    if (s->teacher.start[0] != '\0')
        return hidi_load_start(session, data, net);
    HIDI_TRY(hidi_dit_create(net, session->backend, &config));
    hidi_status status = hidi_dit_initialise(*net, (uint64_t)s->run.seed);
    if (status == HIDI_OK && data->captions != NULL)
        status = hidi_dit_set_null(*net, data->captions);
    if (status != HIDI_OK)
        hidi_dit_destroy(*net);
    return status;
}

static hidi_status train_teacher(const hidi_run_stage *stage, const hidi_dataset *data,
                                 hidi_dit **teacher)
{
    const hidi_settings *s = &stage->session->settings;
    const hidi_teacher_options options = hidi_settings_teacher(s);
    hidi_teacher *training;
    hidi_dit *net;
    double seconds = NAN;
    HIDI_TRY(create_teacher(stage->session, data, &net));
    HIDI_TRY(hidi_teacher_create(&training, net, data, &options, stage->settings));
    hidi_status status = hidi_stage_train(stage, hidi_teacher_task(training), &s->teacher.train,
                                          hidi_teacher_result(training), 0,
                                          s->teacher.snapshot_every, &seconds);
    if (status == HIDI_OK)
        status = hidi_stage_write_net(stage, hidi_teacher_result(training), stage->file, seconds);
    if (status == HIDI_OK)
        *teacher = hidi_teacher_take_result(training);
    hidi_teacher_destroy(training);
    return status;
}

hidi_status hidi_make_teacher(const hidi_session *session, const hidi_dataset *data,
                              const char *dir, hidi_dit **teacher)
{
    hidi_run_stage stage;
    bool found;
    char path[HIDI_PATH];
    const char *ready = session->settings.teacher.file;
    *teacher = NULL;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_TEACHER));
    hidi_status status = HIDI_OK;
    if (hidi_settings_teacher_file(&session->settings)[0] != '\0') { /* what is said of it */
        const hidi_dit_given given = hidi_session_given(session, HIDI_GIVEN_TEACHER);
        char text[256];
        status = hidi_stage_notes(&stage, "teacher", hidi_given_text(&given, text, sizeof text));
    }
    if (status == HIDI_OK)
        status = read_net(&stage, teacher, &found);
    if (status == HIDI_OK && !found && ready[0] != '\0') {
        status = hidi_find_ready(ready, path, sizeof path);
        const hidi_session in_full = hidi_session_to_train(session); /* as it is written */
        if (status == HIDI_OK)
            status = hidi_load_for(&in_full, data, path, HIDI_GIVEN_TEACHER, teacher);
        if (status == HIDI_OK)
            status = hidi_stage_write_net(&stage, *teacher, stage.file, NAN);
    } else if (status == HIDI_OK && !found) {
        status = train_teacher(&stage, data, teacher);
    }
    if (status == HIDI_OK && session->settings.run.frozen == HIDI_FROZEN_BF16)
        status = hidi_dit_hold_bf16(teacher); /* from here on it is not trained */
    hidi_stage_end(&stage, status);
    return status;
}

static hidi_status train_stage1(const hidi_run_stage *stage, const hidi_dataset *data,
                                const hidi_dit *teacher, hidi_dit **student)
{
    const hidi_settings *s = &stage->session->settings;
    const hidi_stage1_options options = hidi_settings_stage1(s);
    hidi_stage1 *training;
    double seconds = NAN;
    HIDI_TRY(hidi_stage1_create(&training, teacher, data, &options, stage->settings));
    const hidi_task *task = hidi_stage1_task(training);
    hidi_status status =
        hidi_stage_train(stage, task, &s->td.train, hidi_stage1_result(training), 1,
                         s->td.snapshot_every, &seconds);
    if (status == HIDI_OK)
        status = hidi_stage_write_net(stage, hidi_stage1_result(training), stage->file, seconds);
    if (status == HIDI_OK)
        *student = hidi_stage1_take_result(training);
    hidi_stage1_destroy(training);
    return status;
}

hidi_status hidi_make_stage1(const hidi_session *session, const hidi_dataset *data, const char *dir,
                             const hidi_dit *teacher, hidi_dit **student)
{
    hidi_run_stage stage;
    bool found;
    *student = NULL;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_STAGE1));
    hidi_status status = hidi_stage_depends(&stage, "teacher", teacher);
    if (status == HIDI_OK)
        status = read_net(&stage, student, &found);
    if (status == HIDI_OK && !found)
        status = train_stage1(&stage, data, teacher, student);
    hidi_stage_end(&stage, status);
    return status;
}

/* What stage 2 leaves besides the student. */
static hidi_status write_opponents(const hidi_run_stage *stage, const hidi_stage2 *training)
{
    const hidi_heads *heads = hidi_stage2_heads(training);
    char path[HIDI_PATH];
    hidi_tensor_file file;
    hidi_path(path, sizeof path, stage->dir, HIDI_FAKE_FILE);
    HIDI_TRY(hidi_stage_write_net(stage, hidi_stage2_fake(training), path, NAN));
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

static hidi_status train_stage2(const hidi_run_stage *stage, const hidi_dataset *data,
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
        hidi_stage_train(stage, task, &s->dm.train, hidi_stage2_result(training), 2,
                         s->dm.snapshot_every, &seconds);
    if (status == HIDI_OK)
        status = write_opponents(stage, training);
    if (status == HIDI_OK)
        status = hidi_stage_write_net(stage, hidi_stage2_result(training), stage->file, seconds);
    if (status == HIDI_OK)
        *student = hidi_stage2_take_result(training);
    hidi_stage2_destroy(training);
    return status;
}

hidi_status hidi_make_stage2(const hidi_session *session, const hidi_dataset *data, const char *dir,
                             const hidi_dit *teacher, const hidi_dit *stage1, hidi_dit **student)
{
    hidi_run_stage stage;
    bool found;
    *student = NULL;
    HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, HIDI_RUN_STAGE2));
    hidi_status status = hidi_stage_depends(&stage, "teacher", teacher);
    if (status == HIDI_OK)
        status = hidi_stage_depends(&stage, "student", stage1);
    if (status == HIDI_OK)
        status = read_net(&stage, student, &found);
    if (status == HIDI_OK && !found)
        status = train_stage2(&stage, data, teacher, stage1, student);
    hidi_stage_end(&stage, status);
    return status;
}

hidi_status hidi_check_stages(const hidi_session *session, const hidi_dataset *data,
                              const char *dir)
{
    hidi_status status = HIDI_OK;
    for (int i = 0; i < HIDI_RUN_STAGES && status == HIDI_OK; i++) {
        hidi_run_stage stage;
        HIDI_TRY(hidi_stage_begin(&stage, session, data, dir, i));
        status = hidi_stage_check(&stage);
        free(stage.settings);
    }
    return status;
}
