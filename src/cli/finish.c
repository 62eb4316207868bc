/* finish.c - hidi finish: makes a model of a training that is not at its end. */
#include "cli/cli.h"

#include "lab/finish.h"

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    const hidi_flag flags[] = {HIDI_NO_FLAG("backend"),
                               HIDI_NO_FLAG("threads"),
                               HIDI_NO_FLAG("quiet"),
                               {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (argc - first != 2)
        return hidi_cli_usage(&cli, "expected CHECKPOINT and TO");
    return hidi_cli_end(&cli, hidi_finish(argv[first], argv[first + 1]));
}

const hidi_command hidi_command_finish = {
    "finish", "CHECKPOINT TO", "ends a training early: makes a model of its checkpoint",
    "Writes the moving average in a checkpoint of a teacher or a student, NAME.checkpoint.safetensors,\n"
    "as a model.  Written as NAME.safetensors beside the checkpoint, hidi run with the same settings\n"
    "takes it for finished and goes on with what comes next; its metadata say after how many steps\n"
    "it ended (hidi.steps).  hidi sample --key average looks into a checkpoint without a copy.\n",
    "", run};
