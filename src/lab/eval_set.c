/* eval_set.c */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/eval_set.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lab/pipeline.h"
#include "io/image.h"
#include "io/open_tensors.h"
#include "eval/statistics_file.h"

void hidi_eval_set_free(hidi_eval_set *set)
{
    hidi_image_set_free(&set->set);
}

hidi_status hidi_eval_data(hidi_eval_context *context)
{
    return context->data != NULL ? HIDI_OK : hidi_session_data(context->session, &context->data);
}

/* Gathers and closes. */
static hidi_status gather(hidi_eval_set *set, const hidi_eval_context *context,
                          hidi_image_source *source, const hidi_gathering *what)
{
    hidi_gathering labelled = *what;
    const double bytes = (double)source->count * (double)context->extractor->n_features * 8;
    labelled.label = set->label;
    if (what->features && what->progress != NULL && bytes > 1e8) {
        char text[32];
        fprintf(what->progress, "%s: keeps the features of its images, %s\n", set->label,
                hidi_bytes_text(text, sizeof text, bytes));
    }
    set->images = (long)source->count;
    hidi_status status = hidi_image_set_gather(&set->set, context->extractor, source, &labelled);
    hidi_image_source_close(source);
    return hidi_error_prefix(status, "%s", set->label);
}

/* --- samples of a model ----------------------------------------------------------------------- */

typedef struct samples {
    const hidi_session *session;
    hidi_dit *net;
    hidi_tape *tape;
    hidi_sampler sampler;
    int32_t *y;
    hidi_real *x; /* as they come from the net, if it has another number of channels */
    bool eight_bits;
    double seconds; /* for all so far */
} samples;

static hidi_status samples_next(hidi_image_source *source, size_t most, hidi_image_batch *batch)
{
    samples *s = source->state;
    const hidi_dit_config *c = &s->net->config;
    const size_t pixels = c->image_size * c->image_size, C = source->channels;
    const size_t n = most < s->sampler.batch ? most : s->sampler.batch;
    batch->height = batch->width = c->image_size;
    HIDI_TRY(hidi_image_source_room(source, batch, n));
    const double started = hidi_seconds();
    hidi_sample_inputs((uint64_t)s->session->settings.sample.seed, c, source->first, n, s->x, s->y);
    HIDI_TRY(hidi_sample(&s->sampler, s->net, s->tape, s->x, s->y, n, NULL));
    s->seconds += hidi_seconds() - started;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < C; k++)
            memcpy(batch->images + (i * C + k) * pixels,
                   s->x + (i * c->channels + k % c->channels) * pixels, pixels * sizeof *s->x);
    if (s->eight_bits)
        hidi_round_to_bytes(batch->images, n * C * pixels);
    return HIDI_OK;
}

static hidi_status prepare_samples(samples *s, const hidi_eval_context *context, const char *path)
{
    if (context->data != NULL)
        HIDI_TRY(hidi_load_for(context->session, context->data, path, &s->net));
    else
        HIDI_TRY(hidi_dit_load(&s->net, context->session->backend, path));
    const hidi_dit_config *c = &s->net->config;
    if (c->channels != context->extractor->channels && c->channels != 1)
        return hidi_error(HIDI_BAD_SHAPE, "%s: makes images of %zu channels, expected %zu", path,
                          c->channels, context->extractor->channels);
    s->sampler = hidi_settings_sampler(&context->session->settings, c->has_interval);
    s->tape = hidi_tape_create(context->session->backend);
    s->y = malloc(s->sampler.batch * sizeof *s->y);
    s->x = malloc(s->sampler.batch * c->channels * c->image_size * c->image_size * sizeof *s->x);
    if (s->tape == NULL || s->y == NULL || s->x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", s->sampler.batch);
    return HIDI_OK;
}

static hidi_status gather_samples(hidi_eval_set *set, hidi_eval_context *context, const char *path,
                                  const hidi_gathering *what)
{
    samples s = {.session = context->session, .eight_bits = context->eight_bits};
    hidi_status status = prepare_samples(&s, context, path);
    if (status == HIDI_OK) {
        const char *base = strrchr(path, '/');
        const size_t size = s.net->config.image_size;
        hidi_image_source source = {.channels = context->extractor->channels,
                                    .height = size,
                                    .width = size,
                                    .count = (uint64_t)context->session->settings.eval.images,
                                    .next = samples_next,
                                    .state = &s};
        snprintf(set->label, sizeof set->label, "%.40s, %ld step%s", base ? base + 1 : path,
                 s.sampler.steps, s.sampler.steps == 1 ? "" : "s");
        set->evaluations = hidi_sampler_evaluations(&s.sampler);
        status = gather(set, context, &source, what);
        set->seconds = s.seconds / (double)set->images;
    }
    hidi_dit_destroy(s.net);
    hidi_tape_destroy(s.tape);
    free(s.y);
    free(s.x);
    return status;
}

/* --- images ----------------------------------------------------------------------------------- */

static hidi_status gather_split(hidi_eval_set *set, hidi_eval_context *context, const char *name,
                                const hidi_gathering *what)
{
    static const hidi_split splits[] = {HIDI_TRAIN, HIDI_VALIDATION, HIDI_TEST};
    static const char *const names[] = {"train", "validation", "test"};
    hidi_image_source source;
    size_t i = 0;
    while (i < 3 && strcmp(names[i], name) != 0)
        i++;
    if (i == 3)
        return hidi_error(HIDI_BAD_ARGUMENT, "data:%s: expected data:train, data:validation or "
                                             "data:test", name);
    HIDI_TRY(hidi_eval_data(context));
    set->kind = "data set";
    snprintf(set->label, sizeof set->label, "real (%s split)", hidi_split_name(splits[i]));
    hidi_status status = hidi_image_source_dataset(
        &source, context->data, splits[i], (size_t)context->session->settings.eval.images,
        context->extractor->channels, context->eight_bits);
    if (status != HIDI_OK)
        return hidi_error_prefix(status, "eval.images");
    return gather(set, context, &source, what);
}

static hidi_status gather_images(hidi_eval_set *set, const hidi_eval_context *context,
                                 const char *path, const hidi_gathering *what)
{
    hidi_image_source source;
    HIDI_TRY(hidi_image_source_open(&source, path, context->extractor->channels));
    return gather(set, context, &source, what);
}

/* --- npz files -------------------------------------------------------------------------------- */

static hidi_status check_statistics(const hidi_statistics *s, const hidi_eval_context *context,
                                    const char *path)
{
    const hidi_extractor *extractor = context->extractor;
    if (s->extractor[0] != '\0' && strcmp(s->extractor, context->identity) != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: statistics of %s, expected those of %s", path,
                          s->extractor, context->identity);
    if (s->features.dim != extractor->n_features)
        return hidi_error(HIDI_BAD_SHAPE, "%s: statistics of %zu features, %s has %zu", path,
                          s->features.dim, extractor->name, extractor->n_features);
    if (s->spatial.dim > 0 && s->spatial.dim != extractor->n_spatial)
        return hidi_error(HIDI_BAD_SHAPE, "%s: statistics of %zu spatial features, %s has %zu",
                          path, s->spatial.dim, extractor->name, extractor->n_spatial);
    return HIDI_OK;
}

/* Puts the statistics of a file into a set; they are moved, not copied. */
static hidi_status use_statistics(hidi_eval_set *set, const hidi_eval_context *context,
                                  const char *path)
{
    hidi_statistics s;
    hidi_status status = hidi_statistics_read(&s, path);
    if (status == HIDI_OK)
        status = check_statistics(&s, context, path);
    if (status == HIDI_OK) {
        set->set.dim = s.features.dim;
        set->set.moments = s.features;
        set->set.spatial = s.spatial;
        s.features = s.spatial = (hidi_moments){0};
    }
    hidi_statistics_free(&s);
    return status;
}

static hidi_status gather_npz(hidi_eval_set *set, const hidi_eval_context *context,
                              const char *path, const hidi_gathering *what)
{
    bool has_statistics, has_images;
    hidi_gathering left = *what;
    HIDI_TRY(hidi_statistics_look(path, &has_statistics, &has_images));
    set->kind = "npz";
    if (!has_statistics || (has_images && !what->moments && !what->spatial))
        return gather_images(set, context, path, what);
    set->set.score = NAN;
    left.moments = left.spatial = false;
    if (has_images && (left.features || left.score || left.spectrum))
        HIDI_TRY(gather_images(set, context, path, &left));
    else
        set->kind = "statistics";
    HIDI_TRY(use_statistics(set, context, path));
    set->images = (long)set->set.moments.count;
    return HIDI_OK;
}

/* --- all of them ------------------------------------------------------------------------------ */

hidi_status hidi_eval_set_gather(hidi_eval_set *set, hidi_eval_context *context, const char *name,
                                 const hidi_gathering *what)
{
    struct stat about;
    const char *format;
    memset(set, 0, sizeof *set);
    set->seconds = NAN;
    snprintf(set->label, sizeof set->label, "%.95s", name);
    if (strncmp(name, "data:", 5) == 0)
        return gather_split(set, context, name + 5, what);
    if (stat(name, &about) == 0 && S_ISDIR(about.st_mode)) {
        set->kind = "folder";
        return gather_images(set, context, name, what);
    }
    HIDI_TRY(hidi_tensor_file_format(name, &format));
    if (strcmp(format, "npz") == 0)
        return gather_npz(set, context, name, what);
    set->kind = "model";
    return gather_samples(set, context, name, what);
}
