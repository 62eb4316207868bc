/* npz.c - member NAME.npy of a zip file is array NAME: headers are read when the archive is opened,
 * data when it is asked for, all at once or by rows. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "io/bytes.h"
#include "io/npy.h"
#include "io/strided.h"
#include "io/zip_file.h"

/* What is known of an array beside its dtype and shape. */
typedef struct entry {
    size_t member;       /* of the zip file                      */
    size_t header_bytes; /* before the data                      */
    bool big_endian, fortran;
} entry;

struct hidi_npz {
    hidi_zip zip;
    hidi_tensor_file arrays; /* their data is NULL             */
    entry *entries;          /* one for each of them           */
    hidi_zip_member member;  /* the one that is read by rows   */
    const hidi_file_tensor *current;
    bool swap;
    size_t rows_left, row_elements;
    unsigned char *whole; /* of an array in Fortran order: all of it, in C order */
    size_t whole_used;    /* bytes of it that have been handed out               */
};

/* "mu" of "mu.npy"; NULL: not the name of an array. */
static char *array_name(const char *member)
{
    const size_t length = strlen(member), ending = strlen(".npy");

    if (length < ending || strcmp(member + length - ending, ".npy") != 0)
        return NULL;
    return strndup(member, length - ending);
}

/* Reads the header of a member, and leaves it at the first element. */
static hidi_status read_header(hidi_zip_member *member, hidi_npy *npy, size_t *length)
{
    unsigned char prefix[HIDI_NPY_PREFIX];
    char what[512];

    snprintf(what, sizeof what, "%s: \"%s\"", member->zip->path, member->name);
    HIDI_TRY(hidi_zip_read(member, prefix, sizeof prefix));
    HIDI_TRY(hidi_npy_length(prefix, what, length));
    if (*length < sizeof prefix || *length - sizeof prefix > member->left)
        return hidi_error(HIDI_BAD_FORMAT, "%s: truncated in its header", what);
    unsigned char *header = malloc(*length);
    if (header == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", what);
    memcpy(header, prefix, sizeof prefix);
    hidi_status status = hidi_zip_read(member, header + sizeof prefix, *length - sizeof prefix);
    if (status == HIDI_OK)
        status = hidi_npy_parse(npy, header, *length, what);
    free(header);
    return status;
}

/* Enters the array of an opened member into npz->arrays, or what it is into the list of the unread.
 * Its size must be what the shape says. */
static hidi_status add_array(hidi_npz *npz, hidi_zip_member *member, size_t index, const char *name)
{
    entry *about = &npz->entries[npz->arrays.n_tensors];
    hidi_npy npy;
    char what[128];
    size_t count = 0;

    HIDI_TRY(read_header(member, &npy, &about->header_bytes));
    if (!npy.readable) {
        snprintf(what, sizeof what, "an array of type %s%s", npy.type,
                 strcmp(npy.type, "|O") == 0
                     ? ", objects: as NumPy makes of images or rows of several sizes"
                     : "");
        return hidi_tensor_file_add_unread(&npz->arrays, name, what);
    }
    hidi_status status = hidi_count_elements(name, npy.dtype, npy.rank, npy.dim, &count);
    if (status != HIDI_OK)
        return hidi_error(HIDI_BAD_FORMAT, "%s: \"%s\": its shape overflows memory", npz->zip.path,
                          name);
    if (count * hidi_dtype_bytes(npy.dtype) != member->left)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: \"%s\": its shape takes %zu bytes, it has %llu", npz->zip.path,
                          name, count * hidi_dtype_bytes(npy.dtype),
                          (unsigned long long)member->left);
    about->member = index;
    about->big_endian = npy.big_endian;
    about->fortran = npy.fortran;
    return hidi_tensor_file_refer(&npz->arrays, name, npy.dtype, npy.rank, npy.dim, NULL);
}

static hidi_status read_directory(hidi_npz *npz)
{
    npz->entries = calloc(npz->zip.n_members + 1, sizeof *npz->entries);
    if (npz->entries == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", npz->zip.path);
    for (size_t i = 0; i < npz->zip.n_members; i++) {
        const char *member_name = hidi_zip_name(&npz->zip, i);
        char *name = array_name(member_name);
        hidi_zip_member member;

        if (name == NULL) {
            HIDI_TRY(hidi_tensor_file_add_unread(&npz->arrays, member_name, "not a .npy array"));
            continue;
        }
        hidi_status status = hidi_zip_begin(&member, &npz->zip, i);
        if (status == HIDI_OK)
            status = add_array(npz, &member, i, name);
        hidi_zip_end(&member);
        free(name);
        HIDI_TRY(status);
    }
    return HIDI_OK;
}

/* An array in a file of its own? */
static bool is_npy(const char *path)
{
    unsigned char first[6];
    struct stat info;
    size_t n;

    return stat(path, &info) == 0 && S_ISREG(info.st_mode) &&
           hidi_read_beginning(path, first, sizeof first, &n) == HIDI_OK && n == sizeof first &&
           hidi_is_npy(first);
}

hidi_status hidi_npz_open(hidi_npz **npz, const char *path)
{
    hidi_npz *opened = calloc(1, sizeof *opened);

    *npz = NULL;
    if (opened == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    hidi_tensor_file_init(&opened->arrays);
    hidi_status status = hidi_tensor_file_set_path(&opened->arrays, path);
    if (status == HIDI_OK)
        status = is_npy(path) ? hidi_zip_open_single(&opened->zip, path, "arr_0.npy")
                              : hidi_zip_open(&opened->zip, path);
    if (status == HIDI_OK)
        status = read_directory(opened);
    if (status == HIDI_OK)
        *npz = opened;
    else
        hidi_npz_close(opened);
    return status;
}

void hidi_npz_close(hidi_npz *npz)
{
    if (npz == NULL)
        return;
    hidi_zip_end(&npz->member);
    free(npz->whole);
    hidi_zip_close(&npz->zip);
    hidi_tensor_file_free(&npz->arrays);
    free(npz->entries);
    free(npz);
}

const hidi_tensor_file *hidi_npz_arrays(const hidi_npz *npz)
{
    return &npz->arrays;
}

/* --- rows ------------------------------------------------------------------------------------- */

/* Opens an array's member and goes past its header, which has been read before. */
static hidi_status begin_data(hidi_npz *npz, const hidi_file_tensor *array)
{
    const entry *about = &npz->entries[array - npz->arrays.tensor];
    hidi_npy npy;
    size_t length;

    hidi_zip_end(&npz->member);
    npz->current = NULL;
    free(npz->whole);
    npz->whole = NULL;
    HIDI_TRY(hidi_zip_begin(&npz->member, &npz->zip, about->member));
    HIDI_TRY(read_header(&npz->member, &npy, &length));
    npz->current = array;
    npz->swap = about->big_endian;
    npz->rows_left = array->rank == 0 ? 1 : array->dim[0];
    npz->row_elements = npz->rows_left == 0 ? 0 : array->count / npz->rows_left;
    return HIDI_OK;
}

/* From Fortran order, where the first index is the fastest. */
static hidi_status reorder(const hidi_file_tensor *array, unsigned char **data)
{
    const size_t width = hidi_dtype_bytes(array->dtype);
    size_t stride[HIDI_FILE_MAX_RANK] = { 1 };
    unsigned char *ordered = malloc(array->count * width + 1);

    if (ordered == NULL)
        return hidi_error(HIDI_NO_MEMORY, "tensor \"%s\": out of memory", array->name);
    for (int i = 1; i < array->rank; i++)
        stride[i] = stride[i - 1] * array->dim[i - 1];
    hidi_strided_copy(ordered, *data, width, array->rank, array->dim, stride);
    free(*data);
    *data = ordered;
    return HIDI_OK;
}

/* All of an array in Fortran order, whose rows lie all over it. */
static hidi_status read_columns(hidi_npz *npz, const hidi_file_tensor *array)
{
    const size_t bytes = array->count * hidi_dtype_bytes(array->dtype), rows = npz->rows_left;
    unsigned char *whole = NULL;

    if (bytes > hidi_file_budget(npz->zip.file_bytes))
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: \"%s\": %zu bytes in Fortran order, in a file of %zu: too many to be "
                          "read at once",
                          npz->zip.path, array->name, bytes, npz->zip.file_bytes);
    whole = malloc(bytes + 1);
    if (whole == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: \"%s\": out of memory for %zu bytes", npz->zip.path,
                          array->name, bytes);
    hidi_status status = hidi_npz_rows(npz, rows, whole);
    if (status == HIDI_OK)
        status = reorder(array, &whole);
    if (status != HIDI_OK) {
        free(whole);
        return status;
    }
    npz->whole = whole;
    npz->whole_used = 0;
    npz->rows_left = rows;
    npz->swap = false;
    return HIDI_OK;
}

hidi_status hidi_npz_start(hidi_npz *npz, const char *name, const hidi_file_tensor **array)
{
    const hidi_file_tensor *found;

    HIDI_TRY(hidi_tensor_file_need(&npz->arrays, name, &found));
    HIDI_TRY(begin_data(npz, found));
    if (npz->entries[found - npz->arrays.tensor].fortran)
        HIDI_TRY(read_columns(npz, found));
    if (array != NULL)
        *array = found;
    return HIDI_OK;
}

hidi_status hidi_npz_rows(hidi_npz *npz, size_t n, void *rows)
{
    if (npz->current == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: no array was begun", npz->zip.path);
    if (n > npz->rows_left)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: \"%s\": %zu rows asked for, %zu are left",
                          npz->zip.path, npz->current->name, n, npz->rows_left);
    const size_t width = hidi_dtype_bytes(npz->current->dtype), elements = n * npz->row_elements;
    if (npz->whole != NULL) {
        memcpy(rows, npz->whole + npz->whole_used, elements * width);
        npz->whole_used += elements * width;
    } else if (elements > 0) {
        HIDI_TRY(hidi_zip_read(&npz->member, rows, elements * width));
    }
    if (npz->swap)
        hidi_swap_bytes(rows, elements, width);
    npz->rows_left -= n;
    return HIDI_OK;
}

/* --- whole files ------------------------------------------------------------------------------ */

static hidi_status read_array(hidi_npz *npz, size_t i, hidi_tensor_file *file)
{
    const hidi_file_tensor *array = &npz->arrays.tensor[i];
    unsigned char *data = malloc(array->count * hidi_dtype_bytes(array->dtype) + 1);

    if (data == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: \"%s\": out of memory for %zu bytes",
                          npz->zip.path, array->name,
                          array->count * hidi_dtype_bytes(array->dtype));
    hidi_status status = begin_data(npz, array);
    if (status == HIDI_OK)
        status = hidi_npz_rows(npz, npz->rows_left, data);
    if (status == HIDI_OK && npz->entries[i].fortran)
        status = reorder(array, &data);
    if (status == HIDI_OK)
        status = hidi_tensor_file_take(file, array->name, array->dtype, array->rank, array->dim,
                                       data);
    if (status != HIDI_OK)
        free(data);
    return status;
}

static hidi_status read_all(hidi_npz *npz, hidi_tensor_file *file)
{
    const size_t budget = hidi_file_budget(npz->zip.file_bytes);
    size_t bytes = 0;

    for (size_t i = 0; i < npz->arrays.n_tensors; i++) {
        const hidi_file_tensor *array = &npz->arrays.tensor[i];
        const size_t more = array->count * hidi_dtype_bytes(array->dtype);

        if (more > budget - bytes)
            return hidi_error(HIDI_UNSUPPORTED,
                              "%s: \"%s\": the arrays up to here take %.0f bytes, in a file of "
                              "%zu: too many to be read at once",
                              npz->zip.path, array->name, (double)bytes + (double)more,
                              npz->zip.file_bytes);
        bytes += more;
    }
    for (size_t i = 0; i < npz->arrays.n_tensors; i++)
        HIDI_TRY(read_array(npz, i, file));
    file->unread = npz->arrays.unread;
    file->n_unread = npz->arrays.n_unread;
    npz->arrays.unread = NULL;
    npz->arrays.n_unread = 0;
    return HIDI_OK;
}

hidi_status hidi_npz_doubles(hidi_npz *npz, const char *name, double **values)
{
    const hidi_file_tensor *array;
    hidi_tensor_file one;

    *values = NULL;
    HIDI_TRY(hidi_tensor_file_need(&npz->arrays, name, &array));
    if (array->count > hidi_file_budget(npz->zip.file_bytes) / sizeof **values)
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: \"%s\": %zu numbers, in a file of %zu bytes: too many to be read at "
                          "once",
                          npz->zip.path, name, array->count, npz->zip.file_bytes);
    double *out = malloc(array->count * sizeof *out + 1);
    if (out == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: \"%s\": out of memory for %zu numbers",
                          npz->zip.path, name, array->count);
    hidi_tensor_file_init(&one);
    hidi_status status = read_array(npz, (size_t)(array - npz->arrays.tensor), &one);
    if (status == HIDI_OK) {
        hidi_file_tensor_double(&one.tensor[0], out);
        *values = out;
    } else {
        free(out);
    }
    hidi_tensor_file_free(&one);
    return status;
}

hidi_status hidi_npz_read(hidi_tensor_file *file, const char *path)
{
    hidi_npz *npz;

    hidi_tensor_file_init(file);
    HIDI_TRY(hidi_npz_open(&npz, path));
    hidi_status status = hidi_tensor_file_set_path(file, path);
    if (status == HIDI_OK)
        status = read_all(npz, file);
    hidi_npz_close(npz);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}

hidi_status hidi_npz_list(hidi_tensor_file *file, const char *path)
{
    hidi_npz *npz;

    hidi_tensor_file_init(file);
    HIDI_TRY(hidi_npz_open(&npz, path));
    *file = npz->arrays;
    hidi_tensor_file_init(&npz->arrays);
    hidi_npz_close(npz);
    return HIDI_OK;
}
