/* inception_bench.c - times passes of the FID's network on noise: its arithmetic does not depend on
 * what the images show. */
#include "lab/inception_bench.h"

#include <stdlib.h>

#include "core/random.h"
#include "eval/inception.h"
#include "lab/timing.h"

/* The images on the backend, and their features. */
typedef struct pass {
    hidi_inception *net;
    hidi_real *images;
    double *features;
    size_t batch;
} pass;

static hidi_status step(void *state, long i)
{
    pass *p = state;
    const hidi_extracted out = {.features = p->features};
    (void)i;
    return hidi_inception_forward(p->net, p->images, p->batch, HIDI_INCEPTION_SIDE, &out);
}

static hidi_status begin(pass *p, const hidi_backend *backend, size_t batch)
{
    const size_t elements = batch * 3 * HIDI_INCEPTION_SIDE * HIDI_INCEPTION_SIDE;
    const hidi_random random = {0, HIDI_STREAM_TEST, 0};
    hidi_tensor_file weights;
    *p = (pass){.batch = batch,
                .images = malloc(elements * sizeof *p->images),
                .features = malloc(batch * HIDI_INCEPTION_FEATURES * sizeof *p->features)};
    if (p->images == NULL || p->features == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu images", batch);
    hidi_normal(random, 0, p->images, elements);
    hidi_status status = hidi_inception_random(&weights, 0);
    if (status == HIDI_OK)
        status = hidi_inception_create(&p->net, backend, &weights);
    hidi_tensor_file_free(&weights);
    return status;
}

hidi_status hidi_inception_time(const hidi_backend *backend, size_t batch, long repeat,
                                hidi_footprint *footprint, double *seconds, double *flop)
{
    pass p;
    hidi_status status = begin(&p, backend, batch);
    *footprint = (hidi_footprint){0, 0, 0};
    *flop = 2 * (double)batch * hidi_inception_macs();
    if (status == HIDI_OK) {
        hidi_inception_memory(p.net, &footprint->models, &footprint->tape);
        status = hidi_time_steps(step, &p, repeat, 0, 1, seconds);
    }
    hidi_inception_destroy(p.net);
    free(p.images);
    free(p.features);
    return status;
}
