/* random_weights.h - networks of which no weight is 0, as initial ones are, for tests. */
#ifndef HIDI_TESTS_RANDOM_WEIGHTS_H
#define HIDI_TESTS_RANDOM_WEIGHTS_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Every parameter has a part in what was gone backward from, g [params.count] (host), but for what
 * QK-norm adds to all keys: softmax does not see what they have in common, and its gradient is 0 but
 * for rounding. */
static inline void assert_all_have_gradients(const hidi_dit *dit, const hidi_real *g)
{
    static const char keys_bias[] = ".k_norm.bias";
    const double rounding = sizeof(hidi_real) == 8 ? 1e-13 : 1e-5;
    double largest = 0; /* of all */
    for (size_t k = 0; k < dit->params.count; k++)
        largest = fmax(largest, fabs((double)g[k]));
    for (int i = 0; i < dit->params.n_params; i++) {
        const hidi_param *param = &dit->params.param[i];
        double most = 0;
        for (size_t k = 0; k < hidi_count(param->shape); k++)
            most = fmax(most, fabs((double)g[param->offset + k]));
        if (strstr(param->name, keys_bias) != NULL)
            ck_assert_msg(most <= rounding * largest, "%s has a gradient: %g of %g", param->name,
                          most, largest);
        else
            ck_assert_msg(most > 0, "%s has no gradient", param->name);
    }
}

#endif
