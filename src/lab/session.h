/* session.h - what a command works with: settings, backend, where progress goes. */
#ifndef HIDI_LAB_SESSION_H
#define HIDI_LAB_SESSION_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/progress.h"
#include "lab/given.h"
#include "lab/settings.h"

/* Exit codes of the command, and of the processes of a study. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

enum { HIDI_MAX_SETS = 256 }; /* as many --set as a command line may have */
enum { HIDI_PATH = 1024 };    /* bytes of a path, with its 0                */

typedef struct hidi_session {
    hidi_settings settings;
    const hidi_backend *backend;
    const char *preset; /* NULL: none given          */
    const char *out;    /* --out; NULL: not given    */
    FILE *progress;     /* stderr, or NULL: --quiet  */
    const char *key;    /* --key: the part of a network's file; NULL: not given */
    hidi_given given;   /* what --set says of networks in files */
    /* Of a run on latents, once there are any: what makes images of them, and the images that they
     * are measured against; NULL: networks work on pixels. */
    const hidi_autoencoder *coder;
    const hidi_dataset *pixels;
    const char *set[HIDI_MAX_SETS]; /* every --set, in order: already in settings, if it has any */
    int n_sets;
} hidi_session;

/* Opens the backend of the settings and sets its threads. */
hidi_status hidi_session_backend(hidi_session *session);

/* Opens the settings' data set; only square images pass. */
hidi_status hidi_session_data(const hidi_session *session, hidi_dataset **data);

/* An error if the settings ask for latents: hidi run alone makes them. */
hidi_status hidi_refuse_latents(const hidi_session *session);

/* Reads a network's file, with what --set says of it and of session->key the part that is it.  It
 * is held as run.frozen says. */
hidi_status hidi_session_dit(const hidi_session *session, const char *path, hidi_given_role role,
                             hidi_dit **net);

/* The same session for networks that are to be trained: they are held in full (run.frozen). */
hidi_session hidi_session_to_train(const hidi_session *session);

/* What is given of a network in this role, and how it is held. */
hidi_dit_given hidi_session_given(const hidi_session *session, hidi_given_role role);

/* Reads a preset, by its name or its path (with a / or .ini), over the settings. */
hidi_status hidi_read_preset(const char *preset, hidi_settings *settings);

/* The path of a file that comes with hidi ("presets/shapes.ini"), in path[size]: in $HIDI_DATA,
 * else in the source tree if the command is the one in its build folder, else where it was
 * installed. */
hidi_status hidi_find_data_file(char *path, size_t size, const char *name);

/* "fashion mini shapes", the presets that are found, in text[size]; returns text. */
char *hidi_preset_names(char *text, size_t size);

/* "dir/name" in path[size]; returns path. */
char *hidi_path(char *path, size_t size, const char *dir, const char *name);

/* "812 B", "3.4 MiB" into text[size]; returns text. */
char *hidi_bytes_text(char *text, size_t size, double bytes);

/* Installs handlers for SIGINT and SIGTERM, and has the library look at the flag (core/stop.h),
 * which becomes non-zero when one arrives.  A second signal ends the process at once.  A command
 * that does not call it, because its work is short or has nothing to keep, ends at the first
 * one. */
const volatile sig_atomic_t *hidi_stop_flag(void);

#endif
