/* atomic_file.c - write beside the target, flush to disk, rename: rename(2) is what makes a file
 * appear whole or not at all.  A process that is killed leaves its temporary file, which the next
 * one that writes the same file removes: the name has the number of its process, and a lock on it
 * says, on a shared disk too, that it is at work. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/processes.h"
#include "io/image.h"

static void forget(hidi_atomic_file *file)
{
    free(file->path);
    free(file->temporary);
    memset(file, 0, sizeof *file);
}

/* --- inputs ----------------------------------------------------------------------------------- */

/* A file by what it is, whatever it is called. */
typedef struct identity {
    dev_t device;
    ino_t inode;
} identity;

static struct {
    identity *file; /* [n] files and folders */
    size_t n, capacity;
} inputs;

hidi_status hidi_protect_input(const char *path)
{
    struct stat info;

    if (stat(path, &info) != 0)
        return HIDI_OK;
    if (inputs.n == inputs.capacity) {
        const size_t capacity = 2 * inputs.capacity + 8;
        identity *file = realloc(inputs.file, capacity * sizeof *file);
        if (file == NULL)
            return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
        inputs.file = file;
        inputs.capacity = capacity;
    }
    inputs.file[inputs.n++] = (identity){info.st_dev, info.st_ino};
    return HIDI_OK;
}

static bool is_input(const struct stat *info)
{
    for (size_t i = 0; i < inputs.n; i++)
        if (inputs.file[i].device == info->st_dev && inputs.file[i].inode == info->st_ino)
            return true;
    return false;
}

/* The folder of a path, for the caller to free; NULL when out of memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL   ? strdup(".")
           : slash == path ? strdup("/")
                           : strndup(path, (size_t)(slash - path));
}

/* A picture in a folder of pictures that is read: where the path leads to, through links. */
static bool is_input_picture(const char *path)
{
    struct stat info;
    char *real = realpath(path, NULL), *folder = real != NULL ? folder_of(real) : NULL;
    const bool is = folder != NULL && hidi_image_named(real) && stat(folder, &info) == 0 &&
                    is_input(&info);
    free(folder);
    free(real);
    return is;
}

hidi_status hidi_refuse_input(const char *path)
{
    struct stat info;

    if (stat(path, &info) == 0 && (is_input(&info) || is_input_picture(path)))
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: is an input, and is not overwritten", path);
    return HIDI_OK;
}

/* --- temporary files -------------------------------------------------------------------------- */

/* Where the bytes will go: `path`, or what it leads to if it is a symbolic link, so that the link
 * stays one.  A device or a folder cannot be replaced. */
static hidi_status find_target(const char *path, char **target)
{
    struct stat info;

    *target = NULL;
    HIDI_TRY(hidi_refuse_input(path));
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

static void set_lock(int descriptor)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    (void)fcntl(descriptor, F_SETLK, &all); /* a file system without locks: the number must do */
}

/* The process that a name "base.tmp-PID" or "base.tmp-PID-N" is of; 0: it is not such a name. */
static long process_of(const char *name, const char *base)
{
    const size_t length = strlen(base);
    char *end;

    if (strncmp(name, base, length) != 0 || strncmp(name + length, ".tmp-", 5) != 0)
        return 0;
    const char *digits = name + length + 5;
    if (*digits < '1' || *digits > '9')
        return 0;
    errno = 0;
    const long process = strtol(digits, &end, 10);
    if (errno == 0 && *end == '-' && end[1] >= '1' && end[1] <= '9')
        (void)strtol(end + 1, &end, 10);
    return errno == 0 && *end == '\0' && (long)(pid_t)process == process ? process : 0;
}

/* Does nobody write this file any more?  Closing it here gives up no lock of this process's own:
 * its own files are not asked about. */
static bool is_abandoned(const char *path, long process)
{
    struct flock any = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    if (process == (long)getpid() || kill((pid_t)process, 0) == 0 || errno != ESRCH)
        return false;
    const int descriptor = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    const bool is = fcntl(descriptor, F_GETLK, &any) != 0 || any.l_type == F_UNLCK;
    close(descriptor);
    return is;
}

void hidi_atomic_tidy(const char *path)
{
    enum { MOST_NAMES = 4096 }; /* a folder of very many files is not searched for every one */
    if (!hidi_process_is_first())
        return;
    char *folder = folder_of(path);
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    DIR *names = folder != NULL ? opendir(folder) : NULL;

    if (names != NULL) {
        const struct dirent *entry;
        for (int i = 0; i < MOST_NAMES && (entry = readdir(names)) != NULL; i++) {
            const long process = process_of(entry->d_name, base);
            const size_t size = strlen(folder) + strlen(entry->d_name) + 2;
            char *found = process > 0 ? malloc(size) : NULL;
            if (found == NULL)
                continue;
            snprintf(found, size, "%s/%s", folder, entry->d_name);
            if (is_abandoned(found, process))
                (void)unlink(found);
            free(found);
        }
        closedir(names);
    }
    free(folder);
}

/* A new file "path.tmp-PID"; "path.tmp-PID-1" and so on, if another thread is at the same path, or
 * a process of the same number has left one. */
static int create_temporary(hidi_atomic_file *file, size_t size)
{
    enum { MOST_TRIES = 1000 };
    int descriptor = -1;

    snprintf(file->temporary, size, "%s.tmp-%ld", file->path, (long)getpid());
    for (int i = 1; i <= MOST_TRIES; i++) {
        descriptor = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0 || errno != EEXIST)
            break;
        snprintf(file->temporary, size, "%s.tmp-%ld-%d", file->path, (long)getpid(), i);
    }
    return descriptor;
}

/* What others than the first of several processes write goes nowhere. */
static hidi_status open_nothing(hidi_atomic_file *file)
{
    file->out = fopen("/dev/null", "wb");
    return file->out != NULL ? HIDI_OK
                             : hidi_error(HIDI_BAD_FILE, "/dev/null: %s", strerror(errno));
}

hidi_status hidi_atomic_open(hidi_atomic_file *file, const char *path)
{
    memset(file, 0, sizeof *file);
    if (!hidi_process_is_first())
        return open_nothing(file);
    HIDI_TRY(find_target(path, &file->path));

    size_t size = strlen(file->path) + sizeof ".tmp--" + 6 * sizeof(long);
    file->temporary = malloc(size);
    if (file->temporary == NULL) {
        forget(file);
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for a file name", path);
    }
    hidi_atomic_tidy(file->path);
    const int descriptor = create_temporary(file, size);
    if (descriptor >= 0) {
        set_lock(descriptor);
        file->out = fdopen(descriptor, "wb");
    }
    if (file->out == NULL) {
        hidi_status status = hidi_error(HIDI_BAD_FILE, "%s: cannot create it: %s", path,
                                        strerror(errno));
        if (descriptor >= 0) {
            close(descriptor);
            (void)unlink(file->temporary);
        }
        forget(file);
        return status;
    }
    return HIDI_OK;
}

hidi_status hidi_atomic_check(const char *path)
{
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, path));
    hidi_atomic_abandon(&file);
    return HIDI_OK;
}

/* Why a write failed that stdio says did: its errno is long gone, but what stopped it (a full disk,
 * a limit) stops the next one as well. */
static int reason_of(int descriptor)
{
    static const char nothing[1 << 16];

    for (int i = 0; i < 4; i++)
        if (write(descriptor, nothing, sizeof nothing) < 0)
            return errno;
    return EIO;
}

/* A rename survives a power cut only once the folder itself is on disk.  Some file systems cannot
 * do this for a folder, and the data is safe without it: errors are of no consequence. */
static void sync_folder(const char *path)
{
    char *folder = folder_of(path);

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

    if (file->path == NULL) { /* open_nothing */
        (void)fclose(file->out);
        forget(file);
        return HIDI_OK;
    }
    if (ferror(file->out) != 0)
        reason = reason_of(fileno(file->out));
    else if (fflush(file->out) != 0 || fsync(fileno(file->out)) != 0)
        reason = errno;
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
    if (file->temporary != NULL)
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
    /* What has no size, such as /dev/zero, may have no end.  One byte for the 0 and one more, so
     * that a file of the expected size ends the loop. */
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
            return hidi_error(HIDI_BAD_FILE, "%s: more than %zu bytes, and not a regular file",
                              path, most);
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
