/* dit.c - the network: declaration, initialisation and forward pass. */
#include "model/dit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/random.h"

/* Parameters of a block, counted from its first: each is a weight, then its bias. */
enum { QKV = 0, PROJ = 2, FC1 = 4, FC2 = 6, ADA = 8, BLOCK_PARAMS = 10 };
/* Of an embedder's MLP, and of the final layer. */
enum { MLP_0 = 0, MLP_2 = 2, EMBEDDER_PARAMS = 4 };
enum { FINAL_LINEAR = 0, FINAL_ADA = 2 };

hidi_status hidi_dit_named_size(const char *name, hidi_dit_config *config)
{
    static const struct {
        const char *name;
        size_t depth, width, heads;
    } sizes[] = {{"S", 12, 384, 6}, {"B", 12, 768, 12}, {"L", 24, 1024, 16}, {"XL", 28, 1152, 16}};
    const bool is_long = strncmp(name, "DiT-", 4) == 0 || strncmp(name, "SiT-", 4) == 0;
    const char *letters = is_long ? name + 4 : name, *slash = strchr(letters, '/');
    size_t length = slash ? (size_t)(slash - letters) : strlen(letters);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *end = NULL;
        unsigned long patch = slash ? strtoul(slash + 1, &end, 10) : config->patch;
        if (strlen(sizes[i].name) != length || strncmp(sizes[i].name, letters, length) != 0)
            continue;
        if (slash && (end == slash + 1 || *end != '\0' || patch < 1 || patch > 64))
            break;
        config->depth = sizes[i].depth;
        config->width = sizes[i].width;
        config->heads = sizes[i].heads;
        config->mlp_width = 4 * sizes[i].width;
        config->patch = patch;
        return HIDI_OK;
    }
    return hidi_error(HIDI_BAD_ARGUMENT, "\"%s\" is no DiT size: S, B, L or XL, with /patch", name);
}

static hidi_status check_config(const hidi_dit_config *c)
{
    if (c->image_size < 1 || c->channels < 1 || c->patch < 1 || c->width < 1 || c->depth < 1 ||
        c->heads < 1 || c->n_classes < 1 || c->mlp_width < 1)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a size of 0");
    if (c->image_size > 16384 || c->channels > 4096 || c->patch > 1024 || c->width > 65536 ||
        c->depth > 1024 || c->n_classes > 1048576 || c->mlp_width > 1048576)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a size beyond all reason");
    if (c->image_size % c->patch != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: image size %zu is no multiple of patch %zu",
                          c->image_size, c->patch);
    if (c->width % c->heads != 0 || c->width % 4 != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: width %zu must be a multiple of 4 and of %zu heads",
                          c->width, c->heads);
    if (c->out_channels != c->channels && c->out_channels != 2 * c->channels)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: %zu output channels for %zu input channels",
                          c->out_channels, c->channels);
    if (!(c->time_scale > 0) || c->time_scale > 1e6)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: time_scale %g", c->time_scale);
    return HIDI_OK;
}

static hidi_status declare_linear(hidi_params *p, const char *name, size_t out, size_t in)
{
    HIDI_TRY(hidi_params_declare(p, hidi_shape2(out, in), "%s.weight", name));
    return hidi_params_declare(p, hidi_shape1(out), "%s.bias", name);
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
                  {"mlp.fc2", D, c->mlp_width},
                  {"adaLN_modulation.1", 6 * D, D}};
    for (size_t k = 0; k < sizeof layers / sizeof layers[0]; k++) {
        snprintf(name, sizeof name, "blocks.%zu.%s", i, layers[k].name);
        HIDI_TRY(declare_linear(p, name, layers[k].out, layers[k].in));
    }
    return HIDI_OK;
}

static hidi_status declare(hidi_dit *dit)
{
    const hidi_dit_config *c = &dit->config;
    hidi_params *p = &dit->params;
    const size_t D = c->width;
    HIDI_TRY(hidi_params_declare(p, hidi_shape4(D, c->channels, c->patch, c->patch),
                                 "x_embedder.proj.weight"));
    HIDI_TRY(hidi_params_declare(p, hidi_shape1(D), "x_embedder.proj.bias"));
    dit->t_embedder = p->n_params;
    HIDI_TRY(declare_linear(p, "t_embedder.mlp.0", D, HIDI_TIME_FEATURES));
    HIDI_TRY(declare_linear(p, "t_embedder.mlp.2", D, D));
    dit->h_embedder = p->n_params;
    if (c->has_interval) {
        HIDI_TRY(declare_linear(p, "h_embedder.mlp.0", D, HIDI_TIME_FEATURES));
        HIDI_TRY(declare_linear(p, "h_embedder.mlp.2", D, D));
    }
    dit->y_embedder = p->n_params;
    HIDI_TRY(hidi_params_declare(p, hidi_shape2(c->n_classes + 1, D),
                                 "y_embedder.embedding_table.weight"));
    dit->blocks = p->n_params;
    for (size_t i = 0; i < c->depth; i++)
        HIDI_TRY(declare_block(p, c, i));
    dit->final_layer = p->n_params;
    HIDI_TRY(declare_linear(p, "final_layer.linear", c->patch * c->patch * c->out_channels, D));
    HIDI_TRY(declare_linear(p, "final_layer.adaLN_modulation.1", 2 * D, D));
    return hidi_params_allocate(p);
}

/* The fixed positions: for the token in row i, column j, D/4 sines and D/4 cosines of j w_k, then
 * of i w_k, w_k = 10000^(-k / (D/4)).  Column first, as DiT's code has it. */
static hidi_status set_positions(hidi_dit *dit)
{
    const hidi_backend *backend = dit->params.backend;
    const size_t D = dit->config.width, side = dit->config.image_size / dit->config.patch;
    const size_t quarter = D / 4, count = side * side * D;
    hidi_real *host = malloc(count * sizeof *host);
    dit->positions = backend->allocate(count * sizeof *host);
    if (host == NULL || dit->positions == NULL) {
        free(host);
        return hidi_error(HIDI_NO_MEMORY, "DiT: no memory for %zu positions", side * side);
    }
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++)
            for (size_t k = 0; k < quarter; k++) {
                double w = pow(10000.0, -(double)k / (double)quarter);
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
    HIDI_TRY(check_config(config));
    hidi_dit *dit = calloc(1, sizeof *dit);
    if (dit == NULL)
        return hidi_error(HIDI_NO_MEMORY, "DiT: out of memory");
    dit->config = *config;
    hidi_params_init(&dit->params, backend);
    hidi_status status = declare(dit);
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
    const bool is_zero = is_bias || strstr(param->name, "adaLN_modulation") != NULL ||
                         starts_with(param->name, "final_layer.linear") ||
                         starts_with(param->name, "h_embedder.mlp.2");

    if (is_zero) {
        memset(host, 0, n * sizeof *host);
    } else if (strstr(param->name, "_embedder.mlp") != NULL ||
               starts_with(param->name, "y_embedder")) {
        hidi_normal(random, 0, host, n);
        for (size_t i = 0; i < n; i++)
            host[i] *= (hidi_real)0.02;
    } else { /* Xavier: uniform on +-sqrt(6 / (fan_in + fan_out)) */
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

hidi_status hidi_dit_student(hidi_dit **student, const hidi_dit *dit, uint64_t seed)
{
    hidi_dit_config config = dit->config;
    config.has_interval = true;
    return copy_as(student, dit, &config, seed);
}

/* Block `to` of one network from block `from` of another. */
static void copy_block(hidi_dit *copy, size_t to, const hidi_dit *dit, size_t from)
{
    const hidi_params *p = &copy->params;
    char prefix[32], name[128];
    const int length = snprintf(prefix, sizeof prefix, "blocks.%zu.", to);
    for (int i = 0; i < p->n_params; i++) {
        if (strncmp(p->param[i].name, prefix, (size_t)length) != 0)
            continue;
        snprintf(name, sizeof name, "blocks.%zu.%s", from, p->param[i].name + length);
        const int j = hidi_params_find(&dit->params, name);
        p->backend->copy(p->value + p->param[i].offset,
                         dit->params.value + dit->params.param[j].offset,
                         hidi_count(p->param[i].shape));
    }
}

hidi_status hidi_dit_student_of_depth(hidi_dit **student, const hidi_dit *dit, size_t depth,
                                      uint64_t seed)
{
    const size_t all = dit->config.depth;
    hidi_dit_config config = dit->config;
    config.has_interval = true;
    config.depth = depth;
    HIDI_TRY(copy_as(student, dit, &config, seed));
    for (size_t i = 1; i < depth && depth < all; i++)
        copy_block(*student, i, dit, i * (all - 1) / (depth - 1));
    return HIDI_OK;
}

hidi_status hidi_dit_copy(hidi_dit **copy, const hidi_dit *dit)
{
    return copy_as(copy, dit, &dit->config, 0);
}

/* --- forward ---------------------------------------------------------------------------------- */

/* A pass in progress: what every piece of the network needs. */
typedef struct pass {
    hidi_tape *tape;
    const hidi_dit *dit;
    bool frozen;
} pass;

static hidi_var *linear(const pass *p, hidi_var *x, int first)
{
    hidi_var *w = hidi_param_var(p->tape, &p->dit->params, first, p->frozen);
    hidi_var *b = hidi_param_var(p->tape, &p->dit->params, first + 1, p->frozen);
    return hidi_linear(p->tape, x, w, b);
}

/* linear(silu(linear(sincos(t)))) */
static hidi_var *embed_time(const pass *p, hidi_var *t, int first)
{
    hidi_tape *tape = p->tape;
    hidi_var *f = hidi_sincos(tape, t, (hidi_real)p->dit->config.time_scale, HIDI_TIME_FEATURES);
    return linear(p, hidi_silu(tape, linear(p, f, first + MLP_0)), first + MLP_2);
}

/* c + y_emb;  y NULL: one row of the table, the null class's, for all */
static hidi_var *add_label(const pass *p, hidi_var *c, const int32_t *y, size_t B)
{
    hidi_tape *tape = p->tape;
    const size_t D = p->dit->config.width, n_classes = p->dit->config.n_classes;
    const int32_t null = (int32_t)n_classes;
    hidi_var *table = hidi_param_var(tape, &p->dit->params, p->dit->y_embedder, p->frozen);
    if (y != NULL)
        return hidi_add(tape, c, hidi_embedding(tape, table, hidi_indices(tape, y, B, n_classes + 1), B));
    hidi_var *row = hidi_embedding(tape, table, hidi_indices(tape, &null, 1, n_classes + 1), 1);
    c = hidi_add_rows(tape, hidi_reshape(tape, c, hidi_shape3(B, 1, D)), row);
    return hidi_reshape(tape, c, hidi_shape2(B, D));
}

/* c = t_emb + y_emb (+ h_emb, h = t - r) */
static hidi_var *condition(const pass *p, hidi_var *t, hidi_var *r, const int32_t *y, size_t B)
{
    hidi_tape *tape = p->tape;
    const hidi_dit *dit = p->dit;
    hidi_var *c = add_label(p, embed_time(p, t, dit->t_embedder), y, B);
    if (dit->config.has_interval) {
        hidi_var *h = r ? hidi_sub(tape, t, r) : hidi_filled(tape, hidi_shape1(B), 0);
        c = hidi_add(tape, c, embed_time(p, h, dit->h_embedder));
    }
    return c;
}

/* LN(x) (1 + scale) + shift, shift and scale from columns k D and (k + 1) D of the modulation m */
static hidi_var *normalise(const pass *p, hidi_var *x, hidi_var *m, size_t k)
{
    const size_t D = p->dit->config.width;
    hidi_var *shift = hidi_columns_of(p->tape, m, k * D, D);
    hidi_var *scale = hidi_columns_of(p->tape, m, (k + 1) * D, D);
    return hidi_adaln(p->tape, x, shift, scale, (hidi_real)HIDI_DIT_EPS);
}

static hidi_var *block(const pass *p, hidi_var *x, hidi_var *silu_c, int first)
{
    hidi_tape *tape = p->tape;
    const size_t D = p->dit->config.width;
    hidi_var *m = linear(p, silu_c, first + ADA); /* [B, 6 D] */

    hidi_var *qkv = linear(p, normalise(p, x, m, 0), first + QKV);
    hidi_var *attended = linear(p, hidi_attention(tape, qkv, p->dit->config.heads), first + PROJ);
    x = hidi_gated_residual(tape, x, hidi_columns_of(tape, m, 2 * D, D), attended);

    hidi_var *hidden = hidi_gelu(tape, linear(p, normalise(p, x, m, 3), first + FC1));
    return hidi_gated_residual(tape, x, hidi_columns_of(tape, m, 5 * D, D),
                               linear(p, hidden, first + FC2));
}

static hidi_status check_input(const hidi_dit *dit, const hidi_var *z, const hidi_var *t,
                               const hidi_var *r, const hidi_taps *taps)
{
    const hidi_dit_config *c = &dit->config;
    const size_t B = z->shape.dim[0];
    if (!hidi_same_shape(z->shape, hidi_shape4(B, c->channels, c->image_size, c->image_size)))
        return hidi_error(HIDI_BAD_SHAPE, "DiT: z is %s, expected [B, %zu, %zu, %zu]",
                          hidi_shape_text(z->shape), c->channels, c->image_size, c->image_size);
    if (!hidi_same_shape(t->shape, hidi_shape1(B)) ||
        (r != NULL && !hidi_same_shape(r->shape, hidi_shape1(B))))
        return hidi_error(HIDI_BAD_SHAPE, "DiT: t is %s, r is %s, expected [%zu]",
                          hidi_shape_text(t->shape), r ? hidi_shape_text(r->shape) : "absent", B);
    if (r != NULL && !c->has_interval)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: r given to a network without interval embedder "
                                             "(h_embedder)");
    for (int i = 0; taps != NULL && i < taps->n; i++)
        if (taps->block[i] < (i ? taps->block[i - 1] : 0) || taps->block[i] >= (int)c->depth)
            return hidi_error(HIDI_BAD_ARGUMENT, "DiT: no block %d to read after in a network of "
                                                 "depth %zu (0-based, ascending)",
                              taps->block[i], c->depth);
    return HIDI_OK;
}

/* x embedded: patches, linear, positions */
static hidi_var *embed_image(const pass *p, hidi_var *z)
{
    const hidi_dit *dit = p->dit;
    const hidi_dit_config *c = &dit->config;
    const size_t side = c->image_size / c->patch;
    hidi_var *w = hidi_param_var(p->tape, &dit->params, 0, p->frozen);
    hidi_var *b = hidi_param_var(p->tape, &dit->params, 1, p->frozen);
    hidi_var *patches = hidi_patchify(p->tape, z, c->patch, HIDI_PATCH_CPQ);
    hidi_shape matrix = hidi_shape2(c->width, c->channels * c->patch * c->patch);
    hidi_var *x = hidi_linear(p->tape, patches, hidi_reshape(p->tape, w, matrix), b);
    hidi_shape positions = hidi_shape2(side * side, c->width);
    return hidi_add_rows(p->tape, x, hidi_parameter(p->tape, positions, dit->positions, NULL));
}

hidi_var *hidi_dit_forward(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                           hidi_var *t, hidi_var *r, const int32_t *y, hidi_taps *taps)
{
    if (z == NULL || t == NULL)
        return NULL;
    if (check_input(dit, z, t, r, taps) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    const hidi_dit_config *c = &dit->config;
    const pass p = {tape, dit, frozen};
    const bool releases = taps == NULL && frozen && !z->needs_grad && !t->needs_grad &&
                          !(r != NULL && r->needs_grad);

    hidi_var *cond = condition(&p, t, r, y, z->shape.dim[0]);
    hidi_var *silu_c = hidi_silu(tape, cond);
    hidi_var *x = embed_image(&p, z); /* [B, T, D] */
    const hidi_tape_mark mark = hidi_tape_here(tape);
    int tap = 0;
    if (taps != NULL)
        taps->condition = cond;
    for (size_t i = 0; i < c->depth; i++) {
        x = block(&p, x, silu_c, dit->blocks + (int)i * BLOCK_PARAMS);
        if (releases)
            x = hidi_tape_release(tape, mark, x);
        while (taps != NULL && tap < taps->n && taps->block[tap] == (int)i)
            taps->tokens[tap++] = x;
        if (taps != NULL && tap == taps->n)
            return x;
    }
    hidi_var *m = linear(&p, silu_c, dit->final_layer + FINAL_ADA); /* [B, 2 D] */
    x = linear(&p, normalise(&p, x, m, 0), dit->final_layer + FINAL_LINEAR);
    return hidi_unpatchify(tape, x, c->out_channels, c->image_size, c->image_size, c->patch,
                           HIDI_PATCH_PQC);
}

hidi_var *hidi_dit_velocity(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                            hidi_var *t, hidi_var *r, const int32_t *y)
{
    hidi_var *out = hidi_dit_forward(tape, dit, frozen, z, t, r, y, NULL);
    if (dit->config.out_channels == dit->config.channels)
        return out;
    return hidi_channels_of(tape, out, 0, dit->config.channels);
}
