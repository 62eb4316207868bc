/* stage2.c - hidi stage2: the student of stage 1 becomes a generator, by distribution matching and
 * an adversary. */
#include "cli/cli.h"

#include "lab/pipeline.h"

/* --key is of the teacher's file. */
static hidi_status load_student(const hidi_session *session, const hidi_dataset *data,
                                const char *path, hidi_dit **student)
{
    hidi_session without = hidi_session_to_train(session);
    without.key = NULL;
    return hidi_load_for(&without, data, path, HIDI_GIVEN_ALL, student);
}

static hidi_status stage2(const char *teacher_path, const char *student_path, hidi_session *session)
{
    hidi_dataset *data;
    hidi_dit *teacher = NULL, *start = NULL, *student = NULL;
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_refuse_latents(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_load_for(session, data, teacher_path, HIDI_GIVEN_TEACHER, &teacher);
    if (status == HIDI_OK)
        status = load_student(session, data, student_path, &start);
    if (status == HIDI_OK)
        status = hidi_make_stage2(session, data, session->out, teacher, start, &student);
    if (status == HIDI_OK)
        printf("%s/%s\n", session->out, HIDI_STAGE2_FILE);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(start);
    hidi_dit_destroy(student);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    const char *teacher = NULL, *student = NULL;
    const hidi_flag flags[] = {HIDI_VALUE("teacher", "FILE", &teacher, "the teacher"),
                               HIDI_VALUE("key", "KEY", &cli.session.key,
                                          "the part of the teacher's file that is it (ema)"),
                               HIDI_VALUE("student", "FILE", &student, "stage 1's student"),
                               {0}};
    if (!hidi_cli_begin_with_out(&cli, command, flags, argc, argv, &code))
        return code;
    if (teacher == NULL || student == NULL)
        return hidi_cli_usage(&cli, "--teacher FILE and --student FILE are needed");
    return hidi_cli_end(&cli, stage2(teacher, student, &cli.session));
}

const hidi_command hidi_command_stage2 = {
    .name = "stage2",
    .arguments = "",
    .summary = "stage 2: distribution matching with an adversary",
    .description =
        "Writes stage2.safetensors, fake.safetensors, heads.safetensors and stage2.csv to the\n"
        "folder given by --out; stage2.svg is the plot of the last, drawn anew every ten seconds.\n"
        "An interruption leaves a checkpoint, from which the same command resumes.\n"
        HIDI_GIVEN_HELP,
    .sections = "run data td dm",
    .run = run};
