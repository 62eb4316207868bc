/* cli.h - what the commands share: their table, and how arguments become a session. */
#ifndef HIDI_CLI_CLI_H
#define HIDI_CLI_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "lab/session.h"

/* An option of a command's line.  A switch (value NULL) sets *on to 1, others set *text. */
typedef struct hidi_flag {
    const char *name;  /* without the dashes; NULL ends a list              */
    const char *value; /* what it takes, for the help; NULL: nothing        */
    const char **text;
    int *on;
    const char *help;  /* NULL: a common option that the command has not    */
    bool is_result;    /* the value names what the command writes           */
} hidi_flag;

#define HIDI_SWITCH(name, on, help) {name, NULL, NULL, on, help, false}
#define HIDI_VALUE(name, value, text, help) {name, value, text, NULL, help, false}
#define HIDI_RESULT(name, value, text, help) {name, value, text, NULL, help, true}
#define HIDI_NO_FLAG(name) {name, NULL, NULL, NULL, NULL, false} /* takes a common one away */

typedef struct hidi_command {
    const char *name;
    const char *arguments;   /* "DIR", "[FILE]", "" ...                                     */
    const char *summary;     /* one line                                                    */
    const char *description; /* paragraphs for --help                                       */
    const char *sections;    /* of the settings that it reads, for --help; "": takes none   */
    int (*run)(const struct hidi_command *command, int argc, char **argv);
} hidi_command;

/* The commands, in the order of hidi --help: ENTRY(NAME, an earlier name that is accepted, too).
 * Each is a hidi_command_NAME in a file of its own, cli/NAME.c. */
#define HIDI_COMMANDS(ENTRY)                                                                       \
    ENTRY(run, NULL)                                                                               \
    ENTRY(data, NULL)                                                                              \
    ENTRY(features, NULL)                                                                          \
    ENTRY(autoencoder, NULL)                                                                       \
    ENTRY(teacher, NULL)                                                                           \
    ENTRY(stage1, "distill-td")                                                                    \
    ENTRY(stage2, "distill-dm")                                                                    \
    ENTRY(finish, NULL)                                                                            \
    ENTRY(sample, NULL)                                                                            \
    ENTRY(encode, NULL)                                                                            \
    ENTRY(decode, NULL)                                                                            \
    ENTRY(eval, NULL)                                                                              \
    ENTRY(requests, NULL)                                                                          \
    ENTRY(probe, NULL)                                                                             \
    ENTRY(bench, NULL)                                                                             \
    ENTRY(flops, NULL)                                                                             \
    ENTRY(info, NULL)                                                                              \
    ENTRY(convert, NULL)                                                                           \
    ENTRY(detect, NULL)                                                                            \
    ENTRY(study, NULL)                                                                             \
    ENTRY(selftest, NULL)

#define HIDI_DECLARE_COMMAND(name, earlier) extern const hidi_command hidi_command_##name;
HIDI_COMMANDS(HIDI_DECLARE_COMMAND)

/* For the help of commands that open networks. */
#define HIDI_GIVEN_HELP                                                                            \
    "\n"                                                                                           \
    "Of a network from elsewhere (DiT, SiT, PixArt, diffusers), what its file does not say is given\n" \
    "by --set heads=N, time_scale=S, prediction=velocity, sit or epsilon, image_size=N, code=dit or\n" \
    "diffusers, caption_length=N; with teacher. in front it is of the teacher alone.\n"            \
    "docs/published.md has more.\n"

/* A command in progress. */
typedef struct hidi_cli {
    const hidi_command *command;
    hidi_session session;
} hidi_cli;

/* Reads the arguments: the common ones (--preset, --set, --seed, --threads, --backend, --out,
 * --quiet, --help; without settings only --backend, --threads, --quiet, --help) and `flags`.
 * Presets first, then --set in order.  A command without settings may have a flag "set" of its own:
 * it finds what was given in cli->session.set. *first: index of the first argument that is not an
 * option; first NULL: there may be none.  Returns false if the command is to end with *code: after
 * --help, or after an error that it has printed.  What is given is an input, which nothing that the
 * command writes replaces (hidi_protect_input): every file that is the value of an option or an
 * argument, but for the options that name results (is_result) and an argument that
 * command->arguments calls TO.  A result that is such an input is refused at once.  A flag with the
 * name of a common one takes its place; without help, it takes it away. */
bool hidi_cli_begin(hidi_cli *cli, const hidi_command *command, const hidi_flag *flags, int argc,
                    char **argv, int *first, int *code);

/* The same for a command without other arguments that cannot do without --out DIR. */
bool hidi_cli_begin_with_out(hidi_cli *cli, const hidi_command *command, const hidi_flag *flags,
                             int argc, char **argv, int *code);

/* Sets a setting as an option of the command's own says (value NULL: leaves it). */
hidi_status hidi_cli_set(hidi_cli *cli, const char *key, const char *value);

/* Can these be written (either may be NULL)?  Asked before work is done for them: neither is an
 * input, they are two files, and their folders are there and may be written. */
hidi_status hidi_cli_check_outputs(const char *path, const char *other);

/* Prints "hidi COMMAND: message" for a status that is not HIDI_OK; the exit code for it. */
int hidi_cli_end(const hidi_cli *cli, hidi_status status);

/* A usage error: prints the message and where to find help; returns EXIT_USAGE. */
int hidi_cli_usage(const hidi_cli *cli, const char *format, ...) HIDI_PRINTF(2, 3);

/* The whole number of an option, from least to most; text NULL: leaves *value. */
hidi_status hidi_cli_number(const char *option, const char *text, long least, long most,
                            long *value);

#endif
