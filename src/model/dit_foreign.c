/* dit_foreign.c - files of weights as other people's programs leave them get the names of
 * facebookresearch/DiT, which dit_file.c reads.
 *
 *     {"model": ..., "ema": ..., "opt": ..., "args": ...}   DiT's and SiT's train.py: "ema"
 *     module.NAME, _orig_mod.NAME                           DataParallel, torch.compile: NAME
 *     transformer_blocks.0.attn1.to_q.weight                diffusers, see `names` below
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "model/dit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_file.h"
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

/* Names around the blocks, and in them. */
static const char *const around[][2] = {
    {"pos_embed.proj.", "x_embedder.proj."},
    {"proj_out_1.", "final_layer.adaLN_modulation.1."},
    {"proj_out_2.", "final_layer.linear."}};
static const char *const within[][2] = {
    {"norm1.linear.", "adaLN_modulation.1."}, {"attn1.to_q.", "attn.qkv."},
    {"attn1.to_out.0.", "attn.proj."},        {"ff.net.0.proj.", "mlp.fc1."},
    {"ff.net.2.", "mlp.fc2."}};
/* Every block has a copy of these, of which the first is used. */
static const char *const shared[][2] = {
    {"norm1.emb.timestep_embedder.linear_1.", "t_embedder.mlp.0."},
    {"norm1.emb.timestep_embedder.linear_2.", "t_embedder.mlp.2."},
    {"norm1.emb.class_embedder.embedding_table.", "y_embedder.embedding_table."}};
enum { N_AROUND = 3, N_WITHIN = 5, N_SHARED = 3 };

/* The entry of a table that `name` begins with, or n. */
static size_t entry_of(const char *name, const char *const (*table)[2], size_t n)
{
    size_t i = 0;
    while (i < n && strncmp(name, table[i][0], strlen(table[i][0])) != 0)
        i++;
    return i;
}

static void remove_tensor(hidi_tensor_file *file, const hidi_file_tensor *tensor)
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

/* q, k and v, [D, D] or [D] each, one after the other: [3 D, D] or [3 D], in the place of q. */
static hidi_status join_qkv(hidi_tensor_file *file, unsigned block, const char *kind)
{
    static const char letters[] = "qkv";
    const hidi_file_tensor *part[3];
    char name[128];
    size_t used = 0, dim[HIDI_FILE_MAX_RANK];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "transformer_blocks.%u.attn1.to_%c.%s", block, letters[i],
                 kind);
        HIDI_TRY(hidi_tensor_file_need(file, name, &part[i]));
        if (part[i]->dtype != part[0]->dtype || part[i]->rank != part[0]->rank ||
            part[i]->rank < 1 || part[i]->count != part[0]->count || part[i]->data == NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: %s does not go with to_q", file->path, name);
    }
    unsigned char *joined = malloc(3 * bytes_of(part[0]) + 1);
    if (joined == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for %s", file->path, name);
    for (int i = 0; i < 3; i++, used += bytes_of(part[0]))
        memcpy(joined + used, part[i]->data, bytes_of(part[i]));
    memcpy(dim, part[0]->dim, sizeof dim);
    dim[0] *= 3;
    const hidi_dtype dtype = part[0]->dtype;
    const int rank = part[0]->rank;
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "transformer_blocks.%u.attn1.to_%c.%s", block, letters[i],
                 kind);
        remove_tensor(file, hidi_tensor_file_find(file, name));
    }
    snprintf(name, sizeof name, "blocks.%u.attn.qkv.%s", block, kind);
    const hidi_status status = hidi_tensor_file_take(file, name, dtype, rank, dim, joined);
    if (status != HIDI_OK)
        free(joined);
    return status;
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
    remove_tensor(file, copy);
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

/* What its names say (diffusers has DiT's network for epsilon alone), and its config.json. */
static hidi_status add_settings(hidi_tensor_file *file)
{
    static const char *const keys[][2] = {{"num_attention_heads", "hidi.heads"},
                                          {"sample_size", "hidi.image_size"}};
    const char *slash = strrchr(file->path, '/');
    char path[4096], text[32];
    long number;
    snprintf(path, sizeof path, "%.*sconfig.json", slash ? (int)(slash - file->path + 1) : 0,
             file->path);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (!hidi_json_file_number(path, keys[i][0], &number))
            continue;
        snprintf(text, sizeof text, "%ld", number);
        HIDI_TRY(hidi_tensor_file_set_meta(file, keys[i][1], text));
    }
    HIDI_TRY(hidi_tensor_file_set_meta(file, "hidi.prediction", "epsilon"));
    return hidi_tensor_file_set_meta(file, "hidi.code", "diffusers");
}

static hidi_status from_diffusers(hidi_tensor_file *file)
{
    char name[64];
    for (unsigned block = 0;; block++) {
        snprintf(name, sizeof name, "transformer_blocks.%u.attn1.to_q.weight", block);
        if (hidi_tensor_file_find(file, name) == NULL)
            break;
        HIDI_TRY(join_qkv(file, block, "weight"));
        HIDI_TRY(join_qkv(file, block, "bias"));
    }
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
    return add_settings(file);
}

/* --- all of it -------------------------------------------------------------------------------- */

hidi_status hidi_dit_adopt(hidi_tensor_file *file)
{
    while (take_off(file, "module") || take_off(file, "_orig_mod"))
        ;
    take_out(file);
    if (hidi_tensor_file_find(file, "transformer_blocks.0.attn1.to_q.weight") == NULL)
        return HIDI_OK;
    return from_diffusers(file);
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
