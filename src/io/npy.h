/* npy.h - the header of a .npy array.  Private to io/.
 *
 *   "\x93NUMPY"  major  minor  length (2 bytes little-endian; from version 2: 4)  text
 *   text: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   as Python writes it
 * Source: numpy.lib.format.
 */
#ifndef HIDI_IO_NPY_H
#define HIDI_IO_NPY_H

#include "io/tensor_file.h"

#define HIDI_NPY_TYPE 32 /* characters of a type that are kept */

typedef struct hidi_npy {
    bool readable;            /* false: an element type we cannot hold; `type` says which   */
    char type[HIDI_NPY_TYPE]; /* "<f4"; "structure"; or why not                             */
    hidi_dtype dtype;
    bool big_endian;
    bool fortran;             /* first index fastest, where that makes a difference         */
    int rank;
    size_t dim[HIDI_FILE_MAX_RANK];
} hidi_npy;

enum { HIDI_NPY_PREFIX = 12 }; /* bytes from which the length of the header can be told */

/* Do these 6 bytes begin an array? */
bool hidi_is_npy(const unsigned char *first);

/* The whole length of the header, prefix included, from its first HIDI_NPY_PREFIX bytes; `what`
 * ("a.npz: \"mu\"") begins the messages. */
hidi_status hidi_npy_length(const unsigned char *prefix, const char *what, size_t *length);

/* Reads a header of that length. */
hidi_status hidi_npy_parse(hidi_npy *npy, const unsigned char *header, size_t length,
                           const char *what);

/* Makes a header (version 1, data aligned to 64 bytes) in text[HIDI_NPY_HEADER]; *length: its
 * bytes.  HIDI_UNSUPPORTED for a dtype that NumPy lacks. */
enum { HIDI_NPY_HEADER = 512 };
hidi_status hidi_npy_header(unsigned char *text, size_t *length, hidi_dtype dtype, int rank,
                            const size_t *dim);

#endif
