/* macs.c - multiply-adds by formula.
 *
 *     linear layer    rows in out
 *     attention       2 T^2 D: T x T inner products of width D / heads for each head, and as many
 *                     additions of weighted values
 *     convolution     k^2 in out H W, of an output of H x W
 */
#include "model/macs.h"

#include <stdarg.h>
#include <stdio.h>

/* A list in the making. */
typedef struct list {
    hidi_mac_part *part;
    int n;
} list;

static void put(list *l, size_t count, double macs_of_one, const char *format, ...)
    HIDI_PRINTF(4, 5);

static void put(list *l, size_t count, double macs_of_one, const char *format, ...)
{
    if (l->n == HIDI_MAC_PARTS)
        return;
    hidi_mac_part *part = &l->part[l->n++];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(part->name, sizeof part->name, format, arguments);
    va_end(arguments);
    part->count = count;
    part->macs = (double)count * macs_of_one;
}

double hidi_macs(const hidi_mac_part *part, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += part[i].macs;
    return sum;
}

/* --- the DiT ---------------------------------------------------------------------------------- */

int hidi_dit_mac_parts(const hidi_dit_config *c, hidi_mac_part *part)
{
    const double D = (double)c->width, side = (double)(c->image_size / c->patch), T = side * side;
    const double patch = (double)(c->patch * c->patch), mlp = (double)c->mlp_width;
    const double embedder = HIDI_TIME_FEATURES * D + D * D;
    list l = {part, 0};
    put(&l, 1, embedder, "embedder of t");
    if (c->has_interval)
        put(&l, 1, embedder, "embedder of h = t - r");
    put(&l, 1, T * D * patch * (double)c->channels, "patches to tokens");
    put(&l, c->depth, 6 * D * D, "adaLN modulation");
    put(&l, c->depth, 3 * T * D * D, "attention: q, k, v");
    put(&l, c->depth, 2 * T * T * D, "attention: q k^T, and the sums of v");
    put(&l, c->depth, T * D * D, "attention: projection");
    put(&l, c->depth, 2 * T * D * mlp, "MLP");
    put(&l, 1, 2 * D * D, "final adaLN modulation");
    put(&l, 1, T * D * patch * (double)c->out_channels, "tokens to patches");
    return l.n;
}

double hidi_dit_macs(const hidi_dit_config *config)
{
    hidi_mac_part part[HIDI_MAC_PARTS];
    return hidi_macs(part, hidi_dit_mac_parts(config, part));
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

int hidi_vae_decoder_mac_parts(const hidi_vae_decoder_config *c, size_t side, hidi_mac_part *part)
{
    list l = {part, 0};
    const size_t z = c->latent_channels;
    size_t width = c->width * c->multiplier[c->levels - 1];
    const double pixels = (double)side * (double)side;
    put(&l, 1, convolution(1, z, z, side), "1x1 convolution, %zu channels", z);
    put(&l, 1, convolution(3, z, width, side), "%zux%zu: first convolution, %zu to %zu", side,
        side, z, width);
    put(&l, 2, residual_block(width, width, side), "%zux%zu: middle residual block, %zu", side,
        side, width);
    put(&l, 4, convolution(1, width, width, side), "attention: q, k, v, projection");
    put(&l, 1, 2 * pixels * pixels * (double)width, "attention: q k^T, and the sums of v");
    for (size_t level = c->levels; level-- > 0;) {
        const size_t out = c->width * c->multiplier[level];
        if (out != width)
            put(&l, 1, residual_block(width, out, side), "%zux%zu: residual block, %zu to %zu",
                side, side, width, out);
        put(&l, c->blocks - (out != width), residual_block(out, out, side),
            "%zux%zu: residual block, %zu", side, side, out);
        width = out;
        if (level > 0) {
            side *= 2;
            put(&l, 1, convolution(3, width, width, side), "%zux%zu: convolution after doubling",
                side, side);
        }
    }
    put(&l, 1, convolution(3, width, c->out_channels, side), "%zux%zu: last convolution, to %zu",
        side, side, c->out_channels);
    return l.n;
}
