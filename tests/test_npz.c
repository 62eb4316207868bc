/* test_npz.c - NumPy's archives: against numpy, round trips, rows, damaged and hostile files. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zip.h>

#include "io/npy.h"
#include "io/npz.h"
#include "io/open_tensors.h"
#include "reader_tests.h"
#include "suite.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- against numpy ---------------------------------------------------------------------------- */

START_TEST(what_numpy_wrote_is_read)
{
    static const struct {
        const char *name;
        size_t unread;
    } files[] = { { "stored", 0 }, { "deflated", 0 }, { "versions", 6 } };

    for (size_t i = 0; i < LENGTH(files); i++) {
        hidi_tensor_file file;

        ck_assert_ok(hidi_npz_read(&file, test_file(files[i].name, "npz")));
        assert_like_safetensors(&file, test_file(files[i].name, "safetensors"));
        ck_assert_uint_eq(file.n_unread, files[i].unread);
        ck_assert_uint_eq(file.n_keys, 0);
        hidi_tensor_file_free(&file);
    }
}
END_TEST

START_TEST(what_is_not_held_is_listed)
{
    static const char *const lines[] = {
        "text: an array of type <U2", "complex: an array of type <c16", "u2: an array of type <u2",
        "fields: an array of type structure", "object: an array of type |O, objects: as NumPy makes of images or rows of several "
        "sizes",
        "notes.txt: not a .npy array"
    };
    hidi_tensor_file file;

    ck_assert_ok(hidi_npz_read(&file, test_file("versions", "npz")));
    ck_assert_uint_eq(file.n_unread, LENGTH(lines));
    for (size_t i = 0; i < LENGTH(lines); i++)
        ck_assert_str_eq(file.unread[i], lines[i]);
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(what_is_written_is_read)
{
    hidi_tensor_file file, again;

    ck_assert_ok(hidi_npz_read(&file, test_file("stored", "npz")));
    ck_assert_ok(hidi_npz_write(&file, scratch("again.npz")));
    ck_assert_ok(hidi_npz_read(&again, scratch("again.npz")));
    assert_like_safetensors(&again, test_file("stored", "safetensors"));
    hidi_tensor_file_free(&file);
    hidi_tensor_file_free(&again);
}
END_TEST

/* numpy.savez writes the same: the members' bytes, which begin with the header that
 * numpy.lib.format makes, are in the file one after the other. */
START_TEST(headers_are_those_of_numpy)
{
    static const char header[] =
        "\x93NUMPY\x01\0v\0{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }"
        "                                                          \n";
    const size_t dim[2] = { 2, 3 };
    const double x[6] = { 1, 2, 3, 4, 5, 6 };
    unsigned char bytes[1024];
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    ck_assert_ok(hidi_tensor_file_add(&file, "x", HIDI_F64, 2, dim, x));
    ck_assert_ok(hidi_npz_write(&file, scratch("x.npz")));
    hidi_tensor_file_free(&file);
    ck_assert_uint_eq(sizeof header - 1, 128);
    ck_assert_uint_eq(scratch_read("x.npz", bytes, sizeof bytes), 30 + 5 + 128 + 48 + 46 + 5 + 22);
    ck_assert_mem_eq(bytes + 30, "x.npy", 5);
    ck_assert_mem_eq(bytes + 35, header, 128);
}
END_TEST

START_TEST(numpy_lacks_some_types)
{
    const size_t dim = 1;
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    refused(hidi_npz_write(&file, scratch("none.npz")), HIDI_BAD_ARGUMENT, "no arrays");
    ck_assert_ok(hidi_tensor_file_add(&file, "x", HIDI_BF16, 1, &dim, "ab"));
    refused(hidi_npz_write(&file, scratch("bf16.npz")), HIDI_UNSUPPORTED, "BF16");
    refused(hidi_npz_write(&file, scratch("nowhere/x.npz")), HIDI_UNSUPPORTED, "nowhere");
    hidi_tensor_file_free(&file);
    ck_assert_int_eq(files_in_scratch(), 2);
}
END_TEST

/* --- rows ------------------------------------------------------------------------------------- */

START_TEST(rows_are_read_in_pieces)
{
    static const char *const names[] = { "mu",         "arr_0",   "big",        "big_i4",
                                         "fortran_1d", "fortran", "fortran_big" };
    hidi_tensor_file expected;
    hidi_npz *npz;

    ck_assert_ok(hidi_npz_open(&npz, test_file("deflated", "npz")));
    ck_assert_ok(hidi_npz_read(&expected, test_file("deflated", "npz")));
    ck_assert_uint_eq(hidi_npz_arrays(npz)->n_tensors, expected.n_tensors);
    for (size_t piece = 1; piece < 5; piece++)
        for (size_t i = 0; i < LENGTH(names); i++) {
            const hidi_file_tensor *whole = hidi_tensor_file_find(&expected, names[i]), *array;
            unsigned char bytes[2048];
            size_t done = 0;

            ck_assert_ok(hidi_npz_start(npz, names[i], &array));
            ck_assert_uint_eq(array->dim[0], whole->dim[0]);
            const size_t row = whole->count * hidi_dtype_bytes(whole->dtype) / whole->dim[0];
            for (size_t n; done < whole->dim[0]; done += n) {
                n = whole->dim[0] - done < piece ? whole->dim[0] - done : piece;
                ck_assert_ok(hidi_npz_rows(npz, n, bytes + done * row));
            }
            ck_assert_mem_eq(bytes, whole->data, done * row);
            ck_assert_ok(hidi_npz_rows(npz, 0, bytes));
            refused(hidi_npz_rows(npz, 1, bytes), HIDI_BAD_ARGUMENT, "1 rows asked for, 0 are");
        }
    refused(hidi_npz_start(npz, "nosuch", NULL), HIDI_BAD_FORMAT, "\"nosuch\"");
    hidi_npz_close(npz);
    hidi_tensor_file_free(&expected);
}
END_TEST

/* What numpy.save writes: one array, in a file of its own. */
START_TEST(an_array_in_a_file_of_its_own)
{
    const size_t dim[2] = { 2, 3 };
    const uint8_t numbers[6] = { 1, 2, 3, 4, 5, 6 };
    unsigned char bytes[HIDI_NPY_HEADER + 6], rows[6];
    const hidi_file_tensor *array;
    hidi_tensor_file file;
    const char *format;
    hidi_npz *npz;
    size_t length;

    ck_assert_ok(hidi_npy_header(bytes, &length, HIDI_U8, 2, dim));
    memcpy(bytes + length, numbers, 6);
    scratch_write("alone.npy", bytes, length + 6);
    ck_assert_ok(hidi_tensor_file_format(scratch("alone.npy"), &format));
    ck_assert_str_eq(format, "npy");
    ck_assert_ok(hidi_tensor_file_open(&file, scratch("alone.npy"), NULL));
    ck_assert_uint_eq(file.n_tensors, 1);
    ck_assert_str_eq(file.tensor[0].name, "arr_0");
    ck_assert_mem_eq(file.tensor[0].data, numbers, 6);
    hidi_tensor_file_free(&file);
    ck_assert_ok(hidi_npz_open(&npz, scratch("alone.npy")));
    for (int again = 0; again < 2; again++) {
        ck_assert_ok(hidi_npz_start(npz, "arr_0", &array));
        ck_assert_ok(hidi_npz_rows(npz, 1, rows));
        ck_assert_ok(hidi_npz_rows(npz, 1, rows + 3));
        ck_assert_mem_eq(rows, numbers, 6);
    }
    hidi_npz_close(npz);
    for (size_t n = 6; n < length + 6; n++) {
        scratch_write("cut.npy", bytes, n);
        ck_assert_int_eq(hidi_npz_read(&file, scratch("cut.npy")), HIDI_BAD_FORMAT);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "cut.npy: "));
    }
}
END_TEST

START_TEST(scalars_and_empty_arrays_have_rows)
{
    hidi_npz *npz;
    double x = 0;

    ck_assert_ok(hidi_npz_open(&npz, test_file("stored", "npz")));
    refused(hidi_npz_rows(npz, 1, &x), HIDI_BAD_ARGUMENT, "no array was begun");
    ck_assert_ok(hidi_npz_start(npz, "scalar", NULL));
    ck_assert_ok(hidi_npz_rows(npz, 1, &x));
    ck_assert(x == 0.1);
    ck_assert_ok(hidi_npz_start(npz, "empty", NULL));
    ck_assert_ok(hidi_npz_rows(npz, 3, &x));
    refused(hidi_npz_rows(npz, 1, &x), HIDI_BAD_ARGUMENT, "0 are left");
    hidi_npz_close(npz);
}
END_TEST

/* Row k is k, k + 1, ..., as bytes; the row `stop` cannot be had. */
typedef struct producer {
    size_t row_bytes, next, stop;
    bool in_order;
} producer;

static hidi_status produce(void *context, size_t first, size_t n, unsigned char *rows)
{
    producer *p = context;

    p->in_order = p->in_order && first == p->next;
    p->next += n;
    for (size_t k = 0; k < n; k++) {
        if (first + k == p->stop)
            return hidi_error(HIDI_NOT_FINITE, "row %zu is not finite", p->stop);
        for (size_t b = 0; b < p->row_bytes; b++)
            rows[k * p->row_bytes + b] = (unsigned char)(first + k + b);
    }
    return HIDI_OK;
}

START_TEST(rows_are_written_as_they_come)
{
    const size_t dim[3] = { 100, 300, 200 }, one = 1; /* 6 MB: several blocks */
    producer p = { 60000, 0, SIZE_MAX, true };
    hidi_tensor_file file, besides;

    hidi_tensor_file_init(&besides);
    ck_assert_ok(hidi_tensor_file_add(&besides, "arr_1", HIDI_U8, 1, &one, "\x07"));
    ck_assert_ok(hidi_npz_write_rows(scratch("rows.npz"), "arr_0", HIDI_U8, 3, dim, produce, &p,
                                     &besides));
    ck_assert(p.next == 100 && p.in_order);
    ck_assert_ok(hidi_npz_read(&file, scratch("rows.npz")));
    ck_assert_uint_eq(file.n_tensors, 2);
    ck_assert_str_eq(file.tensor[0].name, "arr_0");
    ck_assert_uint_eq(file.tensor[0].count, 6000000);
    for (size_t i = 0; i < file.tensor[0].count; i++)
        ck_assert_uint_eq(file.tensor[0].data[i], (unsigned char)(i / 60000 + i % 60000));
    ck_assert_uint_eq(file.tensor[1].data[0], 7);
    hidi_tensor_file_free(&file);
    hidi_tensor_file_free(&besides);
}
END_TEST

START_TEST(an_error_while_writing_leaves_the_old_file)
{
    const size_t dim[2] = { 100, 60000 };
    producer p = { 60000, 0, 77, true };
    char old[4] = "";

    scratch_write("kept.npz", "old", 3);
    const int before = files_in_scratch();
    refused(hidi_npz_write_rows(scratch("kept.npz"), "arr_0", HIDI_U8, 2, dim, produce, &p, NULL),
            HIDI_NOT_FINITE, "row 77 is not finite");
    ck_assert_uint_eq(scratch_read("kept.npz", old, sizeof old), 3);
    ck_assert_str_eq(old, "old");
    ck_assert_int_eq(files_in_scratch(), before);
}
END_TEST

/* As on a full disk. */
START_TEST(a_failed_write_leaves_the_old_file)
{
    const size_t dim[2] = { 100, 60000 };
    struct rlimit before, small;
    char old[4] = "";

    scratch_write("full.npz", "old", 3);
    const int files = files_in_scratch();
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit < 6000300; limit = 2 * limit + 60) {
        producer p = { 60000, 0, SIZE_MAX, true };

        /* check itself writes a file at each assertion: none while the limit holds. */
        small.rlim_cur = limit;
        const int limited = setrlimit(RLIMIT_FSIZE, &small);
        hidi_status status = hidi_npz_write_rows(scratch("full.npz"), "arr_0", HIDI_U8, 2, dim,
                                                 produce, &p, NULL);
        const int unlimited = setrlimit(RLIMIT_FSIZE, &before);
        ck_assert(limited == 0 && unlimited == 0);
        refused(status, HIDI_BAD_FILE, "full.npz: cannot write it: ");
        ck_assert_uint_eq(scratch_read("full.npz", old, sizeof old), 3);
        ck_assert_str_eq(old, "old");
        ck_assert_int_eq(files_in_scratch(), files);
    }
    signal(SIGXFSZ, SIG_DFL);
}
END_TEST

/* --- damaged and hostile files ---------------------------------------------------------------- */

START_TEST(truncated_files_are_errors_wherever_they_end)
{
    assert_truncation_is_refused("stored", "npz", hidi_npz_read);
    assert_truncation_is_refused("deflated", "npz", hidi_npz_read);
    assert_truncation_is_refused("versions", "npz", hidi_npz_read);
}
END_TEST

START_TEST(a_changed_byte_does_no_harm)
{
    assert_changed_bytes_do_no_harm("stored", "npz", hidi_npz_read);
    assert_changed_bytes_do_no_harm("deflated", "npz", hidi_npz_read);
    assert_changed_bytes_do_no_harm("versions", "npz", hidi_npz_read);
}
END_TEST

/* Writes an archive with the member x.npy: a header of version `version` with this text, and n
 * bytes of data. */
static void write_member(const char *name, int version, const char *text, size_t n)
{
    static unsigned char bytes[1 << 16];
    const size_t length = strlen(text), prefix = version == 1 ? 10 : 12;
    zip_t *archive = zip_open(scratch(name), ZIP_CREATE | ZIP_TRUNCATE, NULL);

    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[8] = (unsigned char)(length & 255);
    bytes[9] = (unsigned char)(length >> 8);
    memcpy(bytes + prefix, text, length);
    ck_assert_ptr_nonnull(archive);
    zip_source_t *source = zip_source_buffer(archive, bytes, prefix + length + n, 0);
    ck_assert_int_ge((int)zip_file_add(archive, "x.npy", source, 0), 0);
    ck_assert_int_eq(zip_close(archive), 0);
}

#define HEADER(descr, shape) "{'descr': " descr ", 'fortran_order': False, 'shape': " shape ", }"

static const struct {
    const char *header;
    int version;
    size_t data;
    hidi_status status;
    const char *fragment; /* of the message, or, for HIDI_OK, of what is not read */
} headers[] = {
    { HEADER("'<f4'", "(2,)"), 1, 8, HIDI_OK, "" },
    { HEADER("\"<f4\"", "(2)"), 1, 8, HIDI_OK, "" },
    { HEADER("'<f4'", "(2L, 1L)"), 1, 8, HIDI_OK, "" },
    { HEADER("'<f4'", "(2,)") "  \n", 2, 8, HIDI_OK, "" },
    { "{'shape':(2,),'fortran_order':True,'descr':'|b1'}", 3, 2, HIDI_OK, "" },
    { HEADER("'<f4'", "(2,)"), 4, 8, HIDI_UNSUPPORTED, "version 4" },
    { HEADER("'<f4'", "(2,)"), 0, 8, HIDI_UNSUPPORTED, "version 0" },
    { HEADER("'<f4'", "(2,)"), 1, 7, HIDI_BAD_FORMAT, "takes 8 bytes, it has 7" },
    { HEADER("'<f4'", "(2,)"), 1, 9, HIDI_BAD_FORMAT, "takes 8 bytes, it has 9" },
    { HEADER("'<f8'", "(4294967296, 4294967296)"), 1, 0, HIDI_BAD_FORMAT, "overflows" },
    { HEADER("'<f8'", "(18446744073709551616,)"), 1, 0, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8'", "(-1,)"), 1, 0, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8'", "(1.0,)"), 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8'", "(1,,)"), 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8'", "1"), 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8'", "(1,"), 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8", "(1,)"), 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("'<f8'", "(1,)") "x", 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { HEADER("[[[", "(1,)"), 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { "{'descr': '<f8', 'fortran_order': False}", 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}", 1, 8, HIDI_BAD_FORMAT, "not a dict" },
    { "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", 1, 8,
      HIDI_BAD_FORMAT, "not a dict" },
    { "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}", 1, 8, HIDI_BAD_FORMAT,
      "not a dict" },
    { "", 1, 0, HIDI_BAD_FORMAT, "truncated" },
    { HEADER("'f8'", "(1,)"), 1, 8, HIDI_OK, "type f8" },
    { HEADER("''", "(1,)"), 1, 8, HIDI_OK, "type " },
    { HEADER("'<f16'", "(1,)"), 1, 16, HIDI_OK, "type <f16" },
    { HEADER("'|O'", "(1,)"), 1, 16, HIDI_OK, "type |O" },
    { HEADER("[('a', '<f8'), (\"]\", '<f4', (2, 3))]", "(1,)"), 1, 32, HIDI_OK, "structure" },
    { HEADER("'|u1'", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), 1, 1, HIDI_OK, "rank 9" },
};

START_TEST(hostile_headers_are_refused)
{
    hidi_tensor_file file;

    for (size_t i = 0; i < LENGTH(headers); i++) {
        write_member("header.npz", headers[i].version, headers[i].header, headers[i].data);
        hidi_status status = hidi_npz_read(&file, scratch("header.npz"));

        ck_assert_msg(status == headers[i].status, "%s: %s (%s)", headers[i].header,
                      hidi_status_name(status), hidi_error_message());
        if (status != HIDI_OK) {
            refused(status, headers[i].status, headers[i].fragment);
            refused(status, headers[i].status, "header.npz: \"x");
        } else if (headers[i].fragment[0] != '\0') {
            ck_assert_uint_eq(file.n_unread, 1);
            ck_assert_ptr_nonnull(strstr(file.unread[0], headers[i].fragment));
        } else {
            ck_assert_uint_eq(file.n_tensors, 1);
            ck_assert_uint_eq(file.n_unread, 0);
        }
        hidi_tensor_file_free(&file);
    }
}
END_TEST

/* Any dtype, byte order and order of elements. */
START_TEST(arrays_are_read_as_doubles)
{
    static const char *const names[] = { "stored", "deflated" };
    double expected[512], *values;

    for (size_t k = 0; k < LENGTH(names); k++) {
        hidi_tensor_file file;
        hidi_npz *npz;

        ck_assert_ok(hidi_npz_read(&file, test_file(names[k], "npz")));
        ck_assert_ok(hidi_npz_open(&npz, test_file(names[k], "npz")));
        for (size_t i = 0; i < file.n_tensors; i++) {
            ck_assert_uint_le(file.tensor[i].count, LENGTH(expected));
            hidi_file_tensor_double(&file.tensor[i], expected);
            ck_assert_ok(hidi_npz_doubles(npz, file.tensor[i].name, &values));
            ck_assert_mem_eq(values, expected, file.tensor[i].count * sizeof *values);
            free(values);
        }
        refused(hidi_npz_doubles(npz, "nosuch", &values), HIDI_BAD_FORMAT, "nosuch");
        ck_assert_ptr_null(values);
        hidi_npz_close(npz);
        hidi_tensor_file_free(&file);
    }
}
END_TEST

/* A file of a megabyte from which 1,000 come. */
START_TEST(a_bomb_is_read_by_rows_or_not_at_all)
{
    static unsigned char zeros[1 << 20];
    const size_t rows = 400, header_bytes = 128;
    unsigned char *all = calloc(rows + 1, sizeof zeros);
    char header[128];
    double *values;
    hidi_tensor_file file;
    hidi_npz *npz;
    zip_t *archive = zip_open(scratch("bomb.npz"), ZIP_CREATE | ZIP_TRUNCATE, NULL);

    memcpy(all, "\x93NUMPY\x01\0v\0", 10);
    memset(all + 10, ' ', header_bytes - 10);
    int n = snprintf(header, sizeof header, HEADER("'|u1'", "(%zu, %zu)"), rows, sizeof zeros);
    memcpy(all + 10, header, (size_t)n);
    zip_int64_t i = zip_file_add(archive, "x.npy", zip_source_buffer(archive, all, header_bytes +
                                                                     rows * sizeof zeros, 0), 0);
    ck_assert_int_eq(zip_set_file_compression(archive, (zip_uint64_t)i, ZIP_CM_DEFLATE, 0), 0);
    ck_assert_int_eq(zip_close(archive), 0);
    free(all);

    refused(hidi_npz_read(&file, scratch("bomb.npz")), HIDI_UNSUPPORTED, "to be read at once");
    ck_assert_ok(hidi_npz_open(&npz, scratch("bomb.npz")));
    refused(hidi_npz_doubles(npz, "x", &values), HIDI_UNSUPPORTED, "to be read at once");
    ck_assert_ok(hidi_npz_start(npz, "x", NULL));
    for (size_t row = 0; row < rows; row++)
        ck_assert_ok(hidi_npz_rows(npz, 1, zeros));
    hidi_npz_close(npz);
}
END_TEST

START_TEST(other_archives_are_refused)
{
    hidi_tensor_file file;

    refused(hidi_npz_read(&file, scratch("nosuch.npz")), HIDI_BAD_FILE, "nosuch.npz");
    scratch_write("text.npz", "not a zip file at all", 21);
    refused(hidi_npz_read(&file, scratch("text.npz")), HIDI_BAD_FORMAT, "text.npz");
    scratch_write("empty.npz", "", 0);
    refused(hidi_npz_read(&file, scratch("empty.npz")), HIDI_BAD_FORMAT, "empty.npz");
}
END_TEST

int main(void)
{
    scratch_begin();
    Suite *suite = begin_suite("npz");
    TCase *tests = tcase_create("npz");

    tcase_add_test(tests, what_numpy_wrote_is_read);
    tcase_add_test(tests, what_is_not_held_is_listed);
    tcase_add_test(tests, numpy_lacks_some_types);
    tcase_add_test(tests, what_is_written_is_read);
    tcase_add_test(tests, headers_are_those_of_numpy);
    tcase_add_test(tests, rows_are_read_in_pieces);
    tcase_add_test(tests, an_array_in_a_file_of_its_own);
    tcase_add_test(tests, scalars_and_empty_arrays_have_rows);
    tcase_add_test(tests, rows_are_written_as_they_come);
    tcase_add_test(tests, an_error_while_writing_leaves_the_old_file);
    tcase_add_test(tests, a_failed_write_leaves_the_old_file);
    tcase_add_test(tests, truncated_files_are_errors_wherever_they_end);
    tcase_add_test(tests, a_changed_byte_does_no_harm);
    tcase_add_test(tests, hostile_headers_are_refused);
    tcase_add_test(tests, arrays_are_read_as_doubles);
    tcase_add_test(tests, a_bomb_is_read_by_rows_or_not_at_all);
    tcase_add_test(tests, other_archives_are_refused);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
