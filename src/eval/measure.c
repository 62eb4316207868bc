/* measure.c - a set is gathered in one pass over its source, and then compared with the reference
 * by each of the chosen metrics; what is not measured is NaN. */
#include "eval/measure.h"

#include <math.h>
#include <stdio.h>

#include "eval/precision_recall.h"

/* Does the set have what the metric needs? */
static bool has(const hidi_image_set *set, hidi_metric metric)
{
    switch (metric) {
    case HIDI_METRIC_FID:
    case HIDI_METRIC_DISTANCE: return set->moments.dim > 0;
    case HIDI_METRIC_SFID: return set->spatial.dim > 0;
    case HIDI_METRIC_IS: return isfinite(set->score);
    case HIDI_METRIC_SPECTRUM: return set->spectrum.size > 0;
    case HIDI_METRIC_CLASSES: return set->classes.n > 0;
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

/* *value: the mean, the deviation and the standard error, one after the other. */
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
    case HIDI_METRIC_CLASSES:
        value[HIDI_VALUE_ASKED] = hidi_class_counts_asked(&set->classes);
        value[HIDI_VALUE_VARIATION] = hidi_class_counts_variation(&set->classes);
        value[HIDI_VALUE_RAREST] = hidi_class_counts_rarest(&set->classes);
        return HIDI_OK;
    default:
        return measure_spectrum(&value[HIDI_VALUE_HIGH], &set->spectrum, &reference->spectrum);
    }
}

/* Images of another size than the reference's have no spectrum to be compared, which is an error
 * only if it was asked for. */
static bool is_there(const hidi_measuring *how, hidi_metric metric, const hidi_image_set *set)
{
    const hidi_image_set *reference = how->reference;
    if (metric == HIDI_METRIC_IS || metric == HIDI_METRIC_CLASSES)
        return has(set, metric); /* by themselves */
    if (metric == HIDI_METRIC_SPECTRUM && !how->choice.asked &&
        set->spectrum.size != reference->spectrum.size)
        return false;
    return has(set, metric) && has(reference, metric);
}

void hidi_measured_init(hidi_measured *m, const char *label)
{
    *m = (hidi_measured){.seconds = NAN};
    snprintf(m->label, sizeof m->label, "%s", label);
    for (int i = 0; i < HIDI_VALUES; i++)
        m->value[i] = NAN;
}

hidi_status hidi_measure_set(hidi_measured *m, const hidi_measuring *how,
                             const hidi_image_set *set)
{
    hidi_measured_init(m, set->label);
    m->kind = set->kind;
    m->images = hidi_image_set_count(set);
    m->evaluations = set->evaluations;
    m->seconds = set->seconds;
    for (int i = 0; i < HIDI_METRICS; i++) {
        const hidi_metric metric = (hidi_metric)i;
        if (!how->choice.on[i])
            continue;
        if (is_there(how, metric, set))
            HIDI_TRY(measure(metric, m->value, &m->subset, set, how->reference, &how->options));
        else if (how->choice.asked)
            return hidi_error(HIDI_UNSUPPORTED, "%s cannot be had: %s %s",
                              hidi_metric_name(metric),
                              has(set, metric) ? "the reference" : "the set",
                              metric == HIDI_METRIC_SFID
                                  ? "is a file of statistics without mu_s and sigma_s"
                                  : "is a file of statistics without images");
    }
    return HIDI_OK;
}

hidi_gathering hidi_measuring_needs(const hidi_measuring *how, bool is_reference,
                                    const char *label)
{
    hidi_gathering what = {.splits = how->options.splits,
                           .order = how->options.order,
                           .progress = how->progress,
                           .label = label};
    hidi_metrics_need(&how->choice, is_reference, &what);
    return what;
}

hidi_status hidi_measure_reference(hidi_image_set *reference, const hidi_measuring *how,
                                   hidi_image_source *source, const char *label)
{
    const hidi_gathering what = hidi_measuring_needs(how, true, label);
    return hidi_image_set_gather(reference, how->extractor, source, &what);
}

hidi_status hidi_measure(hidi_measured *m, const hidi_measuring *how, hidi_image_source *source,
                         const char *label)
{
    hidi_image_set set;
    const hidi_gathering what = hidi_measuring_needs(how, false, label);
    hidi_status status = hidi_image_set_gather(&set, how->extractor, source, &what);
    if (status == HIDI_OK)
        status = hidi_measure_set(m, how, &set);
    hidi_image_set_free(&set);
    return status;
}
