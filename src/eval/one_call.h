/* one_call.h - what people want of a library like this one, in one line each.
 *
 *     double fid;
 *     HIDI_TRY(hidi_distance_of("samples/", "imagenet-256.npz", "pt_inception.pth", &fid));
 *
 * Each of these opens the cpu backend, does one thing, and leaves nothing open.  Whoever needs more
 * control finds the pieces in samples.h, measure.h and extractor.h.
 */
#ifndef HIDI_EVAL_ONE_CALL_H
#define HIDI_EVAL_ONE_CALL_H

#include "samples.h"

/* n samples of a model in a file, teacher or student: *x [n, C, H, W], about -1 to 1, which the caller
 * frees.  sampler NULL: one step of a student's average velocity, or 25 Heun steps of a teacher with
 * guidance 1.5.  seed: as in hidi_samples; classes go round.  config (NULL: not wanted): the network's,
 * which has C, H = W and the number of classes. */
hidi_status hidi_samples_of(const char *model, const hidi_sampler *sampler, uint64_t seed, size_t n,
                            hidi_real **x, hidi_dit_config *config);

/* Features of images: *features [*n, *dim], which the caller frees.
 *   images   a folder of pictures, or an npz with arr_0
 *   weights  the extractor: pytorch-fid's Inception-v3 (pool3, dim 2048, input as pytorch-fid has it),
 *            or a small net of `hidi features`, which takes images of its own size alone */
hidi_status hidi_features_of(const char *images, const char *weights, double **features, size_t *n,
                             size_t *dim);

/* The Frechet distance of two sets in these features: FID, if they are Inception's.  Each set is a
 * folder of pictures, an npz with arr_0, or an npz of statistics (mu, sigma). */
hidi_status hidi_distance_of(const char *set, const char *reference, const char *weights,
                             double *distance);

#endif
