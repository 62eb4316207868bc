/* awd.c - the Adaptive Weighted Discriminator, which learns which tokens to look at  [HD: token
 * weights, assigned dynamically, to look at local imperfections; the form is ours].
 *
 *     x_i  = LN(h_i)                                 the tokens
 *     s_i  = <w, x_i> + b                            what token i says
 *     a_i  = softmax_i(<q, W_k x_i> / sqrt(d))       how much it counts
 *     D(h) = sum_i a_i s_i
 *
 * The query q is learned.  It is 0 at first: then a_i = 1/N, and AWD begins as global average
 * pooling (gap.c).  If conditional, q + W c takes its place, c being the backbone's conditioning on
 * t and class, and W 0 at first.
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D], .bias [1]
 *     heads.j.key.weight [d, D]         W_k
 *     heads.j.query [d]                 q
 *     heads.j.query_map.weight [d, D]   W, if conditional
 */
#include <math.h>

#include "method/head.h"

static hidi_status declare(hidi_params *params, const hidi_heads_config *config, int j)
{
    const size_t D = config->width, d = config->key_width;
    if (d < 1 || d > 65536)
        return hidi_error(HIDI_BAD_ARGUMENT, "heads: key width %zu", d);
    HIDI_TRY(hidi_head_declare_token_score(params, config, j));
    HIDI_TRY(hidi_params_declare(params, hidi_shape2(d, D), "heads.%d.key.weight", j));
    HIDI_TRY(hidi_params_declare(params, hidi_shape1(d), "heads.%d.query", j));
    if (config->conditional)
        HIDI_TRY(hidi_params_declare(params, hidi_shape2(d, D), "heads.%d.query_map.weight", j));
    return HIDI_OK;
}

/* <q, k_i>, or <q + W c, k_i>, for keys k [B, N, d]: [B, N, 1] */
static hidi_var *products(const hidi_head_pass *pass, hidi_var *k)
{
    hidi_tape *tape = pass->tape;
    const size_t B = pass->h->shape.dim[0], d = pass->heads->config.key_width;
    hidi_var *q = hidi_reshape(tape, hidi_head_param(pass, "query"), hidi_shape2(1, d));
    if (!pass->heads->config.conditional)
        return hidi_linear(tape, k, q, NULL);
    hidi_var *W_c = hidi_linear(tape, pass->c, hidi_head_param(pass, "query_map.weight"), NULL);
    q = hidi_add_rows(tape, hidi_reshape(tape, W_c, hidi_shape3(B, 1, d)), q);
    return hidi_matmul(tape, k, false, q, true);
}

/* a_i = softmax_i(<q, W_k x_i> / sqrt(d)): [B, N] */
static hidi_var *token_weights(const hidi_head_pass *pass, hidi_var *x)
{
    hidi_tape *tape = pass->tape;
    const size_t B = pass->h->shape.dim[0], N = pass->h->shape.dim[1];
    const double d = (double)pass->heads->config.key_width;
    hidi_var *k = hidi_linear(tape, x, hidi_head_param(pass, "key.weight"), NULL);
    hidi_var *q_k = hidi_reshape(tape, products(pass, k), hidi_shape2(B, N));
    return hidi_softmax(tape, hidi_scale(tape, q_k, (hidi_real)(1 / sqrt(d))));
}

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_tape *tape = pass->tape;
    hidi_var *x = hidi_head_norm(pass);
    hidi_var *s = hidi_head_score(pass, x);
    hidi_var *a = token_weights(pass, x);
    hidi_var *D = hidi_sum_samples(tape, hidi_mul(tape, a, s));
    return (hidi_head_terms){.logits = D, .scores = s, .weights = a};
}

static hidi_status infer(hidi_heads_config *config, const hidi_tensor_file *file)
{
    const hidi_file_tensor *query;
    HIDI_TRY(hidi_tensor_file_need(file, "heads.0.query", &query));
    if (query->count == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: heads.0.query has no elements", file->path);
    config->key_width = query->count;
    config->conditional = hidi_tensor_file_find(file, "heads.0.query_map.weight") != NULL;
    return HIDI_OK;
}

const hidi_head hidi_head_awd = {.has_scores = true,
                                 .has_weights = true,
                                 .zero = "query_map.weight",
                                 .declare = declare,
                                 .forward = forward,
                                 .infer = infer};
