/* The loop's order, which resuming depends on: a step is taken, its row is logged, then, if it is
 * time, the checkpoint is written.  A checkpoint holds the number of complete steps, the seconds
 * they took, and what the task hands over (weights, averages, moments); draws depend on the number
 * of the step alone.  Resuming reads it, cuts the rows of later steps off the log (they are about
 * to be taken again, with the same bits), and continues.  So a training in pieces leaves the
 * weights and the log of one that was not interrupted.  The file appears as a whole
 * (io/atomic_file.c): whatever ends the process, a complete checkpoint is there. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "train/loop.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/processes.h"
#include "core/progress.h"
#include "core/stop.h"
#include "io/csv.h"
#include "io/differences.h"
#include "io/safetensors.h"
#include "train/options.h"
#include "train/workers.h"

/* Where a run stands. */
typedef struct position {
    long done;      /* complete steps                                    */
    double seconds; /* that they took, over all runs                     */
    double started; /* hidi_seconds() minus those of earlier runs        */
} position;

/* What the bits of a step depend on beside the settings: "cpu: OpenBLAS ..., avx2 kernels". */
static const char *machine_text(char *text, size_t size, const hidi_task *task)
{
    const hidi_backend *backend = task->trained[0]->backend;
    snprintf(text, size, "%s: %s", backend->name, backend->describe());
    return text;
}

static hidi_status save(const hidi_task *task, const hidi_training *training, const position *at)
{
    hidi_tensor_file file;
    char machine[256];
    const int64_t done = at->done;
    if (training->checkpoint == NULL || !hidi_process_is_first())
        return HIDI_OK;
    hidi_tensor_file_init(&file);
    file.borrows = true;
    hidi_status status = hidi_tensor_file_add(&file, "step", HIDI_I64, 0, NULL, &done);
    if (status == HIDI_OK)
        status = hidi_tensor_file_add(&file, "seconds", HIDI_F64, 0, NULL, &at->seconds);
    if (status == HIDI_OK)
        status = hidi_tensor_file_add_meta(&file, "format", "hidi-checkpoint");
    if (status == HIDI_OK)
        status = hidi_tensor_file_add_meta(&file, "task", task->label);
    if (status == HIDI_OK)
        status = hidi_tensor_file_add_meta(&file, "settings", task->settings);
    if (status == HIDI_OK)
        status = hidi_tensor_file_add_meta(&file, "machine",
                                           machine_text(machine, sizeof machine, task));
    if (status == HIDI_OK)
        status = task->to_file(task->self, &file);
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, training->checkpoint);
    hidi_tensor_file_free(&file);
    return status;
}

/* Other settings: allowed is another number of steps alone, which are still to come. */
static hidi_status check_settings(const hidi_task *task, const hidi_training *training,
                                  const hidi_tensor_file *file, const char *settings, long done)
{
    char before[64], now[64], decay[64], all[512];
    if (strcmp(settings, task->settings) == 0)
        return HIDI_OK;
    if (!hidi_only_difference(settings, task->settings, ".steps", before, now, sizeof before) ||
        strtol(now, NULL, 10) != training->steps) {
        hidi_text_differences(all, sizeof all, settings, task->settings);
        return hidi_error(HIDI_BAD_ARGUMENT, "%s was written with other settings (%s): use those to "
                                             "go on, or remove it to begin anew",
                          file->path, all);
    }
    if (training->steps <= done)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s has taken %ld steps, %ld were asked for: hidi "
                                             "finish makes a network of it as it is",
                          file->path, done, training->steps);
    hidi_text_value(decay, sizeof decay, task->settings, ".decay");
    if (training->progress != NULL)
        fprintf(training->progress, "%s: %s steps in place of %s%s\n", task->label, now, before,
                strcmp(decay, "none") == 0 || decay[0] == '\0'
                    ? ""
                    : "; from here on the learning rate decays over that many, so the result is "
                      "not that of a training which had them from the start");
    return HIDI_OK;
}

/* Says from where a training goes on, and on what, where that is not what it began on. */
static void tell_resumed(const hidi_task *task, const hidi_training *training,
                         const hidi_tensor_file *file, long done)
{
    char now[256];
    const char *before = hidi_tensor_file_meta(file, "machine");
    if (training->progress == NULL)
        return;
    fprintf(training->progress, "%s: goes on after %ld of %ld steps, from %s\n", task->label, done,
            training->steps, file->path);
    if (before != NULL && strcmp(before, machine_text(now, sizeof now, task)) != 0)
        fprintf(training->progress, "%s: begun on %s; goes on with %s: the last bits may differ from "
                                    "those of a training in one piece\n",
                task->label, before, now);
}

/* True of a checkpoint's metadata: written by the same task with the same settings. */
static hidi_status check_origin(const hidi_task *task, const hidi_training *training,
                                const hidi_tensor_file *file, long done)
{
    const char *label = hidi_tensor_file_meta(file, "task");
    const char *settings = hidi_tensor_file_meta(file, "settings");
    if (label == NULL || settings == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: not a checkpoint of a training run", file->path);
    if (strcmp(label, task->label) != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: a checkpoint of \"%s\", not of \"%s\"", file->path,
                          label, task->label);
    return check_settings(task, training, file, settings, done);
}

/* A tensor of one element. */
static hidi_status need_number(const hidi_tensor_file *file, const char *name,
                               const hidi_file_tensor **tensor)
{
    HIDI_TRY(hidi_tensor_file_need(file, name, tensor));
    if ((*tensor)->count != 1)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s is not a single number", file->path, name);
    return HIDI_OK;
}

static hidi_status read_state(const hidi_task *task, const hidi_training *training,
                              const hidi_tensor_file *file, position *at)
{
    const hidi_file_tensor *step, *seconds;
    int32_t done;
    if (hidi_tensor_file_find(file, "step") == NULL) /* then it says what the file is */
        HIDI_TRY(check_origin(task, training, file, 0));
    HIDI_TRY(need_number(file, "step", &step));
    HIDI_TRY(need_number(file, "seconds", &seconds));
    HIDI_TRY(hidi_file_tensor_int(step, &done));
    if (done < 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: step is %ld", file->path, (long)done);
    HIDI_TRY(check_origin(task, training, file, done));
    at->done = done;
    hidi_file_tensor_double(seconds, &at->seconds);
    HIDI_TRY(task->from_file(task->self, file));
    tell_resumed(task, training, file, done);
    return HIDI_OK;
}

static hidi_status resume(const hidi_task *task, const hidi_training *training, position *at)
{
    hidi_tensor_file file;
    *at = (position){0, 0, 0};
    if (training->checkpoint == NULL || access(training->checkpoint, F_OK) != 0)
        return HIDI_OK;
    HIDI_TRY(hidi_safetensors_map(&file, training->checkpoint));
    hidi_status status = read_state(task, training, &file, at);
    hidi_tensor_file_free(&file);
    return status;
}

/* Moves a log that cannot be continued, for the reason in the latest message, out of the way. */
static hidi_status set_aside(const hidi_task *task, const hidi_training *training)
{
    char name[4096];
    int n = snprintf(name, sizeof name, "%s.damaged", training->log);
    for (int i = 2; n > 0 && (size_t)n < sizeof name && access(name, F_OK) == 0; i++)
        n = snprintf(name, sizeof name, "%s.damaged-%d", training->log, i);
    if (n < 0 || (size_t)n >= sizeof name)
        return hidi_error(HIDI_BAD_FILE, "%s: its name is too long", training->log);
    if (training->notes != NULL)
        fprintf(training->notes, "%s: %s; it is now called %s, and a new log is begun\n",
                task->label, hidi_error_message(), name);
    if (rename(training->log, name) != 0)
        return hidi_error(HIDI_BAD_FILE, "%s: cannot rename it: %s", training->log,
                          strerror(errno));
    return HIDI_OK;
}

/* Says it if rows are missing between the log's last one and `done`, the first step to be taken: a
 * power cut may have lost what was not yet on disk.  A log may have been begun with another
 * log_every, which shows in the distance of its last two rows. */
static hidi_status look_for_hole(const hidi_task *task, const hidi_training *training, long done)
{
    double *step;
    size_t n;
    const long expected = (done - 1) / training->log_every * training->log_every;
    HIDI_TRY(hidi_csv_read(training->log, "step", &step, &n));
    const double last = n > 0 ? step[n - 1] : -1;
    const double every = n > 1 ? fmax(step[n - 1] - step[n - 2], 1) : 1;
    free(step);
    if (last < (double)expected && (n == 0 || (double)done - last > every))
        fprintf(training->notes, "%s: %s has no rows of steps %.0f to %ld: they were lost\n",
                task->label, training->log, last + 1, done - 1);
    return HIDI_OK;
}

static hidi_status open_log(hidi_csv *log, const hidi_task *task, const hidi_training *training,
                            long step)
{
    const char *columns[HIDI_MAX_LOG_COLUMNS + 3] = {"step"};
    int n = hidi_task_columns(task);
    memcpy(columns + 1, task->columns, (size_t)n * sizeof columns[0]);
    columns[n + 1] = "seconds";
    hidi_status status = hidi_csv_open(log, training->log, columns, step);
    if (status == HIDI_BAD_FORMAT) {
        HIDI_TRY(set_aside(task, training));
        status = hidi_csv_open(log, training->log, columns, step);
    }
    HIDI_TRY(status);
    return step > 0 && training->notes != NULL ? look_for_hole(task, training, step) : HIDI_OK;
}

/* Rows reach the disk before the checkpoint that goes on after them. */
static void sync_log(const hidi_csv *log)
{
    if (log->out != NULL)
        (void)fsync(fileno(log->out)); /* what is not a file on a disk refuses, which is no loss */
}

/* Whichever process was asked: all stop after the same step. */
static bool stop_requested(const hidi_training *training, long done)
{
    return hidi_processes_any(hidi_stop_asked() ||
                              (training->stop_after > 0 && done >= training->stop_after));
}

/* The remaining steps. */
static hidi_status run(hidi_workers *workers, const hidi_task *task, const hidi_training *training,
                       hidi_csv *log, position *at)
{
    const int n = hidi_task_columns(task);
    double row[HIDI_MAX_LOG_COLUMNS + 2];
    char note[64] = "";
    hidi_progress progress;
    hidi_progress_begin(&progress, training->progress, task->label, at->done, training->steps);
    at->started = hidi_seconds() - at->seconds;
    while (at->done < training->steps) {
        hidi_status status = hidi_workers_step(workers, at->done, row + 1);
        if (status != HIDI_OK)
            return hidi_error_prefix(status, "%s, step %ld", task->label, at->done);
        const bool is_logged = at->done % training->log_every == 0;
        row[0] = (double)at->done++;
        row[n + 1] = at->seconds = hidi_seconds() - at->started;
        snprintf(note, sizeof note, "%s %.4g", task->columns[0], row[1]);
        hidi_progress_update(&progress, at->done, note);
        const bool is_last = at->done == training->steps;
        if (log->out != NULL && (is_logged || is_last))
            HIDI_TRY(hidi_csv_row(log, row));
        if (!is_last && training->snapshot_every > 0 && at->done % training->snapshot_every == 0)
            HIDI_TRY(training->snapshot(training->context, at->done));
        if (!is_last && stop_requested(training, at->done))
            return HIDI_INTERRUPTED;
        if (!is_last && training->save_every > 0 && at->done % training->save_every == 0) {
            sync_log(log);
            HIDI_TRY(save(task, training, at));
        }
    }
    hidi_progress_end(&progress, note);
    return HIDI_OK;
}

static hidi_status require_not_negative(const char *option, long value)
{
    return hidi_require(value >= 0, option, (double)value, "0 or more");
}

hidi_status hidi_training_check(const hidi_training *t)
{
    HIDI_TRY(hidi_require(t->steps >= 1, "steps", (double)t->steps, "1 or more"));
    HIDI_TRY(hidi_require(t->log_every >= 1, "log_every", (double)t->log_every, "1 or more"));
    HIDI_TRY(require_not_negative("save_every", t->save_every));
    HIDI_TRY(require_not_negative("snapshot_every", t->snapshot_every));
    HIDI_TRY(require_not_negative("stop_after", t->stop_after));
    return hidi_require(t->snapshot_every == 0 || t->snapshot != NULL, "snapshot_every",
                        (double)t->snapshot_every, "0 without a function for snapshots");
}

/* Of several processes the first alone writes, and tells. */
static hidi_training own_part(const hidi_training *training)
{
    hidi_training own = *training;
    if (!hidi_process_is_first()) {
        own.log = NULL;
        own.progress = own.notes = NULL;
    }
    return own;
}

hidi_status hidi_train(const hidi_task *task, const hidi_training *whole)
{
    position at;
    hidi_csv log = {0};
    HIDI_TRY(hidi_task_check(task));
    HIDI_TRY(hidi_error_prefix(hidi_training_check(whole), "%s", task->label));
    const hidi_training own = own_part(whole), *training = &own;
    HIDI_TRY(resume(task, training, &at));
    if (training->log != NULL) {
        hidi_status opened = open_log(&log, task, training, at.done);
        if (opened != HIDI_OK) {
            (void)hidi_csv_close(&log);
            return opened;
        }
    }
    hidi_workers *workers;
    hidi_status status = hidi_workers_create(&workers, task);
    if (status == HIDI_OK)
        status = run(workers, task, training, &log, &at);
    hidi_workers_destroy(workers);
    if (log.out != NULL) {
        sync_log(&log);
        hidi_status closed = hidi_csv_close(&log);
        status = status == HIDI_OK ? closed : status;
    }
    if (training->seconds != NULL)
        *training->seconds = at.seconds;
    if (status == HIDI_INTERRUPTED) {
        HIDI_TRY(save(task, training, &at));
        /* All agree, once it is written: a process that ends could end the others before. */
        return hidi_processes_agree(
            hidi_error(HIDI_INTERRUPTED, "%s stopped after %ld of %ld steps; the same command goes "
                                         "on from %s",
                       task->label, at.done, training->steps,
                       training->checkpoint ? training->checkpoint : "the beginning"));
    }
    if (status == HIDI_NOT_FINITE && training->checkpoint != NULL &&
        access(training->checkpoint, F_OK) == 0)
        return hidi_error_prefix(status, "%s holds the last good state", training->checkpoint);
    return status;
}
