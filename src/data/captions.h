/* captions.h - a list of captions, as networks take them: numbers of tokens, or embeddings. */
#ifndef HIDI_DATA_CAPTIONS_H
#define HIDI_DATA_CAPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "../core/real.h"

/* Host memory; one of token and embedding is not NULL.  Caption i is its first length[i] tokens;
 * what follows is not looked at. */
typedef struct hidi_captions {
    size_t n;                   /* captions                                              */
    size_t most;                /* L: tokens that there is room for in each              */
    const int32_t *length;      /* [n], 0 .. L; 0: the null caption                      */
    const int32_t *token;       /* [n, L], for a network with a text encoder of its own  */
    const hidi_real *embedding; /* [n, L, width], for a network without                  */
    size_t width;               /* D_c, of the embeddings                                */
} hidi_captions;

#endif
