/* host.h - what the host's BLAS and LAPACK do for matrices in double precision, for eval/dense.h:
 * the one place outside the tables that knows whether the build has them.  All memory is the
 * caller's. */
#ifndef HIDI_BACKEND_HOST_H
#define HIDI_BACKEND_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/* c [m, n] += op(a) op(b), row-major, rows ldc, lda and ldb apart; op(a) is [m, k], op(b) [k, n],
 * and op transposes if set.  On the calling thread, by CBLAS or by loops. */
void hidi_host_add_product(double *c, size_t ldc, const double *a, size_t lda, bool transpose_a,
                           const double *b, size_t ldb, bool transpose_b, size_t m, size_t n,
                           size_t k);

/* Are the next two there?  Without LAPACK they return HIDI_UNSUPPORTED. */
bool hidi_host_has_lapack(void);

/* dsyevd: eigenvalues w [n] (ascending) of the symmetric a [n, n], finite, whose row i becomes the
 * eigenvector of w[i].  HIDI_UNSUPPORTED above n = 30000, HIDI_NO_MEMORY, HIDI_NOT_FINITE where it
 * does not converge. */
hidi_status hidi_host_eigen(double *a, double *w, size_t n);

/* dgesdd: singular values s [min(m, n)] (descending) of a [m, n], finite, which is destroyed.
 * Errors as above. */
hidi_status hidi_host_singular_values(double *a, size_t m, size_t n, double *s);

#endif
