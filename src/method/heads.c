/* heads.c - the Adaptive Weighted Discriminator and its controls. */
#include "method/heads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "model/params_file.h"

/* Parameters of a head, counted from its first. */
enum { NORM_W, NORM_B, SCORE_W, SCORE_B, KEY, QUERY, QUERY_MAP };
enum { CONV1_W = 4, CONV1_B, CONV2_W, CONV2_B };

static const char *const kind_names[] = {"awd", "gap", "token", "conv"};

static hidi_status declare_head(hidi_params *p, const hidi_heads_config *c, int j)
{
    const size_t D = c->width, d = c->key_width, half = D / 2;
    const bool conv = c->kind == HIDI_HEAD_CONV;
    HIDI_TRY(hidi_params_declare(p, hidi_shape1(D), "heads.%d.norm.weight", j));
    HIDI_TRY(hidi_params_declare(p, hidi_shape1(D), "heads.%d.norm.bias", j));
    HIDI_TRY(hidi_params_declare(p, hidi_shape2(1, conv ? half : D), "heads.%d.score.weight", j));
    HIDI_TRY(hidi_params_declare(p, hidi_shape1(1), "heads.%d.score.bias", j));
    if (c->kind == HIDI_HEAD_AWD) {
        HIDI_TRY(hidi_params_declare(p, hidi_shape2(d, D), "heads.%d.key.weight", j));
        HIDI_TRY(hidi_params_declare(p, hidi_shape1(d), "heads.%d.query", j));
        if (c->conditional)
            HIDI_TRY(hidi_params_declare(p, hidi_shape2(d, D), "heads.%d.query_map.weight", j));
    } else if (conv) {
        HIDI_TRY(hidi_params_declare(p, hidi_shape4(half, D, 3, 3), "heads.%d.conv1.weight", j));
        HIDI_TRY(hidi_params_declare(p, hidi_shape1(half), "heads.%d.conv1.bias", j));
        HIDI_TRY(hidi_params_declare(p, hidi_shape4(half, half, 3, 3), "heads.%d.conv2.weight", j));
        HIDI_TRY(hidi_params_declare(p, hidi_shape1(half), "heads.%d.conv2.bias", j));
    }
    return HIDI_OK;
}

hidi_status hidi_heads_create(hidi_heads **result, const hidi_backend *backend,
                              const hidi_heads_config *config)
{
    *result = NULL;
    if (config->n < 1 || config->n > HIDI_MAX_TAPS || config->width < 2 || config->width > 65536 ||
        (config->kind == HIDI_HEAD_AWD && (config->key_width < 1 || config->key_width > 65536)))
        return hidi_error(HIDI_BAD_ARGUMENT, "heads: %d heads of width %zu, key width %zu",
                          config->n, config->width, config->key_width);
    hidi_heads *heads = calloc(1, sizeof *heads);
    if (heads == NULL)
        return hidi_error(HIDI_NO_MEMORY, "heads: out of memory");
    heads->config = *config;
    hidi_params_init(&heads->params, backend);
    hidi_status status = HIDI_OK;
    for (int j = 0; j < config->n && status == HIDI_OK; j++) {
        heads->first[j] = heads->params.n_params;
        status = declare_head(&heads->params, config, j);
    }
    if (status == HIDI_OK)
        status = hidi_params_allocate(&heads->params);
    if (status != HIDI_OK) {
        hidi_heads_destroy(heads);
        return status;
    }
    *result = heads;
    return HIDI_OK;
}

void hidi_heads_destroy(hidi_heads *heads)
{
    if (heads == NULL)
        return;
    hidi_params_free(&heads->params);
    free(heads);
}

hidi_status hidi_heads_initialise(hidi_heads *heads, uint64_t seed)
{
    for (int i = 0; i < heads->params.n_params; i++) {
        const hidi_param *param = &heads->params.param[i];
        const size_t n = hidi_count(param->shape);
        const char *name = strchr(param->name + strlen("heads."), '.') + 1;
        hidi_real *host = calloc(n, sizeof *host);
        if (host == NULL)
            return hidi_error(HIDI_NO_MEMORY, "heads: out of memory");
        if (strcmp(name, "norm.weight") == 0) {
            for (size_t k = 0; k < n; k++)
                host[k] = 1;
        } else if (param->shape.rank > 1 && strcmp(name, "query_map.weight") != 0) {
            const double scale = 1 / sqrt((double)(n / param->shape.dim[0]));
            hidi_normal((hidi_random){seed, HIDI_STREAM_INIT, (uint64_t)i}, 0, host, n);
            for (size_t k = 0; k < n; k++)
                host[k] *= (hidi_real)scale;
        }
        hidi_params_write(&heads->params, i, host);
        free(host);
    }
    return HIDI_OK;
}

hidi_status hidi_heads_parse_blocks(const char *text, hidi_heads_config *config)
{
    const char *at = text;
    config->n = 0;
    do {
        char *end;
        long block = strtol(at, &end, 10);
        if (end == at || (*end != ',' && *end != '\0') || block < 0 || block > 1000 ||
            config->n == HIDI_MAX_TAPS || (config->n && block <= config->block[config->n - 1]))
            return hidi_error(HIDI_BAD_ARGUMENT, "blocks \"%s\": expected up to %d numbers from 0, "
                                                 "ascending, such as 1,3",
                              text, HIDI_MAX_TAPS);
        config->block[config->n++] = (int)block;
        at = *end == ',' ? end + 1 : end;
    } while (*at != '\0');
    return HIDI_OK;
}

/* --- forward ---------------------------------------------------------------------------------- */

typedef struct head {
    hidi_tape *tape;
    const hidi_heads *heads;
    bool frozen;
    int first;     /* number of the first parameter */
    size_t side;   /* tokens form a side x side grid */
} head;

static hidi_var *param(const head *h, int i)
{
    return hidi_param_var(h->tape, &h->heads->params, h->first + i, h->frozen);
}

/* a = softmax(<q, W_k LN(h)> / sqrt(d)), q = query (+ W c):  [B, N] */
static hidi_var *token_weights(const head *h, hidi_var *normed, hidi_var *condition)
{
    hidi_tape *tape = h->tape;
    const hidi_heads_config *c = &h->heads->config;
    const size_t B = normed->shape.dim[0], N = normed->shape.dim[1], d = c->key_width;
    hidi_var *keys = hidi_linear(tape, normed, param(h, KEY), NULL); /* [B, N, d] */
    hidi_var *query = hidi_reshape(tape, param(h, QUERY), hidi_shape2(1, d));
    hidi_var *logits;
    if (c->conditional) {
        hidi_var *q = hidi_linear(tape, condition, param(h, QUERY_MAP), NULL); /* [B, d] */
        q = hidi_add_rows(tape, hidi_reshape(tape, q, hidi_shape3(B, 1, d)), query);
        logits = hidi_matmul(tape, keys, false, q, true); /* [B, N, 1] */
    } else {
        logits = hidi_linear(tape, keys, query, NULL); /* [B, N, 1] */
    }
    logits = hidi_reshape(tape, logits, hidi_shape2(B, N));
    return hidi_softmax(tape, hidi_scale(tape, logits, (hidi_real)(1 / sqrt((double)d))));
}

/* The strided-convolution control: [B] */
static hidi_var *convolve(const head *h, hidi_var *normed)
{
    hidi_tape *tape = h->tape;
    const size_t B = normed->shape.dim[0], D = normed->shape.dim[2];
    hidi_var *grid = hidi_unpatchify(tape, normed, D, h->side, h->side, 1, HIDI_PATCH_PQC);
    hidi_var *x = hidi_conv2d(tape, grid, param(h, CONV1_W), param(h, CONV1_B), 2, 1, 1);
    x = hidi_silu(tape, x);
    x = hidi_silu(tape, hidi_conv2d(tape, x, param(h, CONV2_W), param(h, CONV2_B), 2, 1, 1));
    if (x == NULL)
        return NULL;
    const size_t side = x->shape.dim[2];
    x = hidi_average_pool(tape, x, side, side, 0);
    x = hidi_reshape(tape, x, hidi_shape2(B, D / 2));
    return hidi_reshape(tape, hidi_linear(tape, x, param(h, SCORE_W), param(h, SCORE_B)),
                        hidi_shape1(B));
}

/* One head's logits: [B], or [B, N] for token. */
static hidi_var *head_forward(const head *h, hidi_var *tokens, hidi_var *condition, int j,
                              hidi_head_output *output)
{
    hidi_tape *tape = h->tape;
    hidi_var *normed = hidi_layer_norm(tape, tokens, param(h, NORM_W), param(h, NORM_B),
                                       (hidi_real)HIDI_DIT_EPS);
    if (normed == NULL)
        return NULL;
    if (h->heads->config.kind == HIDI_HEAD_CONV)
        return convolve(h, normed);

    const hidi_shape matrix = hidi_shape2(normed->shape.dim[0], normed->shape.dim[1]);
    hidi_var *s = hidi_linear(tape, normed, param(h, SCORE_W), param(h, SCORE_B));
    s = output->scores[j] = hidi_reshape(tape, s, matrix);
    switch (h->heads->config.kind) {
    case HIDI_HEAD_AWD: {
        hidi_var *a = output->weights[j] = token_weights(h, normed, condition);
        return hidi_sum_samples(tape, hidi_mul(tape, a, s)); /* D = sum_i a_i s_i */
    }
    case HIDI_HEAD_GAP:
        return hidi_mean_samples(tape, s);
    default:
        return s;
    }
}

hidi_status hidi_heads_forward(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                               const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                               hidi_var *t, const int32_t *y, hidi_head_output *output)
{
    const hidi_heads_config *c = &heads->config;
    hidi_taps taps = {.n = c->n};
    memset(output, 0, sizeof *output);
    if (c->width != backbone->config.width)
        return hidi_error(HIDI_BAD_SHAPE, "heads of width %zu on a backbone of width %zu", c->width,
                          backbone->config.width);
    memcpy(taps.block, c->block, sizeof taps.block);
    hidi_dit_forward(tape, backbone, frozen_backbone, z, t, NULL, y, &taps);
    const size_t side = backbone->config.image_size / backbone->config.patch;
    hidi_var *sum = NULL;
    for (int j = 0; j < c->n; j++) {
        const head h = {tape, heads, frozen_heads, heads->first[j], side};
        hidi_var *logits = head_forward(&h, taps.tokens[j], taps.condition, j, output);
        sum = j ? hidi_add(tape, sum, logits) : logits;
    }
    output->logits = hidi_scale(tape, sum, (hidi_real)1 / (hidi_real)c->n);
    return hidi_tape_status(tape);
}

/* --- files ------------------------------------------------------------------------------------ */

hidi_status hidi_heads_to_file(const hidi_heads *heads, const char *prefix, hidi_tensor_file *file)
{
    const hidi_heads_config *c = &heads->config;
    char blocks[HIDI_MAX_TAPS * 6] = "";
    HIDI_TRY(hidi_params_to_file(&heads->params, heads->params.value, prefix, file));
    if (prefix[0] != '\0')
        return HIDI_OK;
    for (int j = 0; j < c->n; j++)
        snprintf(blocks + strlen(blocks), sizeof blocks - strlen(blocks), j ? ",%d" : "%d",
                 c->block[j]);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "format", "hidi-heads"));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "kind", kind_names[c->kind]));
    return hidi_tensor_file_add_meta(file, "blocks", blocks);
}

static hidi_status infer_config(hidi_heads_config *c, const hidi_tensor_file *file)
{
    const char *kind = hidi_tensor_file_meta(file, "kind");
    const char *blocks = hidi_tensor_file_meta(file, "blocks");
    const hidi_file_tensor *norm, *query;
    int k = 0;
    memset(c, 0, sizeof *c);
    if (kind == NULL || blocks == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no discriminator heads: metadata \"kind\" and "
                                           "\"blocks\" are missing",
                          file->path);
    while (k < 4 && strcmp(kind, kind_names[k]) != 0)
        k++;
    if (k == 4)
        return hidi_error(HIDI_BAD_FORMAT, "%s: heads of kind \"%s\"; known: " HIDI_HEAD_KINDS,
                          file->path, kind);
    c->kind = (hidi_head_kind)k;
    HIDI_TRY(hidi_heads_parse_blocks(blocks, c));
    HIDI_TRY(hidi_tensor_file_need(file, "heads.0.norm.weight", &norm));
    c->width = norm->count;
    if (c->kind == HIDI_HEAD_AWD) {
        HIDI_TRY(hidi_tensor_file_need(file, "heads.0.query", &query));
        c->key_width = query->count;
        c->conditional = hidi_tensor_file_find(file, "heads.0.query_map.weight") != NULL;
    }
    return HIDI_OK;
}

hidi_status hidi_heads_from_file(hidi_heads **heads, const hidi_backend *backend,
                                 const hidi_tensor_file *file)
{
    hidi_heads_config config;
    *heads = NULL;
    hidi_status status = infer_config(&config, file);
    if (status == HIDI_OK)
        status = hidi_heads_create(heads, backend, &config);
    if (status != HIDI_OK)
        return status;
    status = hidi_params_from_file(&(*heads)->params, (*heads)->params.value, "", file);
    if (status == HIDI_OK)
        status = hidi_params_check_superfluous(&(*heads)->params, "", NULL, file);
    if (status != HIDI_OK) {
        hidi_heads_destroy(*heads);
        *heads = NULL;
    }
    return status;
}
