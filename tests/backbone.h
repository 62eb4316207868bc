/* backbone.h - a small DiT none of whose parameters is 0, for tests of discriminators. */
#ifndef HIDI_TESTS_BACKBONE_H
#define HIDI_TESTS_BACKBONE_H

#include <check.h>

#include "core/random.h"
#include "model/dit.h"

enum { BACKBONE_WIDTH = 16 };

/* Two blocks of that width, 2 heads.  Destroy it. */
static hidi_dit *random_backbone(const hidi_backend *backend, size_t size, size_t channels,
                                 size_t patch, size_t n_classes)
{
    enum { D = BACKBONE_WIDTH };
    const hidi_dit_config config = {.image_size = size, .channels = channels,
                                    .out_channels = channels, .patch = patch, .width = D,
                                    .depth = 2, .heads = 2, .mlp_width = 32,
                                    .n_classes = n_classes, .time_scale = 10};
    hidi_dit *dit;
    hidi_real host[6 * D * D + 4096];
    ck_assert_int_eq(hidi_dit_create(&dit, backend, &config), HIDI_OK);
    for (int i = 0; i < dit->params.n_params; i++) {
        const size_t n = hidi_count(dit->params.param[i].shape);
        ck_assert_uint_le(n, sizeof host / sizeof host[0]);
        hidi_normal((hidi_random){3, HIDI_STREAM_TEST, 100 + (uint64_t)i}, 0, host, n);
        for (size_t k = 0; k < n; k++)
            host[k] *= (hidi_real)0.2;
        hidi_params_write(&dit->params, i, host);
    }
    return dit;
}

#endif
