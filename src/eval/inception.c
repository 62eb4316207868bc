/* inception.c - the steps of the plan (inception_plan.c), one kernel of the backend after the
 * other; the features are those of pool3, as they come, the probabilities softmax(W pool3). */
#include "eval/inception.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "eval/inception_plan.h"
#include "eval/inception_weights.h"

enum {
    BATCH = 16,           /* images at a time                              */
    SPATIAL_CHANNELS = 7, /* of the first branch of SPATIAL_BLOCK          */
    SPATIAL_BLOCK = 13,   /* Mixed_6d, "mixed_6" in the graph              */
    DENSE = 3,            /* buffer of a pool before it is copied to its place */
    LAST_BLOCK = HIDI_INCEPTION_BLOCKS - 1,
    FEATURES = HIDI_INCEPTION_FEATURES,
    CLASSES = HIDI_INCEPTION_CLASSES
};

struct hidi_inception {
    const hidi_backend *backend;
    hidi_inception_plan plan;
    hidi_real *params, *fc;  /* backend memory: [plan.n_params]; [1008, 2048]                   */
    hidi_real *buffer[HIDI_INCEPTION_BUFFERS + 1]; /* backend memory, for BATCH images of 299;
                                                    * the last is the image                      */
    hidi_real *scratch;      /* of the convolutions                                             */
    size_t scratch_size;     /* elements                                                        */
    size_t work;             /* elements of buffers and scratch                                 */
    hidi_real *host;         /* [BATCH, FEATURES]                                               */
};

/* --- the sizes of a pass ---------------------------------------------------------------------- */

static hidi_window window_of(const hidi_inception_step *s, size_t n, size_t size)
{
    const size_t out = hidi_inception_out_size(s, size);
    return (hidi_window){.batch = n,
                         .channels = s->in,
                         .height = size,
                         .width = size,
                         .out_channels = s->out,
                         .kernel_h = s->kernel_h,
                         .kernel_w = s->kernel_w,
                         .stride = s->stride,
                         .padding_h = s->padding_h,
                         .padding_w = s->padding_w,
                         .out_height = out,
                         .out_width = out};
}

/* A pass over n images: the sides of what the buffers hold now, and the next step. */
typedef struct pass {
    size_t n, step;
    size_t side[HIDI_INCEPTION_BUFFERS + 1];
} pass;

static pass begin_pass(size_t n, size_t side)
{
    pass p = {.n = n};
    p.side[HIDI_INCEPTION_IMAGE] = side;
    return p;
}

/* The window of the next step; the pass goes on behind it. */
static hidi_window next_window(pass *p, const hidi_inception_step *s)
{
    const hidi_window window = window_of(s, p->n, p->side[s->from]);
    p->side[s->to] = window.out_height;
    p->step++;
    return window;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* All memory that a pass needs is that of the largest one. */
static hidi_status allocate_buffers(hidi_inception *net)
{
    const hidi_inception_plan *plan = &net->plan;
    size_t need[HIDI_INCEPTION_BUFFERS + 1] = {0};
    pass p = begin_pass(BATCH, HIDI_INCEPTION_SIDE);
    need[HIDI_INCEPTION_IMAGE] = 3 * HIDI_INCEPTION_SIDE * HIDI_INCEPTION_SIDE;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const hidi_inception_step *s = &plan->step[i];
        const hidi_window window = next_window(&p, s);
        const size_t positions = window.out_height * window.out_width;
        need[s->to] = larger(need[s->to], s->total * positions);
        if (s->kind == HIDI_INCEPTION_MAX_POOL && s->out < s->total)
            need[DENSE] = larger(need[DENSE], s->out * positions);
        if (s->kind == HIDI_INCEPTION_CONV)
            net->scratch_size = larger(net->scratch_size, net->backend->conv_scratch(&window));
    }
    bool ok = true;
    for (size_t i = 0; i <= HIDI_INCEPTION_BUFFERS; i++) {
        net->buffer[i] = net->backend->allocate(BATCH * need[i] * sizeof **net->buffer);
        ok = ok && net->buffer[i] != NULL;
        net->work += BATCH * need[i];
    }
    net->work += net->scratch_size + 1;
    net->scratch = net->backend->allocate((net->scratch_size + 1) * sizeof *net->scratch);
    net->host = malloc(BATCH * FEATURES * sizeof *net->host);
    return ok && net->scratch != NULL && net->host != NULL
               ? HIDI_OK
               : hidi_error(HIDI_NO_MEMORY, "Inception-v3: no memory for a batch of %d", BATCH);
}

/* --- weights ---------------------------------------------------------------------------------- */

/* Reads with a function of inception_weights.h into host memory, and uploads. */
static hidi_status load(hidi_inception *net, hidi_real **to, size_t count,
                        hidi_status (*read)(const hidi_inception_plan *plan,
                                            const hidi_tensor_file *weights, hidi_real *out),
                        const hidi_tensor_file *weights)
{
    hidi_real *host = malloc(count * sizeof *host);
    *to = net->backend->allocate(count * sizeof **to);
    hidi_status status = host != NULL && *to != NULL
                             ? HIDI_OK
                             : hidi_error(HIDI_NO_MEMORY, "Inception-v3: no memory for weights");
    if (status == HIDI_OK)
        status = read(&net->plan, weights, host);
    if (status == HIDI_OK)
        net->backend->upload(*to, host, count * sizeof *host);
    free(host);
    return status;
}

hidi_status hidi_inception_create(hidi_inception **result, const hidi_backend *backend,
                                  const hidi_tensor_file *weights)
{
    hidi_inception *net = calloc(1, sizeof *net);
    *result = NULL;
    if (net == NULL)
        return hidi_error(HIDI_NO_MEMORY, "Inception-v3: out of memory");
    net->backend = backend;
    hidi_inception_make_plan(&net->plan);
    hidi_status status = hidi_inception_check_names(&net->plan, weights);
    if (status == HIDI_OK)
        status = load(net, &net->params, net->plan.n_params, hidi_inception_read_folded, weights);
    if (status == HIDI_OK)
        status = load(net, &net->fc, (size_t)CLASSES * FEATURES, hidi_inception_read_fc, weights);
    if (status == HIDI_OK)
        status = allocate_buffers(net);
    if (status == HIDI_OK)
        status = backend->check();
    if (status != HIDI_OK) {
        hidi_inception_destroy(net);
        return status;
    }
    *result = net;
    return HIDI_OK;
}

void hidi_inception_destroy(hidi_inception *net)
{
    if (net == NULL)
        return;
    for (size_t i = 0; i <= HIDI_INCEPTION_BUFFERS; i++)
        net->backend->release(net->buffer[i]);
    net->backend->release(net->params);
    net->backend->release(net->fc);
    net->backend->release(net->scratch);
    free(net->host);
    free(net);
}

/* --- a pass ----------------------------------------------------------------------------------- */

static void run_step(const hidi_inception *net, const hidi_inception_step *s,
                     const hidi_window *window)
{
    const hidi_backend *b = net->backend;
    const size_t positions = window->out_height * window->out_width;
    const size_t ldy = s->total * positions, n = s->out * positions;
    const hidi_real *x = net->buffer[s->from];
    hidi_real *y = net->buffer[s->to] + s->first * positions;
    if (s->kind == HIDI_INCEPTION_CONV) {
        b->conv2d_relu(y, ldy, x, net->params + s->weight, net->params + s->bias, window,
                       net->scratch);
    } else if (s->kind == HIDI_INCEPTION_AVERAGE_POOL) {
        b->average_pool(y, 0, x, window); /* always all of its buffer */
    } else if (n == ldy) {
        b->max_pool(y, x, window);
    } else { /* pools write dense arrays */
        hidi_real *dense = net->buffer[DENSE];
        b->max_pool(dense, x, window);
        b->copy_block(y, ldy, 0, dense, n, window->batch, n);
    }
}

static pass upload(hidi_inception *net, const hidi_real *x, size_t n, size_t side)
{
    net->backend->upload(net->buffer[HIDI_INCEPTION_IMAGE], x, n * 3 * side * side * sizeof *x);
    return begin_pass(n, side);
}

/* Goes on to the end of block `last`; returns the side of its output. */
static size_t run_blocks(hidi_inception *net, pass *p, size_t last)
{
    while (p->step < net->plan.n_steps && net->plan.step[p->step].block <= last) {
        const hidi_inception_step *s = &net->plan.step[p->step];
        const hidi_window window = next_window(p, s);
        run_step(net, s, &window);
    }
    return p->side[net->plan.block_buffer[last]];
}

static void to_double(double *out, const hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)x[i];
}

/* The first channels of Mixed_6d, [n, C, P], as [n, P, 7]. */
static void read_spatial(const hidi_inception *net, size_t n, size_t side, double *out)
{
    const size_t C = net->plan.block_channels[SPATIAL_BLOCK], P = side * side;
    const hidi_real *y = net->buffer[net->plan.block_buffer[SPATIAL_BLOCK]];
    for (size_t b = 0; b < n; b++) {
        net->backend->download(net->host, y + b * C * P, SPATIAL_CHANNELS * P * sizeof *y);
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < SPATIAL_CHANNELS; c++)
                *out++ = (double)net->host[c * P + p];
    }
}

/* pool3, in a buffer that the last block has read already; then softmax(fc pool3), in another. */
static void read_features(const hidi_inception *net, size_t n, size_t side,
                          const hidi_extracted *out)
{
    const hidi_backend *b = net->backend;
    const size_t last = net->plan.block_buffer[LAST_BLOCK];
    hidi_real *pool3 = net->buffer[2], *logits = net->buffer[3];
    b->dot_rows(pool3, 0, (hidi_real)(1 / (double)(side * side)), net->buffer[last], NULL,
                n * FEATURES, side * side);
    if (out->features != NULL) {
        b->download(net->host, pool3, n * FEATURES * sizeof *pool3);
        to_double(out->features, net->host, n * FEATURES);
    }
    if (out->probabilities != NULL) {
        b->linear(logits, 0, pool3, net->fc, NULL, n, FEATURES, CLASSES);
        b->softmax(logits, logits, n, CLASSES);
        b->download(net->host, logits, n * CLASSES * sizeof *logits);
        to_double(out->probabilities, net->host, n * CLASSES);
    }
}

static hidi_status check_side(size_t side)
{
    if (side >= HIDI_INCEPTION_LEAST_SIDE && side <= HIDI_INCEPTION_SIDE)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_SHAPE, "Inception-v3: images of %zux%zu, expected %d to %d", side,
                      side, HIDI_INCEPTION_LEAST_SIDE, HIDI_INCEPTION_SIDE);
}

static double *advance(double *array, size_t elements)
{
    return array != NULL ? array + elements : NULL;
}

hidi_status hidi_inception_forward(hidi_inception *net, const hidi_real *x, size_t n, size_t side,
                                   const hidi_extracted *out)
{
    const bool wants_last = out->features != NULL || out->probabilities != NULL;
    HIDI_TRY(check_side(side));
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t count = n - first < BATCH ? n - first : BATCH;
        HIDI_TRY(hidi_check_stop());
        pass p = upload(net, x + first * 3 * side * side, count, side);
        if (out->spatial != NULL) {
            const size_t size = run_blocks(net, &p, SPATIAL_BLOCK);
            read_spatial(net, count, size, out->spatial + first * SPATIAL_CHANNELS * size * size);
        }
        if (wants_last) {
            const hidi_extracted here = {advance(out->features, first * FEATURES),
                                         advance(out->probabilities, first * CLASSES), NULL};
            read_features(net, count, run_blocks(net, &p, LAST_BLOCK), &here);
        }
    }
    return net->backend->check();
}

const char *hidi_inception_block_name(size_t block)
{
    hidi_inception_plan plan;
    hidi_inception_make_plan(&plan);
    return block < plan.n_blocks ? plan.block_name[block] : NULL;
}

void hidi_inception_block_shape(size_t block, size_t side, size_t *channels, size_t *size)
{
    hidi_inception_plan plan;
    pass p = begin_pass(1, side);
    hidi_inception_make_plan(&plan);
    while (p.step < plan.n_steps && plan.step[p.step].block <= block)
        next_window(&p, &plan.step[p.step]);
    *channels = plan.block_channels[block];
    *size = p.side[plan.block_buffer[block]];
}

hidi_status hidi_inception_block(hidi_inception *net, const hidi_real *x, size_t n, size_t side,
                                 size_t block, hidi_real *out)
{
    HIDI_TRY(check_side(side));
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t count = n - first < BATCH ? n - first : BATCH;
        pass p = upload(net, x + first * 3 * side * side, count, side);
        const size_t size = run_blocks(net, &p, block);
        const size_t elements = net->plan.block_channels[block] * size * size;
        net->backend->download(out + first * elements,
                               net->buffer[net->plan.block_buffer[block]],
                               count * elements * sizeof *out);
    }
    return net->backend->check();
}

void hidi_inception_memory(const hidi_inception *net, size_t *weights, size_t *work)
{
    *weights = (net->plan.n_params + (size_t)CLASSES * FEATURES) * sizeof *net->params;
    *work = net->work * sizeof *net->params;
}

double hidi_inception_macs(void)
{
    hidi_inception_plan plan;
    pass p = begin_pass(1, HIDI_INCEPTION_SIDE);
    double macs = 0;
    hidi_inception_make_plan(&plan);
    while (p.step < plan.n_steps) {
        const hidi_inception_step *s = &plan.step[p.step];
        const hidi_window w = next_window(&p, s);
        if (s->kind == HIDI_INCEPTION_CONV)
            macs += (double)(s->out * w.out_height * w.out_width) *
                    (double)(s->in * s->kernel_h * s->kernel_w);
    }
    return macs;
}

/* --- as an extractor -------------------------------------------------------------------------- */

bool hidi_inception_is_in(const hidi_tensor_file *weights)
{
    return hidi_tensor_file_find(weights, "Conv2d_1a_3x3.conv.weight") != NULL;
}

typedef struct extractor_state {
    hidi_inception *net;
    hidi_inception_input input;
    hidi_real *resized; /* [BATCH, 3, 299, 299] */
} extractor_state;

static hidi_status extract(hidi_extractor *extractor, const hidi_real *images, size_t n,
                           size_t height, size_t width, const hidi_extracted *out)
{
    const extractor_state *state = extractor->state;
    for (size_t first = 0; first < n; first += BATCH) {
        const size_t count = n - first < BATCH ? n - first : BATCH;
        const hidi_extracted here = {advance(out->features, first * FEATURES),
                                     advance(out->probabilities, first * CLASSES),
                                     advance(out->spatial, first * HIDI_INCEPTION_SPATIAL)};
        HIDI_TRY(hidi_inception_resize(state->input, images + first * 3 * height * width, count,
                                       height, width, state->resized));
        HIDI_TRY(hidi_inception_forward(state->net, state->resized, count, HIDI_INCEPTION_SIDE,
                                        &here));
    }
    return HIDI_OK;
}

static void destroy(hidi_extractor *extractor)
{
    extractor_state *state = extractor->state;
    hidi_inception_destroy(state->net);
    free(state->resized);
    free(state);
}

hidi_status hidi_inception_extractor(hidi_extractor *extractor, const hidi_backend *backend,
                                     const hidi_tensor_file *weights, hidi_inception_input input)
{
    const size_t pixels = 3 * HIDI_INCEPTION_SIDE * HIDI_INCEPTION_SIDE;
    extractor_state *state = calloc(1, sizeof *state);
    memset(extractor, 0, sizeof *extractor);
    if (state == NULL)
        return hidi_error(HIDI_NO_MEMORY, "Inception-v3: out of memory");
    *extractor = (hidi_extractor){.channels = 3,
                                  .n_features = FEATURES,
                                  .n_classes = CLASSES,
                                  .n_spatial = HIDI_INCEPTION_SPATIAL,
                                  .extract = extract,
                                  .destroy = destroy,
                                  .state = state};
    snprintf(extractor->name, sizeof extractor->name, "Inception-v3 (%s input)",
             hidi_inception_input_name(input));
    state->input = input;
    state->resized = malloc(BATCH * pixels * sizeof *state->resized);
    hidi_status status = state->resized != NULL
                             ? hidi_inception_create(&state->net, backend, weights)
                             : hidi_error(HIDI_NO_MEMORY, "Inception-v3: out of memory");
    if (status != HIDI_OK)
        hidi_extractor_close(extractor);
    return status;
}
