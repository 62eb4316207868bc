/* main.c - hidi: finds the command and runs it, after it has made sure that nothing that is written
 * lands where it does not belong. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "cli/cli.h"
#include "core/processes.h"
#include "core/version.h"
#include "io/choice.h"

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

static int refuse_command(const char *name)
{
    const char *closest = commands[0].command->name;
    for (int i = 1; i < COMMANDS; i++)
        if (hidi_edit_distance(name, commands[i].command->name) < hidi_edit_distance(name, closest))
            closest = commands[i].command->name;
    fprintf(stderr, "hidi: no command \"%s\"; ", name);
    if (hidi_is_misspelt(name, closest))
        fprintf(stderr, "did you mean \"%s\"?  ", closest);
    fprintf(stderr, "hidi --help lists them\n");
    return EXIT_USAGE;
}

/* Where a standard stream is closed, the next file that is opened would become it, and messages
 * would land there. */
static void open_standard_streams(void)
{
    for (int i = 0; i < 3; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != i)
            _exit(EXIT_FAILED);
}

/* The commands that train, take their steps together; these and others share images out. */
static bool shares_work(const hidi_command *command)
{
    return command == &hidi_command_run || command == &hidi_command_features ||
           command == &hidi_command_autoencoder ||
           command == &hidi_command_teacher || command == &hidi_command_stage1 ||
           command == &hidi_command_stage2 || command == &hidi_command_detect ||
           command == &hidi_command_sample || command == &hidi_command_encode ||
           command == &hidi_command_eval || command == &hidi_command_requests ||
           command == &hidi_command_bench;
}

/* As one of the processes of an MPI run, if it is one. */
static int run_with_others(const hidi_command *command, int argc, char **argv)
{
    hidi_status status = hidi_processes_begin();
    if (status == HIDI_OK && hidi_processes() > 1 && !shares_work(command))
        status = hidi_processes_agree(
            hidi_error(HIDI_UNSUPPORTED,
                       "hidi %s works in one process: start it without mpirun (run, features, "
                       "autoencoder, teacher, stage1, stage2, detect, sample, encode, eval and "
                       "requests share their work)",
                       command->name));
    if (status != HIDI_OK) {
        if (hidi_process_speaks())
            fprintf(stderr, "hidi: %s\n", hidi_error_message());
        hidi_processes_end(EXIT_FAILED);
        return EXIT_FAILED;
    }
    if (!hidi_process_is_first() && freopen("/dev/null", "w", stdout) == NULL)
        return EXIT_FAILED;
    const int code = command->run(command, argc, argv);
    hidi_processes_end(code);
    return code;
}

/* OpenBLAS chooses its kernels when it is loaded: where it has chosen badly, it is told better and
 * the program is started again.  Who has set OPENBLAS_CORETYPE is not overruled. */
static void restart_with_better_blas(char **argv)
{
    const char *core = hidi_better_blas_core();
    if (core != NULL && getenv("OPENBLAS_CORETYPE") == NULL &&
        setenv("OPENBLAS_CORETYPE", core, 0) == 0)
        execv("/proc/self/exe", argv); /* where there is none: on, with what there is */
}

int main(int argc, char **argv)
{
    restart_with_better_blas(argv);
    open_standard_streams();
    signal(SIGXFSZ, SIG_IGN); /* a file above the limit is an error with a message, EFBIG */
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0 && argc > 2) { /* hidi help COMMAND: hidi COMMAND --help */
        char *help[] = {argv[2], (char[]){"--help"}, NULL};
        const hidi_command *about = find_command(argv[2]);
        return about != NULL ? about->run(about, 2, help) : refuse_command(argv[2]);
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
    return command != NULL ? run_with_others(command, argc - 1, argv + 1)
                           : refuse_command(argv[1]);
}
