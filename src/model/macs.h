/* macs.h - what a forward pass costs, in multiply-adds, layer by layer.
 *
 * The matrix products and convolutions of one pass for one image are counted; biases,
 * normalisations, softmax, activations and whatever else is element-wise are not.  A multiply-add
 * is two floating-point operations.  The "Gflops" of DiT's paper (arXiv 2212.09748, table 4: 118.6
 * for XL/2 at 32 x 32 x 4), and with them the 69.7 of arXiv 2511.08930, are 10^9 multiply-adds.
 */
#ifndef HIDI_MODEL_MACS_H
#define HIDI_MODEL_MACS_H

#include "dit.h"

/* A layer, and the others like it. */
typedef struct hidi_layer_macs {
    char name[64];
    size_t count; /* how often the network has it                                            */
    double macs;  /* of all of them together                                                 */
} hidi_layer_macs;

enum { HIDI_MAX_LAYERS = 64 }; /* no network here has more */

/* A pass through a network. */
typedef struct hidi_macs {
    hidi_layer_macs layer[HIDI_MAX_LAYERS]; /* [n], in the order of a pass */
    int n;
    double sum;
} hidi_macs;

/* The layers of a DiT. */
void hidi_dit_count_macs(const hidi_dit_config *config, hidi_macs *macs);

/* Their sum. */
double hidi_dit_macs(const hidi_dit_config *config);

/* The decoder of a convolutional autoencoder as latent diffusion has it (Rombach et al., arXiv
 * 2112.10752): on [latent_channels, side, side],
 *
 *     1 x 1 convolution; 3 x 3 convolution to width multiplier[levels - 1];
 *     residual block, attention with one head over all pixels, residual block;
 *     for each level, from the last to the first: `blocks` residual blocks to width
 *         multiplier[level], and, except at the first: twice the side, 3 x 3 convolution;
 *     3 x 3 convolution to out_channels.
 *
 * A residual block has two 3 x 3 convolutions, and a 1 x 1 one beside them if its width changes. */
enum { HIDI_VAE_MAX_LEVELS = 6 };
typedef struct hidi_vae_decoder_config {
    size_t latent_channels, out_channels, width, levels, blocks;
    size_t multiplier[HIDI_VAE_MAX_LEVELS];
} hidi_vae_decoder_config;

/* Stable Diffusion's, which DiT and SiT use: 4 channels, eight times the side. */
extern const hidi_vae_decoder_config hidi_sd_vae_decoder;

/* The layers of a decoder; side: of the latents. */
void hidi_vae_decoder_count_macs(const hidi_vae_decoder_config *config, size_t side,
                                 hidi_macs *macs);

#endif
