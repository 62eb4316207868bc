/* study_work.c - the work of a task, in its process: what it needs is read from the folders of the
 * tasks before it, and a training that ends on a value that is not finite is a result. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <string.h>
#include <unistd.h>

#include "lab/pipeline.h"
#include "io/atomic_file.h"
#include "lab/lock.h"

hidi_status hidi_task_settings(hidi_session *session, const hidi_plan *plan,
                               const hidi_study_task *task)
{
    *session = *plan->session;
    session->settings = task->variant->settings;
    session->settings.run.seed = task->seed;
    session->progress = NULL;
    return hidi_session_backend(session);
}

/* --- trainings -------------------------------------------------------------------------------- */

static hidi_status do_base(const hidi_session *session, const hidi_dataset *data, const char *dir)
{
    hidi_feature_net *features = NULL;
    hidi_dit *teacher = NULL;
    hidi_status status = hidi_make_features(session, data, dir, &features);
    if (status == HIDI_OK)
        status = hidi_make_teacher(session, data, dir, &teacher);
    hidi_feature_net_destroy(features);
    hidi_dit_destroy(teacher);
    return status;
}

static hidi_status load_teacher(const hidi_session *session, const hidi_plan *plan,
                                const hidi_dataset *data, hidi_dit **teacher)
{
    char path[HIDI_PATH];
    hidi_task_file(path, sizeof path, &plan->task[0], "/" HIDI_TEACHER_FILE);
    return hidi_load_for(session, data, path, HIDI_GIVEN_TEACHER, teacher);
}

static hidi_status do_stage1(const hidi_session *session, const hidi_plan *plan,
                             const hidi_dataset *data, const hidi_study_task *task)
{
    hidi_dit *teacher = NULL, *student = NULL;
    hidi_status status = load_teacher(session, plan, data, &teacher);
    if (status == HIDI_OK)
        status = hidi_make_stage1(session, data, task->path, teacher, &student);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
    return status;
}

/* What stage 2 starts from: the teacher, a snapshot of stage 1, or its result. */
static hidi_status load_start(const hidi_session *session, const hidi_plan *plan,
                              const hidi_dataset *data, const hidi_study_task *task,
                              const hidi_dit *teacher, hidi_dit **student)
{
    const hidi_variant *v = task->variant;
    char path[HIDI_PATH];
    if (v->start == 0) {
        const hidi_student_options options = hidi_settings_stage1(&v->settings).student;
        return hidi_student_create(student, teacher, &options, (uint64_t)task->seed);
    }
    const hidi_study_task *stage1 = &plan->task[task->needs];
    if (v->start == 100)
        hidi_task_file(path, sizeof path, stage1, "/" HIDI_STAGE1_FILE);
    else
        hidi_snapshot_path(path, sizeof path, stage1->path, 1,
                           v->settings.td.train.steps * v->start / 100);
    const hidi_session in_full = hidi_session_to_train(session);
    return hidi_load_for(&in_full, data, path, HIDI_GIVEN_ALL, student);
}

static hidi_status do_stage2(const hidi_session *session, const hidi_plan *plan,
                             const hidi_dataset *data, const hidi_study_task *task)
{
    hidi_dit *teacher = NULL, *start = NULL, *student = NULL;
    char diverged[HIDI_PATH];
    const hidi_study_task *before = &plan->task[task->needs];
    if (before->kind == HIDI_DO_STAGE1 && access(before->done, F_OK) != 0)
        return hidi_error(HIDI_NOT_FINITE, "%s: stage 1 diverged",
                          hidi_task_file(diverged, sizeof diverged, before,
                                         "/" HIDI_DIVERGED_FILE));
    hidi_status status = load_teacher(session, plan, data, &teacher);
    if (status == HIDI_OK)
        status = load_start(session, plan, data, task, teacher, &start);
    if (status == HIDI_OK)
        status = hidi_make_stage2(session, data, task->path, teacher, start, &student);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(start);
    hidi_dit_destroy(student);
    return status;
}

/* A training that ended on a value that is not finite is a result: its message, in a file. */
static hidi_status write_diverged(const hidi_study_task *task)
{
    char path[HIDI_PATH];
    hidi_atomic_file file;
    HIDI_TRY(hidi_make_folder(task->path));
    char message[512];
    snprintf(message, sizeof message, "%s", hidi_error_message());
    hidi_task_file(path, sizeof path, task, "/" HIDI_DIVERGED_FILE);
    HIDI_TRY(hidi_atomic_open(&file, path));
    fprintf(file.out, "%s\n", message);
    return hidi_atomic_commit(&file);
}

hidi_status hidi_task_work(const hidi_plan *plan, const hidi_study_task *task)
{
    hidi_session session;
    hidi_dataset *data = NULL;
    if (task->kind == HIDI_DO_MEASURE)
        return hidi_task_measure(plan, task);
    /* Another study that shares the folder of trainings may be at this one: its result is then
     * there to be read. */
    HIDI_TRY(hidi_lock_folder(task->path, 0, true));
    HIDI_TRY(hidi_task_settings(&session, plan, task));
    hidi_status status = hidi_session_data(&session, &data);
    if (status == HIDI_OK && task->kind == HIDI_DO_BASE)
        status = do_base(&session, data, task->path);
    else if (status == HIDI_OK && task->kind == HIDI_DO_STAGE1)
        status = do_stage1(&session, plan, data, task);
    else if (status == HIDI_OK)
        status = do_stage2(&session, plan, data, task);
    hidi_dataset_close(data);
    if (status == HIDI_NOT_FINITE && task->kind != HIDI_DO_BASE)
        status = write_diverged(task);
    return status;
}
