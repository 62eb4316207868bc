/* dit.c - the forward pass of the DiT  [base: Peebles & Xie, arXiv 2212.09748].
 *
 *     x = patches of z, linear, + positions                                        [B, T, D]
 *     c = t_emb + y_emb (+ h_emb, h = t - r)                                       [B, D]
 *     for each block:
 *         shift, scale, gate, shift', scale', gate' = linear(silu(c))              [B, D] each
 *         x = x + gate  attention(LN(x) (1 + scale)  + shift)
 *         x = x + gate' mlp      (LN(x) (1 + scale') + shift')
 *     shift, scale = linear(silu(c))
 *     out = unpatchify(linear(LN(x) (1 + scale) + shift))                          [B, C_out, H, W]
 *
 * The functions follow in this order.  With adaLN-Zero every gate is 0 at first, and a block does
 * nothing.  The parameters are declared, and given their first values, in dit_params.c.
 */
#include "model/dit.h"

#include "model/dit_layers.h"

/* A pass in progress: what every piece of the network needs. */
typedef struct pass {
    hidi_tape *tape;
    const hidi_dit *dit;
    bool frozen;         /* the parameters get no gradients                                  */
    hidi_taps *taps;     /* who is handed the tokens between blocks; NULL: nobody            */
    bool gives_back;     /* the memory of each block                                         */
    hidi_tape_mark mark; /* where that of the blocks begins                                  */
} pass;

static hidi_var *param(const pass *p, int i)
{
    return hidi_param_var(p->tape, &p->dit->params, i, p->frozen);
}

static hidi_var *linear(const pass *p, hidi_var *x, int layer)
{
    hidi_var *w = param(p, layer), *b = param(p, layer + 1);
    return hidi_linear(p->tape, x, w, b);
}

/* --- what goes in ----------------------------------------------------------------------------- */

/* x = patches of z, linear, + positions.  The layer is stored as a p x p convolution. */
static hidi_var *embed_image(const pass *p, hidi_var *z)
{
    hidi_tape *tape = p->tape;
    const hidi_dit_config *config = &p->dit->config;
    const size_t C = config->channels, D = config->width, patch = config->patch;
    const size_t side = config->image_size / patch, T = side * side;
    hidi_var *w = param(p, X_EMBEDDER), *b = param(p, X_EMBEDDER + 1);
    hidi_var *positions = hidi_parameter(tape, hidi_shape2(T, D), p->dit->positions, NULL);
    hidi_var *patches = hidi_patchify(tape, z, patch, HIDI_PATCH_CPQ); /* [B, T, C p p] */
    w = hidi_reshape(tape, w, hidi_shape2(D, C * patch * patch));
    return hidi_add_rows(tape, hidi_linear(tape, patches, w, b), positions);
}

/* linear(silu(linear(sincos(time_scale t)))) */
static hidi_var *embed_time(const pass *p, hidi_var *t, int embedder)
{
    const hidi_real scale = (hidi_real)p->dit->config.time_scale;
    hidi_var *features = hidi_sincos(p->tape, t, scale, HIDI_TIME_FEATURES);
    hidi_var *hidden = hidi_silu(p->tape, linear(p, features, embedder + MLP_0));
    return linear(p, hidden, embedder + MLP_2);
}

/* c + y_emb, y_emb being rows of a table, of which the last is the null class's;  y NULL: that one
 * for all */
static hidi_var *add_label(const pass *p, hidi_var *c, const int32_t *y, size_t B)
{
    hidi_tape *tape = p->tape;
    const size_t D = p->dit->config.width, n_classes = p->dit->config.n_classes;
    const int32_t null = (int32_t)n_classes;
    hidi_var *table = param(p, p->dit->y_embedder);
    if (y != NULL) {
        const int32_t *rows = hidi_indices(tape, y, B, n_classes + 1);
        return hidi_add(tape, c, hidi_embedding(tape, table, rows, B));
    }
    hidi_var *row = hidi_embedding(tape, table, hidi_indices(tape, &null, 1, n_classes + 1), 1);
    c = hidi_add_rows(tape, hidi_reshape(tape, c, hidi_shape3(B, 1, D)), row);
    return hidi_reshape(tape, c, hidi_shape2(B, D));
}

/* c = t_emb + y_emb (+ h_emb, h = t - r) */
static hidi_var *condition(const pass *p, hidi_var *t, hidi_var *r, const int32_t *y, size_t B)
{
    hidi_var *c = add_label(p, embed_time(p, t, p->dit->t_embedder), y, B);
    if (!p->dit->config.has_interval)
        return c;
    hidi_var *h = r ? hidi_sub(p->tape, t, r) : hidi_filled(p->tape, hidi_shape1(B), 0);
    return hidi_add(p->tape, c, embed_time(p, h, p->dit->h_embedder));
}

/* --- the blocks ------------------------------------------------------------------------------- */

/* What the conditioning does to one half of a block: [B, D] each. */
typedef struct modulation {
    hidi_var *shift, *scale, *gate;
} modulation;

/* D columns of m [B, n D], which is adaLN's output linear(silu(c)). */
static hidi_var *chunk(const pass *p, hidi_var *m, size_t k)
{
    const size_t D = p->dit->config.width;
    return hidi_columns_of(p->tape, m, k * D, D);
}

/* The modulation of a block's first half (0, attention) or second (1, MLP), from m [B, 6 D]. */
static modulation modulation_of(const pass *p, hidi_var *m, size_t half)
{
    return (modulation){.shift = chunk(p, m, 3 * half),
                        .scale = chunk(p, m, 3 * half + 1),
                        .gate = chunk(p, m, 3 * half + 2)};
}

/* LN(x) (1 + scale) + shift */
static hidi_var *modulate(const pass *p, hidi_var *x, modulation m)
{
    return hidi_adaln(p->tape, x, m.shift, m.scale, (hidi_real)HIDI_DIT_EPS);
}

static hidi_var *block(const pass *p, size_t i, hidi_var *x, hidi_var *silu_c)
{
    hidi_tape *tape = p->tape;
    const int first = p->dit->blocks + (int)i * BLOCK_PARAMS;
    hidi_var *m = linear(p, silu_c, first + ADALN);
    const modulation attention = modulation_of(p, m, 0), mlp = modulation_of(p, m, 1);

    hidi_var *qkv = linear(p, modulate(p, x, attention), first + QKV);
    hidi_var *attended = hidi_attention(tape, qkv, p->dit->config.heads);
    x = hidi_gated_residual(tape, x, attention.gate, linear(p, attended, first + PROJECTION));

    hidi_var *hidden = hidi_gelu(tape, linear(p, modulate(p, x, mlp), first + FC1));
    return hidi_gated_residual(tape, x, mlp.gate, linear(p, hidden, first + FC2));
}

/* unpatchify(linear(LN(x) (1 + scale) + shift)) */
static hidi_var *final_layer(const pass *p, hidi_var *x, hidi_var *silu_c)
{
    const hidi_dit_config *config = &p->dit->config;
    const size_t C = config->out_channels, H = config->image_size;
    hidi_var *m = linear(p, silu_c, p->dit->final_layer + FINAL_ADALN); /* [B, 2 D] */
    const modulation final = {.shift = chunk(p, m, 0), .scale = chunk(p, m, 1)};
    x = linear(p, modulate(p, x, final), p->dit->final_layer + FINAL_LINEAR);
    return hidi_unpatchify(p->tape, x, C, H, H, config->patch, HIDI_PATCH_PQC);
}

/* --- around the blocks: checks, taps, memory -------------------------------------------------- */

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

/* A pass that nothing is tapped from and no gradient goes through needs the memory of one block. */
static bool can_give_back(bool frozen, const hidi_var *z, const hidi_var *t, const hidi_var *r,
                          const hidi_taps *taps)
{
    return taps == NULL && frozen && !z->needs_grad && !t->needs_grad &&
           !(r != NULL && r->needs_grad);
}

/* How many blocks: all, or up to the last one that is tapped. */
static size_t blocks_to_run(const pass *p)
{
    const hidi_taps *taps = p->taps;
    if (taps == NULL)
        return p->dit->config.depth;
    return taps->n > 0 ? (size_t)taps->block[taps->n - 1] + 1 : 0;
}

/* Hands out the tokens x after block i, or drops all else that the block left on the tape. */
static hidi_var *after_block(const pass *p, size_t i, hidi_var *x)
{
    hidi_taps *taps = p->taps;
    for (int k = 0; taps != NULL && k < taps->n; k++)
        if (taps->block[k] == (int)i)
            taps->tokens[k] = x;
    return p->gives_back ? hidi_tape_release(p->tape, p->mark, x) : x;
}

/* --- the pass --------------------------------------------------------------------------------- */

hidi_var *hidi_dit_forward(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                           hidi_var *t, hidi_var *r, const int32_t *y, hidi_taps *taps)
{
    if (z == NULL || t == NULL)
        return NULL;
    if (check_input(dit, z, t, r, taps) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    pass p = {.tape = tape, .dit = dit, .frozen = frozen, .taps = taps};

    hidi_var *c = condition(&p, t, r, y, z->shape.dim[0]); /* [B, D] */
    hidi_var *silu_c = hidi_silu(tape, c);
    hidi_var *x = embed_image(&p, z); /* [B, T, D] */
    p.gives_back = can_give_back(frozen, z, t, r, taps);
    p.mark = hidi_tape_here(tape);
    for (size_t i = 0; i < blocks_to_run(&p); i++)
        x = after_block(&p, i, block(&p, i, x, silu_c));
    if (taps == NULL)
        return final_layer(&p, x, silu_c);
    taps->condition = c;
    return x;
}

hidi_var *hidi_dit_velocity(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                            hidi_var *t, hidi_var *r, const int32_t *y)
{
    hidi_var *out = hidi_dit_forward(tape, dit, frozen, z, t, r, y, NULL);
    if (dit->config.out_channels == dit->config.channels)
        return out;
    return hidi_channels_of(tape, out, 0, dit->config.channels);
}
