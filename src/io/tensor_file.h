/* tensor_file.h - named tensors and text metadata in host memory, and how to get at them.
 *
 * Readers (open_tensors.h calls them) fill one; models, checkpoints and `hidi probe` take what
 * they need from it.  To write, fill one with hidi_tensor_file_add and hand it to a writer.
 */
#ifndef HIDI_IO_TENSOR_FILE_H
#define HIDI_IO_TENSOR_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../core/real.h"
#include "../core/status.h"

#define HIDI_FILE_MAX_RANK 8

typedef enum hidi_dtype {
    HIDI_F64, HIDI_F32, HIDI_F16, HIDI_BF16,
    HIDI_I64, HIDI_I32, HIDI_I16, HIDI_I8, HIDI_U8, HIDI_BOOL
} hidi_dtype;

typedef struct hidi_file_tensor {
    char *name;
    hidi_dtype dtype;
    int rank;
    size_t dim[HIDI_FILE_MAX_RANK]; /* row-major                                     */
    size_t count;                   /* elements                                      */
    const unsigned char *data;      /* little-endian, maybe unaligned; NULL: not read */
    bool owned;                     /* data was allocated for this tensor            */
} hidi_file_tensor;

typedef struct hidi_tensor_file {
    char *path;              /* for messages; "" while being built               */
    hidi_file_tensor *tensor;
    size_t n_tensors;
    char **key, **value;     /* metadata                                         */
    size_t n_keys;
    char **unread;           /* "name: what it is" of what could not be read     */
    size_t n_unread;
    unsigned char *buffer;   /* the bytes that the tensors point into, or NULL   */
    size_t buffer_bytes;
    struct hidi_tensor_file *part; /* the files of a model in several: their bytes */
    size_t n_parts;
    bool mapped;             /* the buffer is the file itself, mapped into memory    */
    bool borrows;            /* being built to be written at once: what is added may */
                             /*   stay where it is (hidi_tensor_file_lend_real)      */
} hidi_tensor_file;

void hidi_tensor_file_init(hidi_tensor_file *file); /* empty, path "" */
void hidi_tensor_file_free(hidi_tensor_file *file);

size_t hidi_dtype_bytes(hidi_dtype dtype);
const char *hidi_dtype_name(hidi_dtype dtype); /* "F32", as in safetensors */

/* --- reading ---------------------------------------------------------------------------------- */

/* NULL: not there. */
const hidi_file_tensor *hidi_tensor_file_find(const hidi_tensor_file *file, const char *name);
const char *hidi_tensor_file_meta(const hidi_tensor_file *file, const char *key);

/* The tensor called `name`, or HIDI_BAD_FORMAT naming the file and what it lacks; HIDI_UNSUPPORTED
 * if it is there, but among the unread. */
hidi_status hidi_tensor_file_need(const hidi_tensor_file *file, const char *name,
                                  const hidi_file_tensor **tensor);

/* All elements converted to hidi_real (any dtype) into out[count]. */
void hidi_file_tensor_real(const hidi_file_tensor *tensor, hidi_real *out);
void hidi_file_tensor_double(const hidi_file_tensor *tensor, double *out);
/* Elements first .. first + n - 1 alone. */
void hidi_file_tensor_part(const hidi_file_tensor *tensor, size_t first, size_t n, hidi_real *out);
/* The bits of x as F16, to the nearest (of two, the even one); beyond 65504, an infinity. */
uint16_t hidi_to_half(double x);
/* All elements into out[count]; HIDI_BAD_FORMAT if the dtype is not an integer one (BOOL is one, 0
 * and 1) or a value does not fit. */
hidi_status hidi_file_tensor_int(const hidi_file_tensor *tensor, int32_t *out);

/* "F32 [64, 3, 16, 16]" into text[size]; returns text. */
char *hidi_file_tensor_text(const hidi_file_tensor *tensor, char *text, size_t size);

/* --- building --------------------------------------------------------------------------------- */

/* The name that messages use. */
hidi_status hidi_tensor_file_set_path(hidi_tensor_file *file, const char *path);

/* Adds a tensor.  The elements are copied (hidi_real ones are stored as F32 in the single, F64 in
 * the double build).  A name that is already there is an error. */
hidi_status hidi_tensor_file_add(hidi_tensor_file *file, const char *name, hidi_dtype dtype,
                                 int rank, const size_t *dim, const void *data);
hidi_status hidi_tensor_file_add_real(hidi_tensor_file *file, const char *name, int rank,
                                      const size_t *dim, const hidi_real *data);
/* The same of elements that stay as and where they are until the file is written: one that borrows
 * does not copy them. */
hidi_status hidi_tensor_file_lend_real(hidi_tensor_file *file, const char *name, int rank,
                                       const size_t *dim, const hidi_real *data);
/* For readers: adds a tensor whose little-endian bytes stay where they are, as a rule in
 * file->buffer.  The caller makes sure that names differ. */
hidi_status hidi_tensor_file_refer(hidi_tensor_file *file, const char *name, hidi_dtype dtype,
                                   int rank, const size_t *dim, const unsigned char *data);
/* ... whose bytes, from malloc, now belong to the file (if it succeeds). */
hidi_status hidi_tensor_file_take(hidi_tensor_file *file, const char *name, hidi_dtype dtype,
                                  int rank, const size_t *dim, unsigned char *data);
hidi_status hidi_tensor_file_add_meta(hidi_tensor_file *file, const char *key, const char *value);
/* ... in the place of the value that the key may already have. */
hidi_status hidi_tensor_file_set_meta(hidi_tensor_file *file, const char *key, const char *value);
/* For readers: notes what the file has under `name` that is neither a tensor nor text. */
hidi_status hidi_tensor_file_add_unread(hidi_tensor_file *file, const char *name,
                                        const char *what);

/* For readers: keeps only the tensors called "key.NAME", as NAME, or, where there are none, the one
 * called `key`.  None: HIDI_BAD_ARGUMENT. */
hidi_status hidi_tensor_file_keep(hidi_tensor_file *file, const char *key);

/* For readers: the elements of a tensor, or HIDI_BAD_SHAPE if the rank is above HIDI_FILE_MAX_RANK
 * or its bytes are more than a size_t counts. */
hidi_status hidi_count_elements(const char *name, hidi_dtype dtype, int rank, const size_t *dim,
                                size_t *count);

/* How many bytes the arrays of a file of this size may take in memory, where compression or strides
 * make them larger than the file: 64 times its size plus 256 MiB. */
size_t hidi_file_budget(size_t file_bytes);

#endif
