/* zip_file.h - reading zip archives (npz, PyTorch) with libzip.  Private to io/. */
#ifndef HIDI_IO_ZIP_FILE_H
#define HIDI_IO_ZIP_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>

#include "core/status.h"

typedef struct hidi_zip {
    char *path;
    struct zip *archive;
    FILE *single;      /* a file that is taken for an archive's only member, or NULL */
    const char *single_name;
    size_t n_members;
    size_t file_bytes; /* of the archive itself */
} hidi_zip;

/* A member that is being read. */
typedef struct hidi_zip_member {
    const hidi_zip *zip;
    const char *name; /* in the archive; owned by it   */
    uint64_t bytes;   /* when decompressed             */
    uint64_t left;    /* of them, not yet read         */
    struct zip_file *file;
} hidi_zip_member;

/* Reads the directory.  Two members of one name: HIDI_BAD_FORMAT. */
hidi_status hidi_zip_open(hidi_zip *zip, const char *path);

/* A file of its own, such as a .npy, as if it were stored in an archive under this name, a literal. */
hidi_status hidi_zip_open_single(hidi_zip *zip, const char *path, const char *name);

void hidi_zip_close(hidi_zip *zip); /* also of a zeroed one */

/* The name of member i; "" for one that was deleted. */
const char *hidi_zip_name(const hidi_zip *zip, size_t i);

/* The member called `name`; false: there is none. */
bool hidi_zip_find(const hidi_zip *zip, const char *name, size_t *i);

/* Opens member i: stored or deflated, and not encrypted.  Its `bytes` are the directory's word, but
 * for a stored member no more than the archive has. */
hidi_status hidi_zip_begin(hidi_zip_member *member, const hidi_zip *zip, size_t i);

/* The next n bytes, all of them or an error.  With the last byte the checksum is compared. */
hidi_status hidi_zip_read(hidi_zip_member *member, void *out, size_t n);

void hidi_zip_end(hidi_zip_member *member); /* also of a zeroed or ended one */

#endif
