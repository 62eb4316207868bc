/* random_weights.h - networks of which no weight is 0, as initial ones are, for tests. */
#ifndef HIDI_TESTS_RANDOM_WEIGHTS_H
#define HIDI_TESTS_RANDOM_WEIGHTS_H

#include <check.h>
#include <stdlib.h>

#include "core/random.h"
#include "model/dit.h"

/* All weights from N(0, 0.3^2). */
static inline void random_weights(hidi_dit *dit, uint64_t seed)
{
    for (int i = 0; i < dit->params.n_params; i++) {
        const size_t n = hidi_count(dit->params.param[i].shape);
        hidi_real *host = malloc(n * sizeof *host);
        ck_assert_ptr_nonnull(host);
        hidi_normal((hidi_random){seed, HIDI_STREAM_TEST, (uint64_t)i}, 0, host, n);
        for (size_t k = 0; k < n; k++)
            host[k] *= (hidi_real)0.3;
        hidi_params_write(&dit->params, i, host);
        free(host);
    }
}

#endif
