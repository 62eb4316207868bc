/* metrics.c */
#include "eval/metrics.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "eval/precision_recall.h"

enum { INCEPTION = 1, ANOTHER = 2 };

static const struct {
    const char *name;
    int extractors; /* those in whose features it goes by that name */
    bool initially; /* chosen if none is named                      */
} metrics[HIDI_METRICS] = {
    [HIDI_METRIC_FID] = {"fid", INCEPTION, true},
    [HIDI_METRIC_IS] = {"is", INCEPTION, true},
    [HIDI_METRIC_SFID] = {"sfid", INCEPTION, true},
    [HIDI_METRIC_KID] = {"kid", INCEPTION, false},
    [HIDI_METRIC_DISTANCE] = {"distance", ANOTHER, true},
    [HIDI_METRIC_KERNEL] = {"kernel", ANOTHER, false},
    [HIDI_METRIC_PR] = {"pr", INCEPTION | ANOTHER, false},
    [HIDI_METRIC_SPECTRUM] = {"spectrum", INCEPTION | ANOTHER, false},
};

const hidi_value_text hidi_value_texts[HIDI_VALUES] = {
    [HIDI_VALUE_FID] = {HIDI_METRIC_FID, "fid", "FID", 4},
    [HIDI_VALUE_IS] = {HIDI_METRIC_IS, "inception_score", "IS", 4},
    [HIDI_VALUE_IS_STD] = {HIDI_METRIC_IS, "inception_score_std", "IS std", 4},
    [HIDI_VALUE_SFID] = {HIDI_METRIC_SFID, "sfid", "sFID", 4},
    [HIDI_VALUE_KID] = {HIDI_METRIC_KID, "kid", "KID", 6},
    [HIDI_VALUE_KID_STD] = {HIDI_METRIC_KID, "kid_std", "KID std", 6},
    [HIDI_VALUE_KID_ERROR] = {HIDI_METRIC_KID, "kid_standard_error", "KID s.e.", 6},
    [HIDI_VALUE_DISTANCE] = {HIDI_METRIC_DISTANCE, "distance", "distance", 2},
    [HIDI_VALUE_KERNEL] = {HIDI_METRIC_KERNEL, "kernel_distance", "kernel", 6},
    [HIDI_VALUE_KERNEL_STD] = {HIDI_METRIC_KERNEL, "kernel_distance_std", "k. std", 6},
    [HIDI_VALUE_KERNEL_ERROR] = {HIDI_METRIC_KERNEL, "kernel_distance_standard_error", "k. s.e.",
                                 6},
    [HIDI_VALUE_PRECISION] = {HIDI_METRIC_PR, "precision", "precision", 3},
    [HIDI_VALUE_RECALL] = {HIDI_METRIC_PR, "recall", "recall", 3},
    [HIDI_VALUE_HIGH] = {HIDI_METRIC_SPECTRUM, "high_frequency", "high freq", 3},
};

/* --- choosing --------------------------------------------------------------------------------- */

static hidi_status unknown(const char *name, size_t length, int extractor)
{
    char list[128] = "all";
    for (int i = 0; i < HIDI_METRICS; i++)
        if (metrics[i].extractors & extractor)
            snprintf(list + strlen(list), sizeof list - strlen(list), ", %s", metrics[i].name);
    return hidi_error(HIDI_BAD_ARGUMENT, "no metric %.*s in the features of %s; there are %s",
                      (int)length, name, extractor == INCEPTION ? "Inception" : "the small net",
                      list);
}

hidi_status hidi_metrics_choose(hidi_metric_choice *choice, const char *names, bool inception)
{
    const int extractor = inception ? INCEPTION : ANOTHER;
    *choice = (hidi_metric_choice){.asked = names != NULL && strcmp(names, "all") != 0};
    for (int i = 0; i < HIDI_METRICS && !choice->asked; i++)
        choice->on[i] = (metrics[i].extractors & extractor) &&
                        (names != NULL || metrics[i].initially ||
                         (!inception && (i == HIDI_METRIC_PR || i == HIDI_METRIC_SPECTRUM)));
    for (const char *name = choice->asked ? names : NULL; name != NULL;) {
        const size_t length = strcspn(name, ",");
        int i = 0;
        while (i < HIDI_METRICS && (strlen(metrics[i].name) != length ||
                                    strncmp(metrics[i].name, name, length) != 0 ||
                                    !(metrics[i].extractors & extractor)))
            i++;
        if (i == HIDI_METRICS)
            return unknown(name, length, extractor);
        choice->on[i] = true;
        name = name[length] == ',' ? name + length + 1 : NULL;
    }
    return HIDI_OK;
}

void hidi_metrics_need(const hidi_metric_choice *choice, bool reference, hidi_gathering *what)
{
    const bool *on = choice->on;
    what->lenient = !choice->asked;
    what->moments = on[HIDI_METRIC_FID] || on[HIDI_METRIC_DISTANCE];
    what->spatial = on[HIDI_METRIC_SFID];
    what->features = on[HIDI_METRIC_KID] || on[HIDI_METRIC_KERNEL] || on[HIDI_METRIC_PR];
    what->spectrum = on[HIDI_METRIC_SPECTRUM];
    what->score = on[HIDI_METRIC_IS] && !reference;
}

/* --- measuring -------------------------------------------------------------------------------- */

/* Does the set have what the metric needs? */
static bool has(const hidi_image_set *set, hidi_metric metric)
{
    switch (metric) {
    case HIDI_METRIC_FID:
    case HIDI_METRIC_DISTANCE: return set->moments.dim > 0;
    case HIDI_METRIC_SFID: return set->spatial.dim > 0;
    case HIDI_METRIC_IS: return isfinite(set->score);
    case HIDI_METRIC_SPECTRUM: return set->spectrum.size > 0;
    default: return set->features != NULL;
    }
}

static hidi_status measure_frechet(double *value, const hidi_moments *a, const hidi_moments *b)
{
    hidi_frechet frechet;
    HIDI_TRY(hidi_frechet_distance(&frechet, a, b));
    *value = frechet.distance;
    return HIDI_OK;
}

/* value: the mean, the deviation and the standard error, one after the other. */
static hidi_status measure_kernel(double *value, size_t *subset, const hidi_image_set *set,
                                  const hidi_image_set *reference,
                                  const hidi_kernel_options *options)
{
    hidi_kernel_distance distance;
    HIDI_TRY(hidi_kernel_distance_between(&distance, set->features, set->n, reference->features,
                                          reference->n, set->dim, options));
    value[0] = distance.mean;
    value[1] = distance.deviation;
    value[2] = distance.standard_error;
    *subset = distance.subset_size;
    return HIDI_OK;
}

static hidi_status measure_spectrum(double *value, const hidi_spectrum *a, const hidi_spectrum *b)
{
    if (a->size != b->size)
        return hidi_error(HIDI_BAD_SHAPE,
                          "spectrum: images of size %zu, and of %zu in the reference", a->size,
                          b->size);
    *value = hidi_spectrum_high(a) / hidi_spectrum_high(b);
    return HIDI_OK;
}

static hidi_status measure(hidi_metric metric, double *value, size_t *subset,
                           const hidi_image_set *set, const hidi_image_set *reference,
                           const hidi_metric_options *options)
{
    switch (metric) {
    case HIDI_METRIC_FID:
        return measure_frechet(&value[HIDI_VALUE_FID], &set->moments, &reference->moments);
    case HIDI_METRIC_DISTANCE:
        return measure_frechet(&value[HIDI_VALUE_DISTANCE], &set->moments, &reference->moments);
    case HIDI_METRIC_SFID:
        return measure_frechet(&value[HIDI_VALUE_SFID], &set->spatial, &reference->spatial);
    case HIDI_METRIC_IS:
        value[HIDI_VALUE_IS] = set->score;
        value[HIDI_VALUE_IS_STD] = set->score_deviation;
        return HIDI_OK;
    case HIDI_METRIC_KID:
        return measure_kernel(&value[HIDI_VALUE_KID], subset, set, reference, &options->kernel);
    case HIDI_METRIC_KERNEL:
        return measure_kernel(&value[HIDI_VALUE_KERNEL], subset, set, reference, &options->kernel);
    case HIDI_METRIC_PR:
        return hidi_precision_recall(reference->features, reference->n, set->features, set->n,
                                     set->dim, options->neighbours, &value[HIDI_VALUE_PRECISION],
                                     &value[HIDI_VALUE_RECALL]);
    default:
        return measure_spectrum(&value[HIDI_VALUE_HIGH], &set->spectrum, &reference->spectrum);
    }
}

hidi_status hidi_metrics_measure(double value[HIDI_VALUES], size_t *subset,
                                 const hidi_metric_choice *choice, const hidi_image_set *set,
                                 const hidi_image_set *reference,
                                 const hidi_metric_options *options)
{
    *subset = 0;
    for (int i = 0; i < HIDI_VALUES; i++)
        value[i] = NAN;
    for (int i = 0; i < HIDI_METRICS; i++) {
        const hidi_metric metric = (hidi_metric)i;
        bool there = has(set, metric) && (metric == HIDI_METRIC_IS || has(reference, metric));
        if (!choice->on[i])
            continue;
        if (metric == HIDI_METRIC_SPECTRUM && !choice->asked)
            there = there && set->spectrum.size == reference->spectrum.size;
        if (there)
            HIDI_TRY(measure(metric, value, subset, set, reference, options));
        else if (choice->asked)
            return hidi_error(HIDI_UNSUPPORTED, "%s cannot be had: %s %s", metrics[i].name,
                              has(set, metric) ? "the reference" : "the set",
                              metric == HIDI_METRIC_SFID
                                  ? "is a file of statistics without mu_s and sigma_s"
                                  : "is a file of statistics without images");
    }
    return HIDI_OK;
}
