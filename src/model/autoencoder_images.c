/* autoencoder_images.c - images in host memory to latents and back: in pieces of a few, which the
 * backend's threads share out, each with a tape of its own, in all processes. */
#include "backend/share_rows.h"
#include "model/autoencoder.h"

/* Images at one time: more would take more memory, and would not be faster. */
enum { PIECE = 4, LEAST_PIECES = 4 };

typedef struct work {
    const hidi_autoencoder *net;
    hidi_tape *tape; /* its companions are the members'                                    */
    bool decodes;
    const hidi_real *in;
    hidi_real *out;
    size_t n, size;                 /* images; of a piece                                  */
    size_t H, W, n_in, n_out;       /* extents of an image of `in`; numbers of one of both */
} work;

static hidi_status one_piece(void *context, int member, size_t piece)
{
    const work *w = context;
    const hidi_autoencoder_config *c = &w->net->config;
    const size_t first = piece * w->size, left = w->n - first;
    const size_t some = left < w->size ? left : w->size;
    hidi_tape *tape = hidi_tape_companion(w->tape, member);
    hidi_tape_reset(tape);
    const size_t channels = w->decodes ? c->latent_channels : c->image_channels;
    hidi_var *x = hidi_constant(tape, hidi_shape4(some, channels, w->H, w->W),
                                w->in + first * w->n_in);
    hidi_var *y = w->decodes ? hidi_decode(tape, w->net, true,
                                           hidi_scale(tape, x, (hidi_real)(1 / c->scale)))
                             : hidi_encode(tape, w->net, true, x);
    HIDI_TRY(hidi_tape_status(tape));
    return hidi_read(tape, y, w->out + first * w->n_out);
}

/* Few images: the kernels are shared out instead. */
static hidi_status share_out(work *w)
{
    const hidi_backend *backend = w->net->params.backend;
    const size_t pieces = (w->n + PIECE - 1) / PIECE;
    const hidi_piece_rows rows = {w->out, PIECE * w->n_out * sizeof *w->out,
                            w->n * w->n_out * sizeof *w->out};
    w->size = PIECE;
    if (pieces >= LEAST_PIECES && !backend->large_batches()) {
        HIDI_TRY(hidi_tape_companions(w->tape, hidi_backend_members(backend, pieces)));
        return hidi_backend_share_rows(backend, pieces, one_piece, w, &rows, 1);
    }
    return hidi_backend_rows_in_turn(pieces, one_piece, w, &rows, 1);
}

hidi_status hidi_autoencoder_moments(const hidi_autoencoder *net, hidi_tape *tape,
                                     const hidi_real *images, size_t n, size_t H, size_t W,
                                     hidi_real *moments)
{
    const hidi_autoencoder_config *c = &net->config;
    const size_t f = hidi_autoencoder_factor(c);
    work w = {.net = net, .tape = tape, .in = images, .out = moments, .n = n, .H = H, .W = W,
              .n_in = c->image_channels * H * W,
              .n_out = 2 * c->latent_channels * (H / f) * (W / f)};
    return share_out(&w);
}

hidi_status hidi_autoencoder_images(const hidi_autoencoder *net, hidi_tape *tape,
                                    const hidi_real *z, size_t n, size_t h, size_t w,
                                    hidi_real *images)
{
    const hidi_autoencoder_config *c = &net->config;
    const size_t f = hidi_autoencoder_factor(c);
    work all = {.net = net, .tape = tape, .decodes = true, .in = z, .out = images, .n = n, .H = h,
                .W = w, .n_in = c->latent_channels * h * w,
                .n_out = c->image_channels * f * h * f * w};
    return share_out(&all);
}

/* The latents' means, times the scale, to the front of moments [n, 2 count]. */
static void keep_means(hidi_real *moments, size_t n, size_t count, double scale)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < count; k++)
            moments[i * count + k] = (hidi_real)scale * moments[2 * i * count + k];
}

hidi_status hidi_autoencoder_reconstruct(const hidi_autoencoder *net, hidi_tape *tape,
                                         const hidi_real *images, size_t n, size_t H, size_t W,
                                         hidi_real *moments, hidi_real *y)
{
    const size_t f = hidi_autoencoder_factor(&net->config), h = H / f, w = W / f;
    HIDI_TRY(hidi_autoencoder_moments(net, tape, images, n, H, W, moments));
    keep_means(moments, n, net->config.latent_channels * h * w, net->config.scale);
    return hidi_autoencoder_images(net, tape, moments, n, h, w, y);
}
