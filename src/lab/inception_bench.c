/* inception_bench.c */
#include "lab/inception_bench.h"

#include <stdlib.h>

#include "core/random.h"
#include "eval/inception.h"

/* Images in their place, and what comes out. */
typedef struct load {
    hidi_inception *net;
    hidi_real *images;
    double *features;
    size_t batch;
} load;

static hidi_status step(void *state, long i)
{
    load *l = state;
    const hidi_extracted out = {.features = l->features};
    (void)i;
    return hidi_inception_forward(l->net, l->images, l->batch, HIDI_INCEPTION_SIDE, &out);
}

static hidi_status begin(load *l, const hidi_backend *backend, size_t batch)
{
    const size_t elements = batch * 3 * HIDI_INCEPTION_SIDE * HIDI_INCEPTION_SIDE;
    const hidi_random random = {0, HIDI_STREAM_TEST, 0};
    hidi_tensor_file weights;
    *l = (load){.batch = batch,
                .images = malloc(elements * sizeof *l->images),
                .features = malloc(batch * HIDI_INCEPTION_FEATURES * sizeof *l->features)};
    if (l->images == NULL || l->features == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu images", batch);
    hidi_normal(random, 0, l->images, elements);
    hidi_status status = hidi_inception_random(&weights, 0);
    if (status == HIDI_OK)
        status = hidi_inception_create(&l->net, backend, &weights);
    hidi_tensor_file_free(&weights);
    return status;
}

hidi_status hidi_inception_time(const hidi_backend *backend, size_t batch, long repeat,
                                hidi_footprint *footprint, double *seconds, double *flop)
{
    load l;
    hidi_status status = begin(&l, backend, batch);
    *footprint = (hidi_footprint){0, 0, 0};
    *flop = 2 * (double)batch * hidi_inception_macs();
    if (status == HIDI_OK) {
        hidi_inception_memory(l.net, &footprint->models, &footprint->tape);
        status = hidi_time_steps(step, &l, repeat, 0, 1, seconds);
    }
    hidi_inception_destroy(l.net);
    free(l.images);
    free(l.features);
    return status;
}
