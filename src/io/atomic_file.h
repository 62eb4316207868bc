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

/* Opens "path.tmp-PID" for binary writing, a file that was not there before.  Those that processes
 * which were killed have left of this path are removed.  HIDI_BAD_ARGUMENT for an input
 * (hidi_protect_input). */
hidi_status hidi_atomic_open(hidi_atomic_file *file, const char *path);

/* Could `path` be written?  The same errors as those of hidi_atomic_open, before the work. */
hidi_status hidi_atomic_check(const char *path);

/* Flushes to disk and renames; on any error (a full disk among them) removes the temporary file and
 * leaves an existing `path` as it was.  Closes and frees in any case. */
hidi_status hidi_atomic_commit(hidi_atomic_file *file);

/* Gives up: removes the temporary file. */
void hidi_atomic_abandon(hidi_atomic_file *file);

/* Removes the temporary files of `path` whose processes no longer run: they were killed. */
void hidi_atomic_tidy(const char *path);

/* From now on no file of this process replaces `path`: the file itself, by whatever name or link;
 * of a folder, the PNG files in it.  What is not there is passed over.  Not to be called while
 * other threads write files. */
hidi_status hidi_protect_input(const char *path);

/* HIDI_BAD_ARGUMENT if `path` is such an input: for files that are written in place. */
hidi_status hidi_refuse_input(const char *path);

/* mkdir -p. */
hidi_status hidi_make_folder(const char *path);

/* The whole of a file, with a 0 byte after it; *bytes may be NULL.  The caller frees *data. */
hidi_status hidi_read_file(const char *path, unsigned char **data, size_t *bytes);

/* At most `size` bytes from the beginning of a file; *n: how many there were. */
hidi_status hidi_read_beginning(const char *path, unsigned char *bytes, size_t size, size_t *n);

#endif
