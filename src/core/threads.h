/* threads.h - how many threads parallel loops get; BLAS and LAPACK on the calling thread alone.
 *
 * An OpenBLAS that is built with OpenMP asks OpenMP how many threads the calling thread may use,
 * and splits a product itself even where a parallel region has only one thread.  It can then wait
 * forever for threads that a limit withholds (OMP_THREAD_LIMIT, OMP_DYNAMIC,
 * OMP_MAX_ACTIVE_LEVELS).
 */
#ifndef HIDI_CORE_THREADS_H
#define HIDI_CORE_THREADS_H

#include <stdbool.h>

/* Limits the parallel loops of the calling thread to n >= 1 threads, until the next call; returns
 * the previous limit.  Without OpenMP there is one thread, and nothing to limit. */
int hidi_limit_threads(int n);

/* How many that is now. */
int hidi_thread_limit(void);

/* From here to hidi_serial_end, BLAS and LAPACK compute on the calling thread.  Returns what
 * hidi_serial_end needs to put everything back as the host of the library had it.  May be called by
 * several threads at a time. */
int hidi_serial_begin(void);
void hidi_serial_end(int before);

/* Is the calling thread between the two? */
bool hidi_is_serial(void);

#endif
