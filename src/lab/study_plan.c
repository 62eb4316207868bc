/* study_plan.c - the tasks of a study, and running them side by side. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/hash.h"
#include "io/atomic_file.h"
#include "io/csv.h"

/* --- listing ---------------------------------------------------------------------------------- */

/* What a task's result depends on, as a number: the settings of these sections, and `more`. */
static hidi_status hash_of(const hidi_plan *plan, const hidi_variant *v, long seed,
                           const char *sections, const char *more, uint64_t *hash)
{
    hidi_settings s = v->settings;
    s.run.seed = seed;
    char *base = hidi_settings_text(&plan->study->all.settings, "run data model features teacher");
    char *own = hidi_settings_text(&s, sections), *all = NULL;
    if (base != NULL && own != NULL)
        all = malloc(strlen(base) + strlen(own) + strlen(more) + 1);
    if (all != NULL)
        *hash = hidi_hash(all, (size_t)sprintf(all, "%s%s%s", base, own, more));
    free(base);
    free(own);
    const bool complete = all != NULL;
    free(all);
    return complete ? HIDI_OK : hidi_error(HIDI_NO_MEMORY, "out of memory");
}

/* Appends a task, unless one with this path is there: *index is its number either way. */
static hidi_status add_task(hidi_plan *plan, const hidi_study_task *task, int *index)
{
    for (*index = 0; *index < plan->n; (*index)++)
        if (strcmp(plan->task[*index].path, task->path) == 0)
            return HIDI_OK;
    if (plan->n == plan->room) {
        const int room = plan->room ? 2 * plan->room : 64;
        hidi_study_task *more = realloc(plan->task, (size_t)room * sizeof *more);
        if (more == NULL)
            return hidi_error(HIDI_NO_MEMORY, "out of memory");
        plan->task = more;
        plan->room = room;
    }
    plan->task[plan->n++] = *task;
    return HIDI_OK;
}

static hidi_status add_part(hidi_plan *plan, hidi_task_kind kind, const hidi_variant *v, long seed,
                            int needs, int *index)
{
    static const char *const names[] = {"base", "stage1", "stage2"};
    static const char *const sections[] = {"", "run data student td", "run data student td dm"};
    hidi_study_task task = {.kind = kind, .variant = v, .seed = seed, .needs = needs};
    char more[64] = "";
    uint64_t hash;
    if (kind == HIDI_DO_STAGE2)
        snprintf(more, sizeof more, "start = %ld\n", v->start);
    HIDI_TRY(hash_of(plan, v, seed, sections[kind], more, &hash));
    snprintf(task.path, sizeof task.path, "%.900s/%s-%016llx", plan->parts, names[kind],
             (unsigned long long)hash);
    snprintf(task.done, sizeof task.done, "%.990s/%s.safetensors", task.path,
             kind == HIDI_DO_BASE ? "teacher" : names[kind]);
    return add_task(plan, &task, index);
}

static hidi_status add_measurement(hidi_plan *plan, const hidi_variant *v, long seed, int needs)
{
    hidi_study_task task = {.kind = HIDI_DO_MEASURE, .variant = v, .seed = seed, .needs = needs};
    char more[256], slug[HIDI_STUDY_NAME];
    uint64_t hash;
    int ignored, used;
    used = snprintf(more, sizeof more,
                    "net = %d\nstart = %ld\nsnapshots = %d\ndefects = %ld\nsteps =", v->net,
                    v->start, v->snapshots, plan->study->defects);
    for (int i = 0; i < v->n_steps; i++)
        used += snprintf(more + used, sizeof more - (size_t)used, " %ld", v->steps[i]);
    HIDI_TRY(hash_of(plan, v, seed, "run data model features teacher student td dm sample eval",
                     more, &hash));
    for (size_t i = 0; i < sizeof slug; i++)
        slug[i] = (char)(isalnum((unsigned char)v->name[i]) || v->name[i] == '\0'
                             ? tolower((unsigned char)v->name[i])
                             : '-');
    snprintf(task.path, sizeof task.path, "%.900s/rows/%s-%ld-%016llx", plan->out, slug, seed,
             (unsigned long long)hash);
    hidi_task_file(task.done, sizeof task.done, &task, ".csv");
    return add_task(plan, &task, &ignored);
}

/* The tasks of one variant and seed. */
static hidi_status add_variant(hidi_plan *plan, const hidi_variant *v, long seed, int base)
{
    int needs = base;
    if (v->net == HIDI_NET_STAGE1 || (v->net == HIDI_NET_STAGE2 && v->start > 0))
        HIDI_TRY(add_part(plan, HIDI_DO_STAGE1, v, seed, base, &needs));
    if (v->net == HIDI_NET_STAGE2)
        HIDI_TRY(add_part(plan, HIDI_DO_STAGE2, v, seed, needs, &needs));
    return add_measurement(plan, v, seed, needs);
}

char *hidi_task_file(char *path, size_t size, const hidi_study_task *task, const char *ending)
{
    snprintf(path, size, "%.1000s%s", task->path, ending);
    return path;
}

static bool is_done(const hidi_study_task *task)
{
    char diverged[HIDI_PATH];
    hidi_task_file(diverged, sizeof diverged, task, "/" HIDI_DIVERGED_FILE);
    return access(task->done, F_OK) == 0 ||
           (task->kind != HIDI_DO_MEASURE && access(diverged, F_OK) == 0);
}

hidi_status hidi_plan_init(hidi_plan *plan, const hidi_study *study, const hidi_session *session,
                           const char *out, const char *parts)
{
    int base;
    memset(plan, 0, sizeof *plan);
    plan->study = study;
    plan->session = session;
    snprintf(plan->out, sizeof plan->out, "%s", out);
    snprintf(plan->parts, sizeof plan->parts, "%s", parts);
    HIDI_TRY(add_part(plan, HIDI_DO_BASE, &study->all, study->all.settings.run.seed, -1, &base));
    for (int s = 0; s < study->n_seeds; s++)
        for (int v = 0; v < study->n; v++)
            HIDI_TRY(add_variant(plan, &study->variant[v], study->seed[s], base));
    for (int i = 0; i < plan->n; i++)
        plan->task[i].state = is_done(&plan->task[i]) ? HIDI_DONE : HIDI_WAITING;
    return HIDI_OK;
}

void hidi_plan_free(hidi_plan *plan)
{
    free(plan->task);
    plan->task = NULL;
}

char *hidi_plan_label(char *text, size_t size, const hidi_study_task *task)
{
    static const char *const what[] = {"feature net and teacher", "stage 1", "stage 2",
                                       "measuring"};
    if (task->kind == HIDI_DO_BASE)
        snprintf(text, size, "%s", what[task->kind]);
    else
        snprintf(text, size, "%s, seed %ld: %s", task->variant->name, task->seed, what[task->kind]);
    return text;
}

/* --- who is at work in the folder? ------------------------------------------------------------ */

/* A lock that lasts as long as this process: of byte number `byte` of OUT/lock. */
static hidi_status lock(const hidi_plan *plan, long byte, int *file)
{
    char path[HIDI_PATH];
    struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    *file = open(hidi_path(path, sizeof path, plan->out, "lock"), O_RDWR | O_CREAT, 0666);
    if (*file < 0)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    if (fcntl(*file, F_SETLK, &want) == 0)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FILE, "%s: another process is at work in this folder", path);
}

/* Nobody else: not even a task that a study which was killed has left running. */
static hidi_status lock_all(const hidi_plan *plan, int *file)
{
    struct flock any = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
    HIDI_TRY(hidi_make_folder(plan->out));
    HIDI_TRY(lock(plan, 0, file));
    if (fcntl(*file, F_GETLK, &any) == 0 && any.l_type != F_UNLCK)
        return hidi_error(HIDI_BAD_FILE, "%s: process %ld is still at work in this folder",
                          plan->out, (long)any.l_pid);
    return HIDI_OK;
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
               (0.9 + (s->dm.adversary_weight > 0 ? 0.4 : 0) + (s->dm.td_weight > 0 ? 0.5 : 0));
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
    int file;
    /* A session of its own: a terminal's interrupt reaches the study alone, which passes it on;
     * and a kernel that shares time between sessions counts each task. */
    (void)setsid();
    if (task->kind == HIDI_DO_MEASURE) /* has nothing to save */
        signal(SIGTERM, SIG_DFL);
    else
        hidi_stop_flag();
    hidi_status status = lock(plan, index + 1, &file);
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

/* Notes the processes that have ended; how many are still running. */
static int reap(hidi_plan *plan)
{
    int running = 0;
    for (int i = 0; i < plan->n; i++) {
        hidi_study_task *task = &plan->task[i];
        int code;
        if (task->state != HIDI_RUNNING)
            continue;
        if (waitpid(task->pid, &code, WNOHANG) == 0)
            running++;
        else
            task->state = is_done(task) ? HIDI_DONE : HIDI_FAILED;
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
                            "stopped after %d of %d tasks; the same command goes on",
                            count_in(plan, HIDI_DONE), plan->n);
    return status;
}

hidi_status hidi_plan_run(hidi_plan *plan, int jobs)
{
    int file = -1;
    char rows[HIDI_PATH];
    hidi_status status = lock_all(plan, &file);
    if (status == HIDI_OK)
        status = hidi_make_folder(hidi_path(rows, sizeof rows, plan->out, "rows"));
    if (status == HIDI_OK)
        status = run_tasks(plan, jobs);
    if (status == HIDI_OK && count_in(plan, HIDI_DONE) < plan->n)
        status = hidi_error(HIDI_BAD_FILE,
                            "%d of %d tasks failed, or wait for one that did (see above)",
                            plan->n - count_in(plan, HIDI_DONE), plan->n);
    if (file >= 0)
        close(file);
    return status;
}
