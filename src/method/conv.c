/* conv.c - AWD's third control: strided convolutions over the grid of tokens, as DMD2 has them over
 * its features  [base: DMD2, arXiv 2405.14867].
 *
 *     X    = LN(h) as a grid                         [B, D, side, side]
 *     X    = silu(conv1(X)),  X = silu(conv2(X))     3 x 3, stride 2, to D/2 channels
 *     D(h) = <w, mean over the grid of X> + b
 *
 *     heads.j.norm.weight, .bias [D]    heads.j.score.weight [1, D/2], .bias [1]
 *     heads.j.conv1.weight [D/2, D, 3, 3], .bias [D/2]
 *     heads.j.conv2.weight [D/2, D/2, 3, 3], .bias [D/2]
 */
#include "method/head.h"

static hidi_status declare(hidi_params *params, const hidi_heads_config *config, int j)
{
    const size_t D = config->width, half = D / 2;
    const hidi_shape first = hidi_shape4(half, D, 3, 3), second = hidi_shape4(half, half, 3, 3);
    HIDI_TRY(hidi_head_declare_score(params, j, D, half));
    HIDI_TRY(hidi_params_declare(params, first, "heads.%d.conv1.weight", j));
    HIDI_TRY(hidi_params_declare(params, hidi_shape1(half), "heads.%d.conv1.bias", j));
    HIDI_TRY(hidi_params_declare(params, second, "heads.%d.conv2.weight", j));
    return hidi_params_declare(params, hidi_shape1(half), "heads.%d.conv2.bias", j);
}

/* silu(conv(X)), 3 x 3 with stride 2 and padding 1 */
static hidi_var *convolve(const hidi_head_pass *pass, hidi_var *X, const char *weight,
                          const char *bias)
{
    hidi_var *w = hidi_head_param(pass, weight), *b = hidi_head_param(pass, bias);
    return hidi_silu(pass->tape, hidi_conv2d(pass->tape, X, w, b, 2, 1, 1));
}

static hidi_head_terms forward(const hidi_head_pass *pass)
{
    hidi_tape *tape = pass->tape;
    const size_t B = pass->h->shape.dim[0], D = pass->h->shape.dim[2], side = pass->side;
    hidi_var *x = hidi_head_norm(pass);
    hidi_var *X = hidi_unpatchify(tape, x, D, side, side, 1, HIDI_PATCH_PQC);
    X = convolve(pass, X, "conv1.weight", "conv1.bias");
    X = convolve(pass, X, "conv2.weight", "conv2.bias");
    if (X == NULL)
        return (hidi_head_terms){NULL, NULL, NULL};
    hidi_var *mean = hidi_average_pool(tape, X, X->shape.dim[2], X->shape.dim[2], 0);
    mean = hidi_reshape(tape, mean, hidi_shape2(B, D / 2));
    return (hidi_head_terms){.logits = hidi_head_score(pass, mean)};
}

const hidi_head hidi_head_conv = {.declare = declare, .forward = forward};
