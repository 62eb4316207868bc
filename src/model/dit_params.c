/* dit_params.c - the parameters of a DiT: names, order, initial values; copies and students.
 *
 * Names and shapes are those of facebookresearch/DiT's state dict; dit_layers.h has their numbers.
 * At first (Peebles & Xie, and their code):
 *
 *     biases, adaLN modulations, final layer, the interval embedder's last layer     0
 *     QK-norm's scales                                                               1
 *     cross-attention's projection (PixArt)                                          0
 *     embedders of t, h and y; adaLN-single's shared layer (PixArt)                  N(0, 0.02^2)
 *     adaLN-single's tables (PixArt)                                                 N(0, 1 / D)
 *     other linear layers, [out, in]                  uniform on +-sqrt(6 / (in + out))   (Xavier)
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/random.h"
#include "model/caption.h"
#include "model/dit.h"
#include "model/dit_layers.h"

/* --- the network ------------------------------------------------------------------------------ */

static hidi_status check_config(const hidi_dit_config *c)
{
    if (c->image_size < 1 || c->channels < 1 || c->patch < 1 || c->width < 1 || c->depth < 1 ||
        c->heads < 1 || (c->n_classes < 1 && c->caption_length < 1) || c->mlp_width < 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a size of 0");
    if (c->image_size > HIDI_DIT_MOST_SIDE || c->channels > 4096 ||
        c->patch > HIDI_DIT_MOST_PATCH || c->width > 65536 || c->depth > HIDI_DIT_MOST_DEPTH ||
        c->n_classes > 1048576 || c->mlp_width > 1048576)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a size beyond all reason");
    if (c->image_size % c->patch != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: image size %zu is not a multiple of patch %zu",
                          c->image_size, c->patch);
    if (c->width % c->heads != 0 || c->width % 4 != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: width %zu must be a multiple of 4 and of %zu "
                                             "heads",
                          c->width, c->heads);
    if (c->caption_length > HIDI_MOST_CAPTION_TOKENS || c->words > 1048576 ||
        c->text_depth > HIDI_DIT_MOST_DEPTH || c->caption_width > 65536)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a size beyond all reason");
    if (c->caption_length > 0 && (c->n_classes > 0 || (c->words < 2) == (c->caption_width < 1)))
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: of captions either words or embeddings, and "
                                             "no classes");
    if (c->null_length > c->caption_length || (c->null_length > 0 && c->caption_width == 0) ||
        (c->no_null && (c->null_length > 0 || c->caption_width == 0)))
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a null caption of %zu tokens, of at most %zu",
                          c->null_length, c->caption_width == 0 ? 0 : c->caption_length);
    if (c->out_channels != c->channels && c->out_channels != 2 * c->channels)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: %zu output channels for %zu input channels",
                          c->out_channels, c->channels);
    if (!(c->time_scale > 0) || c->time_scale > 1e6)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: time_scale %g", c->time_scale);
    if (c->prediction < HIDI_VELOCITY || c->prediction > HIDI_EPSILON)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: no prediction number %d", c->prediction);
    if (c->code < HIDI_CODE_DIT || c->code > HIDI_CODE_DIFFUSERS)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: no code number %d", c->code);
    if (c->adaln < HIDI_ADALN_ZERO || c->adaln > HIDI_ADALN_SINGLE)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: no adaLN number %d", c->adaln);
    if (!(c->position_scale >= 0 && c->position_scale <= 1e6))
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: position_scale %g", c->position_scale);
    if (!(c->least_data >= 0 && c->least_data <= 1))
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: least_data %g is not within 0 to 1",
                          c->least_data);
    return HIDI_OK;
}

static hidi_status declare_linear(hidi_params *p, const char *name, size_t out, size_t in)
{
    HIDI_TRY(hidi_params_declare_matrix(p, out, in, "%s.weight", name));
    return hidi_params_declare(p, hidi_shape1(out), "%s.bias", name);
}

/* What makes n [D]s of c: a linear layer, or adaLN-single's table. */
static hidi_status declare_modulation(hidi_params *p, const hidi_dit_config *c, const char *front,
                                      size_t n)
{
    char name[96];
    if (c->adaln == HIDI_ADALN_SINGLE)
        return hidi_params_declare(p, hidi_shape2(n, c->width), "%sscale_shift_table", front);
    snprintf(name, sizeof name, "%sadaLN_modulation.1", front);
    return declare_linear(p, name, n * c->width, c->width);
}

/* Of t or h.  Its first layer is small, and more than hidi_linear reads it: it is no matrix. */
static hidi_status declare_embedder(hidi_params *p, const char *name, size_t D)
{
    char second[32];
    snprintf(second, sizeof second, "%s.mlp.2", name);
    HIDI_TRY(hidi_params_declare(p, hidi_shape2(D, HIDI_TIME_FEATURES), "%s.mlp.0.weight", name));
    HIDI_TRY(hidi_params_declare(p, hidi_shape1(D), "%s.mlp.0.bias", name));
    return declare_linear(p, second, D, D);
}

/* QK-norm of the attention that is named. */
static hidi_status declare_norms(hidi_params *p, const hidi_dit_config *c, size_t i,
                                 const char *attention)
{
    const hidi_shape shape = hidi_shape1(c->width / c->heads);
    for (int k = 0; k < 2 && c->qk_norm; k++) {
        const char *of = k == 0 ? "q" : "k";
        HIDI_TRY(hidi_params_declare(p, shape, "blocks.%zu.%s.%s_norm.weight", i, attention, of));
        HIDI_TRY(hidi_params_declare(p, shape, "blocks.%zu.%s.%s_norm.bias", i, attention, of));
    }
    return HIDI_OK;
}

static hidi_status declare_block(hidi_params *p, const hidi_dit_config *c, size_t i)
{
    const size_t D = c->width;
    char name[64];
    const struct {
        const char *name;
        size_t out, in;
    } layers[] = {{"attn.qkv", 3 * D, D},
                  {"attn.proj", D, D},
                  {"mlp.fc1", c->mlp_width, D},
                  {"mlp.fc2", D, c->mlp_width}};
    for (size_t k = 0; k < sizeof layers / sizeof layers[0]; k++) {
        snprintf(name, sizeof name, "blocks.%zu.%s", i, layers[k].name);
        HIDI_TRY(declare_linear(p, name, layers[k].out, layers[k].in));
    }
    snprintf(name, sizeof name, "blocks.%zu.", i);
    HIDI_TRY(declare_modulation(p, c, name, 6));
    HIDI_TRY(declare_norms(p, c, i, "attn"));
    if (c->caption_length == 0)
        return HIDI_OK;
    for (size_t k = 0; k < 3; k++) {
        static const char *const cross[] = {"q_linear", "kv_linear", "proj"};
        snprintf(name, sizeof name, "blocks.%zu.cross_attn.%s", i, cross[k]);
        HIDI_TRY(declare_linear(p, name, k == 1 ? 2 * D : D, D));
    }
    return declare_norms(p, c, i, "cross_attn");
}

hidi_status hidi_dit_declare(hidi_dit *dit)
{
    const hidi_dit_config *c = &dit->config;
    hidi_params *p = &dit->params;
    const size_t D = c->width;
    if (c->caption_width > 0 && c->null_length == 0 && !c->no_null)
        dit->config.null_length = 1;
    p->frozen_bf16 = c->bf16;
    HIDI_TRY(check_config(c));
    HIDI_TRY(hidi_params_declare(p, hidi_shape4(D, c->channels, c->patch, c->patch),
                                 "x_embedder.proj.weight"));
    HIDI_TRY(hidi_params_declare(p, hidi_shape1(D), "x_embedder.proj.bias"));
    dit->t_embedder = p->n_params;
    HIDI_TRY(declare_embedder(p, "t_embedder", D));
    dit->h_embedder = p->n_params;
    if (c->has_interval)
        HIDI_TRY(declare_embedder(p, "h_embedder", D));
    dit->y_embedder = p->n_params;
    if (c->caption_length > 0)
        HIDI_TRY(hidi_caption_declare(p, c));
    else
        HIDI_TRY(hidi_params_declare(p, hidi_shape2(c->n_classes + 1, D),
                                     "y_embedder.embedding_table.weight"));
    dit->t_block = p->n_params;
    if (c->adaln == HIDI_ADALN_SINGLE)
        HIDI_TRY(declare_linear(p, "t_block.1", 6 * D, D));
    dit->blocks = p->n_params;
    for (size_t i = 0; i < c->depth; i++)
        HIDI_TRY(declare_block(p, c, i));
    dit->final_layer = p->n_params;
    HIDI_TRY(declare_linear(p, "final_layer.linear", c->patch * c->patch * c->out_channels, D));
    return declare_modulation(p, c, "final_layer.", 2);
}

/* The fixed positions: for the token in row i, column j, D/4 sines and D/4 cosines of j w_k, then
 * of i w_k, w_k = 10000^(-k / (D/4)).  Column first, as DiT's code has it.  PixArt divides i and j
 * by a scale, so that larger images have the places of smaller ones. */
static hidi_status set_positions(hidi_dit *dit)
{
    const hidi_backend *backend = dit->params.backend;
    const size_t D = dit->config.width, side = dit->config.image_size / dit->config.patch;
    const size_t quarter = D / 4, count = side * side * D;
    const double scale = dit->config.position_scale > 0 ? dit->config.position_scale : 1;
    hidi_real *host = malloc(count * sizeof *host);
    dit->positions = backend->allocate(count * sizeof *host);
    if (host == NULL || dit->positions == NULL) {
        free(host);
        return hidi_error(HIDI_NO_MEMORY, "DiT: no memory for %zu positions", side * side);
    }
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++)
            for (size_t k = 0; k < quarter; k++) {
                const double w = pow(10000.0, -(double)k / (double)quarter) / scale;
                hidi_real *p = host + (i * side + j) * D;
                p[k] = (hidi_real)sin((double)j * w);
                p[quarter + k] = (hidi_real)cos((double)j * w);
                p[2 * quarter + k] = (hidi_real)sin((double)i * w);
                p[3 * quarter + k] = (hidi_real)cos((double)i * w);
            }
    backend->upload(dit->positions, host, count * sizeof *host);
    free(host);
    return HIDI_OK;
}

hidi_status hidi_dit_create(hidi_dit **result, const hidi_backend *backend,
                            const hidi_dit_config *config)
{
    *result = NULL;
    hidi_dit *dit = calloc(1, sizeof *dit);
    if (dit == NULL)
        return hidi_error(HIDI_NO_MEMORY, "DiT: out of memory");
    dit->config = *config;
    hidi_params_init(&dit->params, backend);
    hidi_status status = hidi_dit_declare(dit);
    if (status == HIDI_OK)
        status = hidi_params_allocate(&dit->params);
    if (status == HIDI_OK)
        status = set_positions(dit);
    if (status != HIDI_OK) {
        hidi_dit_destroy(dit);
        return status;
    }
    *result = dit;
    return HIDI_OK;
}

void hidi_dit_destroy(hidi_dit *dit)
{
    if (dit == NULL)
        return;
    if (dit->positions != NULL)
        dit->params.backend->release(dit->positions);
    hidi_params_free(&dit->params);
    free(dit);
}

/* --- initial values --------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* One parameter's initial values.  Draws depend on the seed and the name alone, so that adding a
 * module changes no other. */
static void initial_values(const hidi_param *param, uint64_t seed, hidi_real *host)
{
    const size_t n = hidi_count(param->shape), rows = param->shape.dim[0];
    const uint64_t hash = hidi_hash(param->name, strlen(param->name));
    const hidi_random random = {seed, HIDI_STREAM_INIT, hash & 0xffffffffffffu};
    const bool is_bias = param->shape.rank == 1;
    const bool is_norm = strstr(param->name, "_norm.weight") != NULL;
    const bool is_table = strstr(param->name, "scale_shift_table") != NULL;
    const bool is_zero = is_bias || strstr(param->name, "adaLN_modulation") != NULL ||
                         starts_with(param->name, "final_layer.linear") ||
                         strstr(param->name, "cross_attn.proj") != NULL ||
                         starts_with(param->name, "h_embedder.mlp.2");

    if (is_norm) {
        for (size_t i = 0; i < n; i++)
            host[i] = 1;
    } else if (is_zero) {
        memset(host, 0, n * sizeof *host);
    } else if (strstr(param->name, "_embedder.mlp") != NULL || is_table ||
               starts_with(param->name, "y_embedder") || starts_with(param->name, "t_block")) {
        const double deviation = is_table ? 1 / sqrt((double)param->shape.dim[1]) : 0.02;
        hidi_normal(random, 0, host, n);
        for (size_t i = 0; i < n; i++)
            host[i] *= (hidi_real)deviation;
    } else {
        const double bound = sqrt(6.0 / (double)(n / rows + rows));
        for (size_t i = 0; i < n; i++) {
            double u;
            hidi_uniform(random, i, &u, 1);
            host[i] = (hidi_real)(bound * (2 * u - 1));
        }
    }
}

/* Initialises all parameters but those that `besides` has (NULL: all). */
static hidi_status initialise(hidi_dit *dit, uint64_t seed, const hidi_params *besides)
{
    for (int i = 0; i < dit->params.n_params; i++) {
        const hidi_param *param = &dit->params.param[i];
        if (besides != NULL && hidi_params_find(besides, param->name) >= 0)
            continue;
        hidi_real *host = malloc(hidi_count(param->shape) * sizeof *host);
        if (host == NULL)
            return hidi_error(HIDI_NO_MEMORY, "DiT: out of memory");
        initial_values(param, seed, host);
        hidi_params_write(&dit->params, i, host);
        free(host);
    }
    return HIDI_OK;
}

hidi_status hidi_dit_initialise(hidi_dit *dit, uint64_t seed)
{
    return initialise(dit, seed, NULL);
}

hidi_status hidi_dit_set_null(hidi_dit *dit, const hidi_captions *captions)
{
    const hidi_dit_config *c = &dit->config;
    if (captions->null == NULL)
        return HIDI_OK;
    if (c->no_null)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: it has no null caption");
    if (c->caption_width != captions->width || c->null_length != captions->null_length)
        return hidi_error(HIDI_BAD_SHAPE, "DiT: a null caption [%zu, %zu], expected [%zu, %zu]",
                          captions->null_length, captions->width, c->null_length,
                          c->caption_width);
    hidi_params_write(&dit->params, dit->y_embedder + NULL_EMBEDDING, captions->null);
    return HIDI_OK;
}

/* --- copies and students ---------------------------------------------------------------------- */

/* A network of that config with dit's values for the parameters that both have, and initial ones
 * for the others. */
static hidi_status copy_as(hidi_dit **copy, const hidi_dit *dit, const hidi_dit_config *config,
                           uint64_t seed)
{
    HIDI_TRY(hidi_dit_create(copy, dit->params.backend, config));
    hidi_status status = initialise(*copy, seed, &dit->params);
    if (status == HIDI_OK)
        status = hidi_params_copy(&(*copy)->params, &dit->params);
    if (status != HIDI_OK) {
        hidi_dit_destroy(*copy);
        *copy = NULL;
        return status;
    }
    dit->params.backend->copy((*copy)->positions, dit->positions,
                              config->image_size / config->patch * config->image_size /
                                  config->patch * config->width);
    return HIDI_OK;
}

hidi_status hidi_dit_give_null(hidi_dit **dit, const hidi_captions *captions)
{
    hidi_dit_config config = (*dit)->config;
    hidi_dit *copy;
    if (!config.no_null || captions->null == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: %s", config.no_null ? "no null caption to give"
                                                                       : "it has a null caption");
    config.no_null = false;
    config.null_length = captions->null_length;
    HIDI_TRY(copy_as(&copy, *dit, &config, 0));
    const hidi_status status = hidi_dit_set_null(copy, captions);
    if (status != HIDI_OK) {
        hidi_dit_destroy(copy);
        return status;
    }
    hidi_dit_destroy(*dit);
    *dit = copy;
    return HIDI_OK;
}

/* The same network, but with an interval embedder. */
static hidi_dit_config student_config(const hidi_dit_config *teacher)
{
    hidi_dit_config config = *teacher;
    config.has_interval = true;
    config.bf16 = false;
    if (config.prediction == HIDI_EPSILON && config.least_data < HIDI_STUDENT_LEAST_DATA)
        config.least_data = HIDI_STUDENT_LEAST_DATA;
    return config;
}

hidi_status hidi_dit_student(hidi_dit **student, const hidi_dit *dit, uint64_t seed)
{
    const hidi_dit_config config = student_config(&dit->config);
    return copy_as(student, dit, &config, seed);
}

/* Block `to` of one network from block `from` of another. */
static hidi_status copy_block(hidi_dit *copy, size_t to, const hidi_dit *dit, size_t from)
{
    hidi_params *p = &copy->params;
    char prefix[32], name[128];
    const int length = snprintf(prefix, sizeof prefix, "blocks.%zu.", to);
    for (int i = 0; i < p->n_params; i++) {
        if (strncmp(p->param[i].name, prefix, (size_t)length) != 0)
            continue;
        snprintf(name, sizeof name, "blocks.%zu.%s", from, p->param[i].name + length);
        const int j = hidi_params_find(&dit->params, name);
        HIDI_TRY(hidi_params_copy_one(p, i, &dit->params, j));
    }
    return HIDI_OK;
}

/* A block whose gates are not 0 does nothing, where what goes through them is 0: the last layers of
 * attention and MLP, whose biases are 0 at first. */
static void silence_block(hidi_dit *dit, size_t i)
{
    const hidi_params *p = &dit->params;
    const int first = dit->blocks + (int)i * hidi_dit_block_params(&dit->config);
    for (int k = 0; k < 2; k++) {
        const hidi_param *weight = &p->param[first + (k == 0 ? PROJECTION : FC2)];
        p->backend->fill(p->value + weight->offset, 0, hidi_count(weight->shape));
    }
}

hidi_status hidi_dit_student_of_depth(hidi_dit **student, const hidi_dit *dit, size_t depth,
                                      uint64_t seed)
{
    const size_t all = dit->config.depth;
    hidi_dit_config config = student_config(&dit->config);
    config.depth = depth;
    HIDI_TRY(copy_as(student, dit, &config, seed));
    hidi_status status = HIDI_OK;
    for (size_t i = all; i < depth && config.adaln == HIDI_ADALN_SINGLE; i++)
        silence_block(*student, i);
    for (size_t i = 1; i < depth && depth < all && status == HIDI_OK; i++)
        status = copy_block(*student, i, dit, i * (all - 1) / (depth - 1));
    if (status != HIDI_OK) {
        hidi_dit_destroy(*student);
        *student = NULL;
    }
    return status;
}

hidi_status hidi_dit_copy(hidi_dit **copy, const hidi_dit *dit)
{
    hidi_dit_config config = dit->config;
    config.bf16 = false;
    return copy_as(copy, dit, &config, 0);
}

hidi_status hidi_dit_hold_bf16(hidi_dit **dit)
{
    hidi_dit_config config = (*dit)->config;
    hidi_dit *held;
    if (config.bf16)
        return HIDI_OK;
    config.bf16 = true;
    HIDI_TRY(copy_as(&held, *dit, &config, 0));
    hidi_dit_destroy(*dit);
    *dit = held;
    return HIDI_OK;
}
