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
#include "io/number.h"
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

/* --- several heads ---------------------------------------------------------------------------- */

hidi_status hidi_heads_forward(hidi_tape *tape, const hidi_heads *heads, bool frozen_heads,
                               const hidi_dit *backbone, bool frozen_backbone, hidi_var *z,
                               hidi_var *t, const hidi_condition *y, hidi_head_output *output)
{
    const hidi_heads_config *c = &heads->config;
    hidi_taps taps = {.n = c->n};
    memset(output, 0, sizeof *output);
    if (c->width != backbone->config.width)
        return hidi_error(HIDI_BAD_SHAPE, "heads of width %zu on a backbone of width %zu", c->width,
                          backbone->config.width);
    memcpy(taps.block, c->block, sizeof taps.block);
    hidi_dit_tokens(tape, backbone, frozen_backbone, z, t, y, &taps);
    HIDI_TRY(hidi_tape_status(tape));
    if (taps.condition == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads: no images, or no times, to look at");

    hidi_var *sum = NULL;
    for (int j = 0; j < c->n; j++) {
        const hidi_head_pass pass = {.tape = tape,
                                     .heads = heads,
                                     .j = j,
                                     .frozen = frozen_heads,
                                     .h = taps.tokens[j],
                                     .c = taps.condition,
                                     .side = backbone->config.image_size / backbone->config.patch};
        const hidi_head_terms terms = hidi_head_of(c->kind)->forward(&pass);
        output->scores[j] = terms.scores;
        output->weights[j] = terms.weights;
        sum = j ? hidi_add(tape, sum, terms.logits) : terms.logits;
    }
    output->logits = hidi_scale(tape, sum, (hidi_real)1 / (hidi_real)c->n);
    return hidi_tape_status(tape);
}

/* Checks the config and declares the parameters of all heads, without memory for them. */
static hidi_status declare(hidi_params *params, const hidi_heads_config *config)
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
    hidi_status status = declare(&heads->params, config);
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

/* The first values of parameter number i, which are 0 on entry. */
static void initial_values(const hidi_heads *heads, int i, uint64_t seed, hidi_real *host)
{
    const hidi_param *param = &heads->params.param[i];
    const char *zero = hidi_head_of(heads->config.kind)->zero;
    const char *name = strchr(param->name + strlen("heads."), '.') + 1;
    const size_t n = hidi_count(param->shape);
    if (strcmp(name, "norm.weight") == 0) {
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

/* --- text and files --------------------------------------------------------------------------- */

hidi_status hidi_heads_parse_blocks(const char *text, hidi_heads_config *config)
{
    const char *at = text;
    config->n = 0;
    do {
        const size_t length = strcspn(at, ",");
        char number[HIDI_NUMBER_TEXT];
        long block = -1;
        snprintf(number, sizeof number, "%.*s", length < sizeof number ? (int)length : 0, at);
        if (!hidi_parse_long(number, &block) || block < 0 || block > 1000 ||
            config->n == HIDI_MAX_TAPS || (config->n && block <= config->block[config->n - 1]))
            return hidi_error(HIDI_BAD_ARGUMENT, "blocks \"%s\": expected up to %d numbers from 0, "
                                                 "ascending, such as 1,3",
                              text, HIDI_MAX_TAPS);
        config->block[config->n++] = (int)block;
        at += length + (at[length] == ',');
    } while (*at != '\0');
    return HIDI_OK;
}

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
    HIDI_TRY(hidi_tensor_file_add_meta(file, "kind", hidi_head_name(c->kind)));
    return hidi_tensor_file_add_meta(file, "blocks", blocks);
}

static hidi_status infer_config(hidi_heads_config *c, const hidi_tensor_file *file)
{
    const char *kind = hidi_tensor_file_meta(file, "kind");
    const char *blocks = hidi_tensor_file_meta(file, "blocks");
    const hidi_file_tensor *norm;
    int k = 0;
    memset(c, 0, sizeof *c);
    if (kind == NULL || blocks == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no discriminator heads: metadata \"kind\" and "
                                           "\"blocks\" are missing",
                          file->path);
    while (k < HIDI_HEAD_COUNT && strcmp(kind, kinds[k].name) != 0)
        k++;
    if (k == HIDI_HEAD_COUNT)
        return hidi_error(HIDI_BAD_FORMAT, "%s: heads of kind \"%s\"; known: %s", file->path, kind,
                          HIDI_HEAD_KINDS);
    c->kind = (hidi_head_kind)k;
    HIDI_TRY(hidi_heads_parse_blocks(blocks, c));
    HIDI_TRY(hidi_tensor_file_need(file, "heads.0.norm.weight", &norm));
    c->width = norm->count;
    const hidi_head *head = kinds[k].head;
    return head->infer != NULL ? head->infer(c, file) : HIDI_OK;
}

/* That the file has all that such heads need, before memory is asked for. */
static hidi_status check_shapes(const hidi_heads_config *config, const hidi_backend *backend,
                                const hidi_tensor_file *file)
{
    hidi_params params;
    hidi_params_init(&params, backend);
    hidi_status status = hidi_error_prefix(declare(&params, config), "%s", file->path);
    if (status == HIDI_OK)
        status = hidi_params_check_shapes(&params, "", file);
    hidi_params_free(&params);
    return status;
}

hidi_status hidi_heads_from_file(hidi_heads **heads, const hidi_backend *backend,
                                 const hidi_tensor_file *file)
{
    hidi_heads_config config;
    *heads = NULL;
    hidi_status status = infer_config(&config, file);
    if (status == HIDI_OK)
        status = check_shapes(&config, backend, file);
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
