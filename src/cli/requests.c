/* requests.c - hidi requests: do pictures show what their captions ask for? */
#include "cli/cli.h"

#include "lab/requesting.h"

static hidi_status judge(hidi_session *session, const hidi_requesting *what,
                         hidi_request_table *table)
{
    HIDI_TRY(hidi_cli_check_outputs(session->out, NULL));
    HIDI_TRY(hidi_session_backend(session));
    HIDI_TRY(hidi_request_all(table, session, what));
    hidi_request_table_print(stdout, table);
    return session->out != NULL ? hidi_request_table_csv(session->out, table) : HIDI_OK;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    hidi_requesting what = {.n = 0};
    hidi_request_table table = {.n = 0};
    const char *guidance = NULL;
    int first, code;
    const hidi_flag flags[] = {
        HIDI_VALUE("guidance", "LIST", &guidance,
                   "guidances that a teacher is sampled with: 1,1.5,3 (sample.guidance)"),
        HIDI_VALUE("key", "KEY", &cli.session.key, "the part of models' files that is it (ema)"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (guidance != NULL && hidi_requesting_read(&what, guidance) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    what.models = argv + first;
    what.n = (size_t)(argc - first);
    const hidi_status status = judge(&cli.session, &what, &table);
    hidi_request_table_free(&table);
    return hidi_cli_end(&cli, status);
}

const hidi_command hidi_command_requests = {
    .name = "requests",
    .arguments = "[MODEL...]",
    .summary = "counts how often pictures show what their captions ask for",
    .description =
        "For the data set scenes (--preset scenes).  Draws eval.images samples of each MODEL, a\n"
        "teacher or a student, for captions as the splits have them, and as many for captions of\n"
        "held-out combinations of colour and shape, and counts which show what is asked for:\n"
        "objects, colours, textures, count, size, relation; both objects of a relation with all\n"
        "their own; everything.  The judge undoes how scenes are drawn; the first rows are what it\n"
        "says of real pictures, its own accuracy, and of real pictures by others' captions.\n"
        "--guidance 1,2,4 samples a teacher with each of these; a student is not guided.  --out\n"
        "names a CSV file.\n"
        HIDI_GIVEN_HELP,
    .sections = "run data sample eval",
    .run = run};
