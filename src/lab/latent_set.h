/* latent_set.h - a run on latents: its data set's images, encoded once; and what images become on
 * their way through the autoencoder. */
#ifndef HIDI_LAB_LATENT_SET_H
#define HIDI_LAB_LATENT_SET_H

#include "lab/session.h"
#include "data/image_source.h"
#include "model/autoencoder.h"

/* Opens dir/latents.safetensors, the latents of the data's training images (of a data set without
 * end, of the first vae.images), as the data set that networks are trained on.  One that is not
 * there, or was made of other settings or with another autoencoder, is made.  The caller closes. */
hidi_status hidi_make_latents(const hidi_session *session, const hidi_dataset *data,
                              const hidi_autoencoder *autoencoder, const char *dir,
                              hidi_dataset **latents);

/* The first `count` images of a split as they come back from the autoencoder, through the latents'
 * means.  data and autoencoder must outlive the source. */
hidi_status hidi_reconstructions(hidi_image_source *source, const hidi_dataset *data,
                                 hidi_split split, size_t count,
                                 const hidi_autoencoder *autoencoder);

#endif
