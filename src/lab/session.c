/* session.c - opening what a command works with, its paths, and the signals that end it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/session.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/stop.h"
#include "io/atomic_file.h"

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

hidi_status hidi_session_data(const hidi_session *session, hidi_dataset **data)
{
    const hidi_settings *s = &session->settings;
    HIDI_TRY(hidi_dataset_open(data, s->data.name, s->data.path[0] ? s->data.path : NULL,
                               (size_t)s->data.size, (uint64_t)s->run.seed));
    hidi_status status = HIDI_OK;
    if ((*data)->height != (*data)->width)
        status = hidi_error(HIDI_UNSUPPORTED, "%s: images of %zux%zu; only square ones are "
                                              "supported",
                            s->data.path, (*data)->height, (*data)->width);
    if (status == HIDI_OK)
        status = hidi_error_prefix(hidi_dataset_hold_out(*data, (uint64_t)s->data.validation),
                                   "data.validation");
    if (status == HIDI_OK)
        return HIDI_OK;
    hidi_dataset_close(*data);
    *data = NULL;
    return status;
}

hidi_status hidi_read_preset(const char *preset, hidi_settings *settings)
{
    char path[HIDI_PATH], name[HIDI_PATH];
    if (strchr(preset, '/') != NULL || strstr(preset, ".ini") != NULL) {
        HIDI_TRY(hidi_protect_input(preset));
        return hidi_config_read(hidi_settings_table, settings, preset);
    }
    snprintf(name, sizeof name, "presets/%s.ini", preset);
    HIDI_TRY(hidi_find_data_file(path, sizeof path, name));
    return hidi_config_read(hidi_settings_table, settings, path);
}

hidi_status hidi_find_data_file(char *path, size_t size, const char *name)
{
    const char *folders[] = {getenv("HIDI_DATA"),
#ifdef HIDI_SOURCE_DATADIR
                             HIDI_SOURCE_DATADIR,
#endif
                             HIDI_DATADIR};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (folders[i] == NULL || folders[i][0] == '\0')
            continue;
        hidi_path(path, size, folders[i], name);
        if (access(path, R_OK) == 0)
            return hidi_protect_input(path);
    }
    return hidi_error(HIDI_BAD_FILE, "%s is not in %s%s%s", name, folders[0] ? folders[0] : "",
                      folders[0] ? " nor in " : "", HIDI_DATADIR);
}

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
