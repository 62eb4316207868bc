/* autoencoder_loss.h - what an autoencoder of latents is trained by. */
#ifndef HIDI_METHOD_AUTOENCODER_LOSS_H
#define HIDI_METHOD_AUTOENCODER_LOSS_H

#include "../model/autoencoder.h"

typedef struct hidi_autoencoder_terms {
    hidi_var *mean, *logvar; /* of the latents, [B, z, h, w]; logvar within its bounds  */
    hidi_var *z;             /* the latents that are decoded                            */
    hidi_var *image;         /* D(z), [B, C, H, W]                                      */
    hidi_var *error;         /* mean |x - D(z)|, a scalar                               */
    hidi_var *kl;            /* KL over an image's latent, mean over images, a scalar   */
} hidi_autoencoder_terms;

/* The loss of autoencoder_loss.c for images x [B, C, H, W] and noise e [B, z, h, w], z a latent's
 * channels.  A scalar. */
hidi_var *hidi_autoencoder_loss(hidi_tape *tape, const hidi_autoencoder *net, hidi_var *x,
                                hidi_var *e, double kl_weight, hidi_autoencoder_terms *terms);

#endif
