/* encoding.h - hidi encode: a folder of pictures becomes a file of latents, for the data set
 * "latents" (data/latents.c). */
#ifndef HIDI_LAB_ENCODING_H
#define HIDI_LAB_ENCODING_H

#include "lab/session.h"

typedef struct hidi_encode_request {
    const char *folder;      /* FOLDER/CLASS/..., FOLDER/train/CLASS/..., or pictures of one class;
                              * or fast-DiT's NAME_features and NAME_labels, which are taken as they
                              * are, without autoencoder                                          */
    const char *autoencoder; /* NULL for such features                                            */
    const char *key;         /* the part of its file; NULL: as open_tensors.h has it              */
    long size;               /* pictures are cut to the square in their middle and scaled to it;
                              * 0: all must be as the first one is                                */
    bool mirrored;           /* and a copy of each, left and right exchanged                      */
} hidi_encode_request;

/* Writes session->out, a safetensors file:
 *   mean, logvar  F16 [M, z, h, w], not scaled (features: no logvar); M = N, or with mirrored
 *                 copies 2 N, of which the second half are these
 *   label         I32 [M]; metadata hidi.classes has the names
 *   metadata      format = hidi-latents, hidi.scale, hidi.mirrored
 * Until it is whole it is called OUT.partial, beside OUT.partial.done, which says how far it is: a
 * run that was interrupted goes on from there if everything is as it was. */
hidi_status hidi_encode_folder(const hidi_session *session, const hidi_encode_request *request);

#endif
