/* npz_write.c - arrays as stored members NAME.npy of a zip file.
 *
 * libzip pulls: it asks one source for each member's bytes, and another, the archive, to write.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "core/processes.h"
#include "io/atomic_file.h"
#include "io/npy.h"
#include "io/npz.h"

/* --- the archive: a source that writes to an atomic file -------------------------------------- */

typedef struct target {
    hidi_atomic_file file;
    zip_error_t error;
} target;

/* The answer to ZIP_SOURCE_STAT. */
static zip_int64_t tell_size(zip_stat_t *about, zip_uint64_t size)
{
    zip_stat_init(about);
    about->size = size;
    about->valid |= ZIP_STAT_SIZE;
    return sizeof *about;
}

static zip_int64_t seek_target(target *t, void *data, zip_uint64_t length)
{
    const off_t here = ftello(t->file.out);
    zip_uint64_t end;

    if (here < 0 || fseeko(t->file.out, 0, SEEK_END) != 0)
        return -1;
    end = (zip_uint64_t)ftello(t->file.out);
    zip_int64_t to = zip_source_seek_compute_offset((zip_uint64_t)here, end, data, length,
                                                    &t->error);
    return to < 0 || fseeko(t->file.out, (off_t)to, SEEK_SET) != 0 ? -1 : 0;
}

static zip_int64_t target_call(void *context, void *data, zip_uint64_t length,
                               zip_source_cmd_t command)
{
    target *t = context;

    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_WRITABLE;
    case ZIP_SOURCE_STAT:
        return tell_size(data, 0); /* a new archive */
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&t->error, data, length);
    case ZIP_SOURCE_WRITE:
        if (fwrite(data, 1, length, t->file.out) == length)
            return (zip_int64_t)length;
        break;
    case ZIP_SOURCE_SEEK_WRITE:
        if (seek_target(t, data, length) == 0)
            return 0;
        break;
    case ZIP_SOURCE_TELL_WRITE:
        return (zip_int64_t)ftello(t->file.out);
    case ZIP_SOURCE_READ:
        return 0;
    default: /* the file is opened, kept or dropped by write_archive */
        return 0;
    }
    zip_error_set(&t->error, ZIP_ER_WRITE, errno);
    return -1;
}

/* --- a member: a source of a header and rows -------------------------------------------------- */

typedef struct array_source {
    unsigned char header[HIDI_NPY_HEADER];
    size_t header_bytes;
    hidi_npz_fill *fill;
    void *context;
    size_t rows, row_bytes, block; /* `block` rows are produced at a time */
    unsigned char *buffer;
    size_t at, filled, row; /* position and bytes in what is handed out; the next row */
    bool in_header;
    hidi_status status; /* of fill */
    zip_error_t error;
} array_source;

/* The next block; false on errors. */
static bool refill(array_source *s)
{
    const size_t n = s->rows - s->row < s->block ? s->rows - s->row : s->block;

    s->status = s->fill(s->context, s->row, n, s->buffer);
    if (s->status != HIDI_OK) {
        zip_error_set(&s->error, ZIP_ER_READ, 0);
        return false;
    }
    s->row += n;
    s->at = 0;
    s->filled = n * s->row_bytes;
    s->in_header = false;
    return true;
}

static zip_int64_t read_array(array_source *s, unsigned char *out, size_t length)
{
    size_t done = 0;

    while (done < length) {
        if (s->at == s->filled) {
            if (s->row == s->rows)
                break;
            if (!refill(s))
                return -1;
        }
        const size_t have = s->filled - s->at;
        const size_t n = length - done < have ? length - done : have;
        memcpy(out + done, (s->in_header ? s->header : s->buffer) + s->at, n);
        s->at += n;
        done += n;
    }
    return (zip_int64_t)done;
}

static zip_int64_t array_call(void *context, void *data, zip_uint64_t length,
                              zip_source_cmd_t command)
{
    array_source *s = context;

    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_READABLE;
    case ZIP_SOURCE_OPEN:
        s->at = 0;
        s->filled = s->header_bytes;
        s->in_header = true;
        s->row = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return read_array(s, data, (size_t)length);
    case ZIP_SOURCE_STAT: /* a known size decides about zip64 */
        return tell_size(data, (zip_uint64_t)s->rows * s->row_bytes + s->header_bytes);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&s->error, data, length);
    default:
        return 0;
    }
}

/* Rows from memory. */
static hidi_status copy_rows(void *context, size_t first, size_t n, unsigned char *rows)
{
    const hidi_file_tensor *tensor = context;
    const size_t width = hidi_dtype_bytes(tensor->dtype);

    memcpy(rows, tensor->data + first * width, n * width);
    return HIDI_OK;
}

/* Of `rows` rows, blocks of about a megabyte. */
static hidi_status begin_array(array_source *s, const char *name, hidi_dtype dtype, int rank,
                               const size_t *dim)
{
    const size_t one_block = (size_t)1 << 20;
    hidi_status status = hidi_npy_header(s->header, &s->header_bytes, dtype, rank, dim);

    if (status != HIDI_OK)
        return hidi_error_prefix(status, "tensor \"%s\"", name);
    s->block = s->row_bytes == 0 || s->row_bytes > one_block ? 1 : one_block / s->row_bytes;
    if (s->row_bytes == 0)
        s->rows = 0;
    if (s->block > s->rows)
        s->block = s->rows;
    s->buffer = malloc(s->block * s->row_bytes + 1);
    return s->buffer == NULL ? hidi_error(HIDI_NO_MEMORY, "tensor \"%s\": out of memory", name)
                             : HIDI_OK;
}

/* --- a file ----------------------------------------------------------------------------------- */

/* The same arrays give the same bytes: every member is dated 1 January 1980, as in NumPy's. */
static bool add_member(zip_t *archive, array_source *s, const char *name)
{
    char *member = malloc(strlen(name) + sizeof ".npy");
    zip_source_t *source = NULL;
    zip_int64_t index = -1;

    if (member != NULL) {
        sprintf(member, "%s.npy", name);
        source = zip_source_function(archive, array_call, s);
    }
    if (source != NULL)
        index = zip_file_add(archive, member, source, ZIP_FL_ENC_UTF_8);
    free(member);
    if (index < 0) {
        zip_source_free(source); /* NULL is allowed */
        return false;
    }
    return zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) == 0 &&
           zip_file_set_dostime(archive, (zip_uint64_t)index, 0, 1 << 5 | 1, 0) == 0;
}

static hidi_status first_failure(const array_source *sources, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sources[i].status != HIDI_OK)
            return sources[i].status;
    return HIDI_OK;
}

/* Writes the members to t->file, which stays open. */
static hidi_status write_members(target *t, array_source *sources, const char **names, size_t n,
                                 const char *path)
{
    zip_source_t *out = zip_source_function_create(target_call, t, &t->error);
    zip_t *archive = NULL;

    if (out != NULL)
        archive = zip_open_from_source(out, ZIP_CREATE | ZIP_TRUNCATE, &t->error);
    if (archive == NULL) {
        zip_source_free(out);
        return hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", path,
                          zip_error_strerror(&t->error));
    }
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++)
        ok = add_member(archive, &sources[i], names[i]);
    if (ok && zip_close(archive) == 0)
        return HIDI_OK;

    hidi_status status = first_failure(sources, n); /* whose message is there */
    if (status == HIDI_OK)
        status = hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", path,
                            zip_strerror(archive));
    zip_discard(archive);
    return status;
}

static hidi_status write_archive(array_source *sources, const char **names, size_t n,
                                 const char *path)
{
    target t;

    if (n == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: no arrays to write", path);
    zip_error_init(&t.error);
    HIDI_TRY(hidi_atomic_open(&t.file, path));
    hidi_status status = write_members(&t, sources, names, n, path);
    zip_error_fini(&t.error);
    if (status == HIDI_OK)
        return hidi_atomic_commit(&t.file);
    hidi_atomic_abandon(&t.file);
    return status;
}

/* A source for the rows of `fill`, if there is one, and for each tensor of `file`. */
static hidi_status write_all(array_source *sources, const char **names, size_t n,
                             const hidi_tensor_file *file, const char *path)
{
    for (size_t i = 0; file != NULL && i < file->n_tensors; i++, n++) {
        const hidi_file_tensor *tensor = &file->tensor[i];
        array_source *s = &sources[n];

        names[n] = tensor->name;
        s->fill = copy_rows;
        s->context = (void *)tensor;
        s->rows = tensor->count;
        s->row_bytes = hidi_dtype_bytes(tensor->dtype);
        hidi_status status = begin_array(s, tensor->name, tensor->dtype, tensor->rank,
                                         tensor->dim);
        if (status != HIDI_OK)
            return hidi_error_prefix(status, "%s", path);
    }
    return write_archive(sources, names, n, path);
}

hidi_status hidi_npz_write_rows(const char *path, const char *name, hidi_dtype dtype, int rank,
                                const size_t *dim, hidi_npz_fill *fill, void *context,
                                const hidi_tensor_file *besides)
{
    if (!hidi_process_is_first())
        return HIDI_OK; /* an archive cannot be written to /dev/null, where others' files go */
    const size_t n = (fill != NULL) + (besides == NULL ? 0 : besides->n_tensors);
    array_source *sources = calloc(n + 1, sizeof *sources);
    const char **names = calloc(n + 1, sizeof *names);
    hidi_status status = HIDI_OK;
    size_t count = 0;

    if (sources == NULL || names == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    if (status == HIDI_OK && fill != NULL) {
        status = hidi_count_elements(name, dtype, rank, dim, &count);
        if (status == HIDI_OK) {
            names[0] = name;
            sources[0].fill = fill;
            sources[0].context = context;
            sources[0].rows = rank == 0 ? 1 : dim[0];
            if (count > 0)
                sources[0].row_bytes = count / sources[0].rows * hidi_dtype_bytes(dtype);
            status = begin_array(&sources[0], name, dtype, rank, dim);
        }
        status = hidi_error_prefix(status, "%s", path);
    }
    if (status == HIDI_OK)
        status = write_all(sources, names, fill != NULL, besides, path);
    for (size_t i = 0; sources != NULL && i < n; i++)
        free(sources[i].buffer);
    free(sources);
    free(names);
    return status;
}

hidi_status hidi_npz_write(const hidi_tensor_file *file, const char *path)
{
    return hidi_npz_write_rows(path, NULL, HIDI_F32, 0, NULL, NULL, NULL, file);
}
