/* autoencoder_layers.h - what the files of the autoencoder share: its parameters, declared. */
#ifndef HIDI_MODEL_AUTOENCODER_LAYERS_H
#define HIDI_MODEL_AUTOENCODER_LAYERS_H

#include "model/autoencoder.h"

/* Declares the parameters of autoencoder->config and ->parts, in the order in which the passes take
 * them.  HIDI_BAD_ARGUMENT for a config that does not fit together. */
hidi_status hidi_autoencoder_declare(hidi_autoencoder *autoencoder);

#endif
