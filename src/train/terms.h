/* terms.h - the scalars that a step logs: read back in one place, where NaN and infinity are found.
 *
 * Reading a value waits for the device.  So a step first puts all of its losses on the tape, then
 * reads their terms, and only then goes backward: nothing is updated by a loss that is not finite.
 */
#ifndef HIDI_TRAIN_TERMS_H
#define HIDI_TRAIN_TERMS_H

#include "../autograd/tape.h"

typedef struct hidi_term {
    const hidi_var *var; /* a scalar; NULL: not part of this step                    */
    const char *name;    /* "the flow matching loss", for the message                */
    int column;          /* of the log: values[column] is where its value goes       */
} hidi_term;

/* Reads terms [n], in their order, into values; NaN for those that are not part of the step.
 * Returns the first error of the tape, or HIDI_NOT_FINITE for the first term that is not finite
 * ("NAME is nan"). */
hidi_status hidi_read_terms(hidi_tape *tape, const hidi_term *terms, int n, double *values);

#endif
