/* session.c - opening what a command works with, its paths, and the signals that end it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/session.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/stop.h"
#include "io/atomic_file.h"
#include "io/choice.h"
#include "io/image.h"

#ifndef HIDI_DATADIR
#define HIDI_DATADIR "data"
#endif

hidi_status hidi_session_backend(hidi_session *session)
{
    HIDI_TRY(hidi_backend_open(session->settings.run.backend, &session->backend));
    if (session->settings.run.threads > 0)
        session->backend->set_threads((int)session->settings.run.threads);
    return HIDI_OK;
}

/* The data set by its name; a folder with what is to be done with its pictures. */
static hidi_status open_data(const hidi_settings *s, hidi_dataset **data)
{
    hidi_folder_options folder = {.resize = (hidi_resize)s->data.resize};
    HIDI_TRY(hidi_error_prefix(hidi_background_parse(s->data.background, &folder.background),
                               "data.background"));
    if (s->data.embeddings[0] != '\0' && strcmp(s->data.name, "captions") != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "data.embeddings is for data.name=captions, not for %s",
                          s->data.name);
    if (s->data.embeddings[0] != '\0') {
        HIDI_TRY(hidi_protect_input(s->data.embeddings));
        folder.embeddings = s->data.embeddings;
    }
    if (strcmp(s->data.name, "folder") == 0)
        return hidi_dataset_open_folder(data, s->data.path, (size_t)s->data.size, &folder);
    if (strcmp(s->data.name, "captions") == 0 && s->data.path[0] != '\0')
        return hidi_dataset_open_captions(data, s->data.path, (size_t)s->data.size, &folder);
    if (strcmp(s->data.name, "latents") == 0 && s->data.path[0] != '\0')
        return hidi_dataset_open_latents(data, s->data.path, (size_t)s->data.size,
                                         s->data.latents == HIDI_LATENTS_DRAWN,
                                         (uint64_t)s->run.seed);
    if (folder.resize != HIDI_RESIZE_NONE || folder.background != HIDI_NO_BACKGROUND)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s is for data.name=folder or captions, not for %s",
                          folder.resize != HIDI_RESIZE_NONE ? "data.resize" : "data.background",
                          s->data.name);
    return hidi_dataset_open(data, s->data.name, s->data.path[0] ? s->data.path : NULL,
                             (size_t)s->data.size, (uint64_t)s->run.seed);
}

/* Data sets that Debian has, by where its packages put them. */
static const char *package_of(const char *path)
{
    static const char *const packages[][2] = {
        {"/usr/share/datasets/fashion-mnist", "dataset-fashion-mnist"}};
    struct stat about;
    for (size_t i = 0; i < sizeof packages / sizeof packages[0]; i++)
        if (strncmp(path, packages[i][0], strlen(packages[i][0])) == 0 && stat(path, &about) != 0)
            return packages[i][1];
    return NULL;
}

hidi_status hidi_session_data(const hidi_session *session, hidi_dataset **data)
{
    const hidi_settings *s = &session->settings;
    const char *package = package_of(s->data.path);
    if (package != NULL)
        return hidi_error(HIDI_BAD_FILE, "%s is not there: it comes with the Debian package %s "
                                         "(apt-get update && apt-get install %s); data.path names "
                                         "another folder with the same files",
                          s->data.path, package, package);
    HIDI_TRY(open_data(s, data));
    hidi_status status = HIDI_OK;
    if ((*data)->height != (*data)->width)
        status = hidi_error(HIDI_UNSUPPORTED, "%s: images of %zux%zu; only square ones are "
                                              "supported%s",
                            s->data.path, (*data)->height, (*data)->width,
                            strcmp(s->data.name, "folder") == 0
                                ? ": data.resize=crop or pad makes them so" : "");
    if (status == HIDI_OK)
        status = hidi_error_prefix(hidi_dataset_hold_out(*data, (uint64_t)s->data.validation),
                                   "data.validation");
    if (status == HIDI_OK && s->data.mirror)
        status = hidi_error_prefix(hidi_dataset_mirror(*data), "data.mirror");
    if (status == HIDI_OK && (*data)->note[0] != '\0' && session->progress != NULL)
        fprintf(session->progress, "%s: %s\n", s->data.path, (*data)->note);
    if (status == HIDI_OK)
        return HIDI_OK;
    hidi_dataset_close(*data);
    *data = NULL;
    return status;
}

hidi_status hidi_refuse_latents(const hidi_session *session)
{
    if (session->settings.data.space == HIDI_SPACE_PIXELS)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "data.space=latents: only hidi run makes latents; they are then in its "
                      "folder, for --set data.space=pixels --set data.name=latents --set "
                      "data.size=0 --set data.path=FOLDER/latents.safetensors");
}

/* --- networks --------------------------------------------------------------------------------- */

hidi_dit_given hidi_session_given(const hidi_session *session, hidi_given_role role)
{
    hidi_dit_given given =
        hidi_given_for(&session->given, role, session->settings.model.prediction);
    given.bf16 = session->settings.run.frozen == HIDI_FROZEN_BF16;
    return given;
}

hidi_session hidi_session_to_train(const hidi_session *session)
{
    hidi_session in_full = *session;
    in_full.settings.run.frozen = HIDI_FROZEN_F32;
    return in_full;
}

hidi_status hidi_session_dit(const hidi_session *session, const char *path, hidi_given_role role,
                             hidi_dit **net)
{
    const hidi_dit_given given = hidi_session_given(session, role);
    hidi_tensor_file file;
    *net = NULL;
    HIDI_TRY(hidi_dit_open(&file, path, session->key));
    const hidi_status status = hidi_dit_read(net, session->backend, &file, "", &given);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK)
        (*net)->config.recompute = session->settings.run.recompute != 0;
    return status;
}

/* --- files that come with hidi ---------------------------------------------------------------- */

#ifdef HIDI_BUILD_DIR
/* Does this program lie in the folder that it was built in?  An installed one does not, and has data
 * of its own.  Where the system does not say, it is taken to be one that was just built. */
static bool is_just_built(void)
{
    char program[HIDI_PATH], *folder = realpath(HIDI_BUILD_DIR, NULL);
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    const size_t length = folder != NULL ? strlen(folder) : 0;
    const bool inside = n < 0 || (folder != NULL && (size_t)n > length && program[length] == '/' &&
                                  memcmp(program, folder, length) == 0);
    free(folder);
    return inside;
}
#endif

/* Where they are looked for, in order; NULL or "": nowhere. */
enum { FOLDERS = 3 };
static void list_folders(const char *folder[FOLDERS])
{
    folder[0] = getenv("HIDI_DATA");
    folder[1] = NULL;
#ifdef HIDI_BUILD_DIR
    if (is_just_built())
        folder[1] = HIDI_SOURCE_DATADIR;
#endif
    folder[2] = HIDI_DATADIR;
}

hidi_status hidi_find_data_file(char *path, size_t size, const char *name)
{
    const char *folder[FOLDERS];
    char looked[2 * HIDI_PATH] = "";
    list_folders(folder);
    for (size_t i = 0; i < FOLDERS; i++) {
        const size_t used = strlen(looked);
        if (folder[i] == NULL || folder[i][0] == '\0')
            continue;
        hidi_path(path, size, folder[i], name);
        if (access(path, R_OK) == 0)
            return hidi_protect_input(path);
        snprintf(looked + used, sizeof looked - used, "%s%s", used ? " nor in " : "", folder[i]);
    }
    return hidi_error(HIDI_BAD_FILE, "%s is not in %s", name, looked);
}

static int is_preset(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending != NULL && ending != entry->d_name && strcmp(ending, ".ini") == 0;
}

char *hidi_preset_names(char *text, size_t size)
{
    char path[HIDI_PATH];
    struct dirent **presets;
    text[0] = '\0';
    if (hidi_find_data_file(path, sizeof path, "presets") != HIDI_OK)
        return text;
    const int n = scandir(path, &presets, is_preset, alphasort);
    for (int i = 0; i < n; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%.*s", used ? " " : "",
                 (int)(strlen(presets[i]->d_name) - strlen(".ini")), presets[i]->d_name);
        free(presets[i]);
    }
    if (n > 0)
        free(presets);
    return text;
}

/* There is no preset of this name: where it was looked for, what there is, which may be meant. */
static hidi_status refuse_preset(const char *preset)
{
    char reason[2 * HIDI_PATH], names[HIDI_PATH], word[64], guess[96] = "";
    snprintf(reason, sizeof reason, "%s", hidi_error_message());
    hidi_preset_names(names, sizeof names);
    for (int i = 0; hidi_choice_name(names, i, word, sizeof word)[0] != '\0'; i++)
        if (hidi_is_misspelt(preset, word))
            snprintf(guess, sizeof guess, "; did you mean \"%s\"?", word);
    return hidi_error(HIDI_BAD_FILE, "%s%s%s%s", reason, names[0] ? "; presets: " : "", names,
                      guess);
}

hidi_status hidi_read_preset(const char *preset, hidi_settings *settings)
{
    char path[HIDI_PATH], name[HIDI_PATH];
    if (strchr(preset, '/') != NULL || strstr(preset, ".ini") != NULL) {
        HIDI_TRY(hidi_protect_input(preset));
        return hidi_config_read(hidi_settings_table, settings, preset);
    }
    snprintf(name, sizeof name, "presets/%s.ini", preset);
    if (hidi_find_data_file(path, sizeof path, name) != HIDI_OK)
        return refuse_preset(preset);
    return hidi_config_read(hidi_settings_table, settings, path);
}

/* --- paths and sizes -------------------------------------------------------------------------- */

char *hidi_path(char *path, size_t size, const char *dir, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

char *hidi_bytes_text(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    for (; bytes >= 1023.5 && i + 1 < sizeof units / sizeof units[0]; i++)
        bytes /= 1024;
    snprintf(text, size, i == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
    return text;
}

static volatile sig_atomic_t stop_flag;

static void handle_signal(int number)
{
    stop_flag = 1;
    signal(number, SIG_DFL); /* a second one ends the process */
}

const volatile sig_atomic_t *hidi_stop_flag(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    hidi_stop_on(&stop_flag);
    return &stop_flag;
}
