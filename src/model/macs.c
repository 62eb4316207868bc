/* macs.c - multiply-adds by formula: T x n tokens by a matrix n x m are T n m; attention of T
 * tokens of width D is T T D for q k^T and as many for the weighted sums of v; a k x k convolution
 * from C to C' channels is k k C C' for each pixel that it puts out. */
#include "model/macs.h"

#include <stdarg.h>
#include <stdio.h>

static void add(hidi_macs *m, size_t count, double macs_of_one, const char *format, ...)
    HIDI_PRINTF(4, 5);

static void add(hidi_macs *m, size_t count, double macs_of_one, const char *format, ...)
{
    if (m->n == HIDI_MAX_LAYERS)
        return;
    hidi_layer_macs *layer = &m->layer[m->n++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(layer->name, sizeof layer->name, format, arguments);
    va_end(arguments);
    layer->count = count;
    layer->macs = (double)count * macs_of_one;
    m->sum += layer->macs;
}

/* --- the DiT ---------------------------------------------------------------------------------- */

/* What captions take: the text encoder or the projection of embeddings, and cross-attention, of
 * captions of all L tokens. */
static void add_caption(const hidi_dit_config *c, double T, hidi_macs *macs)
{
    const double D = (double)c->width, L = (double)c->caption_length, W = (double)c->caption_width;
    if (c->words > 0) {
        add(macs, c->text_depth, 12 * L * D * D, "text encoder: linear layers");
        add(macs, c->text_depth, 2 * L * L * D, "text encoder: attention");
    } else {
        add(macs, 1, L * (W * D + D * D), "projection of captions");
    }
    add(macs, c->depth, 2 * T * D * D, "cross-attention: q, projection");
    add(macs, c->depth, 2 * L * D * D, "cross-attention: k, v");
    add(macs, c->depth, 2 * T * L * D, "cross-attention: q k^T, and the sums of v");
}

void hidi_dit_count_macs(const hidi_dit_config *c, hidi_macs *macs)
{
    const double D = (double)c->width, side = (double)(c->image_size / c->patch), T = side * side;
    const double patch = (double)(c->patch * c->patch), mlp = (double)c->mlp_width;
    const bool is_single = c->adaln == HIDI_ADALN_SINGLE;
    const double embedder = HIDI_TIME_FEATURES * D + D * D;
    macs->n = 0;
    macs->sum = 0;
    add(macs, 1, embedder, "embedder of t");
    if (c->has_interval)
        add(macs, 1, embedder, "embedder of h = t - r");
    add(macs, 1, T * D * patch * (double)c->channels, "patches to tokens");
    add(macs, is_single ? 1 : c->depth, 6 * D * D, "adaLN modulation");
    add(macs, c->depth, 3 * T * D * D, "attention: q, k, v");
    add(macs, c->depth, 2 * T * T * D, "attention: q k^T, and the sums of v");
    add(macs, c->depth, T * D * D, "attention: projection");
    if (c->caption_length > 0)
        add_caption(c, T, macs);
    add(macs, c->depth, 2 * T * D * mlp, "MLP");
    if (!is_single)
        add(macs, 1, 2 * D * D, "final adaLN modulation");
    add(macs, 1, T * D * patch * (double)c->out_channels, "tokens to patches");
}

double hidi_dit_macs(const hidi_dit_config *config)
{
    hidi_macs macs;
    hidi_dit_count_macs(config, &macs);
    return macs.sum;
}

/* --- the autoencoder's decoder ---------------------------------------------------------------- */

const hidi_vae_decoder_config hidi_sd_vae_decoder = {
    .latent_channels = 4, .out_channels = 3, .width = 128, .levels = 4, .blocks = 3,
    .multiplier = {1, 2, 4, 4}};

/* A k x k convolution that keeps the side. */
static double convolution(size_t k, size_t in, size_t out, size_t side)
{
    return (double)(k * k) * (double)in * (double)out * (double)side * (double)side;
}

static double residual_block(size_t in, size_t out, size_t side)
{
    const double shortcut = in == out ? 0 : convolution(1, in, out, side);
    return convolution(3, in, out, side) + convolution(3, out, out, side) + shortcut;
}

void hidi_vae_decoder_count_macs(const hidi_vae_decoder_config *c, size_t side, hidi_macs *macs)
{
    macs->n = 0;
    macs->sum = 0;
    const size_t z = c->latent_channels;
    size_t width = c->width * c->multiplier[c->levels - 1];
    const double pixels = (double)side * (double)side;
    add(macs, 1, convolution(1, z, z, side), "1x1 convolution, %zu channels", z);
    add(macs, 1, convolution(3, z, width, side), "%zux%zu: first convolution, %zu to %zu", side,
        side, z, width);
    add(macs, 2, residual_block(width, width, side), "%zux%zu: middle residual block, %zu", side,
        side, width);
    add(macs, 4, convolution(1, width, width, side), "attention: q, k, v, projection");
    add(macs, 1, 2 * pixels * pixels * (double)width, "attention: q k^T, and the sums of v");
    for (size_t level = c->levels; level-- > 0;) {
        const size_t out = c->width * c->multiplier[level];
        if (out != width)
            add(macs, 1, residual_block(width, out, side), "%zux%zu: residual block, %zu to %zu",
                side, side, width, out);
        add(macs, c->blocks - (out != width), residual_block(out, out, side),
            "%zux%zu: residual block, %zu", side, side, out);
        width = out;
        if (level > 0) {
            side *= 2;
            add(macs, 1, convolution(3, width, width, side), "%zux%zu: convolution after doubling",
                side, side);
        }
    }
    add(macs, 1, convolution(3, width, c->out_channels, side), "%zux%zu: last convolution, to %zu",
        side, side, c->out_channels);
}
