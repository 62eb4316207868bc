/* heads.c - several heads as one discriminator, and what all kinds of heads share.
 *
 *     D(z) = 1/n sum_j D_j(h^j),   h^j: the backbone's tokens after the block that head j reads
 */
#include "method/heads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "method/head.h"
#include "model/params_file.h"

/* --- the kinds -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const hidi_head *head;
} kinds[HIDI_HEAD_COUNT] = {
#define KIND(number, name) {#name, &hidi_head_##name},
    HIDI_HEAD_LIST(KIND)
#undef KIND
};

const hidi_head *hidi_head_of(hidi_head_kind kind)
{
    return kinds[kind].head;
}

const char *hidi_head_name(hidi_head_kind kind)
{
    return kinds[kind].name;
}

/* --- what heads are made of ------------------------------------------------------------------- */

hidi_status hidi_head_declare_score(hidi_params *params, int j, size_t D, size_t n)
{
    HIDI_TRY(hidi_params_declare(params, hidi_shape1(D), "heads.%d.norm.weight", j));
    HIDI_TRY(hidi_params_declare(params, hidi_shape1(D), "heads.%d.norm.bias", j));
    HIDI_TRY(hidi_params_declare(params, hidi_shape2(1, n), "heads.%d.score.weight", j));
    return hidi_params_declare(params, hidi_shape1(1), "heads.%d.score.bias", j);
}

hidi_status hidi_head_declare_token_score(hidi_params *params, const hidi_heads_config *config,
                                          int j)
{
    return hidi_head_declare_score(params, j, config->width, config->width);
}

hidi_var *hidi_head_param(const hidi_head_pass *pass, const char *name)
{
    const hidi_params *params = &pass->heads->params;
    char full[sizeof params->param->name];
    snprintf(full, sizeof full, "heads.%d.%s", pass->j, name);
    return hidi_param_var(pass->tape, params, hidi_params_find(params, full), pass->frozen);
}

hidi_var *hidi_head_norm(const hidi_head_pass *pass)
{
    hidi_var *g = hidi_head_param(pass, "norm.weight"), *b = hidi_head_param(pass, "norm.bias");
    return hidi_layer_norm(pass->tape, pass->h, g, b, (hidi_real)HIDI_DIT_EPS);
}

hidi_var *hidi_head_score(const hidi_head_pass *pass, hidi_var *x)
{
    hidi_var *w = hidi_head_param(pass, "score.weight"), *b = hidi_head_param(pass, "score.bias");
    hidi_var *s = hidi_linear(pass->tape, x, w, b); /* [..., 1] */
    if (s == NULL)
        return NULL;
    hidi_shape shape = s->shape;
    shape.rank--;
    return hidi_reshape(pass->tape, s, shape);
}

/* --- token weights ---------------------------------------------------------------------------- */

size_t hidi_head_queries(const hidi_heads_config *config)
{
    return config->queries > 0 ? config->queries : 1;
}

hidi_status hidi_head_declare_attention(hidi_params *params, const hidi_heads_config *config, int j)
{
    const size_t D = config->width, d = config->key_width, M = hidi_head_queries(config);
    if (d < 1 || d > 65536 || M > 1024)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads: key width %zu, %zu queries", d, M);
    const hidi_shape query = M > 1 ? hidi_shape2(M, d) : hidi_shape1(d);
    HIDI_TRY(hidi_params_declare(params, hidi_shape2(d, D), "heads.%d.key.weight", j));
    HIDI_TRY(hidi_params_declare(params, query, "heads.%d.query", j));
    if (!config->conditional)
        return HIDI_OK;
    return hidi_params_declare(params, hidi_shape2(M * d, D), "heads.%d.query_map.weight", j);
}

hidi_status hidi_head_infer_attention(hidi_heads_config *config, const hidi_tensor_file *file)
{
    const hidi_file_tensor *query;
    HIDI_TRY(hidi_tensor_file_need(file, "heads.0.query", &query));
    if (query->count == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: heads.0.query has no elements", file->path);
    config->queries = query->rank == 2 ? query->dim[0] : 1;
    config->key_width = query->count / config->queries;
    config->conditional = hidi_tensor_file_find(file, "heads.0.query_map.weight") != NULL;
    return HIDI_OK;
}

/* q^m, or q^m + W^m c, for each sample: [B, M, d] */
static hidi_var *queries(const hidi_head_pass *pass)
{
    hidi_tape *tape = pass->tape;
    const hidi_heads_config *c = &pass->heads->config;
    const size_t B = pass->h->shape.dim[0], M = hidi_head_queries(c), d = c->key_width;
    hidi_var *q = hidi_reshape(tape, hidi_head_param(pass, "query"), hidi_shape2(M, d));
    if (!c->conditional)
        return hidi_add_rows(tape, hidi_filled(tape, hidi_shape3(B, M, d), 0), q);
    hidi_var *W_c = hidi_linear(tape, pass->c, hidi_head_param(pass, "query_map.weight"), NULL);
    return hidi_add_rows(tape, hidi_reshape(tape, W_c, hidi_shape3(B, M, d)), q);
}

/* <q^m, k_i> for keys k [B, N, d]: [B, M, N].  One query for all samples is a linear map. */
static hidi_var *products(const hidi_head_pass *pass, hidi_var *k)
{
    const hidi_heads_config *c = &pass->heads->config;
    const size_t B = pass->h->shape.dim[0], N = pass->h->shape.dim[1], d = c->key_width;
    hidi_tape *tape = pass->tape;
    if (c->conditional || hidi_head_queries(c) > 1)
        return hidi_matmul(tape, queries(pass), false, k, true);
    hidi_var *q = hidi_reshape(tape, hidi_head_param(pass, "query"), hidi_shape2(1, d));
    return hidi_reshape(tape, hidi_linear(tape, k, q, NULL), hidi_shape3(B, 1, N));
}

hidi_var *hidi_head_attention(const hidi_head_pass *pass, hidi_var *x)
{
    hidi_tape *tape = pass->tape;
    const hidi_heads_config *c = &pass->heads->config;
    const double T = c->temperature > 0 ? c->temperature : 1;
    hidi_var *k = hidi_linear(tape, x, hidi_head_param(pass, "key.weight"), NULL);
    hidi_var *q_k = products(pass, k);
    const double scale = 1 / (T * sqrt((double)c->key_width));
    return hidi_softmax(tape, hidi_scale(tape, q_k, (hidi_real)scale));
}

hidi_var *hidi_head_mean_attention(const hidi_head_pass *pass, hidi_var *a)
{
    hidi_tape *tape = pass->tape;
    const size_t B = pass->h->shape.dim[0], N = pass->h->shape.dim[1];
    const size_t M = hidi_head_queries(&pass->heads->config);
    if (M > 1) {
        hidi_var *share = hidi_filled(tape, hidi_shape3(B, 1, M), (hidi_real)1 / (hidi_real)M);
        a = hidi_matmul(tape, share, false, a, false);
    }
    return hidi_reshape(tape, a, hidi_shape2(B, N));
}

/* --- several heads ---------------------------------------------------------------------------- */

hidi_status hidi_heads_tokens(hidi_tape *tape, const hidi_heads_config *config,
                              const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                              hidi_var *t, const hidi_condition *y, hidi_taps *taps)
{
    *taps = (hidi_taps){.n = config->n};
    if (config->width != backbone->config.width)
        return hidi_error(HIDI_BAD_SHAPE, "heads of width %zu on a backbone of width %zu",
                          config->width, backbone->config.width);
    memcpy(taps->block, config->block, sizeof taps->block);
    hidi_dit_tokens(tape, backbone, frozen_backbone, z, t, y, taps);
    HIDI_TRY(hidi_tape_status(tape));
    if (taps->condition == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads: no images, or no times, to look at");
    return HIDI_OK;
}

hidi_status hidi_heads_on_tokens(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                                 const hidi_taps *taps, size_t side, hidi_head_output *output)
{
    const hidi_heads_config *c = &heads->config;
    memset(output, 0, sizeof *output);
    hidi_var *sum = NULL;
    for (int j = 0; j < c->n; j++) {
        const hidi_head_pass pass = {.tape = tape,
                                     .heads = heads,
                                     .j = j,
                                     .frozen = frozen_heads,
                                     .h = taps->tokens[j],
                                     .c = taps->condition,
                                     .side = side};
        const hidi_head_terms terms = hidi_head_of(c->kind)->forward(&pass);
        output->scores[j] = terms.scores;
        output->weights[j] = terms.weights;
        sum = j ? hidi_add(tape, sum, terms.logits) : terms.logits;
    }
    output->logits = hidi_scale(tape, sum, (hidi_real)1 / (hidi_real)c->n);
    return hidi_tape_status(tape);
}

hidi_status hidi_heads_forward(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                               const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                               hidi_var *t, const hidi_condition *y, hidi_head_output *output)
{
    hidi_taps taps;
    memset(output, 0, sizeof *output);
    HIDI_TRY(hidi_heads_tokens(tape, &heads->config, backbone, frozen_backbone, z, t, y, &taps));
    const size_t side = backbone->config.image_size / backbone->config.patch;
    return hidi_heads_on_tokens(tape, heads, frozen_heads, &taps, side, output);
}

hidi_var *hidi_heads_mean_map(hidi_tape *tape, const hidi_heads *heads, hidi_var *const *map)
{
    const int n = heads->config.n;
    hidi_var *sum = map[0];
    if (sum == NULL)
        return NULL;
    for (int j = 1; j < n; j++)
        sum = hidi_add(tape, sum, map[j]);
    return hidi_scale(tape, hidi_stop_gradient(tape, sum), (hidi_real)1 / (hidi_real)n);
}

hidi_status hidi_heads_declare(hidi_params *params, const hidi_heads_config *config)
{
    if (config->n < 1 || config->n > HIDI_MAX_TAPS || config->width < 2 || config->width > 65536 ||
        (int)config->kind < 0 || config->kind >= HIDI_HEAD_COUNT)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads: %d heads of kind %d, width %zu", config->n,
                          (int)config->kind, config->width);
    for (int j = 0; j < config->n; j++)
        HIDI_TRY(hidi_head_of(config->kind)->declare(params, config, j));
    return HIDI_OK;
}

hidi_status hidi_heads_create(hidi_heads **result, const hidi_backend *backend,
                              const hidi_heads_config *config)
{
    *result = NULL;
    hidi_heads *heads = calloc(1, sizeof *heads);
    if (heads == NULL)
        return hidi_error(HIDI_NO_MEMORY, "heads: out of memory");
    heads->config = *config;
    hidi_params_init(&heads->params, backend);
    hidi_status status = hidi_heads_declare(&heads->params, config);
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

static bool is_norm_weight(const char *name)
{
    const char *found = strstr(name, "norm.weight");
    return found != NULL && found[strlen("norm.weight")] == '\0';
}

/* The first values of parameter number i, which are 0 on entry. */
static void initial_values(const hidi_heads *heads, int i, uint64_t seed, hidi_real *host)
{
    const hidi_param *param = &heads->params.param[i];
    const char *zero = hidi_head_of(heads->config.kind)->zero;
    const char *name = strchr(param->name + strlen("heads."), '.') + 1;
    const size_t n = hidi_count(param->shape);
    if (is_norm_weight(name)) {
        for (size_t k = 0; k < n; k++)
            host[k] = 1;
    } else if (param->shape.rank > 1 && (zero == NULL || strcmp(name, zero) != 0)) {
        const double scale = 1 / sqrt((double)(n / param->shape.dim[0]));
        hidi_normal((hidi_random){seed, HIDI_STREAM_INIT, (uint64_t)i}, 0, host, n);
        for (size_t k = 0; k < n; k++)
            host[k] *= (hidi_real)scale;
    }
}

hidi_status hidi_heads_initialise(hidi_heads *heads, uint64_t seed)
{
    for (int i = 0; i < heads->params.n_params; i++) {
        hidi_real *host = calloc(hidi_count(heads->params.param[i].shape), sizeof *host);
        if (host == NULL)
            return hidi_error(HIDI_NO_MEMORY, "heads: out of memory");
        initial_values(heads, i, seed, host);
        hidi_params_write(&heads->params, i, host);
        free(host);
    }
    return HIDI_OK;
}
