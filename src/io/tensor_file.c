/* tensor_file.c - named tensors and text metadata in host memory, little-endian as in files. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/tensor_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bf16.h"
#include "core/array.h"
#include "io/bytes.h"

static char no_path[] = "";

static const struct {
    const char *name;
    size_t bytes;
} dtype_table[] = {
    [HIDI_F64] = { "F64", 8 }, [HIDI_F32] = { "F32", 4 }, [HIDI_F16] = { "F16", 2 },
    [HIDI_BF16] = { "BF16", 2 }, [HIDI_I64] = { "I64", 8 }, [HIDI_I32] = { "I32", 4 },
    [HIDI_I16] = { "I16", 2 }, [HIDI_I8] = { "I8", 1 }, [HIDI_U8] = { "U8", 1 },
    [HIDI_BOOL] = { "BOOL", 1 },
};

size_t hidi_dtype_bytes(hidi_dtype dtype)
{
    return dtype_table[dtype].bytes;
}

const char *hidi_dtype_name(hidi_dtype dtype)
{
    return dtype_table[dtype].name;
}

void hidi_tensor_file_init(hidi_tensor_file *file)
{
    memset(file, 0, sizeof *file);
    file->path = no_path;
}

static void free_tensor(hidi_file_tensor *tensor)
{
    free(tensor->name);
    if (tensor->owned)
        free((void *)tensor->data);
}

void hidi_tensor_file_free(hidi_tensor_file *file)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        free_tensor(&file->tensor[i]);
    for (size_t i = 0; i < file->n_keys; i++) {
        free(file->key[i]);
        free(file->value[i]);
    }
    for (size_t i = 0; i < file->n_unread; i++)
        free(file->unread[i]);
    for (size_t i = 0; i < file->n_parts; i++)
        hidi_tensor_file_free(&file->part[i]);
    free(file->part);
    free(file->tensor);
    free(file->key);
    free(file->value);
    free(file->unread);
    if (file->mapped)
        munmap(file->buffer, file->buffer_bytes);
    else
        free(file->buffer);
    if (file->path != no_path)
        free(file->path);
    hidi_tensor_file_init(file);
}

/* --- reading ---------------------------------------------------------------------------------- */

const hidi_file_tensor *hidi_tensor_file_find(const hidi_tensor_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++)
        if (strcmp(file->tensor[i].name, name) == 0)
            return &file->tensor[i];
    return NULL;
}

const char *hidi_tensor_file_meta(const hidi_tensor_file *file, const char *key)
{
    for (size_t i = 0; i < file->n_keys; i++)
        if (strcmp(file->key[i], key) == 0)
            return file->value[i];
    return NULL;
}

/* What comes before ".name" in a longer name; 0: it does not end so. */
static size_t prefix_length(const char *longer, const char *name)
{
    const size_t all = strlen(longer), end = strlen(name);

    return all > end + 1 && longer[all - end - 1] == '.' && strcmp(longer + all - end, name) == 0
               ? all - end - 1
               : 0;
}

/* Wrappers of a model put their own names in front: those with which the tensor is there are
 * offered. */
static hidi_status no_tensor(const hidi_tensor_file *file, const char *name)
{
    char keys[300] = "";
    size_t used = 0, n = 0;

    for (size_t i = 0; i < file->n_tensors && n < 5; i++) {
        const size_t length = prefix_length(file->tensor[i].name, name);

        if (length == 0 || length > 80 || used + length + 16 > sizeof keys)
            continue;
        used += (size_t)snprintf(keys + used, sizeof keys - used, "%s--key %.*s",
                                 n++ == 0 ? "" : " or ", (int)length, file->tensor[i].name);
    }
    return n == 0 ? hidi_error(HIDI_BAD_FORMAT, "%s: no tensor \"%s\" among the %zu in this file",
                               file->path, name, file->n_tensors)
                  : hidi_error(HIDI_BAD_FORMAT,
                               "%s: no tensor \"%s\", but a part that has it: %s (hidi convert "
                               "makes a file of it)",
                               file->path, name, keys);
}

hidi_status hidi_tensor_file_need(const hidi_tensor_file *file, const char *name,
                                  const hidi_file_tensor **tensor)
{
    const size_t length = strlen(name);

    *tensor = hidi_tensor_file_find(file, name);
    if (*tensor != NULL)
        return HIDI_OK;
    for (size_t i = 0; i < file->n_unread; i++)
        if (strncmp(file->unread[i], name, length) == 0 && file->unread[i][length] == ':')
            return hidi_error(HIDI_UNSUPPORTED, "%s: cannot be read: %s", file->path,
                              file->unread[i]);
    return no_tensor(file, name);
}

static double float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static double half_of_bits(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double magnitude;

    if (exponent > 0 && exponent < 31) /* a float's: bias 127, 23 fraction bits */
        return float_of_bits((uint32_t)(bits & 0x8000) << 16 | (uint32_t)(exponent + 112) << 23 |
                             (uint32_t)fraction << 13);
    if (exponent == 31)
        magnitude = fraction == 0 ? (double)INFINITY : (double)NAN;
    else
        magnitude = ldexp(fraction, -24);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/* Element i of an integer dtype. */
static int64_t load_int(hidi_dtype dtype, const unsigned char *data, size_t i)
{
    switch (dtype) {
    case HIDI_I64:
        return hidi_signed_of_bits(hidi_load_64(data + 8 * i), 64);
    case HIDI_I32:
        return hidi_signed_of_bits(hidi_load_32(data + 4 * i), 32);
    case HIDI_I16:
        return hidi_signed_of_bits(hidi_load_16(data + 2 * i), 16);
    case HIDI_I8:
        return hidi_signed_of_bits(data[i], 8);
    case HIDI_BOOL:
        return data[i] != 0;
    default: /* HIDI_U8 */
        return data[i];
    }
}

static void decode(hidi_dtype dtype, const unsigned char *data, size_t n, double *out)
{
    size_t i;

    switch (dtype) {
    case HIDI_F64:
        for (i = 0; i < n; i++)
            out[i] = hidi_double_of_bits(hidi_load_64(data + 8 * i));
        break;
    case HIDI_F32:
        for (i = 0; i < n; i++)
            out[i] = float_of_bits(hidi_load_32(data + 4 * i));
        break;
    case HIDI_F16:
        for (i = 0; i < n; i++)
            out[i] = half_of_bits(hidi_load_16(data + 2 * i));
        break;
    case HIDI_BF16: /* the upper half of a float */
        for (i = 0; i < n; i++)
            out[i] = hidi_from_bf16(hidi_load_16(data + 2 * i));
        break;
    default:
        for (i = 0; i < n; i++)
            out[i] = (double)load_int(dtype, data, i);
        break;
    }
}

void hidi_file_tensor_real(const hidi_file_tensor *tensor, hidi_real *out)
{
    size_t width = hidi_dtype_bytes(tensor->dtype);
    double block[256];

    for (size_t first = 0; first < tensor->count; first += 256) {
        size_t n = tensor->count - first < 256 ? tensor->count - first : 256;

        decode(tensor->dtype, tensor->data + first * width, n, block);
        for (size_t i = 0; i < n; i++)
            out[first + i] = (hidi_real)block[i];
    }
}

/* |x| = n 2^(e - 10), with n a whole number of 11 bits, or of fewer where e is the least, -14. */
uint16_t hidi_to_half(double x)
{
    const unsigned sign = signbit(x) ? 0x8000u : 0;
    int e;

    if (isnan(x) || isinf(x))
        return (uint16_t)(sign | (isnan(x) ? 0x7e00u : 0x7c00u));
    (void)frexp(x, &e);
    e = x == 0 || e - 1 < -14 ? -14 : e - 1;
    if (e > 15)
        return (uint16_t)(sign | 0x7c00u);
    /* From 1024 on the leading bit counts into the exponent's bits, and so does a carry. */
    const unsigned n = (unsigned)nearbyint(ldexp(fabs(x), 10 - e));
    return (uint16_t)(sign | (((unsigned)(e + 14) << 10) + n));
}

void hidi_file_tensor_part(const hidi_file_tensor *tensor, size_t first, size_t n, hidi_real *out)
{
    hidi_file_tensor part = *tensor;

    part.data += first * hidi_dtype_bytes(tensor->dtype);
    part.count = n;
    hidi_file_tensor_real(&part, out);
}

void hidi_file_tensor_double(const hidi_file_tensor *tensor, double *out)
{
    decode(tensor->dtype, tensor->data, tensor->count, out);
}

hidi_status hidi_file_tensor_int(const hidi_file_tensor *tensor, int32_t *out)
{
    if (tensor->dtype <= HIDI_BF16)
        return hidi_error(HIDI_BAD_FORMAT, "tensor \"%s\": expected integers, found %s",
                          tensor->name, hidi_dtype_name(tensor->dtype));
    for (size_t i = 0; i < tensor->count; i++) {
        int64_t value = load_int(tensor->dtype, tensor->data, i);

        if (value < INT32_MIN || value > INT32_MAX)
            return hidi_error(HIDI_BAD_FORMAT,
                              "tensor \"%s\": element %zu is %lld, which does not fit 32 bits",
                              tensor->name, i, (long long)value);
        out[i] = (int32_t)value;
    }
    return HIDI_OK;
}

char *hidi_file_tensor_text(const hidi_file_tensor *tensor, char *text, size_t size)
{
    char dims[24 * HIDI_FILE_MAX_RANK + 1] = "";
    size_t used = 0;

    for (int i = 0; i < tensor->rank; i++)
        used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%zu", i == 0 ? "" : ", ",
                                 tensor->dim[i]);
    snprintf(text, size, "%s [%s]", hidi_dtype_name(tensor->dtype), dims);
    return text;
}

/* --- building --------------------------------------------------------------------------------- */

hidi_status hidi_tensor_file_set_path(hidi_tensor_file *file, const char *path)
{
    char *copy = strdup(path);

    if (copy == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    if (file->path != no_path)
        free(file->path);
    file->path = copy;
    return HIDI_OK;
}

hidi_status hidi_count_elements(const char *name, hidi_dtype dtype, int rank, const size_t *dim,
                                size_t *count)
{
    size_t limit = SIZE_MAX / hidi_dtype_bytes(dtype);

    if (rank < 0 || rank > HIDI_FILE_MAX_RANK)
        return hidi_error(HIDI_BAD_SHAPE, "tensor \"%s\": rank %d is not within 0 to %d", name,
                          rank, HIDI_FILE_MAX_RANK);
    *count = 1;
    for (int i = 0; i < rank; i++) {
        if (dim[i] != 0 && *count > limit / dim[i])
            return hidi_error(HIDI_BAD_SHAPE, "tensor \"%s\": its shape overflows memory",
                              name);
        *count *= dim[i];
    }
    return HIDI_OK;
}

hidi_status hidi_tensor_file_refer(hidi_tensor_file *file, const char *name, hidi_dtype dtype,
                                   int rank, const size_t *dim, const unsigned char *data)
{
    size_t count = 0;

    HIDI_TRY(hidi_count_elements(name, dtype, rank, dim, &count));
    const bool room = hidi_array_room(&file->tensor, file->n_tensors, NULL, sizeof *file->tensor);
    char *copy = strdup(name);
    if (!room || copy == NULL) {
        free(copy);
        return hidi_error(HIDI_NO_MEMORY, "tensor \"%s\": out of memory", name);
    }
    hidi_file_tensor *tensor = &file->tensor[file->n_tensors++];
    memset(tensor, 0, sizeof *tensor);
    tensor->name = copy;
    tensor->dtype = dtype;
    tensor->rank = rank;
    for (int i = 0; i < rank; i++)
        tensor->dim[i] = dim[i];
    tensor->count = count;
    tensor->data = data;
    return HIDI_OK;
}

hidi_status hidi_tensor_file_take(hidi_tensor_file *file, const char *name, hidi_dtype dtype,
                                  int rank, const size_t *dim, unsigned char *data)
{
    HIDI_TRY(hidi_tensor_file_refer(file, name, dtype, rank, dim, data));
    file->tensor[file->n_tensors - 1].owned = true;
    return HIDI_OK;
}

/* n elements of `width` bytes from this machine's byte order to little-endian. */
static void store(unsigned char *out, const unsigned char *in, size_t n, size_t width)
{
    memcpy(out, in, n * width);
    if (!hidi_little_endian())
        hidi_swap_bytes(out, n, width);
}

hidi_status hidi_tensor_file_add(hidi_tensor_file *file, const char *name, hidi_dtype dtype,
                                 int rank, const size_t *dim, const void *data)
{
    size_t count = 0, width = hidi_dtype_bytes(dtype);

    if (hidi_tensor_file_find(file, name) != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "tensor \"%s\" is there twice", name);
    HIDI_TRY(hidi_count_elements(name, dtype, rank, dim, &count));
    unsigned char *copy = malloc(count == 0 ? 1 : count * width);
    if (copy == NULL)
        return hidi_error(HIDI_NO_MEMORY, "tensor \"%s\": out of memory for %zu bytes", name,
                          count * width);
    if (count != 0)
        store(copy, data, count, width);
    hidi_status status = hidi_tensor_file_take(file, name, dtype, rank, dim, copy);
    if (status != HIDI_OK)
        free(copy);
    return status;
}

hidi_status hidi_tensor_file_add_real(hidi_tensor_file *file, const char *name, int rank,
                                      const size_t *dim, const hidi_real *data)
{
    hidi_dtype dtype = sizeof(hidi_real) == 8 ? HIDI_F64 : HIDI_F32;

    return hidi_tensor_file_add(file, name, dtype, rank, dim, data);
}

hidi_status hidi_tensor_file_lend_real(hidi_tensor_file *file, const char *name, int rank,
                                       const size_t *dim, const hidi_real *data)
{
    const hidi_dtype dtype = sizeof(hidi_real) == 8 ? HIDI_F64 : HIDI_F32;

    if (!file->borrows || !hidi_little_endian() || hidi_tensor_file_find(file, name) != NULL)
        return hidi_tensor_file_add_real(file, name, rank, dim, data);
    return hidi_tensor_file_refer(file, name, dtype, rank, dim, (const unsigned char *)data);
}

hidi_status hidi_tensor_file_add_meta(hidi_tensor_file *file, const char *key, const char *value)
{
    if (hidi_tensor_file_meta(file, key) != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "metadata \"%s\" is there twice", key);
    const bool room = hidi_array_room(&file->key, file->n_keys, NULL, sizeof *file->key) &&
                      hidi_array_room(&file->value, file->n_keys, NULL, sizeof *file->value);
    char *key_copy = strdup(key), *value_copy = strdup(value);
    if (!room || key_copy == NULL || value_copy == NULL) {
        free(key_copy);
        free(value_copy);
        return hidi_error(HIDI_NO_MEMORY, "metadata \"%s\": out of memory", key);
    }
    file->key[file->n_keys] = key_copy;
    file->value[file->n_keys] = value_copy;
    file->n_keys++;
    return HIDI_OK;
}

hidi_status hidi_tensor_file_set_meta(hidi_tensor_file *file, const char *key, const char *value)
{
    for (size_t i = 0; i < file->n_keys; i++) {
        if (strcmp(file->key[i], key) != 0)
            continue;
        char *copy = strdup(value);
        if (copy == NULL)
            return hidi_error(HIDI_NO_MEMORY, "metadata \"%s\": out of memory", key);
        free(file->value[i]);
        file->value[i] = copy;
        return HIDI_OK;
    }
    return hidi_tensor_file_add_meta(file, key, value);
}

hidi_status hidi_tensor_file_add_unread(hidi_tensor_file *file, const char *name,
                                        const char *what)
{
    size_t bytes = strlen(name) + strlen(what) + sizeof ": ";
    const bool room = hidi_array_room(&file->unread, file->n_unread, NULL, sizeof *file->unread);
    char *text = malloc(bytes);
    if (!room || text == NULL) {
        free(text);
        return hidi_error(HIDI_NO_MEMORY, "\"%s\": out of memory", name);
    }
    snprintf(text, bytes, "%s: %s", name, what);
    file->unread[file->n_unread++] = text;
    return HIDI_OK;
}

/* The part of `name` after "key."; NULL: it does not begin with that. */
static char *rest_of(char *name, const char *key)
{
    const size_t length = strlen(key);

    return strncmp(name, key, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

/* The same of what could not be read: beside the part it does not matter. */
static void keep_unread(hidi_tensor_file *file, const char *key)
{
    const size_t n = file->n_unread;

    file->n_unread = 0;
    for (size_t i = 0; i < n; i++) {
        char *text = file->unread[i], *rest = rest_of(text, key);

        if (rest == NULL) {
            free(text);
            continue;
        }
        memmove(text, rest, strlen(rest) + 1);
        file->unread[file->n_unread++] = text;
    }
}

hidi_status hidi_tensor_file_keep(hidi_tensor_file *file, const char *key)
{
    const size_t n = file->n_tensors;
    bool is_prefix = false;

    for (size_t i = 0; i < n; i++)
        is_prefix = is_prefix || rest_of(file->tensor[i].name, key) != NULL;
    file->n_tensors = 0;
    for (size_t i = 0; i < n; i++) {
        hidi_file_tensor tensor = file->tensor[i];
        const char *rest = rest_of(tensor.name, key);

        if (rest == NULL && (is_prefix || strcmp(tensor.name, key) != 0)) {
            free_tensor(&tensor);
            continue;
        }
        if (rest != NULL)
            memmove(tensor.name, rest, strlen(rest) + 1);
        file->tensor[file->n_tensors++] = tensor;
    }
    keep_unread(file, key);
    return file->n_tensors > 0
               ? HIDI_OK
               : hidi_error(HIDI_BAD_ARGUMENT, "%s: no tensor is called \"%s\" or \"%s.NAME\"",
                            file->path, key, key);
}

size_t hidi_file_budget(size_t file_bytes)
{
    const size_t least = (size_t)256 << 20;

    return file_bytes > (SIZE_MAX - least) / 64 ? SIZE_MAX : 64 * file_bytes + least;
}
