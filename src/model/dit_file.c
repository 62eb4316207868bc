/* dit_file.c - a DiT to and from named tensors, with the names of facebookresearch/DiT. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/choice.h"
#include "io/number.h"
#include "io/safetensors.h"
#include "model/dit.h"
#include "model/dit_layers.h"
#include "model/params_file.h"

/* What is there only if it may be taken for something else. */
static hidi_status rest_to_file(const hidi_dit_config *c, hidi_tensor_file *file)
{
    char text[64];
    if (c->prediction != HIDI_VELOCITY || c->out_channels != c->channels)
        HIDI_TRY(hidi_tensor_file_add_meta(
            file, "hidi.prediction",
            hidi_choice_name(HIDI_PREDICTIONS, c->prediction, text, sizeof text)));
    if (c->least_data > 0)
        HIDI_TRY(hidi_tensor_file_add_meta(
            file, "hidi.least_data", hidi_format_double(text, c->least_data)));
    snprintf(text, sizeof text, "%zu", c->caption_length);
    if (c->caption_width > 0)
        HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.caption_length", text));
    if (c->position_scale > 0 && c->position_scale != 1)
        HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.position_scale",
                                           hidi_format_double(text, c->position_scale)));
    if (c->code != HIDI_CODE_DIT)
        HIDI_TRY(hidi_tensor_file_add_meta(
            file, "hidi.code", hidi_choice_name(HIDI_DIT_CODES, c->code, text, sizeof text)));
    return HIDI_OK;
}

hidi_status hidi_dit_to_file(const hidi_dit *dit, const char *prefix, hidi_tensor_file *file)
{
    const hidi_dit_config *c = &dit->config;
    const size_t side = c->image_size / c->patch, T = side * side;
    char name[128], text[64];
    HIDI_TRY(hidi_params_to_file(&dit->params, dit->params.value, prefix, file));

    hidi_real *host = malloc(T * c->width * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "DiT: out of memory");
    dit->params.backend->download(host, dit->positions, T * c->width * sizeof *host);
    snprintf(name, sizeof name, "%spos_embed", prefix);
    hidi_status status = dit->params.backend->check();
    if (status == HIDI_OK)
        status = hidi_tensor_file_add_real(file, name, 3, (size_t[]){1, T, c->width}, host);
    free(host);
    if (status != HIDI_OK || (prefix[0] != '\0' && strcmp(prefix, "average.") != 0))
        return status;
    snprintf(text, sizeof text, "%zu", c->heads);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.heads", text));
    hidi_print_double(text, sizeof text, "%.17g", c->time_scale);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.time_scale", text));
    return rest_to_file(c, file);
}

/* The tensor prefix + name, which must have the given rank. */
static hidi_status find(const hidi_tensor_file *file, const char *prefix, const char *name,
                        int rank, const hidi_file_tensor **tensor)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    HIDI_TRY(hidi_tensor_file_need(file, full, tensor));
    if ((*tensor)->rank != rank)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s has rank %d, a DiT's has %d", file->path, full,
                          (*tensor)->rank, rank);
    return HIDI_OK;
}

static bool has(const hidi_tensor_file *file, const char *prefix, const char *name)
{
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    return hidi_tensor_file_find(file, full) != NULL;
}

static size_t count_blocks(const hidi_tensor_file *file, const char *prefix)
{
    char name[64];
    size_t depth = 0;
    do
        snprintf(name, sizeof name, "blocks.%zu.attn.qkv.weight", depth++);
    while (has(file, prefix, name) && depth <= HIDI_DIT_MOST_DEPTH + 1);
    return depth - 1;
}

/* A file of hidi's that is none is named for what it is. */
static hidi_status check_kind(const hidi_tensor_file *file, const char *prefix)
{
    static const char *const kinds[][2] = {
        {"hidi-feature-net", "a feature net"},
        {"hidi-heads", "a discriminator's heads"},
        {"hidi-checkpoint", "a checkpoint, of which --key average is the network so far"}};
    const char *format = hidi_tensor_file_meta(file, "format");
    if (format == NULL || has(file, prefix, "x_embedder.proj.weight"))
        return HIDI_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(format, kinds[i][0]) == 0)
            return hidi_error(HIDI_BAD_FORMAT, "%s is %s; expected a DiT, a teacher or a student",
                              file->path, kinds[i][1]);
    return HIDI_OK;
}

/* A number of the metadata, which is above 0; *number stays as it is where there is none. */
static hidi_status meta_number(const hidi_tensor_file *file, const char *key, double *number)
{
    const char *text = hidi_tensor_file_meta(file, key), *name = key + strlen("hidi.");
    if (text == NULL)
        return HIDI_OK;
    if (hidi_parse_double(text, number) && *number > 0)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: %s \"%.40s\" is not a number above 0 (hidi convert "
                                       "--set %s=N sets it)",
                      file->path, key, text, name);
}

/* ... and a whole one. */
static hidi_status meta_count(const hidi_tensor_file *file, const char *key, size_t *count)
{
    const char *text = hidi_tensor_file_meta(file, key), *name = key + strlen("hidi.");
    long number;
    if (text == NULL)
        return HIDI_OK;
    if (!hidi_parse_long(text, &number) || number < 1)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s \"%.40s\" is not a number of %s (hidi convert "
                                           "--set %s=N sets it)",
                          file->path, key, text, name, name);
    *count = (size_t)number;
    return HIDI_OK;
}

static size_t count_text_blocks(const hidi_tensor_file *file, const char *prefix)
{
    char name[64];
    size_t depth = 0;
    do
        snprintf(name, sizeof name, "y_embedder.blocks.%zu.attn.qkv.weight", depth++);
    while (has(file, prefix, name) && depth <= HIDI_DIT_MOST_DEPTH + 1);
    return depth - 1;
}

/* Classes, words or embeddings. */
static hidi_status infer_condition(hidi_dit_config *c, const hidi_tensor_file *file,
                                   const char *prefix)
{
    const hidi_file_tensor *table, *positions;
    if (has(file, prefix, "y_embedder.words.weight")) {
        HIDI_TRY(find(file, prefix, "y_embedder.words.weight", 2, &table));
        HIDI_TRY(find(file, prefix, "y_embedder.positions", 2, &positions));
        c->words = table->dim[0];
        c->caption_length = positions->dim[0];
        c->text_depth = count_text_blocks(file, prefix);
        return HIDI_OK;
    }
    if (has(file, prefix, "y_embedder.y_proj.fc1.weight")) {
        HIDI_TRY(find(file, prefix, "y_embedder.y_proj.fc1.weight", 2, &table));
        c->caption_width = table->dim[1];
        c->no_null = !has(file, prefix, "y_embedder.y_embedding");
        if (!c->no_null) {
            HIDI_TRY(find(file, prefix, "y_embedder.y_embedding", 2, &table));
            c->null_length = table->dim[0];
        }
        c->caption_length = c->null_length > 120 ? c->null_length : 120; /* PixArt-alpha's */
        return meta_count(file, "hidi.caption_length", &c->caption_length);
    }
    HIDI_TRY(find(file, prefix, "y_embedder.embedding_table.weight", 2, &table));
    if (table->dim[0] < 2)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %zu classes with the null class: not a DiT's",
                          file->path, table->dim[0]);
    c->n_classes = table->dim[0] - 1;
    return HIDI_OK;
}

/* What the shapes say. */
static hidi_status infer_shapes(hidi_dit_config *c, const hidi_tensor_file *file,
                                const char *prefix, size_t image_size)
{
    const hidi_file_tensor *proj, *fc1, *final_layer, *pos;
    HIDI_TRY(find(file, prefix, "x_embedder.proj.weight", 4, &proj));
    HIDI_TRY(find(file, prefix, "blocks.0.mlp.fc1.weight", 2, &fc1));
    HIDI_TRY(find(file, prefix, "final_layer.linear.weight", 2, &final_layer));
    c->width = proj->dim[0];
    c->channels = proj->dim[1];
    c->patch = proj->dim[2];
    c->mlp_width = fc1->dim[0];
    c->depth = count_blocks(file, prefix);
    c->has_interval = has(file, prefix, "h_embedder.mlp.0.weight");
    c->adaln = has(file, prefix, "t_block.1.weight") ? HIDI_ADALN_SINGLE : HIDI_ADALN_ZERO;
    c->qk_norm = has(file, prefix, "blocks.0.attn.q_norm.weight");
    /* Nothing is computed from extents before these checks: a tensor without elements may have
     * others of any size. */
    if (c->patch < 1 || c->patch > HIDI_DIT_MOST_PATCH || proj->dim[3] != c->patch)
        return hidi_error(HIDI_BAD_FORMAT, "%s: patches of %zu x %zu: not a DiT's", file->path,
                          proj->dim[2], proj->dim[3]);
    HIDI_TRY(infer_condition(c, file, prefix));
    if (has(file, prefix, "r_embedder.mlp.0.weight"))
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: r_embedder: codes of MeanFlow embed r under this name, or h = t - r "
                          "as hidi does in h_embedder; if it is h here, hidi convert --set "
                          "r_embedder=h gives it that name",
                          file->path);
    c->out_channels = final_layer->dim[0] / (c->patch * c->patch);
    c->image_size = image_size;
    if (has(file, prefix, "pos_embed")) {
        HIDI_TRY(find(file, prefix, "pos_embed", 3, &pos));
        const size_t side = (size_t)(sqrt((double)pos->dim[1]) + 0.5);
        if (pos->dim[0] != 1 || side > HIDI_DIT_MOST_SIDE / c->patch ||
            side * side != pos->dim[1] || pos->dim[2] != c->width ||
            (image_size != 0 && image_size != side * c->patch))
            return hidi_error(HIDI_BAD_FORMAT, "%s: pos_embed [%zu, %zu, %zu] is not [1, T, %zu] "
                                               "of a square image",
                              file->path, pos->dim[0], pos->dim[1], pos->dim[2], c->width);
        c->image_size = side * c->patch;
    }
    return HIDI_OK;
}

/* --- what they do not say --------------------------------------------------------------------- */

/* One of several words. */
static hidi_status meta_choice(const hidi_tensor_file *file, const char *key, const char *words,
                               int *index)
{
    const char *text = hidi_tensor_file_meta(file, key);
    if (text == NULL || hidi_choice_find(words, text, index))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: %s \"%.40s\" is none of: %s", file->path, key, text,
                      words);
}

/* What is given, or else in the metadata; what neither says is left as it is. */
static hidi_status take_what_is_said(hidi_dit_config *c, const hidi_tensor_file *file,
                                     const hidi_dit_given *given)
{
    if (given->heads == 0)
        HIDI_TRY(meta_count(file, "hidi.heads", &c->heads));
    else
        c->heads = given->heads;
    if (!(given->time_scale > 0))
        HIDI_TRY(meta_number(file, "hidi.time_scale", &c->time_scale));
    else
        c->time_scale = given->time_scale;
    if (given->prediction == 0)
        HIDI_TRY(meta_choice(file, "hidi.prediction", HIDI_PREDICTIONS, &c->prediction));
    else
        c->prediction = given->prediction - 1;
    if (given->code == 0)
        HIDI_TRY(meta_choice(file, "hidi.code", HIDI_DIT_CODES, &c->code));
    else
        c->code = given->code - 1;
    if (c->image_size == 0)
        HIDI_TRY(meta_count(file, "hidi.image_size", &c->image_size));
    size_t told = c->image_size;
    HIDI_TRY(meta_count(file, "hidi.told_size", &told));
    if (told != c->image_size)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s is told that images are %zu x %zu, not %zu (hidi "
                                             "convert --set image_size=N tells it another size)",
                          file->path, told, told, c->image_size);
    if (given->caption_length > 0 && c->caption_width > 0)
        c->caption_length = given->caption_length;
    HIDI_TRY(meta_number(file, "hidi.position_scale", &c->position_scale));
    return meta_number(file, "hidi.least_data", &c->least_data);
}

enum { UNKNOWN = -1 }; /* a prediction */

/* What follows from the rest. */
static void conclude(hidi_dit_config *c, bool has_positions)
{
    /* diffusers' PixArt: places of 64 x 64 latents, in larger ones too */
    if (!(c->position_scale > 0) && c->adaln == HIDI_ADALN_SINGLE && !has_positions)
        c->position_scale = c->image_size > 64 ? (double)(c->image_size / 64) : 1;
    if (c->heads == 0)
        c->heads = hidi_dit_published_heads(c->width, c->depth);
    if (c->prediction == UNKNOWN && (c->out_channels == c->channels || c->has_interval))
        c->prediction = HIDI_VELOCITY;
    if (!(c->time_scale > 0) && c->prediction == HIDI_SIT)
        c->time_scale = 1;
    if (!(c->time_scale > 0) && c->prediction == HIDI_EPSILON)
        c->time_scale = 1000;
}

/* All that is still open, with the options that say it. */
static hidi_status ask(const hidi_dit_config *c, const hidi_tensor_file *file)
{
    const bool no_scale = !(c->time_scale > 0) && c->prediction != UNKNOWN;
    if (c->heads > 0 && c->prediction != UNKNOWN && !no_scale && c->image_size > 0)
        return HIDI_OK;
    char variance[200] = "";
    if (c->prediction == UNKNOWN)
        snprintf(variance, sizeof variance,
                 ", what it predicts (%zu channels put out for %zu: --set prediction=epsilon for "
                 "DiT's files, prediction=sit for SiT's)",
                 c->out_channels, c->channels);
    char list[512];
    snprintf(list, sizeof list, "%s%s%s%s",
             c->heads == 0 ? ", how many heads it has (--set heads=N)" : "", variance,
             no_scale ? ", what t in [0, 1] is multiplied by (--set time_scale=S: 1 for SiT, 1000 "
                        "for DiT)" : "",
             c->image_size == 0 ? ", the image size, having no pos_embed (--set image_size=N)" : "");
    return hidi_error(HIDI_BAD_ARGUMENT, "%s does not say %s", file->path, list + 2);
}

hidi_status hidi_dit_config_of(hidi_dit_config *config, const hidi_tensor_file *file,
                               const char *prefix, const hidi_dit_given *given)
{
    const hidi_dit_given nothing = {.heads = 0};
    if (given == NULL)
        given = &nothing;
    *config = (hidi_dit_config){.prediction = UNKNOWN, .bf16 = given->bf16};
    HIDI_TRY(check_kind(file, prefix));
    HIDI_TRY(infer_shapes(config, file, prefix, given->image_size));
    HIDI_TRY(take_what_is_said(config, file, given));
    conclude(config, has(file, prefix, "pos_embed"));
    return ask(config, file);
}

/* --- the network ------------------------------------------------------------------------------ */

static hidi_status read_positions(hidi_dit *dit, const hidi_tensor_file *file, const char *prefix)
{
    const hidi_file_tensor *pos;
    if (!has(file, prefix, "pos_embed"))
        return HIDI_OK;
    HIDI_TRY(find(file, prefix, "pos_embed", 3, &pos));
    hidi_real *host = malloc(pos->count * sizeof *host);
    if (host == NULL)
        return hidi_error(HIDI_NO_MEMORY, "DiT: out of memory");
    hidi_file_tensor_real(pos, host);
    hidi_status status = HIDI_OK;
    for (size_t k = 0; k < pos->count && status == HIDI_OK; k++)
        if (!isfinite(host[k]))
            status = hidi_error(HIDI_BAD_FORMAT, "%s: %s holds %g at element %zu", file->path,
                                pos->name, (double)host[k], k);
    if (status == HIDI_OK)
        dit->params.backend->upload(dit->positions, host, pos->count * sizeof *host);
    free(host);
    return status;
}

/* That the file has all that such a network needs, before memory is asked for. */
static hidi_status check_shapes(const hidi_dit_config *config, const hidi_backend *backend,
                                const hidi_tensor_file *file, const char *prefix)
{
    hidi_dit dit = {.config = *config};
    hidi_params_init(&dit.params, backend);
    hidi_status status = hidi_error_prefix(hidi_dit_declare(&dit), "%s", file->path);
    if (status == HIDI_OK)
        status = hidi_params_check_shapes(&dit.params, prefix, file);
    hidi_params_free(&dit.params);
    return status;
}

hidi_status hidi_dit_read(hidi_dit **dit, const hidi_backend *backend, const hidi_tensor_file *file,
                          const char *prefix, const hidi_dit_given *given)
{
    hidi_dit_config config;
    *dit = NULL;
    HIDI_TRY(hidi_dit_config_of(&config, file, prefix, given));
    HIDI_TRY(check_shapes(&config, backend, file, prefix));
    hidi_status status = hidi_dit_create(dit, backend, &config);
    if (status != HIDI_OK)
        return hidi_error_prefix(status, "%s", file->path);
    status = hidi_params_from_file(&(*dit)->params, (*dit)->params.value, prefix, file);
    if (status == HIDI_OK)
        status = read_positions(*dit, file, prefix);
    if (status == HIDI_OK)
        status = hidi_params_check_superfluous(&(*dit)->params, prefix, "pos_embed", file);
    if (status != HIDI_OK) {
        hidi_dit_destroy(*dit);
        *dit = NULL;
    }
    return status;
}

hidi_status hidi_dit_from_file(hidi_dit **dit, const hidi_backend *backend,
                               const hidi_tensor_file *file, const char *prefix, size_t heads,
                               double time_scale, size_t image_size)
{
    const hidi_dit_given given = {
        .heads = heads, .time_scale = time_scale, .image_size = image_size};
    return hidi_dit_read(dit, backend, file, prefix, &given);
}

hidi_status hidi_dit_save(const hidi_dit *dit, const char *path)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_dit_to_file(dit, "", &file);
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, path);
    hidi_tensor_file_free(&file);
    return status;
}

hidi_status hidi_dit_load(hidi_dit **dit, const hidi_backend *backend, const char *path)
{
    hidi_tensor_file file;
    *dit = NULL;
    HIDI_TRY(hidi_dit_open(&file, path, NULL));
    hidi_status status = hidi_dit_read(dit, backend, &file, "", NULL);
    hidi_tensor_file_free(&file);
    return status;
}

char *hidi_dit_asked_text(const hidi_dit_config *c, char *text, size_t size)
{
    if (c->words > 0)
        snprintf(text, size, "captions of %zu words", c->caption_length);
    else if (c->caption_length > 0)
        snprintf(text, size, "captions of %zu tokens of width %zu%s", c->caption_length,
                 c->caption_width, c->no_null ? " without a null caption" : "");
    else
        snprintf(text, size, "%zu classes", c->n_classes);
    return text;
}

char *hidi_dit_text(const hidi_dit_config *c, char *text, size_t size)
{
    static const char *const predicts[] = {"", ", predicts SiT's velocity", ", predicts epsilon"};
    char scale[HIDI_NUMBER_TEXT], asked[96];
    hidi_dit_asked_text(c, asked, sizeof asked);
    snprintf(text, size,
             "%s %zux%zux%zu, patch %zu (%zu tokens), width %zu, depth %zu, %zu heads, "
             "%s%s%s, time scale %s%s%s",
             c->has_interval ? "DiT u(z, r, t, y)" : "DiT v(z, t, y)", c->image_size, c->image_size,
             c->channels, c->patch, c->image_size / c->patch * (c->image_size / c->patch), c->width,
             c->depth, c->heads, c->adaln == HIDI_ADALN_SINGLE ? "adaLN-single, " : "",
             c->qk_norm ? "QK-norm, " : "", asked,
             hidi_print_double(scale, sizeof scale, "%g", c->time_scale), predicts[c->prediction],
             c->code == HIDI_CODE_DIFFUSERS ? ", as diffusers computes it" : "");
    return text;
}
