/* test_embeddings.c - captions that another program has encoded: their file and its errors, as a
 * data set, and as what a network is asked for. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/dataset.h"
#include "data/embeddings.h"
#include "each_backend.h"
#include "io/atomic_file.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/safetensors.h"
#include "model/dit.h"
#include "scratch.h"

enum { N = 12, L = 4, W = 3, NULLS = 2 };

static const hidi_backend *backend; /* set by main */

static void ok(hidi_status status)
{
    if (status != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
}

/* --- files ------------------------------------------------------------------------------------ */

/* What a file is made of; dimensions may be made wrong. */
typedef struct content {
    float embedding[N * L * W], null[NULLS * W];
    int32_t mask[N * L];
    size_t dim[3], mask_dim[2], null_dim[2];
    bool no_mask, no_null, mask_is_float;
    const char *names; /* metadata file_names */
} content;

/* Caption i has 1 + i % L tokens, of values that bf16 has; 3 kinds of captions. */
static content good(void)
{
    content c = {.dim = {N, L, W}, .mask_dim = {N, L}, .null_dim = {NULLS, W}};
    for (int i = 0; i < N; i++)
        for (int k = 0; k < L; k++) {
            c.mask[i * L + k] = k <= i % L;
            for (int d = 0; d < W; d++)
                c.embedding[(i * L + k) * W + d] =
                    k > i % L ? NAN : (float)(i % 3) * 4 - 3 + (float)d / 8;
        }
    for (int k = 0; k < NULLS * W; k++)
        c.null[k] = -0.25f * (float)(k + 1);
    return c;
}

static void to_dtype(const float *x, size_t n, hidi_dtype dtype, unsigned char *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        const uint16_t half =
            dtype == HIDI_F16 ? hidi_to_half((double)x[i]) : (uint16_t)(bits >> 16);
        if (dtype == HIDI_F32)
            memcpy(out + 4 * i, &x[i], 4);
        else
            memcpy(out + 2 * i, &half, 2);
    }
}

static void add_floats(hidi_tensor_file *file, const char *name, hidi_dtype dtype, int rank,
                       const size_t *dim, const float *x)
{
    unsigned char bytes[4 * N * L * W];
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dim[i];
    ck_assert_uint_le(n, N * L * W);
    to_dtype(x, n, dtype, bytes);
    ok(hidi_tensor_file_add(file, name, dtype, rank, dim, bytes));
}

static const char *write_content(const content *c, hidi_dtype dtype, bool npz)
{
    static char path[512];
    uint8_t small[N * L];
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    add_floats(&file, "embeddings", dtype, 3, c->dim, c->embedding);
    for (int i = 0; i < N * L; i++)
        small[i] = (uint8_t)c->mask[i];
    if (c->mask_is_float)
        add_floats(&file, "mask", HIDI_F32, 2, c->mask_dim, c->embedding);
    else if (!c->no_mask && dtype == HIDI_F32)
        ok(hidi_tensor_file_add(&file, "mask", HIDI_I32, 2, c->mask_dim, c->mask));
    else if (!c->no_mask)
        ok(hidi_tensor_file_add(&file, "mask", npz ? HIDI_BOOL : HIDI_U8, 2, c->mask_dim, small));
    if (!c->no_null)
        add_floats(&file, "null", dtype, 2, c->null_dim, c->null);
    if (c->names != NULL)
        ok(hidi_tensor_file_add_meta(&file, "file_names", c->names));
    snprintf(path, sizeof path, "%s", scratch(npz ? "e.npz" : "e.safetensors"));
    ok(npz ? hidi_npz_write(&file, path) : hidi_safetensors_write(&file, path));
    hidi_tensor_file_free(&file);
    return path;
}

START_TEST(files_are_read)
{
    static const struct {
        hidi_dtype dtype;
        bool npz;
    } forms[] = {{HIDI_F32, false}, {HIDI_F16, false}, {HIDI_BF16, false}, {HIDI_F32, true},
                 {HIDI_F16, true}};
    const content c = good();
    hidi_embeddings e;
    hidi_real row[L * W];
    ok(hidi_embeddings_open(&e, write_content(&c, forms[_i].dtype, forms[_i].npz)));
    ck_assert(e.file.mapped == !forms[_i].npz);
    ck_assert_uint_eq(e.captions.n, N);
    ck_assert_uint_eq(e.captions.most, L);
    ck_assert_uint_eq(e.captions.width, W);
    ck_assert_uint_eq(e.captions.null_length, NULLS);
    for (int k = 0; k < NULLS * W; k++)
        ck_assert(e.captions.null[k] == (hidi_real)c.null[k]);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(e.captions.length[i], 1 + i % L);
        hidi_captions_embedding(&e.captions, (size_t)i, row);
        for (int k = 0; k < (1 + i % L) * W; k++)
            ck_assert(row[k] == (hidi_real)c.embedding[i * L * W + k]);
    }
    hidi_embeddings_close(&e);
}
END_TEST

static void assert_refused(const content *c, hidi_status status, const char *why)
{
    hidi_embeddings e;
    const char *path = write_content(c, HIDI_F32, false);
    ck_assert_msg(hidi_embeddings_open(&e, path) == status, "expected: %s; found: %s", why,
                  hidi_error_message());
    ck_assert_msg(strstr(hidi_error_message(), why) != NULL, "%s", hidi_error_message());
    ck_assert_msg(strstr(hidi_error_message(), path) != NULL, "%s", hidi_error_message());
    hidi_embeddings_close(&e);
}

START_TEST(bad_shapes_are_refused)
{
    content c = good();
    c.no_mask = true;
    assert_refused(&c, HIDI_BAD_FORMAT, "no tensor \"mask\"");
    c = good();
    c.mask_is_float = true;
    assert_refused(&c, HIDI_BAD_SHAPE, "mask is F32 [12, 4], expected [12, 4] of integers");
    c = good();
    c.mask_dim[1] = L - 1;
    assert_refused(&c, HIDI_BAD_SHAPE, "mask is I32 [12, 3], expected [12, 4]");
    c = good();
    c.dim[0] = 0;
    assert_refused(&c, HIDI_BAD_SHAPE, "embeddings is F32 [0, 4, 3], expected [n, L, D]");
    c = good();
    c.null_dim[1] = W - 1;
    assert_refused(&c, HIDI_BAD_SHAPE, "null is F32 [2, 2], expected [1 to 4, 3]");
    c = good();
    c.null_dim[0] = 0;
    assert_refused(&c, HIDI_BAD_SHAPE, "null is F32 [0, 3], expected [1 to 4, 3]");
}
END_TEST

/* Sizes beyond the limits, of zeros. */
START_TEST(sizes_are_limited)
{
    static const struct {
        size_t dim[3];
        const char *why;
    } cases[] = {{{1, HIDI_MOST_EMBEDDINGS + 1, 2}, "captions of 1025 tokens, at most 1024"},
                 {{1, 2, HIDI_MOST_EMBEDDING_WIDTH + 1}, "of width 65537, at most 65536"}};
    void *zeros = calloc(2 * HIDI_MOST_EMBEDDING_WIDTH + 2, 2);
    hidi_tensor_file file;
    hidi_embeddings e;
    ck_assert_ptr_nonnull(zeros);
    hidi_tensor_file_init(&file);
    ok(hidi_tensor_file_add(&file, "embeddings", HIDI_F16, 3, cases[_i].dim, zeros));
    ok(hidi_tensor_file_add(&file, "mask", HIDI_U8, 2, cases[_i].dim, zeros));
    ok(hidi_safetensors_write(&file, scratch("large.safetensors")));
    hidi_tensor_file_free(&file);
    free(zeros);
    ck_assert_int_eq(hidi_embeddings_open(&e, scratch("large.safetensors")), HIDI_UNSUPPORTED);
    ck_assert_msg(strstr(hidi_error_message(), cases[_i].why) != NULL, "%s", hidi_error_message());
    hidi_embeddings_close(&e);
}
END_TEST

START_TEST(bad_values_are_refused)
{
    content c = good();
    c.mask[3 * L + 1] = 0;
    assert_refused(&c, HIDI_BAD_FORMAT, "mask, row 3: token 2 counts, and one before it does not");
    c.mask[3 * L + 1] = 2;
    assert_refused(&c, HIDI_BAD_FORMAT, "mask, row 3: it holds 2, expected 0 or 1");
    c = good();
    c.embedding[(7 * L + 2) * W + 1] = NAN;
    assert_refused(&c, HIDI_NOT_FINITE, "embeddings, row 7: nan in token 2");
    c.embedding[(7 * L + 2) * W + 1] = INFINITY;
    assert_refused(&c, HIDI_NOT_FINITE, "embeddings, row 7: inf in token 2");
    c = good();
    c.null[W] = NAN;
    assert_refused(&c, HIDI_NOT_FINITE, "null, row 0: nan in token 1");
}
END_TEST

/* --- damaged files ---------------------------------------------------------------------------- */

static unsigned char *bytes_of(const char *path, size_t *n)
{
    unsigned char *bytes;
    ok(hidi_read_file(path, &bytes, n));
    return bytes;
}

/* An error that names the file, or a valid set: lengths within L, and numbers. */
static bool is_refused(const char *path)
{
    hidi_embeddings e;
    const hidi_status status = hidi_embeddings_open(&e, path);
    if (status != HIDI_OK) {
        ck_assert_msg(strstr(hidi_error_message(), path) != NULL, "%s", hidi_error_message());
        hidi_embeddings_close(&e);
        return true;
    }
    const hidi_captions *c = &e.captions;
    hidi_real *x = malloc(c->most * c->width * sizeof *x);
    ck_assert_ptr_nonnull(x);
    for (size_t i = 0; i < c->n; i++) {
        ck_assert(c->length[i] >= 0 && (size_t)c->length[i] <= c->most);
        hidi_captions_embedding(c, i, x);
        for (size_t k = 0; k < (size_t)c->length[i] * c->width; k++)
            ck_assert(isfinite((double)x[k]));
    }
    for (size_t k = 0; k < c->null_length * c->width; k++)
        ck_assert(isfinite((double)c->null[k]));
    free(x);
    hidi_embeddings_close(&e);
    return false;
}

START_TEST(files_cut_short_are_refused)
{
    const content c = good();
    size_t n;
    unsigned char *bytes = bytes_of(write_content(&c, HIDI_F16, _i == 1), &n);
    for (size_t length = 0; length < n; length++) {
        scratch_write("cut", bytes, length);
        ck_assert_msg(is_refused(scratch("cut")), "%zu of %zu bytes", length, n);
    }
    scratch_write("cut", bytes, n);
    ck_assert(!is_refused(scratch("cut")));
    free(bytes);
}
END_TEST

START_TEST(changed_bytes_do_no_harm)
{
    static const unsigned char change[] = {1, 16, 128, 255};
    const content c = good();
    size_t n, refused = 0;
    unsigned char *bytes = bytes_of(write_content(&c, HIDI_F16, _i == 1), &n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof change; k++) {
            bytes[i] ^= change[k];
            scratch_write("changed", bytes, n);
            refused += is_refused(scratch("changed"));
            bytes[i] ^= change[k];
        }
    ck_assert_uint_gt(refused, 0);
    free(bytes);
}
END_TEST

/* --- a data set ------------------------------------------------------------------------------- */

/* n pictures of 16 x 16, 00.png ..., without captions, in a folder of their own. */
static void picture_folder(int n, char *folder, size_t size)
{
    hidi_image image;
    static int made;
    char path[1024], own[64];
    snprintf(own, sizeof own, "pictures-%d", made++);
    snprintf(folder, size, "%s", scratch(own));
    ok(hidi_make_folder(folder));
    ok(hidi_image_create(&image, 16, 16, 3, 77));
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%02d.png", folder, i);
        ok(hidi_png_write(&image, path));
    }
    hidi_image_free(&image);
}

static hidi_status open_data(hidi_dataset **data, const char *folder, const content *c)
{
    hidi_folder_options options = hidi_folder_defaults();
    options.embeddings = write_content(c, HIDI_F32, false);
    return hidi_dataset_open_captions(data, folder, 16, &options);
}

START_TEST(data_sets_have_them)
{
    char folder[512];
    content c = good();
    hidi_dataset *data;
    static hidi_real image[3 * 16 * 16];
    int32_t y, class_of_kind[3];
    c.names = "00.png\n01.png\n02.png\n03.png\n04.png\n05.png\n06.png\n07.png\n08.png\n09.png\n"
              "10.png\n11.png\n";
    picture_folder(N, folder, sizeof folder);
    ok(open_data(&data, folder, &c));
    ck_assert_uint_eq(data->count[HIDI_TRAIN], N - 1);
    ck_assert_uint_eq(data->captions->width, W);
    ck_assert_ptr_null(data->captions->words);
    ck_assert_uint_eq(data->n_classes, 3); /* the three kinds: no more captions differ */
    data->get(data, HIDI_TEST, 0, image, &y);
    ck_assert_int_eq(y, 9);
    data->get(data, HIDI_TRAIN, 10, image, &y);
    ck_assert_int_eq(y, 11);
    for (int32_t i = 0; i < N; i++) {
        const int32_t class = hidi_dataset_class(data, i);
        if (i < 3)
            class_of_kind[i] = class;
        ck_assert_int_eq(class, class_of_kind[i % 3]);
    }
    ck_assert(class_of_kind[0] != class_of_kind[1] && class_of_kind[1] != class_of_kind[2] &&
              class_of_kind[0] != class_of_kind[2]);
    hidi_dataset_close(data);
}
END_TEST

static void assert_no_data(const char *folder, const content *c, const char *why)
{
    hidi_dataset *data;
    ck_assert_int_eq(open_data(&data, folder, c), HIDI_BAD_FORMAT);
    ck_assert_msg(strstr(hidi_error_message(), why) != NULL, "%s", hidi_error_message());
}

START_TEST(data_sets_that_do_not_fit_are_refused)
{
    char folder[512], path[1024];
    content c = good();
    picture_folder(N, folder, sizeof folder);
    memset(c.mask + 5 * L, 0, L * sizeof c.mask[0]);
    assert_no_data(folder, &c, "mask, row 5: no token counts, so that 05.png has no caption");
    c = good();
    c.names = "00.png\n02.png\n01.png\n";
    assert_no_data(folder, &c, "row 1 is of \"02.png\" (file_names), and picture 1 is 01.png");
    c.names = "00.png\n01.png";
    assert_no_data(folder, &c, "row 2 is of \"\" (file_names), and picture 2 is 02.png");
    c = good();
    snprintf(path, sizeof path, "%s/11.png", folder);
    ck_assert_int_eq(remove(path), 0);
    assert_no_data(folder, &c, "has captions of 12 pictures, and ");
    c.no_mask = true;
    assert_no_data(folder, &c, "no tensor \"mask\"");
}
END_TEST

/* --- a network -------------------------------------------------------------------------------- */

enum { B = 4, IMAGE = 2 * 4 * 4 };

static const hidi_dit_config config = {.image_size = 4,
                                       .channels = 2,
                                       .out_channels = 2,
                                       .patch = 2,
                                       .width = 8,
                                       .depth = 2,
                                       .heads = 2,
                                       .mlp_width = 16,
                                       .time_scale = 10,
                                       .caption_length = L + 1,
                                       .caption_width = W,
                                       .null_length = NULLS};

/* All its weights are drawn, none is 0. */
static hidi_dit *make_net(void)
{
    hidi_dit *dit;
    ok(hidi_dit_create(&dit, backend, &config));
    const size_t n = dit->params.count;
    hidi_real *w = malloc(n * sizeof *w);
    ck_assert_ptr_nonnull(w);
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, 1}, 0, w, n);
    for (size_t i = 0; i < n; i++)
        w[i] *= (hidi_real)0.3;
    backend->upload(dit->params.value, w, n * sizeof *w);
    free(w);
    return dit;
}

static void velocity(const hidi_dit *dit, const hidi_condition *y, hidi_real *v)
{
    hidi_real x[B * IMAGE], times[B] = {(hidi_real)0.1, (hidi_real)0.4, (hidi_real)0.5, 1};
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, 2}, 0, x, B * IMAGE);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, hidi_shape4(B, 2, 4, 4), x);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), times);
    ok(hidi_read(tape, hidi_dit_velocity(tape, dit, true, z, t, NULL, y), v));
    hidi_tape_destroy(tape);
}

/* Captions as a file has them are the same as in memory. */
START_TEST(networks_read_files)
{
    const content c = good();
    const int32_t number[B] = {3, 0, N, 10}; /* N: null */
    hidi_embeddings e;
    hidi_dit *dit = make_net();
    hidi_real in_memory[N * L * W], a[B * IMAGE], b[B * IMAGE], other[B * IMAGE];
    ok(hidi_embeddings_open(&e, write_content(&c, HIDI_BF16, false)));
    for (int k = 0; k < N * L * W; k++)
        in_memory[k] = (hidi_real)c.embedding[k];
    hidi_captions list = e.captions;
    list.stored = NULL;
    list.embedding = in_memory;
    velocity(dit, &(hidi_condition){.number = number, .captions = &e.captions}, a);
    velocity(dit, &(hidi_condition){.number = number, .captions = &list}, b);
    ck_assert_mem_eq(a, b, sizeof a);
    in_memory[3 * L * W] += 1; /* of the first sample's caption */
    velocity(dit, &(hidi_condition){.number = number, .captions = &list}, other);
    ck_assert(memcmp(a, other, IMAGE * sizeof *a) != 0);
    ck_assert_mem_eq(a + IMAGE, other + IMAGE, (B - 1) * IMAGE * sizeof *a);
    hidi_embeddings_close(&e);
    hidi_dit_destroy(dit);
}
END_TEST

/* The null caption is what a caption of its embeddings is; students and files have it, too. */
START_TEST(null_captions_have_tokens)
{
    const content c = good();
    const int32_t zeros[B] = {0}, length = NULLS;
    hidi_real null[NULLS * W], a[B * IMAGE], b[B * IMAGE];
    hidi_dit *dit = make_net(), *student, *again;
    hidi_tensor_file file;
    for (int k = 0; k < NULLS * W; k++)
        null[k] = (hidi_real)c.null[k];
    hidi_captions list = {.n = 1, .most = NULLS, .length = &length, .embedding = null, .width = W};
    velocity(dit, NULL, b);
    list.null = null;
    list.null_length = NULLS;
    ok(hidi_dit_set_null(dit, &list));
    velocity(dit, NULL, a);
    ck_assert(memcmp(a, b, sizeof a) != 0);
    velocity(dit, &(hidi_condition){.number = zeros, .captions = &list}, b);
    for (int k = 0; k < B * IMAGE; k++)
        ck_assert_double_le(fabs((double)(a[k] - b[k])), 1e-5);

    ok(hidi_dit_student(&student, dit, 1));
    ck_assert_uint_eq(student->config.null_length, NULLS);
    hidi_tensor_file_init(&file);
    ok(hidi_dit_to_file(dit, "", &file));
    ok(hidi_dit_read(&again, backend, &file, "", NULL));
    ck_assert_uint_eq(again->config.null_length, NULLS);
    ck_assert_uint_eq(again->config.caption_length, L + 1);
    velocity(again, NULL, b);
    ck_assert_mem_eq(a, b, sizeof a);
    char text[256];
    ck_assert_ptr_nonnull(strstr(hidi_dit_text(&again->config, text, sizeof text),
                                 "captions of 5 tokens of width 3"));
    list.null_length = 1;
    ck_assert_int_eq(hidi_dit_set_null(dit, &list), HIDI_BAD_SHAPE);
    list.null = NULL;
    ok(hidi_dit_set_null(dit, &list)); /* there is nothing to set */
    hidi_tensor_file_free(&file);
    hidi_dit_destroy(dit);
    hidi_dit_destroy(student);
    hidi_dit_destroy(again);
}
END_TEST

/* sum of v^2 / 2 of null captions, and its gradient by the null caption's embeddings */
static double null_loss(const hidi_dit *dit, hidi_real *gradient)
{
    hidi_real x[B * IMAGE], times[B] = {(hidi_real)0.1, (hidi_real)0.4, (hidi_real)0.5, 1}, loss;
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, 2}, 0, x, B * IMAGE);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, hidi_shape4(B, 2, 4, 4), x);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), times);
    hidi_var *v = hidi_dit_velocity(tape, dit, gradient == NULL, z, t, NULL, NULL);
    hidi_var *half = hidi_scale(tape, hidi_sum(tape, hidi_square(tape, v)), (hidi_real)0.5);
    ok(hidi_read(tape, half, &loss));
    if (gradient != NULL) {
        const int i = hidi_params_find(&dit->params, "y_embedder.y_embedding");
        ck_assert_int_ge(i, 0);
        ok(hidi_tape_backward(tape, half, NULL));
        backend->download(gradient, dit->params.grad + dit->params.param[i].offset,
                          NULLS * W * sizeof *gradient);
    }
    hidi_tape_destroy(tape);
    return (double)loss;
}

START_TEST(null_captions_have_gradients)
{
    hidi_dit *dit = make_net();
    hidi_real gradient[NULLS * W], null[NULLS * W], moved[NULLS * W];
    const double step = sizeof(hidi_real) == 8 ? 1e-5 : 1e-2;
    double largest = 0;
    hidi_captions list = {.null = moved, .null_length = NULLS, .width = W};
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, 4}, 0, null, NULLS * W);
    memcpy(moved, null, sizeof null);
    ok(hidi_dit_set_null(dit, &list));
    ok(hidi_params_train(&dit->params));
    hidi_params_zero_grad(&dit->params);
    null_loss(dit, gradient);
    for (int k = 0; k < NULLS * W; k++)
        largest = fmax(largest, fabs((double)gradient[k]));
    for (int k = 0; k < NULLS * W; k++) {
        double at[2];
        for (int side = 0; side < 2; side++) {
            memcpy(moved, null, sizeof null);
            moved[k] += (hidi_real)(side ? step : -step);
            ok(hidi_dit_set_null(dit, &list));
            at[side] = null_loss(dit, NULL);
        }
        ck_assert(gradient[k] != 0);
        ck_assert_double_le(fabs((at[1] - at[0]) / (2 * step) - (double)gradient[k]),
                            (sizeof(hidi_real) == 8 ? 1e-6 : 2e-2) * largest);
    }
    hidi_dit_destroy(dit);
}
END_TEST

START_TEST(networks_of_impossible_null_captions_are_refused)
{
    hidi_dit *dit;
    hidi_dit_config bad = config;
    bad.null_length = L + 2;
    ck_assert_int_eq(hidi_dit_create(&dit, backend, &bad), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "null caption of 6 tokens, of at most 5"));
    bad.null_length = 0; /* one */
    ok(hidi_dit_create(&dit, backend, &bad));
    ck_assert_uint_eq(dit->config.null_length, 1);
    hidi_dit_destroy(dit);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_loop_test(tcase, files_are_read, 0, 5);
    tcase_add_test(tcase, bad_shapes_are_refused);
    tcase_add_loop_test(tcase, sizes_are_limited, 0, 2);
    tcase_add_test(tcase, bad_values_are_refused);
    tcase_add_loop_test(tcase, files_cut_short_are_refused, 0, 2);
    tcase_add_loop_test(tcase, changed_bytes_do_no_harm, 0, 2);
    tcase_add_test(tcase, data_sets_have_them);
    tcase_add_test(tcase, data_sets_that_do_not_fit_are_refused);
    tcase_add_test(tcase, networks_read_files);
    tcase_add_test(tcase, null_captions_have_tokens);
    tcase_add_test(tcase, null_captions_have_gradients);
    tcase_add_test(tcase, networks_of_impossible_null_captions_are_refused);
}

int main(void)
{
    scratch_begin();
    return run_on_each_backend("embeddings", &backend, add);
}
