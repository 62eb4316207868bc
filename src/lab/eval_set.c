/* eval_set.c - a set of images may be a file of statistics, which has moments alone; everything
 * else is a source of images that is gathered. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/eval_set.h"

#include <string.h>
#include <sys/stat.h>

#include "core/processes.h"
#include "lab/measuring.h"
#include "lab/pipeline.h"
#include "io/open_tensors.h"
#include "eval/statistics_file.h"

hidi_status hidi_eval_data(hidi_eval_context *context)
{
    if (context->data != NULL)
        return HIDI_OK;
    HIDI_TRY(hidi_refuse_latents(context->session));
    return hidi_session_data(context->session, &context->data);
}

/* Gathers a source and closes it. */
static hidi_status gather(hidi_image_set *set, const hidi_eval_context *context,
                          hidi_image_source *source, const char *label, const hidi_gathering *what)
{
    hidi_gathering labelled = *what;
    char name[sizeof set->label];
    const double bytes = (double)source->count * (double)context->extractor->n_features * 8;
    snprintf(name, sizeof name, "%s", label); /* of the set's length, and not in the set */
    labelled.label = name;
    if (what->features && what->progress != NULL && bytes > 1e8) {
        char text[32];
        fprintf(what->progress, "%s: keeps the features of its images, %s\n", name,
                hidi_bytes_text(text, sizeof text, bytes));
    }
    hidi_status status = hidi_image_set_gather(set, context->extractor, source, &labelled);
    if (source->deep_greys > 0 && hidi_process_is_first())
        fprintf(stderr,
                "%s: warning: %llu PNG files of 16-bit grey: the high byte of each value is taken, "
                "where Pillow, and with it pytorch-fid, makes all above 255 white\n",
                name, (unsigned long long)source->deep_greys);
    hidi_image_source_close(source);
    return hidi_error_prefix(status, "%s", name);
}

/* --- images ----------------------------------------------------------------------------------- */

static hidi_status gather_samples(hidi_image_set *set, const hidi_eval_context *context,
                                  const char *path, const hidi_gathering *what)
{
    const hidi_settings *s = &context->session->settings;
    char label[sizeof set->label];
    hidi_image_source source;
    hidi_dit *net;
    if (context->data != NULL)
        HIDI_TRY(hidi_load_for(context->session, context->data, path, HIDI_GIVEN_ALL, &net));
    else
        HIDI_TRY(hidi_session_dit(context->session, path, HIDI_GIVEN_ALL, &net));
    const hidi_sampler sampler = hidi_settings_sampler(s, net->config.has_interval);
    const hidi_captions *captions = context->data ? context->data->captions : NULL;
    hidi_samples samples =
        hidi_settings_samples(s, net, &sampler, captions, (size_t)s->eval.images);
    samples.channels = context->extractor->channels;
    samples.eight_bits = context->eight_bits;
    hidi_status status =
        hidi_error_prefix(hidi_image_source_samples(&source, &samples), "%s", path);
    if (status == HIDI_OK)
        status = gather(set, context, &source,
                        hidi_samples_label(label, sizeof label, path, &sampler), what);
    hidi_dit_destroy(net);
    return status;
}

hidi_status hidi_eval_split(const char *name, hidi_split *split)
{
    if (strncmp(name, "data:", 5) == 0 && hidi_split_find(name + 5, split))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "%s: expected data:train, data:validation or data:test", name);
}

static hidi_status gather_split(hidi_image_set *set, hidi_eval_context *context, const char *name,
                                const hidi_gathering *what)
{
    hidi_image_source source;
    hidi_split split = HIDI_TEST;
    char label[32];
    HIDI_TRY(hidi_eval_split(name, &split));
    HIDI_TRY(hidi_eval_data(context));
    HIDI_TRY(hidi_open_split(&source, &context->session->settings, context->data, split,
                             context->extractor->channels, context->eight_bits));
    return gather(set, context, &source, hidi_split_label(label, sizeof label, split), what);
}

static hidi_status gather_images(hidi_image_set *set, const hidi_eval_context *context,
                                 const char *path, const hidi_gathering *what)
{
    hidi_image_source source;
    HIDI_TRY(hidi_image_source_open(&source, path, context->extractor->channels));
    return gather(set, context, &source, path, what);
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
static hidi_status use_statistics(hidi_image_set *set, const hidi_eval_context *context,
                                  const char *path)
{
    hidi_statistics s;
    hidi_status status = hidi_statistics_read(&s, path);
    if (status == HIDI_OK)
        status = check_statistics(&s, context, path);
    if (status == HIDI_OK) {
        set->dim = s.features.dim;
        set->moments = s.features;
        set->spatial = s.spatial;
        s.features = s.spatial = (hidi_moments){0};
    }
    hidi_statistics_free(&s);
    return status;
}

static hidi_status gather_npz(hidi_image_set *set, const hidi_eval_context *context,
                              const char *path, const hidi_gathering *what)
{
    bool has_statistics, has_images;
    hidi_gathering left = *what;
    HIDI_TRY(hidi_statistics_look(path, &has_statistics, &has_images));
    if (!has_statistics || (has_images && !what->moments && !what->spatial))
        return gather_images(set, context, path, what);
    left.moments = left.spatial = false;
    if (has_images && (left.features || left.score || left.spectrum))
        HIDI_TRY(gather_images(set, context, path, &left));
    else
        set->kind = "statistics";
    return use_statistics(set, context, path);
}

/* --- all of them ------------------------------------------------------------------------------ */

hidi_status hidi_eval_set_gather(hidi_image_set *set, hidi_eval_context *context, const char *name,
                                 const hidi_gathering *what)
{
    struct stat about;
    const char *format;
    hidi_image_set_init(set, name);
    if (strncmp(name, "data:", 5) == 0)
        return gather_split(set, context, name, what);
    if (stat(name, &about) == 0 && S_ISDIR(about.st_mode))
        return gather_images(set, context, name, what);
    HIDI_TRY(hidi_tensor_file_format(name, &format));
    return strcmp(format, "npz") == 0 ? gather_npz(set, context, name, what)
                                      : gather_samples(set, context, name, what);
}
