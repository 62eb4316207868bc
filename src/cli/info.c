/* info.c - hidi info: this build, what a configuration needs, what a file holds. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/describe_file.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/version.h"
#include "lab/step.h"
#include "model/macs.h"

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

/* --- this build ------------------------------------------------------------------------------- */

/* One that is built in, but not the one to be used, may lack its device. */
static void print_backends(const hidi_backend *chosen)
{
    char names[128], *rest = NULL;
    snprintf(names, sizeof names, "%s", hidi_backend_names());
    for (char *name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
        const hidi_backend *backend;
        if (hidi_backend_open(name, &backend) != HIDI_OK)
            printf("  backend     %s: not usable here: %s\n", name, hidi_error_message());
        else
            printf("  backend     %s: %s%s\n", name, backend->describe(),
                   backend == chosen ? "  (in use)" : "");
    }
    printf("  threads     %d\n", chosen->threads());
}

static int is_preset(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending != NULL && ending != entry->d_name && strcmp(ending, ".ini") == 0;
}

/* The folder where data files are found, and its presets. */
static void print_data_files(void)
{
    char path[HIDI_PATH];
    struct dirent **presets;
    if (hidi_find_data_file(path, sizeof path, "presets") != HIDI_OK) {
        printf("  data files  %s\n", hidi_error_message());
        return;
    }
    const int n = scandir(path, &presets, is_preset, alphasort);
    *strrchr(path, '/') = '\0';
    printf("  data files  %s\n  presets    ", path);
    for (int i = 0; i < n; i++) {
        printf(" %.*s", (int)(strlen(presets[i]->d_name) - strlen(".ini")), presets[i]->d_name);
        free(presets[i]);
    }
    if (n > 0)
        free(presets);
    printf("%s\n", n > 0 ? "" : " none");
}

static hidi_status print_build(const hidi_backend *chosen)
{
    char text[32];
    const double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    printf("hidi %s\n", hidi_version());
    printf("  compiler    %s\n", COMPILER);
    printf("  precision   %s\n", sizeof(hidi_real) == sizeof(float) ? "single" : "double");
    printf("  built with  %s\n", hidi_backend_build());
    print_backends(chosen);
    if (memory > 0)
        printf("  memory      %s\n", hidi_bytes_text(text, sizeof text, memory));
    print_data_files();
    return HIDI_OK;
}

/* --- the configuration ------------------------------------------------------------------------ */

static hidi_status print_model(const char *label, const hidi_dit_config *config)
{
    char text[256];
    hidi_dit *dit;
    HIDI_TRY(hidi_dit_create(&dit, hidi_dry_backend(hidi_reference_backend()), config));
    printf("  %-10s  %s\n", label, hidi_dit_text(config, text, sizeof text));
    printf("              %zu parameters; a forward pass: %.4g million multiply-adds an image\n",
           dit->params.count, 1e-6 * hidi_dit_macs(config));
    hidi_dit_destroy(dit);
    return HIDI_OK;
}

static hidi_status print_memory(const hidi_settings *s, const hidi_dit_config *config,
                                const hidi_dataset *data, const hidi_backend *backend)
{
    printf("\n%-28s %6s %12s %12s %12s\n", "memory that is needed", "batch", "models",
           "activations", "allocated");
    for (int i = 0; i < HIDI_STEP_KINDS; i++) {
        const hidi_step_kind work = (hidi_step_kind)i;
        char models[32], tape[32], all[32];
        hidi_footprint f;
        HIDI_TRY(hidi_step_footprint(&f, work, s, config, data, backend));
        printf("  %-26s %6zu %12s %12s %12s\n", hidi_step_name(work), hidi_step_batch(work, s),
               hidi_bytes_text(models, sizeof models, (double)f.models),
               hidi_bytes_text(tape, sizeof tape, (double)f.tape),
               hidi_bytes_text(all, sizeof all, (double)f.allocated));
    }
    return HIDI_OK;
}

static hidi_status print_configuration(const hidi_cli *cli)
{
    hidi_dataset *data;
    HIDI_TRY(hidi_session_data(&cli->session, &data));
    hidi_dit_config config = hidi_settings_dit(&cli->session.settings, data);
    printf("\nconfiguration: %s%s\n", cli->session.preset ? cli->session.preset : "the defaults",
           cli->session.n_sets > 0 ? " and --set" : "");
    printf("  data        %s, %zux%zux%zu, %zu classes\n", data->name, data->height, data->width,
           data->channels, data->n_classes);
    hidi_status status = print_model("teacher", &config);
    config.has_interval = true;
    if (status == HIDI_OK)
        status = print_model("student", &config);
    config.has_interval = false;
    if (status == HIDI_OK)
        status = print_memory(&cli->session.settings, &config, data, cli->session.backend);
    hidi_dataset_close(data);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static hidi_status info(hidi_cli *cli)
{
    HIDI_TRY(hidi_session_backend(&cli->session));
    HIDI_TRY(print_build(cli->session.backend));
    return print_configuration(cli);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code, tensors = 0, metadata = 0;
    const char *key = NULL;
    const hidi_flag flags[] = {
        {"key", "KEY", &key, NULL, "of a file: only this part of it (ema, state_dict)"},
        {"tensors", NULL, NULL, &tensors, "of a file: every tensor, not their sums"},
        {"metadata", NULL, NULL, &metadata, "of a file: all of its metadata"},
        {"out", NULL, NULL, NULL, NULL},
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first == argc && (tensors || metadata || key != NULL))
        return hidi_cli_usage(&cli, "--key, --tensors and --metadata go with a FILE");
    if (first == argc)
        return hidi_cli_end(&cli, info(&cli));
    code = EXIT_OK;
    for (int i = first; i < argc; i++) /* one that is bad does not hide the others */
        if (hidi_cli_end(&cli, hidi_describe_file(argv[i], key, metadata != 0, tensors != 0)) !=
            EXIT_OK)
            code = EXIT_FAILED;
    return code;
}

const hidi_command hidi_command_info = {
    "info", "[FILE ...]", "says what this build, a configuration, or a file of weights is",
    "Without FILE: version, compiler, backends, where data files are found, and the networks of\n"
    "the configuration (--preset, --set) with the memory that a step of each training and of\n"
    "sampling needs.  It is found out by taking these steps without arithmetic, on memory that is\n"
    "reserved but never touched: no estimate.  models: parameters, gradients, moments and\n"
    "averages; activations: the most that the tape holds at one time; allocated: all that is\n"
    "asked for.  The program, its libraries and the data set come on top.\n"
    "\n"
    "With FILEs (safetensors, PyTorch's .pt and .pth, npz; told apart by their content): what\n"
    "each holds, and, of networks that are known, whether it is complete and finite.  Nothing\n"
    "that a PyTorch file would have Python call is called: such things are listed, and not read.\n",
    "run data model teacher student td dm sample", run};
