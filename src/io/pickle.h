/* pickle.h - what a pickle of torch.save describes, without running it.  Private to io/.
 *
 * A pickle is a program for a small stack machine; among its instructions are calls of any Python
 * function.  hidi_unpickle follows those that build plain values; of the calls it knows the few
 * that make ordered dicts, tensors and parameters, and computes what these would.  The result of
 * any other call is an opaque value with the function's name: nothing is ever called.
 * Protocols from 2 on are read (torch.save writes 2 unless told otherwise).
 * Source: pickletools.py and pickle.py (Python), torch/_utils.py (PyTorch).
 */
#ifndef HIDI_IO_PICKLE_H
#define HIDI_IO_PICKLE_H

#include "core/arena.h"
#include "io/tensor_file.h"

typedef enum hidi_value_kind {
    HIDI_VALUE_NONE,
    HIDI_VALUE_BOOL,    /* integer: 0 or 1                                           */
    HIDI_VALUE_INT,     /* integer                                                   */
    HIDI_VALUE_LONG,    /* one of more than 64 bits: text[n], little-endian          */
    HIDI_VALUE_FLOAT,   /* real                                                      */
    HIDI_VALUE_TEXT,    /* text[n], UTF-8 if the writer kept to the rules            */
    HIDI_VALUE_TUPLE,   /* item[n]                                                   */
    HIDI_VALUE_LIST,    /* item[n]                                                   */
    HIDI_VALUE_DICT,    /* item[n]: keys and values in turn                          */
    HIDI_VALUE_GLOBAL,  /* text[n]: a function or a class, "torch.FloatStorage"      */
    HIDI_VALUE_OPAQUE,  /* text[n]: the class, or the function that would make it    */
    HIDI_VALUE_STORAGE, /* storage                                                   */
    HIDI_VALUE_TENSOR   /* tensor                                                    */
} hidi_value_kind;

/* An array of numbers that is somewhere else in the file; tensors are views of it. */
typedef struct hidi_stored {
    const char *key;  /* its name                                              */
    const char *type; /* "torch.FloatStorage"                                  */
    bool known;       /* the type is one that has a hidi_dtype, or untyped     */
    bool untyped;     /* bytes: the tensor says what they are                  */
    hidi_dtype dtype; /* HIDI_U8 if untyped                                    */
    size_t count;     /* elements; their bytes fit in a size_t                 */
} hidi_stored;

/* A view that stays within its storage. */
typedef struct hidi_stored_view {
    const hidi_stored *storage;
    hidi_dtype dtype;
    size_t offset, count; /* elements */
    int rank;
    size_t dim[HIDI_FILE_MAX_RANK], stride[HIDI_FILE_MAX_RANK];
} hidi_stored_view;

typedef struct hidi_value {
    hidi_value_kind kind;
    int64_t integer;
    double real;
    const char *text; /* with a 0 after it (and perhaps some in it) */
    struct hidi_value **item;
    size_t n;
    const hidi_stored *storage;
    const hidi_stored_view *tensor;
} hidi_value;

/* A pickle's value, and the storages that it names, as often as it does. */
typedef struct hidi_pickle {
    const hidi_value *value;
    const hidi_stored **storages;
    size_t n_storages;
    size_t used;       /* bytes of the pickle        */
    hidi_arena *arena; /* holds all of the above     */
} hidi_pickle;

/* Reads the pickle at the beginning of bytes[n].  HIDI_BAD_FORMAT for instructions that make no
 * sense, HIDI_UNSUPPORTED for one of another protocol and for more values than fit into a gigabyte,
 * each with `what` in front.  The caller frees with hidi_pickle_free, after errors too. */
hidi_status hidi_unpickle(hidi_pickle *pickle, const unsigned char *bytes, size_t n,
                          const char *what);
void hidi_pickle_free(hidi_pickle *pickle); /* also of a zeroed one */

#endif
