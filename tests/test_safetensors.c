/* test_safetensors.c - tensor files: round trips, conversions, damaged and hostile files. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/safetensors.h"
#include "near.h"
#include "scratch.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Reads scratch file `name`, expecting `status` and, on errors, `fragment` in the message. */
static void read_as(hidi_tensor_file *file, const char *name, hidi_status status,
                    const char *fragment)
{
    hidi_status found = hidi_safetensors_read(file, scratch(name));

    ck_assert_msg(found == status, "%s: %s (%s)", name, hidi_status_name(found),
                  hidi_error_message());
    if (status == HIDI_OK)
        return;
    ck_assert_msg(strstr(hidi_error_message(), fragment) != NULL, "\"%s\" is not in \"%s\"",
                  fragment, hidi_error_message());
    ck_assert_msg(strstr(hidi_error_message(), name) != NULL, "no file name in \"%s\"",
                  hidi_error_message());
    ck_assert_uint_eq(file->n_tensors, 0);
    ck_assert_ptr_null(file->buffer);
}

/* A file with this header, with the right length before it, and n bytes of data: 0, 1, 2, ... */
static void write_file(const char *name, const char *header, size_t n)
{
    unsigned char bytes[4096] = { 0 };
    size_t length = strlen(header);

    ck_assert_uint_le(8 + length + n, sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)length >> 8 * i & 255);
    memcpy(bytes + 8, header, length);
    for (size_t i = 0; i < n; i++)
        bytes[8 + length + i] = (unsigned char)i;
    scratch_write(name, bytes, 8 + length + n);
}

/* --- what is written is read ------------------------------------------------------------------ */

static const int64_t i64[3] = { INT64_MIN, -1, INT64_MAX };
static const int32_t i32[3] = { INT32_MIN, -1, INT32_MAX };
static const int16_t i16[3] = { INT16_MIN, -2, INT16_MAX };
static const int8_t i8[3] = { INT8_MIN, -3, INT8_MAX };
static const uint8_t u8[3] = { 0, 128, 255 };
static const double f64[3] = { 1.0 / 3, -1e300, 5e-324 };
static const float f32[3] = { 0.1f, -1e30f, 1e-45f };
static const uint16_t f16[3] = { 0x3c00, 0xc000, 0x0001 };
static const uint16_t bf16[3] = { 0x3f80, 0xc000, 0x0001 };
static const uint8_t boolean[3] = { 0, 1, 1 };

static const struct {
    const char *name;
    hidi_dtype dtype;
    const void *data;
} kinds[] = {
    { "flags", HIDI_BOOL, boolean }, { "a.u8", HIDI_U8, u8 },
    { "a.i8", HIDI_I8, i8 },         { "half", HIDI_F16, f16 },
    { "brain", HIDI_BF16, bf16 },    { "single", HIDI_F32, f32 },
    { "double", HIDI_F64, f64 },     { "a.i16", HIDI_I16, i16 },
    { "a.i32", HIDI_I32, i32 },      { "name \"\\\n\u00e9", HIDI_I64, i64 },
};

static void write_every_kind(const char *name)
{
    const size_t dim[2] = { 3, 1 }, none[3] = { 2, 0, 5 };
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    for (size_t i = 0; i < COUNT(kinds); i++)
        ck_assert_int_eq(hidi_tensor_file_add(&file, kinds[i].name, kinds[i].dtype, 2, dim,
                                              kinds[i].data), HIDI_OK);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "none", HIDI_F32, 3, none, NULL), HIDI_OK);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "scalar", HIDI_F64, 0, NULL, f64), HIDI_OK);
    ck_assert_int_eq(hidi_tensor_file_add_meta(&file, "z", "first"), HIDI_OK);
    ck_assert_int_eq(hidi_tensor_file_add_meta(&file, "a", "{\"second\": 2}"), HIDI_OK);
    ck_assert_int_eq(hidi_safetensors_write(&file, scratch(name)), HIDI_OK);
    hidi_tensor_file_free(&file);
}

START_TEST(what_is_written_is_read_back)
{
    hidi_tensor_file file;
    char text[100];

    write_every_kind("kinds");
    read_as(&file, "kinds", HIDI_OK, "");
    ck_assert_uint_eq(file.n_tensors, COUNT(kinds) + 2);
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const hidi_file_tensor *tensor = &file.tensor[i]; /* the order is kept */
        size_t width = hidi_dtype_bytes(kinds[i].dtype);

        ck_assert_str_eq(tensor->name, kinds[i].name);
        ck_assert_int_eq(tensor->dtype, kinds[i].dtype);
        ck_assert_int_eq(tensor->rank, 2);
        ck_assert_uint_eq(tensor->dim[0], 3);
        ck_assert_uint_eq(tensor->dim[1], 1);
        ck_assert_uint_eq(tensor->count, 3);
        ck_assert_uint_eq((size_t)(tensor->data - file.buffer) % width, 0); /* aligned */
        const uint16_t one = 1;
        if (*(const unsigned char *)&one == 1)
            ck_assert_mem_eq(tensor->data, kinds[i].data, 3 * width);
    }
    ck_assert_uint_eq(hidi_tensor_file_find(&file, "none")->count, 0);
    ck_assert_uint_eq(hidi_tensor_file_find(&file, "scalar")->count, 1);
    ck_assert_str_eq(hidi_file_tensor_text(hidi_tensor_file_find(&file, "none"), text, 100),
                     "F32 [2, 0, 5]");
    ck_assert_str_eq(hidi_file_tensor_text(hidi_tensor_file_find(&file, "scalar"), text, 100),
                     "F64 []");
    ck_assert_uint_eq(file.n_keys, 2);
    ck_assert_str_eq(file.key[0], "z");
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "a"), "{\"second\": 2}");
    ck_assert_ptr_null(hidi_tensor_file_meta(&file, "b"));
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(the_bytes_are_the_formats)
{
    const size_t dim = 2;
    const float x[2] = { 1, -2 };
    const char expected[] = "\x38\0\0\0\0\0\0\0"
                            "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}"
                            "  " /* to a multiple of 8 */
                            "\0\0\x80\x3f\0\0\0\xc0";
    unsigned char found[200];
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "w", HIDI_F32, 1, &dim, x), HIDI_OK);
    ck_assert_int_eq(hidi_safetensors_write(&file, scratch("bytes")), HIDI_OK);
    hidi_tensor_file_free(&file);
    size_t n = scratch_read("bytes", found, sizeof found);
    ck_assert_uint_eq(n, sizeof expected - 1);
    ck_assert_mem_eq(found, expected, n);
}
END_TEST

START_TEST(real_tensors_have_the_dtype_of_the_build)
{
    const size_t dim[2] = { 1, 2 };
    const hidi_real x[2] = { (hidi_real)0.1, (hidi_real)-7 };
    hidi_real y[2];
    double z[2];
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_tensor_file_add_real(&file, "x", 2, dim, x), HIDI_OK);
    ck_assert_int_eq(file.tensor[0].dtype, sizeof(hidi_real) == 8 ? HIDI_F64 : HIDI_F32);
    hidi_file_tensor_real(&file.tensor[0], y);
    hidi_file_tensor_double(&file.tensor[0], z);
    ck_assert_mem_eq(x, y, sizeof x);
    ck_assert(z[0] == (double)x[0] && z[1] == -7);
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(an_empty_file_is_a_file)
{
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_safetensors_write(&file, scratch("empty")), HIDI_OK);
    hidi_tensor_file_free(&file);
    read_as(&file, "empty", HIDI_OK, "");
    ck_assert_uint_eq(file.n_tensors + file.n_keys, 0);
    hidi_tensor_file_free(&file);
}
END_TEST

/* --- conversions ------------------------------------------------------------------------------ */

static hidi_file_tensor view(hidi_dtype dtype, size_t count, const void *data)
{
    static char name[] = "x";
    hidi_file_tensor tensor = { name, dtype, 1, { count }, count, data, false };
    return tensor;
}

START_TEST(half_precision_is_exact)
{
    const unsigned char bytes[] = { 0x00, 0x00, 0x01, 0x00, 0xff, 0x03, 0x00, 0x04, 0x55, 0x35,
                                    0x00, 0x3c, 0xff, 0x7b, 0x00, 0x7c, 0x00, 0xfc, 0x00, 0x7e,
                                    0x00, 0x80, 0x01, 0x83 };
    hidi_file_tensor tensor = view(HIDI_F16, 12, bytes);
    hidi_real x[12];

    hidi_file_tensor_real(&tensor, x);
    assert_values(x, 0, 0, 0x1p-24, 0x3ffp-24, 0x1p-14, 0x555p-12, 1, 65504, INFINITY, -INFINITY,
                  NAN, 0, -0x301p-24);
    ck_assert(signbit(x[10]));
}
END_TEST

START_TEST(bfloat_is_the_upper_half_of_a_float)
{
    const unsigned char bytes[] = { 0x00, 0x00, 0x01, 0x00, 0x80, 0x00, 0x80, 0x3f, 0x49,
                                    0x40, 0x7f, 0xff, 0x80, 0x7f, 0xc0, 0x7f, 0x00, 0x80 };
    hidi_file_tensor tensor = view(HIDI_BF16, 9, bytes);
    hidi_real x[9];

    hidi_file_tensor_real(&tensor, x);
    assert_values(x, 0, 0, 0x1p-133, 0x1p-126, 1, 3.140625, -0x1.fep127, INFINITY, NAN, 0);
    ck_assert(signbit(x[8]));
}
END_TEST

/* Positive numbers are in the order of their bits, and a step of the fraction has one size between
 * two powers of 2: with the known values above, that settles every value. */
START_TEST(all_halves_are_in_order)
{
    static unsigned char bytes[2 * 0x7c00];
    static double x[0x7c00];

    for (size_t i = 0; i < 0x7c00; i++) {
        bytes[2 * i] = (unsigned char)(i & 255);
        bytes[2 * i + 1] = (unsigned char)(i >> 8);
    }
    hidi_file_tensor tensor = view(HIDI_F16, 0x7c00, bytes);
    hidi_file_tensor_double(&tensor, x);
    for (int i = 1; i < 0x7c00; i++)
        ck_assert(x[i] - x[i - 1] == ldexp(1, ((i - 1) >> 10 > 1 ? (i - 1) >> 10 : 1) - 25));
}
END_TEST

START_TEST(unaligned_data_is_read)
{
    unsigned char bytes[1 + 8 * 3];
    double x[3];

    memcpy(bytes + 1, f64, sizeof f64); /* assumes nothing: only checked where it is the format's */
    const uint16_t one = 1;
    if (*(const unsigned char *)&one != 1)
        return;
    hidi_file_tensor tensor = view(HIDI_F64, 3, bytes + 1);
    hidi_file_tensor_double(&tensor, x);
    ck_assert_mem_eq(x, f64, sizeof f64);
}
END_TEST

START_TEST(integers_are_read_or_refused)
{
    hidi_tensor_file file;
    int32_t x[3];
    hidi_real r[3];

    write_every_kind("integers");
    read_as(&file, "integers", HIDI_OK, "");
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, "a.i32"), x), HIDI_OK);
    ck_assert_mem_eq(x, i32, sizeof x);
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, "a.i16"), x), HIDI_OK);
    ck_assert(x[0] == INT16_MIN && x[1] == -2 && x[2] == INT16_MAX);
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, "a.i8"), x), HIDI_OK);
    ck_assert(x[0] == -128 && x[1] == -3 && x[2] == 127);
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, "a.u8"), x), HIDI_OK);
    ck_assert(x[0] == 0 && x[1] == 128 && x[2] == 255);
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, "flags"), x), HIDI_OK);
    ck_assert(x[0] == 0 && x[1] == 1 && x[2] == 1);
    hidi_file_tensor_real(hidi_tensor_file_find(&file, kinds[9].name), r);
    assert_values(r, 1, -0x1p63, -1, 0x1p63);
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, kinds[9].name), x),
                     HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "-9223372036854775808"));
    ck_assert_int_eq(hidi_file_tensor_int(hidi_tensor_file_find(&file, "single"), x),
                     HIDI_BAD_FORMAT);
    hidi_tensor_file_free(&file);
}
END_TEST

/* --- damaged and hostile files ---------------------------------------------------------------- */

START_TEST(truncated_files_are_errors_wherever_they_end)
{
    unsigned char bytes[4096];
    hidi_tensor_file file;

    write_every_kind("whole");
    size_t n = scratch_read("whole", bytes, sizeof bytes - 1);
    for (size_t length = 0; length < n; length++) {
        scratch_write("cut", bytes, length);
        read_as(&file, "cut", HIDI_BAD_FORMAT, "cut");
    }
    bytes[n] = 0;
    scratch_write("longer", bytes, n + 1);
    read_as(&file, "longer", HIDI_BAD_FORMAT, "the tensors take");
}
END_TEST

/* Whatever one byte becomes: an error, or a file that can be used (run it under the sanitizers). */
START_TEST(a_changed_byte_does_no_harm)
{
    unsigned char bytes[4096];
    double x[64];

    write_every_kind("sound");
    size_t n = scratch_read("sound", bytes, sizeof bytes);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            hidi_tensor_file file;
            bytes[i] ^= (unsigned char)(1 << bit);
            scratch_write("changed", bytes, n);
            bytes[i] ^= (unsigned char)(1 << bit);
            if (hidi_safetensors_read(&file, scratch("changed")) != HIDI_OK)
                continue;
            for (size_t t = 0; t < file.n_tensors; t++) {
                ck_assert_uint_le(file.tensor[t].count, 64);
                hidi_file_tensor_double(&file.tensor[t], x);
            }
            hidi_tensor_file_free(&file);
        }
}
END_TEST

#define T(dtype, shape, offsets)                                                                   \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static const struct {
    const char *header;
    size_t data;
    hidi_status status;
    const char *fragment;
} hostile[] = {
    { "", 0, HIDI_BAD_FORMAT, "does not begin with '{'" },
    { "[]", 0, HIDI_BAD_FORMAT, "does not begin with '{'" },
    { " {}", 0, HIDI_BAD_FORMAT, "does not begin with '{'" },
    { "{", 0, HIDI_BAD_FORMAT, "header" },
    { "{}{}", 0, HIDI_BAD_FORMAT, "header" },
    { "{\"a\":\"\xff\"}", 0, HIDI_BAD_FORMAT, "header" },
    { "{\"a\\u0000b\":1}", 0, HIDI_BAD_FORMAT, "header" },
    { "{\"a\":1e999}", 0, HIDI_BAD_FORMAT, "header" },
    { "{}", 1, HIDI_BAD_FORMAT, "take 0 bytes" },
    { "{\"a\":1}", 0, HIDI_BAD_FORMAT, "not a JSON object" },
    { "{\"a\":{}}", 0, HIDI_BAD_FORMAT, "\"dtype\"" },
    { "{\"a\":{\"dtype\":1,\"shape\":[],\"data_offsets\":[0,1]}}", 1, HIDI_BAD_FORMAT, "dtype" },
    { "{\"a\":" T("U8", "1", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "shape" },
    { "{\"a\":" T("U8", "[-1]", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "shape" },
    { "{\"a\":" T("U8", "[1.0]", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "shape" },
    { "{\"a\":" T("U8", "[\"1\"]", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "shape" },
    { "{\"a\":" T("U8", "[99999999999999999999]", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "header" },
    { "{\"a\":" T("F8_E4M3", "[1]", "[0,2]") "}", 1, HIDI_BAD_FORMAT, "not within" },
    { "{\"a\":" T("U16", "[-1]", "[0,2]") "}", 2, HIDI_BAD_FORMAT, "shape" },
    { "{\"a\":" T("U16", "[1]", "[0,2]") "}", 3, HIDI_BAD_FORMAT, "take 2 bytes" },
    { "{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,-1]", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "shape" },
    { "{\"a\":" T("F32", "[2147483648,2147483648]", "[0,0]") "}", 0, HIDI_BAD_FORMAT, "overflow" },
    { "{\"a\":" T("U8", "[4294967296,4294967297]", "[0,0]") "}", 0, HIDI_BAD_FORMAT, "overflow" },
    { "{\"a\":" T("F64", "[9223372036854775807]", "[0,8]") "}", 8, HIDI_BAD_FORMAT, "overflow" },
    { "{\"a\":" T("U8", "[1]", "[0]") "}", 1, HIDI_BAD_FORMAT, "data_offsets" },
    { "{\"a\":" T("U8", "[1]", "[0,1,2]") "}", 1, HIDI_BAD_FORMAT, "data_offsets" },
    { "{\"a\":" T("U8", "[1]", "[-1,0]") "}", 1, HIDI_BAD_FORMAT, "data_offsets" },
    { "{\"a\":" T("U8", "[1]", "{}") "}", 1, HIDI_BAD_FORMAT, "data_offsets" },
    { "{\"a\":" T("U8", "[1]", "[1,0]") "}", 1, HIDI_BAD_FORMAT, "not within" },
    { "{\"a\":" T("U8", "[2]", "[0,2]") "}", 1, HIDI_BAD_FORMAT, "not within" },
    { "{\"a\":" T("U8", "[1]", "[9223372036854775806,9223372036854775807]") "}", 1,
      HIDI_BAD_FORMAT, "not within" },
    { "{\"a\":" T("F32", "[2]", "[0,4]") "}", 4, HIDI_BAD_FORMAT, "takes 8 bytes, it has 4" },
    { "{\"a\":" T("U8", "[]", "[0,0]") "}", 0, HIDI_BAD_FORMAT, "takes 1 bytes, it has 0" },
    { "{\"a\":" T("U8", "[0]", "[0,1]") "}", 1, HIDI_BAD_FORMAT, "takes 0 bytes, it has 1" },
    { "{\"a\":" T("U8", "[1]", "[1,2]") "}", 2, HIDI_BAD_FORMAT, "after a gap" },
    { "{\"a\":" T("U8", "[1]", "[0,1]") "}", 2, HIDI_BAD_FORMAT, "take 1 bytes" },
    { "{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[1,3]") "}", 3, HIDI_BAD_FORMAT,
      "inside another" },
    { "{\"a\":" T("U8", "[2]", "[0,2]") ",\"b\":" T("U8", "[2]", "[0,2]") "}", 2, HIDI_BAD_FORMAT,
      "inside another" },
    { "{\"a\":" T("U8", "[4]", "[0,4]") ",\"z\":" T("F32", "[0]", "[2,2]") "}", 4, HIDI_BAD_FORMAT,
      "inside another" },
    { "{\"a\":" T("U8", "[1]", "[0,1]") ",\"b\":" T("U8", "[1]", "[2,3]") "}", 3, HIDI_BAD_FORMAT,
      "after a gap" },
    { "{\"a\":" T("U8", "[1]", "[0,1]") ",\"a\":" T("U8", "[1]", "[1,2]") "}", 2, HIDI_BAD_FORMAT,
      "uplicate" },
    { "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1,
      HIDI_BAD_FORMAT, "more than" },
    { "{\"__metadata__\":1}", 0, HIDI_BAD_FORMAT, "__metadata__" },
    { "{\"__metadata__\":{\"a\":1}}", 0, HIDI_BAD_FORMAT, "not text" },
    { "{\"__metadata__\":{\"a\":null}}", 0, HIDI_BAD_FORMAT, "not text" },
    { "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", 0, HIDI_BAD_FORMAT, "uplicate" },
};

START_TEST(hostile_headers_are_refused)
{
    hidi_tensor_file file;

    write_file("hostile", hostile[_i].header, hostile[_i].data);
    read_as(&file, "hostile", hostile[_i].status, hostile[_i].fragment);
}
END_TEST

START_TEST(unusual_headers_are_read)
{
    static const char *const header[] = {
        "{}",
        "{}   ",
        "{\"__metadata__\":{}}",
        "{\"b\":" T("U8", "[2]", "[2,4]") ",\"a\":" T("BOOL", "[1,2]", "[0,2]") "}",
        "{\"a\":" T("U8", "[2]", "[2,4]") ",\"z\":" T("F32", "[0]", "[2,2]") ",\"b\":"
        T("U8", "[2]", "[0,2]") "}",
        "{\"a\":" T("F32", "[0]", "[0,0]") ",\"b\":" T("F32", "[3,0]", "[0,0]") "}",
        "{\"a\":" T("I32", "[]", "[0,4]") "}",
    };
    static const size_t data[] = { 0, 0, 0, 4, 4, 0, 4 };
    hidi_tensor_file file;

    for (size_t i = 0; i < COUNT(header); i++) {
        write_file("unusual", header[i], data[i]);
        read_as(&file, "unusual", HIDI_OK, "");
        if (i == 3) {
            ck_assert_str_eq(file.tensor[0].name, "b");
            ck_assert_int_eq(file.tensor[0].data[1], 3);
            ck_assert_int_eq(file.tensor[1].data[1], 1);
        }
        hidi_tensor_file_free(&file);
    }
}
END_TEST

/* What hidi does not compute with does not hide what it does. */
START_TEST(other_types_are_listed_as_not_read)
{
    static const char *const types[] = { "F8_E4M3", "F8_E5M2", "U16", "U32", "U64", "C64", "f32" };
    const hidi_file_tensor *tensor;
    hidi_tensor_file file;
    char header[256], expected[64];

    for (size_t i = 0; i < COUNT(types); i++) {
        snprintf(header, sizeof header,
                 "{\"x\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,8]},\"a\":%s}",
                 types[i], T("U8", "[2]", "[8,10]"));
        write_file("types", header, 10);
        read_as(&file, "types", HIDI_OK, "");
        ck_assert_uint_eq(file.n_tensors, 1);
        ck_assert_int_eq(file.tensor[0].data[1], 9);
        ck_assert_uint_eq(file.n_unread, 1);
        snprintf(expected, sizeof expected, "x: a tensor of type %s", types[i]);
        ck_assert_str_eq(file.unread[0], expected);
        ck_assert_int_eq(hidi_tensor_file_need(&file, "x", &tensor), HIDI_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), types[i]));
        hidi_tensor_file_free(&file);
    }
    write_file("types", "{\"__metadata__\":null,\"a\":" T("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}",
               1);
    read_as(&file, "types", HIDI_OK, "");
    ck_assert_uint_eq(file.n_tensors + file.n_keys, 0);
    ck_assert_str_eq(file.unread[0], "a: a tensor of rank 9");
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(absurd_header_lengths_are_refused)
{
    unsigned char bytes[16] = "\0\0\0\0\0\0\0\0{}      ";
    hidi_tensor_file file;

    bytes[7] = 0x80;
    scratch_write("absurd", bytes, 16);
    read_as(&file, "absurd", HIDI_BAD_FORMAT, "9223372036854775808");
    memset(bytes, 0xff, 8);
    scratch_write("absurd", bytes, 16);
    read_as(&file, "absurd", HIDI_BAD_FORMAT, "not a safetensors file");
    memset(bytes, 0, 8);
    bytes[0] = 9;
    scratch_write("absurd", bytes, 16);
    read_as(&file, "absurd", HIDI_BAD_FORMAT, "truncated");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    static unsigned char bytes[200008];
    hidi_tensor_file file;

    memset(bytes, '[', sizeof bytes);
    memcpy(bytes, "\x40\x0d\x03\0\0\0\0\0{\"a\":", 13);
    scratch_write("deep", bytes, sizeof bytes);
    read_as(&file, "deep", HIDI_BAD_FORMAT, "depth");
}
END_TEST

START_TEST(what_is_no_file_is_an_error)
{
    hidi_tensor_file file;

    read_as(&file, "missing", HIDI_BAD_FILE, "No such file");
    scratch_folder("folder");
    read_as(&file, "folder", HIDI_BAD_FILE, "irectory");
}
END_TEST

START_TEST(missing_tensors_are_named)
{
    const hidi_file_tensor *tensor;
    hidi_tensor_file file;

    write_every_kind("lacking");
    read_as(&file, "lacking", HIDI_OK, "");
    ck_assert_int_eq(hidi_tensor_file_need(&file, "half", &tensor), HIDI_OK);
    ck_assert_str_eq(tensor->name, "half");
    ck_assert_int_eq(hidi_tensor_file_need(&file, "pos_embed", &tensor), HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "lacking"));
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "\"pos_embed\""));
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(bad_tensors_are_not_added)
{
    const size_t dim[9] = { 1, 1, 1, 1, 1, 1, 1, 1, 1 }, huge[2] = { SIZE_MAX / 2, 3 };
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "a", HIDI_U8, 8, dim, u8), HIDI_OK);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "a", HIDI_U8, 1, dim, u8), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "b", HIDI_U8, 9, dim, u8), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "b", HIDI_U8, 2, huge, u8), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "b", HIDI_F64, 1, huge, u8), HIDI_BAD_SHAPE);
    ck_assert_int_eq(hidi_tensor_file_add_meta(&file, "k", "1"), HIDI_OK);
    ck_assert_int_eq(hidi_tensor_file_add_meta(&file, "k", "2"), HIDI_BAD_ARGUMENT);
    ck_assert_uint_eq(file.n_tensors, 1);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "\xff", HIDI_U8, 1, dim, u8), HIDI_OK);
    ck_assert_int_eq(hidi_safetensors_write(&file, scratch("names")), HIDI_BAD_ARGUMENT);
    hidi_tensor_file_free(&file);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "__metadata__", HIDI_U8, 1, dim, u8), HIDI_OK);
    ck_assert_int_eq(hidi_safetensors_write(&file, scratch("names")), HIDI_BAD_ARGUMENT);
    hidi_tensor_file_free(&file);
    ck_assert_int_ne(access(scratch("names"), F_OK), 0);
}
END_TEST

/* --- writing when it cannot be done ----------------------------------------------------------- */

START_TEST(a_full_disk_leaves_the_old_file)
{
    static unsigned char old[4096], new[4096], large[100000];
    const size_t dim = sizeof large;
    struct rlimit limit, small;
    hidi_tensor_file file;

    write_every_kind("kept");
    size_t n = scratch_read("kept", old, sizeof old);
    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_tensor_file_add(&file, "large", HIDI_U8, 1, &dim, large), HIDI_OK);
    int files = files_in_scratch();
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    for (rlim_t most = 0; most < 100000; most = 3 * most + 1) {
        small = limit;
        small.rlim_cur = most;
        /* check itself writes a file at each assertion: none while the limit holds. */
        int limited = setrlimit(RLIMIT_FSIZE, &small);
        hidi_status status = hidi_safetensors_write(&file, scratch("kept"));
        int unlimited = setrlimit(RLIMIT_FSIZE, &limit);
        ck_assert(limited == 0 && unlimited == 0);
        ck_assert_int_eq(status, HIDI_BAD_FILE);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "too large"));
        ck_assert_uint_eq(scratch_read("kept", new, sizeof new), n);
        ck_assert_mem_eq(old, new, n);
        ck_assert_int_eq(files_in_scratch(), files);
    }
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(hidi_safetensors_write(&file, scratch("kept")), HIDI_OK);
    ck_assert_int_eq(files_in_scratch(), files);
    hidi_tensor_file_free(&file);
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("safetensors");
    TCase *sound = tcase_create("sound"), *damaged = tcase_create("damaged"),
          *writing = tcase_create("writing");
    scratch_begin();
    tcase_add_test(sound, what_is_written_is_read_back);
    tcase_add_test(sound, the_bytes_are_the_formats);
    tcase_add_test(sound, real_tensors_have_the_dtype_of_the_build);
    tcase_add_test(sound, an_empty_file_is_a_file);
    tcase_add_test(sound, half_precision_is_exact);
    tcase_add_test(sound, bfloat_is_the_upper_half_of_a_float);
    tcase_add_test(sound, all_halves_are_in_order);
    tcase_add_test(sound, unaligned_data_is_read);
    tcase_add_test(sound, integers_are_read_or_refused);
    tcase_add_test(damaged, truncated_files_are_errors_wherever_they_end);
    tcase_add_test(damaged, a_changed_byte_does_no_harm);
    tcase_add_loop_test(damaged, hostile_headers_are_refused, 0, COUNT(hostile));
    tcase_add_test(damaged, unusual_headers_are_read);
    tcase_add_test(damaged, other_types_are_listed_as_not_read);
    tcase_add_test(damaged, absurd_header_lengths_are_refused);
    tcase_add_test(damaged, deep_nesting_is_refused);
    tcase_add_test(damaged, what_is_no_file_is_an_error);
    tcase_add_test(damaged, missing_tensors_are_named);
    tcase_add_test(damaged, bad_tensors_are_not_added);
    tcase_add_test(writing, a_full_disk_leaves_the_old_file);
    suite_add_tcase(suite, sound);
    suite_add_tcase(suite, damaged);
    suite_add_tcase(suite, writing);
    return run_suite(suite);
}
