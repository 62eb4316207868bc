/* teacher.c - hidi teacher: trains the velocity v(z, t, y) that is to be distilled. */
#include "cli/cli.h"

#include "lab/pipeline.h"

static hidi_status teacher(hidi_session *session)
{
    hidi_dataset *data;
    hidi_dit *dit;
    session->settings.teacher.file[0] = '\0'; /* to be trained, not read */
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_refuse_latents(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_make_teacher(session, data, session->out, &dit);
    if (status == HIDI_OK)
        printf("%s/%s\n", session->out, HIDI_TEACHER_FILE);
    hidi_dit_destroy(dit);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    if (!hidi_cli_begin_with_out(&cli, command, NULL, argc, argv, &code))
        return code;
    return hidi_cli_end(&cli, teacher(&cli.session));
}

const hidi_command hidi_command_teacher = {
    .name = "teacher",
    .arguments = "",
    .summary = "trains a teacher DiT by flow matching",
    .description =
        "Writes teacher.safetensors (the moving average of the weights) and teacher.csv to the\n"
        "folder given by --out; teacher.svg is its plot, drawn anew every ten seconds.  An\n"
        "interruption leaves a checkpoint, from which the same command resumes.\n",
    .sections = "run data model teacher",
    .run = run};
