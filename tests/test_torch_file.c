/* test_torch_file.c - PyTorch's files: against torch, parts, damaged and hostile ones. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "io/open_tensors.h"
#include "io/torch_file.h"
#include "reader_tests.h"
#include "suite.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* --- against torch ---------------------------------------------------------------------------- */

static const struct {
    const char *name, *key, *expected;
} saved[] = {
    { "state", NULL, "state" },
    { "state-legacy", NULL, "state" },
    { "state-protocol4", "", "state" },
    { "state-protocol5-legacy", NULL, "state" },
    { "module", NULL, "module" },
    { "module-legacy", "", "module" },
    { "checkpoint", "model", "module" },
    { "checkpoint-legacy", "model", "module" },
    { "checkpoint", "ema", "checkpoint-ema" },
    { "checkpoint-legacy", "ema", "checkpoint-ema" },
    { "nested", NULL, "nested" },
    { "nested-legacy", "state_dict", "nested" },
    { "alone", NULL, "alone" },
    { "alone-legacy", "", "alone" },
    { "big-endian", NULL, "big-endian" },
    { "empty", NULL, "empty" },
    { "empty-legacy", NULL, "empty" },
};

START_TEST(what_torch_wrote_is_read)
{
    for (size_t i = 0; i < LENGTH(saved); i++) {
        hidi_tensor_file file;

        ck_assert_ok(hidi_torch_read(&file, test_file(saved[i].name, "pt"), saved[i].key));
        assert_like_safetensors(&file, test_file(saved[i].expected, "safetensors"));
        hidi_tensor_file_free(&file);
    }
}
END_TEST

START_TEST(the_order_is_that_of_the_dict)
{
    hidi_tensor_file file;

    ck_assert_ok(hidi_torch_read(&file, test_file("state", "pt"), NULL));
    ck_assert_str_eq(file.tensor[0].name, "single");
    ck_assert_str_eq(file.tensor[1].name, "double");
    ck_assert_str_eq(file.tensor[25].name, "buffer");
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(other_values_are_metadata_or_listed)
{
    hidi_tensor_file file;

    ck_assert_ok(hidi_torch_read(&file, test_file("nested", "pt"), NULL));
    ck_assert_uint_eq(file.n_keys, 7);
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "lr"), "0.1");
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "name"), "x");
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "none"), "None");
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "yes"), "True");
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "size.1"), "3");
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "deep.list.1"), "5");
    ck_assert_uint_eq(file.n_unread, 2);
    ck_assert_str_eq(file.unread[0], "big: a number of more than 64 bits");
    ck_assert_str_eq(file.unread[1], "dtype: torch.float32");
    hidi_tensor_file_free(&file);

    ck_assert_ok(hidi_torch_read(&file, test_file("types", "pt"), NULL));
    ck_assert_uint_eq(file.n_tensors, 1);
    ck_assert_str_eq(file.unread[0], "c: a tensor of a torch.ComplexFloatStorage");
    ck_assert_str_eq(file.unread[1], "u: a tensor of type torch.uint16");
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(everything_has_joined_names)
{
    static const char *const names[] = { "checkpoint", "checkpoint-legacy" };

    for (size_t i = 0; i < LENGTH(names); i++) {
        hidi_tensor_file file;

        ck_assert_ok(hidi_torch_read(&file, test_file(names[i], "pt"), ""));
        ck_assert_ptr_nonnull(hidi_tensor_file_find(&file, "model.0.weight"));
        ck_assert_ptr_nonnull(hidi_tensor_file_find(&file, "ema.1.running_mean"));
        ck_assert_ptr_nonnull(hidi_tensor_file_find(&file, "opt.state.0.exp_avg"));
        ck_assert_str_eq(hidi_tensor_file_meta(&file, "epoch"), "7");
        ck_assert_uint_eq(file.n_unread, 1);
        ck_assert_str_eq(file.unread[0], "args: argparse.Namespace");
        hidi_tensor_file_free(&file);
    }
}
END_TEST

START_TEST(parts_are_chosen_by_keys)
{
    static const struct {
        const char *name, *key;
        hidi_status status;
        const char *fragment;
    } cases[] = {
        { "checkpoint", NULL, HIDI_BAD_ARGUMENT, "(\"model\", \"ema\", \"opt\")" },
        { "checkpoint", "nosuch", HIDI_BAD_ARGUMENT, "\"nosuch\"; there are \"model\", \"ema\"" },
        { "checkpoint", "ema.nosuch", HIDI_BAD_ARGUMENT, "no \"nosuch\"; there are \"0.weight\"" },
        { "checkpoint", "args", HIDI_UNSUPPORTED, "\"args\" is argparse.Namespace" },
        { "checkpoint", "args.x", HIDI_BAD_ARGUMENT, "no \"args.x\"" },
        { "checkpoint", "epoch", HIDI_UNSUPPORTED, "\"epoch\" is a number" },
        { "checkpoint", "ema.", HIDI_OK, "" },
        { "model", NULL, HIDI_UNSUPPORTED, "is __main__.Scale: neither tensors nor" },
        { "model-legacy", "", HIDI_UNSUPPORTED, "is __main__.Scale: neither tensors nor" },
        { "script", NULL, HIDI_UNSUPPORTED, "TorchScript" },
    };
    hidi_tensor_file file;

    for (size_t i = 0; i < LENGTH(cases); i++) {
        hidi_status status = hidi_torch_read(&file, test_file(cases[i].name, "pt"), cases[i].key);

        if (cases[i].status == HIDI_OK)
            ck_assert_ok(status);
        else
            refused(status, cases[i].status, cases[i].fragment);
        hidi_tensor_file_free(&file);
    }
    ck_assert_ok(hidi_torch_read(&file, test_file("checkpoint", "pt"), "opt.state.0"));
    ck_assert_uint_eq(file.n_tensors, 3);
    ck_assert_ptr_nonnull(hidi_tensor_file_find(&file, "exp_avg_sq"));
    hidi_tensor_file_free(&file);
    ck_assert_ok(hidi_torch_read(&file, test_file("checkpoint", "pt"), "ema.0.weight"));
    ck_assert_uint_eq(file.n_tensors, 1);
    ck_assert_str_eq(file.tensor[0].name, "tensor");
    hidi_tensor_file_free(&file);
}
END_TEST

/* --- by content ------------------------------------------------------------------------------- */

START_TEST(the_format_is_told_by_the_content)
{
    static const struct {
        const char *name, *ending, *format;
    } files[] = { { "state", "safetensors", "safetensors" },
                  { "state", "pt", "PyTorch" },
                  { "state-legacy", "pt", "PyTorch (legacy)" },
                  { "state-protocol5-legacy", "pt", "PyTorch (legacy)" },
                  { "stored", "npz", "npz" } };

    for (size_t i = 0; i < LENGTH(files); i++) {
        const char *path = test_file(files[i].name, files[i].ending), *format;
        hidi_tensor_file file;

        ck_assert_ok(hidi_tensor_file_format(path, &format));
        ck_assert_str_eq(format, files[i].format);
        ck_assert_ok(hidi_tensor_file_open(&file, path, NULL));
        assert_like_safetensors(&file, test_file(i < 4 ? "state" : "stored", "safetensors"));
        hidi_tensor_file_free(&file);
    }
}
END_TEST

START_TEST(flat_files_have_prefixes_for_keys)
{
    hidi_tensor_file file;

    ck_assert_ok(hidi_tensor_file_open(&file, test_file("nested", "safetensors"), "deep"));
    ck_assert_uint_eq(file.n_tensors, 2);
    ck_assert_ptr_nonnull(hidi_tensor_file_find(&file, "b"));
    ck_assert_ptr_nonnull(hidi_tensor_file_find(&file, "list.0"));
    hidi_tensor_file_free(&file);
    ck_assert_ok(hidi_tensor_file_open(&file, test_file("stored", "npz"), "mu"));
    ck_assert_uint_eq(file.n_tensors, 1);
    ck_assert_str_eq(file.tensor[0].name, "mu");
    hidi_tensor_file_free(&file);
    refused(hidi_tensor_file_open(&file, test_file("nested", "safetensors"), "dee"),
            HIDI_BAD_ARGUMENT, "\"dee.NAME\"");
}
END_TEST

START_TEST(a_prefix_that_is_a_name_too_gives_no_name_twice)
{
    static const char *const names[] = { "a", "a.a", "b" };
    const float numbers[3] = { 1, 2, 3 };
    hidi_tensor_file file;

    hidi_tensor_file_init(&file);
    for (size_t n = 1; n <= 3; n++)
        ck_assert_ok(hidi_tensor_file_add(&file, names[n - 1], HIDI_F32, 1, &n, numbers));
    ck_assert_ok(hidi_safetensors_write(&file, scratch("prefix")));
    hidi_tensor_file_free(&file);
    ck_assert_ok(hidi_tensor_file_open(&file, scratch("prefix"), "a"));
    ck_assert_uint_eq(file.n_tensors, 1);
    ck_assert_str_eq(file.tensor[0].name, "a");
    ck_assert_uint_eq(file.tensor[0].count, 2);
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(other_files_are_refused)
{
    hidi_tensor_file file;
    const char *format;

    refused(hidi_tensor_file_open(&file, scratch("nosuch"), NULL), HIDI_BAD_FILE, "nosuch");
    refused(hidi_tensor_file_open(&file, scratch_root, NULL), HIDI_BAD_FILE, scratch_root);
    scratch_write("text", "some text, and more of it", 25);
    refused(hidi_tensor_file_open(&file, scratch("text"), NULL), HIDI_BAD_FORMAT, "none of");
    refused(hidi_tensor_file_format(scratch("text"), &format), HIDI_BAD_FORMAT, "none of");
    refused(hidi_torch_read(&file, scratch("text"), NULL), HIDI_BAD_FORMAT, "torch.save");
    scratch_write("empty", "", 0);
    refused(hidi_tensor_file_open(&file, scratch("empty"), NULL), HIDI_BAD_FORMAT, "none of");
    refused(hidi_torch_read(&file, test_file("stored", "npz"), NULL), HIDI_BAD_FORMAT,
            "no data.pkl");
}
END_TEST

/* --- damaged files ---------------------------------------------------------------------------- */

static hidi_status read_part(hidi_tensor_file *file, const char *path)
{
    return hidi_torch_read(file, path, NULL);
}

static hidi_status read_everything(hidi_tensor_file *file, const char *path)
{
    return hidi_torch_read(file, path, "");
}

START_TEST(truncated_files_are_errors_wherever_they_end)
{
    assert_truncation_is_refused("state", "pt", read_part);
    assert_truncation_is_refused("state-legacy", "pt", read_part);
    assert_truncation_is_refused("state-protocol5-legacy", "pt", read_part);
    assert_truncation_is_refused("nested-legacy", "pt", read_part);
}
END_TEST

START_TEST(a_changed_byte_does_no_harm)
{
    assert_changed_bytes_do_no_harm("nested", "pt", read_everything);
    assert_changed_bytes_do_no_harm("module", "pt", read_part);
    assert_changed_bytes_do_no_harm("state-legacy", "pt", read_everything);
    assert_changed_bytes_do_no_harm("checkpoint-legacy", "pt", read_everything);
}
END_TEST

/* --- hostile pickles -------------------------------------------------------------------------- */

/* Writes an archive with this pickle, after "\x80\x02", and the storage "0" of 8 floats. */
static void write_archive(const char *name, const char *pickle, size_t n)
{
    static unsigned char bytes[1 << 20];
    static const float numbers[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    zip_t *archive = zip_open(scratch(name), ZIP_CREATE | ZIP_TRUNCATE, NULL);

    ck_assert_ptr_nonnull(archive);
    ck_assert_uint_lt(n + 2, sizeof bytes);
    bytes[0] = 0x80;
    bytes[1] = 2;
    memcpy(bytes + 2, pickle, n);
    ck_assert_int_eq((int)zip_file_add(archive, "x/data.pkl",
                                       zip_source_buffer(archive, bytes, n + 2, 0), 0), 0);
    ck_assert_int_eq((int)zip_file_add(archive, "x/data/0",
                                       zip_source_buffer(archive, numbers, sizeof numbers, 0), 0),
                     1);
    ck_assert_int_eq(zip_close(archive), 0);
}

/* Pieces of pickles: a storage "0" of COUNT (one byte) floats, a call, a tensor from it. */
#define TEXT(length, text) "X" length "\0\0\0" text
#define STORAGE_OF(type, key, count)                                                               \
    "(" TEXT("\x07", "storage") "ctorch\n" type "\n" key TEXT("\x03", "cpu") count "tQ"
#define STORAGE STORAGE_OF("FloatStorage", TEXT("\x01", "0"), "K\x08")
#define REBUILD "ctorch._utils\n_rebuild_tensor_v2\n"
#define TENSOR_OF(storage, view) REBUILD "(" storage view "\x89N" "tR"
#define TENSOR(view) TENSOR_OF(STORAGE, view)
#define DICT(value) "}" TEXT("\x01", "a") value "s"
#define PICKLE(text) text ".", sizeof text

static const struct {
    const char *pickle;
    size_t n; /* with the STOP */
    hidi_status status;
    const char *fragment; /* of the message; for HIDI_OK, the tensor "a", or what is unread */
} pickles[] = {
    { PICKLE(DICT(TENSOR("K\0" "K\x02K\x04\x86" "K\x04K\x01\x86"))), HIDI_OK, "F32 [2, 4]" },
    { PICKLE(DICT(TENSOR("K\0" "K\x08\x85" "K\x01\x85"))), HIDI_OK, "F32 [8]" },
    { PICKLE(DICT(TENSOR("K\x07)" ")"))), HIDI_OK, "F32 []" },
    { PICKLE(DICT(TENSOR("K\x63K\0\x85" "K\x01\x85"))), HIDI_OK, "F32 [0]" },
    /* flags of a view whose numbers are not those of the storage */
    { PICKLE(DICT(REBUILD "(" STORAGE "K\0))\x89N}" TEXT("\x03", "neg") "\x88stR")), HIDI_OK,
      "a: a tensor to be negated" },
    { PICKLE(DICT(REBUILD "(" STORAGE "K\0))\x89N}" TEXT("\x03", "neg") "\x89stR")), HIDI_OK,
      "F32 []" },
    /* beyond the storage */
    { PICKLE(DICT(TENSOR("K\x01" "K\x08\x85" "K\x01\x85"))), HIDI_BAD_FORMAT, "goes beyond" },
    { PICKLE(DICT(TENSOR("K\x08)" ")"))), HIDI_BAD_FORMAT, "goes beyond" },
    { PICKLE(DICT(TENSOR("K\0" "K\x02\x85" "K\x08\x85"))), HIDI_BAD_FORMAT, "goes beyond" },
    { PICKLE(DICT(TENSOR("K\0" "K\x02K\x02\x86"
                         "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01\x86"))),
      HIDI_BAD_FORMAT, "goes beyond" },
    { PICKLE(DICT(TENSOR("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f" "K\x01\x85" "K\x01\x85"))),
      HIDI_BAD_FORMAT, "goes beyond" },
    { PICKLE(DICT(TENSOR("K\0" "J\xff\xff\xff\xff\x85" "K\x01\x85"))), HIDI_BAD_FORMAT,
      "arguments" },
    { PICKLE(DICT(TENSOR("J\xff\xff\xff\xff" "K\x01\x85" "K\x01\x85"))), HIDI_BAD_FORMAT,
      "arguments" },
    { PICKLE(DICT(TENSOR("K\0" "K\x02\x85" "J\xff\xff\xff\xff\x85"))), HIDI_BAD_FORMAT,
      "arguments" },
    { PICKLE(DICT(TENSOR("K\0" "K\x02\x85" "K\x02K\x01\x86"))), HIDI_BAD_FORMAT, "arguments" },
    { PICKLE(DICT(TENSOR("K\0" "K\x02" "K\x01"))), HIDI_BAD_FORMAT, "arguments" },
    { PICKLE(DICT(TENSOR("K\0" TEXT("\x09", "123456789") "K\x01"))), HIDI_OK, "too high a rank" },
    /* expanded: 2^40 floats from one; 2^80 */
    { PICKLE(DICT(TENSOR("K\0" "J\0\0\0\x40" "J\0\x04\0\0\x86" "K\0K\0\x86"))), HIDI_UNSUPPORTED,
      "repeat its numbers too often" },
    { PICKLE(DICT(TENSOR("K\0" "\x8a\x08\0\0\0\0\0\0\0\x40" "J\0\x04\0\0\x86" "K\0K\0\x86"))),
      HIDI_BAD_FORMAT, "overflows memory" },
    /* storages */
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("FloatStorage", TEXT("\x01", "1"), "K\x08"),
                            "K\0" "K\x01\x85" "K\x01\x85"))), HIDI_BAD_FORMAT, "is missing" },
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("FloatStorage", TEXT("\x01", "0"), "K\x09"),
                            "K\0" "K\x01\x85" "K\x01\x85"))), HIDI_BAD_FORMAT, "32 bytes" },
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("FloatStorage", TEXT("\x01", "0"), "K\x07"),
                            "K\0" "K\x01\x85" "K\x01\x85"))), HIDI_BAD_FORMAT, "32 bytes" },
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("FloatStorage", TEXT("\x01", "0"),
                                       "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
                            "K\0" "K\x01\x85" "K\x01\x85"))), HIDI_BAD_FORMAT, "memory can hold" },
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("FloatStorage", TEXT("\x01", "0"),
                                       "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x0f"),
                            "K\0" "K\x01\x85" "K\x01\x85"))), HIDI_UNSUPPORTED, "too large" },
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("FloatStorage", "K\0", "K\x08"), "K\0))"))),
      HIDI_BAD_FORMAT, "persistent id" },
    { PICKLE(DICT(TENSOR_OF(STORAGE_OF("QInt8Storage", TEXT("\x01", "0"), "K\x08"), "K\0))"))),
      HIDI_OK, "a: a tensor of a torch.QInt8Storage" },
    { PICKLE(DICT("NQ")), HIDI_BAD_FORMAT, "persistent id" },
    { PICKLE(DICT(TEXT("\x04", "what") "N\x86Q")), HIDI_BAD_FORMAT, "persistent id" },
    /* calls: nothing happens */
    { PICKLE(DICT("cos\nsystem\n" TEXT("\x04", "true") "\x85R")), HIDI_OK, "a: os.system" },
    { PICKLE("cos\nsystem\n" TEXT("\x04", "true") "\x85R"), HIDI_UNSUPPORTED, "os.system" },
    { PICKLE(DICT("cbuiltins\neval\n" TEXT("\x01", "1") "\x85R}b")), HIDI_OK, "a: builtins.eval" },
    { PICKLE(DICT("c__main__\nNet\n)\x81}(NNub")), HIDI_OK, "a: __main__.Net" },
    { PICKLE(DICT("c__main__\nNet\n)}\x92")), HIDI_OK, "a: __main__.Net" },
    { PICKLE(DICT("(c__main__\nNet\nK\x01o")), HIDI_OK, "a: __main__.Net" },
    { PICKLE(DICT("cnumpy\nfoo\nNR")), HIDI_BAD_FORMAT, "numpy.foo: its arguments are not" },
    { PICKLE(DICT(REBUILD ")R")), HIDI_BAD_FORMAT, "arguments" },
    { PICKLE(DICT(REBUILD "(NNNNtR")), HIDI_BAD_FORMAT, "arguments" },
    { PICKLE(DICT("ctorch._utils\n_rebuild_parameter\nN\x85R")), HIDI_BAD_FORMAT, "not a tensor" },
    { PICKLE(DICT("ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._tensor\n_rebuild_from_type_v2\n"
                  "ctorch\nTensor\n)NtR")), HIDI_BAD_FORMAT, "arguments" },
    { PICKLE("ccollections\nOrderedDict\n](" TEXT("\x01", "a")
             TENSOR("K\0K\x01\x85K\x01\x85") "lae\x85R"), HIDI_BAD_FORMAT, "no mark" },
    { PICKLE("ccollections\nOrderedDict\n](" TEXT("\x01", "a")
             TENSOR("K\0K\x01\x85K\x01\x85") "la\x85R"), HIDI_OK, "F32 [1]" },
    { PICKLE("ccollections\nOrderedDict\n]Na\x85R"), HIDI_BAD_FORMAT, "list of pairs" },
    /* names */
    { PICKLE("}(" TEXT("\x03", "a.b") TENSOR("K\0))") TEXT("\x01", "a") "}" TEXT("\x01", "b")
             TENSOR("K\0))") "su"), HIDI_BAD_FORMAT, "\"a.b\" is there twice" },
    { PICKLE("}(" TEXT("\x01", "a") TENSOR("K\0))") TEXT("\x01", "a") TENSOR("K\0))") "u"),
      HIDI_BAD_FORMAT, "there twice" },
    { PICKLE("}(" TEXT("\x01", "a") TENSOR("K\0))") TEXT("\x01", "b") "N" TEXT("\x01", "b") "Nu"),
      HIDI_BAD_FORMAT, "there twice" },
    { PICKLE("}" TEXT("\x03", "a\0b") TENSOR("K\0))") "s"), HIDI_OK, "" },
    /* a machine out of step */
    { PICKLE(""), HIDI_BAD_FORMAT, "other than one value" },
    { PICKLE("NN"), HIDI_BAD_FORMAT, "other than one value" },
    { PICKLE("N("), HIDI_BAD_FORMAT, "other than one value" },
    { PICKLE("}("), HIDI_BAD_FORMAT, "other than one value" },
    { PICKLE("0"), HIDI_BAD_FORMAT, "too few values" },
    { PICKLE("t"), HIDI_BAD_FORMAT, "no mark" },
    { PICKLE("(s"), HIDI_BAD_FORMAT, "too few values" },
    { PICKLE("N(\x85"), HIDI_BAD_FORMAT, "too few values" },
    { PICKLE("}Ns"), HIDI_BAD_FORMAT, "too few values" },
    { PICKLE("}(Nu"), HIDI_BAD_FORMAT, "does not hold" },
    { PICKLE("(Nd"), HIDI_BAD_FORMAT, "no value" },
    { PICKLE("NNa"), HIDI_BAD_FORMAT, "does not hold" },
    { PICKLE("h\x05"), HIDI_BAD_FORMAT, "memo" },
    { PICKLE("Nr\xff\xff\xff\xff"), HIDI_BAD_FORMAT, "memo" },
    { PICKLE("I12\n"), HIDI_UNSUPPORTED, "0x49" },
    { PICKLE("\x82\x01"), HIDI_UNSUPPORTED, "0x82" },
    { PICKLE("\x80\x06N"), HIDI_UNSUPPORTED, "protocol 6" },
    { PICKLE("\x8d\xff\xff\xff\xff\xff\xff\xff\xffx"), HIDI_BAD_FORMAT, "truncated" },
    { PICKLE("T\xff\xff\xff\xffx"), HIDI_BAD_FORMAT, "truncated" },
    { PICKLE("cno end of line"), HIDI_BAD_FORMAT, "truncated" },
    { PICKLE("N.N"), HIDI_BAD_FORMAT, "after the end" },
};

START_TEST(hostile_pickles_are_refused)
{
    char text[200];

    for (size_t i = 0; i < LENGTH(pickles); i++) {
        hidi_tensor_file file;
        const char *fragment = pickles[i].fragment;

        write_archive("hostile.pt", pickles[i].pickle, pickles[i].n);
        hidi_status status = hidi_torch_read(&file, scratch("hostile.pt"), "");
        ck_assert_msg(status == pickles[i].status, "%zu: %s (%s)", i, hidi_status_name(status),
                      hidi_error_message());
        if (status != HIDI_OK) {
            refused(status, pickles[i].status, fragment);
            refused(status, pickles[i].status, "hostile.pt: ");
        } else if (fragment[0] == 'F') {
            const hidi_file_tensor *a = hidi_tensor_file_find(&file, "a");

            ck_assert_ptr_nonnull(a);
            ck_assert_str_eq(hidi_file_tensor_text(a, text, sizeof text), fragment);
        } else if (fragment[0] != '\0') {
            ck_assert_uint_eq(file.n_unread, 1);
            ck_assert_ptr_nonnull(strstr(file.unread[0], fragment));
        }
        hidi_tensor_file_free(&file);
    }
}
END_TEST

/* A dict in a dict ... ; one that holds another twice, which holds ... ; one that holds itself; one
 * text in many places. */
START_TEST(endless_dicts_end)
{
    static char pickle[200000];
    hidi_tensor_file file;
    size_t n = 0;

    for (int i = 0; i < 10000; i++)
        n += (size_t)sprintf(pickle + n, "]");
    memset(pickle + n, 'a', 9999);
    pickle[n + 9999] = '.';
    write_archive("deep.pt", pickle, n + 10000);
    refused(hidi_torch_read(&file, scratch("deep.pt"), ""), HIDI_UNSUPPORTED, "more than 64 deep");
    refused(hidi_torch_read(&file, scratch("deep.pt"), NULL), HIDI_BAD_FORMAT, "no tensors");

    n = (size_t)sprintf(pickle, "Nr"); /* memo 0: None; then a pair of it, a pair of that, ... */
    memset(pickle + n, 0, 4);
    n += 4;
    for (int i = 0; i < 50; i++)
        n += (size_t)sprintf(pickle + n, "2\x86");
    pickle[n++] = '.';
    write_archive("laughs.pt", pickle, n);
    refused(hidi_torch_read(&file, scratch("laughs.pt"), ""), HIDI_UNSUPPORTED, "more than 10");
    refused(hidi_torch_read(&file, scratch("laughs.pt"), NULL), HIDI_BAD_FORMAT, "no tensors");

    n = (size_t)sprintf(pickle, "(X"); /* a text of 100,000, then the same 9,000 times */
    memcpy(pickle + n, "\xa0\x86\x01", 4);
    memset(pickle + n + 4, 'x', 100000);
    n += 100004;
    n += (size_t)sprintf(pickle + n, "q");
    pickle[n++] = '\0';
    for (int i = 0; i < 9000; i++, n += 2)
        memcpy(pickle + n, "h", 2);
    n += (size_t)sprintf(pickle + n, "l.");
    write_archive("repeated.pt", pickle, n);
    refused(hidi_torch_read(&file, scratch("repeated.pt"), ""), HIDI_UNSUPPORTED,
            "names and texts");

    write_archive("itself.pt", "]q\0h\0a.", 7);
    refused(hidi_torch_read(&file, scratch("itself.pt"), ""), HIDI_UNSUPPORTED, "64 deep");
    refused(hidi_torch_read(&file, scratch("itself.pt"), NULL), HIDI_BAD_FORMAT, "no tensors");
}
END_TEST

int main(void)
{
    scratch_begin();
    Suite *suite = begin_suite("torch_file");
    TCase *tests = tcase_create("torch_file");

    tcase_add_test(tests, what_torch_wrote_is_read);
    tcase_add_test(tests, the_order_is_that_of_the_dict);
    tcase_add_test(tests, other_values_are_metadata_or_listed);
    tcase_add_test(tests, everything_has_joined_names);
    tcase_add_test(tests, parts_are_chosen_by_keys);
    tcase_add_test(tests, the_format_is_told_by_the_content);
    tcase_add_test(tests, flat_files_have_prefixes_for_keys);
    tcase_add_test(tests, a_prefix_that_is_a_name_too_gives_no_name_twice);
    tcase_add_test(tests, other_files_are_refused);
    tcase_add_test(tests, truncated_files_are_errors_wherever_they_end);
    tcase_add_test(tests, a_changed_byte_does_no_harm);
    tcase_add_test(tests, hostile_pickles_are_refused);
    tcase_add_test(tests, endless_dicts_end);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
