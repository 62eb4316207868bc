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

/* Every parameter has a part in what was gone backward from: g [params.count], host memory. */
static inline void assert_all_have_gradients(const hidi_dit *dit, const hidi_real *g)
{
    for (int i = 0; i < dit->params.n_params; i++) {
        const hidi_param *param = &dit->params.param[i];
        bool found = false;
        for (size_t k = 0; k < hidi_count(param->shape); k++)
            found = found || g[param->offset + k] != 0;
        ck_assert_msg(found, "%s has no gradient", param->name);
    }
}

#endif
