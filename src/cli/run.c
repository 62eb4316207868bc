/* run.c - hidi run: the whole of hierarchical distillation from one preset. */
#include "cli/cli.h"

#include <string.h>

#include "lab/run.h"

/* --out, or run-PRESET. */
static char *folder(char *dir, size_t size, const hidi_session *session)
{
    const char *base = strrchr(session->preset, '/');
    if (session->out != NULL)
        snprintf(dir, size, "%s", session->out);
    else
        snprintf(dir, size, "run-%s", base ? base + 1 : session->preset);
    return dir;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, train_teacher = 0;
    char dir[HIDI_PATH];
    const hidi_flag flags[] = {
        HIDI_VALUE("key", "KEY", &cli.session.key,
                   "the part of teacher.file that is the teacher (ema)"),
        HIDI_SWITCH("train-teacher", &train_teacher, "train the teacher even if one is shipped"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first]);
    if (cli.session.preset == NULL)
        return hidi_cli_usage(&cli, "--preset NAME is missing, one of: %s",
                              hidi_preset_names(dir, sizeof dir));
    if (train_teacher)
        cli.session.settings.teacher.file[0] = '\0';
    hidi_status status = hidi_session_backend(&cli.session);
    if (status == HIDI_OK)
        status = hidi_run(&cli.session, folder(dir, sizeof dir, &cli.session), stdout);
    return hidi_cli_end(&cli, status);
}

const hidi_command hidi_command_run = {
    "run", "", "all of hierarchical distillation, from one preset, with a report",
    "Makes, in the folder given by --out (run-PRESET), whatever is not there yet: feature net,\n"
    "teacher (shipped with some presets; --train-teacher starts from nothing), stage 1's and\n"
    "stage 2's students; then measures them, draws them and writes report.html.  After an\n"
    "interruption, the same command resumes where it stopped.  While it runs, teacher.svg,\n"
    "stage1.svg and stage2.svg show how far the losses are (drawn anew every ten seconds), and\n"
    "growth/ has samples, and their distances, at a few steps of both stages.\n",
    HIDI_RUN_SECTIONS, run};
