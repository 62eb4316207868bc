/* test_atomic_file.c - files that appear whole or not at all, folders, reading. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
