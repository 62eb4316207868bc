/* decoding.h - hidi decode: latents from a file become pictures, one after another. */
#ifndef HIDI_LAB_DECODING_H
#define HIDI_LAB_DECODING_H

#include "lab/sampling.h"
#include "model/autoencoder.h"

typedef struct hidi_decode_request {
    const char *latents;     /* a file of tensors with [N, z, h, w]                               */
    const char *autoencoder;
    const char *key;         /* the part of its file; NULL: as open_tensors.h has it              */
    double scale;            /* what the latents were multiplied by; 0: the autoencoder's scale,
                              * or 1 for a file of hidi encode                                    */
    long count;              /* the first so many; 0: all                                         */
    long columns;            /* of one picture                                                    */
} hidi_decode_request;

/* Decodes into session->out, which is what hidi sample takes. */
hidi_status hidi_decode_file(const hidi_session *session, const hidi_decode_request *request);

/* An autoencoder's parts from a file, with a note on session->progress if it has SD-VAE's scale
 * because the file does not say its own. */
hidi_status hidi_open_autoencoder(const hidi_session *session, const char *path, const char *key,
                                  hidi_autoencoder_parts parts, hidi_autoencoder **autoencoder);

#endif
