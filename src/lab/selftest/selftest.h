/* selftest.h - is a backend right on this machine?  Every slot of its table against the reference
 * backend's, on random data of many sizes; then whole computations.
 *
 * The same cases run in `make check`, for the cpu backend with several numbers of threads and for
 * the cuda backend on an emulation of the device, and in `hidi selftest`, for any backend on the
 * machine at hand.
 */
#ifndef HIDI_LAB_SELFTEST_SELFTEST_H
#define HIDI_LAB_SELFTEST_SELFTEST_H

#include <stdbool.h>

#include "backend/backend.h"

/* What was found of one slot, or one computation. */
typedef struct hidi_selftest_result {
    const char *name;   /* "gemm"                                                            */
    long cases;         /* sizes, variants and values of beta that were compared             */
    double error;       /* of the element closest to its bound, or beyond: the difference from
                           the reference, relative to the element's magnitude (trial.h)      */
    double bound;       /* of that element: what rounding can explain                        */
    double seconds;     /* of one call on the large size; 0: not timed                       */
    double bytes, flop; /* that it reads and writes (upload, download: transfers), and does;
                           flop 0: bytes count                                               */
    char failure[256];  /* "": passed; else what is wrong, with the sizes                    */
} hidi_selftest_result;

/* The slots' cases, one for each slot of the table. */
size_t hidi_selftest_slots(void);
const char *hidi_selftest_slot_name(size_t i);
size_t hidi_selftest_slot_offset(size_t i); /* of the slot, in struct hidi_backend */

/* Compares slot i of `tested` (open) with the reference; with `times`, also times it.  Says in
 * *result whether it passed; an error only if the comparison itself could not be made (out of
 * memory). */
hidi_status hidi_selftest_slot(size_t i, const hidi_backend *tested, bool times,
                               hidi_selftest_result *result);

/* Whole computations: a network's pass with its tangent and gradient, and training steps. */
size_t hidi_selftest_computations(void);
hidi_status hidi_selftest_computation(size_t i, const hidi_backend *tested,
                                      hidi_selftest_result *result);

#endif
