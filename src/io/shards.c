/* shards.c - the files of a list {"weight_map": {TENSOR: FILE, ...}} are read one after the other,
 * and their tensors gathered in one. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"
#include "io/json_file.h"

enum { MOST_FILES = 1000, LONGEST_PATH = 4096 };

typedef struct list {
    hidi_tensor_file *file;
    hidi_shard_reader *read;
    char **name; /* of the files that have been read */
    size_t n;
} list;

/* A shard's tensors and texts go over to the whole, which keeps the shard for its bytes. */
static hidi_status gather(hidi_tensor_file *file, hidi_tensor_file *shard)
{
    for (size_t i = 0; i < shard->n_keys; i++)
        HIDI_TRY(hidi_tensor_file_set_meta(file, shard->key[i], shard->value[i]));
    for (size_t i = 0; i < shard->n_unread; i++) {
        const size_t name = strcspn(shard->unread[i], ":");
        char *text = shard->unread[i];
        text[name] = '\0';
        HIDI_TRY(hidi_tensor_file_add_unread(file, text, text + name + 2));
    }
    for (size_t i = 0; i < shard->n_tensors; i++) {
        const hidi_file_tensor *t = &shard->tensor[i];
        if (hidi_tensor_file_find(file, t->name) != NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: tensor \"%s\" is in another file, too",
                              shard->path, t->name);
        HIDI_TRY(hidi_tensor_file_refer(file, t->name, t->dtype, t->rank, t->dim, t->data));
    }
    return HIDI_OK;
}

static hidi_status read_shard(list *l, const char *name)
{
    const char *slash = strrchr(l->file->path, '/');
    const int folder = slash != NULL ? (int)(slash - l->file->path + 1) : 0;
    char path[LONGEST_PATH];
    hidi_tensor_file *file = l->file;
    if (strchr(name, '/') != NULL || name[0] == '\0' || l->n == MOST_FILES)
        return hidi_error(HIDI_BAD_FORMAT, "%s: \"%.80s\" is no file beside it, or one of too many",
                          file->path, name);
    snprintf(path, sizeof path, "%.*s%s", folder, file->path, name);
    if (!hidi_array_room(&file->part, file->n_parts, NULL, sizeof *file->part) ||
        !hidi_array_room(&l->name, l->n, NULL, sizeof *l->name) ||
        (l->name[l->n] = strdup(name)) == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", file->path);
    l->n++;
    HIDI_TRY(l->read(&file->part[file->n_parts], path));
    file->n_parts++;
    return gather(file, &file->part[file->n_parts - 1]);
}

/* One line of the list. */
static hidi_status take(void *context, const char *tensor, const char *name)
{
    list *l = context;
    const hidi_file_tensor *found;
    size_t i = 0;
    while (i < l->n && strcmp(l->name[i], name) != 0)
        i++;
    if (i == l->n)
        HIDI_TRY(read_shard(l, name));
    const hidi_status status = hidi_tensor_file_need(l->file, tensor, &found);
    if (status == HIDI_OK || status == HIDI_UNSUPPORTED) /* of a type that is not read */
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: tensor \"%s\" is not in %s", l->file->path, tensor,
                      name);
}

hidi_status hidi_shards_read(hidi_tensor_file *file, const char *path, hidi_shard_reader *read)
{
    list l = {.file = file, .read = read};
    hidi_tensor_file_init(file);
    hidi_status status = hidi_tensor_file_set_path(file, path);
    if (status == HIDI_OK)
        status = hidi_json_file_texts(path, "weight_map", take, &l);
    if (status == HIDI_OK && l.n == 0)
        status = hidi_error(HIDI_BAD_FORMAT, "%s: its weight_map is empty", path);
    for (size_t i = 0; i < l.n; i++)
        free(l.name[i]);
    free(l.name);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}
