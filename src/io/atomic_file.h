/* atomic_file.h - files that appear whole or not at all. */
#ifndef HIDI_IO_ATOMIC_FILE_H
#define HIDI_IO_ATOMIC_FILE_H

#include <stdio.h>

#include "../core/status.h"

typedef struct hidi_atomic_file {
    FILE *out;       /* write here                                        */
    char *path;      /* what it will be called                            */
    char *temporary; /* what it is called until then, in the same folder  */
} hidi_atomic_file;

/* Opens "path.tmp-PID" for binary writing. */
hidi_status hidi_atomic_open(hidi_atomic_file *file, const char *path);

/* Flushes to disk and renames; on any error (a full disk among them) removes the temporary file and
 * leaves an existing `path` as it was.  Closes and frees in any case. */
hidi_status hidi_atomic_commit(hidi_atomic_file *file);

/* Gives up: removes the temporary file. */
void hidi_atomic_abandon(hidi_atomic_file *file);

/* mkdir -p. */
hidi_status hidi_make_folder(const char *path);

/* The whole of a file, with a 0 byte after it; *bytes may be NULL.  The caller frees *data. */
hidi_status hidi_read_file(const char *path, unsigned char **data, size_t *bytes);

/* At most `size` bytes from the beginning of a file; *n: how many there were. */
hidi_status hidi_read_beginning(const char *path, unsigned char *bytes, size_t size, size_t *n);

#endif
