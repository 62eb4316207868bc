/* image_set.c - one pass over a source: every batch is clamped to [-1, 1], goes through the
 * extractor once, and is added to whatever is gathered from it. */
#include "eval/image_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/processes.h"

enum { BATCH = 256 }; /* images asked for at a time; an extractor cuts them into its own batches */

/* A set while it is gathered, and a batch's results. */
typedef struct gathering {
    hidi_image_set *set;
    hidi_extractor *extractor;
    const hidi_gathering *what;
    bool spectrum, score, classes; /* still gathered */
    hidi_inception_score scores;
    double *features, *probabilities, *spatial; /* [BATCH, ...]; NULL: not wanted */
} gathering;

static void clamp(hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] < -1 ? -1 : x[i] > 1 ? 1 : x[i];
}

/* n rows of `size` numbers. */
static hidi_status reserve(double **rows, size_t n, size_t size)
{
    if (size > 0 && n > 0 && n <= SIZE_MAX / sizeof **rows / size)
        *rows = malloc(n * size * sizeof **rows);
    if (*rows != NULL)
        return HIDI_OK;
    return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu features of %zu images", size, n);
}

static hidi_status begin(gathering *g, const hidi_image_source *source)
{
    const hidi_gathering *what = g->what;
    hidi_image_set *set = g->set;
    const size_t n = (size_t)source->count;
    set->dim = g->extractor->n_features;
    if (what->features)
        HIDI_TRY(reserve(&set->features, n, set->dim));
    else if (what->moments)
        HIDI_TRY(reserve(&g->features, BATCH, set->dim));
    if (what->moments)
        HIDI_TRY(hidi_moments_init(&set->moments, set->dim));
    if (what->spatial) {
        HIDI_TRY(reserve(&g->spatial, BATCH, g->extractor->n_spatial));
        HIDI_TRY(hidi_moments_init(&set->spatial, g->extractor->n_spatial));
    }
    if (g->score || g->classes)
        HIDI_TRY(reserve(&g->probabilities, BATCH, g->extractor->n_classes));
    if (g->classes)
        HIDI_TRY(hidi_class_counts_init(&set->classes, g->extractor->n_classes));
    if (g->score)
        HIDI_TRY(hidi_inception_score_init(&g->scores, g->extractor->n_classes, n, what->splits,
                                           what->order));
    return HIDI_OK;
}

static hidi_status add_to_spectrum(gathering *g, const hidi_image_batch *batch)
{
    hidi_spectrum *spectrum = &g->set->spectrum;
    if (spectrum->size == 0 && batch->height == batch->width)
        HIDI_TRY(hidi_spectrum_init(spectrum, batch->height));
    if (batch->height == batch->width && batch->width == spectrum->size) {
        hidi_spectrum_add(spectrum, batch->images, batch->n, g->extractor->channels);
        return HIDI_OK;
    }
    if (!g->what->lenient)
        return hidi_error(HIDI_BAD_SHAPE,
                          "a spectrum needs square images of one size, found %zux%zu",
                          batch->height, batch->width);
    hidi_spectrum_free(spectrum);
    g->spectrum = false;
    return HIDI_OK;
}

static hidi_status add_to_classes(gathering *g, const hidi_image_batch *batch)
{
    hidi_class_counts *classes = &g->set->classes;
    if (batch->labels != NULL)
        return hidi_class_counts_add(classes, g->probabilities, batch->labels, batch->n);
    if (!g->what->lenient)
        return hidi_error(HIDI_UNSUPPORTED, "it is not known which classes were asked for");
    hidi_class_counts_free(classes);
    g->classes = false;
    return HIDI_OK;
}

static hidi_status add(gathering *g, const hidi_image_batch *batch)
{
    hidi_image_set *set = g->set;
    const size_t n = batch->n, C = g->extractor->channels;
    double *features = g->what->features ? set->features + set->n * set->dim : g->features;
    const hidi_extracted wanted = {features, g->probabilities, g->spatial};
    clamp(batch->images, n * C * batch->height * batch->width);
    if (features != NULL || g->probabilities != NULL || g->spatial != NULL)
        HIDI_TRY(hidi_extract(g->extractor, batch->images, n, batch->height, batch->width,
                              &wanted));
    if (g->what->moments)
        hidi_moments_add(&set->moments, features, n);
    if (g->what->spatial)
        hidi_moments_add(&set->spatial, g->spatial, n);
    if (g->score)
        hidi_inception_score_add(&g->scores, g->probabilities, n);
    if (g->classes)
        HIDI_TRY(add_to_classes(g, batch));
    if (g->spectrum)
        HIDI_TRY(add_to_spectrum(g, batch));
    if (g->what->look != NULL)
        HIDI_TRY(g->what->look(g->what->context, batch, set->n));
    set->n += n;
    return HIDI_OK;
}

static hidi_status finish(gathering *g)
{
    hidi_image_set *set = g->set;
    if (g->what->moments)
        HIDI_TRY(hidi_moments_finish(&set->moments));
    if (g->what->spatial)
        HIDI_TRY(hidi_moments_finish(&set->spatial));
    if (g->score)
        HIDI_TRY(hidi_inception_score_finish(&g->scores, &set->score, &set->score_deviation));
    return HIDI_OK;
}

static hidi_status gather(gathering *g, hidi_image_source *source)
{
    hidi_progress progress;
    hidi_image_batch batch;
    HIDI_TRY(begin(g, source));
    hidi_progress_begin(&progress, g->what->progress, g->what->label, 0, (long)source->count);
    do {
        HIDI_TRY(hidi_processes_check_stop());
        HIDI_TRY(hidi_image_source_next(source, BATCH, &batch));
        if (batch.n > 0)
            HIDI_TRY(add(g, &batch));
        hidi_progress_update(&progress, (long)g->set->n, NULL);
    } while (batch.n > 0);
    HIDI_TRY(finish(g));
    if (source->evaluations > 0 && g->set->n > 0)
        g->set->seconds = source->seconds / (double)g->set->n;
    hidi_progress_end(&progress, NULL);
    return HIDI_OK;
}

void hidi_image_set_init(hidi_image_set *set, const char *label)
{
    memset(set, 0, sizeof *set);
    snprintf(set->label, sizeof set->label, "%s", label ? label : "");
    set->seconds = set->score = set->score_deviation = NAN;
}

hidi_status hidi_image_set_gather(hidi_image_set *set, hidi_extractor *extractor,
                                  hidi_image_source *source, const hidi_gathering *what)
{
    gathering g = {.set = set, .extractor = extractor, .what = what,
                   .spectrum = what->spectrum, .classes = what->classes,
                   .score = what->score && (!what->lenient || source->count >= what->splits)};
    hidi_image_set_init(set, what->label);
    set->kind = source->kind;
    set->evaluations = source->evaluations;
    hidi_status status = gather(&g, source);
    hidi_inception_score_free(&g.scores);
    free(g.features);
    free(g.probabilities);
    free(g.spatial);
    return status;
}

void hidi_image_set_free(hidi_image_set *set)
{
    free(set->features);
    hidi_moments_free(&set->moments);
    hidi_moments_free(&set->spatial);
    hidi_spectrum_free(&set->spectrum);
    hidi_class_counts_free(&set->classes);
    memset(set, 0, sizeof *set);
}

long hidi_image_set_count(const hidi_image_set *set)
{
    return (long)(set->moments.dim > 0 ? set->moments.count : set->n);
}
