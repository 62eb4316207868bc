/* main.c - hidi: finds the command and runs it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/version.h"

static const hidi_command *const commands[] = {
    &hidi_command_run,        &hidi_command_data,       &hidi_command_features,
    &hidi_command_teacher,    &hidi_command_distill_td, &hidi_command_distill_dm,
    &hidi_command_sample,     &hidi_command_eval,       &hidi_command_probe,
    &hidi_command_bench,      &hidi_command_flops,      &hidi_command_info,
    &hidi_command_convert,    &hidi_command_study,      &hidi_command_selftest};

static void print_usage(FILE *out)
{
    fprintf(out, "usage: hidi COMMAND [options]\n\n"
                 "Hierarchical Distillation of diffusion transformers (arXiv 2511.08930) on a CPU.\n\n"
                 "commands:\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  %-12s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\nhidi COMMAND --help says more; hidi --version the version.\n");
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("hidi %s\n", hidi_version());
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i]->name) == 0)
            return commands[i]->run(commands[i], argc - 1, argv + 1);
    fprintf(stderr, "hidi: no command \"%s\"; hidi --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
