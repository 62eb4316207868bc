/* dense.h - matrices in double precision, whatever hidi_real is: what the metrics compute with.
 *
 * CBLAS and LAPACK where configure found them, else plain loops and Jacobi's methods.  Matrices are
 * row-major without gaps, in host memory.  Products are cut into tiles of a fixed size, one thread
 * each, so that the number of threads does not change a bit of them.
 */
#ifndef HIDI_EVAL_DENSE_H
#define HIDI_EVAL_DENSE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/* c = a b, or (accumulate) c += a b; a: [m, k], b: [k, n], c: [m, n], which does not overlap them.
 * transpose_b: b is given as [n, k]. */
void hidi_dense_multiply(double *c, bool accumulate, const double *a, const double *b,
                         bool transpose_b, size_t m, size_t n, size_t k);

/* The upper triangle of c += x^T x; x: [n, D], c: [D, D].  What is below the diagonal is
 * undefined. */
void hidi_dense_add_gram(double *c, const double *x, size_t n, size_t D);

/* Eigenvalues w [n] (ascending) and eigenvectors of the symmetric a [n, n]; on return row i of a is
 * the eigenvector of w[i].  LAPACK's dsyevd, or hidi_jacobi_eigen.  HIDI_NOT_FINITE if a is not. */
hidi_status hidi_symmetric_eigen(double *a, double *w, size_t n);
/* Cyclic Jacobi, in every build: O(n^3) a sweep, about ten sweeps. */
hidi_status hidi_jacobi_eigen(double *a, double *w, size_t n);

/* Singular values s [min(m, n)] (descending) of a [m, n], which is destroyed.  LAPACK's dgesdd, or
 * hidi_jacobi_singular.  Errors are roundings of the largest one, and not the roots of such.
 * HIDI_NOT_FINITE if a is not. */
hidi_status hidi_singular_values(double *a, size_t m, size_t n, double *s);
/* One-sided Jacobi, in every build. */
hidi_status hidi_jacobi_singular(double *a, size_t m, size_t n, double *s);

/* "LAPACK" or "Jacobi's methods": how the two are computed. */
const char *hidi_dense_decompositions(void);

#endif
