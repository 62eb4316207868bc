/* main.c - hidi: finds the command and runs it, after it has made sure that nothing that is written
 * lands where it does not belong. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/version.h"

#define ENTRY(name, earlier) {&hidi_command_##name, earlier},
static const struct {
    const hidi_command *command;
    const char *earlier_name; /* NULL: none */
} commands[] = {HIDI_COMMANDS(ENTRY)};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *out)
{
    const char *before = "\nearlier names: ";
    fprintf(out, "usage: hidi COMMAND [options]\n\n"
                 "Hierarchical Distillation of diffusion transformers (arXiv 2511.08930) on a CPU.\n\n"
                 "commands:\n");
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-12s %s\n", commands[i].command->name, commands[i].command->summary);
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].earlier_name != NULL) {
            fprintf(out, "%s%s for %s", before, commands[i].earlier_name,
                    commands[i].command->name);
            before = ", ";
        }
    fprintf(out, "\nhidi COMMAND --help says more; hidi --version prints the version.\n");
}

/* NULL: there is none of that name. */
static const hidi_command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].command->name, name) == 0 ||
            (commands[i].earlier_name != NULL && strcmp(commands[i].earlier_name, name) == 0))
            return commands[i].command;
    return NULL;
}

/* Where a standard stream is closed, the next file that is opened would become it, and messages
 * would land there. */
static void open_standard_streams(void)
{
    for (int i = 0; i < 3; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != i)
            _exit(EXIT_FAILED);
}

int main(int argc, char **argv)
{
    open_standard_streams();
    signal(SIGXFSZ, SIG_IGN); /* a file above the limit is an error with a message, EFBIG */
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
    const hidi_command *command = find_command(argv[1]);
    if (command != NULL)
        return command->run(command, argc - 1, argv + 1);
    fprintf(stderr, "hidi: no command \"%s\"; hidi --help lists them\n", argv[1]);
    return EXIT_USAGE;
}
