/* caption.c - captions in: a text encoder that is trained with the network, or embeddings that were
 * computed elsewhere.
 *
 *     words        x = table[token] + positions                                   [B, L, D]
 *                  for each block:  x = x + attention(LN(x));  x = x + mlp(LN(x))   [ours; pre-LN]
 *                  c = LN(x)
 *     embeddings   c = linear(gelu(linear(e)))                    [base: PixArt, arXiv 2310.00426]
 *
 * A token attends to those of its own caption: what follows in a row is never looked at.  The null
 * caption is learned: one token, a row of the table, or one or more embeddings.
 */
#include "model/caption.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/dit_layers.h"

/* --- parameters ------------------------------------------------------------------------------- */

static hidi_status declare_linear(hidi_params *p, size_t out, size_t in, const char *name)
{
    HIDI_TRY(hidi_params_declare_matrix(p, out, in, "y_embedder.%s.weight", name));
    return hidi_params_declare(p, hidi_shape1(out), "y_embedder.%s.bias", name);
}

static hidi_status declare_block(hidi_params *p, size_t D, size_t i)
{
    static const struct {
        const char *name;
        size_t out, in; /* in units of D */
    } layers[] = {{"attn.qkv", 3, 1}, {"attn.proj", 1, 1}, {"mlp.fc1", 4, 1}, {"mlp.fc2", 1, 4}};
    char name[64];
    for (size_t k = 0; k < sizeof layers / sizeof layers[0]; k++) {
        snprintf(name, sizeof name, "blocks.%zu.%s", i, layers[k].name);
        HIDI_TRY(declare_linear(p, layers[k].out * D, layers[k].in * D, name));
    }
    return HIDI_OK;
}

hidi_status hidi_caption_declare(hidi_params *p, const hidi_dit_config *c)
{
    const size_t D = c->width;
    if (c->words == 0) {
        if (!c->no_null)
            HIDI_TRY(hidi_params_declare(p, hidi_shape2(c->null_length, c->caption_width),
                                         "y_embedder.y_embedding"));
        HIDI_TRY(declare_linear(p, D, c->caption_width, "y_proj.fc1"));
        return declare_linear(p, D, D, "y_proj.fc2");
    }
    HIDI_TRY(hidi_params_declare(p, hidi_shape2(c->words, D), "y_embedder.words.weight"));
    HIDI_TRY(hidi_params_declare(p, hidi_shape2(c->caption_length, D), "y_embedder.positions"));
    for (size_t i = 0; i < c->text_depth; i++)
        HIDI_TRY(declare_block(p, D, i));
    return HIDI_OK;
}

/* --- what is asked for ------------------------------------------------------------------------ */

/* The number of sample i's caption; that of the null caption where there is none. */
static size_t number_of(const hidi_condition *y, size_t i)
{
    if (y == NULL || (y->number == NULL && y->captions == NULL))
        return SIZE_MAX;
    return y->number != NULL ? (size_t)y->number[i] : 0;
}

static bool is_null(const hidi_condition *y, size_t i)
{
    const size_t k = number_of(y, i);
    return k == SIZE_MAX || k >= y->captions->n || y->captions->length[k] == 0;
}

/* That no sample is asked for the null caption, if there is none. */
static hidi_status check_null(const hidi_dit_config *c, const hidi_condition *y, size_t B)
{
    for (size_t i = 0; i < B && c->no_null; i++)
        if (is_null(y, i))
            return hidi_error(HIDI_BAD_ARGUMENT, "DiT: it has no null caption, which guidance "
                                                 "leads away from");
    return HIDI_OK;
}

hidi_status hidi_caption_check(const hidi_dit_config *c, const hidi_condition *y, size_t B)
{
    HIDI_TRY(check_null(c, y, B));
    if (y == NULL || (y->number == NULL && y->captions == NULL))
        return HIDI_OK;
    const hidi_captions *list = y->captions;
    if (list == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: asked for classes, but it takes captions");
    if (c->words > 0 ? list->token == NULL : list->embedding == NULL && list->stored == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "DiT: it takes captions as %s",
                          c->words > 0 ? "words" : "embeddings");
    if (c->words == 0 && list->width != c->caption_width)
        return hidi_error(HIDI_BAD_SHAPE, "DiT: embeddings of width %zu, expected %zu", list->width,
                          c->caption_width);
    const size_t most = list->most < c->caption_length ? list->most : c->caption_length;
    for (size_t i = 0; i < B; i++) {
        if (y->number != NULL && (y->number[i] < 0 || (size_t)y->number[i] > list->n))
            return hidi_error(HIDI_BAD_ARGUMENT, "DiT: caption %ld of %zu", (long)y->number[i],
                              list->n);
        if (!is_null(y, i) && (size_t)list->length[number_of(y, i)] > most)
            return hidi_error(HIDI_BAD_ARGUMENT, "DiT: a caption of %ld tokens, of at most %zu",
                              (long)list->length[number_of(y, i)], most);
    }
    return HIDI_OK;
}

/* --- the pass --------------------------------------------------------------------------------- */

/* What the pieces need. */
typedef struct pass {
    hidi_tape *tape;
    const hidi_dit *dit;
    bool frozen;
    const int32_t *length;
} pass;

static hidi_var *param(const pass *p, int i)
{
    return hidi_param_var(p->tape, &p->dit->params, p->dit->y_embedder + i, p->frozen);
}

static hidi_var *linear(const pass *p, hidi_var *x, int layer)
{
    hidi_var *w = param(p, layer), *b = param(p, layer + 1);
    return hidi_linear(p->tape, x, w, b);
}

static hidi_var *norm(const pass *p, hidi_var *x)
{
    return hidi_layer_norm(p->tape, x, NULL, NULL, (hidi_real)HIDI_DIT_EPS);
}

/* A block of the text encoder; first: the number of its first parameter. */
static hidi_var *block(const pass *p, hidi_var *x, int first)
{
    hidi_tape *tape = p->tape;
    const size_t D = p->dit->config.width;
    hidi_var *qkv = linear(p, norm(p, x), first + QKV);
    hidi_var *q = hidi_columns_of(tape, qkv, 0, D), *kv = hidi_columns_of(tape, qkv, D, 2 * D);
    hidi_var *attended = hidi_cross_attention(tape, q, kv, p->length, p->dit->config.heads);
    x = hidi_add(tape, x, linear(p, attended, first + PROJECTION));
    hidi_var *hidden = hidi_gelu(tape, linear(p, norm(p, x), first + FC1));
    return hidi_add(tape, x, linear(p, hidden, first + FC2));
}

/* index [B, L]: of the words; 0, the null caption's, where there are none */
static hidi_var *encode_words(const pass *p, const int32_t *index, size_t B)
{
    const hidi_dit_config *c = &p->dit->config;
    hidi_tape *tape = p->tape;
    const size_t n = B * c->caption_length;
    const int32_t *rows = hidi_indices(tape, index, n, c->words);
    hidi_var *x = hidi_embedding(tape, param(p, WORDS), rows, n);
    x = hidi_reshape(tape, x, hidi_shape3(B, c->caption_length, c->width));
    x = hidi_add_rows(tape, x, param(p, WORD_POSITIONS));
    for (size_t i = 0; i < c->text_depth; i++)
        x = block(p, x, TEXT_BLOCKS + (int)i * TEXT_BLOCK_PARAMS);
    return norm(p, x);
}

/* e [B, L, D_c]: 0 in the tokens of null captions, which missing [B L] has 1 for; row [B L] says
 * which of the null caption's tokens they are. */
static hidi_var *project(const pass *p, size_t B, hidi_var *e, hidi_var *missing,
                         const int32_t *row)
{
    hidi_tape *tape = p->tape;
    const hidi_dit_config *c = &p->dit->config;
    const size_t L = c->caption_length, W = c->caption_width, n = B * L;
    const int less = c->no_null ? 1 : 0;
    if (!c->no_null) {
        row = hidi_indices(tape, row, n, c->null_length);
        hidi_var *null = hidi_embedding(tape, param(p, NULL_EMBEDDING), row, n);
        null = hidi_scale_samples(tape, null, missing);
        e = hidi_add(tape, e, hidi_reshape(tape, null, hidi_shape3(B, L, W)));
    }
    return linear(p, hidi_gelu(tape, linear(p, e, CAPTION_FC1 - less)), CAPTION_FC2 - less);
}

static hidi_var *from_words(const pass *p, const hidi_condition *y, size_t B)
{
    const size_t L = p->dit->config.caption_length;
    int32_t *index = calloc(B * L + 1, sizeof *index);
    if (index == NULL)
        return hidi_tape_fail(p->tape, hidi_error(HIDI_NO_MEMORY, "no memory for captions"));
    for (size_t i = 0; i < B; i++)
        if (!is_null(y, i))
            memcpy(index + i * L, y->captions->token + number_of(y, i) * y->captions->most,
                   (size_t)p->length[i] * sizeof *index);
    hidi_var *c = encode_words(p, index, B);
    free(index);
    return c;
}

static hidi_var *from_embeddings(const pass *p, const hidi_condition *y, size_t B)
{
    const hidi_dit_config *c = &p->dit->config;
    const size_t L = c->caption_length, W = c->caption_width;
    hidi_real *e = calloc(B * L * W + 1, sizeof *e), *missing = calloc(B * L + 1, sizeof *missing);
    int32_t *row = calloc(B * L + 1, sizeof *row);
    hidi_var *tokens = NULL;
    if (e == NULL || missing == NULL || row == NULL) {
        tokens = hidi_tape_fail(p->tape, hidi_error(HIDI_NO_MEMORY, "no memory for captions"));
    } else {
        for (size_t i = 0; i < B; i++) {
            if (!is_null(y, i))
                hidi_captions_embedding(y->captions, number_of(y, i), e + i * L * W);
            for (size_t k = 0; is_null(y, i) && k < c->null_length; k++) {
                missing[i * L + k] = 1;
                row[i * L + k] = (int32_t)k;
            }
        }
        tokens = project(p, B, hidi_constant(p->tape, hidi_shape3(B, L, W), e),
                         hidi_constant(p->tape, hidi_shape1(B * L), missing), row);
    }
    free(e);
    free(missing);
    free(row);
    return tokens;
}

hidi_var *hidi_caption_tokens(hidi_tape *tape, const hidi_dit *dit, bool frozen,
                              const hidi_condition *y, size_t B, int32_t *length)
{
    const pass p = {.tape = tape, .dit = dit, .frozen = frozen, .length = length};
    const int32_t null_length = dit->config.words > 0 ? 1 : (int32_t)dit->config.null_length;
    for (size_t i = 0; i < B; i++)
        length[i] = is_null(y, i) ? null_length : y->captions->length[number_of(y, i)];
    return dit->config.words > 0 ? from_words(&p, y, B) : from_embeddings(&p, y, B);
}
