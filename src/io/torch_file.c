/* torch_file.c - the containers of torch.save: a zip archive, or pickles and storages in a row. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/torch_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/torch_legacy.h"
#include "io/torch_storage.h"
#include "io/zip_file.h"

#define LONGEST_PICKLE ((size_t)64 << 20)

/* --- the zip format --------------------------------------------------------------------------- */

/* NAME/data.pkl, NAME/byteorder, NAME/data/KEY: what is common is the folder, "NAME/". */
typedef struct archive {
    hidi_zip zip;
    char *folder;
} archive;

/* The member FOLDER/name. */
static hidi_status find_member(const archive *a, const char *name, bool *found, size_t *i)
{
    const size_t size = strlen(a->folder) + strlen(name) + 1;
    char *full = malloc(size);

    *found = false;
    if (full == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", a->zip.path);
    snprintf(full, size, "%s%s", a->folder, name);
    *found = hidi_zip_find(&a->zip, full, i);
    free(full);
    return HIDI_OK;
}

/* The whole of a member of `least` to `most` bytes. */
static hidi_status read_member(const archive *a, size_t i, size_t least, size_t most,
                               unsigned char **data, size_t *bytes)
{
    hidi_zip_member member;

    *data = NULL;
    hidi_status status = hidi_zip_begin(&member, &a->zip, i);
    if (status == HIDI_OK && least == most && member.bytes != least)
        status = hidi_error(HIDI_BAD_FORMAT, "%s: \"%s\" has %llu bytes instead of %zu",
                            a->zip.path, member.name, (unsigned long long)member.bytes, least);
    if (status == HIDI_OK && member.bytes > most)
        status = hidi_error(HIDI_UNSUPPORTED, "%s: \"%s\" has %llu bytes; up to %zu are read",
                            a->zip.path, member.name, (unsigned long long)member.bytes, most);
    if (status == HIDI_OK) {
        *bytes = (size_t)member.bytes;
        *data = malloc(*bytes + 1);
        status = *data == NULL ? hidi_error(HIDI_NO_MEMORY, "%s: out of memory for %zu bytes",
                                            a->zip.path, *bytes)
                               : hidi_zip_read(&member, *data, *bytes);
    }
    hidi_zip_end(&member);
    if (status != HIDI_OK) {
        free(*data);
        *data = NULL;
    }
    return status;
}

static hidi_status load_member(void *context, const hidi_stored *storage, unsigned char **data,
                               bool *owned)
{
    const archive *a = context;
    const size_t bytes = storage->count * hidi_dtype_bytes(storage->dtype);
    char name[256];
    size_t i, read;
    bool found;

    if (snprintf(name, sizeof name, "data/%s", storage->key) >= (int)sizeof name)
        return hidi_error(HIDI_BAD_FORMAT, "%s: the name of a storage is too long: %.60s...",
                          a->zip.path, storage->key);
    HIDI_TRY(find_member(a, name, &found, &i));
    if (!found)
        return hidi_error(HIDI_BAD_FORMAT, "%s: the storage \"%s%s\" is missing", a->zip.path,
                          a->folder, name);
    HIDI_TRY(read_member(a, i, bytes, bytes, data, &read));
    *owned = true;
    return HIDI_OK;
}

/* The record "byteorder": "big", or "little", which it also is without the record. */
static hidi_status read_byte_order(const archive *a, bool *big_endian)
{
    unsigned char *text;
    size_t i, n;
    bool found;

    *big_endian = false;
    HIDI_TRY(find_member(a, "byteorder", &found, &i));
    if (!found)
        return HIDI_OK;
    HIDI_TRY(read_member(a, i, 0, 64, &text, &n));
    *big_endian = n == 3 && memcmp(text, "big", 3) == 0;
    const bool known = *big_endian || (n == 6 && memcmp(text, "little", 6) == 0);
    free(text);
    if (known)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: \"%sbyteorder\" is neither \"little\" nor \"big\"",
                      a->zip.path, a->folder);
}

/* Finds data.pkl, of which there is one, and with it the folder. */
static hidi_status find_pickle(archive *a, size_t *pickle)
{
    const size_t ending = strlen("data.pkl");
    bool script;
    size_t i;

    for (i = 0; i < a->zip.n_members; i++) {
        const char *name = hidi_zip_name(&a->zip, i), *slash = strchr(name, '/');

        if (slash == NULL ? strcmp(name, "data.pkl") != 0 : strcmp(slash + 1, "data.pkl") != 0)
            continue;
        if (a->folder != NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s: more than one data.pkl", a->zip.path);
        *pickle = i;
        a->folder = strndup(name, strlen(name) - ending);
        if (a->folder == NULL)
            return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", a->zip.path);
    }
    if (a->folder == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: a zip file, but not PyTorch's: no data.pkl",
                          a->zip.path);
    HIDI_TRY(find_member(a, "constants.pkl", &script, &i));
    if (script)
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: TorchScript, a program, which hidi does not run; it reads what "
                          "torch.save wrote of a state_dict()",
                          a->zip.path);
    return HIDI_OK;
}

static hidi_status read_archive(hidi_tensor_file *file, archive *a, const char *key, bool data)
{
    unsigned char *bytes = NULL;
    const hidi_value *part;
    const char *prefix;
    hidi_torch_views list = { 0 };
    hidi_pickle pickle = { 0 };
    hidi_storage_source source = { data ? load_member : NULL, a, false, a->zip.file_bytes };
    size_t i = 0, n = 0;

    HIDI_TRY(find_pickle(a, &i));
    HIDI_TRY(read_byte_order(a, &source.big_endian));
    HIDI_TRY(read_member(a, i, 0, LONGEST_PICKLE, &bytes, &n));
    hidi_status status = hidi_unpickle(&pickle, bytes, n, file->path);
    if (status == HIDI_OK && pickle.used != n)
        status = hidi_error(HIDI_BAD_FORMAT, "%s: %zu bytes after the end of the pickle",
                            file->path, n - pickle.used);
    if (status == HIDI_OK)
        status = hidi_torch_choose(pickle.value, key, file->path, &part, &prefix);
    if (status == HIDI_OK)
        status = hidi_torch_list_part(&list, part, prefix, file);
    if (status == HIDI_OK)
        status = hidi_torch_materialise(file, &list, &source);
    hidi_torch_views_free(&list);
    hidi_pickle_free(&pickle);
    free(bytes);
    return status;
}

static hidi_status read_zip(hidi_tensor_file *file, const char *path, const char *key, bool data)
{
    archive a = { 0 };

    hidi_status status = hidi_zip_open(&a.zip, path);
    if (status == HIDI_OK)
        status = read_archive(file, &a, key, data);
    free(a.folder);
    hidi_zip_close(&a.zip);
    return status;
}

/* --- both ------------------------------------------------------------------------------------- */

static hidi_status read_either(hidi_tensor_file *file, const char *path, const char *key, bool data)
{
    unsigned char first[2];
    size_t n;

    hidi_tensor_file_init(file);
    hidi_status status = hidi_tensor_file_set_path(file, path);
    if (status == HIDI_OK)
        status = hidi_read_beginning(path, first, sizeof first, &n);
    if (status == HIDI_OK)
        status = n == sizeof first && memcmp(first, "PK", 2) == 0
                     ? read_zip(file, path, key, data)
                     : hidi_torch_read_legacy(file, path, key, data);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}

hidi_status hidi_torch_read(hidi_tensor_file *file, const char *path, const char *key)
{
    return read_either(file, path, key, true);
}

hidi_status hidi_torch_list(hidi_tensor_file *file, const char *path, const char *key)
{
    return read_either(file, path, key, false);
}
