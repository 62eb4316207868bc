/* autoencoder.h - the autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752), whose
 * SD-VAE the published DiT and SiT work on: images to latents of a lower resolution, and back.
 * Its equations and forward passes are autoencoder.c.
 *
 *     hidi_autoencoder *vae;
 *     HIDI_TRY(hidi_autoencoder_load(&vae, backend, "sd-vae-ft-ema.safetensors", HIDI_DECODER));
 *     hidi_var *z = hidi_constant(tape, hidi_shape4(B, 4, 32, 32), latents);
 *     hidi_var *image = hidi_decode(tape, vae, true, hidi_scale(tape, z, 1 / vae->config.scale));
 *
 * Parameters have the names of diffusers' AutoencoderKL.
 */
#ifndef HIDI_MODEL_AUTOENCODER_H
#define HIDI_MODEL_AUTOENCODER_H

#include <stdint.h>

#include "../autograd/ops.h"
#include "../autograd/params.h"
#include "../io/tensor_file.h"

enum { HIDI_AUTOENCODER_MOST_LEVELS = 8, HIDI_AUTOENCODER_MOST_BLOCKS = 16 };

#define HIDI_AUTOENCODER_EPS 1e-6 /* of the group norms */
#define HIDI_SD_SCALE 0.18215     /* SD-VAE's scaling factor */

/* Which half of the network there is. */
typedef enum hidi_autoencoder_parts {
    HIDI_ENCODER = 1, HIDI_DECODER = 2, HIDI_ENCODER_AND_DECODER = 3
} hidi_autoencoder_parts;

typedef struct hidi_autoencoder_config {
    size_t image_channels;  /* 3                                                               */
    size_t latent_channels; /* z; the encoder puts out twice as many: means and log-variances  */
    size_t levels;          /* resolutions: a latent's side is the image's / 2^(levels - 1)    */
    size_t width[HIDI_AUTOENCODER_MOST_LEVELS]; /* channels of each, from the image's down     */
    size_t blocks;          /* residual blocks a level of the encoder; the decoder has one more */
    size_t groups;          /* of the group norms                                              */
    bool has_quant;         /* 1 x 1 convolutions behind the encoder                           */
    bool has_post_quant;    /* ... and in front of the decoder                                 */
    double scale;           /* what latents are multiplied by for a diffusion model            */
} hidi_autoencoder_config;

typedef struct hidi_autoencoder {
    hidi_autoencoder_config config;
    hidi_autoencoder_parts parts;
    hidi_params params;
    int decoder; /* number of the decoder's first parameter; the encoder's is 0 */
} hidi_autoencoder;

/* --- a network and its parameters (autoencoder_params.c) -------------------------------------- */

/* SD-VAE: widths 128, 256, 512, 512, two blocks a level, 4 latent channels. */
hidi_autoencoder_config hidi_sd_autoencoder_config(void);

/* HIDI_BAD_ARGUMENT for sizes that are out of range or do not fit together. */
hidi_status hidi_autoencoder_config_check(const hidi_autoencoder_config *config);

/* "32,48,64": width and levels of the config.  HIDI_BAD_ARGUMENT, with what was expected. */
hidi_status hidi_autoencoder_parse_widths(const char *text, hidi_autoencoder_config *config);

/* Those parts of a network, with all parameters 0.  HIDI_BAD_ARGUMENT for a config that does not
 * fit together.  The caller destroys it. */
hidi_status hidi_autoencoder_create(hidi_autoencoder **autoencoder, const hidi_backend *backend,
                                    const hidi_autoencoder_config *config,
                                    hidi_autoencoder_parts parts);
void hidi_autoencoder_destroy(hidi_autoencoder *autoencoder); /* NULL is allowed */

/* Weights uniform on +-1 / sqrt(inputs of an output), group norms the identity, biases 0. */
hidi_status hidi_autoencoder_initialise(hidi_autoencoder *autoencoder, uint64_t seed);

/* Pixels of an image's side for one of a latent's: 2^(levels - 1). */
size_t hidi_autoencoder_factor(const hidi_autoencoder_config *config);

/* --- the passes (autoencoder.c) --------------------------------------------------------------- */

/* [B, 2 z, h, w], the means and then the log-variances of the latents, not scaled, of images
 * [B, C, f h, f w] in [-1, 1], f the factor above.  Frozen: no gradients for the parameters (the
 * images' still flow).  A frozen pass whose images want no gradient gives the memory of each block
 * back. */
hidi_var *hidi_encode(hidi_tape *tape, const hidi_autoencoder *autoencoder, bool frozen,
                      hidi_var *images);

/* Images [B, C, f h, f w], about [-1, 1], of latents z [B, z, h, w] that are not scaled. */
hidi_var *hidi_decode(hidi_tape *tape, const hidi_autoencoder *autoencoder, bool frozen,
                      hidi_var *z);

/* --- from and to host memory (autoencoder_images.c) ------------------------------------------- */

/* The moments [n, 2 z, H / f, W / f] of images [n, C, H, W], not scaled, a few at a time; the tape
 * is reset. */
hidi_status hidi_autoencoder_moments(const hidi_autoencoder *autoencoder, hidi_tape *tape,
                                     const hidi_real *images, size_t n, size_t H, size_t W,
                                     hidi_real *moments);

/* What comes back of images [n, C, H, W], into y likewise (which may be the images): of the means
 * of their latents, which stand in moments [n, 2 z, H / f, W / f] in between. */
hidi_status hidi_autoencoder_reconstruct(const hidi_autoencoder *autoencoder, hidi_tape *tape,
                                         const hidi_real *images, size_t n, size_t H, size_t W,
                                         hidi_real *moments, hidi_real *y);

/* Images [n, C, f h, f w] of latents z [n, z, h, w] as a diffusion model has them: times the
 * scale. */
hidi_status hidi_autoencoder_images(const hidi_autoencoder *autoencoder, hidi_tape *tape,
                                    const hidi_real *z, size_t n, size_t h, size_t w,
                                    hidi_real *images);

/* --- files (autoencoder_file.c) --------------------------------------------------------------- */

/* Adds all parameters under diffusers' names, and the metadata hidi.groups and hidi.scale. */
hidi_status hidi_autoencoder_to_file(const hidi_autoencoder *autoencoder, hidi_tensor_file *file);

/* Those parts of a network from a file's tensors, in diffusers' names (those since 2022, and the
 * attention's earlier query, key, value, proj_attn) or CompVis' (encoder.down.0.block.0 ...), below
 * nothing, first_stage_model., vae. or module.; what a checkpoint has beside the encoder and the
 * decoder is ignored.  Sizes follow from shapes.  Where the metadata do not say it there are 32
 * groups, and the scale is SD-VAE's.  Missing, superfluous or misshapen tensors: HIDI_BAD_FORMAT
 * with the name. */
hidi_status hidi_autoencoder_from_file(hidi_autoencoder **autoencoder, const hidi_backend *backend,
                                       const hidi_tensor_file *file, hidi_autoencoder_parts parts);

/* Has the file the decoder of such a network? */
bool hidi_is_autoencoder(const hidi_tensor_file *file);

/* The two above with a file; hidi_autoencoder_save writes a safetensors file atomically. */
hidi_status hidi_autoencoder_save(const hidi_autoencoder *autoencoder, const char *path);
hidi_status hidi_autoencoder_load(hidi_autoencoder **autoencoder, const hidi_backend *backend,
                                  const char *path, hidi_autoencoder_parts parts);

/* "autoencoder f=8: images of 3 channels, latents of 4, widths 128 256 512 512, ..." into
 * text[size]. */
char *hidi_autoencoder_text(const hidi_autoencoder_config *config, char *text, size_t size);

#endif
