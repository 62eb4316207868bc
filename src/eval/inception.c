/* inception.c - the steps of the plan (inception_plan.c), one kernel of the backend after the
 * other; the features are those of pool3, as they come, the probabilities softmax(W pool3).  Images
 * are cut into pieces, which the backend's threads share out: each has buffers of its own. */
#include "eval/inception.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/share_rows.h"
#include "core/stop.h"
#include "eval/inception_plan.h"
#include "eval/inception_weights.h"

enum {
    PIECE = 4,            /* images of a thread at a time                  */
    LARGE_PIECE = 16,     /* of a backend that is fast on large batches    */
    SPATIAL_CHANNELS = 7, /* of the first branch of SPATIAL_BLOCK          */
    SPATIAL_BLOCK = 13,   /* Mixed_6d, "mixed_6" in the graph              */
    DENSE = 3,            /* buffer of a pool before it is copied to its place */
    LAST_BLOCK = HIDI_INCEPTION_BLOCKS - 1,
    FEATURES = HIDI_INCEPTION_FEATURES,
    CLASSES = HIDI_INCEPTION_CLASSES
};

/* What a thread works with. */
typedef struct lane {
    hidi_real *buffer[HIDI_INCEPTION_BUFFERS + 1]; /* backend memory, for a piece of images of 299;
                                                    * the last is the image                      */
    hidi_real *scratch; /* of the convolutions                                                  */
    hidi_real *resized; /* [piece, 3, 299, 299], host                                           */
    hidi_real *host;    /* [piece, FEATURES]                                                    */
} lane;

struct hidi_inception {
    const hidi_backend *backend;
    hidi_inception_plan plan;
    hidi_real *params, *fc;  /* backend memory: [plan.n_params]; [1008, 2048]                   */
    size_t piece;            /* images                                                          */
    lane *lanes;             /* [n_lanes]: one for each thread                                  */
    int n_lanes;
    size_t work;             /* elements of buffers and scratch of all lanes                    */
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

/* Elements of the largest pass over a piece. */
typedef struct sizes {
    size_t buffer[HIDI_INCEPTION_BUFFERS + 1], scratch;
} sizes;

static sizes sizes_of(const hidi_inception *net)
{
    const hidi_inception_plan *plan = &net->plan;
    sizes need = {.scratch = 1};
    pass p = begin_pass(net->piece, HIDI_INCEPTION_SIDE);
    need.buffer[HIDI_INCEPTION_IMAGE] = 3 * HIDI_INCEPTION_SIDE * HIDI_INCEPTION_SIDE;
    for (size_t i = 0; i < plan->n_steps; i++) {
        const hidi_inception_step *s = &plan->step[i];
        const hidi_window window = next_window(&p, s);
        const size_t positions = window.out_height * window.out_width;
        need.buffer[s->to] = larger(need.buffer[s->to], s->total * positions);
        if (s->kind == HIDI_INCEPTION_MAX_POOL && s->out < s->total)
            need.buffer[DENSE] = larger(need.buffer[DENSE], s->out * positions);
        if (s->kind == HIDI_INCEPTION_CONV)
            need.scratch = larger(need.scratch, net->backend->conv_scratch(&window));
    }
    for (size_t i = 0; i <= HIDI_INCEPTION_BUFFERS; i++)
        need.buffer[i] *= net->piece;
    return need;
}

static bool open_lane(hidi_inception *net, lane *l, const sizes *need)
{
    const size_t image = 3 * HIDI_INCEPTION_SIDE * HIDI_INCEPTION_SIDE;
    bool ok = true;
    for (size_t i = 0; i <= HIDI_INCEPTION_BUFFERS; i++) {
        l->buffer[i] = net->backend->allocate(need->buffer[i] * sizeof **l->buffer);
        ok = ok && l->buffer[i] != NULL;
        net->work += need->buffer[i];
    }
    net->work += need->scratch;
    l->scratch = net->backend->allocate(need->scratch * sizeof *l->scratch);
    l->resized = malloc(net->piece * image * sizeof *l->resized);
    l->host = malloc(net->piece * FEATURES * sizeof *l->host);
    return ok && l->scratch != NULL && l->resized != NULL && l->host != NULL;
}

static void close_lane(const hidi_inception *net, lane *l)
{
    for (size_t i = 0; i <= HIDI_INCEPTION_BUFFERS; i++)
        net->backend->release(l->buffer[i]);
    net->backend->release(l->scratch);
    free(l->resized);
    free(l->host);
}

static hidi_status open_lanes(hidi_inception *net)
{
    const int n = net->backend->threads();
    net->piece = net->backend->large_batches() ? LARGE_PIECE : PIECE;
    const sizes need = sizes_of(net);
    net->lanes = calloc((size_t)n, sizeof *net->lanes);
    net->n_lanes = net->lanes != NULL ? n : 0;
    bool ok = net->lanes != NULL;
    for (int i = 0; i < net->n_lanes; i++)
        ok = open_lane(net, &net->lanes[i], &need) && ok;
    return ok ? HIDI_OK
              : hidi_error(HIDI_NO_MEMORY, "Inception-v3: no memory for %d x %zu images", n,
                           net->piece);
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
        status = open_lanes(net);
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
    for (int i = 0; i < net->n_lanes; i++)
        close_lane(net, &net->lanes[i]);
    free(net->lanes);
    net->backend->release(net->params);
    net->backend->release(net->fc);
    free(net);
}

/* --- a pass ----------------------------------------------------------------------------------- */

static void run_step(const hidi_inception *net, const lane *l, const hidi_inception_step *s,
                     const hidi_window *window)
{
    const hidi_backend *b = net->backend;
    const size_t positions = window->out_height * window->out_width;
    const size_t ldy = s->total * positions, n = s->out * positions;
    const hidi_real *x = l->buffer[s->from];
    hidi_real *y = l->buffer[s->to] + s->first * positions;
    if (s->kind == HIDI_INCEPTION_CONV) {
        b->conv2d_relu(y, ldy, x, net->params + s->weight, net->params + s->bias, window,
                       l->scratch);
    } else if (s->kind == HIDI_INCEPTION_AVERAGE_POOL) {
        b->average_pool(y, 0, x, window); /* always all of its buffer */
    } else if (n == ldy) {
        b->max_pool(y, x, window);
    } else { /* pools write dense arrays */
        hidi_real *dense = l->buffer[DENSE];
        b->max_pool(dense, x, window);
        b->copy_block(y, ldy, 0, dense, n, window->batch, n);
    }
}

static pass upload(const hidi_inception *net, const lane *l, const hidi_real *x, size_t n, size_t side)
{
    net->backend->upload(l->buffer[HIDI_INCEPTION_IMAGE], x, n * 3 * side * side * sizeof *x);
    return begin_pass(n, side);
}

/* Goes on to the end of block `last`; returns the side of its output. */
static size_t run_blocks(const hidi_inception *net, const lane *l, pass *p, size_t last)
{
    while (p->step < net->plan.n_steps && net->plan.step[p->step].block <= last) {
        const hidi_inception_step *s = &net->plan.step[p->step];
        const hidi_window window = next_window(p, s);
        run_step(net, l, s, &window);
    }
    return p->side[net->plan.block_buffer[last]];
}

static void to_double(double *out, const hidi_real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)x[i];
}

/* The first channels of Mixed_6d, [n, C, P], as [n, P, 7]. */
static void read_spatial(const hidi_inception *net, const lane *l, size_t n, size_t side,
                         double *out)
{
    const size_t C = net->plan.block_channels[SPATIAL_BLOCK], P = side * side;
    const hidi_real *y = l->buffer[net->plan.block_buffer[SPATIAL_BLOCK]];
    for (size_t b = 0; b < n; b++) {
        net->backend->download(l->host, y + b * C * P, SPATIAL_CHANNELS * P * sizeof *y);
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < SPATIAL_CHANNELS; c++)
                *out++ = (double)l->host[c * P + p];
    }
}

/* pool3, in a buffer that the last block has read already; then softmax(fc pool3), in another. */
static void read_features(const hidi_inception *net, const lane *l, size_t n, size_t side,
                          const hidi_extracted *out)
{
    const hidi_backend *b = net->backend;
    const size_t last = net->plan.block_buffer[LAST_BLOCK];
    hidi_real *pool3 = l->buffer[2], *logits = l->buffer[3];
    b->dot_rows(pool3, 0, (hidi_real)(1 / (double)(side * side)), l->buffer[last], NULL,
                n * FEATURES, side * side);
    if (out->features != NULL) {
        b->download(l->host, pool3, n * FEATURES * sizeof *pool3);
        to_double(out->features, l->host, n * FEATURES);
    }
    if (out->probabilities != NULL) {
        b->linear(logits, 0, pool3, net->fc, NULL, n, FEATURES, CLASSES);
        b->softmax(logits, logits, n, CLASSES);
        b->download(l->host, logits, n * CLASSES * sizeof *logits);
        to_double(out->probabilities, l->host, n * CLASSES);
    }
}

static hidi_status check_side(size_t side)
{
    if (side >= HIDI_INCEPTION_LEAST_SIDE && side <= HIDI_INCEPTION_SIDE)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_SHAPE, "Inception-v3: images of %zux%zu, expected %d to %d", side,
                      side, HIDI_INCEPTION_LEAST_SIDE, HIDI_INCEPTION_SIDE);
}

/* The side of SPATIAL_BLOCK's output. */
static size_t spatial_side(const hidi_inception *net, size_t side)
{
    pass p = begin_pass(1, side);
    while (p.step < net->plan.n_steps && net->plan.step[p.step].block <= SPATIAL_BLOCK)
        next_window(&p, &net->plan.step[p.step]);
    return p.side[net->plan.block_buffer[SPATIAL_BLOCK]];
}

static double *advance(double *array, size_t elements)
{
    return array != NULL ? array + elements : NULL;
}

/* A pass over a piece: x [n, 3, side, side], out: theirs. */
static void forward_piece(const hidi_inception *net, const lane *l, const hidi_real *x, size_t n,
                          size_t side, const hidi_extracted *out)
{
    pass p = upload(net, l, x, n, side);
    if (out->spatial != NULL)
        read_spatial(net, l, n, run_blocks(net, l, &p, SPATIAL_BLOCK), out->spatial);
    if (out->features != NULL || out->probabilities != NULL)
        read_features(net, l, n, run_blocks(net, l, &p, LAST_BLOCK), out);
}

/* Images that are shared out: resized first, if their size is not that of the pass. */
typedef struct extraction {
    const hidi_inception *net;
    const hidi_real *x;
    size_t n, height, width, side; /* of the images, and of the pass */
    const hidi_inception_input *input; /* how they are resized; NULL: not */
    const hidi_extracted *out;
} extraction;

static hidi_status extract_piece(void *context, int member, size_t piece)
{
    const extraction *e = context;
    const size_t first = piece * e->net->piece, left = e->n - first, side = e->side;
    const size_t n = left < e->net->piece ? left : e->net->piece;
    const size_t size = spatial_side(e->net, side), spatial = SPATIAL_CHANNELS * size * size;
    const lane *l = &e->net->lanes[member];
    const hidi_real *x = e->x + first * 3 * e->height * e->width;
    const hidi_extracted here = {advance(e->out->features, first * FEATURES),
                                 advance(e->out->probabilities, first * CLASSES),
                                 advance(e->out->spatial, first * spatial)};
    HIDI_TRY(hidi_check_stop());
    if (e->input != NULL) {
        HIDI_TRY(hidi_inception_resize(*e->input, x, n, e->height, e->width, l->resized));
        x = l->resized;
    }
    forward_piece(e->net, l, x, n, side, &here);
    return HIDI_OK;
}

/* x [n, size], of which a piece fills its images'. */
static hidi_piece_rows rows_of(const extraction *e, double *x, size_t size)
{
    return (hidi_piece_rows){x, e->net->piece * size * sizeof *x, e->n * size * sizeof *x};
}

/* A single piece is not shared out: then the kernels are. */
static hidi_status extract_all(extraction *e)
{
    const hidi_inception *net = e->net;
    const size_t pieces = (e->n + net->piece - 1) / net->piece;
    const size_t size = spatial_side(net, e->side), spatial = SPATIAL_CHANNELS * size * size;
    const hidi_piece_rows rows[] = {rows_of(e, e->out->features, FEATURES),
                              rows_of(e, e->out->probabilities, CLASSES),
                              rows_of(e, e->out->spatial, spatial)};
    if (pieces == 1)
        HIDI_TRY(hidi_backend_rows_in_turn(1, extract_piece, e, rows, 3));
    else
        HIDI_TRY(hidi_backend_share_rows(net->backend, pieces, extract_piece, e, rows, 3));
    return net->backend->check();
}

hidi_status hidi_inception_forward(hidi_inception *net, const hidi_real *x, size_t n, size_t side,
                                   const hidi_extracted *out)
{
    extraction e = {net, x, n, side, side, side, NULL, out};
    HIDI_TRY(check_side(side));
    return extract_all(&e);
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
    const lane *l = &net->lanes[0];
    HIDI_TRY(check_side(side));
    for (size_t first = 0; first < n; first += net->piece) {
        const size_t count = n - first < net->piece ? n - first : net->piece;
        pass p = upload(net, l, x + first * 3 * side * side, count, side);
        const size_t size = run_blocks(net, l, &p, block);
        const size_t elements = net->plan.block_channels[block] * size * size;
        net->backend->download(out + first * elements, l->buffer[net->plan.block_buffer[block]],
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
} extractor_state;

static hidi_status extract(hidi_extractor *extractor, const hidi_real *images, size_t n,
                           size_t height, size_t width, const hidi_extracted *out)
{
    const extractor_state *state = extractor->state;
    extraction e = {state->net, images, n, height, width, HIDI_INCEPTION_SIDE, &state->input, out};
    return extract_all(&e);
}

static void destroy(hidi_extractor *extractor)
{
    extractor_state *state = extractor->state;
    hidi_inception_destroy(state->net);
    free(state);
}

hidi_status hidi_inception_extractor(hidi_extractor *extractor, const hidi_backend *backend,
                                     const hidi_tensor_file *weights, hidi_inception_input input)
{
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
    const hidi_status status = hidi_inception_create(&state->net, backend, weights);
    if (status != HIDI_OK)
        hidi_extractor_close(extractor);
    return status;
}
