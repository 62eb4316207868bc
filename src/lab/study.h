/* study.h - hidi study: a table of variants, each trained and measured with several seeds.
 *
 * A study is a list of tasks that hang together: the feature net and the teacher (once), stage 1
 * and stage 2 of each variant and seed (once for all variants that share them), and the
 * measurement of each variant and seed.  Each task is a process of its own, leaves a file when it
 * is done, and is skipped if that file is there.
 */
#ifndef HIDI_LAB_STUDY_H
#define HIDI_LAB_STUDY_H

#include <sys/types.h>

#include "lab/session.h"

enum { HIDI_STUDY_SEEDS = 64, HIDI_STUDY_STEPS = 8, HIDI_STUDY_NAME = 48 };

/* What a variant measures. */
typedef enum hidi_study_net { HIDI_NET_REAL, HIDI_NET_TEACHER, HIDI_NET_STAGE1, HIDI_NET_STAGE2 }
    hidi_study_net;
#define HIDI_STUDY_NETS "real teacher stage1 stage2"

typedef struct hidi_variant {
    char name[HIDI_STUDY_NAME];
    hidi_settings settings;
    int net;                      /* a hidi_study_net; -1: not given                            */
    long start;                   /* stage 2 starts after this percentage of stage 1; 0: from the
                                   * teacher's weights                                          */
    long steps[HIDI_STUDY_STEPS]; /* sampling steps to measure with                             */
    int n_steps;                  /* 0: the settings' own                                       */
    bool snapshots;               /* measured over the training, too                            */
} hidi_variant;

typedef struct hidi_study {
    char title[HIDI_CONFIG_TEXT], preset[HIDI_CONFIG_TEXT];
    const char *path;        /* of its file                                                     */
    long seed[HIDI_STUDY_SEEDS];
    int n_seeds;
    long defects;            /* images that get a planted defect; 0: none                       */
    long columns;            /* of the picture                                                  */
    hidi_variant all;        /* what variants start from                                        */
    hidi_variant *variant;   /* [n]                                                             */
    int n;
} hidi_study;

/* Reads a study's file (hidi-study(1)); every --set of session goes over its [all] section.  Errors
 * name the file and the line.  Free in any case. */
hidi_status hidi_study_read(hidi_study *study, const hidi_session *session, const char *path);
void hidi_study_free(hidi_study *study);

/* --- tasks (study_plan.c) --------------------------------------------------------------------- */

typedef enum hidi_task_kind { HIDI_DO_BASE, HIDI_DO_STAGE1, HIDI_DO_STAGE2, HIDI_DO_MEASURE }
    hidi_task_kind;
typedef enum hidi_task_state { HIDI_WAITING, HIDI_RUNNING, HIDI_DONE, HIDI_FAILED } hidi_task_state;

typedef struct hidi_study_task {
    hidi_task_kind kind;
    const hidi_variant *variant; /* the first one that needs it                                 */
    long seed;
    int needs;                   /* index of the task that must be done before; -1: none        */
    char path[HIDI_PATH];        /* its folder; of a measurement: its files' name without ending */
    char done[HIDI_PATH];        /* the file that is there when it is done                      */
    hidi_task_state state;
    pid_t pid;                   /* while it runs                                               */
} hidi_study_task;

typedef struct hidi_plan {
    const hidi_study *study;
    const hidi_session *session;
    char out[HIDI_PATH];     /* the results' folder                                            */
    char trained[HIDI_PATH]; /* the folder of what is trained, which studies may share          */
    hidi_study_task *task; /* [n]; a task comes after the one it needs, a seed after the other */
    int n;
} hidi_plan;

/* Lists the tasks, and which of them are done already. */
hidi_status hidi_plan_init(hidi_plan *plan, const hidi_study *study, const hidi_session *session,
                           const char *out, const char *trained);
void hidi_plan_free(hidi_plan *plan);

/* "variant, seed 2: stage 1" into text[size]; returns text. */
char *hidi_plan_label(char *text, size_t size, const hidi_study_task *task);

/* Has it left the file that says so, or ended on a value that is not finite? */
bool hidi_task_is_done(const hidi_study_task *task);

/* A task's path with another ending. */
char *hidi_task_file(char *path, size_t size, const hidi_study_task *task, const char *ending);

/* --- running them (study_run.c) --------------------------------------------------------------- */

/* Runs what is not done, `jobs` processes at a time.  A training that ends on a value that is not
 * finite is a result; any other failure is an error, after all that can be done is done. */
hidi_status hidi_plan_run(hidi_plan *plan, int jobs);

/* --- a task's work, in its process (study_work.c, study_measure.c) ---------------------------- */

/* One of a plan's tasks.  HIDI_NOT_FINITE: a training diverged, and the file DIVERGED says so. */
hidi_status hidi_task_work(const hidi_plan *plan, const hidi_study_task *task);
#define HIDI_DIVERGED_FILE "diverged"

/* The settings of a task's variant with its seed, backend opened. */
hidi_status hidi_task_settings(hidi_session *session, const hidi_plan *plan,
                               const hidi_study_task *task);

/* Measures a variant: rows in TASK.csv, a row of pictures in TASK.png, TASK-defects.csv. */
hidi_status hidi_task_measure(const hidi_plan *plan, const hidi_study_task *task);

/* The discriminator that a stage 2 left (study_heads.c): whether it finds planted defects, in
 * TASK-defects.csv, and where it looks, in TASK-heat-real.png and TASK-heat-samples.png. */
typedef struct hidi_study_look {
    const hidi_plan *plan;
    const hidi_study_task *task;
    const hidi_session *session; /* the variant's settings and seed        */
    const hidi_dataset *judge;   /* real images                            */
    const char *dir;             /* stage 2's folder                       */
    const hidi_dit *net;         /* its student                            */
    hidi_sampler sampler;        /* of that                                */
} hidi_study_look;

hidi_status hidi_study_look_at_heads(const hidi_study_look *look);

/* --- results (study_results.c, study_summary.c, study_plots.c) -------------------------------- */

/* results.csv and defects.csv from the measurements that are there, in the study's order. */
hidi_status hidi_study_collect(const hidi_plan *plan);

/* summary.md with its plots and picture; the table also on `out`. */
hidi_status hidi_study_summarise(const hidi_plan *plan, FILE *out);

#endif
