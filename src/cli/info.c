/* info.c - hidi info: this build, what a configuration needs, what a file holds. */
#include "cli/cli.h"

#include "lab/describe_build.h"
#include "lab/describe_configuration.h"
#include "lab/describe_file.h"

static hidi_status info(hidi_session *session)
{
    HIDI_TRY(hidi_session_backend(session));
    hidi_describe_build(session->backend);
    return hidi_describe_configuration(session);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, tensors = 0, metadata = 0;
    const char *key = NULL;
    const hidi_flag flags[] = {
        HIDI_VALUE("key", "KEY", &key, "of a file: only this part of it (ema, state_dict)"),
        HIDI_SWITCH("tensors", &tensors, "of a file: list every tensor, not only totals"),
        HIDI_SWITCH("metadata", &metadata, "of a file: all of its metadata"),
        HIDI_NO_FLAG("out"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first == argc && (tensors || metadata || key != NULL))
        return hidi_cli_usage(&cli, "--key, --tensors and --metadata go with a FILE");
    if (first == argc)
        return hidi_cli_end(&cli, info(&cli.session));
    const hidi_dit_given given = hidi_session_given(&cli.session, HIDI_GIVEN_ALL);
    code = EXIT_OK;
    for (int i = first; i < argc; i++) /* one that is bad does not hide the others */
        if (hidi_cli_end(&cli, hidi_describe_file(argv[i], key, &given, metadata != 0,
                                                  tensors != 0)) != EXIT_OK)
            code = EXIT_FAILED;
    return code;
}

const hidi_command hidi_command_info = {
    "info", "[FILE ...]", "describes this build, a configuration, or a file of weights",
    "Without FILE: version, compiler, backends, where data files are found, and the networks of\n"
    "the configuration (--preset, --set) with the memory that a step of each training and of\n"
    "sampling needs.  This is counted, not estimated: the steps are taken without arithmetic, on\n"
    "memory that is reserved but never touched.  models: parameters, gradients, moments and\n"
    "averages; activations: the most that the tape holds at one time; allocated: all memory that\n"
    "is requested.  The program, its libraries and the data set come on top.  With --preset, the\n"
    "time is that of a few steps on this machine; of sampling, of eval.images samples.\n"
    "\n"
    "With FILEs (safetensors, PyTorch's .pt and .pth, npz; told apart by their content): what\n"
    "each holds, and whether a network that hidi knows is complete and finite; of a DiT or SiT from\n"
    "elsewhere, also its size and what it takes to sample from it.  Nothing\n"
    "that a PyTorch file would have Python call is called: such things are listed, and not read.\n"
    HIDI_GIVEN_HELP,
    "run data model teacher student td dm sample", run};
