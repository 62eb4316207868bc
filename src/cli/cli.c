/* cli.c - how arguments become a session: options with getopt_long, presets, --set; help; exit
 * codes. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/processes.h"
#include "io/atomic_file.h"
#include "io/choice.h"
#include "io/number.h"
#include "lab/settings_check.h"

enum { MAX_FLAGS = 40 };

typedef struct arguments {
    const char *preset, *seed, *threads, *backend, *out;
    int quiet, help;
} arguments;

/* What the settings' table says of a key. */
static const char *help_of(const char *key)
{
    const hidi_option *option = hidi_settings_table;
    while (strcmp(option->key, key) != 0)
        option++;
    return option->help;
}

/* The options that commands have in common, in front of their own. */
static int common_flags(arguments *a, bool with_settings, hidi_flag *flags)
{
    const hidi_flag always[] = {
        HIDI_VALUE("backend", "NAME", &a->backend, help_of("run.backend")),
        HIDI_VALUE("threads", "N", &a->threads, help_of("run.threads")),
        HIDI_SWITCH("quiet", &a->quiet, "show no progress"),
        HIDI_SWITCH("help", &a->help, "print this text")};
    const hidi_flag settings[] = {
        HIDI_VALUE("preset", "NAME", &a->preset,
                   "a preset, or a settings file (a name with / or .ini)"),
        HIDI_VALUE("set", "KEY=VALUE", NULL, "one setting; may be repeated"),
        HIDI_VALUE("seed", "N", &a->seed, "the same as --set run.seed=N"),
        HIDI_RESULT("out", "PATH", &a->out, "where results go")};
    int n = 0;
    for (size_t i = 0; with_settings && i < sizeof settings / sizeof settings[0]; i++)
        flags[n++] = settings[i];
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        flags[n++] = always[i];
    return n;
}

static void print_help(const hidi_command *command, const hidi_flag *flags, int n)
{
    printf("usage: hidi %s [options]%s%s\n\n%s\n\n%s\noptions:\n", command->name,
           command->arguments[0] ? " " : "", command->arguments, command->summary,
           command->description);
    for (int i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "--%s%s%s", flags[i].name, flags[i].value ? " " : "",
                 flags[i].value ? flags[i].value : "");
        printf("  %-27s %s\n", name, flags[i].help);
    }
    if (command->sections[0] == '\0')
        return;
    printf("\nsettings (in a preset or with --set), and their defaults:\n");
    for (const hidi_option *option = hidi_settings_table; option->key != NULL; option++) {
        char name[64], section[32];
        const size_t length = strcspn(option->key, ".");
        snprintf(section, sizeof section, "%.*s", (int)length, option->key);
        if (strstr(command->sections, section) == NULL)
            continue;
        snprintf(name, sizeof name, "%s=%s", option->key, option->initial);
        printf("  %-36s %s%s%s%s\n", name, option->help, option->choices ? " (" : "",
               option->choices ? option->choices : "", option->choices ? ")" : "");
    }
}

/* A usage error that names the option that may be meant. */
static void refuse_option(const hidi_cli *cli, const hidi_flag *flags, int n, const char *argument)
{
    const int length = (int)strcspn(argument, "=");
    char text[64];
    int closest = 0;
    snprintf(text, sizeof text, "%.*s", length > 2 ? length - 2 : 0, length > 2 ? argument + 2 : "");
    for (int i = 1; i < n; i++)
        if (hidi_edit_distance(text, flags[i].name) <
            hidi_edit_distance(text, flags[closest].name))
            closest = i;
    if (hidi_is_misspelt(text, flags[closest].name))
        hidi_cli_usage(cli, "unknown option %.*s; did you mean --%s?", length, argument,
                       flags[closest].name);
    else
        hidi_cli_usage(cli, "unknown option %.*s", length, argument);
}

/* getopt_long's loop; false after a message. */
static bool parse(hidi_cli *cli, arguments *a, const hidi_flag *flags, int n, int argc, char **argv)
{
    struct option options[MAX_FLAGS + 1];
    memset(options, 0, sizeof options);
    for (int i = 0; i < n; i++)
        options[i] = (struct option){
            flags[i].name, flags[i].value ? required_argument : no_argument, NULL, 0};
    optind = 1;
    opterr = 0;
    for (int i, c; (c = getopt_long(argc, argv, ":h", options, &i)) != -1;) {
        if (c == 'h') {
            a->help = 1;
        } else if (c == ':') {
            hidi_cli_usage(cli, "%s needs a value", argv[optind - 1]);
            return false;
        } else if (c == '?') {
            refuse_option(cli, flags, n, argv[optind - 1]);
            return false;
        } else if (strcmp(flags[i].name, "set") == 0) {
            if (cli->session.n_sets == HIDI_MAX_SETS) {
                hidi_cli_usage(cli, "more than %d times --set", HIDI_MAX_SETS);
                return false;
            }
            cli->session.set[cli->session.n_sets++] = optarg;
        } else if (flags[i].value != NULL) {
            *flags[i].text = optarg;
        } else {
            *flags[i].on = 1;
        }
    }
    return true;
}

hidi_status hidi_cli_set(hidi_cli *cli, const char *key, const char *value)
{
    char text[HIDI_CONFIG_TEXT * 2];
    if (value == NULL)
        return HIDI_OK;
    snprintf(text, sizeof text, "%s=%s", key, value);
    return hidi_config_set(hidi_settings_table, &cli->session.settings, text);
}

/* A setting, or what is said of a network in a file. */
static hidi_status set_one(hidi_cli *cli, const char *assignment)
{
    bool taken;
    HIDI_TRY(hidi_given_set(&cli->session.given, assignment, &taken));
    if (taken)
        return HIDI_OK;
    return hidi_config_set(hidi_settings_table, &cli->session.settings, assignment);
}

static hidi_status read_settings(hidi_cli *cli, const arguments *a)
{
    HIDI_TRY(hidi_config_defaults(hidi_settings_table, &cli->session.settings));
    if (cli->session.preset != NULL)
        HIDI_TRY(hidi_read_preset(cli->session.preset, &cli->session.settings));
    for (int i = 0; cli->command->sections[0] != '\0' && i < cli->session.n_sets; i++)
        HIDI_TRY(set_one(cli, cli->session.set[i]));
    HIDI_TRY(hidi_cli_set(cli, "run.seed", a->seed));
    HIDI_TRY(hidi_cli_set(cli, "run.threads", a->threads));
    HIDI_TRY(hidi_cli_set(cli, "run.backend", a->backend));
    return hidi_settings_check(&cli->session.settings, cli->command->sections);
}

/* Appends a command's flag, or puts it in the place of a common one; returns how many there are. */
static int add_flag(hidi_flag *all, int n, const hidi_flag *flag)
{
    int i = 0;
    while (i < n && strcmp(all[i].name, flag->name) != 0)
        i++;
    if (flag->help != NULL) {
        all[i] = *flag;
        return i < n ? n : n + 1;
    }
    for (int k = i; k + 1 < n; k++)
        all[k] = all[k + 1];
    return i < n ? n - 1 : n;
}

/* --- what is read, and what is written -------------------------------------------------------- */

/* A folder is an input only where one can be meant: the name of a preset may be that of a folder of
 * results. */
static hidi_status protect(const char *path, bool folders)
{
    struct stat info;
    if (stat(path, &info) != 0 || !(S_ISREG(info.st_mode) || (folders && S_ISDIR(info.st_mode))))
        return HIDI_OK;
    return hidi_protect_input(path);
}

static hidi_status protect_inputs(const hidi_cli *cli, const hidi_flag *flags, int n, int argc,
                                  char **argv)
{
    const hidi_settings *s = &cli->session.settings;
    const bool writes_last = strstr(cli->command->arguments, " TO") != NULL;
    for (int i = 0; i < n; i++)
        if (flags[i].text != NULL && *flags[i].text != NULL && !flags[i].is_result)
            HIDI_TRY(protect(*flags[i].text, strcmp(flags[i].value, "SET") == 0));
    for (int i = optind; i < argc - writes_last; i++)
        HIDI_TRY(protect(argv[i], true));
    HIDI_TRY(protect(s->data.path, true));
    HIDI_TRY(protect(s->features.file, false));
    HIDI_TRY(protect(s->teacher.file, false));
    HIDI_TRY(protect(s->teacher.start, false));
    for (int i = 0; i < n; i++)
        if (flags[i].text != NULL && *flags[i].text != NULL && flags[i].is_result)
            HIDI_TRY(hidi_refuse_input(*flags[i].text));
    return HIDI_OK;
}

/* Two names of one file, which need not be there yet. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    char folder[2][HIDI_PATH];
    const char *path[2] = {a, b}, *base[2];
    if (stat(a, &of_a) == 0 && stat(b, &of_b) == 0)
        return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
    for (int i = 0; i < 2; i++) {
        const char *slash = strrchr(path[i], '/');
        base[i] = slash != NULL ? slash + 1 : path[i];
        snprintf(folder[i], sizeof folder[i], "%.*s", slash ? (int)(base[i] - path[i]) : 1,
                 slash ? path[i] : ".");
    }
    return strcmp(base[0], base[1]) == 0 && stat(folder[0], &of_a) == 0 &&
           stat(folder[1], &of_b) == 0 && of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

hidi_status hidi_cli_check_outputs(const char *path, const char *other)
{
    if (path != NULL)
        HIDI_TRY(hidi_atomic_check(path));
    if (other != NULL)
        HIDI_TRY(hidi_atomic_check(other));
    if (path != NULL && other != NULL && is_same_file(path, other))
        return hidi_error(HIDI_BAD_ARGUMENT, "%s and %s are the same file", path, other);
    return HIDI_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

bool hidi_cli_begin(hidi_cli *cli, const hidi_command *command, const hidi_flag *flags, int argc,
                    char **argv, int *first, int *code)
{
    hidi_flag all[MAX_FLAGS];
    arguments a;
    memset(&a, 0, sizeof a);
    *cli = (hidi_cli){.command = command};
    int n = common_flags(&a, command->sections[0] != '\0', all);
    for (; flags != NULL && flags->name != NULL && n < MAX_FLAGS; flags++)
        n = add_flag(all, n, flags);
    *code = EXIT_USAGE;
    if (!parse(cli, &a, all, n, argc, argv))
        return false;
    if (first != NULL)
        *first = optind;
    if (a.help) {
        print_help(command, all, n);
        *code = fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
        return false;
    }
    if (first == NULL && optind != argc) {
        hidi_cli_usage(cli, "unexpected argument %s", argv[optind]);
        return false;
    }
    cli->session.preset = a.preset;
    if (a.out != NULL)
        cli->session.out = a.out;
    cli->session.progress = a.quiet || !hidi_process_is_first() ? NULL : stderr;
    if (read_settings(cli, &a) != HIDI_OK) {
        hidi_cli_usage(cli, "%s", hidi_error_message());
        return false;
    }
    const hidi_status status = protect_inputs(cli, all, n, argc, argv);
    if (status != HIDI_OK)
        *code = hidi_cli_end(cli, status);
    return status == HIDI_OK;
}

bool hidi_cli_begin_with_out(hidi_cli *cli, const hidi_command *command, const hidi_flag *flags,
                             int argc, char **argv, int *code)
{
    if (!hidi_cli_begin(cli, command, flags, argc, argv, NULL, code))
        return false;
    if (cli->session.out == NULL)
        *code = hidi_cli_usage(cli, "--out DIR is missing");
    return cli->session.out != NULL;
}

int hidi_cli_end(const hidi_cli *cli, hidi_status status)
{
    if (status == HIDI_OK) {
        if (fflush(stdout) == 0 && !ferror(stdout))
            return EXIT_OK;
        fprintf(stderr, "hidi %s: cannot write to standard output\n", cli->command->name);
        return EXIT_FAILED;
    }
    if (hidi_process_speaks())
        fprintf(stderr, "hidi %s: %s\n", cli->command->name, hidi_error_message());
    return status == HIDI_INTERRUPTED ? EXIT_STOPPED : EXIT_FAILED;
}

int hidi_cli_usage(const hidi_cli *cli, const char *format, ...)
{
    va_list values;
    if (!hidi_process_speaks())
        return EXIT_USAGE;
    fprintf(stderr, "hidi %s: ", cli->command->name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\nhidi %s --help lists the options\n", cli->command->name);
    return EXIT_USAGE;
}

hidi_status hidi_cli_number(const char *option, const char *text, long least, long most,
                            long *value)
{
    if (text == NULL || (hidi_parse_long(text, value) && *value >= least && *value <= most))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "--%s %s: expected a whole number from %ld to %ld", option,
                      text, least, most);
}
