/* eval.c - hidi eval: sets of images against a reference: models' samples, folders, npz files. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#include "lab/eval_report.h"
#include "lab/evaluate.h"
#include "lab/pipeline.h"
#include "core/hash.h"
#include "io/open_tensors.h"
#include "eval/statistics_file.h"
#include "eval/inception.h"

enum { MAX_SETS = 64 };

static const char published_weights[] = "pt_inception-2015-12-05-6726825d.pth";

/* The command line. */
typedef struct request {
    const char *reference, *extractor, *weights, *key, *features, *input, *metrics, *statistics;
    int json;
    char **sets;
    size_t n;
} request;

/* A command in progress. */
typedef struct evaluation {
    const hidi_cli *cli;
    const request *request;
    hidi_eval_context context;
    hidi_extractor extractor;
    char weights[HIDI_PATH], identity[96];
    bool inception;
    hidi_metric_choice choice;
    hidi_metric_options options;
    hidi_eval_set reference;
    hidi_eval_row row[MAX_SETS + 1];
    size_t n;
} evaluation;

/* --- the extractor ---------------------------------------------------------------------------- */

/* Reads the weights, and makes of them what statistics files remember: the same tensors are the
 * same in any format of file and order. */
static hidi_status read_weights(evaluation *e, const char *kind, hidi_tensor_file *file)
{
    uint64_t sum = 0;
    HIDI_TRY(hidi_tensor_file_open(file, e->weights, e->request->key));
    for (size_t i = 0; i < file->n_tensors; i++) {
        const hidi_file_tensor *t = &file->tensor[i];
        sum += hidi_hash(t->data, t->count * hidi_dtype_bytes(t->dtype)) *
               (2 * hidi_hash(t->name, strlen(t->name)) + 1);
    }
    snprintf(e->identity, sizeof e->identity, "%s, weights %016llx", kind, (unsigned long long)sum);
    return HIDI_OK;
}

static hidi_status open_inception(evaluation *e)
{
    hidi_tensor_file file;
    hidi_inception_input input;
    HIDI_TRY(hidi_inception_input_named(&input, e->request->input ? e->request->input
                                                                  : "pytorch-fid"));
    char kind[64];
    snprintf(kind, sizeof kind, "Inception-v3 (%s input)", hidi_inception_input_name(input));
    HIDI_TRY(read_weights(e, kind, &file));
    hidi_status status = hidi_inception_extractor(&e->extractor, e->cli->session.backend, &file, input);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status open_small(evaluation *e)
{
    hidi_tensor_file file;
    hidi_feature_net *net;
    char name[64];
    HIDI_TRY(read_weights(e, "hidi's small feature net", &file));
    hidi_status status = hidi_feature_net_from_file(&net, e->cli->session.backend, &file);
    hidi_tensor_file_free(&file);
    if (status != HIDI_OK)
        return status;
    if (e->context.data != NULL)
        hidi_extractor_name(name, sizeof name, e->context.data);
    else
        snprintf(name, sizeof name, "hidi's small feature net");
    HIDI_TRY(hidi_feature_net_extractor(&e->extractor, net, name));
    const hidi_dataset *data = e->context.data;
    if (data == NULL || (e->extractor.image_size == data->height &&
                         e->extractor.channels == data->channels))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s is for images %zux%zux%zu, %s has %zux%zux%zu",
                      e->weights, e->extractor.image_size, e->extractor.image_size,
                      e->extractor.channels, data->name, data->height, data->width, data->channels);
}

/* Where the weights are: --weights or --features, else the preset's feature net. */
static hidi_status find_weights(evaluation *e)
{
    const request *r = e->request;
    const char *given = r->weights ? r->weights : r->features;
    if (given != NULL) {
        snprintf(e->weights, sizeof e->weights, "%s", given);
        return HIDI_OK;
    }
    if (e->inception)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "--extractor inception needs --weights %s, the file of pytorch-fid's "
                          "releases; --extractor small compares in features of hidi's own, and "
                          "not by FID", published_weights);
    if (e->cli->session.settings.features.file[0] == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "no feature net: --features FILE, or features.file in the preset");
    return hidi_find_ready(e->cli->session.settings.features.file, e->weights, sizeof e->weights);
}

/* --- measuring -------------------------------------------------------------------------------- */

static hidi_gathering gathering(const evaluation *e, bool reference)
{
    hidi_gathering what = {.splits = (size_t)e->cli->session.settings.eval.splits,
                           .order = (hidi_score_order)e->cli->session.settings.eval.order,
                           .progress = e->cli->session.progress};
    hidi_metrics_need(&e->choice, reference, &what);
    return what;
}

static hidi_status measure(evaluation *e, const hidi_eval_set *set)
{
    hidi_eval_row *row = &e->row[e->n];
    snprintf(row->label, sizeof row->label, "%s", set->label);
    row->kind = set->kind;
    row->images = set->images;
    row->evaluations = set->evaluations;
    row->seconds = set->seconds;
    const hidi_status status = hidi_metrics_measure(row->value, &row->subset, &e->choice, &set->set,
                                                    &e->reference.set, &e->options);
    e->n += status == HIDI_OK;
    return hidi_error_prefix(status, "%s", set->label);
}

static hidi_status save_statistics(const evaluation *e, const hidi_eval_set *set)
{
    if (set->set.moments.dim == 0)
        return hidi_error(HIDI_UNSUPPORTED, "%s: no statistics to save", set->label);
    HIDI_TRY(hidi_statistics_write(e->request->statistics, &set->set.moments, &set->set.spatial,
                                   e->identity));
    if (!e->request->json)
        printf("%s: mu, sigma%s of %ld images; features: %s, %s\n", e->request->statistics,
               set->set.spatial.dim > 0 ? ", mu_s, sigma_s" : "", set->images, e->extractor.name,
               e->weights);
    return HIDI_OK;
}

/* Gathers a set, compares it with the reference (compare), and saves its statistics if asked to. */
static hidi_status evaluate(evaluation *e, const char *name, bool compare)
{
    hidi_eval_set set;
    hidi_gathering what = gathering(e, false);
    const bool save = e->request->statistics != NULL;
    what.moments = what.moments || save;
    if (!compare)
        what.features = what.score = what.spectrum = false;
    hidi_status status = hidi_eval_set_gather(&set, &e->context, name, &what);
    if (status == HIDI_OK && save)
        status = save_statistics(e, &set);
    if (status == HIDI_OK && compare)
        status = measure(e, &set);
    hidi_eval_set_free(&set);
    return status;
}

static hidi_status compare_all(evaluation *e)
{
    const request *r = e->request;
    const hidi_gathering what = gathering(e, true);
    char split[32];
    snprintf(split, sizeof split, "data:%s",
             hidi_settings_split(&e->cli->session.settings) == HIDI_TEST ? "test" : "validation");
    HIDI_TRY(hidi_eval_set_gather(&e->reference, &e->context, r->reference ? r->reference : split,
                                  &what));
    if (r->reference == NULL && !e->inception)
        HIDI_TRY(evaluate(e, "data:train", true)); /* for scale */
    for (size_t i = 0; i < r->n; i++)
        HIDI_TRY(evaluate(e, r->sets[i], true));
    const hidi_eval_report report = {.choice = &e->choice,
                                     .options = &e->options,
                                     .row = e->row,
                                     .n = e->n,
                                     .reference = &e->reference,
                                     .extractor = &e->extractor,
                                     .weights = e->weights,
                                     .inception = e->inception};
    if (r->json)
        HIDI_TRY(hidi_eval_print_json(stdout, &report));
    else
        hidi_eval_print(stdout, &report);
    return e->cli->session.out != NULL ? hidi_eval_write_csv(e->cli->session.out, &report) : HIDI_OK;
}

static hidi_status eval(evaluation *e)
{
    const request *r = e->request;
    const bool compare = r->reference != NULL || r->statistics == NULL;
    bool data = compare && r->reference == NULL;
    if (compare && r->reference != NULL)
        data = strncmp(r->reference, "data:", 5) == 0;
    for (size_t i = 0; i < r->n; i++)
        data = data || strncmp(r->sets[i], "data:", 5) == 0;
    HIDI_TRY(find_weights(e));
    if (data)
        HIDI_TRY(hidi_eval_data(&e->context));
    HIDI_TRY(e->inception ? open_inception(e) : open_small(e));
    return compare ? compare_all(e) : evaluate(e, r->sets[0], false);
}

/* --- the command line ------------------------------------------------------------------------- */

static hidi_status check_request(evaluation *e)
{
    const request *r = e->request;
    const hidi_settings *s = &e->cli->session.settings;
    e->inception = strcmp(r->extractor, "inception") == 0;
    if (!e->inception && strcmp(r->extractor, "small") != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "--extractor %s: there are inception and small",
                          r->extractor);
    if (r->input != NULL && !e->inception)
        return hidi_error(HIDI_BAD_ARGUMENT, "--input goes with --extractor inception");
    if (r->weights != NULL && r->features != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "--weights and --features are the same option");
    if (r->statistics != NULL && r->n != 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "--save-statistics takes one set, found %zu", r->n);
    e->options.neighbours = (size_t)s->eval.neighbours;
    e->options.kernel = (hidi_kernel_options){.subsets = (size_t)s->eval.kernel_subsets,
                                              .subset_size = (size_t)s->eval.kernel_subset,
                                              .seed = (uint32_t)s->eval.kernel_seed};
    return hidi_metrics_choose(&e->choice, r->metrics, e->inception);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int first, code;
    request r = {.extractor = "small"};
    evaluation e = {.cli = &cli, .request = &r};
    const hidi_flag flags[] = {
        {"reference", "SET", &r.reference, NULL, "what to compare with (data:test, or eval.split)"},
        {"extractor", "NAME", &r.extractor, NULL, "inception or small (small)"},
        {"weights", "FILE", &r.weights, NULL, "the extractor's weights"},
        {"key", "KEY", &r.key, NULL, "the part of that file that has them (ema, state_dict)"},
        {"features", "FILE", &r.features, NULL,
         "the same, for the small net (else features.file of the preset)"},
        {"input", "NAME", &r.input, NULL, "how Inception sees images: pytorch-fid, tf, clean"},
        {"metrics", "LIST", &r.metrics, NULL,
         "all, or some of fid,is,sfid,kid,pr,spectrum; small: distance,kernel,pr,spectrum"},
        {"save-statistics", "FILE", &r.statistics, NULL,
         "writes mu and sigma of the set to an npz"},
        {"json", NULL, NULL, &r.json, "prints JSON"},
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    r.sets = argv + first;
    r.n = (size_t)(argc - first);
    if (r.n == 0)
        return hidi_cli_usage(&cli,
                              "no set of images given: a model, a folder, an npz, data:train");
    if (r.n > MAX_SETS)
        return hidi_cli_usage(&cli, "more than %d sets", MAX_SETS);
    if (check_request(&e) != HIDI_OK)
        return hidi_cli_usage(&cli, "%s", hidi_error_message());
    hidi_status status = hidi_session_backend(&cli.session);
    e.context = (hidi_eval_context){.session = &cli.session,
                                    .extractor = &e.extractor,
                                    .identity = e.identity,
                                    .eight_bits = e.inception};
    if (status == HIDI_OK)
        status = eval(&e);
    hidi_eval_set_free(&e.reference);
    hidi_extractor_close(&e.extractor);
    hidi_dataset_close(e.context.data);
    return hidi_cli_end(&cli, status);
}

const hidi_command hidi_command_eval = {
    "eval", "SET...", "distances of sets of images to a reference",
    "Compares each SET with a reference.  Both may be\n"
    "  a model               eval.images samples of a teacher or a student (safetensors)\n"
    "  a folder              its PNG files\n"
    "  an npz                arr_0, u8 [N, H, W, C]; or statistics: mu and sigma\n"
    "  data:train, data:validation, data:test   eval.images of the preset's data set\n"
    "--extractor inception with the weights of pytorch-fid gives FID, IS, sFID and KID as\n"
    "pytorch-fid, guided-diffusion, torch-fidelity (--input tf) and clean-fid (--input clean) do;\n"
    "--extractor small compares by Frechet distance, precision and recall in the features of a\n"
    "small net trained on the data set (hidi features), and by the share of high-frequency power:\n"
    "that is not FID.  Without --reference, the first row compares real training images, for\n"
    "scale.  --out: a CSV file.\n",
    "run data sample eval features", run};
