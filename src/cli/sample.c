/* sample.c - hidi sample: pictures from a teacher or a student. */
#include "cli/cli.h"

#include "lab/pictures.h"

static hidi_status sample(hidi_session *session, const hidi_sample_request *request)
{
    HIDI_TRY(hidi_cli_check_outputs(session->out, request->heads ? request->heat : NULL));
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_write_samples(session, request));
    printf("%s\n", session->out);
    return HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    const char *count = NULL, *columns = NULL, *label = NULL;
    hidi_sample_request r = {.heat = "heat.png", .count = 60, .columns = 10, .label = -1};
    const hidi_flag flags[] = {
        {"model", "FILE", &r.model, NULL, "a teacher or a student"},
        {"count", "N", &count, NULL, "number of samples (60)"},
        {"columns", "N", &columns, NULL, "samples per row of the picture (10)"},
        {"class", "Y", &label, NULL, "one class for all; otherwise every class in turn"},
        {"heads", "FILE", &r.heads, NULL, "awd heads, for a picture of their token weights"},
        {"backbone", "FILE", &r.backbone, NULL, "the network that these heads read (the teacher)"},
        {"heat", "FILE", &r.heat, NULL, "where that picture goes (heat.png)"},
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first]);
    if (r.model == NULL)
        return hidi_cli_usage(&cli, "--model FILE is missing");
    if ((r.heads == NULL) != (r.backbone == NULL))
        return hidi_cli_usage(&cli, "--heads and --backbone go together");
    if (cli.session.out == NULL)
        cli.session.out = "samples.png";
    if (hidi_cli_number("count", count, 1, 1000000, &r.count) != HIDI_OK ||
        hidi_cli_number("columns", columns, 1, 1000, &r.columns) != HIDI_OK ||
        hidi_cli_number("class", label, 0, 1000000, &r.label) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, sample(&cli.session, &r));
}

const hidi_command hidi_command_sample = {
    "sample", "", "draws samples from a teacher or a student into a PNG file",
    "A teacher is sampled with sample.solver, sample.steps and sample.guidance; a student (a file\n"
    "with an interval embedder) in sample.student_steps steps of its average velocity.\n"
    "Noise and classes depend on sample.seed alone, so that two models can be compared cell by\n"
    "cell.  --out names the picture (samples.png).\n",
    "run sample eval", run};
