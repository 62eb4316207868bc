/* one_call.c - samples, features and distances from paths alone: opening, using and closing the
 * pieces that samples.h, extractor.h and frechet.h have. */
#include "eval/one_call.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "eval/feature_net.h"
#include "eval/image_set.h"
#include "eval/inception.h"
#include "eval/statistics_file.h"
#include "io/open_tensors.h"

/* --- samples ---------------------------------------------------------------------------------- */

static hidi_sampler usual_sampler(const hidi_dit *net)
{
    if (net->config.has_interval)
        return (hidi_sampler){.solver = HIDI_AVERAGE, .steps = 1, .batch = 64};
    return (hidi_sampler){.solver = HIDI_HEUN, .steps = 25, .guidance = 1.5, .batch = 64};
}

hidi_status hidi_samples_of(const char *model, const hidi_sampler *sampler, uint64_t seed, size_t n,
                            hidi_real **x, hidi_dit_config *config)
{
    const hidi_backend *backend;
    hidi_dit *net;
    *x = NULL;
    HIDI_TRY(hidi_backend_open("cpu", &backend));
    HIDI_TRY(hidi_dit_load(&net, backend, model));
    const hidi_samples samples = {.net = net,
                                  .sampler = sampler ? *sampler : usual_sampler(net),
                                  .seed = seed,
                                  .count = n};
    if (config != NULL)
        *config = net->config;
    const hidi_status status = hidi_samples_draw(&samples, NULL, x, NULL);
    hidi_dit_destroy(net);
    return hidi_error_prefix(status, "%s", model);
}

/* --- features --------------------------------------------------------------------------------- */

static hidi_status open_small(hidi_extractor *extractor, const hidi_backend *backend,
                              const hidi_tensor_file *file)
{
    hidi_feature_net *net;
    HIDI_TRY(hidi_feature_net_from_file(&net, backend, file));
    return hidi_feature_net_extractor(extractor, net, "hidi's small feature net");
}

/* The extractor whose weights a file has. */
static hidi_status open_extractor(hidi_extractor *extractor, const char *weights)
{
    const hidi_backend *backend;
    hidi_inception_input input;
    hidi_tensor_file file;
    memset(extractor, 0, sizeof *extractor);
    HIDI_TRY(hidi_backend_open("cpu", &backend));
    HIDI_TRY(hidi_inception_input_named(&input, "pytorch-fid"));
    HIDI_TRY(hidi_tensor_file_open(&file, weights, NULL));
    const hidi_status status = hidi_inception_is_in(&file)
                                   ? hidi_inception_extractor(extractor, backend, &file, input)
                                   : open_small(extractor, backend, &file);
    hidi_tensor_file_free(&file);
    return status;
}

/* Gathers a folder or an npz of images. */
static hidi_status gather(hidi_image_set *set, hidi_extractor *extractor, const char *path,
                          const hidi_gathering *what)
{
    hidi_image_source source;
    HIDI_TRY(hidi_image_source_open(&source, path, extractor->channels));
    const hidi_status status = hidi_image_set_gather(set, extractor, &source, what);
    hidi_image_source_close(&source);
    return hidi_error_prefix(status, "%s", path);
}

hidi_status hidi_features_of(const char *images, const char *weights, double **features, size_t *n,
                             size_t *dim)
{
    const hidi_gathering what = {.features = true, .label = images};
    hidi_extractor extractor;
    hidi_image_set set;
    *features = NULL;
    *n = *dim = 0;
    hidi_image_set_init(&set, images);
    hidi_status status = open_extractor(&extractor, weights);
    if (status == HIDI_OK)
        status = gather(&set, &extractor, images, &what);
    if (status == HIDI_OK) {
        *features = set.features;
        *n = set.n;
        *dim = set.dim;
        set.features = NULL;
    }
    hidi_image_set_free(&set);
    hidi_extractor_close(&extractor);
    return status;
}

/* --- distances -------------------------------------------------------------------------------- */

/* The moments of a set's features: read from its statistics, or gathered from its images.  set
 * holds them; free it in any case. */
static hidi_status gather_moments(hidi_image_set *set, hidi_extractor *extractor, const char *path)
{
    const hidi_gathering what = {.moments = true, .label = path};
    struct stat about;
    const char *format = "";
    bool has_statistics = false, has_images;
    hidi_image_set_init(set, path);
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode))
        HIDI_TRY(hidi_tensor_file_format(path, &format));
    if (strcmp(format, "npz") == 0)
        HIDI_TRY(hidi_statistics_look(path, &has_statistics, &has_images));
    if (!has_statistics)
        return gather(set, extractor, path, &what);
    hidi_statistics statistics;
    hidi_status status = hidi_statistics_read(&statistics, path);
    if (status == HIDI_OK && statistics.features.dim != extractor->n_features)
        status = hidi_error(HIDI_BAD_SHAPE, "%s: statistics of %zu features, expected %zu of %s",
                            path, statistics.features.dim, extractor->n_features, extractor->name);
    if (status == HIDI_OK) { /* they are moved */
        set->moments = statistics.features;
        statistics.features = (hidi_moments){0};
    }
    hidi_statistics_free(&statistics);
    return status;
}

hidi_status hidi_distance_of(const char *set, const char *reference, const char *weights,
                             double *distance)
{
    hidi_extractor extractor;
    hidi_image_set sets[2];
    hidi_frechet frechet;
    hidi_image_set_init(&sets[0], set);
    hidi_image_set_init(&sets[1], reference);
    hidi_status status = open_extractor(&extractor, weights);
    if (status == HIDI_OK)
        status = gather_moments(&sets[0], &extractor, set);
    if (status == HIDI_OK)
        status = gather_moments(&sets[1], &extractor, reference);
    if (status == HIDI_OK)
        status = hidi_frechet_distance(&frechet, &sets[0].moments, &sets[1].moments);
    if (status == HIDI_OK)
        *distance = frechet.distance;
    hidi_image_set_free(&sets[0]);
    hidi_image_set_free(&sets[1]);
    hidi_extractor_close(&extractor);
    return status;
}
