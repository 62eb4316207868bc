/* autoencoder_params.c - the parameters of an autoencoder: names, order, initial values.
 *
 * Names and shapes are those of diffusers' AutoencoderKL; the order is that in which the passes of
 * autoencoder.c take them.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/random.h"
#include "io/number.h"
#include "model/autoencoder.h"
#include "model/autoencoder_layers.h"

hidi_autoencoder_config hidi_sd_autoencoder_config(void)
{
    return (hidi_autoencoder_config){.image_channels = 3,
                                     .latent_channels = 4,
                                     .levels = 4,
                                     .width = {128, 256, 512, 512},
                                     .blocks = 2,
                                     .groups = 32,
                                     .has_quant = true,
                                     .has_post_quant = true,
                                     .scale = HIDI_SD_SCALE};
}

size_t hidi_autoencoder_factor(const hidi_autoencoder_config *config)
{
    return (size_t)1 << (config->levels - 1);
}

hidi_status hidi_autoencoder_config_check(const hidi_autoencoder_config *c)
{
    if (c->levels < 1 || c->levels > HIDI_AUTOENCODER_MOST_LEVELS || c->blocks < 1 ||
        c->blocks > HIDI_AUTOENCODER_MOST_BLOCKS || c->image_channels < 1 ||
        c->image_channels > 1024 || c->latent_channels < 1 || c->latent_channels > 1024)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "autoencoder: %zu levels of %zu blocks, %zu channels of images, %zu of "
                          "latents",
                          c->levels, c->blocks, c->image_channels, c->latent_channels);
    for (size_t i = 0; i < c->levels; i++)
        if (c->width[i] < 1 || c->width[i] > 16384 || c->groups < 1 ||
            c->width[i] % c->groups != 0)
            return hidi_error(HIDI_BAD_ARGUMENT,
                              "autoencoder: %zu channels of level %zu are not a multiple of %zu "
                              "groups",
                              c->width[i], i, c->groups);
    if (!(c->scale > 0) || c->scale > 1e6)
        return hidi_error(HIDI_BAD_ARGUMENT, "autoencoder: scale %g", c->scale);
    return HIDI_OK;
}

hidi_status hidi_autoencoder_parse_widths(const char *text, hidi_autoencoder_config *config)
{
    long width[HIDI_AUTOENCODER_MOST_LEVELS];
    int n;
    if (!hidi_parse_longs(text, 1, 16384, HIDI_AUTOENCODER_MOST_LEVELS, width, &n))
        return hidi_error(HIDI_BAD_ARGUMENT, "widths \"%s\": expected up to %d numbers from 1, "
                                             "such as 32,48,64",
                          text, HIDI_AUTOENCODER_MOST_LEVELS);
    config->levels = (size_t)n;
    for (int i = 0; i < n; i++)
        config->width[i] = (size_t)width[i];
    return HIDI_OK;
}

/* --- declarations ----------------------------------------------------------------------------- */

static hidi_status layer(hidi_params *p, hidi_shape weight, const char *block, const char *name)
{
    HIDI_TRY(hidi_params_declare(p, weight, "%s%s.weight", block, name));
    return hidi_params_declare(p, hidi_shape1(weight.dim[0]), "%s%s.bias", block, name);
}

static hidi_status conv(hidi_params *p, size_t out, size_t in, size_t kernel, const char *block,
                        const char *name)
{
    return layer(p, hidi_shape4(out, in, kernel, kernel), block, name);
}

static hidi_status norm(hidi_params *p, size_t width, const char *block, const char *name)
{
    return layer(p, hidi_shape1(width), block, name);
}

static hidi_status residual(hidi_params *p, size_t out, size_t in, const char *block)
{
    HIDI_TRY(norm(p, in, block, "norm1"));
    HIDI_TRY(conv(p, out, in, 3, block, "conv1"));
    HIDI_TRY(norm(p, out, block, "norm2"));
    HIDI_TRY(conv(p, out, out, 3, block, "conv2"));
    return in != out ? conv(p, out, in, 1, block, "conv_shortcut") : HIDI_OK;
}

static hidi_status middle(hidi_params *p, size_t width, const char *half)
{
    static const char *const linear[] = {"to_q", "to_k", "to_v", "to_out.0"};
    char block[80];
    snprintf(block, sizeof block, "%s.mid_block.resnets.0.", half);
    HIDI_TRY(residual(p, width, width, block));
    snprintf(block, sizeof block, "%s.mid_block.attentions.0.", half);
    HIDI_TRY(norm(p, width, block, "group_norm"));
    for (size_t i = 0; i < sizeof linear / sizeof linear[0]; i++)
        HIDI_TRY(layer(p, hidi_shape2(width, width), block, linear[i]));
    snprintf(block, sizeof block, "%s.mid_block.resnets.1.", half);
    return residual(p, width, width, block);
}

static hidi_status declare_encoder(hidi_params *p, const hidi_autoencoder_config *c)
{
    const size_t out = 2 * c->latent_channels;
    size_t width = c->width[0];
    char block[80];
    HIDI_TRY(conv(p, width, c->image_channels, 3, "encoder.", "conv_in"));
    for (size_t level = 0; level < c->levels; level++) {
        for (size_t i = 0; i < c->blocks; i++, width = c->width[level]) {
            snprintf(block, sizeof block, "encoder.down_blocks.%zu.resnets.%zu.", level, i);
            HIDI_TRY(residual(p, c->width[level], width, block));
        }
        snprintf(block, sizeof block, "encoder.down_blocks.%zu.downsamplers.0.", level);
        if (level + 1 < c->levels)
            HIDI_TRY(conv(p, width, width, 3, block, "conv"));
    }
    HIDI_TRY(middle(p, width, "encoder"));
    HIDI_TRY(norm(p, width, "encoder.", "conv_norm_out"));
    HIDI_TRY(conv(p, out, width, 3, "encoder.", "conv_out"));
    return c->has_quant ? conv(p, out, out, 1, "", "quant_conv") : HIDI_OK;
}

static hidi_status declare_decoder(hidi_params *p, const hidi_autoencoder_config *c)
{
    const size_t z = c->latent_channels;
    size_t width = c->width[c->levels - 1];
    char block[80];
    if (c->has_post_quant)
        HIDI_TRY(conv(p, z, z, 1, "", "post_quant_conv"));
    HIDI_TRY(conv(p, width, z, 3, "decoder.", "conv_in"));
    HIDI_TRY(middle(p, width, "decoder"));
    for (size_t up = 0; up < c->levels; up++) { /* diffusers counts from the latents up */
        const size_t level = c->levels - 1 - up;
        for (size_t i = 0; i <= c->blocks; i++, width = c->width[level]) {
            snprintf(block, sizeof block, "decoder.up_blocks.%zu.resnets.%zu.", up, i);
            HIDI_TRY(residual(p, c->width[level], width, block));
        }
        snprintf(block, sizeof block, "decoder.up_blocks.%zu.upsamplers.0.", up);
        if (level > 0)
            HIDI_TRY(conv(p, width, width, 3, block, "conv"));
    }
    HIDI_TRY(norm(p, width, "decoder.", "conv_norm_out"));
    return conv(p, c->image_channels, width, 3, "decoder.", "conv_out");
}

hidi_status hidi_autoencoder_declare(hidi_autoencoder *net)
{
    HIDI_TRY(hidi_autoencoder_config_check(&net->config));
    if (net->parts & HIDI_ENCODER)
        HIDI_TRY(declare_encoder(&net->params, &net->config));
    net->decoder = net->params.n_params;
    return net->parts & HIDI_DECODER ? declare_decoder(&net->params, &net->config) : HIDI_OK;
}

/* --- the network ------------------------------------------------------------------------------ */

hidi_status hidi_autoencoder_create(hidi_autoencoder **autoencoder, const hidi_backend *backend,
                                    const hidi_autoencoder_config *config,
                                    hidi_autoencoder_parts parts)
{
    hidi_autoencoder *net = calloc(1, sizeof *net);
    *autoencoder = NULL;
    if (net == NULL)
        return hidi_error(HIDI_NO_MEMORY, "autoencoder: out of memory");
    net->config = *config;
    net->parts = parts;
    hidi_params_init(&net->params, backend);
    hidi_status status = hidi_autoencoder_declare(net);
    if (status == HIDI_OK)
        status = hidi_params_allocate(&net->params);
    if (status != HIDI_OK) {
        hidi_autoencoder_destroy(net);
        return status;
    }
    *autoencoder = net;
    return HIDI_OK;
}

void hidi_autoencoder_destroy(hidi_autoencoder *autoencoder)
{
    if (autoencoder == NULL)
        return;
    hidi_params_free(&autoencoder->params);
    free(autoencoder);
}

/* Draws depend on the seed and the name alone. */
static void initial_values(const hidi_param *param, uint64_t seed, hidi_real *host)
{
    const size_t n = hidi_count(param->shape), length = strlen(param->name);
    const hidi_random random = {seed, HIDI_STREAM_INIT,
                                hidi_hash(param->name, length) & 0xffffffffffffu};
    const bool is_weight = strcmp(param->name + length - strlen("weight"), "weight") == 0;
    const double bound = 1 / sqrt((double)(n / param->shape.dim[0]));
    for (size_t i = 0; i < n; i++) {
        double u;
        hidi_uniform(random, i, &u, 1);
        host[i] = (hidi_real)(param->shape.rank > 1 ? bound * (2 * u - 1) : is_weight);
    }
}

hidi_status hidi_autoencoder_initialise(hidi_autoencoder *autoencoder, uint64_t seed)
{
    for (int i = 0; i < autoencoder->params.n_params; i++) {
        const hidi_param *param = &autoencoder->params.param[i];
        hidi_real *host = malloc(hidi_count(param->shape) * sizeof *host);
        if (host == NULL)
            return hidi_error(HIDI_NO_MEMORY, "autoencoder: out of memory");
        initial_values(param, seed, host);
        hidi_params_write(&autoencoder->params, i, host);
        free(host);
    }
    return HIDI_OK;
}
