/* lock.h - one process at a time works in a folder, or on a file. */
#ifndef HIDI_LAB_LOCK_H
#define HIDI_LAB_LOCK_H

#include <stdbool.h>
#include <stdio.h>

#include "core/status.h"

/* Locks byte number `byte` of dir/lock until the process ends; the folder is made.  Another process
 * has it: HIDI_BAD_FILE, with the number of that process; or, if wait is set, waits until it has
 * ended or this thread is asked to stop (HIDI_INTERRUPTED).  A byte that this process has locked
 * already stays locked; a child does not inherit locks. */
hidi_status hidi_lock_folder(const char *dir, long byte, bool wait);

/* Has another process any byte of dir/lock from `byte` on?  HIDI_BAD_FILE, with its number. */
hidi_status hidi_folder_is_free(const char *dir, long byte);

/* Opens a file for reading and writing, "r+b", and locks it; it is made if it is not there.
 * Another process has it: HIDI_BAD_FILE, with the number of that process.  The lock ends when this
 * or any other opening of the file is closed, or when the process ends. */
hidi_status hidi_lock_file(const char *path, FILE **file);

#endif
