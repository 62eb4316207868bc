/* captions.h - a list of captions, as networks take them: numbers of tokens, or embeddings. */
#ifndef HIDI_DATA_CAPTIONS_H
#define HIDI_DATA_CAPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "../core/real.h"
#include "../io/tensor_file.h"

/* Host memory; one of token, embedding and stored is not NULL.  Caption i is its first length[i]
 * tokens; what follows is not looked at. */
typedef struct hidi_captions {
    size_t n;                   /* captions                                              */
    size_t most;                /* L: tokens that there is room for in each              */
    const int32_t *length;      /* [n], 0 .. L; 0: the null caption                      */
    const int32_t *token;       /* [n, L], for a network with a text encoder of its own  */
    const hidi_real *embedding; /* [n, L, width], for a network without                  */
    const hidi_file_tensor *stored; /* [n, L, width], the same as a file has them: each is
                                 * converted when it is asked for (embeddings.h)         */
    size_t width;               /* D_c, of the embeddings                                */
    const hidi_real *null;      /* [null_length, width]: what a new network's null       */
    size_t null_length;         /*   caption starts as; NULL and 0: one token, drawn     */
    const char *words;          /* the vocabulary of token (words.h); NULL: not known    */
    const char *const *text;    /* [n], as a person reads them; NULL: not known          */
    size_t n_asked;             /* 0: all in turn                                        */
    const int32_t *asked;       /* [n_asked], which samples number 0, 1, ... are of      */
    const int32_t *class_of;    /* [n], what a classifier tells apart; NULL: the caption */
} hidi_captions;

/* The caption that sample number i is asked for, where nothing else says so. */
static inline int32_t hidi_captions_asked(const hidi_captions *list, uint64_t i)
{
    return list->n_asked > 0 ? list->asked[i % list->n_asked] : (int32_t)(i % list->n);
}

/* The embeddings of caption i, of its tokens alone, into out [length[i], width]. */
void hidi_captions_embedding(const hidi_captions *list, size_t i, hidi_real *out);

/* Caption i as a person reads it: its text, or else its words; "" where neither is known.  The
 * caller frees it; NULL: out of memory. */
char *hidi_captions_text(const hidi_captions *list, size_t i);

#endif
