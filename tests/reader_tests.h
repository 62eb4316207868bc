/* reader_tests.h - what the tests of all readers of tensor files have in common.
 *
 * Include <config.h> before anything else: this needs POSIX.
 */
#ifndef HIDI_TESTS_READER_TESTS_H
#define HIDI_TESTS_READER_TESTS_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"
#include "io/safetensors.h"
#include "scratch.h"
#include "source.h"

#define ck_assert_ok(call)                                                                         \
    do {                                                                                           \
        hidi_status status_ = (call);                                                              \
        ck_assert_msg(status_ == HIDI_OK, "%s: %s (%s)", #call, hidi_status_name(status_),         \
                      hidi_error_message());                                                       \
    } while (0)

typedef hidi_status tensor_reader(hidi_tensor_file *file, const char *path);

/* tests/files/NAME.ENDING, in one of four buffers that take turns. */
static inline const char *test_file(const char *name, const char *ending)
{
    char path[512];

    snprintf(path, sizeof path, "tests/files/%s.%s", name, ending);
    return source_file(path);
}

/* The call that gave `found` failed as expected, with this in its message. */
static inline void refused(hidi_status found, hidi_status expected, const char *fragment)
{
    ck_assert_msg(found == expected, "%s instead of %s (%s)", hidi_status_name(found),
                  hidi_status_name(expected), hidi_error_message());
    ck_assert_msg(strstr(hidi_error_message(), fragment) != NULL, "\"%s\" is not in \"%s\"",
                  fragment, hidi_error_message());
}

/* The same tensors as in a safetensors file, bit by bit; the order does not matter. */
static inline void assert_like_safetensors(const hidi_tensor_file *file, const char *path)
{
    hidi_tensor_file expected;
    char a[256], b[256];

    ck_assert_ok(hidi_safetensors_read(&expected, path));
    ck_assert_msg(file->n_tensors == expected.n_tensors, "%s: %zu tensors instead of %zu",
                  file->path, file->n_tensors, expected.n_tensors);
    for (size_t i = 0; i < expected.n_tensors; i++) {
        const hidi_file_tensor *e = &expected.tensor[i];
        const hidi_file_tensor *f = hidi_tensor_file_find(file, e->name);

        ck_assert_msg(f != NULL, "%s: no tensor %s", file->path, e->name);
        ck_assert_str_eq(hidi_file_tensor_text(f, a, sizeof a),
                         hidi_file_tensor_text(e, b, sizeof b));
        ck_assert_msg(memcmp(f->data, e->data, e->count * hidi_dtype_bytes(e->dtype)) == 0,
                      "%s: %s differs", file->path, e->name);
    }
    hidi_tensor_file_free(&expected);
}

/* A file of tests/files is refused, by its name, wherever it is cut short. */
static inline void assert_truncation_is_refused(const char *name, const char *ending,
                                                tensor_reader *read)
{
    unsigned char *bytes;
    size_t n;

    ck_assert_ok(hidi_read_file(test_file(name, ending), &bytes, &n));
    scratch_write("cut", bytes, n);
    free(bytes);
    for (size_t length = n; length-- > 0;) {
        hidi_tensor_file file;

        ck_assert_int_eq(truncate(scratch("cut"), (off_t)length), 0);
        hidi_status status = read(&file, scratch("cut"));
        ck_assert_msg(status == HIDI_BAD_FORMAT, "%zu of %zu bytes: %s (%s)", length, n,
                      hidi_status_name(status), hidi_error_message());
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "cut: "));
        ck_assert_uint_eq(file.n_tensors + file.n_keys + file.n_unread, 0);
    }
}

static inline void write_byte(FILE *file, size_t at, int value)
{
    ck_assert_int_eq(fseek(file, (long)at, SEEK_SET), 0);
    ck_assert_int_eq(fputc(value, file), value);
    ck_assert_int_eq(fflush(file), 0);
}

/* Reads all numbers, if the file can be read. */
static inline void try_to_use(const char *path, tensor_reader *read)
{
    hidi_tensor_file file;

    if (read(&file, path) != HIDI_OK)
        return;
    for (size_t t = 0; t < file.n_tensors; t++) {
        double *x = malloc((file.tensor[t].count + 1) * sizeof *x);

        ck_assert_ptr_nonnull(x);
        hidi_file_tensor_double(&file.tensor[t], x);
        free(x);
    }
    hidi_tensor_file_free(&file);
}

/* Whatever one byte becomes: an error, or tensors that can be used (for the sanitizers). */
static inline void assert_changed_bytes_do_no_harm(const char *name, const char *ending,
                                                   tensor_reader *read)
{
    unsigned char *bytes;
    size_t n;

    ck_assert_ok(hidi_read_file(test_file(name, ending), &bytes, &n));
    scratch_write("changed", bytes, n);
    FILE *changed = fopen(scratch("changed"), "r+b");
    ck_assert_ptr_nonnull(changed);
    for (size_t i = 0; i < n; i++) {
        static const unsigned char change[2] = { 16, 255 };

        for (int k = 0; k < 2; k++) {
            write_byte(changed, i, bytes[i] ^ change[k]);
            try_to_use(scratch("changed"), read);
        }
        write_byte(changed, i, bytes[i]);
    }
    fclose(changed);
    free(bytes);
}

#endif
