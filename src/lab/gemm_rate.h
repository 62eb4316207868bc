/* gemm_rate.h - how fast a backend multiplies large square matrices: what steps are compared
 * with. */
#ifndef HIDI_LAB_GEMM_RATE_H
#define HIDI_LAB_GEMM_RATE_H

#include "backend/backend.h"

enum { HIDI_GEMM_AT_A_TIME = 5, HIDI_GEMM_TIMES = 100 * HIDI_GEMM_AT_A_TIME };

typedef struct hidi_gemm_rate {
    size_t n;                        /* of the n x n matrices; 0: not known yet    */
    double seconds[HIDI_GEMM_TIMES]; /* [count] of each product                    */
    int count;
} hidi_gemm_rate;

/* Times HIDI_GEMM_AT_A_TIME more products, as long as there is room for them: between the
 * steps that are measured, so that both meet the same other work on the machine.  The first call
 * (*rate all 0) finds their size: from 256 up to 2048, the first whose product takes 20 ms. */
hidi_status hidi_gemm_rate_measure(hidi_gemm_rate *rate, const hidi_backend *backend);

/* In floating-point operations per second, 2 n^3 each; p: the quantile of their times, 0.5 the
 * median. */
double hidi_gemm_rate_at(hidi_gemm_rate *rate, double p);

/* "sgemm", or "dgemm" in a build with double precision. */
const char *hidi_gemm_name(void);

#endif
