/* feature_net.c - a classifier of three convolutions, f_k(x) = mean over positions of the k-th
 * activation, divided by its standard deviation over training images; p(y | x) = softmax of the
 * logits. */
#include "eval/feature_net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/share_rows.h"
#include "core/random.h"
#include "io/number.h"
#include "model/params_file.h"

enum { STAGES = HIDI_FEATURE_STAGES, EXTRACT_BATCH = 16 };
static const size_t widths[STAGES] = {32, 64, 96};

/* Parameters in the order of declaration: weight and bias of each stage, then the classifier's. */
static int stage_param(int stage) { return 2 * stage; }

hidi_status hidi_feature_net_create(hidi_feature_net **result, const hidi_backend *backend,
                                    size_t channels, size_t image_size, size_t n_classes)
{
    *result = NULL;
    if (channels < 1 || channels > 4096 || image_size < 4 || image_size > 16384 ||
        image_size % 4 != 0 || n_classes < 2 || n_classes > 1048576)
        return hidi_error(HIDI_BAD_ARGUMENT, "feature net: images %zux%zux%zu, %zu classes; the "
                                             "size must be a multiple of 4",
                          image_size, image_size, channels, n_classes);
    hidi_feature_net *net = calloc(1, sizeof *net);
    if (net == NULL)
        return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    hidi_params *p = &net->params;
    hidi_params_init(p, backend);
    net->channels = channels;
    net->image_size = image_size;
    net->n_classes = n_classes;
    hidi_status status = HIDI_OK;
    for (int i = 0; i < STAGES && status == HIDI_OK; i++) {
        const hidi_shape shape = hidi_shape4(widths[i], i ? widths[i - 1] : channels, 3, 3);
        status = hidi_params_declare(p, shape, "conv%d.weight", i + 1);
        if (status == HIDI_OK)
            status = hidi_params_declare(p, hidi_shape1(widths[i]), "conv%d.bias", i + 1);
    }
    if (status == HIDI_OK)
        status = hidi_params_declare(p, hidi_shape2(n_classes, widths[STAGES - 1]),
                                     "classifier.weight");
    if (status == HIDI_OK)
        status = hidi_params_declare(p, hidi_shape1(n_classes), "classifier.bias");
    for (int i = 0; i < HIDI_FEATURES; i++)
        net->scale[i] = 1;
    if (status == HIDI_OK)
        status = hidi_params_allocate(p);
    if (status != HIDI_OK) {
        hidi_feature_net_destroy(net);
        return status;
    }
    *result = net;
    return HIDI_OK;
}

void hidi_feature_net_destroy(hidi_feature_net *net)
{
    if (net == NULL)
        return;
    hidi_params_free(&net->params);
    free(net);
}

/* Convolutions and classifier N(0, 2 / fan-in), biases 0. */
hidi_status hidi_feature_net_initialise(hidi_feature_net *net, uint64_t seed)
{
    for (int i = 0; i < net->params.n_params; i++) {
        const hidi_shape shape = net->params.param[i].shape;
        const size_t n = hidi_count(shape);
        hidi_real *host = calloc(n, sizeof *host);
        if (host == NULL)
            return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
        const double deviation = sqrt(2.0 * (double)shape.dim[0] / (double)n);
        if (shape.rank > 1)
            hidi_normal((hidi_random){seed, HIDI_STREAM_INIT, (uint64_t)i}, 0, host, n);
        for (size_t k = 0; k < n; k++)
            host[k] = (hidi_real)(deviation * (double)host[k]);
        hidi_params_write(&net->params, i, host);
        free(host);
    }
    return HIDI_OK;
}

/* [B, C, H, W] -> [B, C] */
static hidi_var *mean_over_positions(hidi_tape *tape, hidi_var *x)
{
    if (x == NULL)
        return NULL;
    const size_t B = x->shape.dim[0], C = x->shape.dim[1], side = x->shape.dim[2];
    return hidi_reshape(tape, hidi_average_pool(tape, x, side, side, 0), hidi_shape2(B, C));
}

hidi_var *hidi_feature_net_forward(hidi_tape *tape, const hidi_feature_net *net, bool frozen,
                                   hidi_var *images, hidi_var *pooled[STAGES])
{
    const hidi_params *p = &net->params;
    hidi_var *x = images, *means = NULL;
    for (int i = 0; i < STAGES; i++) {
        const int number = stage_param(i);
        if (i > 0)
            x = hidi_average_pool(tape, x, 2, 2, 0);
        x = hidi_conv2d(tape, x, hidi_param_var(tape, p, number, frozen),
                        hidi_param_var(tape, p, number + 1, frozen), 1, 1, 1);
        x = hidi_silu(tape, x);
        if (pooled != NULL || i + 1 == STAGES)
            means = mean_over_positions(tape, x);
        if (pooled != NULL)
            pooled[i] = means;
    }
    return hidi_linear(tape, means, hidi_param_var(tape, p, stage_param(STAGES), frozen),
                       hidi_param_var(tape, p, stage_param(STAGES) + 1, frozen));
}

/* One pass of a batch of up to EXTRACT_BATCH images: its logits [n, K], and the means over
 * positions (NULL: not wanted). */
static hidi_status run_batch(const hidi_feature_net *net, hidi_tape *tape, const hidi_real *images,
                             size_t n, hidi_var **logits, hidi_var *pooled[STAGES])
{
    const hidi_shape shape = hidi_shape4(n, net->channels, net->image_size, net->image_size);
    hidi_tape_reset(tape);
    *logits = hidi_feature_net_forward(tape, net, true, hidi_constant(tape, shape, images), pooled);
    return hidi_tape_status(tape);
}

static hidi_status read_features(const hidi_feature_net *net, hidi_tape *tape,
                                 hidi_var *const pooled[STAGES], size_t n, double *features)
{
    hidi_real host[EXTRACT_BATCH * HIDI_FEATURES];
    for (size_t stage = 0, first = 0; stage < STAGES; first += widths[stage++]) {
        HIDI_TRY(hidi_read(tape, pooled[stage], host));
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < widths[stage]; k++)
                features[i * HIDI_FEATURES + first + k] =
                    (double)host[i * widths[stage] + k] * (double)net->scale[first + k];
    }
    return HIDI_OK;
}

/* p_k = exp(l_k - max l) / sum_j exp(l_j - max l), in double precision, of K logits. */
static void softmax(const hidi_real *logits, size_t K, double *p)
{
    double sum = 0;
    hidi_real most = logits[0];
    for (size_t k = 1; k < K; k++)
        most = logits[k] > most ? logits[k] : most;
    for (size_t k = 0; k < K; k++)
        sum += p[k] = exp((double)logits[k] - (double)most);
    for (size_t k = 0; k < K; k++)
        p[k] /= sum;
}

/* Images that are shared out in pieces of EXTRACT_BATCH. */
typedef struct extraction {
    const hidi_feature_net *net;
    hidi_tape *tape;
    const hidi_real *images;
    size_t n;
    double *features, *probabilities; /* [n, 192], [n, K]; either may be NULL */
    hidi_real *logits;                /* [members, EXTRACT_BATCH, K]          */
} extraction;

static hidi_status extract_piece(void *context, int member, size_t piece)
{
    const extraction *e = context;
    const hidi_feature_net *net = e->net;
    const size_t pixels = net->channels * net->image_size * net->image_size, K = net->n_classes;
    const size_t first = piece * EXTRACT_BATCH, left = e->n - first;
    const size_t n = left < EXTRACT_BATCH ? left : EXTRACT_BATCH;
    hidi_tape *tape = hidi_tape_companion(e->tape, member);
    hidi_var *pooled[STAGES], *logits;
    HIDI_TRY(run_batch(net, tape, e->images + first * pixels, n, &logits,
                       e->features ? pooled : NULL));
    if (e->features != NULL)
        HIDI_TRY(read_features(net, tape, pooled, n, e->features + first * HIDI_FEATURES));
    if (e->probabilities == NULL)
        return HIDI_OK;
    hidi_real *host = e->logits + (size_t)member * EXTRACT_BATCH * K;
    HIDI_TRY(hidi_read(tape, logits, host));
    for (size_t b = 0; b < n; b++)
        softmax(host + b * K, K, e->probabilities + (first + b) * K);
    return HIDI_OK;
}

/* x [n, size], of which a piece fills EXTRACT_BATCH. */
static hidi_piece_rows rows_of(double *x, size_t n, size_t size)
{
    return (hidi_piece_rows){x, EXTRACT_BATCH * size * sizeof *x, n * size * sizeof *x};
}

/* features [n, 192], probabilities [n, K]; either may be NULL. */
static hidi_status extract_both(const hidi_feature_net *net, hidi_tape *tape,
                                const hidi_real *images, size_t n, double *features,
                                double *probabilities)
{
    const hidi_backend *backend = net->params.backend;
    const size_t pieces = (n + EXTRACT_BATCH - 1) / EXTRACT_BATCH;
    const int members = hidi_backend_members(backend, pieces > 0 ? pieces : 1);
    extraction e = {net, tape, images, n, features, probabilities, NULL};
    HIDI_TRY(hidi_tape_companions(tape, members));
    e.logits = malloc((size_t)members * EXTRACT_BATCH * net->n_classes * sizeof *e.logits);
    if (e.logits == NULL)
        return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    const hidi_piece_rows rows[] = {rows_of(features, n, HIDI_FEATURES),
                              rows_of(probabilities, n, net->n_classes)};
    const hidi_status status = hidi_backend_share_rows(backend, pieces, extract_piece, &e, rows, 2);
    free(e.logits);
    return status;
}

hidi_status hidi_feature_net_extract(const hidi_feature_net *net, hidi_tape *tape,
                                     const hidi_real *images, size_t n, double *features)
{
    return extract_both(net, tape, images, n, features, NULL);
}

hidi_status hidi_feature_net_classify(const hidi_feature_net *net, hidi_tape *tape,
                                      const hidi_real *images, size_t n, int32_t *label)
{
    const size_t K = net->n_classes;
    double *p = malloc((n ? n : 1) * K * sizeof *p);
    if (p == NULL)
        return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    hidi_status status = extract_both(net, tape, images, n, NULL, p);
    for (size_t i = 0; i < n && status == HIDI_OK; i++) {
        label[i] = 0;
        for (size_t k = 1; k < K; k++)
            if (p[i * K + k] > p[i * K + (size_t)label[i]])
                label[i] = (int32_t)k;
    }
    free(p);
    return status;
}

hidi_status hidi_feature_net_standardise(hidi_feature_net *net, hidi_tape *tape,
                                         const hidi_real *images, size_t n)
{
    double *features = malloc((n ? n : 1) * HIDI_FEATURES * sizeof *features);
    if (features == NULL)
        return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    for (size_t k = 0; k < HIDI_FEATURES; k++)
        net->scale[k] = 1;
    hidi_status status = hidi_feature_net_extract(net, tape, images, n, features);
    for (size_t k = 0; k < HIDI_FEATURES && status == HIDI_OK; k++) {
        double mean = 0, square = 0;
        for (size_t i = 0; i < n; i++)
            mean += features[i * HIDI_FEATURES + k] / (double)n;
        for (size_t i = 0; i < n; i++)
            square += pow(features[i * HIDI_FEATURES + k] - mean, 2) / (double)n;
        /* A feature that never varies (a dead channel) says nothing: leave it as it is. */
        net->scale[k] = square > 1e-12 ? (hidi_real)(1 / sqrt(square)) : 1;
    }
    free(features);
    return status;
}

/* --- files ------------------------------------------------------------------------------------ */

hidi_status hidi_feature_net_to_file(const hidi_feature_net *net, hidi_tensor_file *file)
{
    char text[32];
    const size_t n = HIDI_FEATURES;
    snprintf(text, sizeof text, "%zu", net->image_size);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "format", "hidi-feature-net"));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "image_size", text));
    HIDI_TRY(hidi_params_to_file(&net->params, net->params.value, "", file));
    return hidi_tensor_file_add_real(file, "features.scale", 1, &n, net->scale);
}

hidi_status hidi_feature_net_from_file(hidi_feature_net **net, const hidi_backend *backend,
                                       const hidi_tensor_file *file)
{
    const char *format = hidi_tensor_file_meta(file, "format");
    const char *size = hidi_tensor_file_meta(file, "image_size");
    const hidi_file_tensor *conv, *classifier, *scale;
    long image_size;
    *net = NULL;
    if (format == NULL || strcmp(format, "hidi-feature-net") != 0 || size == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: not a feature net", file->path);
    HIDI_TRY(hidi_tensor_file_need(file, "conv1.weight", &conv));
    HIDI_TRY(hidi_tensor_file_need(file, "classifier.bias", &classifier));
    HIDI_TRY(hidi_tensor_file_need(file, "features.scale", &scale));
    if (!hidi_parse_long(size, &image_size) || image_size < 1)
        return hidi_error(HIDI_BAD_FORMAT, "%s: image_size \"%.40s\" is not a size of images",
                          file->path, size);
    if (conv->rank != 4 || scale->count != HIDI_FEATURES)
        return hidi_error(HIDI_BAD_FORMAT, "%s: conv1.weight of rank %d, %zu features; expected 4, "
                                           "%d",
                          file->path, conv->rank, scale->count, HIDI_FEATURES);
    hidi_status status = hidi_feature_net_create(net, backend, conv->dim[1],
                                                 (size_t)image_size, classifier->count);
    if (status != HIDI_OK)
        return hidi_error_prefix(status, "%s", file->path);
    status = hidi_params_from_file(&(*net)->params, (*net)->params.value, "", file);
    hidi_file_tensor_real(scale, (*net)->scale);
    for (int k = 0; k < HIDI_FEATURES && status == HIDI_OK; k++)
        if (!isfinite((*net)->scale[k]))
            status = hidi_error(HIDI_BAD_FORMAT, "%s: features.scale holds %g at element %d",
                                file->path, (double)(*net)->scale[k], k);
    if (status == HIDI_OK)
        status = hidi_params_check_superfluous(&(*net)->params, "", "features.scale", file);
    if (status != HIDI_OK) {
        hidi_feature_net_destroy(*net);
        *net = NULL;
        return status;
    }
    return HIDI_OK;
}

/* --- as an extractor -------------------------------------------------------------------------- */

typedef struct extractor_state {
    hidi_feature_net *net;
    hidi_tape *tape;
} extractor_state;

static hidi_status extract(hidi_extractor *extractor, const hidi_real *images, size_t n,
                           size_t height, size_t width, const hidi_extracted *out)
{
    const extractor_state *state = extractor->state;
    (void)height;
    (void)width;
    if (out->features == NULL && out->probabilities == NULL)
        return HIDI_OK;
    return extract_both(state->net, state->tape, images, n, out->features, out->probabilities);
}

static void destroy(hidi_extractor *extractor)
{
    extractor_state *state = extractor->state;
    hidi_feature_net_destroy(state->net);
    hidi_tape_destroy(state->tape);
    free(state);
}

hidi_status hidi_feature_net_extractor(hidi_extractor *extractor, hidi_feature_net *net,
                                       const char *name)
{
    extractor_state *state = calloc(1, sizeof *state);
    hidi_tape *tape = hidi_tape_create(net->params.backend);
    memset(extractor, 0, sizeof *extractor);
    if (state == NULL || tape == NULL) {
        free(state);
        hidi_tape_destroy(tape);
        hidi_feature_net_destroy(net);
        return hidi_error(HIDI_NO_MEMORY, "feature net: out of memory");
    }
    *state = (extractor_state){net, tape};
    *extractor = (hidi_extractor){.n_features = HIDI_FEATURES,
                                  .n_classes = net->n_classes,
                                  .channels = net->channels,
                                  .image_size = net->image_size,
                                  .extract = extract,
                                  .destroy = destroy,
                                  .state = state};
    snprintf(extractor->name, sizeof extractor->name, "%s", name);
    return HIDI_OK;
}
