/* measuring.h - how the settings say that images are measured. */
#ifndef HIDI_LAB_MEASURING_H
#define HIDI_LAB_MEASURING_H

#include "lab/session.h"
#include "eval/feature_net.h"
#include "eval/measure.h"
#include "eval/samples.h"

/* What eval.* says of the metrics. */
hidi_metric_options hidi_settings_metrics(const hidi_settings *settings);

/* What hidi run and hidi study measure: distance, precision and recall, high frequencies; with the
 * extractor, which is borrowed, and no reference yet. */
hidi_status hidi_settings_measuring(const hidi_settings *settings, hidi_extractor *extractor,
                                    hidi_measuring *how);

/* A small net as an extractor by the name that distances are said to be measured with ("hidi's
 * small feature net for shapes"; data NULL: without "for"); takes it over. */
hidi_status hidi_small_extractor(hidi_extractor *extractor, hidi_feature_net *net,
                                 const hidi_dataset *data);

/* The first eval.images images of a split, with `channels` channels; errors name that setting. */
hidi_status hidi_open_split(hidi_image_source *source, const hidi_settings *settings,
                            const hidi_dataset *data, hidi_split split, size_t channels,
                            bool eight_bits);

/* Have the splits that a run is measured with, training images and the settings' split, eval.images
 * images?  Asked before anything is trained; the error names that setting. */
hidi_status hidi_check_measurable(const hidi_settings *settings, const hidi_dataset *data);

/* What a split's images are called: "real (training split)". */
char *hidi_split_label(char *text, size_t size, hidi_split split);

/* The settings' split as the reference of `how`, gathered without a line of progress.  Free
 * *reference in any case. */
hidi_status hidi_gather_real(hidi_image_set *reference, hidi_measuring *how,
                             const hidi_settings *settings, const hidi_dataset *data);

/* What samples are called: "stage 1, 4 steps". */
char *hidi_samples_label(char *text, size_t size, const char *name, const hidi_sampler *sampler);

/* The config of a network, with the extents of the images that its samples are shown as. */
hidi_dit_config hidi_pictured(const hidi_session *session, const hidi_dit_config *config);

/* `count` samples of a net with the settings' seed. */
hidi_samples hidi_settings_samples(const hidi_settings *settings, const hidi_dit *net,
                                   const hidi_sampler *sampler, const hidi_captions *captions,
                                   size_t count);

#endif
