/* feature_net.h - a small convolutional classifier whose inner activations are the features of the
 * Fréchet distance here.
 *
 *     conv 3x3 (C -> 32), SiLU, average pool 2; conv 3x3 (-> 64), SiLU, pool; conv 3x3 (-> 96),
 *     SiLU; linear on the mean over positions -> logits
 *
 * Features [ours]: the means over positions after each of the three convolutions (32 + 64 + 96 =
 * 192), each divided by its standard deviation over training images: early ones see texture, late
 * ones see structure.  A distance in this space is not a published FID.
 */
#ifndef HIDI_EVAL_FEATURE_NET_H
#define HIDI_EVAL_FEATURE_NET_H

#include "../autograd/ops.h"
#include "../autograd/params.h"
#include "../io/tensor_file.h"
#include "extractor.h"

enum { HIDI_FEATURE_STAGES = 3, HIDI_FEATURES = 32 + 64 + 96 };

typedef struct hidi_feature_net {
    hidi_params params;
    size_t channels, image_size, n_classes;
    hidi_real scale[HIDI_FEATURES]; /* 1 / standard deviation of each feature */
} hidi_feature_net;

/* A net with all parameters 0 and scale 1; the caller destroys it. */
hidi_status hidi_feature_net_create(hidi_feature_net **net, const hidi_backend *backend,
                                    size_t channels, size_t image_size, size_t n_classes);
void hidi_feature_net_destroy(hidi_feature_net *net); /* NULL is allowed */
hidi_status hidi_feature_net_initialise(hidi_feature_net *net, uint64_t seed);

/* images [B, C, H, W] -> logits [B, n_classes]; pooled (NULL: not wanted): the means over positions
 * after each convolution, [B, 32], [B, 64], [B, 96]. */
hidi_var *hidi_feature_net_forward(hidi_tape *tape, const hidi_feature_net *net, bool frozen,
                                   hidi_var *images, hidi_var *pooled[HIDI_FEATURE_STAGES]);

/* features [n, 192] = pooled times scale, of images [n, C, H, W], both host memory; resets the
 * tape. */
hidi_status hidi_feature_net_extract(const hidi_feature_net *net, hidi_tape *tape,
                                     const hidi_real *images, size_t n, double *features);

/* Sets scale to 1 / standard deviation over images [n, C, H, W], host memory; resets the tape. */
hidi_status hidi_feature_net_standardise(hidi_feature_net *net, hidi_tape *tape,
                                         const hidi_real *images, size_t n);

/* label [n]: the class of each image [n, C, H, W] by the largest logit; both host memory; resets
 * the tape. */
hidi_status hidi_feature_net_classify(const hidi_feature_net *net, hidi_tape *tape,
                                      const hidi_real *images, size_t n, int32_t *label);

/* Files: the parameters, features.scale, and metadata "format" = "hidi-feature-net",
 * "image_size". */
hidi_status hidi_feature_net_to_file(const hidi_feature_net *net, hidi_tensor_file *file);
hidi_status hidi_feature_net_from_file(hidi_feature_net **net, const hidi_backend *backend,
                                       const hidi_tensor_file *file);

/* The net as an extractor called `name`, of features and of probabilities (the softmax of its
 * logits); takes it over, also when that fails. */
hidi_status hidi_feature_net_extractor(hidi_extractor *extractor, hidi_feature_net *net,
                                       const char *name);

#endif
