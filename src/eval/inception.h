/* inception.h - Inception-v3 as the Frechet inception distance knows it: the graph of 2015-12-05
 * (Heusel et al., arXiv 1706.08500) with the tensor names that pytorch-fid gave its weights.
 *
 *     hidi_extractor extractor;
 *     hidi_inception_input input;
 *     HIDI_TRY(hidi_inception_input_named(&input, "pytorch-fid"));
 *     HIDI_TRY(hidi_inception_extractor(&extractor, backend, &weights, input));
 *     HIDI_TRY(hidi_extract(&extractor, images, n, height, width, &out));
 *     hidi_extractor_close(&extractor);
 *
 * It is not torchvision's network: average pools do not count padding, the last block has a max
 * pool in its place, there are 1008 classes, and the weights are different.  Numbers called FID
 * come from this network with these weights, and from nothing else.
 */
#ifndef HIDI_EVAL_INCEPTION_H
#define HIDI_EVAL_INCEPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "../backend/backend.h"
#include "../io/tensor_file.h"
#include "extractor.h"

enum {
    HIDI_INCEPTION_SIDE = 299,      /* images are resized to 299 x 299                          */
    HIDI_INCEPTION_LEAST_SIDE = 75, /* below, no pixel reaches the last blocks                  */
    HIDI_INCEPTION_FEATURES = 2048, /* pool3: means over the positions of the last block        */
    HIDI_INCEPTION_CLASSES = 1008,
    HIDI_INCEPTION_SPATIAL = 17 * 17 * 7,
    HIDI_INCEPTION_BLOCKS = 18      /* single convolutions and pools of the stem count as one   */
};

/* How images become the network's input.  All of them are linear in the image. */
typedef enum hidi_inception_input {
    HIDI_INCEPTION_PYTORCH_FID, /* bilinear, half-pixel centres, no antialiasing; 2 x - 1       */
    HIDI_INCEPTION_TF,          /* bilinear as in TensorFlow 1: pixel i of the result lies at i
                                 * times the ratio of sizes; (x - 128) / 128.  The first FID,
                                 * guided-diffusion's evaluator, torch-fidelity                 */
    HIDI_INCEPTION_CLEAN,       /* bicubic with antialiasing as PIL has it, cut to the range;
                                 * (x - 128) / 128: clean-fid (arXiv 2104.11222)                */
    HIDI_INCEPTION_INPUTS
} hidi_inception_input;

/* "pytorch-fid", "tf", "clean".  HIDI_BAD_ARGUMENT for another name, with the list. */
hidi_status hidi_inception_input_named(hidi_inception_input *input, const char *name);
const char *hidi_inception_input_name(hidi_inception_input input);

/* Are these the weights of Inception-v3, by the names that pytorch-fid gave them? */
bool hidi_inception_is_in(const hidi_tensor_file *weights);

/* The network of `weights`, of any dtype, as an extractor called "Inception-v3 (pytorch-fid input)"
 * (or tf, clean) that takes images [n, 3, H, W] of any size and gives
 *     features       pool3 [2048]
 *     probabilities  softmax of pool3 times fc.weight [1008]: without fc.bias, as in the Inception
 *                    Score of the TensorFlow graph, torch-fidelity and guided-diffusion
 *     spatial        the first 7 channels after Mixed_6d.branch1x1 ("mixed_6/conv:0" in the graph,
 *                    after its ReLU), [17, 17, 7] as guided-diffusion flattens them
 * It keeps nothing of the file.  A tensor that is missing or of another shape, holds NaN or
 * infinity, has no place in the network, or is a running variance below 0: HIDI_BAD_FORMAT naming
 * it.  fc.bias and num_batches_tracked are not used. */
hidi_status hidi_inception_extractor(hidi_extractor *extractor, const hidi_backend *backend,
                                     const hidi_tensor_file *weights, hidi_inception_input input);

/* --- the parts -------------------------------------------------------------------------------- */

/* images [n, 3, height, width] in [-1, 1] -> out [n, 3, 299, 299], host memory.  Coordinates are in
 * single precision in every build, as in the tools that are followed: where an image is large,
 * their rounding shows. */
hidi_status hidi_inception_resize(hidi_inception_input input, const hidi_real *images, size_t n,
                                  size_t height, size_t width, hidi_real *out);

typedef struct hidi_inception hidi_inception;

/* The network with batch norm (eps 1e-3) folded into the convolutions:
 * w' = w gamma / sqrt(variance + eps), b' = beta - mean gamma / sqrt(variance + eps).
 * Weights and errors as above; the caller destroys it. */
hidi_status hidi_inception_create(hidi_inception **net, const hidi_backend *backend,
                                  const hidi_tensor_file *weights);
void hidi_inception_destroy(hidi_inception *net); /* NULL is allowed */

/* x [n, 3, side, side], host memory, scaled as the network wants it (hidi_inception_resize) -> out.
 * 75 <= side <= 299, since the network is convolutional and tests are faster on small images; the
 * spatial features are those of the positions that there are. */
hidi_status hidi_inception_forward(hidi_inception *net, const hidi_real *x, size_t n, size_t side,
                                   const hidi_extracted *out);

/* Block 0 .. 17: its name ("Conv2d_1a_3x3", ..., "Mixed_7c"; NULL for other numbers), and its
 * output [*channels, *size, *size] on an image of this side. */
const char *hidi_inception_block_name(size_t block);
void hidi_inception_block_shape(size_t block, size_t side, size_t *channels, size_t *size);

/* The output of one block, out [n, channels, size, size] in host memory. */
hidi_status hidi_inception_block(hidi_inception *net, const hidi_real *x, size_t n, size_t side,
                                 size_t block, hidi_real *out);

/* Bytes of backend memory: of the weights, and of what a pass works on. */
void hidi_inception_memory(const hidi_inception *net, size_t *weights, size_t *work);

/* Multiply-adds of the convolutions on one image of 299 x 299. */
double hidi_inception_macs(void);

/* A file with all the tensors of the network, random, for tests and timing.  Element k of tensor i,
 * in the order of the state dict without num_batches_tracked, comes from a number u in [0, 1):
 *     z = seed + (i 2^32 + k + 1) 9e3779b97f4a7c15 (hexadecimal, modulo 2^64)
 *     z = (z ^ z >> 30) bf58476d1ce4e5b9;  z = (z ^ z >> 27) 94d049bb133111eb;  z = z ^ z >> 31
 *     u = (z >> 40) 2^-24                                  (SplitMix64: Steele, Lea & Flood, 2014)
 *     conv.weight (2 u - 1) sqrt(6 / fan-in), bn.weight and bn.running_var 1/2 + u,
 *     bn.bias and bn.running_mean u / 2 - 1/4, fc.weight u / 16 - 1 / 32, fc.bias u
 * in double precision, rounded to F32.  The caller frees it in any case. */
hidi_status hidi_inception_random(hidi_tensor_file *file, uint64_t seed);

#endif
