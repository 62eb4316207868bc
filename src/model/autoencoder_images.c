/* autoencoder_images.c - images in host memory to latents and back, a few at a time. */
#include "model/autoencoder.h"

enum { PIECE = 8 }; /* images at one time: an encoder's first level takes most of the memory */

hidi_status hidi_autoencoder_moments(const hidi_autoencoder *net, hidi_tape *tape,
                                     const hidi_real *images, size_t n, size_t H, size_t W,
                                     hidi_real *moments)
{
    const hidi_autoencoder_config *c = &net->config;
    const size_t f = hidi_autoencoder_factor(c), pixels = c->image_channels * H * W;
    const size_t numbers = 2 * c->latent_channels * (H / f) * (W / f);
    for (size_t i = 0; i < n; i += PIECE) {
        const size_t some = n - i < PIECE ? n - i : PIECE;
        hidi_tape_reset(tape);
        hidi_var *x = hidi_constant(tape, hidi_shape4(some, c->image_channels, H, W),
                                    images + i * pixels);
        hidi_var *out = hidi_encode(tape, net, true, x);
        HIDI_TRY(hidi_tape_status(tape));
        HIDI_TRY(hidi_read(tape, out, moments + i * numbers));
    }
    return HIDI_OK;
}

hidi_status hidi_autoencoder_images(const hidi_autoencoder *net, hidi_tape *tape,
                                    const hidi_real *z, size_t n, size_t h, size_t w,
                                    hidi_real *images)
{
    const hidi_autoencoder_config *c = &net->config;
    const size_t f = hidi_autoencoder_factor(c), numbers = c->latent_channels * h * w;
    const size_t pixels = c->image_channels * f * h * f * w;
    for (size_t i = 0; i < n; i += PIECE) {
        const size_t some = n - i < PIECE ? n - i : PIECE;
        hidi_tape_reset(tape);
        hidi_var *in = hidi_constant(tape, hidi_shape4(some, c->latent_channels, h, w),
                                     z + i * numbers);
        hidi_var *x = hidi_decode(tape, net, true,
                                  hidi_scale(tape, in, (hidi_real)(1 / c->scale)));
        HIDI_TRY(hidi_tape_status(tape));
        HIDI_TRY(hidi_read(tape, x, images + i * pixels));
    }
    return HIDI_OK;
}
