/* lock.c - POSIX record locks: they end with the process, however it ends, so that none is ever
 * left behind, and whoever is refused learns who has it.  They also end when the process closes any
 * descriptor of the file, which is why a file that is locked stays open, and is opened once. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/processes.h"
#include "core/array.h"
#include "core/stop.h"
#include "io/atomic_file.h"
#include "lab/session.h"

/* The lock files that are open. */
static struct {
    struct opened {
        dev_t device;
        ino_t inode;
        int descriptor;
    } *file; /* [n] */
    size_t n;
} all;

static int find_opened(const char *path)
{
    struct stat info;
    for (size_t i = 0; i < all.n && stat(path, &info) == 0; i++)
        if (all.file[i].device == info.st_dev && all.file[i].inode == info.st_ino)
            return all.file[i].descriptor;
    return -1;
}

static hidi_status remember(const char *path, int descriptor)
{
    struct stat info;
    if (!hidi_array_room(&all.file, all.n, NULL, sizeof *all.file) ||
        fstat(descriptor, &info) != 0) {
        close(descriptor);
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    }
    all.file[all.n++] = (struct opened){info.st_dev, info.st_ino, descriptor};
    return HIDI_OK;
}

/* dir/lock; it is made if it is not there. */
static hidi_status open_lock(const char *dir, int *descriptor)
{
    char path[HIDI_PATH];
    HIDI_TRY(hidi_make_folder(dir));
    hidi_path(path, sizeof path, dir, "lock");
    if ((*descriptor = find_opened(path)) >= 0)
        return HIDI_OK;
    *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*descriptor < 0)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    return remember(path, *descriptor);
}

static hidi_status is_at_work(const char *dir, pid_t process)
{
    return hidi_error(HIDI_BAD_FILE, "%s: process %ld is at work in this folder", dir,
                      (long)process);
}

static hidi_status lock_descriptor(int descriptor, const char *path)
{
    struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, other = mine;
    if (fcntl(descriptor, F_SETLK, &mine) == 0)
        return HIDI_OK;
    if (errno != EACCES && errno != EAGAIN)
        return hidi_error(HIDI_BAD_FILE, "%s: cannot be locked: %s", path, strerror(errno));
    const bool is_known = fcntl(descriptor, F_GETLK, &other) == 0 && other.l_type != F_UNLCK;
    return hidi_error(HIDI_BAD_FILE, "%s: process %ld is at work on this file", path,
                      is_known ? (long)other.l_pid : 0L);
}

/* Is this the file of that name, or has it got another one meanwhile? */
static bool is_called(int descriptor, const char *path)
{
    struct stat opened, named;
    return fstat(descriptor, &opened) == 0 && stat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

hidi_status hidi_lock_file(const char *path, FILE **file)
{
    *file = NULL;
    while (*file == NULL) {
        const int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (descriptor < 0)
            return hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", path, strerror(errno));
        const hidi_status status = lock_descriptor(descriptor, path);
        const bool is_it = status == HIDI_OK && is_called(descriptor, path);
        if (is_it && (*file = fdopen(descriptor, "r+b")) != NULL)
            return HIDI_OK;
        close(descriptor);
        HIDI_TRY(status);
        if (is_it)
            return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    }
    return HIDI_OK;
}

hidi_status hidi_lock_folder(const char *dir, long byte, bool wait)
{
    const struct timespec pause = {0, 200000000};
    int descriptor;
    if (!hidi_process_is_first())
        return HIDI_OK; /* the first has it for all */
    HIDI_TRY(open_lock(dir, &descriptor));
    for (;;) {
        struct flock mine = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
        struct flock other = mine;
        if (fcntl(descriptor, F_SETLK, &mine) == 0)
            return HIDI_OK;
        if (errno != EACCES && errno != EAGAIN)
            return hidi_error(HIDI_BAD_FILE, "%s: cannot be locked: %s", dir, strerror(errno));
        if (!wait && fcntl(descriptor, F_GETLK, &other) == 0 && other.l_type != F_UNLCK)
            return is_at_work(dir, other.l_pid);
        HIDI_TRY(hidi_error_prefix(hidi_check_stop(), "%s", dir));
        nanosleep(&pause, NULL); /* it is waited for, or has just ended */
    }
}

hidi_status hidi_folder_is_free(const char *dir, long byte)
{
    struct flock any = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 0};
    int descriptor;
    HIDI_TRY(open_lock(dir, &descriptor));
    if (fcntl(descriptor, F_GETLK, &any) == 0 && any.l_type != F_UNLCK)
        return is_at_work(dir, any.l_pid);
    return HIDI_OK;
}
