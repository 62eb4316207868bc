/* test_model_files.c - networks from files that others wrote, or damaged: extents are checked
 * before anything is computed from them, and numbers in metadata are read whole or not at all. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "eval/feature_net.h"
#include "io/open_tensors.h"
#include "method/heads.h"
#include "model/dit.h"
#include "reader_tests.h"
#include "suite.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define HUGE_EXTENT ((size_t)1 << 32)

static const hidi_backend *backend;

/* A small student. */
static hidi_dit *new_dit(void)
{
    const hidi_dit_config config = {.image_size = 4, .channels = 3, .out_channels = 3, .patch = 2,
                                    .width = 8, .depth = 2, .heads = 2, .mlp_width = 8,
                                    .n_classes = 2, .has_interval = true, .time_scale = 2.5};
    hidi_dit *dit;
    ck_assert_ok(hidi_dit_create(&dit, backend, &config));
    ck_assert_ok(hidi_dit_initialise(dit, 1));
    return dit;
}

/* ... as a file. */
static void make_dit(hidi_tensor_file *file)
{
    hidi_dit *dit = new_dit();
    hidi_tensor_file_init(file);
    ck_assert_ok(hidi_dit_to_file(dit, "", file));
    hidi_dit_destroy(dit);
}

static void make_heads(hidi_tensor_file *file)
{
    const hidi_heads_config config = {.kind = HIDI_HEAD_AWD, .n = 2, .block = {0, 1}, .width = 8,
                                      .key_width = 4};
    hidi_heads *heads;
    ck_assert_ok(hidi_heads_create(&heads, backend, &config));
    ck_assert_ok(hidi_heads_initialise(heads, 1));
    hidi_tensor_file_init(file);
    ck_assert_ok(hidi_heads_to_file(heads, "", file));
    hidi_heads_destroy(heads);
}

static void make_feature_net(hidi_tensor_file *file)
{
    hidi_feature_net *net;
    ck_assert_ok(hidi_feature_net_create(&net, backend, 3, 8, 2));
    hidi_tensor_file_init(file);
    ck_assert_ok(hidi_feature_net_to_file(net, file));
    hidi_feature_net_destroy(net);
}

static hidi_file_tensor *tensor(hidi_tensor_file *file, const char *name)
{
    const hidi_file_tensor *found = hidi_tensor_file_find(file, name);
    ck_assert_msg(found != NULL, "no %s", name);
    return &file->tensor[found - file->tensor];
}

/* Makes a tensor one without elements, and with these extents. */
static void empty(hidi_tensor_file *file, const char *name, int rank, const size_t *dim)
{
    hidi_file_tensor *t = tensor(file, name);
    t->rank = rank;
    memcpy(t->dim, dim, (size_t)rank * sizeof *dim);
    t->count = 0;
}

static void rename_to(hidi_tensor_file *file, const char *name, const char *other)
{
    hidi_file_tensor *t = tensor(file, name);
    free(t->name);
    t->name = strdup(other);
}

static hidi_status read_dit(const hidi_tensor_file *file)
{
    hidi_dit *dit;
    const hidi_status status = hidi_dit_from_file(&dit, backend, file, "", 0, 0, 0);
    hidi_dit_destroy(dit);
    return status;
}

static hidi_status read_heads(const hidi_tensor_file *file)
{
    hidi_heads *heads;
    const hidi_status status = hidi_heads_from_file(&heads, backend, file);
    hidi_heads_destroy(heads);
    return status;
}

static hidi_status read_feature_net(const hidi_tensor_file *file)
{
    hidi_feature_net *net;
    const hidi_status status = hidi_feature_net_from_file(&net, backend, file);
    hidi_feature_net_destroy(net);
    return status;
}

/* --- extents ---------------------------------------------------------------------------------- */

START_TEST(extents_of_a_dit_are_checked_before_they_are_used)
{
    static const struct {
        const char *name;
        int rank;
        size_t dim[4];
    } cases[] = {
        {"x_embedder.proj.weight", 4, {0, 3, HUGE_EXTENT, HUGE_EXTENT}},
        {"x_embedder.proj.weight", 4, {0, 3, 0, 0}},
        {"x_embedder.proj.weight", 4, {8, 0, 2, 2}},
        {"x_embedder.proj.weight", 4, {8, 0, HUGE_EXTENT, HUGE_EXTENT}},
        {"x_embedder.proj.weight", 4, {65536, 0, 1024, 1024}},
        {"x_embedder.proj.weight", 2, {8, 0}},
        {"pos_embed", 3, {1, SIZE_MAX, 0}},
        {"pos_embed", 3, {0, SIZE_MAX, 8}},
        {"pos_embed", 3, {1, 0, 8}},
        {"blocks.0.mlp.fc1.weight", 2, {1048576, 0}},
        {"blocks.0.mlp.fc1.weight", 2, {SIZE_MAX, 0}},
        {"y_embedder.embedding_table.weight", 2, {1048577, 0}},
        {"y_embedder.embedding_table.weight", 2, {SIZE_MAX, 0}},
        {"y_embedder.embedding_table.weight", 2, {0, 8}},
        {"final_layer.linear.weight", 2, {SIZE_MAX, 0}},
        {"blocks.1.attn.qkv.weight", 2, {HUGE_EXTENT, 0}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        hidi_tensor_file file;
        make_dit(&file);
        ck_assert_ok(read_dit(&file));
        empty(&file, cases[i].name, cases[i].rank, cases[i].dim);
        const hidi_status status = read_dit(&file);
        ck_assert_msg(status == HIDI_BAD_FORMAT || status == HIDI_BAD_ARGUMENT, "case %zu: %s (%s)",
                      i, hidi_status_name(status), hidi_error_message());
        hidi_tensor_file_free(&file);
    }
}
END_TEST

/* side * patch must not pass for another number. */
START_TEST(a_picture_larger_than_any_is_refused)
{
    const size_t positions[3] = {1, (size_t)1 << 62, 0}, none[4] = {0, 3, 2, 2};
    hidi_tensor_file file;
    make_dit(&file);
    empty(&file, "x_embedder.proj.weight", 4, none);
    empty(&file, "pos_embed", 3, positions);
    refused(read_dit(&file), HIDI_BAD_FORMAT, "of a square image");
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(extents_of_heads_are_checked_before_they_are_used)
{
    static const struct {
        const char *name;
        int rank;
        size_t dim[4];
    } cases[] = {
        {"heads.0.norm.weight", 1, {0}},
        {"heads.0.norm.weight", 2, {0, SIZE_MAX}},
        {"heads.0.query", 1, {0}},
        {"heads.0.key.weight", 2, {SIZE_MAX, 0}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        hidi_tensor_file file;
        make_heads(&file);
        ck_assert_ok(read_heads(&file));
        empty(&file, cases[i].name, cases[i].rank, cases[i].dim);
        const hidi_status status = read_heads(&file);
        ck_assert_msg(status == HIDI_BAD_FORMAT || status == HIDI_BAD_ARGUMENT, "case %zu: %s (%s)",
                      i, hidi_status_name(status), hidi_error_message());
        hidi_tensor_file_free(&file);
    }
}
END_TEST

START_TEST(extents_of_a_feature_net_are_checked_before_they_are_used)
{
    const size_t channels[4] = {32, SIZE_MAX, 0, 3}, classes[2] = {0, SIZE_MAX};
    hidi_tensor_file file;
    make_feature_net(&file);
    ck_assert_ok(read_feature_net(&file));
    empty(&file, "conv1.weight", 4, channels);
    refused(read_feature_net(&file), HIDI_BAD_ARGUMENT, "feature net");
    hidi_tensor_file_free(&file);
    make_feature_net(&file);
    empty(&file, "classifier.bias", 2, classes);
    refused(read_feature_net(&file), HIDI_BAD_ARGUMENT, "feature net");
    hidi_tensor_file_free(&file);
}
END_TEST

/* --- numbers that are not finite -------------------------------------------------------------- */

START_TEST(what_is_not_finite_is_refused_beside_parameters_too)
{
    const hidi_real nan = (hidi_real)NAN;
    hidi_tensor_file file;
    make_dit(&file);
    memcpy((void *)tensor(&file, "pos_embed")->data, &nan, sizeof nan);
    refused(read_dit(&file), HIDI_BAD_FORMAT, "pos_embed holds nan");
    hidi_tensor_file_free(&file);
    make_feature_net(&file);
    memcpy((void *)tensor(&file, "features.scale")->data, &nan, sizeof nan);
    refused(read_feature_net(&file), HIDI_BAD_FORMAT, "features.scale holds nan");
    hidi_tensor_file_free(&file);
}
END_TEST

/* --- numbers in metadata ---------------------------------------------------------------------- */

static const char *const no_numbers[] = {"3p", "30,5", "2x", "-4", "", " 2", "2 ", "0", "0x2",
                                         "nan", "inf", "1e400", "99999999999999999999999"};

START_TEST(a_damaged_number_is_an_error_that_names_it)
{
    const char *number = no_numbers[_i];
    hidi_tensor_file file;
    make_dit(&file);
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.heads", number));
    refused(read_dit(&file), HIDI_BAD_FORMAT, "hidi.heads");
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.heads", "2"));
    if (strcmp(number, "99999999999999999999999") != 0) { /* a double, if too large a one */
        ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.time_scale", number));
        refused(read_dit(&file), HIDI_BAD_FORMAT, "hidi.time_scale");
    }
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "hidi.time_scale", "2.5"));
    ck_assert_ok(read_dit(&file));
    hidi_tensor_file_free(&file);

    make_feature_net(&file);
    ck_assert_ok(hidi_tensor_file_set_meta(&file, "image_size", number));
    const hidi_status status = read_feature_net(&file);
    ck_assert(status == HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "image_size"));
    hidi_tensor_file_free(&file);

    if (strcmp(number, "0") != 0) { /* a block */
        make_heads(&file);
        ck_assert_ok(hidi_tensor_file_set_meta(&file, "blocks", number));
        ck_assert(read_heads(&file) != HIDI_OK);
        hidi_tensor_file_free(&file);
    }
}
END_TEST

START_TEST(what_the_shapes_do_not_say_is_asked_for)
{
    hidi_tensor_file file;
    hidi_dit *dit;
    make_dit(&file);
    free(file.key[1]), free(file.value[1]);
    file.n_keys = 1; /* hidi.heads */
    refused(read_dit(&file), HIDI_BAD_ARGUMENT, "set time_scale=S");
    ck_assert_ok(hidi_dit_from_file(&dit, backend, &file, "", 0, 1000, 0));
    ck_assert_double_eq(dit->config.time_scale, 1000);
    hidi_dit_destroy(dit);
    hidi_tensor_file_free(&file);
}
END_TEST

START_TEST(numbers_are_the_same_in_every_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE",
                                        "ru_RU.UTF-8"};
    size_t i = 0;
    while (i < LENGTH(names) && setlocale(LC_ALL, names[i]) == NULL)
        i++; /* without any of them the test is of "C" */
    hidi_tensor_file file;
    hidi_dit *dit;
    char text[256];
    make_dit(&file);
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "hidi.time_scale"), "2.5");
    ck_assert_ok(hidi_dit_from_file(&dit, backend, &file, "", 0, 0, 0));
    ck_assert_double_eq(dit->config.time_scale, 2.5);
    ck_assert_ptr_nonnull(strstr(hidi_dit_text(&dit->config, text, sizeof text), "scale 2.5"));
    hidi_dit_destroy(dit);
    hidi_tensor_file_free(&file);
    setlocale(LC_ALL, "C");
}
END_TEST

/* --- names ------------------------------------------------------------------------------------ */

START_TEST(r_embedder_is_not_taken_for_h_embedder_unasked)
{
    hidi_tensor_file file;
    make_dit(&file);
    rename_to(&file, "h_embedder.mlp.0.weight", "r_embedder.mlp.0.weight");
    refused(read_dit(&file), HIDI_UNSUPPORTED, "--set r_embedder=h");
    hidi_tensor_file_free(&file);
}
END_TEST

/* DataParallel's module., torch.compile's _orig_mod., a trainer's model.: offered by name, and
 * taken. */
START_TEST(what_wrappers_put_in_front_of_names)
{
    static const char *const prefixes[] = {"module", "_orig_mod", "model", "module._orig_mod.net"};
    for (size_t i = 0; i < LENGTH(prefixes); i++) {
        hidi_tensor_file file, wrapped;
        char expected[96];
        make_dit(&file);
        hidi_tensor_file_init(&wrapped);
        for (size_t k = 0; k < file.n_tensors; k++) {
            const hidi_file_tensor *t = &file.tensor[k];
            char name[128];
            snprintf(name, sizeof name, "%s.%s", prefixes[i], t->name);
            ck_assert_ok(hidi_tensor_file_add(&wrapped, name, t->dtype, t->rank, t->dim, t->data));
        }
        ck_assert_ok(hidi_tensor_file_add_meta(&wrapped, "hidi.heads", "2"));
        ck_assert_ok(hidi_tensor_file_add_meta(&wrapped, "hidi.time_scale", "1"));
        ck_assert_ok(hidi_safetensors_write(&wrapped, scratch("wrapped")));
        snprintf(expected, sizeof expected, "a part that has it: --key %s (", prefixes[i]);
        refused(read_dit(&wrapped), HIDI_BAD_FORMAT, expected);
        hidi_tensor_file_free(&file);
        hidi_tensor_file_free(&wrapped);
        ck_assert_ok(hidi_tensor_file_open(&file, scratch("wrapped"), prefixes[i]));
        ck_assert_ok(read_dit(&file));
        hidi_tensor_file_free(&file);
    }
}
END_TEST

/* A student whose h_embedder is unread would pass for a teacher. */
START_TEST(what_could_not_be_read_is_not_left_out)
{
    hidi_tensor_file file;
    make_dit(&file);
    ck_assert_ok(hidi_tensor_file_add_unread(&file, "args", "argparse.Namespace"));
    ck_assert_ok(read_dit(&file));
    ck_assert_ok(hidi_tensor_file_add_unread(&file, "blocks.2.attn.qkv.weight",
                                             "a tensor of type F8_E4M3"));
    refused(read_dit(&file), HIDI_UNSUPPORTED, "blocks.2.attn.qkv.weight: a tensor of type F8");
    hidi_tensor_file_free(&file);
}
END_TEST

/* A file that borrows has the weights where they lie, where the host may read them there, and the
 * same bytes are written. */
START_TEST(what_is_lent_is_written)
{
    static unsigned char bytes[2][1 << 16];
    hidi_tensor_file copied, lent;
    hidi_dit *dit = new_dit();
    hidi_tensor_file_init(&copied);
    hidi_tensor_file_init(&lent);
    lent.borrows = true;
    ck_assert_ok(hidi_dit_to_file(dit, "", &copied));
    ck_assert_ok(hidi_dit_to_file(dit, "", &lent));
    const hidi_file_tensor *found = tensor(&lent, dit->params.param[2].name);
    const hidi_real *value = dit->params.value + dit->params.param[2].offset;
    ck_assert_int_eq((const void *)found->data == (const void *)value,
                     hidi_backend_in_host_memory(backend));
    ck_assert(tensor(&copied, found->name)->owned);
    ck_assert_ok(hidi_safetensors_write(&copied, scratch("copied")));
    ck_assert_ok(hidi_safetensors_write(&lent, scratch("lent")));
    const size_t n = scratch_read("copied", bytes[0], sizeof bytes[0]);
    ck_assert(n > 1000 && n < sizeof bytes[0]);
    ck_assert_uint_eq(scratch_read("lent", bytes[1], sizeof bytes[1]), n);
    ck_assert_mem_eq(bytes[0], bytes[1], n);
    hidi_tensor_file_free(&lent);
    hidi_tensor_file_free(&copied);
    hidi_dit_destroy(dit);
}
END_TEST

int main(void)
{
    scratch_begin();
    backend = hidi_reference_backend();
    Suite *suite = begin_suite("model files");
    TCase *tcase = tcase_create("model files");
    tcase_add_test(tcase, extents_of_a_dit_are_checked_before_they_are_used);
    tcase_add_test(tcase, a_picture_larger_than_any_is_refused);
    tcase_add_test(tcase, extents_of_heads_are_checked_before_they_are_used);
    tcase_add_test(tcase, extents_of_a_feature_net_are_checked_before_they_are_used);
    tcase_add_test(tcase, what_is_not_finite_is_refused_beside_parameters_too);
    tcase_add_loop_test(tcase, a_damaged_number_is_an_error_that_names_it, 0,
                        (int)LENGTH(no_numbers));
    tcase_add_test(tcase, what_the_shapes_do_not_say_is_asked_for);
    tcase_add_test(tcase, numbers_are_the_same_in_every_locale);
    tcase_add_test(tcase, r_embedder_is_not_taken_for_h_embedder_unasked);
    tcase_add_test(tcase, what_wrappers_put_in_front_of_names);
    tcase_add_test(tcase, what_could_not_be_read_is_not_left_out);
    tcase_add_test(tcase, what_is_lent_is_written);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
