/* test_atomic_file.c - files that appear whole or not at all, folders, reading. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "scratch.h"
#include "suite.h"

static void write_text(const char *name, const char *text)
{
    hidi_atomic_file file;

    ck_assert_int_eq(hidi_atomic_open(&file, scratch(name)), HIDI_OK);
    ck_assert_int_ge(fputs(text, file.out), 0);
    ck_assert_int_eq(hidi_atomic_commit(&file), HIDI_OK);
}

START_TEST(the_old_file_is_there_until_the_commit)
{
    hidi_atomic_file file;
    char text[8];
    int files = files_in_scratch();

    write_text("text", "old");
    ck_assert_int_eq(files_in_scratch(), files + 1);
    ck_assert_int_eq(hidi_atomic_open(&file, scratch("text")), HIDI_OK);
    ck_assert_int_ge(fputs("new", file.out), 0);
    ck_assert_int_eq(fflush(file.out), 0);
    ck_assert_uint_eq(scratch_read("text", text, sizeof text), 3);
    ck_assert_mem_eq(text, "old", 3);
    ck_assert_int_eq(hidi_atomic_commit(&file), HIDI_OK);
    ck_assert_uint_eq(scratch_read("text", text, sizeof text), 3);
    ck_assert_mem_eq(text, "new", 3);
    ck_assert_int_eq(files_in_scratch(), files + 1);
    ck_assert_ptr_null(file.out);
}
END_TEST

START_TEST(unwritable_places_are_errors)
{
    hidi_atomic_file file;

    ck_assert_int_eq(hidi_atomic_open(&file, scratch("none/x")), HIDI_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "none/x: cannot create it: No such file"));
    ck_assert_int_eq(hidi_atomic_open(&file, "/dev/full"), HIDI_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "not a regular file"));
    ck_assert_int_eq(hidi_atomic_open(&file, scratch_folder("place")), HIDI_BAD_FILE);
}
END_TEST

START_TEST(an_abandoned_file_leaves_no_trace)
{
    hidi_atomic_file file;
    int files = files_in_scratch();

    ck_assert_int_eq(hidi_atomic_open(&file, scratch("abandoned")), HIDI_OK);
    fputs("text", file.out);
    ck_assert_int_eq(files_in_scratch(), files + 1);
    hidi_atomic_abandon(&file);
    ck_assert_int_eq(files_in_scratch(), files);
}
END_TEST

START_TEST(a_link_stays_a_link)
{
    char target[1024], text[4];

    scratch_write("target", "old", 3);
    ck_assert_int_eq(symlink(scratch("target"), scratch("link")), 0);
    write_text("link", "new");
    ck_assert_int_gt(readlink(scratch("link"), target, sizeof target), 0);
    ck_assert_uint_eq(scratch_read("target", text, sizeof text), 3);
    ck_assert_mem_eq(text, "new", 3);
}
END_TEST

START_TEST(folders_are_made)
{
    struct stat about;

    ck_assert_int_eq(hidi_make_folder(scratch("a/b//c/")), HIDI_OK);
    ck_assert_int_eq(hidi_make_folder(scratch("a/b/c")), HIDI_OK);
    ck_assert(stat(scratch("a/b/c"), &about) == 0 && S_ISDIR(about.st_mode));
    scratch_write("a/file", "", 0);
    ck_assert_int_eq(hidi_make_folder(scratch("a/file")), HIDI_BAD_FILE);
    ck_assert_int_eq(hidi_make_folder(scratch("a/file/b")), HIDI_BAD_FILE);
    ck_assert_int_eq(hidi_make_folder(""), HIDI_BAD_FILE);
}
END_TEST

START_TEST(files_of_any_size_are_read_whole)
{
    static unsigned char bytes[200000];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * i >> 4);
    for (size_t n = 0; n <= sizeof bytes; n = 3 * n + 1) {
        unsigned char *data;
        size_t found;
        scratch_write("any", bytes, n);
        ck_assert_int_eq(hidi_read_file(scratch("any"), &data, &found), HIDI_OK);
        ck_assert_uint_eq(found, n);
        ck_assert_int_eq(data[n], 0);
        ck_assert_mem_eq(data, bytes, n);
        free(data);
    }
}
END_TEST

/* By its own name, a link, a hard link and a way around: the input is as it was, and can be written
 * by nobody until it is another file. */
START_TEST(an_input_is_not_replaced)
{
    static const char *const names[] = {"in", "in-link", "in-hard", "pictures/../in", "linked/in"};
    hidi_atomic_file file;
    char text[8];

    scratch_folder("pictures");
    scratch_write("in", "input", 5);
    ck_assert_int_eq(symlink(scratch("in"), scratch("in-link")), 0);
    ck_assert_int_eq(link(scratch("in"), scratch("in-hard")), 0);
    ck_assert_int_eq(symlink(".", scratch("linked")), 0);
    ck_assert_int_eq(hidi_protect_input(scratch("not-there")), HIDI_OK);
    ck_assert_int_eq(hidi_protect_input(scratch("in-link")), HIDI_OK);
    const int files = files_in_scratch();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_int_eq(hidi_atomic_open(&file, scratch(names[i])), HIDI_BAD_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "is an input, and is not overwritten"));
        ck_assert_int_eq(hidi_atomic_check(scratch(names[i])), HIDI_BAD_ARGUMENT);
        ck_assert_int_eq(hidi_refuse_input(scratch(names[i])), HIDI_BAD_ARGUMENT);
    }
    ck_assert_int_eq(files_in_scratch(), files);
    ck_assert_uint_eq(scratch_read("in", text, sizeof text), 5);
    write_text("not-there", "new");
    ck_assert_int_eq(hidi_atomic_check(scratch("not-there")), HIDI_OK);
    ck_assert_uint_eq(scratch_read("not-there", text, sizeof text), 3);
}
END_TEST

/* Of a folder that is read, the pictures. */
START_TEST(pictures_of_an_input_folder_are_not_replaced)
{
    scratch_folder("set");
    scratch_write("set/1.PNG", "picture", 7);
    scratch_write("set/table.csv", "a", 1);
    ck_assert_int_eq(symlink(scratch("set/1.PNG"), scratch("picture-link")), 0);
    ck_assert_int_eq(hidi_protect_input(scratch("set")), HIDI_OK);
    ck_assert_int_eq(hidi_atomic_check(scratch("set/1.PNG")), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_atomic_check(scratch("picture-link")), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_atomic_check(scratch("set/2.png")), HIDI_OK);
    ck_assert_int_eq(hidi_atomic_check(scratch("set/table.csv")), HIDI_OK);
}
END_TEST

/* The number of a process that has ended. */
static long ended_process(void)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    return (long)child;
}

START_TEST(what_killed_processes_left_is_removed)
{
    static const char *const others[] = {"left.tmp-", "left.tmp-12x", "left.tmp-012", "left.tmp--1",
                                         "left.tmp-99999999999999999999", "right.tmp-1"};
    char dead[64], second[64], mine[64], alive[64], foreign[64];
    const long process = ended_process();

    snprintf(dead, sizeof dead, "left.tmp-%ld", process);
    snprintf(second, sizeof second, "left.tmp-%ld-3", process);
    snprintf(foreign, sizeof foreign, "another-left.tmp-%ld", process);
    snprintf(mine, sizeof mine, "left.tmp-%ld", (long)getpid());
    snprintf(alive, sizeof alive, "left.tmp-%ld", (long)getppid());
    const char *const names[] = {dead, second, foreign, mine, alive};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        scratch_write(names[i], "half", 4);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        scratch_write(others[i], "half", 4);
    write_text("left", "new");
    ck_assert_int_ne(access(scratch(dead), F_OK), 0);
    ck_assert_int_ne(access(scratch(second), F_OK), 0);
    for (size_t i = 2; i < sizeof names / sizeof names[0]; i++)
        ck_assert_msg(access(scratch(names[i]), F_OK) == 0, "%s", names[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert_msg(access(scratch(others[i]), F_OK) == 0, "%s", others[i]);
}
END_TEST

/* A process on another machine has no number here, but its lock shows. */
START_TEST(a_lock_says_that_somebody_writes)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char name[64], byte;
    int ready[2];

    snprintf(name, sizeof name, "locked.tmp-%ld", ended_process());
    scratch_write(name, "half", 4);
    ck_assert_int_eq(pipe(ready), 0);
    const pid_t child = fork();
    if (child == 0) {
        const int file = open(scratch(name), O_RDWR);
        if (file >= 0 && fcntl(file, F_SETLK, &all) == 0 && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    hidi_atomic_tidy(scratch("locked"));
    ck_assert_int_eq(access(scratch(name), F_OK), 0);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    hidi_atomic_tidy(scratch("locked"));
    ck_assert_int_ne(access(scratch(name), F_OK), 0);
}
END_TEST

/* O_EXCL: neither a file nor a link that lies in the temporary file's place is written through. */
START_TEST(temporary_files_are_new)
{
    hidi_atomic_file first, second;
    char place[64], text[8];

    scratch_write("victim", "victim", 6);
    snprintf(place, sizeof place, "trap.tmp-%ld", (long)getpid());
    ck_assert_int_eq(symlink(scratch("victim"), scratch(place)), 0);
    write_text("trap", "new");
    ck_assert_uint_eq(scratch_read("victim", text, sizeof text), 6);
    ck_assert_uint_eq(scratch_read("trap", text, sizeof text), 3);
    ck_assert_int_eq(hidi_atomic_open(&first, scratch("twice")), HIDI_OK);
    ck_assert_int_eq(hidi_atomic_open(&second, scratch("twice")), HIDI_OK);
    ck_assert_str_ne(first.temporary, second.temporary);
    hidi_atomic_abandon(&first);
    fputs("second", second.out);
    ck_assert_int_eq(hidi_atomic_commit(&second), HIDI_OK);
    ck_assert_uint_eq(scratch_read("twice", text, sizeof text), 6);
}
END_TEST

/* The reason is that of the write that failed, though others came after it. */
START_TEST(a_limit_is_named)
{
    hidi_atomic_file file;
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY}, small = {100000, RLIM_INFINITY};
    const int files = files_in_scratch();

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_int_eq(hidi_atomic_open(&file, scratch("large")), HIDI_OK);
    for (int i = 0; i < 50000; i++)
        fputs("text\n", file.out);
    errno = 0;
    ck_assert_int_eq(hidi_atomic_commit(&file), HIDI_BAD_FILE);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "cannot write it: File too large"));
    ck_assert_int_eq(files_in_scratch(), files);
    (void)setrlimit(RLIMIT_FSIZE, &none);
    signal(SIGXFSZ, SIG_DFL);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("atomic_file");
    TCase *tcase = tcase_create("files");
    scratch_begin();
    tcase_add_test(tcase, the_old_file_is_there_until_the_commit);
    tcase_add_test(tcase, unwritable_places_are_errors);
    tcase_add_test(tcase, an_abandoned_file_leaves_no_trace);
    tcase_add_test(tcase, a_link_stays_a_link);
    tcase_add_test(tcase, folders_are_made);
    tcase_add_test(tcase, files_of_any_size_are_read_whole);
    tcase_add_test(tcase, an_input_is_not_replaced);
    tcase_add_test(tcase, pictures_of_an_input_folder_are_not_replaced);
    tcase_add_test(tcase, what_killed_processes_left_is_removed);
    tcase_add_test(tcase, a_lock_says_that_somebody_writes);
    tcase_add_test(tcase, temporary_files_are_new);
    tcase_add_test(tcase, a_limit_is_named);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
