/* scratch.h - a folder of its own for each test program that writes files; it is removed at exit.
 *
 * Include <config.h> before anything else: this needs POSIX.
 */
#ifndef HIDI_TESTS_SCRATCH_H
#define HIDI_TESTS_SCRATCH_H

#include <check.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_root[256];
static pid_t scratch_owner;

static inline int scratch_remove(const char *path, const struct stat *about, int type,
                                 struct FTW *where)
{
    (void)about, (void)type, (void)where;
    return remove(path);
}

/* check runs each test in a child that exits, too: the folder is its parent's. */
static inline void scratch_end(void)
{
    if (getpid() == scratch_owner)
        nftw(scratch_root, scratch_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Call it first in main. */
static inline void scratch_begin(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(scratch_root, sizeof scratch_root, "%s/hidi-test-XXXXXX",
             parent != NULL ? parent : "/tmp");
    if (mkdtemp(scratch_root) == NULL) {
        perror(scratch_root);
        exit(EXIT_FAILURE);
    }
    scratch_owner = getpid();
    atexit(scratch_end);
}

/* A path in the scratch folder, in one of four buffers that take turns. */
static inline const char *scratch(const char *name)
{
    static char path[4][1024];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", scratch_root, name);
    return path[turn];
}

/* An existing folder with this name. */
static inline const char *scratch_folder(const char *name)
{
    const char *path = scratch(name);
    mkdir(path, 0777);
    return path;
}

static inline void scratch_write(const char *name, const void *bytes, size_t n)
{
    FILE *out = fopen(scratch(name), "wb");
    ck_assert_msg(out != NULL, "%s cannot be written", name);
    ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
    ck_assert_int_eq(fclose(out), 0);
}

/* At most `size` bytes of a file; returns how many. */
static inline size_t scratch_read(const char *name, void *bytes, size_t size)
{
    FILE *in = fopen(scratch(name), "rb");
    ck_assert_msg(in != NULL, "%s cannot be read", name);
    const size_t n = fread(bytes, 1, size, in);
    fclose(in);
    return n;
}

/* How many there are in the scratch folder, with . and .. */
static inline int files_in_scratch(void)
{
    int n = 0;
    DIR *folder = opendir(scratch_root);

    ck_assert_ptr_nonnull(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

#endif
