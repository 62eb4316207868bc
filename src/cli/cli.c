/* cli.c */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/number.h"

#ifndef HIDI_DATADIR
#define HIDI_DATADIR "data"
#endif

enum { MAX_FLAGS = 40 };

typedef struct arguments {
    const char *preset, *seed, *threads, *backend, *out;
    int quiet, help;
} arguments;

/* The options that commands have in common, in front of their own. */
static int common_flags(arguments *a, bool with_settings, hidi_flag *flags)
{
    const hidi_flag always[] = {
        {"backend", "NAME", &a->backend, NULL, "reference, cpu or cuda"},
        {"threads", "N", &a->threads, NULL, "threads; 0: as many as there are"},
        {"quiet", NULL, NULL, &a->quiet, "no progress"},
        {"help", NULL, NULL, &a->help, "this text"}};
    const hidi_flag settings[] = {
        {"preset", "NAME", &a->preset, NULL, "a preset, or a file of settings with a / or .ini"},
        {"set", "KEY=VALUE", NULL, NULL, "one setting; may be repeated"},
        {"seed", "N", &a->seed, NULL, "the same as --set run.seed=N"},
        {"out", "PATH", &a->out, NULL, "where results go"}};
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
        printf("  %-24s %s\n", name, flags[i].help);
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

/* getopt_long's loop; false after a message. */
static bool parse(hidi_cli *cli, arguments *a, const hidi_flag *flags, int n, int argc, char **argv)
{
    struct option options[MAX_FLAGS + 1];
    memset(options, 0, sizeof options);
    for (int i = 0; i < n; i++)
        options[i] = (struct option){flags[i].name, flags[i].value ? required_argument : no_argument,
                                     NULL, 0};
    optind = 1;
    opterr = 0;
    for (int i, c; (c = getopt_long(argc, argv, ":h", options, &i)) != -1;) {
        if (c == 'h') {
            a->help = 1;
        } else if (c == ':') {
            hidi_cli_usage(cli, "%s needs a value", argv[optind - 1]);
            return false;
        } else if (c == '?') {
            hidi_cli_usage(cli, "unknown option %s", argv[optind - 1]);
            return false;
        } else if (strcmp(flags[i].name, "set") == 0) {
            if (cli->n_sets == HIDI_MAX_SETS) {
                hidi_cli_usage(cli, "more than %d --set", HIDI_MAX_SETS);
                return false;
            }
            cli->set[cli->n_sets++] = optarg;
        } else if (flags[i].value != NULL) {
            *flags[i].text = optarg;
        } else {
            *flags[i].on = 1;
        }
    }
    return true;
}

hidi_status hidi_cli_preset(const char *preset, hidi_settings *settings)
{
    char path[HIDI_PATH], name[HIDI_PATH];
    if (strchr(preset, '/') != NULL || strstr(preset, ".ini") != NULL)
        return hidi_config_read(hidi_settings_table, settings, preset);
    snprintf(name, sizeof name, "presets/%s.ini", preset);
    HIDI_TRY(hidi_cli_find(path, sizeof path, name));
    return hidi_config_read(hidi_settings_table, settings, path);
}

static hidi_status set_from(hidi_cli *cli, const char *key, const char *value)
{
    char text[HIDI_CONFIG_TEXT * 2];
    if (value == NULL)
        return HIDI_OK;
    snprintf(text, sizeof text, "%s=%s", key, value);
    return hidi_config_set(hidi_settings_table, &cli->settings, text);
}

static hidi_status read_settings(hidi_cli *cli, const arguments *a)
{
    HIDI_TRY(hidi_config_defaults(hidi_settings_table, &cli->settings));
    if (cli->preset != NULL)
        HIDI_TRY(hidi_cli_preset(cli->preset, &cli->settings));
    for (int i = 0; cli->command->sections[0] != '\0' && i < cli->n_sets; i++)
        HIDI_TRY(hidi_config_set(hidi_settings_table, &cli->settings, cli->set[i]));
    HIDI_TRY(set_from(cli, "run.seed", a->seed));
    HIDI_TRY(set_from(cli, "run.threads", a->threads));
    return set_from(cli, "run.backend", a->backend);
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
    *first = optind;
    if (a.help) {
        print_help(command, all, n);
        *code = fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
        return false;
    }
    cli->preset = a.preset;
    cli->out = a.out;
    cli->progress = a.quiet ? NULL : stderr;
    if (read_settings(cli, &a) != HIDI_OK) {
        hidi_cli_usage(cli, "%s", hidi_error_message());
        return false;
    }
    return true;
}

hidi_status hidi_cli_backend(hidi_cli *cli)
{
    HIDI_TRY(hidi_backend_open(cli->settings.run.backend, &cli->backend));
    if (cli->settings.run.threads > 0)
        cli->backend->set_threads((int)cli->settings.run.threads);
    return HIDI_OK;
}

hidi_status hidi_cli_data(const hidi_cli *cli, hidi_dataset **data)
{
    const hidi_settings *s = &cli->settings;
    HIDI_TRY(hidi_dataset_open(data, s->data.name, s->data.path[0] ? s->data.path : NULL,
                               (size_t)s->data.size, (uint64_t)s->run.seed));
    hidi_status status = HIDI_OK;
    if ((*data)->height != (*data)->width)
        status = hidi_error(HIDI_UNSUPPORTED, "%s: images of %zux%zu; only square ones are "
                                              "supported",
                            s->data.path, (*data)->height, (*data)->width);
    if (status == HIDI_OK)
        status = hidi_error_prefix(hidi_dataset_hold_out(*data, (uint64_t)s->data.validation),
                                   "data.validation");
    if (status == HIDI_OK)
        return HIDI_OK;
    hidi_dataset_close(*data);
    *data = NULL;
    return status;
}

int hidi_cli_end(const hidi_cli *cli, hidi_status status)
{
    if (status == HIDI_OK) {
        if (fflush(stdout) == 0 && !ferror(stdout))
            return EXIT_OK;
        fprintf(stderr, "hidi %s: cannot write to standard output\n", cli->command->name);
        return EXIT_FAILED;
    }
    fprintf(stderr, "hidi %s: %s\n", cli->command->name, hidi_error_message());
    return status == HIDI_INTERRUPTED ? EXIT_STOPPED : EXIT_FAILED;
}

int hidi_cli_usage(const hidi_cli *cli, const char *format, ...)
{
    va_list values;
    fprintf(stderr, "hidi %s: ", cli->command->name);
    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fprintf(stderr, "\nhidi %s --help lists the options\n", cli->command->name);
    return EXIT_USAGE;
}

hidi_status hidi_cli_find(char *path, size_t size, const char *name)
{
    const char *folders[] = {getenv("HIDI_DATA"),
#ifdef HIDI_SOURCE_DATADIR
                             HIDI_SOURCE_DATADIR,
#endif
                             HIDI_DATADIR};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (folders[i] == NULL || folders[i][0] == '\0')
            continue;
        hidi_cli_path(path, size, folders[i], name);
        if (access(path, R_OK) == 0)
            return HIDI_OK;
    }
    return hidi_error(HIDI_BAD_FILE, "%s is not in %s%s%s", name, folders[0] ? folders[0] : "",
                      folders[0] ? " nor in " : "", HIDI_DATADIR);
}

char *hidi_cli_path(char *path, size_t size, const char *dir, const char *name)
{
    snprintf(path, size, "%s/%s", dir, name);
    return path;
}

hidi_status hidi_cli_number(const char *option, const char *text, long least, long most, long *value)
{
    if (text == NULL || (hidi_parse_long(text, value) && *value >= least && *value <= most))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "--%s %s: expected a whole number from %ld to %ld", option,
                      text, least, most);
}

char *hidi_cli_bytes(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    for (; bytes >= 1023.5 && i + 1 < sizeof units / sizeof units[0]; i++)
        bytes /= 1024;
    snprintf(text, size, i == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes, units[i]);
    return text;
}

static volatile sig_atomic_t stop_flag;

static void handle_signal(int number)
{
    stop_flag = 1;
    signal(number, SIG_DFL); /* a second one ends the process */
}

const volatile sig_atomic_t *hidi_cli_stop_flag(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle_signal;
    sigemptyset(&action.sa_mask);
    action.sa_flags = SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return &stop_flag;
}
