/* torch_legacy.c - torch.save before PyTorch 1.6: pickles in a row (a magic number, version 1001,
 * the machine, what was saved, the keys of the storages), then the storages' numbers in the keys'
 * order. */
#include "io/torch_legacy.h"

#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/torch_storage.h"

/* The pickle of 0x1950a86a20f9469cfc6c. */
static const unsigned char magic[] = { 0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46,
                                       0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };

/* A storage of the pickle, and where its data is. */
typedef struct place {
    const hidi_stored *storage;
    unsigned char *data; /* NULL: not found yet */
} place;

typedef struct legacy {
    hidi_tensor_file *file;
    size_t at;    /* how far the file is read */
    hidi_pickle saved;
    place *places; /* by key */
    size_t n_places;
} legacy;

bool hidi_torch_is_legacy(const unsigned char *bytes, size_t n)
{
    /* Protocols 2 to 5; from 4 on there is a frame around it, which is not looked into here. */
    return n >= sizeof magic && bytes[0] == 0x80 &&
           (memcmp(bytes + 2, magic + 2, sizeof magic - 2) == 0 ||
            (bytes[1] >= 4 && bytes[1] <= 5 && bytes[2] == 0x95));
}

static hidi_status bad(const legacy *l, const char *problem)
{
    return hidi_error(HIDI_BAD_FORMAT, "%s: %s", l->file->path, problem);
}

/* The next of the pickles. */
static hidi_status next_pickle(legacy *l, hidi_pickle *pickle)
{
    HIDI_TRY(hidi_unpickle(pickle, l->file->buffer + l->at, l->file->buffer_bytes - l->at,
                           l->file->path));
    l->at += pickle->used;
    return HIDI_OK;
}

static hidi_status check_magic(legacy *l, const hidi_value *value)
{
    return value->kind == HIDI_VALUE_LONG && value->n == 10 &&
                   memcmp(value->text, magic + 4, 10) == 0
               ? HIDI_OK
               : bad(l, "not a file of torch.save: another magic number");
}

static hidi_status check_version(legacy *l, const hidi_value *value)
{
    return value->kind == HIDI_VALUE_INT && value->integer == 1001
               ? HIDI_OK
               : bad(l, "not version 1001 of PyTorch's legacy format");
}

/* {'protocol_version': 1001, 'little_endian': True, 'type_sizes': {...}}: of the machine that wrote
 * it, not of the data, which is always little-endian. */
static hidi_status check_system(legacy *l, const hidi_value *value)
{
    return value->kind == HIDI_VALUE_DICT
               ? HIDI_OK
               : bad(l, "its third pickle is not a dict about the system");
}

static hidi_status check_next(legacy *l, hidi_status (*check)(legacy *, const hidi_value *))
{
    hidi_pickle pickle;
    hidi_status status = next_pickle(l, &pickle);

    if (status == HIDI_OK)
        status = check(l, pickle.value);
    hidi_pickle_free(&pickle);
    return status;
}

/* --- storages --------------------------------------------------------------------------------- */

static int by_key(const void *left, const void *right)
{
    const place *a = left, *b = right;

    return strcmp(a->storage->key, b->storage->key);
}

/* The storages of the pickle by their names, each once. */
static hidi_status collect_places(legacy *l)
{
    l->places = calloc(l->saved.n_storages + 1, sizeof *l->places);
    if (l->places == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", l->file->path);
    for (size_t i = 0; i < l->saved.n_storages; i++)
        l->places[i].storage = l->saved.storages[i];
    qsort(l->places, l->saved.n_storages, sizeof *l->places, by_key);
    for (size_t i = 0; i < l->saved.n_storages; i++) {
        const hidi_stored *storage = l->places[i].storage;

        if (!storage->known)
            return hidi_error(HIDI_UNSUPPORTED, "%s: storages of type %s are not read",
                              l->file->path, storage->type);
        if (l->n_places > 0 && by_key(&l->places[l->n_places - 1], &l->places[i]) == 0) {
            const hidi_stored *same = l->places[l->n_places - 1].storage;

            if (strcmp(same->type, storage->type) != 0 || same->count != storage->count)
                return hidi_error(HIDI_BAD_FORMAT, "%s: storage \"%s\" has two types or sizes",
                                  l->file->path, storage->key);
            continue;
        }
        l->places[l->n_places++] = l->places[i];
    }
    return HIDI_OK;
}

static place *find_place(const legacy *l, const char *key)
{
    hidi_stored wanted = { .key = key };
    place sought = { &wanted, NULL };

    return bsearch(&sought, l->places, l->n_places, sizeof *l->places, by_key);
}

/* One storage: its number of elements, and its data. */
static hidi_status find_data(legacy *l, const hidi_value *key)
{
    const size_t left = l->file->buffer_bytes - l->at;
    unsigned char *bytes = l->file->buffer + l->at;
    place *found = key->kind == HIDI_VALUE_TEXT ? find_place(l, key->text) : NULL;

    if (found == NULL || found->data != NULL)
        return bad(l, "its list of storages has one that no tensor has, or one twice");
    if (left < 8)
        return bad(l, "truncated before the data of a storage");
    const uint64_t count = hidi_load_64(bytes);
    const size_t width = hidi_dtype_bytes(found->storage->dtype);
    if (count != found->storage->count)
        return hidi_error(HIDI_BAD_FORMAT, "%s: storage \"%s\" has %llu elements instead of %zu",
                          l->file->path, key->text, (unsigned long long)count,
                          found->storage->count);
    if (count > (left - 8) / width)
        return hidi_error(HIDI_BAD_FORMAT, "%s: truncated in storage \"%s\"", l->file->path,
                          key->text);
    found->data = bytes + 8;
    l->at += 8 + (size_t)count * width;
    return HIDI_OK;
}

static hidi_status find_all_data(legacy *l, const hidi_value *keys)
{
    if (keys->kind != HIDI_VALUE_LIST || keys->n != l->n_places)
        return bad(l, "its list of storages is not that of its tensors");
    for (size_t i = 0; i < keys->n; i++)
        HIDI_TRY(find_data(l, keys->item[i]));
    return l->at == l->file->buffer_bytes
               ? HIDI_OK
               : hidi_error(HIDI_BAD_FORMAT, "%s: %zu bytes after the last storage", l->file->path,
                            l->file->buffer_bytes - l->at);
}

static hidi_status load_place(void *context, const hidi_stored *storage, unsigned char **data,
                              bool *owned)
{
    const place *found = find_place(context, storage->key); /* find_all_data has them all */

    *data = found->data;
    *owned = false;
    return HIDI_OK;
}

/* --- files ------------------------------------------------------------------------------------ */

static hidi_status read_pickles(legacy *l, const char *key, bool data)
{
    const hidi_storage_source source = { data ? load_place : NULL, l, false,
                                         l->file->buffer_bytes };
    const hidi_value *part;
    const char *prefix;
    hidi_torch_views list = { 0 };

    HIDI_TRY(hidi_torch_choose(l->saved.value, key, l->file->path, &part, &prefix));
    hidi_status status = hidi_torch_list_part(&list, part, prefix, l->file);
    if (status == HIDI_OK)
        status = hidi_torch_materialise(l->file, &list, &source);
    hidi_torch_views_free(&list);
    return status;
}

hidi_status hidi_torch_read_legacy(hidi_tensor_file *file, const char *path, const char *key,
                                   bool data)
{
    legacy l = { .file = file };
    hidi_status status = hidi_read_file(path, &file->buffer, &file->buffer_bytes);

    if (status == HIDI_OK && !hidi_torch_is_legacy(file->buffer, file->buffer_bytes))
        status = bad(&l, "not a file of torch.save");
    if (status == HIDI_OK)
        status = check_next(&l, check_magic);
    if (status == HIDI_OK)
        status = check_next(&l, check_version);
    if (status == HIDI_OK)
        status = check_next(&l, check_system);
    if (status == HIDI_OK)
        status = next_pickle(&l, &l.saved);
    if (status == HIDI_OK)
        status = collect_places(&l);
    if (status == HIDI_OK) {
        hidi_pickle keys;

        status = next_pickle(&l, &keys);
        if (status == HIDI_OK)
            status = find_all_data(&l, keys.value);
        hidi_pickle_free(&keys);
    }
    if (status == HIDI_OK)
        status = read_pickles(&l, key, data);
    hidi_pickle_free(&l.saved);
    free(l.places);
    return status;
}
