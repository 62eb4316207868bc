/* detect.c - hidi detect: what is a discriminator good for?  Heads alone, on damaged images. */
#include "cli/cli.h"

#include "lab/detecting.h"
#include "lab/pipeline.h"

static hidi_status detect(const char *path, hidi_session *session)
{
    hidi_dataset *data;
    hidi_dit *backbone = NULL;
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_session_data(session, &data));
    hidi_status status = hidi_load_for(session, data, path, HIDI_GIVEN_TEACHER, &backbone);
    if (status == HIDI_OK)
        status = hidi_detect(session, data, session->out, backbone);
    hidi_dit_destroy(backbone);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code;
    const char *teacher = NULL;
    const hidi_flag flags[] = {
        HIDI_VALUE("teacher", "FILE", &teacher, "the frozen network whose features are read"),
        HIDI_VALUE("key", "KEY", &cli.session.key, "the part of its file that is it (ema)"),
        {0}};
    if (!hidi_cli_begin_with_out(&cli, command, flags, argc, argv, &code))
        return code;
    if (teacher == NULL)
        return hidi_cli_usage(&cli, "--teacher FILE is missing");
    return hidi_cli_end(&cli, detect(teacher, &cli.session));
}

const hidi_command hidi_command_detect = {
    .name = "detect",
    .arguments = "",
    .summary = "trains discriminators alone, to tell real images from damaged ones",
    .description =
        "All heads of detect.heads learn on the same features, images and noise to tell real\n"
        "images from real ones of which detect.damaged tokens are damaged.  On images that they\n"
        "have not seen it is then measured how well they do (accuracy, AUC), which share of the\n"
        "gradient that a generator would get falls on the damaged tokens, and which share of the\n"
        "token weights.  Prints the table and writes it as detection.csv to the folder given by\n"
        "--out, with detect.csv (the log) and detect-1.safetensors and so on (the heads).\n"
        HIDI_GIVEN_HELP,
    .sections = "run data detect eval",
    .run = run};
