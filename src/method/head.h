/* head.h - what the files of the discriminator's heads share (heads.h has what others see). */
#ifndef HIDI_METHOD_HEAD_H
#define HIDI_METHOD_HEAD_H

#include "heads.h"

#define HIDI_HEAD_DECLARATION(number, name) extern const hidi_head hidi_head_##name;
HIDI_HEAD_LIST(HIDI_HEAD_DECLARATION)

/* Checks the config and declares the parameters of all heads, without memory for them. */
hidi_status hidi_heads_declare(hidi_params *params, const hidi_heads_config *config);

/* What a head's forward is given. */
struct hidi_head_pass {
    hidi_tape *tape;
    const hidi_heads *heads;
    int j;       /* which of the heads                              */
    bool frozen; /* no gradients for its parameters                 */
    hidi_var *h; /* [B, N, D] the tokens                            */
    hidi_var *c; /* [B, D] the backbone's conditioning              */
    size_t side; /* the tokens form a grid, N = side^2              */
};

/* Declares heads.j.norm.weight, .bias [D], of LN(h), and heads.j.score.weight [1, n], .bias [1]. */
hidi_status hidi_head_declare_score(hidi_params *params, int j, size_t D, size_t n);
/* The same with n = D: a score of each token. */
hidi_status hidi_head_declare_token_score(hidi_params *params, const hidi_heads_config *config,
                                          int j);

/* Declares heads.j.key.weight [d, D], heads.j.query [d], or [M, d] if there are several, and, if
 * conditional, heads.j.query_map.weight [M d, D]. */
hidi_status hidi_head_declare_attention(hidi_params *params, const hidi_heads_config *config,
                                        int j);

/* A kind's `infer`: d, M and whether it is conditional, of a file's heads.0.query. */
hidi_status hidi_head_infer_attention(hidi_heads_config *config, const hidi_tensor_file *file);

/* M */
size_t hidi_head_queries(const hidi_heads_config *config);

/* The parameter heads.j.NAME. */
hidi_var *hidi_head_param(const hidi_head_pass *pass, const char *name);

/* LN(h), with the affine map norm: [B, N, D] */
hidi_var *hidi_head_norm(const hidi_head_pass *pass);

/* score(x) = <w, x> + b over the last extent: x [B, N, n] -> [B, N], or [B, n] -> [B] */
hidi_var *hidi_head_score(const hidi_head_pass *pass, hidi_var *x);

/* a_i^m = softmax_i(<q^m, W_k x_i> / (T sqrt(d))), or with q^m + W^m c in q^m's place, for x
 * [B, N, D]: [B, M, N] */
hidi_var *hidi_head_attention(const hidi_head_pass *pass, hidi_var *x);

/* The mean over the queries of a [B, M, N]: [B, N] */
hidi_var *hidi_head_mean_attention(const hidi_head_pass *pass, hidi_var *a);

#endif
