/* requesting.h - hidi requests: do samples show what their captions ask for? */
#ifndef HIDI_LAB_REQUESTING_H
#define HIDI_LAB_REQUESTING_H

#include "lab/request_table.h"

enum { HIDI_GUIDANCES = 32 };

/* What is asked for. */
typedef struct hidi_requesting {
    char **models;                   /* [n] files of teachers and students                   */
    size_t n;                        /* 0: real pictures alone                               */
    double guidance[HIDI_GUIDANCES]; /* [n_guidances] that each teacher is sampled with      */
    int n_guidances;                 /* 0: with that of the settings                         */
} hidi_requesting;

/* "1,1.5,3" into what->guidance: HIDI_BAD_ARGUMENT if it is not that, for a number that is not 0 to
 * 100, and for more than HIDI_GUIDANCES. */
hidi_status hidi_requesting_read(hidi_requesting *what, const char *guidances);

/* Judges real pictures and eval.images samples of each model, of captions that the splits have, and
 * of as many that are held out; of a teacher with each guidance.  All models are opened before
 * anything is judged.  The settings' data set is "scenes", else HIDI_BAD_ARGUMENT. */
hidi_status hidi_request_all(hidi_request_table *table, const hidi_session *session,
                             const hidi_requesting *what);

#endif
