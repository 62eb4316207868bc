/* open_tensors.c - the format of a file of tensors is told from its first bytes and, of a zip
 * archive, from its members; never from its name. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/open_tensors.h"

#include <string.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "io/npy.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "io/shards.h"
#include "io/torch_file.h"
#include "io/torch_legacy.h"
#include "io/zip_file.h"

typedef enum format { SAFETENSORS, TORCH, TORCH_LEGACY, NPZ, NPY, SHARDS } format;

static const char *const names[] = { "safetensors", "PyTorch", "PyTorch (legacy)", "npz", "npy",
                                     "an index of several files" };

/* PyTorch's zip files have a data.pkl, npz files arrays. */
static hidi_status look_into_zip(const char *path, format *found)
{
    bool arrays = false, pickle = false;
    hidi_zip zip;

    HIDI_TRY(hidi_zip_open(&zip, path));
    for (size_t i = 0; i < zip.n_members; i++) {
        const char *name = hidi_zip_name(&zip, i), *ending = strrchr(name, '.');
        const char *slash = strrchr(name, '/');

        arrays = arrays || (ending != NULL && strcmp(ending, ".npy") == 0);
        pickle = pickle || strcmp(slash == NULL ? name : slash + 1, "data.pkl") == 0;
    }
    hidi_zip_close(&zip);
    *found = pickle ? TORCH : NPZ;
    return arrays || pickle
               ? HIDI_OK
               : hidi_error(HIDI_BAD_FORMAT,
                            "%s: a zip file with neither PyTorch's data.pkl nor NumPy's arrays",
                            path);
}

/* The list of the parts of a model that was saved in several files. */
static hidi_status look_into_json(const char *path, format *found)
{
    unsigned char first[4096];
    size_t n;

    HIDI_TRY(hidi_read_beginning(path, first, sizeof first - 1, &n));
    first[n] = '\0';
    *found = SHARDS;
    if (strstr((const char *)first, "\"weight_map\"") != NULL ||
        strstr((const char *)first, "\"total_size\"") != NULL)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: JSON, and not a file of tensors", path);
}

/* A pipe can be read once, from the beginning to the end: safetensors can be, from /dev/stdin or
 * the like.  A device has no end, and a named pipe without a writer would be waited for. */
static hidi_status check_irregular(const char *path, const struct stat *about)
{
    struct stat link;

    if (S_ISCHR(about->st_mode) || S_ISBLK(about->st_mode))
        return hidi_error(HIDI_BAD_FILE, "%s: a device, not a file", path);
    if (lstat(path, &link) == 0 && (S_ISFIFO(link.st_mode) || S_ISSOCK(link.st_mode)))
        return hidi_error(HIDI_BAD_FILE, "%s: a named pipe, not a file (/dev/stdin is read)", path);
    return HIDI_OK;
}

static hidi_status find_format(const char *path, format *found)
{
    unsigned char first[16];
    struct stat about;
    size_t n;

    *found = SAFETENSORS;
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode))
        return check_irregular(path, &about);
    HIDI_TRY(hidi_read_beginning(path, first, sizeof first, &n));
    if (n >= 4 && (memcmp(first, "PK\3\4", 4) == 0 || memcmp(first, "PK\5\6", 4) == 0))
        return look_into_zip(path, found);
    if (n >= 6 && hidi_is_npy(first)) {
        *found = NPY;
        return HIDI_OK;
    }
    if (hidi_torch_is_legacy(first, n)) {
        *found = TORCH_LEGACY;
        return HIDI_OK;
    }
    if (n > 8 && first[8] == '{')
        return HIDI_OK;
    if (n > 0 && first[0] == '{')
        return look_into_json(path, found);
    return hidi_error(HIDI_BAD_FORMAT,
                      "%s: none of safetensors, PyTorch's files, npz and npy, by its first bytes",
                      path);
}

hidi_status hidi_tensor_file_format(const char *path, const char **name)
{
    format found;

    HIDI_TRY(find_format(path, &found));
    *name = names[found];
    return HIDI_OK;
}

/* One of several files, which is not a list of others. */
static hidi_status read_shard(hidi_tensor_file *file, const char *path)
{
    format found;

    hidi_tensor_file_init(file);
    HIDI_TRY(find_format(path, &found));
    if (found == TORCH || found == TORCH_LEGACY)
        return hidi_torch_read(file, path, NULL);
    if (found == SAFETENSORS)
        return hidi_safetensors_read(file, path);
    return hidi_error(HIDI_BAD_FORMAT, "%s: neither safetensors nor PyTorch's", path);
}

static hidi_status read_format(hidi_tensor_file *file, const char *path, const char *key,
                               format found, bool data)
{
    switch (found) {
    case TORCH:
    case TORCH_LEGACY:
        return data ? hidi_torch_read(file, path, key) : hidi_torch_list(file, path, key);
    case NPZ:
    case NPY:
        return data ? hidi_npz_read(file, path) : hidi_npz_list(file, path);
    case SHARDS:
        return hidi_shards_read(file, path, read_shard);
    default:
        return hidi_safetensors_read(file, path);
    }
}

static hidi_status read_part(hidi_tensor_file *file, const char *path, const char *key, bool data)
{
    format found;

    hidi_tensor_file_init(file);
    HIDI_TRY(find_format(path, &found));
    HIDI_TRY(read_format(file, path, key, found, data));
    if (found == TORCH || found == TORCH_LEGACY || key == NULL || *key == '\0')
        return HIDI_OK;
    hidi_status status = hidi_tensor_file_keep(file, key);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}

hidi_status hidi_tensor_file_open(hidi_tensor_file *file, const char *path, const char *key)
{
    return read_part(file, path, key, true);
}

hidi_status hidi_tensor_file_map(hidi_tensor_file *file, const char *path)
{
    format found;
    struct stat about;

    hidi_tensor_file_init(file);
    HIDI_TRY(find_format(path, &found));
    if (found == SAFETENSORS && stat(path, &about) == 0 && S_ISREG(about.st_mode))
        return hidi_safetensors_map(file, path);
    return read_format(file, path, NULL, found, true);
}

hidi_status hidi_tensor_file_list(hidi_tensor_file *file, const char *path, const char *key)
{
    return read_part(file, path, key, false);
}
