/* study_run.c - runs the tasks of a study side by side, each in a process of its own, as soon as
 * what it needs is done; one folder is worked on by one study at a time. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/tables.h"
#include "io/atomic_file.h"
#include "io/csv.h"
#include "lab/lock.h"
#include "lab/rehearsal.h"

/* --- who is at work in the folder? ------------------------------------------------------------ */

/* Nobody else: not even a task that a study which was killed has left running.  Byte 0 of OUT/lock
 * is the study's, byte i + 1 that of task i. */
static hidi_status lock_all(const hidi_plan *plan)
{
    HIDI_TRY(hidi_lock_folder(plan->out, 0, false));
    return hidi_folder_is_free(plan->out, 1);
}

/* --- how far is it? --------------------------------------------------------------------------- */

/* A task's work in steps of stage 1, roughly: ratios measured on the presets. */
static double weight(const hidi_study_task *task)
{
    const hidi_settings *s = &task->variant->settings;
    const bool is_teacher = task->variant->net == HIDI_NET_TEACHER;
    switch (task->kind) {
    case HIDI_DO_BASE:
        return 20 + (*s->teacher.file == '\0' ? 0.4 * (double)s->teacher.train.steps : 0);
    case HIDI_DO_STAGE1: return (double)s->td.train.steps;
    case HIDI_DO_STAGE2:
        return (double)s->dm.train.steps *
               (0.9 + (s->dm.adversary.weight > 0 ? 0.4 : 0) + (s->dm.td_weight > 0 ? 0.5 : 0));
    default: return 20 + (double)s->eval.images * (is_teacher ? 0.5 : 0.01);
    }
}

/* The share of a training of so many steps that is done, by its log. */
static double share_of(const hidi_study_task *task, const char *log, long all)
{
    char path[HIDI_PATH];
    double *steps, share = 0;
    size_t n;
    if (hidi_csv_read(hidi_task_file(path, sizeof path, task, log), "step", &steps, &n) != HIDI_OK)
        return 0;
    if (n > 0)
        share = fmin(1, steps[n - 1] / (double)all);
    free(steps);
    return share;
}

/* The share of a task's work that is done: a training that runs, or was interrupted, is somewhere
 * in the middle. */
static double share_done(const hidi_study_task *task)
{
    const hidi_settings *s = &task->variant->settings;
    if (task->state == HIDI_DONE)
        return 1;
    switch (task->kind) {
    case HIDI_DO_BASE: return share_of(task, "/teacher.csv", s->teacher.train.steps);
    case HIDI_DO_STAGE1: return share_of(task, "/stage1.csv", s->td.train.steps);
    case HIDI_DO_STAGE2: return share_of(task, "/stage2.csv", s->dm.train.steps);
    default: return 0;
    }
}

static long work_in_all(const hidi_plan *plan)
{
    double sum = 0;
    for (int i = 0; i < plan->n; i++)
        sum += weight(&plan->task[i]);
    return lround(sum);
}

static long work_done(const hidi_plan *plan)
{
    double sum = 0;
    for (int i = 0; i < plan->n; i++)
        sum += weight(&plan->task[i]) * share_done(&plan->task[i]);
    return lround(sum);
}

/* --- running ---------------------------------------------------------------------------------- */

/* Runs a task in a process of its own. */
static hidi_status start(hidi_plan *plan, int index)
{
    hidi_study_task *task = &plan->task[index];
    char label[128];
    fflush(NULL);
    task->pid = fork();
    if (task->pid < 0)
        return hidi_error(HIDI_NO_MEMORY, "cannot start a process: %s", strerror(errno));
    task->state = HIDI_RUNNING;
    if (task->pid > 0)
        return HIDI_OK;
    /* A session of its own: a terminal's interrupt reaches the study alone, which passes it on;
     * and a kernel that shares time between sessions counts each task. */
    (void)setsid();
    hidi_stop_flag();
    hidi_status status = hidi_lock_folder(plan->out, index + 1, false);
    if (status == HIDI_OK)
        status = hidi_task_work(plan, task);
    if (status != HIDI_OK && status != HIDI_INTERRUPTED)
        fprintf(stderr, "hidi study: %s: %s\n", hidi_plan_label(label, sizeof label, task),
                hidi_error_message());
    fflush(NULL);
    _exit(status == HIDI_OK ? EXIT_OK : status == HIDI_INTERRUPTED ? EXIT_STOPPED : EXIT_FAILED);
}

static bool is_ready(const hidi_plan *plan, const hidi_study_task *task)
{
    return task->state == HIDI_WAITING &&
           (task->needs < 0 || plan->task[task->needs].state == HIDI_DONE);
}

/* A process that a signal ended had no time to say so itself: not one that was told to stop. */
static void report_signal(const hidi_study_task *task, int code)
{
    char label[128];
    if (!WIFSIGNALED(code) || (WTERMSIG(code) == SIGTERM && *hidi_stop_flag() != 0))
        return;
    fprintf(stderr, "hidi study: %s: ended by signal %d (%s)%s\n",
            hidi_plan_label(label, sizeof label, task), WTERMSIG(code), strsignal(WTERMSIG(code)),
            WTERMSIG(code) == SIGKILL ? ", by somebody, or by the system where memory ran out" : "");
}

/* Notes the processes that have ended; how many are still running. */
static int reap(hidi_plan *plan)
{
    int running = 0;
    for (int i = 0; i < plan->n; i++) {
        hidi_study_task *task = &plan->task[i];
        int code = 0;
        if (task->state != HIDI_RUNNING)
            continue;
        if (waitpid(task->pid, &code, WNOHANG) == 0) {
            running++;
            continue;
        }
        task->state = hidi_task_is_done(task) ? HIDI_DONE : HIDI_FAILED;
        if (task->state == HIDI_FAILED)
            report_signal(task, code);
    }
    return running;
}

static int count_in(const hidi_plan *plan, hidi_task_state state)
{
    int n = 0;
    for (int i = 0; i < plan->n; i++)
        n += plan->task[i].state == state;
    return n;
}

/* Starts what is ready until `jobs` are running. */
static hidi_status fill(hidi_plan *plan, int jobs, int *running)
{
    for (int i = 0; i < plan->n && *running < jobs; i++)
        if (is_ready(plan, &plan->task[i])) {
            HIDI_TRY(start(plan, i));
            (*running)++;
        }
    return HIDI_OK;
}

static void stop_all(const hidi_plan *plan)
{
    for (int i = 0; i < plan->n; i++)
        if (plan->task[i].state == HIDI_RUNNING)
            kill(plan->task[i].pid, SIGTERM);
}

static hidi_status run_tasks(hidi_plan *plan, int jobs)
{
    const volatile sig_atomic_t *stop = hidi_stop_flag();
    const struct timespec pause = {0, 200000000};
    hidi_status status = HIDI_OK;
    hidi_progress progress;
    char note[64];
    int running = 0, finished = -1;
    bool told = false;
    hidi_progress_begin(&progress, plan->session->progress, "study", work_done(plan),
                        work_in_all(plan));
    while (status == HIDI_OK) {
        running = reap(plan);
        if (count_in(plan, HIDI_DONE) != finished) {
            finished = count_in(plan, HIDI_DONE);
            status = hidi_study_collect(plan);
        }
        if (*stop == 0 && status == HIDI_OK)
            status = fill(plan, jobs, &running);
        if (*stop != 0 && !told) {
            stop_all(plan);
            told = true;
        }
        if (running == 0)
            break;
        if (progress.out != NULL) {
            snprintf(note, sizeof note, "%d of %d tasks done, %d running", finished, plan->n,
                     running);
            hidi_progress_update(&progress, work_done(plan), note);
        }
        nanosleep(&pause, NULL);
    }
    if (status != HIDI_OK)
        stop_all(plan);
    while (reap(plan) > 0)
        nanosleep(&pause, NULL);
    hidi_progress_end(&progress, NULL);
    if (status == HIDI_OK && *stop != 0 && count_in(plan, HIDI_DONE) < plan->n)
        status = hidi_error(HIDI_INTERRUPTED,
                            "stopped after %d of %d tasks; the same command resumes",
                            count_in(plan, HIDI_DONE), plan->n);
    return status;
}

/* The trainings and the measurement of a variant, gone through on its data. */
static hidi_status rehearse(const hidi_plan *plan, const hidi_variant *v, const hidi_dataset *data)
{
    hidi_session session = *plan->session;
    hidi_dit_config teacher;
    session.backend = hidi_reference_backend();   /* the tasks' processes open their own */
    session.settings = plan->study->all.settings; /* the teacher is one for all          */
    HIDI_TRY(hidi_rehearse_teacher(&session, data, NULL, &teacher));
    session.settings = v->settings;
    if (v->net == HIDI_NET_STAGE1 || (v->net == HIDI_NET_STAGE2 && v->start > 0))
        HIDI_TRY(hidi_rehearse_stage(1, &session, data, &teacher));
    if (v->net == HIDI_NET_STAGE2)
        HIDI_TRY(hidi_rehearse_stage(2, &session, data, &teacher));
    return hidi_rehearse_measurement(&session, data);
}

/* What is to be trained and measured can be, of every variant: asked before anything is.  The data
 * is opened once for the variants that have the same. */
static hidi_status rehearse_all(const hidi_plan *plan)
{
    char *seen = NULL;
    hidi_dataset *data = NULL;
    hidi_status status = HIDI_OK;
    for (int i = 0; i < plan->n && status == HIDI_OK; i++) {
        const hidi_study_task *task = &plan->task[i];
        hidi_session session = *plan->session;
        if (task->kind != HIDI_DO_MEASURE || task->state == HIDI_DONE)
            continue;
        session.settings = task->variant->settings;
        char *text = hidi_settings_text(&session.settings, "data");
        if (text == NULL)
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
        if (text != NULL && (seen == NULL || strcmp(seen, text) != 0)) {
            hidi_dataset_close(data);
            data = NULL;
            status = hidi_refuse_latents(&session);
            if (status == HIDI_OK)
                status = hidi_session_data(&session, &data);
        }
        if (status == HIDI_OK)
            status = rehearse(plan, task->variant, data);
        status = hidi_error_prefix(status, "%s", task->variant->name);
        free(seen);
        seen = text;
    }
    hidi_dataset_close(data);
    free(seen);
    return status;
}

hidi_status hidi_plan_run(hidi_plan *plan, int jobs)
{
    char rows[HIDI_PATH];
    HIDI_TRY(rehearse_all(plan));
    hidi_status status = lock_all(plan);
    if (status == HIDI_OK)
        status = hidi_make_folder(hidi_path(rows, sizeof rows, plan->out, "rows"));
    if (status == HIDI_OK)
        status = run_tasks(plan, jobs);
    if (status == HIDI_OK && count_in(plan, HIDI_DONE) < plan->n)
        status = hidi_error(HIDI_BAD_FILE,
                            "%d of %d tasks failed, or need one that failed (see above)",
                            plan->n - count_in(plan, HIDI_DONE), plan->n);
    return status;
}
