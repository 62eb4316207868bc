/* autoencoder_file.c - an autoencoder to and from named tensors.
 *
 * Files have one of three sets of names.  Those that are not diffusers' present ones are read
 * through a second list of the same tensors, under these names and with their shapes:
 *
 *     diffusers                          earlier     CompVis
 *     encoder.down_blocks.1.resnets.0    same        encoder.down.1.block.0
 *     ....downsamplers.0.conv            same        encoder.down.1.downsample.conv
 *     decoder.up_blocks.0.resnets.0      same        decoder.up.3.block.0        (counted the other way)
 *     ....upsamplers.0.conv              same        decoder.up.3.upsample.conv
 *     ....conv_shortcut                  same        nin_shortcut
 *     encoder.mid_block.resnets.1        same        encoder.mid.block_2
 *     encoder.mid_block.attentions.0     same        encoder.mid.attn_1
 *     group_norm to_q to_k to_v          query ...   norm q k v                  (1 x 1 convolutions)
 *     to_out.0                           proj_attn   proj_out
 *     encoder.conv_norm_out              same        encoder.norm_out
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/number.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "model/autoencoder.h"
#include "model/autoencoder_layers.h"
#include "model/params_file.h"

enum { NAME = 160 };

/* --- names ------------------------------------------------------------------------------------ */

/* What an autoencoder's names begin with in this file; NULL: it has none. */
static const char *prefix_of(const hidi_tensor_file *file)
{
    static const char *const prefixes[] = {"", "first_stage_model.", "vae.", "module."};
    char name[NAME];
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        snprintf(name, sizeof name, "%sdecoder.conv_in.weight", prefixes[i]);
        const hidi_file_tensor *tensor = hidi_tensor_file_find(file, name);
        if (tensor != NULL && tensor->rank == 4)
            return prefixes[i];
    }
    return NULL;
}

bool hidi_is_autoencoder(const hidi_tensor_file *file)
{
    return prefix_of(file) != NULL;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The number behind `prefix` at the beginning of the name, and what follows it; false: another. */
static bool numbered(const char *name, const char *prefix, size_t *number, const char **rest)
{
    char *end;
    if (!starts_with(name, prefix) || !isdigit((unsigned char)name[strlen(prefix)]))
        return false;
    *number = (size_t)strtoul(name + strlen(prefix), &end, 10);
    *rest = end;
    return *number < 1000 && *end == '.';
}

/* How many levels CompVis' decoder.up counts to. */
static size_t count_up(const hidi_tensor_file *file, const char *prefix)
{
    size_t n = 0, number;
    const char *rest;
    for (size_t i = 0; i < file->n_tensors; i++)
        if (starts_with(file->tensor[i].name, prefix) &&
            numbered(file->tensor[i].name + strlen(prefix), "decoder.up.", &number, &rest) &&
            number + 1 > n)
            n = number + 1;
    return n;
}

/* The first of the pairs whose first word `word` begins with, replaced by the second. */
static bool replace(char *out, size_t size, const char *word, const char *const (*pairs)[2],
                    size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (starts_with(word, pairs[i][0])) {
            snprintf(out, size, "%s%s", pairs[i][1], word + strlen(pairs[i][0]));
            return true;
        }
    snprintf(out, size, "%s", word);
    return false;
}

#define REPLACE(out, word, pairs) \
    replace(out, sizeof out, word, pairs, sizeof pairs / sizeof *pairs)

/* `name`, without the file's prefix, as diffusers has it now. */
static void present_name(char *out, size_t size, const char *name, size_t levels)
{
    static const char *const halves[][2] = {{"mid.block_1.", "mid_block.resnets.0."},
                                            {"mid.block_2.", "mid_block.resnets.1."},
                                            {"mid.attn_1.", "mid_block.attentions.0."},
                                            {"norm_out.", "conv_norm_out."}};
    static const char *const parts[][2] = {{"downsample.conv", "downsamplers.0.conv"},
                                           {"upsample.conv", "upsamplers.0.conv"},
                                           {"block.", "resnets."}};
    static const char *const layers[][2] = {{"norm.", "group_norm."}, {"q.", "to_q."},
                                            {"k.", "to_k."},          {"v.", "to_v."},
                                            {"proj_out.", "to_out.0."}, {"query.", "to_q."},
                                            {"key.", "to_k."},        {"value.", "to_v."},
                                            {"proj_attn.", "to_out.0."}};
    static const char attention[] = "mid_block.attentions.0.";
    const bool is_encoder = starts_with(name, "encoder.");
    const bool is_decoder = starts_with(name, "decoder.");
    char inner[NAME], part[NAME], *shortcut;
    const char *rest, *half = is_encoder ? "encoder" : "decoder";
    size_t number;
    if (!is_encoder && !is_decoder) {
        snprintf(out, size, "%s", name);
        return;
    }
    name += strlen("encoder.");
    if (numbered(name, "down.", &number, &rest) || numbered(name, "up.", &number, &rest)) {
        REPLACE(part, rest + 1, parts);
        snprintf(inner, sizeof inner, "%s_blocks.%zu.%.120s", is_encoder ? "down" : "up",
                 is_encoder ? number : levels - 1 - number, part);
    } else {
        REPLACE(inner, name, halves);
    }
    if (starts_with(inner, attention)) {
        REPLACE(part, inner + strlen(attention), layers);
        snprintf(inner, sizeof inner, "%s%.120s", attention, part);
    }
    if ((shortcut = strstr(inner, "nin_shortcut.")) != NULL) {
        snprintf(part, sizeof part, "%s", shortcut + strlen("nin_shortcut."));
        snprintf(shortcut, sizeof inner - (size_t)(shortcut - inner), "conv_shortcut.%.32s", part);
    }
    snprintf(out, size, "%s.%.150s", half, inner);
}

/* [C, C, 1, 1] of the attention is a matrix. */
static int present_rank(const hidi_file_tensor *tensor, const char *name)
{
    const bool is_linear = strstr(name, ".to_") != NULL && tensor->rank == 4 &&
                           tensor->dim[2] == 1 && tensor->dim[3] == 1;
    return is_linear ? 2 : tensor->rank;
}

/* The parts' tensors of the file, under present names; what else it has is left out. */
static hidi_status present_names(hidi_tensor_file *view, const hidi_tensor_file *file,
                                 hidi_autoencoder_parts parts)
{
    static const struct {
        const char *text;
        hidi_autoencoder_parts part;
    } beginnings[] = {{"encoder.", HIDI_ENCODER}, {"quant_conv.", HIDI_ENCODER},
                      {"decoder.", HIDI_DECODER}, {"post_quant_conv.", HIDI_DECODER}};
    const char *prefix = prefix_of(file);
    const size_t levels = count_up(file, prefix);
    char name[NAME];
    HIDI_TRY(hidi_tensor_file_set_path(view, file->path));
    for (size_t i = 0; i < file->n_tensors; i++) {
        const hidi_file_tensor *tensor = &file->tensor[i];
        if (!starts_with(tensor->name, prefix) || strlen(tensor->name) >= NAME - 32)
            continue;
        present_name(name, sizeof name, tensor->name + strlen(prefix), levels);
        for (size_t k = 0; k < sizeof beginnings / sizeof beginnings[0]; k++)
            if (parts & beginnings[k].part && starts_with(name, beginnings[k].text))
                HIDI_TRY(hidi_tensor_file_refer(view, name, tensor->dtype,
                                                present_rank(tensor, name), tensor->dim,
                                                tensor->data));
    }
    for (size_t i = 0; i < file->n_keys; i++)
        HIDI_TRY(hidi_tensor_file_add_meta(view, file->key[i], file->value[i]));
    return HIDI_OK;
}

/* --- sizes ------------------------------------------------------------------------------------ */

static const hidi_file_tensor *find(const hidi_tensor_file *view, const char *format, size_t i,
                                    size_t j)
{
    char name[NAME];
    snprintf(name, sizeof name, format, i, j);
    const hidi_file_tensor *tensor = hidi_tensor_file_find(view, name);
    return tensor != NULL && tensor->rank == 4 ? tensor : NULL;
}

/* What shapes say, from the half of which there is something: levels[i] channels, i from the
 * image's down, and how many blocks the first level of that half has. */
static hidi_status infer_shapes(hidi_autoencoder_config *c, const hidi_tensor_file *view,
                                hidi_autoencoder_parts parts)
{
    const bool by_encoder = parts & HIDI_ENCODER;
    const char *first = by_encoder ? "encoder.down_blocks.%zu.resnets.%zu.conv1.weight"
                                   : "decoder.up_blocks.%zu.resnets.%zu.conv1.weight";
    const hidi_file_tensor *in, *out, *tensor;
    HIDI_TRY(hidi_tensor_file_need(view, by_encoder ? "encoder.conv_in.weight"
                                                    : "decoder.conv_in.weight", &in));
    HIDI_TRY(hidi_tensor_file_need(view, by_encoder ? "encoder.conv_out.weight"
                                                    : "decoder.conv_out.weight", &out));
    if (in->rank != 4 || out->rank != 4)
        return hidi_error(HIDI_BAD_FORMAT, "%s: conv_in or conv_out has not rank 4", view->path);
    c->image_channels = by_encoder ? in->dim[1] : out->dim[0];
    c->latent_channels = by_encoder ? out->dim[0] / 2 : in->dim[1];
    c->levels = 0;
    while (c->levels < HIDI_AUTOENCODER_MOST_LEVELS && (tensor = find(view, first, c->levels, 0)))
        c->width[c->levels++] = tensor->dim[0];
    for (size_t i = 0; !by_encoder && i < c->levels / 2; i++) {
        const size_t width = c->width[i];
        c->width[i] = c->width[c->levels - 1 - i];
        c->width[c->levels - 1 - i] = width;
    }
    c->blocks = 0;
    while (c->blocks <= HIDI_AUTOENCODER_MOST_BLOCKS && find(view, first, 0, c->blocks) != NULL)
        c->blocks++;
    c->blocks -= !by_encoder && c->blocks > 0;
    c->has_quant = find(view, "quant_conv.weight", 0, 0) != NULL;
    c->has_post_quant = find(view, "post_quant_conv.weight", 0, 0) != NULL;
    if (c->levels == 0 || c->blocks == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no residual blocks of an autoencoder's %s",
                          view->path, by_encoder ? "encoder" : "decoder");
    return HIDI_OK;
}

/* What they do not: from the metadata, or as SD-VAE has it. */
static hidi_status infer_rest(hidi_autoencoder_config *c, const hidi_tensor_file *file)
{
    const char *groups = hidi_tensor_file_meta(file, "hidi.groups");
    const char *scale = hidi_tensor_file_meta(file, "hidi.scale");
    long number = 32;
    c->scale = HIDI_SD_SCALE;
    if (groups != NULL && (!hidi_parse_long(groups, &number) || number < 1))
        return hidi_error(HIDI_BAD_FORMAT, "%s: hidi.groups \"%.40s\" is not a number of groups",
                          file->path, groups);
    if (scale != NULL && (!hidi_parse_double(scale, &c->scale) || !(c->scale > 0)))
        return hidi_error(HIDI_BAD_FORMAT, "%s: hidi.scale \"%.40s\" is not a number above 0",
                          file->path, scale);
    c->groups = (size_t)number;
    return HIDI_OK;
}

/* --- files ------------------------------------------------------------------------------------ */

/* That the file has all that such a network needs, before memory is asked for. */
static hidi_status check_shapes(const hidi_autoencoder_config *config, const hidi_backend *backend,
                                const hidi_tensor_file *view, hidi_autoencoder_parts parts)
{
    hidi_autoencoder net = {.config = *config, .parts = parts};
    hidi_params_init(&net.params, backend);
    hidi_status status = hidi_error_prefix(hidi_autoencoder_declare(&net), "%s", view->path);
    if (status == HIDI_OK)
        status = hidi_params_check_shapes(&net.params, "", view);
    hidi_params_free(&net.params);
    return status;
}

static hidi_status from_view(hidi_autoencoder **net, const hidi_backend *backend,
                             const hidi_tensor_file *view, hidi_autoencoder_parts parts)
{
    hidi_autoencoder_config config = {0};
    HIDI_TRY(infer_shapes(&config, view, parts));
    HIDI_TRY(infer_rest(&config, view));
    HIDI_TRY(check_shapes(&config, backend, view, parts));
    HIDI_TRY(hidi_autoencoder_create(net, backend, &config, parts));
    hidi_status status = hidi_params_from_file(&(*net)->params, (*net)->params.value, "", view);
    if (status == HIDI_OK)
        status = hidi_params_check_superfluous(&(*net)->params, "", NULL, view);
    if (status != HIDI_OK) {
        hidi_autoencoder_destroy(*net);
        *net = NULL;
    }
    return status;
}

hidi_status hidi_autoencoder_from_file(hidi_autoencoder **autoencoder, const hidi_backend *backend,
                                       const hidi_tensor_file *file, hidi_autoencoder_parts parts)
{
    hidi_tensor_file view;
    *autoencoder = NULL;
    if (!hidi_is_autoencoder(file))
        return hidi_error(HIDI_BAD_FORMAT, "%s: no decoder.conv_in.weight: not an autoencoder",
                          file->path);
    hidi_tensor_file_init(&view);
    hidi_status status = present_names(&view, file, parts);
    if (status == HIDI_OK)
        status = from_view(autoencoder, backend, &view, parts);
    hidi_tensor_file_free(&view);
    return status;
}

hidi_status hidi_autoencoder_to_file(const hidi_autoencoder *net, hidi_tensor_file *file)
{
    char text[64];
    HIDI_TRY(hidi_params_to_file(&net->params, net->params.value, "", file));
    snprintf(text, sizeof text, "%zu", net->config.groups);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.groups", text));
    hidi_print_double(text, sizeof text, "%.9g", net->config.scale);
    return hidi_tensor_file_add_meta(file, "hidi.scale", text);
}

hidi_status hidi_autoencoder_save(const hidi_autoencoder *autoencoder, const char *path)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_autoencoder_to_file(autoencoder, &file);
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, path);
    hidi_tensor_file_free(&file);
    return status;
}

hidi_status hidi_autoencoder_load(hidi_autoencoder **autoencoder, const hidi_backend *backend,
                                  const char *path, hidi_autoencoder_parts parts)
{
    hidi_tensor_file file;
    *autoencoder = NULL;
    HIDI_TRY(hidi_tensor_file_open(&file, path, NULL));
    hidi_status status = hidi_autoencoder_from_file(autoencoder, backend, &file, parts);
    hidi_tensor_file_free(&file);
    return status;
}

char *hidi_autoencoder_text(const hidi_autoencoder_config *c, char *text, size_t size)
{
    char scale[HIDI_NUMBER_TEXT], widths[160] = "";
    for (size_t i = 0; i < c->levels; i++)
        snprintf(widths + strlen(widths), sizeof widths - strlen(widths), " %zu", c->width[i]);
    snprintf(text, size,
             "autoencoder, %zu pixels a side for one of a latent, images of %zu channels, latents of "
             "%zu, widths%s, %zu blocks a level, %zu groups, scale %s",
             hidi_autoencoder_factor(c), c->image_channels, c->latent_channels, widths, c->blocks,
             c->groups, hidi_print_double(scale, sizeof scale, "%g", c->scale));
    return text;
}
