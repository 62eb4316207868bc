/* evaluate.c */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"
#include "eval/precision_recall.h"

char *hidi_extractor_name(char *name, size_t size, const hidi_dataset *data)
{
    snprintf(name, size, "hidi's small feature net for %s", data->name);
    return name;
}

hidi_status hidi_measure(hidi_measurement *m, const hidi_image_set *set, const hidi_image_set *real,
                         size_t neighbours)
{
    hidi_frechet frechet;
    HIDI_TRY(hidi_frechet_distance(&frechet, &set->moments, &real->moments));
    HIDI_TRY(hidi_precision_recall(real->features, real->n, set->features, set->n, set->dim,
                                   neighbours, &m->precision, &m->recall));
    m->distance = frechet.distance;
    m->high_frequency = hidi_spectrum_high(&set->spectrum) / hidi_spectrum_high(&real->spectrum);
    m->images = (long)set->n;
    m->split = real->split;
    return HIDI_OK;
}

hidi_status hidi_run_sampler(const hidi_session *session, const hidi_dit *net, const hidi_sampler *sampler,
                             hidi_real *x, const int32_t *y, size_t n, const char *label,
                             double *seconds)
{
    hidi_progress progress;
    hidi_tape *tape = hidi_tape_create(session->backend);
    if (tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    hidi_progress_begin(&progress, session->progress, label, 0, (long)n);
    const double started = hidi_seconds();
    hidi_status status = hidi_sample(sampler, net, tape, x, y, n, &progress);
    *seconds = (hidi_seconds() - started) / (double)n;
    if (status == HIDI_OK)
        hidi_progress_end(&progress, NULL);
    hidi_tape_destroy(tape);
    return status;
}

hidi_status hidi_draw_samples(const hidi_session *session, const hidi_dit *net, const hidi_sampler *sampler,
                              size_t n, const char *label, hidi_real **x, double *seconds)
{
    const hidi_dit_config *c = &net->config;
    const size_t pixels = c->channels * c->image_size * c->image_size;
    int32_t *y = malloc(n * sizeof *y);
    hidi_status status = HIDI_OK;
    *x = malloc(n * pixels * sizeof **x);
    if (y == NULL || *x == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", n);
    if (status == HIDI_OK) {
        hidi_sample_inputs((uint64_t)session->settings.sample.seed, c, 0, n, *x, y);
        status = hidi_run_sampler(session, net, sampler, *x, y, n, label, seconds);
    }
    free(y);
    if (status != HIDI_OK) {
        free(*x);
        *x = NULL;
    }
    return status;
}

hidi_status hidi_measure_net(hidi_measurement *m, const hidi_session *session, const hidi_dit *net,
                             const hidi_sampler *sampler, hidi_extractor *extractor,
                             const hidi_image_set *real)
{
    hidi_real *x;
    hidi_image_set set;
    HIDI_TRY(hidi_draw_samples(session, net, sampler, real->n, m->label, &x, &m->seconds));
    hidi_status status = hidi_image_set_init(&set, extractor, x, real->n);
    if (status == HIDI_OK)
        status = hidi_measure(m, &set, real, (size_t)session->settings.eval.neighbours);
    m->evaluations = hidi_sampler_evaluations(sampler);
    hidi_image_set_free(&set);
    free(x);
    return status;
}

void hidi_print_measurements(FILE *out, const hidi_measurement *m, size_t n, const char *extractor)
{
    fprintf(out, "%-28s %6s %10s %10s %9s %7s %9s\n", "images", "NFE", "ms/image", "distance",
            "precision", "recall", "high freq");
    for (size_t i = 0; i < n; i++) {
        char nfe[24] = "-", ms[24] = "-";
        if (m[i].evaluations > 0)
            snprintf(nfe, sizeof nfe, "%ld", m[i].evaluations);
        if (isfinite(m[i].seconds))
            snprintf(ms, sizeof ms, "%.3f", 1000 * m[i].seconds);
        fprintf(out, "%-28s %6s %10s %10.2f %9.3f %7.3f %9.3f\n", m[i].label, nfe, ms,
                m[i].distance, m[i].precision, m[i].recall, m[i].high_frequency);
    }
    if (n > 0)
        fprintf(out, "Frechet distances of %ld images to as many real %s images, in the features "
                     "of %s:\nnot FID, and not comparable with published FIDs.\n",
                m[0].images, hidi_split_name(m[0].split), extractor);
}

hidi_status hidi_write_measurements(const char *path, const hidi_measurement *m, size_t n)
{
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, path));
    fprintf(file.out, "images,evaluations,seconds_per_image,distance,precision,recall,"
                      "high_frequency,count\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(file.out, "\"%s\",%ld,", m[i].label, m[i].evaluations);
        if (isfinite(m[i].seconds))
            fprintf(file.out, "%.6g", m[i].seconds);
        fprintf(file.out, ",%.6g,%.6g,%.6g,%.6g,%ld\n", m[i].distance, m[i].precision, m[i].recall,
                m[i].high_frequency, m[i].images);
    }
    return hidi_atomic_commit(&file);
}
