/* safetensors.c - a JSON header (jansson) is checked against the data behind it before any of it is
 * believed: shapes and offsets must tile the data exactly. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic_file.h"

#define LONGEST_HEADER 100000000 /* as in the reference implementation */
#define METADATA "__metadata__"
#define MOST_METADATA 10000 /* they are searched one by one */

/* --- reading ---------------------------------------------------------------------------------- */

typedef struct span {
    size_t begin, end; /* bytes, relative to the data     */
    const char *name;  /* of its tensor, in the header    */
} span;

/* What the header is checked against. */
typedef struct layout {
    hidi_tensor_file *file;
    const unsigned char *data;
    size_t data_bytes;
    span *spans; /* of the tensors so far, the unread ones too */
    size_t n_spans;
} layout;

static hidi_status bad(const hidi_tensor_file *file, const char *name, const char *problem)
{
    return hidi_error(HIDI_BAD_FORMAT, "%s: tensor \"%s\": %s", file->path, name, problem);
}

/* *known, false on entry, stays so for a type that hidi does not compute with. */
static hidi_status parse_dtype(const hidi_tensor_file *file, const char *name, const json_t *json,
                               hidi_dtype *dtype, bool *known)
{
    const char *text = json_string_value(json);

    if (text == NULL)
        return bad(file, name, "\"dtype\" is missing or not text");
    for (int i = HIDI_F64; i <= HIDI_BOOL && !*known; i++) {
        *known = strcmp(text, hidi_dtype_name((hidi_dtype)i)) == 0;
        if (*known)
            *dtype = (hidi_dtype)i;
    }
    return HIDI_OK;
}

static bool parse_size(const json_t *json, size_t *size)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0)
        return false;
    unsigned long long value = (unsigned long long)json_integer_value(json);
    *size = (size_t)value;
    return value <= SIZE_MAX;
}

static hidi_status parse_shape(const hidi_tensor_file *file, const char *name, const json_t *json,
                               size_t *rank, size_t *dim)
{
    size_t size;

    if (!json_is_array(json))
        return bad(file, name, "\"shape\" is missing or not a list");
    *rank = json_array_size(json);
    for (size_t i = 0; i < *rank; i++)
        if (!parse_size(json_array_get(json, i), i < HIDI_FILE_MAX_RANK ? &dim[i] : &size))
            return bad(file, name, "\"shape\" holds something other than whole numbers from 0");
    return HIDI_OK;
}

/* Notes a tensor that a hidi_file_tensor cannot hold. */
static hidi_status note_unread(hidi_tensor_file *file, const char *name, const json_t *json,
                               size_t rank)
{
    char what[96];

    if (rank > HIDI_FILE_MAX_RANK)
        snprintf(what, sizeof what, "a tensor of rank %zu", rank);
    else
        snprintf(what, sizeof what, "a tensor of type %.40s",
                 json_string_value(json_object_get(json, "dtype")));
    return hidi_tensor_file_add_unread(file, name, what);
}

static hidi_status parse_tensor(layout *where, const char *name, const json_t *json)
{
    hidi_tensor_file *file = where->file;
    span *range = &where->spans[where->n_spans];
    const json_t *offsets = json_object_get(json, "data_offsets");
    size_t dim[HIDI_FILE_MAX_RANK];
    hidi_dtype dtype = HIDI_F32;
    size_t rank = 0;
    bool known = false;

    if (!json_is_object(json))
        return bad(file, name, "its entry in the header is not a JSON object");
    HIDI_TRY(parse_dtype(file, name, json_object_get(json, "dtype"), &dtype, &known));
    HIDI_TRY(parse_shape(file, name, json_object_get(json, "shape"), &rank, dim));
    if (json_array_size(offsets) != 2 || !parse_size(json_array_get(offsets, 0), &range->begin) ||
        !parse_size(json_array_get(offsets, 1), &range->end))
        return bad(file, name, "\"data_offsets\" is missing or not two whole numbers from 0");
    if (json_object_size(json) != 3)
        return bad(file, name, "more than \"dtype\", \"shape\" and \"data_offsets\" in its entry");
    if (range->begin > range->end || range->end > where->data_bytes)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: tensor \"%s\": bytes %zu to %zu are not within the data's %zu",
                          file->path, name, range->begin, range->end, where->data_bytes);
    range->name = name;
    where->n_spans++;
    if (!known || rank > HIDI_FILE_MAX_RANK)
        return note_unread(file, name, json, rank);

    hidi_status status = hidi_tensor_file_refer(file, name, dtype, (int)rank, dim,
                                                where->data + range->begin);
    if (status == HIDI_BAD_SHAPE)
        status = HIDI_BAD_FORMAT;
    if (status != HIDI_OK)
        return hidi_error_prefix(status, "%s", file->path);
    size_t expected = file->tensor[file->n_tensors - 1].count * hidi_dtype_bytes(dtype);
    if (range->end - range->begin != expected)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: tensor \"%s\": its shape takes %zu bytes, it has %zu",
                          file->path, name, expected, range->end - range->begin);
    return HIDI_OK;
}

static hidi_status parse_metadata(hidi_tensor_file *file, json_t *json)
{
    const char *key;
    json_t *value;

    if (json_is_null(json)) /* as some writers have it where there is none */
        return HIDI_OK;
    if (!json_is_object(json))
        return hidi_error(HIDI_BAD_FORMAT, "%s: " METADATA " is not a JSON object", file->path);
    if (json_object_size(json) > MOST_METADATA)
        return hidi_error(HIDI_UNSUPPORTED, "%s: more than %d texts in " METADATA, file->path,
                          MOST_METADATA);
    json_object_foreach(json, key, value) {
        if (!json_is_string(value))
            return hidi_error(HIDI_BAD_FORMAT, "%s: " METADATA ": \"%s\" is not text", file->path,
                              key);
        HIDI_TRY(hidi_tensor_file_add_meta(file, key, json_string_value(value)));
    }
    return HIDI_OK;
}

static int by_offset(const void *left, const void *right)
{
    const span *a = left, *b = right;

    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return a->end < b->end ? -1 : a->end > b->end;
}

/* The tensors must tile the data: no byte twice, none left over. */
static hidi_status check_tiling(layout *where)
{
    const hidi_tensor_file *file = where->file;
    size_t end = 0;

    qsort(where->spans, where->n_spans, sizeof *where->spans, by_offset);
    for (size_t i = 0; i < where->n_spans; i++) {
        const span *range = &where->spans[i];

        if (range->begin != end)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: tensor \"%s\": begins at byte %zu of the data, %s",
                              file->path, range->name, range->begin,
                              range->begin < end ? "inside another tensor" : "after a gap");
        end = range->end;
    }
    if (end != where->data_bytes)
        return hidi_error(HIDI_BAD_FORMAT, "%s: the tensors take %zu bytes, the file has %zu",
                          file->path, end, where->data_bytes);
    return HIDI_OK;
}

static hidi_status parse_header(layout *where, json_t *header)
{
    const char *name;
    json_t *value;

    json_object_foreach(header, name, value) {
        if (strcmp(name, METADATA) == 0)
            HIDI_TRY(parse_metadata(where->file, value));
        else
            HIDI_TRY(parse_tensor(where, name, value));
    }
    return check_tiling(where);
}

static hidi_status parse_file(hidi_tensor_file *file)
{
    const unsigned char *bytes = file->buffer;
    unsigned long long length = 0;
    json_error_t reason;

    if (file->buffer_bytes < 8)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %zu bytes are too few for a safetensors file",
                          file->path, file->buffer_bytes);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > LONGEST_HEADER)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: a header of %llu bytes is above the format's limit of %d: not a "
                          "safetensors file",
                          file->path, length, LONGEST_HEADER);
    if (length > file->buffer_bytes - 8)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: truncated: the header has %llu bytes, the file %zu after its length",
                          file->path, length, file->buffer_bytes - 8);
    if (length == 0 || bytes[8] != '{')
        return hidi_error(HIDI_BAD_FORMAT, "%s: the header does not begin with '{'", file->path);

    json_t *header = json_loadb((const char *)bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES,
                                &reason);
    if (header == NULL)
        return hidi_error(HIDI_BAD_FORMAT, "%s: header, byte %d: %s", file->path, reason.position,
                          reason.text);
    layout where = { file, bytes + 8 + length, file->buffer_bytes - 8 - (size_t)length, NULL,
                     0 };
    where.spans = malloc((json_object_size(header) + 1) * sizeof *where.spans);
    hidi_status status = where.spans == NULL
                             ? hidi_error(HIDI_NO_MEMORY, "%s: out of memory", file->path)
                             : parse_header(&where, header);
    free(where.spans);
    json_decref(header);
    return status;
}

static bool is_other_format(const hidi_tensor_file *file)
{
    return file->buffer_bytes > 8 && file->buffer[8] != '{';
}

hidi_status hidi_safetensors_read(hidi_tensor_file *file, const char *path)
{
    struct stat about;

    hidi_tensor_file_init(file);
    hidi_status status = hidi_tensor_file_set_path(file, path);
    if (status == HIDI_OK)
        status = hidi_read_file(path, &file->buffer, &file->buffer_bytes);
    if (status == HIDI_OK && is_other_format(file) && stat(path, &about) == 0 &&
        !S_ISREG(about.st_mode))
        status = hidi_error(HIDI_UNSUPPORTED,
                            "%s: through a pipe only safetensors can be read, and this is "
                            "something else: PyTorch's files, npz and npy have to be files",
                            path);
    if (status == HIDI_OK)
        status = parse_file(file);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}

static hidi_status map_file(hidi_tensor_file *file, const char *path)
{
    struct stat about;
    const int descriptor = open(path, O_RDONLY);

    if (descriptor < 0 || fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode) ||
        about.st_size < 8) {
        const int reason = errno;
        if (descriptor >= 0)
            close(descriptor);
        return descriptor < 0
                   ? hidi_error(HIDI_BAD_FILE, "%s: cannot open it: %s", path, strerror(reason))
                   : hidi_error(HIDI_BAD_FORMAT, "%s: not a file of tensors", path);
    }
    file->buffer_bytes = (size_t)about.st_size;
    void *memory = mmap(NULL, file->buffer_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (memory == MAP_FAILED)
        return hidi_error(HIDI_NO_MEMORY, "%s: cannot map %zu bytes: %s", path, file->buffer_bytes,
                          strerror(errno));
    file->buffer = memory;
    file->mapped = true;
    return HIDI_OK;
}

hidi_status hidi_safetensors_map(hidi_tensor_file *file, const char *path)
{
    hidi_tensor_file_init(file);
    hidi_status status = hidi_tensor_file_set_path(file, path);
    if (status == HIDI_OK)
        status = map_file(file, path);
    if (status == HIDI_OK)
        status = parse_file(file);
    if (status != HIDI_OK)
        hidi_tensor_file_free(file);
    return status;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Data goes widest dtype first, so that every tensor is aligned to its elements (PyTorch cannot
 * view it otherwise), and within a dtype in the order of the file.  Calls of `visit` are in that
 * order. */
typedef bool visitor(const hidi_file_tensor *tensor, size_t index, void *context);

static bool for_each_in_data_order(const hidi_tensor_file *file, visitor *visit, void *context)
{
    for (size_t width = 8; width >= 1; width /= 2)
        for (size_t i = 0; i < file->n_tensors; i++)
            if (hidi_dtype_bytes(file->tensor[i].dtype) == width &&
                !visit(&file->tensor[i], i, context))
                return false;
    return true;
}

typedef struct placement {
    size_t *begin; /* of each tensor */
    size_t end;    /* of the data    */
} placement;

static bool place(const hidi_file_tensor *tensor, size_t index, void *context)
{
    placement *places = context;

    places->begin[index] = places->end;
    places->end += tensor->count * hidi_dtype_bytes(tensor->dtype);
    return true;
}

static bool write_data(const hidi_file_tensor *tensor, size_t index, void *context)
{
    size_t bytes = tensor->count * hidi_dtype_bytes(tensor->dtype);

    (void)index;
    return bytes == 0 || fwrite(tensor->data, 1, bytes, context) == bytes;
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}; NULL when out of memory. */
static json_t *tensor_entry(const hidi_file_tensor *tensor, size_t begin)
{
    size_t end = begin + tensor->count * hidi_dtype_bytes(tensor->dtype);
    json_t *shape = json_array();

    for (int i = 0; i < tensor->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)tensor->dim[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", hidi_dtype_name(tensor->dtype), "shape",
                     shape, "data_offsets", (json_int_t)begin, (json_int_t)end);
}

/* The header.  NULL when out of memory, or if a name, *culprit, is not UTF-8 or is there twice. */
static json_t *make_header(const hidi_tensor_file *file, const size_t *begin, const char **culprit)
{
    json_t *header = json_object(), *metadata = NULL;

    *culprit = METADATA;
    if (file->n_keys > 0) {
        metadata = json_object();
        if (json_object_set_new(header, METADATA, metadata) != 0)
            goto fail;
    }
    for (size_t i = 0; i < file->n_keys; i++) {
        *culprit = file->key[i];
        if (json_object_set_new(metadata, file->key[i], json_string(file->value[i])) != 0)
            goto fail;
    }
    for (size_t i = 0; i < file->n_tensors; i++) {
        const hidi_file_tensor *tensor = &file->tensor[i];

        *culprit = tensor->name;
        if (strcmp(tensor->name, METADATA) == 0 ||
            json_object_get(header, tensor->name) != NULL ||
            json_object_set_new(header, tensor->name, tensor_entry(tensor, begin[i])) != 0)
            goto fail;
    }
    return header;
fail:
    json_decref(header);
    return NULL;
}

/* 8 bytes of length, the text, and blanks so that the data is aligned; the caller frees *bytes. */
static hidi_status header_bytes(const char *text, const char *path, unsigned char **bytes, size_t *n)
{
    const size_t used = strlen(text), padded = (used + 7) / 8 * 8;

    *n = 8 + padded;
    *bytes = malloc(*n);
    if (*bytes == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    for (int i = 0; i < 8; i++)
        (*bytes)[i] = (unsigned char)((unsigned long long)padded >> 8 * i & 255);
    memcpy(*bytes + 8, text, used);
    memset(*bytes + 8 + used, ' ', padded - used);
    return HIDI_OK;
}

hidi_status hidi_safetensors_header(const hidi_tensor_file *file, const char *path,
                                    unsigned char **bytes, size_t *n, size_t *begin)
{
    placement places = { begin, 0 };
    const char *culprit;

    *bytes = NULL;
    (void)for_each_in_data_order(file, place, &places);
    json_t *header = make_header(file, begin, &culprit);
    if (header == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "%s: \"%s\" cannot stand in a safetensors header (UTF-8 text, not "
                          "twice, not \"" METADATA "\"), or memory is short",
                          path, culprit);
    char *text = json_dumps(header, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(header);
    hidi_status status = text == NULL ? hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path)
                                      : header_bytes(text, path, bytes, n);
    free(text);
    for (size_t i = 0; i < file->n_tensors; i++)
        begin[i] += *n;
    return status;
}

static hidi_status write_file(const hidi_tensor_file *file, const char *path,
                              const unsigned char *header, size_t n)
{
    hidi_atomic_file target;

    HIDI_TRY(hidi_atomic_open(&target, path));
    errno = 0;
    if (fwrite(header, 1, n, target.out) == n &&
        for_each_in_data_order(file, write_data, target.out))
        return hidi_atomic_commit(&target);

    hidi_status status = hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", path,
                                    strerror(errno));
    hidi_atomic_abandon(&target);
    return status;
}

hidi_status hidi_safetensors_write(const hidi_tensor_file *file, const char *path)
{
    size_t *begin = calloc(file->n_tensors + 1, sizeof *begin), n = 0;
    unsigned char *header = NULL;

    if (begin == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    hidi_status status = hidi_safetensors_header(file, path, &header, &n, begin);
    if (status == HIDI_OK)
        status = write_file(file, path, header, n);
    free(header);
    free(begin);
    return status;
}
