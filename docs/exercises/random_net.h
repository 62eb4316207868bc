/* random_net.h - a small network none of whose parameters is 0, and random numbers, for checks. */
#ifndef HIDI_EXERCISES_RANDOM_NET_H
#define HIDI_EXERCISES_RANDOM_NET_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/random.h"
#include "model/dit.h"

enum { BATCH = 4, CHANNELS = 3, SIDE = 4, PIXELS = CHANNELS * SIDE * SIDE, CLASSES = 3 };

/* x[i] ~ scale N(0, 1); another `which` gives other numbers. */
static inline void draw(hidi_real *x, size_t n, uint64_t which, double scale)
{
    hidi_normal((hidi_random){5, HIDI_STREAM_TEST, which}, 0, x, n);
    for (size_t i = 0; i < n; i++)
        x[i] *= (hidi_real)scale;
}

/* Two blocks of width 16 on 4 x 4 images.  NULL after an error. */
static inline hidi_dit *random_net(const hidi_backend *backend, bool has_interval)
{
    const hidi_dit_config config = {.image_size = SIDE, .channels = CHANNELS,
                                    .out_channels = CHANNELS, .patch = 2, .width = 16, .depth = 2,
                                    .heads = 2, .mlp_width = 32, .n_classes = CLASSES,
                                    .has_interval = has_interval, .time_scale = 3};
    hidi_dit *net;
    if (hidi_dit_create(&net, backend, &config) != HIDI_OK)
        return NULL;
    for (int i = 0; i < net->params.n_params; i++) {
        const size_t n = hidi_count(net->params.param[i].shape);
        hidi_real *host = calloc(n + 1, sizeof *host);
        if (host == NULL)
            return NULL;
        draw(host, n, 100 + (uint64_t)i, 0.2);
        hidi_params_write(&net->params, i, host);
        free(host);
    }
    return net;
}

/* Images [BATCH, C, H, W]. */
static inline hidi_var *random_images(hidi_tape *tape, uint64_t which)
{
    hidi_real x[BATCH * PIXELS];
    draw(x, BATCH * PIXELS, which, 1);
    return hidi_constant(tape, hidi_shape4(BATCH, CHANNELS, SIDE, SIDE), x);
}

static const int32_t some_classes[BATCH] = {0, 1, 2, 1};

/* |a - b| / |b| */
static inline double relative_error(const hidi_real *a, const hidi_real *b, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)a[i] - (double)b[i], 2);
        size += pow((double)b[i], 2);
    }
    return sqrt(difference / size);
}

/* Prints what went wrong, if anything did; 0 or 1, for main. */
static inline int verdict(bool right, const char *what)
{
    printf("%s: %s\n", right ? "right" : "WRONG", what);
    return right ? 0 : 1;
}

#endif
