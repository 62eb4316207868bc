/* stage1.c - hidi stage1: the student u(z, r, t, y) learns the average velocity of the teacher's
 * trajectories. */
#include "cli/cli.h"

#include "lab/pipeline.h"

static hidi_status stage1(const char *teacher_path, hidi_session *session)
{
    hidi_dataset *data;
    hidi_dit *teacher = NULL, *student = NULL;
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_refuse_latents(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_load_for(session, data, teacher_path, HIDI_GIVEN_TEACHER, &teacher);
    if (status == HIDI_OK)
        status = hidi_make_stage1(session, data, session->out, teacher, &student);
    if (status == HIDI_OK)
        printf("%s/%s\n", session->out, HIDI_STAGE1_FILE);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    const char *teacher = NULL;
    const hidi_flag flags[] = {
        HIDI_VALUE("teacher", "FILE", &teacher, "the teacher to distill"),
        HIDI_VALUE("key", "KEY", &cli.session.key, "the part of its file that is it (ema)"),
        {0}};
    if (!hidi_cli_begin_with_out(&cli, command, flags, argc, argv, &code))
        return code;
    if (teacher == NULL)
        return hidi_cli_usage(&cli, "--teacher FILE is missing");
    return hidi_cli_end(&cli, stage1(teacher, &cli.session));
}

const hidi_command hidi_command_stage1 = {
    .name = "stage1",
    .arguments = "",
    .summary = "stage 1: trajectory distillation with the MeanFlow objective",
    .description =
        "Writes stage1.safetensors and stage1.csv to the folder given by --out; stage1.svg is its\n"
        "plot, drawn anew every ten seconds.  An interruption leaves a checkpoint, from which the\n"
        "same command resumes.\n"
        HIDI_GIVEN_HELP,
    .sections = "run data student td",
    .run = run};
