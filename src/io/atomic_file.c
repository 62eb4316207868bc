/* atomic_file.c - write beside the target, flush to disk, rename: rename(2) is what makes a file
 * appear whole or not at all. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void forget(hidi_atomic_file *file)
{
    free(file->path);
    free(file->temporary);
    memset(file, 0, sizeof *file);
}

/* Where the bytes will go: `path`, or what it leads to if it is a symbolic link, so that the link
 * stays one.  A device or a folder cannot be replaced. */
static hidi_status find_target(const char *path, char **target)
{
    struct stat info;

    *target = NULL;
    if (stat(path, &info) == 0) {
        if (!S_ISREG(info.st_mode))
            return hidi_error(HIDI_BAD_FILE, "%s: exists and is not a regular file", path);
        *target = realpath(path, NULL);
    } else {
        *target = strdup(path);
    }
    if (*target == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    return HIDI_OK;
}

hidi_status hidi_atomic_open(hidi_atomic_file *file, const char *path)
{
    memset(file, 0, sizeof *file);
    HIDI_TRY(find_target(path, &file->path));

    size_t size = strlen(file->path) + sizeof ".tmp-" + 3 * sizeof(long);
    file->temporary = malloc(size);
    if (file->temporary == NULL) {
        forget(file);
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    }
    snprintf(file->temporary, size, "%s.tmp-%ld", file->path, (long)getpid());
    file->out = fopen(file->temporary, "wb");
    if (file->out == NULL) {
        hidi_status status = hidi_error(HIDI_BAD_FILE, "%s: cannot create it: %s", path,
                                        strerror(errno));
        forget(file);
        return status;
    }
    return HIDI_OK;
}

/* A rename survives a power cut only once the folder itself is on disk.  Some file systems cannot
 * do this for a folder, and the data is safe without it: errors are of no consequence. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL   ? strdup(".")
                   : slash == path ? strdup("/")
                                   : strndup(path, (size_t)(slash - path));

    if (folder == NULL)
        return;
    int descriptor = open(folder, O_RDONLY);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

hidi_status hidi_atomic_commit(hidi_atomic_file *file)
{
    int reason = 0;

    errno = 0;
    if (ferror(file->out) != 0 || fflush(file->out) != 0 || fsync(fileno(file->out)) != 0)
        reason = errno != 0 ? errno : EIO; /* ferror may be of a write long past */
    if (fclose(file->out) != 0 && reason == 0)
        reason = errno;
    if (reason == 0 && rename(file->temporary, file->path) != 0)
        reason = errno;

    hidi_status status = HIDI_OK;
    if (reason == 0) {
        sync_folder(file->path);
    } else {
        (void)remove(file->temporary);
        status = hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", file->path,
                            strerror(reason));
    }
    forget(file);
    return status;
}

void hidi_atomic_abandon(hidi_atomic_file *file)
{
    if (file->out == NULL)
        return;
    (void)fclose(file->out);
    (void)remove(file->temporary);
    forget(file);
}

hidi_status hidi_make_folder(const char *path)
{
    struct stat info;
    char *part = strdup(path);
    hidi_status status = HIDI_OK;

    if (part == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    if (*path == '\0')
        status = hidi_error(HIDI_BAD_FILE, "the empty text is not the name of a folder");
    for (size_t i = 1; status == HIDI_OK && i <= strlen(path); i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, 0777) != 0) {
            int reason = errno;
            bool there = stat(part, &info) == 0;
            if (!there || !S_ISDIR(info.st_mode))
                status = hidi_error(HIDI_BAD_FILE, "%s: cannot make the folder %s: %s", path,
                                    part, strerror(there ? ENOTDIR : reason));
        }
        part[i] = path[i];
    }
    free(part);
    return status;
}

hidi_status hidi_read_file(const char *path, unsigned char **data, size_t *bytes)
{
    struct stat info;
    hidi_status status = HIDI_OK;
    size_t capacity = 1 << 16, used = 0, most = (size_t)1 << 30;
    FILE *in = fopen(path, "rb");

    *data = NULL;
    if (in == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    /* What has no size, such as /dev/zero, may have no end.  One byte for the 0 and one more, so that a file of the expected size ends the loop. */
    if (fstat(fileno(in), &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0) {
        capacity = (size_t)info.st_size + 2;
        most = SIZE_MAX / 2;
    }
    unsigned char *buffer = malloc(capacity);
    while (buffer != NULL) {
        used += fread(buffer + used, 1, capacity - used - 1, in);
        if (used < capacity - 1)
            break; /* the end, or an error */
        if (used > most) {
            free(buffer);
            (void)fclose(in);
            return hidi_error(HIDI_BAD_FILE, "%s: more than %zu bytes, and not a regular file", path,
                              most);
        }
        unsigned char *larger = capacity > SIZE_MAX / 2 ? NULL : realloc(buffer, 2 * capacity);
        if (larger == NULL)
            free(buffer);
        buffer = larger;
        capacity *= 2;
    }
    if (buffer == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory after %zu bytes", path, used);
    else if (ferror(in))
        status = hidi_error(HIDI_BAD_FILE, "%s: cannot read it: %s", path, strerror(errno));
    (void)fclose(in);
    if (status != HIDI_OK) {
        free(buffer);
        return status;
    }
    buffer[used] = 0;
    *data = buffer;
    if (bytes != NULL)
        *bytes = used;
    return HIDI_OK;
}

hidi_status hidi_read_beginning(const char *path, unsigned char *bytes, size_t size, size_t *n)
{
    hidi_status status = HIDI_OK;
    FILE *in = fopen(path, "rb");

    if (in == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    *n = fread(bytes, 1, size, in);
    if (ferror(in))
        status = hidi_error(HIDI_BAD_FILE, "%s: cannot read it: %s", path, strerror(errno));
    (void)fclose(in);
    return status;
}
