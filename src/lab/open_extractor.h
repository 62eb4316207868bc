/* open_extractor.h - the extractor that hidi eval is asked for: Inception-v3, or a small net. */
#ifndef HIDI_LAB_OPEN_EXTRACTOR_H
#define HIDI_LAB_OPEN_EXTRACTOR_H

#include "lab/session.h"
#include "eval/extractor.h"

/* What is asked for; a NULL member: not given. */
typedef struct hidi_extractor_request {
    const char *name;     /* "inception", "small"                                               */
    const char *weights;  /* the file                                                           */
    const char *features; /* the same, of a small net; else features.file of the settings       */
    const char *key;      /* the part of the file that has them                                 */
    const char *input;    /* how Inception sees images; pytorch-fid                             */
} hidi_extractor_request;

typedef struct hidi_opened_extractor {
    hidi_extractor extractor;
    bool inception;
    char weights[HIDI_PATH]; /* the file                                                        */
    char identity[96];       /* kind and weights: what statistics files remember                */
} hidi_opened_extractor;

/* Sets opened->inception; HIDI_BAD_ARGUMENT for a request that makes no sense. */
hidi_status hidi_extractor_choose(hidi_opened_extractor *opened,
                                  const hidi_extractor_request *request);

/* Finds the file of the weights. */
hidi_status hidi_extractor_find(hidi_opened_extractor *opened,
                                const hidi_extractor_request *request,
                                const hidi_settings *settings);

/* Opens the extractor; data (NULL: none): what a small net has to fit.  Close it in any case
 * (hidi_extractor_close). */
hidi_status hidi_extractor_open(hidi_opened_extractor *opened,
                                const hidi_extractor_request *request, const hidi_backend *backend,
                                const hidi_dataset *data);

#endif
