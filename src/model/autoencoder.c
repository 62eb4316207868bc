/* autoencoder.c - the encoder and the decoder of latent diffusion (Rombach et al., arXiv
 * 2112.10752, appendix G; the layers are those of their code, and of diffusers' AutoencoderKL).
 *
 *   N(x)    = silu(GroupNorm(x))
 *   R(x)    = S(x) + conv3(N(conv3(N(x))))         S: 1 x 1 if the channels change, or nothing
 *   A(x)    = x + W_o attention(W_q g, W_k g, W_v g),  g = GroupNorm(x), over all pixels, one head
 *   encoder:  conv3, for each level [R ... R, down], R, A, R, conv3(N(.)), quant      -> mean, logvar
 *   decoder:  post_quant, conv3, R, A, R, for each level [R ... R, up], conv3(N(.))   -> image
 *   down      3 x 3, stride 2, with a row and a column of padding below and on the right alone
 *   up        conv3(nearest-neighbour upsampling), in one op
 *
 * The last level of either has no down or up.  Parameters are taken in the order in which
 * autoencoder_params.c declares them.
 */
#include "model/autoencoder.h"

/* One pass.  The marks are where the tape stood before what can be dropped. */
typedef struct pass {
    hidi_tape *tape;
    const hidi_autoencoder *net;
    bool frozen, gives_back;
    hidi_tape_mark mark; /* at the beginning         */
    int at;              /* the next parameter       */
} pass;

static pass begin(hidi_tape *tape, const hidi_autoencoder *net, bool frozen, const hidi_var *x,
                  int first)
{
    return (pass){.tape = tape, .net = net, .frozen = frozen, .at = first,
                  .gives_back = frozen && !x->needs_grad, .mark = hidi_tape_here(tape)};
}

/* Asks for all that a frozen pass will need of the tape at one time, as one piece: pieces that
 * resolution after resolution outgrows would stay.  The most is at the image's end, and there
 * either x, its norm and N(x), or x, h, its norm and N(h), of `wide` and `narrow` channels.  If a
 * block elsewhere needs more, the tape gets it then. */
static void reserve(const pass *p, const hidi_var *x, size_t pixels)
{
    const hidi_autoencoder_config *c = &p->net->config;
    const size_t narrow = c->width[0], wide = c->width[c->levels > 1];
    const size_t most = 3 * wide > wide + 3 * narrow ? 3 * wide : wide + 3 * narrow;
    if (!p->gives_back)
        return;
    (void)hidi_tape_take(p->tape, x->shape.dim[0] * most * pixels);
    (void)hidi_tape_release(p->tape, p->mark, NULL);
}

/* x, and nothing else of what came after the mark. */
static hidi_var *keep(const pass *p, hidi_tape_mark mark, hidi_var *x)
{
    return p->gives_back ? hidi_tape_release(p->tape, mark, x) : x;
}

static hidi_var *next(pass *p)
{
    return hidi_param_var(p->tape, &p->net->params, p->at++, p->frozen);
}

/* --- layers ----------------------------------------------------------------------------------- */

/* A convolution, with zeros around that keep the size where the stride is 1. */
static hidi_var *conv(pass *p, hidi_var *x)
{
    hidi_var *w = next(p), *b = next(p);
    const size_t padding = w != NULL ? w->shape.dim[2] / 2 : 0;
    return hidi_conv2d(p->tape, x, w, b, 1, padding, padding);
}

static hidi_var *down(pass *p, hidi_var *x)
{
    hidi_var *w = next(p), *b = next(p);
    return hidi_conv2d_padded(p->tape, x, w, b, 2,
                              (hidi_padding){.top = 0, .bottom = 1, .left = 0, .right = 1});
}

static hidi_var *up(pass *p, hidi_var *x)
{
    hidi_var *w = next(p), *b = next(p);
    return hidi_upsample_conv2d(p->tape, x, w, b);
}

static hidi_var *group_norm(pass *p, hidi_var *x)
{
    hidi_var *g = next(p), *b = next(p);
    return hidi_group_norm(p->tape, x, p->net->config.groups, g, b,
                           (hidi_real)HIDI_AUTOENCODER_EPS);
}

/* conv3(N(x)) */
static hidi_var *norm_and_conv(pass *p, hidi_var *x)
{
    const hidi_tape_mark behind_x = hidi_tape_here(p->tape);
    return conv(p, keep(p, behind_x, hidi_silu(p->tape, group_norm(p, x))));
}

static hidi_var *residual(pass *p, hidi_var *x, size_t width)
{
    if (x == NULL)
        return NULL;
    const hidi_tape_mark behind_x = hidi_tape_here(p->tape);
    hidi_var *h = keep(p, behind_x, norm_and_conv(p, x));
    h = keep(p, behind_x, norm_and_conv(p, h));
    hidi_var *shortcut = x->shape.dim[1] == width ? x : conv(p, x);
    return keep(p, p->mark, hidi_add(p->tape, shortcut, h));
}

/* W x + b for each pixel; the parameter is a matrix. */
static hidi_var *linear(pass *p, hidi_var *x)
{
    hidi_var *w = next(p), *b = next(p);
    if (w == NULL)
        return NULL;
    w = hidi_reshape(p->tape, w, hidi_shape4(w->shape.dim[0], w->shape.dim[1], 1, 1));
    return hidi_conv2d(p->tape, x, w, b, 1, 0, 0);
}

static hidi_var *attention(pass *p, hidi_var *x)
{
    hidi_var *g = group_norm(p, x);
    hidi_var *q = linear(p, g), *k = linear(p, g), *v = linear(p, g);
    hidi_var *y = linear(p, hidi_pixel_attention(p->tape, q, k, v));
    return keep(p, p->mark, hidi_add(p->tape, x, y));
}

static hidi_var *middle(pass *p, hidi_var *x, size_t width)
{
    return residual(p, attention(p, residual(p, x, width)), width);
}

/* --- the passes ------------------------------------------------------------------------------- */

static hidi_var *refuse(hidi_tape *tape, const char *what, const hidi_var *x, size_t channels,
                        size_t multiple)
{
    return hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE,
                                           "autoencoder: %s are %s, expected [B, %zu, H, W] with H "
                                           "and W multiples of %zu",
                                           what, hidi_shape_text(x->shape), channels, multiple));
}

static bool fits(const hidi_var *x, size_t channels, size_t multiple)
{
    const size_t *dim = x->shape.dim;
    return x->shape.rank == 4 && dim[1] == channels && dim[2] > 0 && dim[3] > 0 &&
           dim[2] % multiple == 0 && dim[3] % multiple == 0;
}

hidi_var *hidi_encode(hidi_tape *tape, const hidi_autoencoder *net, bool frozen, hidi_var *images)
{
    const hidi_autoencoder_config *c = &net->config;
    const size_t factor = hidi_autoencoder_factor(c);
    if (images == NULL)
        return NULL;
    if (!(net->parts & HIDI_ENCODER))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "autoencoder: no encoder"));
    if (!fits(images, c->image_channels, factor))
        return refuse(tape, "images", images, c->image_channels, factor);

    pass p = begin(tape, net, frozen, images, 0);
    reserve(&p, images, images->shape.dim[2] * images->shape.dim[3]);
    hidi_var *x = conv(&p, images);
    for (size_t level = 0; level < c->levels; level++) {
        for (size_t i = 0; i < c->blocks; i++)
            x = residual(&p, x, c->width[level]);
        if (level + 1 < c->levels)
            x = keep(&p, p.mark, down(&p, x));
    }
    x = middle(&p, x, c->width[c->levels - 1]);
    x = norm_and_conv(&p, x);
    return keep(&p, p.mark, c->has_quant ? conv(&p, x) : x);
}

hidi_var *hidi_decode(hidi_tape *tape, const hidi_autoencoder *net, bool frozen, hidi_var *z)
{
    const hidi_autoencoder_config *c = &net->config;
    if (z == NULL)
        return NULL;
    if (!(net->parts & HIDI_DECODER))
        return hidi_tape_fail(tape, hidi_error(HIDI_BAD_ARGUMENT, "autoencoder: no decoder"));
    if (!fits(z, c->latent_channels, 1))
        return refuse(tape, "latents", z, c->latent_channels, 1);

    const size_t factor = hidi_autoencoder_factor(c);
    pass p = begin(tape, net, frozen, z, net->decoder);
    reserve(&p, z, z->shape.dim[2] * z->shape.dim[3] * factor * factor);
    hidi_var *x = conv(&p, c->has_post_quant ? conv(&p, z) : z);
    x = middle(&p, x, c->width[c->levels - 1]);
    for (size_t level = c->levels; level-- > 0;) {
        for (size_t i = 0; i <= c->blocks; i++)
            x = residual(&p, x, c->width[level]);
        if (level > 0)
            x = keep(&p, p.mark, up(&p, x));
    }
    return keep(&p, p.mark, norm_and_conv(&p, x));
}
