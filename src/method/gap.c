/* gap.c - AWD's first control, global average pooling: all tokens count the same.
 *
 *     s_i  = <w, LN(h_i)> + b
 *     D(h) = sum_i a_i s_i,  a_i = 1/N
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D], .bias [1]
 */
#include "method/head.h"

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_var *s = hidi_head_score(pass, hidi_head_norm(pass));
    hidi_var *D = hidi_mean_samples(pass->tape, s);
    return (hidi_head_terms){.logits = D, .scores = s};
}

const hidi_head hidi_head_gap = {
    .has_scores = true, .declare = hidi_head_declare_token_score, .forward = forward};
