/* sample.c - hidi sample: pictures from a teacher or a student. */
#include "cli/cli.h"

#include "lab/evaluate.h"
#include "lab/pictures.h"

#include <stdlib.h>
#include <string.h>

#include "io/open_tensors.h"

typedef struct request {
    const char *model, *count, *columns, *label, *heads, *backbone, *heat;
    long n, per_row, y;
} request;

static hidi_status draw(const hidi_cli *cli, const hidi_dit *net, const request *r, hidi_real *x,
                        int32_t *y)
{
    const size_t n = (size_t)r->n;
    const hidi_sampler sampler = hidi_settings_sampler(&cli->session.settings, net->config.has_interval);
    double seconds;
    hidi_sample_inputs((uint64_t)cli->session.settings.sample.seed, &net->config, 0, n, x, y);
    for (size_t i = 0; r->y >= 0 && i < n; i++)
        y[i] = (int32_t)r->y;
    return hidi_run_sampler(&cli->session, net, &sampler, x, y, n, "sample", &seconds);
}

/* The heat map of the token weights over the samples. */
static hidi_status heat(const hidi_cli *cli, const request *r, const hidi_real *x, const int32_t *y)
{
    hidi_tensor_file file;
    hidi_heads *heads = NULL;
    hidi_dit *backbone = NULL;
    const hidi_time_options *time = &cli->session.settings.dm.adversary_time;
    HIDI_TRY(hidi_tensor_file_open(&file, r->heads, NULL));
    hidi_status status = hidi_heads_from_file(&heads, cli->session.backend, &file);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK)
        status = hidi_dit_load(&backbone, cli->session.backend, r->backbone);
    if (status == HIDI_OK)
        status = hidi_write_heat(r->heat, heads, backbone, x, y, (size_t)r->n,
                                 (time->least + time->most) / 2, (uint64_t)cli->session.settings.sample.seed,
                                 (size_t)r->per_row, (size_t)cli->session.settings.eval.zoom);
    hidi_heads_destroy(heads);
    hidi_dit_destroy(backbone);
    return status;
}

static hidi_status sample(hidi_cli *cli, request *r)
{
    hidi_dit *net = NULL;
    HIDI_TRY(hidi_session_backend(&cli->session));
    HIDI_TRY(hidi_dit_load(&net, cli->session.backend, r->model));
    const hidi_dit_config *c = &net->config;
    const size_t pixels = c->channels * c->image_size * c->image_size;
    hidi_real *x = malloc((size_t)r->n * pixels * sizeof *x);
    int32_t *y = malloc((size_t)r->n * sizeof *y);
    hidi_status status = HIDI_OK;
    if (x == NULL || y == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "no memory for %ld samples", r->n);
    else if (r->y >= (long)c->n_classes)
        status = hidi_error(HIDI_BAD_ARGUMENT, "--class %ld: %s has classes 0 to %zu", r->y, r->model,
                            c->n_classes - 1);
    if (status == HIDI_OK)
        status = draw(cli, net, r, x, y);
    if (status == HIDI_OK)
        status = hidi_write_grid(cli->session.out, x, (size_t)r->n, c, (size_t)r->per_row,
                                 (size_t)cli->session.settings.eval.zoom);
    if (status == HIDI_OK && r->heads != NULL)
        status = heat(cli, r, x, y);
    if (status == HIDI_OK)
        printf("%s\n", cli->session.out);
    free(x);
    free(y);
    hidi_dit_destroy(net);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    request r = {.n = 60, .per_row = 10, .y = -1};
    const hidi_flag flags[] = {
        {"model", "FILE", &r.model, NULL, "a teacher or a student"},
        {"count", "N", &r.count, NULL, "samples (60)"},
        {"columns", "N", &r.columns, NULL, "samples in a row of the picture (10)"},
        {"class", "Y", &r.label, NULL, "one class for all; else they go round"},
        {"heads", "FILE", &r.heads, NULL, "awd heads, for a picture of their token weights"},
        {"backbone", "FILE", &r.backbone, NULL, "the network that these heads read (the teacher)"},
        {"heat", "FILE", &r.heat, NULL, "that picture (heat.png)"},
        {0}};
    r.heat = "heat.png";
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first]);
    if (r.model == NULL)
        return hidi_cli_usage(&cli, "--model FILE is missing");
    if ((r.heads == NULL) != (r.backbone == NULL))
        return hidi_cli_usage(&cli, "--heads and --backbone go together");
    if (cli.session.out == NULL)
        cli.session.out = "samples.png";
    if (hidi_cli_number("count", r.count, 1, 1000000, &r.n) != HIDI_OK ||
        hidi_cli_number("columns", r.columns, 1, 1000, &r.per_row) != HIDI_OK ||
        hidi_cli_number("class", r.label, 0, 1000000, &r.y) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    return hidi_cli_end(&cli, sample(&cli, &r));
}

const hidi_command hidi_command_sample = {
    "sample", "", "draws samples from a teacher or a student into a PNG file",
    "A teacher is sampled with sample.solver, sample.steps and sample.guidance; a student (a file\n"
    "with an interval embedder) in sample.student_steps steps of its average velocity.\n"
    "Noise and classes depend on sample.seed alone, so that two models can be compared cell by\n"
    "cell.  --out names the picture (samples.png).\n",
    "run sample eval", run};
