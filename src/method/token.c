/* token.c - AWD's second control: each token is judged by itself, and has a loss of its own, as the
 * patches of an image have in PatchGAN  [base: Isola et al., arXiv 1611.07004].
 *
 *     D_i(h) = s_i = <w, LN(h_i)> + b
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D], .bias [1]
 */
#include "method/head.h"

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_var *s = hidi_head_score(pass, hidi_head_norm(pass));
    return (hidi_head_terms){.logits = s, .scores = s};
}

const hidi_head hidi_head_token = {.has_scores = true,
                                   .per_token = true,
                                   .declare = hidi_head_declare_token_score,
                                   .forward = forward};
