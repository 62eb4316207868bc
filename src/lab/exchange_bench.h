/* exchange_bench.h - how long the processes of an MPI run take to exchange their gradients, which
 * is what a training step waits for beside its arithmetic (docs/scale.md). */
#ifndef HIDI_LAB_EXCHANGE_BENCH_H
#define HIDI_LAB_EXCHANGE_BENCH_H

#include <stdio.h>

#include "backend/backend.h"

/* Times hidi_gradient_sum_finish with a micro-batch for each process, for gradients of 4 KiB, 16
 * KiB, ... 64 MiB: medians of `repeat`; and fits  seconds = latency + bytes / rate.  A table to
 * `out`, and to a file (csv NULL: none).  All processes call it. */
hidi_status hidi_bench_exchange(const hidi_backend *backend, long repeat, FILE *out,
                                const char *csv);

#endif
