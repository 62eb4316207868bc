/* dit.c - the forward pass of the DiT  [base: Peebles & Xie, arXiv 2212.09748; PixArt, 2310.00426].
 *
 *     x = patches of z, linear, + positions                                        [B, T, D]
 *     c = t_emb + y_emb (+ h_emb, h = t - r)                                       [B, D]
 *         without y_emb where y is a caption, whose tokens (caption.c) are [B, L, D]
 *     for each block:
 *         shift, scale, gate, shift', scale', gate' = linear(silu(c))              [B, D] each
 *         x = x + gate  attention(LN(x) (1 + scale)  + shift)
 *             QK-norm: queries and keys of each head are LN(q) g + b, LN(k) g' + b'
 *         x = x + cross_attention(x, caption)                        of captions (arXiv 2310.00426)
 *         x = x + gate' mlp      (LN(x) (1 + scale') + shift')
 *     shift, scale = linear(silu(c))
 *     out = unpatchify(linear(LN(x) (1 + scale) + shift))                          [B, C_out, H, W]
 *
 * The functions follow in this order.  With adaLN-Zero every gate is 0 at first, and a block does
 * nothing.  With adaLN-single the two layers of silu(c) are instead
 *
 *     s = linear(silu(c)), once
 *     for each block:  shift, scale, gate, shift', scale', gate' = s + S_i
 *     shift, scale = c + S
 *
 * with tables S_i [6, D] and S [2, D].  The parameters are declared, and given their first values,
 * in dit_params.c.
 */
#include "model/dit.h"

#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/dit_layers.h"
#include "model/prediction.h"

/* A pass in progress: what every piece of the network needs. */
typedef struct pass {
    hidi_tape *tape;
    const hidi_dit *dit;
    bool frozen;         /* the parameters get no gradients                                  */
    hidi_real scale;     /* of t before its features; that of h is the config's              */
    hidi_taps *taps;     /* who is handed the tokens between blocks; NULL: nobody            */
    bool gives_back;     /* the memory of each block                                         */
    hidi_tape_mark mark; /* where that of the blocks begins                                  */
    size_t B;              /* samples                                                          */
    hidi_var *caption;     /* the caption's tokens [B, L, D]; NULL: y is a class               */
    const int32_t *length; /* host, [B], how many of them count                                */
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

/* w f + b for the features f = [cos(scale t w_k), sin(scale t w_k)] of diffusers, w_k =
 * 10000^(-k/127), k = 0 .. 127.  The first 127 are those of a sincos of twice as many; the last has
 * w_127 = 1/10000.  So w's columns are taken in four parts. */
static hidi_var *linear_of_127ths(const pass *p, hidi_var *t, hidi_real scale, int layer)
{
    enum { HALF = HIDI_TIME_FEATURES / 2, MOST = HALF - 1 };
    hidi_tape *tape = p->tape;
    hidi_var *w = param(p, layer), *b = param(p, layer + 1), *sum = NULL;
    hidi_var *many = hidi_sincos(tape, t, scale, 2 * MOST);
    hidi_var *last = hidi_sincos(tape, t, scale / 10000, 2);
    for (size_t i = 0; i < 2; i++) { /* cosines, sines */
        hidi_var *w_many = hidi_columns_of(tape, w, i * HALF, MOST);
        hidi_var *w_last = hidi_columns_of(tape, w, i * HALF + MOST, 1);
        hidi_var *x = hidi_linear(tape, hidi_columns_of(tape, many, i * MOST, MOST), w_many,
                                  i == 0 ? b : NULL);
        x = hidi_add(tape, x, hidi_linear(tape, hidi_columns_of(tape, last, i, 1), w_last, NULL));
        sum = i == 0 ? x : hidi_add(tape, sum, x);
    }
    return sum;
}

/* linear(silu(linear(sincos(scale t)))) */
static hidi_var *embed_time(const pass *p, hidi_var *t, hidi_real scale, int embedder)
{
    hidi_var *x;
    if (p->dit->config.code == HIDI_CODE_DIFFUSERS)
        x = linear_of_127ths(p, t, scale, embedder + MLP_0);
    else
        x = linear(p, hidi_sincos(p->tape, t, scale, HIDI_TIME_FEATURES), embedder + MLP_0);
    return linear(p, hidi_silu(p->tape, x), embedder + MLP_2);
}

/* c + y_emb, y_emb being rows of a table, of which the last is the null class's;  y NULL: that one
 * for all */
static hidi_var *add_label(const pass *p, hidi_var *c, const hidi_condition *y, size_t B)
{
    hidi_tape *tape = p->tape;
    const size_t D = p->dit->config.width, n_classes = p->dit->config.n_classes;
    const int32_t null = (int32_t)n_classes;
    hidi_var *table = param(p, p->dit->y_embedder);
    if (y != NULL && y->number != NULL) {
        const int32_t *rows = hidi_indices(tape, y->number, B, n_classes + 1);
        return hidi_add(tape, c, hidi_embedding(tape, table, rows, B));
    }
    hidi_var *row = hidi_embedding(tape, table, hidi_indices(tape, &null, 1, n_classes + 1), 1);
    c = hidi_add_rows(tape, hidi_reshape(tape, c, hidi_shape3(B, 1, D)), row);
    return hidi_reshape(tape, c, hidi_shape2(B, D));
}

/* c = t_emb + y_emb (+ h_emb);  h NULL: 0 */
static hidi_var *condition(const pass *p, hidi_var *t, hidi_var *h, const hidi_condition *y,
                           size_t B)
{
    const hidi_dit *dit = p->dit;
    hidi_var *c = embed_time(p, t, p->scale, dit->t_embedder);
    if (dit->config.caption_length == 0)
        c = add_label(p, c, y, B);
    if (!dit->config.has_interval)
        return c;
    if (h == NULL)
        h = hidi_filled(p->tape, hidi_shape1(B), 0);
    return hidi_add(p->tape, c,
                    embed_time(p, h, (hidi_real)dit->config.time_scale, dit->h_embedder));
}

/* --- the blocks ------------------------------------------------------------------------------- */

/* What the conditioning does to one half of a block: [B, D] each. */
typedef struct modulation {
    hidi_var *shift, *scale, *gate;
} modulation;

static bool is_single(const pass *p)
{
    return p->dit->config.adaln == HIDI_ADALN_SINGLE;
}

/* What all blocks have of c: silu(c) [B, D], or adaLN-single's s [B, 6 D]. */
static hidi_var *shared_modulation(const pass *p, hidi_var *silu_c)
{
    return is_single(p) ? linear(p, silu_c, p->dit->t_block) : silu_c;
}

/* x + row, for all samples;  x [B, n], row of n numbers */
static hidi_var *add_row(const pass *p, hidi_var *x, hidi_var *row, size_t n)
{
    hidi_tape *tape = p->tape;
    x = hidi_add_rows(tape, hidi_reshape(tape, x, hidi_shape3(p->B, 1, n)),
                      hidi_reshape(tape, row, hidi_shape2(1, n)));
    return hidi_reshape(tape, x, hidi_shape2(p->B, n));
}

/* A block's shifts, scales and gates [B, 6 D], from what is shared; layer: its linear layer, or its
 * table. */
static hidi_var *own_modulation(const pass *p, hidi_var *shared, int layer)
{
    if (is_single(p))
        return add_row(p, shared, param(p, layer), 6 * p->dit->config.width);
    return linear(p, shared, layer);
}

/* D columns of m [B, n D], which is adaLN's output. */
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
static hidi_var *modulate(const pass *p, hidi_var *x, modulation m, double eps)
{
    return hidi_adaln(p->tape, x, m.shift, m.scale, (hidi_real)eps);
}

/* Columns k D .. k D + D - 1 of x [B, N, n D], which are queries or keys, after a layer norm of each
 * head's: LN(x) g + b, g and b [D / heads] from parameter `norm` on. */
static hidi_var *norm_heads(const pass *p, hidi_var *x, size_t k, int norm)
{
    hidi_tape *tape = p->tape;
    const size_t D = p->dit->config.width, heads = p->dit->config.heads;
    if (x == NULL)
        return NULL;
    const size_t rows = x->shape.dim[0], N = x->shape.dim[1];
    hidi_var *g = param(p, norm), *b = param(p, norm + 1);
    x = hidi_columns_of(tape, x, k * D, D);
    x = hidi_reshape(tape, x, hidi_shape3(rows, N * heads, D / heads));
    x = hidi_layer_norm(tape, x, g, b, (hidi_real)HIDI_QK_NORM_EPS);
    return hidi_reshape(tape, x, hidi_shape3(rows, N, D));
}

/* qkv [B, T, 3 D] with QK-norm, whose parameters begin with `norms` */
static hidi_var *norm_qk(const pass *p, hidi_var *qkv, int norms)
{
    if (!p->dit->config.qk_norm)
        return qkv;
    hidi_var *q = norm_heads(p, qkv, 0, norms + Q_NORM), *k = norm_heads(p, qkv, 1, norms + K_NORM);
    return hidi_join(p->tape, (hidi_var *const[]){q, k, chunk(p, qkv, 2)}, 3);
}

/* x + cross_attention(x, caption); first: the first parameter of it */
static hidi_var *read_caption(const pass *p, int first, hidi_var *x)
{
    hidi_var *q = linear(p, x, first + CROSS_Q), *kv = linear(p, p->caption, first + CROSS_KV);
    if (p->dit->config.qk_norm) {
        const int norms = first + CROSS_PARAMS;
        hidi_var *k = norm_heads(p, kv, 0, norms + K_NORM);
        q = norm_heads(p, q, 0, norms + Q_NORM);
        kv = hidi_join(p->tape, (hidi_var *const[]){k, chunk(p, kv, 1)}, 2);
    }
    hidi_var *read = hidi_cross_attention(p->tape, q, kv, p->length, p->dit->config.heads);
    return hidi_add(p->tape, x, linear(p, read, first + CROSS_PROJECTION));
}

static hidi_var *block(const pass *p, size_t i, hidi_var *x, hidi_var *shared)
{
    hidi_tape *tape = p->tape;
    const hidi_dit_config *config = &p->dit->config;
    const int first = p->dit->blocks + (int)i * hidi_dit_block_params(config);
    const double eps = config->code == HIDI_CODE_DIFFUSERS ? 1e-5 : HIDI_DIT_EPS;
    hidi_var *m = own_modulation(p, shared, first + ADALN);
    const modulation attention = modulation_of(p, m, 0), mlp = modulation_of(p, m, 1);

    hidi_var *qkv = linear(p, modulate(p, x, attention, eps), first + QKV);
    qkv = norm_qk(p, qkv, first + hidi_dit_norms(config));
    hidi_var *attended = hidi_attention(tape, qkv, config->heads);
    x = hidi_gated_residual(tape, x, attention.gate, linear(p, attended, first + PROJECTION));
    if (config->caption_length > 0)
        x = read_caption(p, first + hidi_dit_cross(config), x);

    hidi_var *hidden = hidi_gelu(tape, linear(p, modulate(p, x, mlp, eps), first + FC1));
    return hidi_gated_residual(tape, x, mlp.gate, linear(p, hidden, first + FC2));
}

static modulation final_modulation(const pass *p, hidi_var *c, hidi_var *silu_c)
{
    const size_t D = p->dit->config.width;
    const int layer = p->dit->final_layer + FINAL_ADALN;
    if (is_single(p)) {
        hidi_var *table = hidi_reshape(p->tape, param(p, layer), hidi_shape2(1, 2 * D));
        return (modulation){.shift = add_row(p, c, chunk(p, table, 0), D),
                            .scale = add_row(p, c, chunk(p, table, 1), D)};
    }
    hidi_var *m = linear(p, silu_c, layer); /* [B, 2 D] */
    return (modulation){.shift = chunk(p, m, 0), .scale = chunk(p, m, 1)};
}

/* unpatchify(linear(LN(x) (1 + scale) + shift)) */
static hidi_var *final_layer(const pass *p, hidi_var *x, hidi_var *c, hidi_var *silu_c)
{
    const hidi_dit_config *config = &p->dit->config;
    const size_t C = config->out_channels, H = config->image_size;
    const modulation final = final_modulation(p, c, silu_c);
    x = linear(p, modulate(p, x, final, HIDI_DIT_EPS), p->dit->final_layer + FINAL_LINEAR);
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
static bool can_give_back(const pass *p, const hidi_var *z, const hidi_var *t, const hidi_var *h)
{
    return p->taps == NULL && p->frozen && !z->needs_grad && !t->needs_grad &&
           !(h != NULL && h->needs_grad);
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

/* A block whose activations are not kept: they are computed again in the backward pass. */
typedef struct block_again {
    pass p;
    size_t i;
    int32_t length[]; /* [B], of captions: p's will be gone */
} block_again;

/* x: tokens, what is shared of the modulation, and the caption's tokens, if y is one */
static hidi_var *compute_block(hidi_tape *tape, const void *context, hidi_var *const *x)
{
    const block_again *b = context;
    pass p = b->p;
    (void)tape;
    if (p.caption != NULL) {
        p.caption = x[2];
        p.length = b->length;
    }
    return block(&p, b->i, x[0], x[1]);
}

static hidi_var *block_once_or_twice(const pass *p, size_t i, hidi_var *x, hidi_var *shared)
{
    if (!p->dit->config.recompute || p->gives_back)
        return block(p, i, x, shared);
    const bool captioned = p->dit->config.caption_length > 0;
    const size_t lengths = captioned ? p->B * sizeof *p->length : 0;
    block_again *again = malloc(sizeof *again + lengths);
    if (again == NULL)
        return hidi_tape_fail(p->tape, hidi_error(HIDI_NO_MEMORY, "DiT: out of memory"));
    again->p = *p;
    again->i = i;
    if (captioned)
        memcpy(again->length, p->length, lengths);
    hidi_var *y = hidi_recompute(p->tape, compute_block, again, sizeof *again + lengths,
                                 (hidi_var *const[]){x, shared, p->caption}, captioned ? 3 : 2);
    free(again);
    return y;
}

/* --- the pass --------------------------------------------------------------------------------- */

/* What the network puts out where it is shown z and t, as it has them, and h = t - r (NULL: 0). */
static hidi_var *run_blocks(pass *p, const hidi_shown *shown, hidi_var *h, const hidi_condition *y)
{
    hidi_tape *tape = p->tape;
    hidi_var *z = shown->z, *t = shown->t;
    if (z == NULL || t == NULL)
        return NULL;
    p->scale = shown->scale;
    p->B = z->shape.dim[0];
    hidi_var *c = condition(p, t, h, y, p->B); /* [B, D] */
    hidi_var *silu_c = hidi_silu(tape, c);
    hidi_var *shared = shared_modulation(p, silu_c);
    hidi_var *x = embed_image(p, z); /* [B, T, D] */
    p->gives_back = can_give_back(p, z, t, h);
    p->mark = hidi_tape_here(tape);
    for (size_t i = 0; i < blocks_to_run(p); i++)
        x = after_block(p, i, block_once_or_twice(p, i, x, shared));
    if (p->taps == NULL)
        return final_layer(p, x, c, silu_c);
    p->taps->condition = c;
    return x;
}

/* The same, with the caption, if there is one, as tokens. */
static hidi_var *run(pass *p, const hidi_shown *shown, hidi_var *h, const hidi_condition *y)
{
    if (shown->z == NULL || p->dit->config.caption_length == 0)
        return run_blocks(p, shown, h, y);
    const size_t B = shown->z->shape.dim[0];
    if (hidi_caption_check(&p->dit->config, y, B) != HIDI_OK)
        return hidi_tape_fail(p->tape, HIDI_BAD_ARGUMENT);
    int32_t *length = malloc((B + 1) * sizeof *length);
    if (length == NULL)
        return hidi_tape_fail(p->tape, hidi_error(HIDI_NO_MEMORY, "no memory for captions"));
    p->length = length;
    p->caption = hidi_caption_tokens(p->tape, p->dit, p->frozen, y, B, length);
    hidi_var *out = run_blocks(p, shown, h, y);
    free(length);
    return out;
}

/* h = t - r; NULL: 0 */
static hidi_var *interval(hidi_tape *tape, hidi_var *t, hidi_var *r)
{
    return r != NULL ? hidi_sub(tape, t, r) : NULL;
}

hidi_var *hidi_dit_forward(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                           hidi_var *t, hidi_var *r, const hidi_condition *y, hidi_taps *taps)
{
    if (z == NULL || t == NULL)
        return NULL;
    if (check_input(dit, z, t, r, taps) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    pass p = {.tape = tape, .dit = dit, .frozen = frozen, .taps = taps};
    const hidi_shown shown = {.z = z, .t = t, .scale = (hidi_real)dit->config.time_scale};
    return run(&p, &shown, interval(tape, t, r), y);
}

/* --- in this project's convention ------------------------------------------------------------- */

hidi_var *hidi_dit_velocity(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                            hidi_var *t, hidi_var *r, const hidi_condition *y)
{
    if (z == NULL || t == NULL)
        return NULL;
    if (check_input(dit, z, t, r, NULL) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    pass p = {.tape = tape, .dit = dit, .frozen = frozen};
    const hidi_shown shown = hidi_dit_show(tape, &dit->config, z, t);
    hidi_var *out = run(&p, &shown, interval(tape, t, r), y);
    return hidi_dit_as_velocity(tape, &dit->config, out, z, t);
}

hidi_var *hidi_dit_tokens(hidi_tape *tape, const hidi_dit *dit, bool frozen, hidi_var *z,
                          hidi_var *t, const hidi_condition *y, hidi_taps *taps)
{
    if (z == NULL || t == NULL)
        return NULL;
    if (check_input(dit, z, t, NULL, taps) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    pass p = {.tape = tape, .dit = dit, .frozen = frozen, .taps = taps};
    const hidi_shown shown = hidi_dit_show(tape, &dit->config, z, t);
    return run(&p, &shown, NULL, y);
}

hidi_var *hidi_dit_at_step(hidi_tape *tape, const hidi_dit *dit, hidi_var *z_vp, double s,
                           const hidi_condition *y)
{
    if (z_vp == NULL)
        return NULL;
    hidi_var *step = hidi_filled(tape, hidi_shape1(z_vp->shape.dim[0]), (hidi_real)s);
    if (step == NULL)
        return NULL;
    if (check_input(dit, z_vp, step, NULL, NULL) != HIDI_OK)
        return hidi_tape_fail(tape, HIDI_BAD_ARGUMENT);
    pass p = {.tape = tape, .dit = dit, .frozen = true};
    return run(&p, &(hidi_shown){z_vp, step, hidi_step_scale(&dit->config)}, NULL, y);
}
