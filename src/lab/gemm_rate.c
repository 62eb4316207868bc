/* gemm_rate.c - C = A B for n x n matrices takes 2 n^3 operations and only 3 n^2 numbers: the most
 * arithmetic that a machine gives. */
#include "lab/gemm_rate.h"

#include "core/progress.h"
#include "lab/timing.h"

static hidi_status time_product(const hidi_backend *backend, size_t n, hidi_real *matrices,
                                double *seconds)
{
    const hidi_real *a = matrices, *b = matrices + n * n;
    const double start = hidi_seconds();
    backend->gemm(false, false, n, n, n, 1, a, n, b, n, 0, matrices + 2 * n * n, n);
    hidi_status status = backend->check();
    *seconds = hidi_seconds() - start;
    return status;
}

/* The times of `count` products of n x n matrices, after one that is not counted. */
static hidi_status time_products(const hidi_backend *backend, size_t n, double *seconds, int count)
{
    hidi_real *matrices = backend->allocate(3 * n * n * sizeof *matrices);
    if (matrices == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for matrices of %zu x %zu", n, n);
    backend->fill(matrices, 1, 3 * n * n);
    double uncounted;
    hidi_status status = time_product(backend, n, matrices, &uncounted);
    for (int i = 0; i < count && status == HIDI_OK; i++)
        status = time_product(backend, n, matrices, &seconds[i]);
    backend->release(matrices);
    return status;
}

hidi_status hidi_gemm_rate_measure(hidi_gemm_rate *rate, const hidi_backend *backend)
{
    double seconds;
    for (size_t n = 256; rate->n == 0; n *= 2) {
        HIDI_TRY(time_products(backend, n, &seconds, 1));
        if (seconds >= 0.02 || n == 2048)
            rate->n = n;
    }
    if (rate->count + HIDI_GEMM_AT_A_TIME > HIDI_GEMM_TIMES)
        return HIDI_OK;
    HIDI_TRY(time_products(backend, rate->n, rate->seconds + rate->count, HIDI_GEMM_AT_A_TIME));
    rate->count += HIDI_GEMM_AT_A_TIME;
    return HIDI_OK;
}

double hidi_gemm_rate_at(hidi_gemm_rate *rate, double p)
{
    const double n = (double)rate->n;
    return 2 * n * n * n / hidi_quantile(rate->seconds, rate->count, p);
}

const char *hidi_gemm_name(void)
{
    return sizeof(hidi_real) == sizeof(float) ? "sgemm" : "dgemm";
}
