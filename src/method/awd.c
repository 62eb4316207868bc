/* awd.c - the Adaptive Weighted Discriminator, which learns which tokens to look at  [HD: token
 * weights, assigned dynamically, to look at local imperfections; the form is ours].
 *
 *     x_i  = LN(h_i)                                 the tokens
 *     s_i  = <w, x_i> + b                            what token i says
 *     a_i  = softmax_i(<q, W_k x_i> / sqrt(d))       how much it counts: hidi_head_attention
 *     D(h) = sum_i a_i s_i
 *
 * The query q is learned.  It is 0 at first: then a_i = 1/N, and AWD begins as global average
 * pooling (gap.c).  Variants (hidi_heads_config):
 *
 *     conditional       q + W c takes q's place, c being the backbone's conditioning on t and class,
 *                       and W 0 at first
 *     queries M > 1     M queries, each with weights of its own; a_i is their mean.  They start from
 *                       small random values, as equal ones would stay equal
 *     temperature T     <q, W_k x_i> / (T sqrt(d))
 *     mean m            (1 - m) a_i + m/N takes a_i's place: the mean stays in sight
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D], .bias [1]
 *     heads.j.key.weight [d, D]         W_k
 *     heads.j.query [d], or [M, d]      q
 *     heads.j.query_map.weight [M d, D] W, if conditional
 */
#include "method/head.h"

static hidi_status declare(hidi_params *params, const hidi_heads_config *config, int j)
{
    HIDI_TRY(hidi_head_declare_token_score(params, config, j));
    return hidi_head_declare_attention(params, config, j);
}

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_tape *tape = pass->tape;
    const double N = (double)pass->h->shape.dim[1], mean = pass->heads->config.mean;
    hidi_var *x = hidi_head_norm(pass);
    hidi_var *s = hidi_head_score(pass, x);
    hidi_var *a = hidi_head_mean_attention(pass, hidi_head_attention(pass, x));
    if (mean > 0)
        a = hidi_affine(tape, a, (hidi_real)(1 - mean), (hidi_real)(mean / N));
    hidi_var *D = hidi_sum_samples(tape, hidi_mul(tape, a, s));
    return (hidi_head_terms){.logits = D, .scores = s, .weights = a};
}

const hidi_head hidi_head_awd = {.has_scores = true,
                                 .has_weights = true,
                                 .zero = "query_map.weight",
                                 .declare = declare,
                                 .forward = forward,
                                 .infer = hidi_head_infer_attention};
