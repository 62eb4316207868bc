/* eval.c - hidi eval: distances of a model's samples, or of a folder of pictures, to a data set. */
#include "cli/evaluate.h"
#include "cli/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/open_tensors.h"

enum { MAX_MODELS = 64 };

static hidi_status open_extractor(const hidi_cli *cli, const hidi_dataset *data, const char *path,
                                  hidi_extractor *extractor)
{
    hidi_tensor_file file;
    hidi_feature_net *net;
    char found[HIDI_PATH], name[64];
    if (path == NULL) {
        if (cli->settings.features.file[0] == '\0')
            return hidi_error(HIDI_BAD_ARGUMENT, "no feature net: --features FILE, or features.file in "
                                                 "the preset");
        HIDI_TRY(hidi_find_ready(cli->settings.features.file, found, sizeof found));
        path = found;
    }
    HIDI_TRY(hidi_tensor_file_open(&file, path, NULL));
    hidi_status status = hidi_feature_net_from_file(&net, cli->backend, &file);
    hidi_tensor_file_free(&file);
    if (status != HIDI_OK)
        return status;
    hidi_extractor_name(name, sizeof name, data);
    HIDI_TRY(hidi_feature_net_extractor(extractor, net, name));
    if (extractor->image_size == data->height && extractor->channels == data->channels)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is for images %zux%zux%zu, %s has %zux%zux%zu", path,
                      extractor->image_size, extractor->image_size, extractor->channels, data->name,
                      data->height, data->width, data->channels);
}

/* One model's row of the table. */
static hidi_status measure_model(const hidi_cli *cli, const hidi_dataset *data, const char *path,
                                 hidi_extractor *extractor, const hidi_image_set *real,
                                 hidi_measurement *m)
{
    hidi_dit *net;
    HIDI_TRY(hidi_load_for(cli, data, path, &net));
    const hidi_sampler sampler = hidi_settings_sampler(&cli->settings, net->config.has_interval);
    const char *base = strrchr(path, '/');
    snprintf(m->label, sizeof m->label, "%.40s, %ld step%s", base ? base + 1 : path, sampler.steps,
             sampler.steps == 1 ? "" : "s");
    hidi_status status = hidi_measure_net(m, cli, net, &sampler, extractor, real);
    hidi_dit_destroy(net);
    return status;
}

static hidi_status eval(hidi_cli *cli, const char *features, char **models, size_t n)
{
    hidi_dataset *data = NULL;
    hidi_extractor extractor = {.state = NULL};
    hidi_image_set real = {0}, train = {0};
    hidi_measurement m[MAX_MODELS + 1];
    const size_t images = (size_t)cli->settings.eval.images;
    HIDI_TRY(hidi_cli_backend(cli));
    HIDI_TRY(hidi_cli_data(cli, &data));
    hidi_status status = open_extractor(cli, data, features, &extractor);
    if (status == HIDI_OK)
        status = hidi_image_set_real(&real, &extractor, data,
                                     hidi_settings_split(&cli->settings), images);
    if (status == HIDI_OK)
        status = hidi_image_set_real(&train, &extractor, data, HIDI_TRAIN, images);
    m[0] = (hidi_measurement){.label = "real (training split)", .seconds = NAN};
    if (status == HIDI_OK)
        status = hidi_measure(&m[0], &train, &real, (size_t)cli->settings.eval.neighbours);
    for (size_t i = 0; i < n && status == HIDI_OK; i++)
        status = measure_model(cli, data, models[i], &extractor, &real, &m[i + 1]);
    if (status == HIDI_OK)
        hidi_print_measurements(stdout, m, n + 1, extractor.name);
    if (status == HIDI_OK && cli->out != NULL)
        status = hidi_write_measurements(cli->out, m, n + 1);
    hidi_image_set_free(&real);
    hidi_image_set_free(&train);
    hidi_extractor_close(&extractor);
    hidi_dataset_close(data);
    return status;
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    const char *features = NULL;
    const hidi_flag flags[] = {
        {"features", "FILE", &features, NULL, "the feature net (else features.file of the preset)"},
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first == argc)
        return hidi_cli_usage(&cli, "no model given");
    if (argc - first > MAX_MODELS)
        return hidi_cli_usage(&cli, "more than %d models", MAX_MODELS);
    return hidi_cli_end(&cli, eval(&cli, features, argv + first, (size_t)(argc - first)));
}

const hidi_command hidi_command_eval = {
    "eval", "MODEL...", "distances of models' samples to a data set",
    "Draws eval.images samples of each model and compares them with as many real images (eval.split):\n"
    "Frechet distance, precision and recall in the features of a small net trained on the data\n"
    "set (hidi features), and the share of high-frequency power.  Not FID: that name belongs to\n"
    "Inception-v3.  The first row compares real training images, for scale.  --out: a CSV file.\n",
    "run data sample eval features", run};
