/* apt.c - AWD's fifth control and closest relative: a learned query pools the tokens' features, not
 * their scores  [base: APT, arXiv 2501.08316, whose discriminator has such a block after some blocks
 * of its backbone].
 *
 *     x_i   = LN(h_i)
 *     a_i^m = softmax_i(<q^m, W_k x_i> / sqrt(d))                     hidi_head_attention
 *     p     = W_o [sum_i a_i^1 x_i, .., sum_i a_i^M x_i] + b_o        values and output, in one map
 *     p     = p + W_2 gelu(W_1 LN(p) + b_1) + b_2
 *     D(h)  = <w, LN(p)> + b
 *
 * Ours: the logits of several blocks are averaged, as those of all heads are (APT joins p of its
 * three blocks before one last map), and the backbone is frozen (APT trains it).
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D], .bias [1]
 *     heads.j.key.weight [d, D], heads.j.query [d] or [M, d], heads.j.query_map.weight: as AWD's
 *     heads.j.pooled.weight [D, M D], .bias [D]
 *     heads.j.mlp_norm.weight, .bias [D]    heads.j.fc1.weight [4 D, D], .bias [4 D]
 *     heads.j.fc2.weight [D, 4 D], .bias [D]    heads.j.last_norm.weight, .bias [D]
 */
#include "method/head.h"

/* A linear layer heads.j.NAME.weight [n, m], .bias [n]; m = 0: a norm's, weight [n]. */
static hidi_status declare_layer(hidi_params *params, int j, const char *name, size_t n, size_t m)
{
    const hidi_shape weight = m > 0 ? hidi_shape2(n, m) : hidi_shape1(n);
    HIDI_TRY(hidi_params_declare(params, weight, "heads.%d.%s.weight", j, name));
    return hidi_params_declare(params, hidi_shape1(n), "heads.%d.%s.bias", j, name);
}

static hidi_status declare(hidi_params *params, const hidi_heads_config *config, int j)
{
    const size_t D = config->width;
    HIDI_TRY(hidi_head_declare_token_score(params, config, j));
    HIDI_TRY(hidi_head_declare_attention(params, config, j));
    HIDI_TRY(declare_layer(params, j, "pooled", D, hidi_head_queries(config) * D));
    HIDI_TRY(declare_layer(params, j, "mlp_norm", D, 0));
    HIDI_TRY(declare_layer(params, j, "fc1", 4 * D, D));
    HIDI_TRY(declare_layer(params, j, "fc2", D, 4 * D));
    return declare_layer(params, j, "last_norm", D, 0);
}

static hidi_var *norm(const hidi_head_pass *pass, hidi_var *x, const char *weight, const char *bias)
{
    return hidi_layer_norm(pass->tape, x, hidi_head_param(pass, weight),
                           hidi_head_param(pass, bias), (hidi_real)HIDI_DIT_EPS);
}

static hidi_var *linear(const hidi_head_pass *pass, hidi_var *x, const char *weight,
                        const char *bias)
{
    return hidi_linear(pass->tape, x, hidi_head_param(pass, weight), hidi_head_param(pass, bias));
}

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_tape *tape = pass->tape;
    const size_t B = pass->h->shape.dim[0], D = pass->h->shape.dim[2];
    const size_t M = hidi_head_queries(&pass->heads->config);
    hidi_var *x = hidi_head_norm(pass);
    hidi_var *a = hidi_head_attention(pass, x);                  /* [B, M, N] */
    hidi_var *pooled = hidi_matmul(tape, a, false, x, false);    /* [B, M, D] */
    pooled = hidi_reshape(tape, pooled, hidi_shape2(B, M * D));
    hidi_var *p = linear(pass, pooled, "pooled.weight", "pooled.bias");
    hidi_var *hidden = norm(pass, p, "mlp_norm.weight", "mlp_norm.bias");
    hidden = hidi_gelu(tape, linear(pass, hidden, "fc1.weight", "fc1.bias"));
    p = hidi_add(tape, p, linear(pass, hidden, "fc2.weight", "fc2.bias"));
    hidi_var *logits = hidi_head_score(pass, norm(pass, p, "last_norm.weight", "last_norm.bias"));
    return (hidi_head_terms){.logits = logits, .weights = hidi_head_mean_attention(pass, a)};
}

const hidi_head hidi_head_apt = {.has_weights = true,
                                 .zero = "query_map.weight",
                                 .declare = declare,
                                 .forward = forward,
                                 .infer = hidi_head_infer_attention};
