/* measuring.c - one way to measure for hidi run, hidi study and hidi eval: which metrics, against
 * which real images, in the features of which net, of which samples. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/measuring.h"

#include <string.h>

hidi_metric_options hidi_settings_metrics(const hidi_settings *s)
{
    return (hidi_metric_options){.neighbours = (size_t)s->eval.neighbours,
                                 .kernel = {.subsets = (size_t)s->eval.kernel_subsets,
                                            .subset_size = (size_t)s->eval.kernel_subset,
                                            .seed = (uint32_t)s->eval.kernel_seed},
                                 .splits = (size_t)s->eval.splits,
                                 .order = (hidi_score_order)s->eval.order};
}

hidi_status hidi_settings_measuring(const hidi_settings *s, hidi_extractor *extractor,
                                    hidi_measuring *how)
{
    *how = (hidi_measuring){.extractor = extractor, .options = hidi_settings_metrics(s)};
    return hidi_metrics_choose(&how->choice, "distance,pr,spectrum", false);
}

hidi_status hidi_small_extractor(hidi_extractor *extractor, hidi_feature_net *net,
                                 const hidi_dataset *data)
{
    char name[sizeof extractor->name];
    snprintf(name, sizeof name, "hidi's small feature net%s%s", data != NULL ? " for " : "",
             data != NULL ? data->name : "");
    return hidi_feature_net_extractor(extractor, net, name);
}

hidi_status hidi_open_split(hidi_image_source *source, const hidi_settings *settings,
                            const hidi_dataset *data, hidi_split split, size_t channels,
                            bool eight_bits)
{
    const hidi_status status = hidi_image_source_dataset(
        source, data, split, (size_t)settings->eval.images, channels, eight_bits);
    return hidi_error_prefix(status, "eval.images");
}

hidi_status hidi_check_measurable(const hidi_settings *s, const hidi_dataset *data)
{
    const uint64_t images = (uint64_t)s->eval.images;
    hidi_status status = hidi_dataset_has(data, hidi_settings_split(s), images);
    if (status == HIDI_OK)
        status = hidi_dataset_has(data, HIDI_TRAIN, images);
    return hidi_error_prefix(status, "eval.images");
}

char *hidi_split_label(char *text, size_t size, hidi_split split)
{
    snprintf(text, size, "real (%s split)", hidi_split_name(split));
    return text;
}

hidi_status hidi_gather_real(hidi_image_set *reference, hidi_measuring *how,
                             const hidi_settings *settings, const hidi_dataset *data)
{
    hidi_image_source source;
    char label[32];
    const hidi_split split = hidi_settings_split(settings);
    hidi_measuring quiet = *how;
    quiet.progress = NULL;
    hidi_image_set_init(reference, NULL);
    HIDI_TRY(hidi_open_split(&source, settings, data, split, how->extractor->channels, false));
    const hidi_status status = hidi_measure_reference(
        reference, &quiet, &source, hidi_split_label(label, sizeof label, split));
    hidi_image_source_close(&source);
    how->reference = reference;
    return status;
}

char *hidi_samples_label(char *text, size_t size, const char *name, const hidi_sampler *sampler)
{
    snprintf(text, size, "%s, %ld step%s", name, sampler->steps, sampler->steps == 1 ? "" : "s");
    return text;
}

hidi_dit_config hidi_pictured(const hidi_session *session, const hidi_dit_config *config)
{
    hidi_dit_config c = *config;
    if (session->coder != NULL) {
        c.channels = session->coder->config.image_channels;
        c.image_size *= hidi_autoencoder_factor(&session->coder->config);
    }
    return c;
}

hidi_samples hidi_settings_samples(const hidi_settings *settings, const hidi_dit *net,
                                   const hidi_sampler *sampler, const hidi_captions *captions,
                                   size_t count)
{
    return (hidi_samples){.net = net,
                          .sampler = *sampler,
                          .seed = (uint64_t)settings->sample.seed,
                          .count = count,
                          .captions = captions};
}
