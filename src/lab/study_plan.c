/* study_plan.c - the tasks of a study.  A training is known by the hash of the settings that it
 * depends on, so that variants, and studies, which agree in these share it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/hash.h"

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

/* Appends a task, unless one with this path is there; returns its number. */
static int add_task(hidi_plan *plan, const hidi_study_task *task)
{
    for (int i = 0; i < plan->n; i++)
        if (strcmp(plan->task[i].path, task->path) == 0)
            return i;
    plan->task[plan->n] = *task;
    return plan->n++;
}

static hidi_status add_training(hidi_plan *plan, hidi_task_kind kind, const hidi_variant *v,
                                long seed, int needs, int *index)
{
    static const char *const names[] = {"base", "stage1", "stage2"};
    static const char *const sections[] = {"", "run data student td", "run data student td dm"};
    hidi_study_task task = {.kind = kind, .variant = v, .seed = seed, .needs = needs};
    char more[64] = "";
    uint64_t hash;
    if (kind == HIDI_DO_STAGE2)
        snprintf(more, sizeof more, "start = %ld\n", v->start);
    HIDI_TRY(hash_of(plan, v, seed, sections[kind], more, &hash));
    snprintf(task.path, sizeof task.path, "%.900s/%s-%016llx", plan->trained, names[kind],
             (unsigned long long)hash);
    snprintf(task.done, sizeof task.done, "%.990s/%s.safetensors", task.path,
             kind == HIDI_DO_BASE ? "teacher" : names[kind]);
    *index = add_task(plan, &task);
    return HIDI_OK;
}

static hidi_status add_measurement(hidi_plan *plan, const hidi_variant *v, long seed, int needs)
{
    hidi_study_task task = {.kind = HIDI_DO_MEASURE, .variant = v, .seed = seed, .needs = needs};
    char more[256], slug[HIDI_STUDY_NAME];
    uint64_t hash;
    int used = snprintf(more, sizeof more,
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
    add_task(plan, &task);
    return HIDI_OK;
}

enum { MOST_TASKS = 3 }; /* of a variant and a seed: two stages and the measurement */

/* The tasks of one variant and seed. */
static hidi_status add_variant(hidi_plan *plan, const hidi_variant *v, long seed, int base)
{
    int needs = base;
    if (v->net == HIDI_NET_STAGE1 || (v->net == HIDI_NET_STAGE2 && v->start > 0))
        HIDI_TRY(add_training(plan, HIDI_DO_STAGE1, v, seed, base, &needs));
    if (v->net == HIDI_NET_STAGE2)
        HIDI_TRY(add_training(plan, HIDI_DO_STAGE2, v, seed, needs, &needs));
    return add_measurement(plan, v, seed, needs);
}

char *hidi_task_file(char *path, size_t size, const hidi_study_task *task, const char *ending)
{
    snprintf(path, size, "%.1000s%s", task->path, ending);
    return path;
}

bool hidi_task_is_done(const hidi_study_task *task)
{
    char diverged[HIDI_PATH];
    hidi_task_file(diverged, sizeof diverged, task, "/" HIDI_DIVERGED_FILE);
    return access(task->done, F_OK) == 0 ||
           (task->kind != HIDI_DO_MEASURE && access(diverged, F_OK) == 0);
}

hidi_status hidi_plan_init(hidi_plan *plan, const hidi_study *study, const hidi_session *session,
                           const char *out, const char *trained)
{
    int base;
    memset(plan, 0, sizeof *plan);
    plan->study = study;
    plan->session = session;
    snprintf(plan->out, sizeof plan->out, "%s", out);
    snprintf(plan->trained, sizeof plan->trained, "%s", trained);
    const int most = 1 + study->n_seeds * study->n * MOST_TASKS;
    plan->task = calloc((size_t)most, sizeof *plan->task);
    if (plan->task == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %d tasks", most);
    const long seed = study->all.settings.run.seed;
    HIDI_TRY(add_training(plan, HIDI_DO_BASE, &study->all, seed, -1, &base));
    for (int s = 0; s < study->n_seeds; s++)
        for (int v = 0; v < study->n; v++)
            HIDI_TRY(add_variant(plan, &study->variant[v], study->seed[s], base));
    for (int i = 0; i < plan->n; i++)
        plan->task[i].state = hidi_task_is_done(&plan->task[i]) ? HIDI_DONE : HIDI_WAITING;
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
