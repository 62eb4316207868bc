/* study.c - hidi study: variants, several seeds each, in one table with error bars. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lab/study.h"

static void print_plan(const hidi_plan *plan)
{
    char label[128];
    for (int i = 0; i < plan->n; i++)
        printf("%s  %s\n", plan->task[i].state == HIDI_DONE ? "done" : "    ",
               hidi_plan_label(label, sizeof label, &plan->task[i]));
}

static hidi_status study_file(const hidi_cli *cli, const char *path, const char *out,
                              const char *trained, const char *jobs_text, bool only_list)
{
    hidi_study study;
    hidi_plan plan = {.n = 0};
    long jobs = 1;
    HIDI_TRY(hidi_cli_number("jobs", jobs_text, 1, 1024, &jobs));
    hidi_status status = hidi_study_read(&study, &cli->session, path);
    if (status == HIDI_OK)
        status = hidi_plan_init(&plan, &study, &cli->session, out, trained);
    if (status == HIDI_OK && only_list) {
        print_plan(&plan);
    } else if (status == HIDI_OK) {
        status = hidi_plan_run(&plan, (int)jobs);
        if (status == HIDI_OK)
            status = hidi_study_summarise(&plan, stdout);
    }
    hidi_plan_free(&plan);
    hidi_study_free(&study);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, only_list = 0;
    char out[HIDI_PATH], own[HIDI_PATH];
    const char *jobs = NULL, *trained = NULL;
    const hidi_flag flags[] = {
        HIDI_NO_FLAG("preset"),
        HIDI_NO_FLAG("seed"),
        HIDI_NO_FLAG("backend"),
        HIDI_NO_FLAG("threads"),
        HIDI_VALUE("jobs", "N", &jobs, "processes at a time, of one thread each (1)"),
        HIDI_RESULT("parts", "DIR", &trained,
                    "folder for trained parts, shared by studies (OUT/parts)"),
        HIDI_SWITCH("list", &only_list, "only list the tasks, and which are done"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (argc - first != 1)
        return hidi_cli_usage(&cli, "expected the file of one study");
    const char *base = strrchr(argv[first], '/');
    base = base ? base + 1 : argv[first];
    snprintf(out, sizeof out, "study-%.*s", (int)strcspn(base, "."), base);
    if (cli.session.out != NULL)
        snprintf(out, sizeof out, "%s", cli.session.out);
    snprintf(own, sizeof own, "%.1000s/parts", out);
    return hidi_cli_end(&cli, study_file(&cli, argv[first], out, trained ? trained : own, jobs,
                                         only_list != 0));
}

const hidi_command hidi_command_study = {
    "study", "FILE.ini", "trains and measures variants with several seeds: a table with error bars",
    "A study's file names a preset, seeds, and variants: lists of settings.  Each variant is\n"
    "trained and measured with each seed; parts that variants share are made once.  Finished work\n"
    "is not repeated: after an interruption, the same command resumes.  The folder given by --out\n"
    "(study-FILE) gets results.csv, a row per measurement, and summary.md with table, plots and\n"
    "pictures.  Trainings that diverge are counted.  --set overrides the file's [all] section.\n",
    "run data model features teacher student td dm sample eval", run};
