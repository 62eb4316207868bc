/* dit_foreign.c - files of weights as other people's programs leave them get the names of
 * facebookresearch/DiT, which dit_file.c reads.
 *
 *     {"model": ..., "ema": ..., "opt": ..., "args": ...}   DiT's and SiT's train.py: "ema"
 *     module.NAME, _orig_mod.NAME                           DataParallel, torch.compile: NAME
 *     transformer_blocks.0.attn1.to_q.weight                diffusers, see the tables below
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "model/dit_foreign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_file.h"
#include "io/number.h"
#include "io/open_tensors.h"

/* --- what wrappers put in front --------------------------------------------------------------- */

/* The part of a name after "word."; NULL: it does not begin with that. */
static char *after(char *name, const char *word)
{
    const size_t length = strlen(word);
    return strncmp(name, word, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

/* Takes a word off all names, if all of them (of this prefix or not) begin with it. */
static bool take_off(hidi_tensor_file *file, const char *word)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        if (after(file->tensor[i].name, word) == NULL)
            return false;
    for (size_t i = 0; i < file->n_tensors; i++) {
        char *name = file->tensor[i].name, *rest = after(name, word);
        memmove(name, rest, strlen(rest) + 1);
    }
    for (size_t i = 0; i < file->n_unread; i++) {
        char *text = file->unread[i], *rest = after(text, word);
        if (rest != NULL)
            memmove(text, rest, strlen(rest) + 1);
    }
    return file->n_tensors > 0;
}

/* Blocks that were compiled one by one: blocks.0._orig_mod.NAME. */
static void take_out(hidi_tensor_file *file)
{
    static const char word[] = "._orig_mod.";
    for (size_t i = 0; i < file->n_tensors; i++)
        for (char *at; (at = strstr(file->tensor[i].name, word)) != NULL;)
            memmove(at + 1, at + strlen(word), strlen(at + strlen(word)) + 1);
}

/* --- diffusers -------------------------------------------------------------------------------- */

/* Names around the blocks, and in them: of DiTTransformer2DModel and PixArtTransformer2DModel. */
static const char *const around[][2] = {
    {"pos_embed.proj.", "x_embedder.proj."},
    {"proj_out_1.", "final_layer.adaLN_modulation.1."},
    {"proj_out_2.", "final_layer.linear."},
    {"proj_out.", "final_layer.linear."},
    {"scale_shift_table", "final_layer.scale_shift_table"},
    {"adaln_single.emb.timestep_embedder.linear_1.", "t_embedder.mlp.0."},
    {"adaln_single.emb.timestep_embedder.linear_2.", "t_embedder.mlp.2."},
    {"adaln_single.linear.", "t_block.1."},
    {"caption_projection.linear_1.", "y_embedder.y_proj.fc1."},
    {"caption_projection.linear_2.", "y_embedder.y_proj.fc2."}};
static const char *const within[][2] = {
    {"norm1.linear.", "adaLN_modulation.1."}, {"scale_shift_table", "scale_shift_table"},
    {"attn1.to_out.0.", "attn.proj."},        {"attn2.to_q.", "cross_attn.q_linear."},
    {"attn2.to_out.0.", "cross_attn.proj."},  {"ff.net.0.proj.", "mlp.fc1."},
    {"ff.net.2.", "mlp.fc2."}};
/* What is joined, in this order. */
static const struct joined {
    const char *letters, *from, *to;
} joined[] = {{"qkv", "attn1", "attn.qkv"}, {"kv", "attn2", "cross_attn.kv_linear"}};
/* Every block has a copy of these, of which the first is used. */
static const char *const shared[][2] = {
    {"norm1.emb.timestep_embedder.linear_1.", "t_embedder.mlp.0."},
    {"norm1.emb.timestep_embedder.linear_2.", "t_embedder.mlp.2."},
    {"norm1.emb.class_embedder.embedding_table.", "y_embedder.embedding_table."}};
enum { N_AROUND = 10, N_WITHIN = 7, N_SHARED = 3, N_JOINED = 2 };

/* The entry of a table that `name` begins with, or n. */
static size_t entry_of(const char *name, const char *const (*table)[2], size_t n)
{
    size_t i = 0;
    while (i < n && strncmp(name, table[i][0], strlen(table[i][0])) != 0)
        i++;
    return i;
}

void hidi_dit_remove_tensor(hidi_tensor_file *file, const hidi_file_tensor *tensor)
{
    const size_t i = (size_t)(tensor - file->tensor);
    free(file->tensor[i].name);
    if (file->tensor[i].owned)
        free((void *)tensor->data);
    memmove(&file->tensor[i], &file->tensor[i + 1],
            (file->n_tensors - i - 1) * sizeof file->tensor[0]);
    file->n_tensors--;
}

static hidi_status rename_tensor(hidi_file_tensor *tensor, const char *front, const char *rest)
{
    char name[160];
    snprintf(name, sizeof name, "%s%s", front, rest);
    char *copy = strdup(name);
    if (copy == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a name");
    free(tensor->name);
    tensor->name = copy;
    return HIDI_OK;
}

static size_t bytes_of(const hidi_file_tensor *tensor)
{
    return tensor->count * hidi_dtype_bytes(tensor->dtype);
}

/* Such as "transformer_blocks.3.attn1.to_q.bias". */
static void name_part(char *name, size_t size, unsigned block, const struct joined *j, int i,
                      const char *kind)
{
    snprintf(name, size, "transformer_blocks.%u.%s.to_%c.%s", block, j->from, j->letters[i], kind);
}

/* q, k and v, [D, D] or [D] each, one after the other: [3 D, D] or [3 D]; or k and v. */
static hidi_status join(hidi_tensor_file *file, unsigned block, const struct joined *j,
                        const char *kind)
{
    const int n = (int)strlen(j->letters);
    const hidi_file_tensor *part[3] = {NULL};
    char name[128];
    size_t used = 0, dim[HIDI_FILE_MAX_RANK];
    for (int i = 0; i < n; i++) {
        name_part(name, sizeof name, block, j, i, kind);
        HIDI_TRY(hidi_tensor_file_need(file, name, &part[i]));
        if (part[i]->dtype != part[0]->dtype || part[i]->rank != part[0]->rank ||
            part[i]->rank < 1 || part[i]->count != part[0]->count || part[i]->data == NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: %s does not go with to_%c", file->path, name,
                              j->letters[0]);
    }
    unsigned char *all = malloc((size_t)n * bytes_of(part[0]) + 1);
    if (all == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for %s", file->path, name);
    for (int i = 0; i < n; i++, used += bytes_of(part[0]))
        memcpy(all + used, part[i]->data, bytes_of(part[i]));
    memcpy(dim, part[0]->dim, sizeof dim);
    dim[0] *= (size_t)n;
    const hidi_dtype dtype = part[0]->dtype;
    const int rank = part[0]->rank;
    for (int i = 0; i < n; i++) {
        name_part(name, sizeof name, block, j, i, kind);
        hidi_dit_remove_tensor(file, hidi_tensor_file_find(file, name));
    }
    snprintf(name, sizeof name, "blocks.%u.%s.%s", block, j->to, kind);
    const hidi_status status = hidi_tensor_file_take(file, name, dtype, rank, dim, all);
    if (status != HIDI_OK)
        free(all);
    return status;
}

static hidi_status join_all(hidi_tensor_file *file)
{
    char name[128];
    for (unsigned block = 0;; block++)
        for (size_t k = 0; k < N_JOINED; k++) {
            name_part(name, sizeof name, block, &joined[k], 0, "weight");
            if (hidi_tensor_file_find(file, name) == NULL) {
                if (k == 0)
                    return HIDI_OK;
                continue;
            }
            HIDI_TRY(join(file, block, &joined[k], "weight"));
            HIDI_TRY(join(file, block, &joined[k], "bias"));
        }
}

/* A further copy of what all blocks share, which goes if it is one. */
static hidi_status drop_copy(hidi_tensor_file *file, hidi_file_tensor *copy, const char *name)
{
    const hidi_file_tensor *first = hidi_tensor_file_find(file, name);
    if (first == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s is there, but not that of block 0", file->path,
                          copy->name);
    if (first->dtype != copy->dtype || first->count != copy->count ||
        (copy->data != NULL && first->data != NULL &&
         memcmp(first->data, copy->data, bytes_of(copy)) != 0))
        return hidi_error(HIDI_UNSUPPORTED, "%s: %s differs from that of block 0: such a network "
                                            "is no DiT any more",
                          file->path, copy->name);
    hidi_dit_remove_tensor(file, copy);
    return HIDI_OK;
}

/* One tensor within a block; *removed: it was a copy. */
static hidi_status rename_within(hidi_tensor_file *file, size_t i, bool *removed)
{
    hidi_file_tensor *tensor = &file->tensor[i];
    unsigned block;
    int length = 0;
    char front[160];
    *removed = false;
    if (sscanf(tensor->name, "transformer_blocks.%u.%n", &block, &length) != 1 || length == 0)
        return HIDI_OK;
    const char *name = tensor->name + length;
    const size_t own = entry_of(name, within, N_WITHIN), common = entry_of(name, shared, N_SHARED);
    if (own < N_WITHIN) {
        snprintf(front, sizeof front, "blocks.%u.%s", block, within[own][1]);
        return rename_tensor(tensor, front, name + strlen(within[own][0]));
    }
    if (common == N_SHARED)
        return HIDI_OK; /* dit_file.c calls it superfluous */
    if (block == 0)
        return rename_tensor(tensor, shared[common][1], name + strlen(shared[common][0]));
    snprintf(front, sizeof front, "%s%s", shared[common][1], name + strlen(shared[common][0]));
    *removed = true;
    return drop_copy(file, tensor, front);
}

/* What the metadata does not say yet. */
static hidi_status say(hidi_tensor_file *file, const char *key, const char *value)
{
    return hidi_tensor_file_meta(file, key) != NULL ? HIDI_OK
                                                    : hidi_tensor_file_set_meta(file, key, value);
}

static bool is_diffusers(const hidi_tensor_file *file)
{
    return hidi_tensor_file_find(file, "transformer_blocks.0.attn1.to_q.weight") != NULL;
}

static bool is_pixart(const hidi_tensor_file *file)
{
    return hidi_tensor_file_find(file, "adaln_single.linear.weight") != NULL;
}

/* What PixArt's config.json says besides. */
static hidi_status take_pixart_config(hidi_tensor_file *file, const char *config)
{
    char text[HIDI_NUMBER_TEXT];
    double number;
    if (hidi_json_file_real(config, "norm_eps", &number) && number != HIDI_DIT_EPS)
        return hidi_error(HIDI_UNSUPPORTED, "%s: norm_eps %g, expected %g", config, number,
                          HIDI_DIT_EPS);
    if (hidi_json_file_real(config, "interpolation_scale", &number))
        return say(file, "hidi.position_scale", hidi_format_double(text, number));
    return HIDI_OK;
}

/* Its names say what it is (diffusers has these networks for epsilon alone). */
hidi_status hidi_dit_take_config(hidi_tensor_file *file)
{
    static const char *const keys[][2] = {{"num_attention_heads", "hidi.heads"},
                                          {"sample_size", "hidi.image_size"}};
    const char *slash = strrchr(file->path, '/');
    char path[4096], text[32];
    long number;
    if (!is_diffusers(file))
        return HIDI_OK;
    snprintf(path, sizeof path, "%.*sconfig.json", slash ? (int)(slash - file->path + 1) : 0,
             file->path);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!hidi_json_file_number(path, keys[i][0], &number))
            continue;
        snprintf(text, sizeof text, "%ld", number);
        HIDI_TRY(say(file, keys[i][1], text));
    }
    HIDI_TRY(say(file, "hidi.prediction", "epsilon"));
    return is_pixart(file) ? take_pixart_config(file, path) : say(file, "hidi.code", "diffusers");
}

static hidi_status from_diffusers(hidi_tensor_file *file)
{
    const bool pixart = is_pixart(file);
    HIDI_TRY(hidi_dit_take_config(file));
    HIDI_TRY(join_all(file));
    /* block 0 first: the others are compared with it */
    for (size_t i = 0; i < file->n_tensors; i++) {
        const char *at = file->tensor[i].name;
        const size_t k = entry_of(at, around, N_AROUND);
        bool removed;
        if (k < N_AROUND)
            HIDI_TRY(rename_tensor(&file->tensor[i], around[k][1], at + strlen(around[k][0])));
        else if (strncmp(at, "transformer_blocks.0.", strlen("transformer_blocks.0.")) == 0)
            HIDI_TRY(rename_within(file, i, &removed));
    }
    for (size_t i = 0; i < file->n_tensors;) {
        bool removed;
        HIDI_TRY(rename_within(file, i, &removed));
        i += removed ? 0 : 1;
    }
    return pixart ? hidi_dit_add_size(file) : HIDI_OK;
}

/* --- all of it -------------------------------------------------------------------------------- */

hidi_status hidi_dit_adopt(hidi_tensor_file *file)
{
    while (take_off(file, "module") || take_off(file, "_orig_mod"))
        ;
    take_out(file);
    return is_diffusers(file) ? from_diffusers(file) : HIDI_OK;
}

/* Several parts, none of which was asked for: that which DiT's own code takes. */
static hidi_status open_average(hidi_tensor_file *file, const char *path)
{
    char reason[1024];
    snprintf(reason, sizeof reason, "%s", hidi_error_message());
    if (strstr(reason, "\"ema\"") == NULL || hidi_tensor_file_open(file, path, "ema") != HIDI_OK)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s", reason);
    return HIDI_OK;
}

hidi_status hidi_dit_open(hidi_tensor_file *file, const char *path, const char *key)
{
    hidi_status status = key == NULL ? hidi_tensor_file_map(file, path)
                                     : hidi_tensor_file_open(file, path, key);
    if (status == HIDI_BAD_ARGUMENT && key == NULL)
        status = open_average(file, path);
    if (status != HIDI_OK)
        return status;
    status = hidi_dit_adopt(file);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}
