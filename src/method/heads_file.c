/* heads_file.c - discriminator heads as text, in settings, and as files. */
#include "method/heads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/choice.h"
#include "io/number.h"
#include "method/head.h"
#include "model/params_file.h"

/* --- settings --------------------------------------------------------------------------------- */

/* One option, "queries=4", of those that heads may have. */
static hidi_status parse_option(const char *option, hidi_heads_config *config)
{
    const char *equals = strchr(option, '=');
    const size_t length = equals != NULL ? (size_t)(equals - option) : 0;
    double value = 0;
    const bool is_number = equals != NULL && hidi_parse_double(equals + 1, &value) && value >= 0;
    const bool is_count = is_number && value <= 65536 && value == (double)(size_t)value;
#define IS(name) (length == strlen(name) && strncmp(option, name, length) == 0)
    if (strcmp(option, "conditional") == 0)
        config->conditional = true;
    else if (IS("queries") && is_count)
        config->queries = (size_t)value;
    else if (IS("key_width") && is_count)
        config->key_width = (size_t)value;
    else if (IS("k") && is_count)
        config->top = (size_t)value;
    else if (IS("temperature") && is_number)
        config->temperature = value;
    else if (IS("mean") && is_number && value <= 1)
        config->mean = value;
    else
        return hidi_error(HIDI_BAD_ARGUMENT, "\"%s\": expected conditional, queries=M, key_width=D, "
                                             "temperature=T, mean=SHARE or k=TOKENS", option);
#undef IS
    return HIDI_OK;
}

hidi_status hidi_heads_parse_kind(const char *text, hidi_heads_config *config)
{
    char word[128];
    const char *at = text;
    size_t length = strcspn(at, ":");
    snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, at);
    int kind = 0;
    if (!hidi_choice_find(HIDI_HEAD_KINDS, word, &kind))
        return hidi_error(HIDI_BAD_ARGUMENT, "\"%s\": expected one of: %s; with options after a "
                                             "colon, such as awd:queries=4,mean=0.5",
                          text, HIDI_HEAD_KINDS);
    config->kind = (hidi_head_kind)kind;
    for (at += length; *at != '\0'; at += length) {
        length = strcspn(++at, ",");
        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, at);
        HIDI_TRY(parse_option(word, config));
    }
    return HIDI_OK;
}

hidi_status hidi_heads_parse_blocks(const char *text, hidi_heads_config *config)
{
    long block[HIDI_MAX_TAPS];
    bool ascends = hidi_parse_longs(text, 0, 1000, HIDI_MAX_TAPS, block, &config->n);
    for (int i = 1; i < config->n; i++)
        ascends = ascends && block[i] > block[i - 1];
    if (!ascends)
        return hidi_error(HIDI_BAD_ARGUMENT, "blocks \"%s\": expected up to %d numbers from 0, "
                                             "ascending, such as 1,3",
                          text, HIDI_MAX_TAPS);
    for (int i = 0; i < config->n; i++)
        config->block[i] = (int)block[i];
    return HIDI_OK;
}

/* --- files ------------------------------------------------------------------------------------ */

/* Metadata of what shapes do not say; nothing if it is 0. */
static hidi_status add_number(hidi_tensor_file *file, const char *key, double value)
{
    char text[HIDI_NUMBER_TEXT];
    return value == 0 ? HIDI_OK
                      : hidi_tensor_file_add_meta(file, key, hidi_format_double(text, value));
}

static hidi_status read_number(const hidi_tensor_file *file, const char *key, double most,
                               double *value)
{
    const char *text = hidi_tensor_file_meta(file, key);
    *value = 0;
    if (text == NULL || (hidi_parse_double(text, value) && *value > 0 && *value <= most))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: \"%s\" of discriminator heads is \"%s\"; expected a "
                                       "number above 0, at most %g",
                      file->path, key, text, most);
}

hidi_status hidi_heads_to_file(const hidi_heads *heads, const char *prefix, hidi_tensor_file *file)
{
    const hidi_heads_config *c = &heads->config;
    char blocks[HIDI_MAX_TAPS * 6] = "";
    HIDI_TRY(hidi_params_to_file(&heads->params, heads->params.value, prefix, file));
    if (prefix[0] != '\0')
        return HIDI_OK;
    for (int j = 0; j < c->n; j++)
        snprintf(blocks + strlen(blocks), sizeof blocks - strlen(blocks), j ? ",%d" : "%d",
                 c->block[j]);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "format", "hidi-heads"));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "kind", hidi_head_name(c->kind)));
    HIDI_TRY(add_number(file, "temperature", c->temperature));
    HIDI_TRY(add_number(file, "mean", c->mean));
    HIDI_TRY(add_number(file, "top", (double)c->top));
    return hidi_tensor_file_add_meta(file, "blocks", blocks);
}

static hidi_status infer_config(hidi_heads_config *c, const hidi_tensor_file *file)
{
    const char *kind = hidi_tensor_file_meta(file, "kind");
    const char *blocks = hidi_tensor_file_meta(file, "blocks");
    const hidi_file_tensor *norm;
    int k = 0;
    memset(c, 0, sizeof *c);
    if (kind == NULL || blocks == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no discriminator heads: metadata \"kind\" and "
                                           "\"blocks\" are missing",
                          file->path);
    while (k < HIDI_HEAD_COUNT && strcmp(kind, hidi_head_name((hidi_head_kind)k)) != 0)
        k++;
    if (k == HIDI_HEAD_COUNT)
        return hidi_error(HIDI_BAD_FORMAT, "%s: heads of kind \"%s\"; known: %s", file->path, kind,
                          HIDI_HEAD_KINDS);
    c->kind = (hidi_head_kind)k;
    HIDI_TRY(hidi_heads_parse_blocks(blocks, c));
    HIDI_TRY(hidi_tensor_file_need(file, "heads.0.norm.weight", &norm));
    c->width = norm->count;
    double top;
    HIDI_TRY(read_number(file, "temperature", 1e6, &c->temperature));
    HIDI_TRY(read_number(file, "mean", 1, &c->mean));
    HIDI_TRY(read_number(file, "top", 65536, &top));
    c->top = (size_t)top;
    if ((double)c->top != top)
        return hidi_error(HIDI_BAD_FORMAT, "%s: \"top\" of discriminator heads is %g; expected a "
                                           "number of tokens", file->path, top);
    const hidi_head *head = hidi_head_of(c->kind);
    return head->infer != NULL ? head->infer(c, file) : HIDI_OK;
}

/* That the file has all that such heads need, before memory is asked for. */
static hidi_status check_shapes(const hidi_heads_config *config, const hidi_backend *backend,
                                const hidi_tensor_file *file)
{
    hidi_params params;
    hidi_params_init(&params, backend);
    hidi_status status = hidi_error_prefix(hidi_heads_declare(&params, config), "%s", file->path);
    if (status == HIDI_OK)
        status = hidi_params_check_shapes(&params, "", file);
    hidi_params_free(&params);
    return status;
}

hidi_status hidi_heads_from_file(hidi_heads **heads, const hidi_backend *backend,
                                 const hidi_tensor_file *file)
{
    hidi_heads_config config;
    *heads = NULL;
    hidi_status status = infer_config(&config, file);
    if (status == HIDI_OK)
        status = check_shapes(&config, backend, file);
    if (status == HIDI_OK)
        status = hidi_heads_create(heads, backend, &config);
    if (status != HIDI_OK)
        return status;
    status = hidi_params_from_file(&(*heads)->params, (*heads)->params.value, "", file);
    if (status == HIDI_OK)
        status = hidi_params_check_superfluous(&(*heads)->params, "", NULL, file);
    if (status != HIDI_OK) {
        hidi_heads_destroy(*heads);
        *heads = NULL;
    }
    return status;
}
