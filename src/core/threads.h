/* threads.h - how many threads parallel loops may use. */
#ifndef HIDI_CORE_THREADS_H
#define HIDI_CORE_THREADS_H

/* Limits parallel loops (and a BLAS or LAPACK that asks OpenMP) to n >= 1 threads, until the next
 * call; returns the limit before it.  Without OpenMP there is one thread, and nothing to limit. */
int hidi_limit_threads(int n);

#endif
