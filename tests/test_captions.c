/* test_captions.c - words and their errors; scenes; a DiT that reads captions: against PyTorch
 * (golden/captions.py), its gradients, its files, its samples. */
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
#include "data/caption_list.h"
#include "data/readers.h"
#include "data/words.h"
#include "each_backend.h"
#include "io/atomic_file.h"
#include "io/image.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/probe.h"
#include "method/sampler.h"
#include "model/dit.h"
#include "random_weights.h"
#include "scratch.h"
#include "source.h"

#ifdef HIDI_DOUBLE
#define GOLDEN_ERROR 1e-12
#else
#define GOLDEN_ERROR 1e-5 /* as in test_published.c: about twice float32's own */
#endif

static const hidi_backend *backend; /* set by main */

static void ok(hidi_status status)
{
    if (status != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
}

/* --- words ------------------------------------------------------------------------------------ */

START_TEST(words_are_numbered)
{
    static const char vocabulary[] = "a red circle caf\xc3\xa9";
    int32_t token[6], length;
    hidi_unknown_words unknown = {0};
    ck_assert_uint_eq(hidi_words_rows(vocabulary), 6);
    ok(hidi_words_read(vocabulary, " A Red, round circle! Caf\xc3\xa9", 6, token, &length,
                       &unknown));
    ck_assert_int_eq(length, 5);
    const int32_t expected[] = {2, 3, HIDI_UNKNOWN_WORD, 4, 5};
    ck_assert_mem_eq(token, expected, sizeof expected);
    ck_assert_uint_eq(unknown.n, 1);
    ck_assert_str_eq(unknown.first, "round");
    ok(hidi_words_read(vocabulary, "redder", 6, token, &length, NULL)); /* no prefixes */
    ck_assert_int_eq(token[0], HIDI_UNKNOWN_WORD);
}
END_TEST

static void assert_refused(const char *text, const char *why)
{
    int32_t token[4], length = -7;
    ck_assert_int_eq(hidi_words_read("a b", text, 4, token, &length, NULL), HIDI_BAD_FORMAT);
    ck_assert_msg(strstr(hidi_error_message(), why) != NULL, "%s", hidi_error_message());
    ck_assert_int_eq(length, -7);
}

START_TEST(bad_captions_are_refused)
{
    char *many = malloc(20001);
    ck_assert_ptr_nonnull(many);
    for (size_t i = 0; i < 20000; i++)
        many[i] = i % 2 ? ' ' : 'a';
    many[20000] = '\0';
    assert_refused(many, "10000 words, of at most 4");
    free(many);
    assert_refused("", "without a word");
    assert_refused(" .,!\n", "without a word");
    assert_refused("a \xff", "not UTF-8 at byte 2");
    assert_refused("a b\xc3", "not UTF-8 at byte 3"); /* cut short */
    assert_refused("\xc0\xaf", "not UTF-8 at byte 0");   /* overlong */
    assert_refused("\xed\xa0\x80", "not UTF-8 at byte 0"); /* a surrogate */
    assert_refused("\xf4\x90\x80\x80", "not UTF-8 at byte 0"); /* beyond U+10FFFF */
}
END_TEST

/* --- scenes ----------------------------------------------------------------------------------- */

enum { SIDE = 16, PIXELS = 3 * SIDE * SIDE };

static hidi_dataset *open_scenes(uint64_t seed)
{
    hidi_dataset *data;
    ok(hidi_dataset_open(&data, "scenes", NULL, SIDE, seed));
    return data;
}

/* The caption as text. */
static char *caption_of(const hidi_captions *c, int32_t i, char *text, size_t size)
{
    char *whole = hidi_captions_text(c, (size_t)i);
    ck_assert_ptr_nonnull(whole);
    ck_assert_uint_lt(strlen(whole), size);
    strcpy(text, whole);
    free(whole);
    return text;
}

START_TEST(scenes_are_functions_of_their_number)
{
    static hidi_real a[PIXELS], b[PIXELS];
    hidi_dataset *data = open_scenes(3), *again = open_scenes(3), *other = open_scenes(4);
    int different = 0;
    for (uint64_t i = 0; i < 20; i++) {
        int32_t y, y_again;
        data->get(data, HIDI_TRAIN, i, a, &y);
        again->get(again, HIDI_TRAIN, i, b, &y_again);
        ck_assert_int_eq(y, y_again);
        ck_assert_mem_eq(a, b, sizeof a);
        other->get(other, HIDI_TRAIN, i, b, &y_again);
        different += memcmp(a, b, sizeof a) != 0;
        data->get(data, HIDI_TEST, i, b, &y_again);
        ck_assert_int_eq(y_again, hidi_dataset_asked(data, i));
        for (size_t k = 0; k < PIXELS; k++)
            ck_assert(a[k] >= -1 && a[k] <= 1);
    }
    ck_assert_int_eq(different, 20);
    hidi_dataset_close(data);
    hidi_dataset_close(again);
    hidi_dataset_close(other);
}
END_TEST

/* Every caption is another text of known words; never a red star in a picture. */
START_TEST(scenes_have_captions_and_hold_some_out)
{
    static hidi_real image[PIXELS];
    hidi_dataset *data = open_scenes(0);
    const hidi_captions *c = data->captions;
    char text[128];
    int single = 0, relations = 0;
    ck_assert_uint_eq(c->n, 47196);
    for (size_t i = 0; i < c->n; i++) {
        ck_assert(c->length[i] > 0 && (size_t)c->length[i] <= c->most);
        for (int32_t k = 0; k < c->length[i]; k++)
            ck_assert_int_ge(c->token[i * c->most + (size_t)k], HIDI_FIRST_WORD);
    }
    ck_assert_str_eq(caption_of(c, 0, text, sizeof text), "a red plain circle");
    ck_assert_str_eq(caption_of(c, 47195, text, sizeof text),
                     "a purple dotted heart below a purple dotted heart");
    for (uint64_t i = 0; i < 600; i++) {
        int32_t y;
        data->get(data, i % 2 ? HIDI_TRAIN : HIDI_TEST, i, image, &y);
        caption_of(c, y, text, sizeof text);
        single += text[0] == 'a' && strchr(text + 1, 'a') != NULL;
        relations += strstr(text, " of ") != NULL;
        const char *star = strstr(text, "red ");
        for (; star != NULL; star = strstr(star + 1, "red "))
            ck_assert_msg(strncmp(strchr(star + 4, ' '), " star", 5) != 0, "%s", text);
    }
    ck_assert(single > 0 && relations > 60);
    hidi_dataset_close(data);
}
END_TEST

START_TEST(scenes_of_other_sizes_are_refused)
{
    hidi_dataset *data;
    ck_assert_int_eq(hidi_dataset_open(&data, "scenes", NULL, 8, 1), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "found 8"));
    ck_assert_int_eq(hidi_dataset_open(&data, "scenes", "x", 16, 1), HIDI_BAD_ARGUMENT);
}
END_TEST

/* --- a folder of pictures with captions ------------------------------------------------------- */

enum { PICTURES = 12 };

static void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *out = fopen(path, "wb");
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(fwrite(bytes, 1, n, out), n);
    ck_assert_int_eq(fclose(out), 0);
}

static void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

/* PICTURES of 16 x 16, 00.png ..., in a folder of their own. */
static char *picture_folder(const char *name, char *folder, size_t size)
{
    hidi_image image;
    static int made;
    char path[1024], own[64];
    snprintf(own, sizeof own, "%s-%d", name, made++); /* anew for each backend */
    snprintf(folder, size, "%s", scratch(own));
    ok(hidi_make_folder(folder));
    ok(hidi_image_create(&image, 16, 16, 3, 77));
    for (int i = 0; i < PICTURES; i++) {
        snprintf(path, sizeof path, "%s/%02d.png", folder, i);
        ok(hidi_png_write(&image, path));
    }
    hidi_image_free(&image);
    return folder;
}

static char *file_in(const char *folder, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* Captions "a face N" with N = i % 3, as lines, a table, or texts. */
static void write_captions(const char *folder, int form)
{
    char path[1024], name[32], all[4096] = "";
    if (form == 1)
        strcpy(all, "text,file_name,size\n");
    for (int i = 0; i < PICTURES; i++) {
        const size_t used = strlen(all);
        if (form == 0)
            snprintf(all + used, sizeof all - used,
                     "{\"file_name\": \"%02d.png\", \"text\": \"a face %d\"}\n", i, i % 3);
        else if (form == 1)
            snprintf(all + used, sizeof all - used, "\"a \"\"face,\"\" %d\",%02d.png,3\r\n", i % 3,
                     i);
        snprintf(name, sizeof name, "%02d.txt", i);
        char text[32];
        snprintf(text, sizeof text, "A face %d\n", i % 3);
        if (form == 2)
            write_text(file_in(folder, name, path, sizeof path), text);
    }
    if (form < 2)
        write_text(file_in(folder, form ? "metadata.csv" : "metadata.jsonl", path, sizeof path),
                   all);
}

START_TEST(folders_have_captions)
{
    static const char *const names[] = {"lines", "table", "texts"};
    static const char *const as_read[3][2] = {{"a face 0", "a face 1"},
                                              {"a \"face,\" 0", "a \"face,\" 1"},
                                              {"A face 0\n", "A face 1\n"}};
    char folder[512], text[128];
    hidi_dataset *data;
    static hidi_real image[PIXELS];
    int32_t y;
    write_captions(picture_folder(names[_i], folder, sizeof folder), _i);
    ok(hidi_dataset_open(&data, "captions", folder, 16, 0));
    ck_assert_uint_eq(data->count[HIDI_TRAIN], PICTURES - 1);
    ck_assert_uint_eq(data->count[HIDI_TEST], 1);
    ck_assert_str_eq(data->captions->words, "a face 0 1 2");
    ck_assert_uint_eq(data->captions->most, 3);
    data->get(data, HIDI_TRAIN, 4, image, &y);
    ck_assert_str_eq(caption_of(data->captions, y, text, sizeof text), as_read[_i][1]);
    data->get(data, HIDI_TEST, 0, image, &y); /* 09.png */
    ck_assert_str_eq(caption_of(data->captions, y, text, sizeof text), as_read[_i][0]);
    ck_assert_int_eq(hidi_dataset_asked(data, 0), y);
    ck_assert_int_eq(hidi_dataset_asked(data, 1), y);
    hidi_captions words = *data->captions;
    words.text = NULL;
    ck_assert_str_eq(caption_of(&words, y, text, sizeof text), "a face 0");
    words.words = NULL;
    ck_assert_str_eq(caption_of(&words, y, text, sizeof text), "");
    ck_assert_uint_eq(data->n_classes, 4); /* other, 0, 1, 2 */
    ck_assert_int_eq(hidi_dataset_class(data, y), 1);
    hidi_dataset_close(data);
}
END_TEST

static void assert_no_data(const char *folder, const char *why)
{
    hidi_dataset *data;
    ck_assert_int_eq(hidi_dataset_open(&data, "captions", folder, 16, 0), HIDI_BAD_FORMAT);
    ck_assert_msg(strstr(hidi_error_message(), why) != NULL, "%s", hidi_error_message());
}

START_TEST(folders_of_bad_captions_are_refused)
{
    char folder[512], path[1024];
    write_captions(picture_folder("bad", folder, sizeof folder), 2);
    ck_assert_int_eq(remove(file_in(folder, "07.txt", path, sizeof path)), 0);
    assert_no_data(folder, "07.png has no caption");
    write_text(file_in(folder, "07.txt", path, sizeof path), " \n");
    assert_no_data(folder, "07.png: a caption without a word");
    write_text(path, "not \xff UTF-8");
    assert_no_data(folder, "07.png: a caption is not UTF-8 at byte 4");
    write_text(path, "a face");
    write_text(file_in(folder, "face.txt", path, sizeof path), "a face");
    assert_no_data(folder, "face.txt: a caption of no picture");
    write_text(file_in(folder, "metadata.csv", path, sizeof path), "name,text\n");
    assert_no_data(folder, "metadata.csv: no columns file_name and text");
    write_text(path, "file_name,text\n00.png,a,b\n");
    assert_no_data(folder, "metadata.csv: row 2 has 3 cells, expected 2");
    write_text(path, "file_name,text\n00.png,\"a\n\nb\"\n01.png\n");
    assert_no_data(folder, "metadata.csv: row 3 has 1 cells, expected 2");
    write_text(path, "file_name,text\n00.png,\"a\n\nb\"\n01.png,\"c\n02.png,d");
    assert_no_data(folder, "metadata.csv: row 3, from line 5 on: a quote that does not end");
    write_text(path, "file_name,text\n00.png,a\n00.png,b\n");
    assert_no_data(folder, "metadata.csv: two captions of 00.png");
    write_text(file_in(folder, "metadata.jsonl", path, sizeof path), "{\"file_name\": \"x.png\", "
               "\"text\": \"a\"}\n");
    assert_no_data(folder, "metadata.jsonl: line 1: a caption of x.png, which is not there");
    write_text(path, "\n{\"file_name\": \"00.png\"}");
    assert_no_data(folder, "metadata.jsonl: line 2: no text \"text\"");
    write_text(path, "{\n");
    assert_no_data(folder, "metadata.jsonl: line 1:");
}
END_TEST

/* --- damaged captions ------------------------------------------------------------------------- */

/* An error that names the folder, or captions of words that are all in the vocabulary, and that
 * are the same words again when the caption's text is read. */
static bool captions_are_refused(const char *folder, const hidi_name_list *names)
{
    hidi_name_list text;
    hidi_dataset *data = calloc(1, sizeof *data);
    ck_assert_ptr_nonnull(data);
    hidi_status status = hidi_captions_of_pictures(&text, folder, names);
    if (status == HIDI_OK)
        status = hidi_captions_attach(data, folder, names, &text);
    if (status != HIDI_OK)
        ck_assert_msg(strstr(hidi_error_message(), folder) != NULL, "%s", hidi_error_message());
    for (size_t i = 0; status == HIDI_OK && i < names->n; i++) {
        const hidi_captions *c = data->captions;
        int32_t token[HIDI_MOST_CAPTION_WORDS], length;
        char *again = hidi_captions_text(c, i);
        ck_assert_ptr_nonnull(again);
        ck_assert(c->length[i] >= 1 && (size_t)c->length[i] <= c->most);
        ok(hidi_words_read(c->words, again, c->most, token, &length, NULL));
        ck_assert_int_eq(length, c->length[i]);
        for (int32_t k = 0; k < length; k++) {
            ck_assert_int_ge(token[k], HIDI_FIRST_WORD);
            ck_assert_int_eq(token[k], c->token[i * c->most + (size_t)k]);
        }
        free(again);
    }
    hidi_name_list_free(&text);
    hidi_dataset_close(data);
    return status != HIDI_OK;
}

/* Lines, a table and texts, cut short anywhere and with any byte changed.  Pictures are not read,
 * so that only their names matter. */
START_TEST(damaged_captions_do_no_harm)
{
    static const char *const files[] = {"metadata.jsonl", "metadata.csv", "09.txt"};
    static const unsigned char change[] = {1, 2, 4, 16, 32, 128, 255};
    char folder[512], path[1024];
    unsigned char *bytes;
    size_t n, refused = 0, changes = 0;
    hidi_name_list names;
    write_captions(picture_folder("damaged", folder, sizeof folder), _i);
    ok(hidi_list_folder(&names, folder, HIDI_LIST_PICTURES));
    ck_assert(!captions_are_refused(folder, &names));
    ok(hidi_read_file(file_in(folder, files[_i], path, sizeof path), &bytes, &n));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof change; k++, changes++) {
            bytes[i] ^= change[k];
            write_bytes(path, bytes, n);
            refused += captions_are_refused(folder, &names);
            bytes[i] ^= change[k];
        }
    ck_assert(refused > 0 && refused < changes);
    for (size_t length = 0; length < n; length++) {
        write_bytes(path, bytes, length);
        const bool is_refused = captions_are_refused(folder, &names);
        ck_assert(_i == 2 || is_refused || length + 3 >= n); /* the end of the last line may lack */
    }
    free(bytes);
    hidi_name_list_free(&names);
}
END_TEST

/* --- the network ------------------------------------------------------------------------------ */

enum { B = 3, IMAGE = 2 * 4 * 4, L = 5, WIDTH = 6 };

/* Two kinds of captions; and words, for a network with QK-norm. */
static const char *const kinds[] = {"words", "embeddings", "normed"};
enum { WORDS, EMBEDDINGS, NORMED, KINDS };

/* Everything of golden/captions.py's file. */
typedef struct point {
    hidi_tensor_file file;
    hidi_dit *dit;
    hidi_real z[B * IMAGE], dz[B * IMAGE], t[B], dt[B], embedding[B * L * WIDTH];
    double v[B * IMAGE], dv[B * IMAGE];
    int32_t length[B], token[B * L], number[B];
    hidi_captions captions;
    hidi_condition y;
} point;

static const hidi_file_tensor *need(const point *p, const char *front, const char *name)
{
    const hidi_file_tensor *tensor;
    char full[64];
    snprintf(full, sizeof full, "%s%s", front, name);
    ok(hidi_tensor_file_need(&p->file, full, &tensor));
    return tensor;
}

static void read_point(point *p, int kind)
{
    static const int32_t in_order[B] = {0, 1, 2};
    char prefix[32];
    ok(hidi_tensor_file_open(&p->file, source_file("tests/golden/in/captions.safetensors"), NULL));
    snprintf(prefix, sizeof prefix, "%s.net.", kinds[kind]);
    const hidi_dit_given given = {.heads = 2, .time_scale = 10};
    ok(hidi_dit_read(&p->dit, backend, &p->file, prefix, &given));
    hidi_file_tensor_real(need(p, "", "z"), p->z);
    hidi_file_tensor_real(need(p, "", "dz"), p->dz);
    hidi_file_tensor_real(need(p, "", "t"), p->t);
    hidi_file_tensor_real(need(p, "", "dt"), p->dt);
    hidi_file_tensor_double(need(p, kinds[kind], ".v"), p->v);
    hidi_file_tensor_double(need(p, kinds[kind], ".dv"), p->dv);
    ok(hidi_file_tensor_int(need(p, "", "length"), p->length));
    if (kind != EMBEDDINGS)
        ok(hidi_file_tensor_int(need(p, "", "words"), p->token));
    else
        hidi_file_tensor_real(need(p, "", "embeddings"), p->embedding);
    memcpy(p->number, in_order, sizeof in_order);
    p->captions = (hidi_captions){.n = B, .most = L, .length = p->length};
    if (kind != EMBEDDINGS)
        p->captions.token = p->token;
    else
        p->captions.embedding = p->embedding;
    p->captions.width = kind == EMBEDDINGS ? WIDTH : 0;
    p->y = (hidi_condition){.number = p->number, .captions = &p->captions};
}

static void free_point(point *p)
{
    hidi_dit_destroy(p->dit);
    hidi_tensor_file_free(&p->file);
}

static hidi_shape images(void)
{
    return hidi_shape4(B, 2, 4, 4);
}

/* |a - b| / |b| */
static double relative(const hidi_real *a, const double *b)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < B * IMAGE; i++) {
        difference += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        size += b[i] * b[i];
    }
    return sqrt(difference / size);
}

START_TEST(velocities_are_pytorchs)
{
    point p;
    hidi_real v[B * IMAGE], dv[B * IMAGE];
    read_point(&p, _i);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, images(), p.z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p.t);
    z = hidi_dual(tape, z, hidi_constant(tape, images(), p.dz));
    t = hidi_dual(tape, t, hidi_constant(tape, hidi_shape1(B), p.dt));
    hidi_var *out = hidi_dit_velocity(tape, p.dit, true, z, t, NULL, &p.y);
    ok(hidi_tape_status(tape));
    ok(hidi_read(tape, out, v));
    ok(hidi_read(tape, hidi_tangent(tape, out), dv));
    ck_assert_double_le(relative(v, p.v), GOLDEN_ERROR);
    ck_assert_double_le(relative(dv, p.dv), GOLDEN_ERROR);
    hidi_tape_destroy(tape);
    free_point(&p);
}
END_TEST

/* mean of v squared, and with gradients if they are wanted */
static double loss_of(hidi_tape *tape, point *p, bool gradients)
{
    hidi_real value;
    hidi_tape_reset(tape);
    hidi_var *z = hidi_constant(tape, images(), p->z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p->t);
    hidi_var *out = hidi_dit_velocity(tape, p->dit, !gradients, z, t, NULL, &p->y);
    hidi_var *loss = hidi_mean(tape, hidi_square(tape, out));
    ok(hidi_tape_status(tape));
    if (gradients)
        ok(hidi_tape_backward(tape, loss, NULL));
    ok(hidi_read(tape, loss, &value));
    return (double)value;
}

/* Along a random direction of the weights, which the text encoder's and the null caption's are
 * among, the gradient is the central difference, whose error is of order step^2. */
START_TEST(gradients_are_differences)
{
    point p;
    read_point(&p, _i);
    ok(hidi_params_train(&p.dit->params));
    hidi_params_zero_grad(&p.dit->params);
    hidi_tape *tape = hidi_tape_create(backend);
    const size_t n = p.dit->params.count;
    hidi_real *w = malloc(n * sizeof *w), *u = malloc(n * sizeof *u), *g = malloc(n * sizeof *g);
    ck_assert(w && u && g);
    loss_of(tape, &p, true);
    backend->download(g, p.dit->params.grad, n * sizeof *g);
    backend->download(w, p.dit->params.value, n * sizeof *w);
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 5}, 0, u, n);
    double slope = 0, at[2];
    const double step = sizeof(hidi_real) == 8 ? 1e-5 : 1e-3;
    for (size_t i = 0; i < n; i++)
        slope += (double)g[i] * (double)u[i];
    for (int side = 0; side < 2; side++) {
        hidi_real *moved = malloc(n * sizeof *moved);
        for (size_t i = 0; i < n; i++)
            moved[i] = w[i] + (hidi_real)(side ? step : -step) * u[i];
        backend->upload(p.dit->params.value, moved, n * sizeof *moved);
        at[side] = loss_of(tape, &p, false);
        free(moved);
    }
    const double difference = (at[1] - at[0]) / (2 * step);
    ck_assert_double_le(fabs(slope - difference),
                        (sizeof(hidi_real) == 8 ? 1e-6 : 2e-2) * fabs(difference));
    assert_all_have_gradients(p.dit, g);
    free(w);
    free(u);
    free(g);
    hidi_tape_destroy(tape);
    free_point(&p);
}
END_TEST

/* What follows a caption's tokens is not looked at, and a sample's velocity is its own. */
START_TEST(padding_is_not_read)
{
    point p;
    hidi_real v[B * IMAGE];
    read_point(&p, _i);
    for (int32_t k = p.length[2]; k < L; k++) {
        p.token[2 * L + k] = 6;
        for (int j = 0; j < WIDTH; j++)
            p.embedding[(2 * L + k) * WIDTH + j] = (hidi_real)NAN;
    }
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, images(), p.z), *t = hidi_constant(tape, hidi_shape1(B), p.t);
    ok(hidi_read(tape, hidi_dit_velocity(tape, p.dit, true, z, t, NULL, &p.y), v));
    ck_assert_double_le(relative(v, p.v), GOLDEN_ERROR);

    /* the last sample alone; and the null caption, which the second is, without any list */
    const hidi_condition last = hidi_condition_from(&p.y, 2);
    hidi_real alone[IMAGE], null[B * IMAGE];
    z = hidi_constant(tape, hidi_shape4(1, 2, 4, 4), p.z + 2 * IMAGE);
    t = hidi_constant(tape, hidi_shape1(1), p.t + 2);
    ok(hidi_read(tape, hidi_dit_velocity(tape, p.dit, true, z, t, NULL, &last), alone));
    z = hidi_constant(tape, images(), p.z);
    t = hidi_constant(tape, hidi_shape1(B), p.t);
    ok(hidi_read(tape, hidi_dit_velocity(tape, p.dit, true, z, t, NULL, NULL), null));
    const hidi_condition first = {.number = NULL, .captions = &p.captions}; /* its first for all */
    hidi_real same[B * IMAGE];
    ok(hidi_read(tape, hidi_dit_velocity(tape, p.dit, true, z, t, NULL, &first), same));
    for (int k = 0; k < IMAGE; k++) {
        ck_assert_double_le(fabs((double)(same[k] - v[k])), 1e-4);
        ck_assert_double_le(fabs((double)(alone[k] - v[2 * IMAGE + k])), 1e-4);
        ck_assert_double_le(fabs((double)(null[IMAGE + k] - v[IMAGE + k])), 1e-4);
    }
    hidi_tape_destroy(tape);
    free_point(&p);
}
END_TEST

static void assert_unfit(const point *p, const hidi_condition *y, const char *why)
{
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *z = hidi_constant(tape, images(), p->z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p->t);
    ck_assert_msg(hidi_dit_velocity(tape, p->dit, true, z, t, NULL, y) == NULL, "not refused: %s",
                  why);
    ck_assert_int_ne(hidi_tape_status(tape), HIDI_OK);
    ck_assert_msg(strstr(hidi_error_message(), why) != NULL, "%s", hidi_error_message());
    hidi_tape_destroy(tape);
}

START_TEST(what_does_not_fit_is_refused)
{
    point p;
    read_point(&p, _i);
    assert_unfit(&p, HIDI_CLASSES(p.number), "takes captions");
    hidi_captions other = p.captions;
    const hidi_condition y = {.number = p.number, .captions = &other};
    other.token = _i == 0 ? NULL : p.token;
    other.embedding = _i == 0 ? p.embedding : NULL;
    assert_unfit(&p, &y, _i == 0 ? "as words" : "as embeddings");
    other = p.captions;
    other.width = 4;
    if (_i == 1)
        assert_unfit(&p, &y, "width 4, expected 6");
    p.length[0] = L + 1;
    assert_unfit(&p, &p.y, "6 tokens, of at most 5");
    p.length[0] = L;
    p.number[1] = B + 1;
    assert_unfit(&p, &p.y, "caption 4 of 3");
    free_point(&p);
}
END_TEST

START_TEST(files_keep_everything)
{
    point p;
    hidi_tensor_file file;
    hidi_dit *again, *student;
    char a[256], b[256];
    read_point(&p, _i);
    hidi_tensor_file_init(&file);
    ok(hidi_dit_to_file(p.dit, "", &file));
    ok(hidi_dit_read(&again, backend, &file, "", NULL));
    ck_assert_str_eq(hidi_dit_text(&p.dit->config, a, sizeof a),
                     hidi_dit_text(&again->config, b, sizeof b));
    ok(hidi_dit_student(&student, p.dit, 1));
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real v[B * IMAGE];
    hidi_var *z = hidi_constant(tape, images(), p.z), *t = hidi_constant(tape, hidi_shape1(B), p.t);
    ok(hidi_read(tape, hidi_dit_velocity(tape, student, true, z, t, NULL, &p.y), v));
    ck_assert_double_le(relative(v, p.v), GOLDEN_ERROR); /* starts as its teacher */
    hidi_tape_destroy(tape);
    hidi_dit_destroy(again);
    hidi_dit_destroy(student);
    hidi_tensor_file_free(&file);
    free_point(&p);
}
END_TEST

/* Pieces of a batch have their own captions. */
START_TEST(samples_are_of_their_captions)
{
    enum { N = 40 };
    point p;
    int32_t number[N];
    static hidi_real all[N * IMAGE], one[IMAGE];
    read_point(&p, _i);
    hidi_tape *tape = hidi_tape_create(backend);
    for (int i = 0; i < N; i++)
        number[i] = i % (B + 1); /* B: null */
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 9}, 0, all, N * IMAGE);
    memcpy(one, all + 37 * IMAGE, sizeof one);
    const hidi_sampler s = {.solver = HIDI_HEUN, .steps = 2, .guidance = 2, .batch = N};
    const hidi_condition y = {.number = number, .captions = &p.captions};
    const hidi_condition last = hidi_condition_from(&y, 37);
    ok(hidi_sample(&s, p.dit, tape, all, &y, N, NULL));
    ok(hidi_sample(&s, p.dit, tape, one, &last, 1, NULL));
    for (int k = 0; k < IMAGE; k++)
        ck_assert_double_le(fabs((double)(all[37 * IMAGE + k] - one[k])),
                            1e-3 * (1 + fabs((double)one[k])));
    hidi_tape_destroy(tape);
    free_point(&p);
}
END_TEST

/* hidi probe: the same, from files; a mask with gaps is of what it has 1 for. */
START_TEST(probes_take_captions)
{
    point p;
    int32_t mask[B * L];
    hidi_tensor_file in, out;
    hidi_real v[B * IMAGE];
    read_point(&p, _i);
    ok(hidi_dit_save(p.dit, scratch("net.safetensors")));
    hidi_tensor_file_init(&in);
    for (int32_t k = 0; k < B * L; k++)
        mask[k] = k % L < p.length[k / L];
    if (_i == 1) { /* sample 2's second token moves to the fourth place */
        memcpy(p.embedding + (2 * L + 3) * WIDTH, p.embedding + (2 * L + 1) * WIDTH,
               WIDTH * sizeof p.embedding[0]);
        memset(p.embedding + (2 * L + 1) * WIDTH, 0, WIDTH * sizeof p.embedding[0]);
        mask[2 * L + 1] = 0;
        mask[2 * L + 3] = 1;
        ok(hidi_tensor_file_add_real(&in, "c", 3, (size_t[]){B, L, WIDTH}, p.embedding));
    } else {
        ok(hidi_tensor_file_add(&in, "words", HIDI_I32, 2, (size_t[]){B, L}, p.token));
    }
    ok(hidi_tensor_file_add(&in, "mask", HIDI_I32, 2, (size_t[]){B, L}, mask));
    ok(hidi_tensor_file_add_real(&in, "z", 4, (size_t[]){B, 2, 4, 4}, p.z));
    ok(hidi_tensor_file_add_real(&in, "t", 1, (size_t[]){B}, p.t));
    ok(hidi_safetensors_write(&in, scratch("in.safetensors")));
    hidi_probe probe = {.kind = hidi_probe_find("dit"), .backend = backend};
    char model[512], in_path[512];
    snprintf(model, sizeof model, "%s", scratch("net.safetensors"));
    snprintf(in_path, sizeof in_path, "%s", scratch("in.safetensors"));
    probe.path[HIDI_PROBE_MODEL] = model;
    ok(hidi_probe_evaluate(&probe, in_path, scratch("out.safetensors")));
    ok(hidi_tensor_file_open(&out, scratch("out.safetensors"), NULL));
    const hidi_file_tensor *tensor;
    ok(hidi_tensor_file_need(&out, "out", &tensor));
    hidi_file_tensor_real(tensor, v);
    ck_assert_double_le(relative(v, p.v), GOLDEN_ERROR);
    hidi_tensor_file_free(&out);

    const int32_t y[B] = {0, 1, 2};
    ok(hidi_tensor_file_add(&in, "y", HIDI_I32, 1, (size_t[]){B}, y));
    ok(hidi_safetensors_write(&in, in_path));
    hidi_probe again = {.kind = hidi_probe_find("dit"), .backend = backend};
    again.path[HIDI_PROBE_MODEL] = model;
    ck_assert_int_eq(hidi_probe_evaluate(&again, in_path, scratch("out.safetensors")),
                     HIDI_BAD_FORMAT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "takes captions"));
    hidi_tensor_file_free(&in);
    free_point(&p);
}
END_TEST

/* --- hidi probe: losses, against golden/captions.py and losses.py ----------------------------- */

/* All weights times a factor. */
static void scale_weights(hidi_dit *dit, double factor)
{
    const size_t n = dit->params.count;
    hidi_real *w = malloc(n * sizeof *w);
    ck_assert_ptr_nonnull(w);
    backend->download(w, dit->params.value, n * sizeof *w);
    for (size_t i = 0; i < n; i++)
        w[i] = (hidi_real)(factor * (double)w[i]);
    backend->upload(dit->params.value, w, n * sizeof *w);
    free(w);
}

/* The teacher's weights, 3/4 of them with an embedder of h, and half of them. */
static void write_networks(const point *p, const hidi_tensor_file *golden)
{
    static const char *const embedder[] = {"h_embedder.mlp.0.weight", "h_embedder.mlp.0.bias",
                                           "h_embedder.mlp.2.weight", "h_embedder.mlp.2.bias"};
    hidi_dit *student, *fake;
    ok(hidi_dit_save(p->dit, scratch("teacher.safetensors")));
    ok(hidi_dit_copy(&fake, p->dit));
    scale_weights(fake, 0.5);
    ok(hidi_dit_save(fake, scratch("fake.safetensors")));
    ok(hidi_dit_student(&student, p->dit, 1));
    scale_weights(student, 0.75);
    for (int i = 0; i < 4; i++) {
        const hidi_file_tensor *tensor;
        hidi_real values[256 * 8];
        ok(hidi_tensor_file_need(golden, embedder[i], &tensor));
        ck_assert_uint_le(tensor->count, sizeof values / sizeof values[0]);
        hidi_file_tensor_real(tensor, values);
        hidi_params_write(&student->params, hidi_params_find(&student->params, embedder[i]),
                          values);
    }
    ok(hidi_dit_save(student, scratch("student.safetensors")));
    hidi_dit_destroy(fake);
    hidi_dit_destroy(student);
}

/* Captions and the named inputs. */
static void write_inputs(const point *p, int kind, const hidi_tensor_file *golden,
                         const char *const *names)
{
    hidi_tensor_file in;
    int32_t mask[B * L];
    hidi_tensor_file_init(&in);
    for (int32_t k = 0; k < B * L; k++)
        mask[k] = k % L < p->length[k / L];
    if (kind == 0)
        ok(hidi_tensor_file_add(&in, "words", HIDI_I32, 2, (size_t[]){B, L}, p->token));
    else
        ok(hidi_tensor_file_add_real(&in, "c", 3, (size_t[]){B, L, WIDTH}, p->embedding));
    ok(hidi_tensor_file_add(&in, "mask", HIDI_I32, 2, (size_t[]){B, L}, mask));
    for (; *names != NULL; names++) {
        const hidi_file_tensor *tensor;
        ok(hidi_tensor_file_need(golden, *names, &tensor));
        ok(hidi_tensor_file_add(&in, *names, tensor->dtype, tensor->rank, tensor->dim,
                                tensor->data));
    }
    ok(hidi_safetensors_write(&in, scratch("in.safetensors")));
    hidi_tensor_file_free(&in);
}

/* Everything in the golden file that begins with `front` is in the output, and the same. */
static void assert_golden(const hidi_tensor_file *golden, const char *front, double most)
{
    hidi_tensor_file out;
    int compared = 0;
    ok(hidi_tensor_file_open(&out, scratch("out.safetensors"), NULL));
    for (size_t i = 0; i < golden->n_tensors; i++) {
        const hidi_file_tensor *expected = &golden->tensor[i], *found;
        if (strncmp(expected->name, front, strlen(front)) != 0)
            continue;
        ok(hidi_tensor_file_need(&out, expected->name + strlen(front), &found));
        ck_assert_uint_eq(found->count, expected->count);
        double *a = malloc(found->count * sizeof *a), *b = malloc(found->count * sizeof *b);
        double difference = 0, size = 0;
        ck_assert(a && b);
        hidi_file_tensor_double(found, a);
        hidi_file_tensor_double(expected, b);
        for (size_t k = 0; k < found->count; k++) {
            difference += (a[k] - b[k]) * (a[k] - b[k]);
            size += b[k] * b[k];
        }
        ck_assert_msg(sqrt(difference) <= most * sqrt(size), "%s is off by %g", expected->name,
                      sqrt(difference / size));
        compared++;
        free(a);
        free(b);
    }
    ck_assert_int_ge(compared, 6);
    hidi_tensor_file_free(&out);
}

START_TEST(probes_of_losses_take_captions)
{
    static const struct {
        const char *name, *inputs[5];
        bool is_dmd;
    } losses[] = {{"meanflow", {"x", "e", "t", "r"}, false},
                  {"progressive", {"x", "e", "t", "r"}, false},
                  {"dmd", {"e", "t", "e2"}, true}};
    static const char *const constants[] = {"guidance=1.5", "p=1", "c=0.01"};
    const int kind = _i % 2, loss = _i / 2;
    /* generate.py's rule for du/dt; dmd's loss is of differences, which are divided by others */
    const double most = sizeof(hidi_real) == 8 ? 1e-11 : 2e-5;
    point p;
    hidi_tensor_file golden;
    char path[3][512], in[512], front[64];
    static const char *const files[] = {"student.safetensors", "teacher.safetensors",
                                        "fake.safetensors"};
    read_point(&p, kind);
    ok(hidi_tensor_file_open(&golden, source_file("tests/golden/in/captions-losses.safetensors"),
                             NULL));
    write_networks(&p, &golden);
    write_inputs(&p, kind, &golden, losses[loss].inputs);
    hidi_probe probe = {.kind = hidi_probe_find(losses[loss].name), .backend = backend};
    ok(hidi_probe_set(&probe, constants, losses[loss].is_dmd ? 1 : 3));
    for (int i = 0; i < (losses[loss].is_dmd ? 3 : 2); i++) {
        snprintf(path[i], sizeof path[i], "%s", scratch(files[i]));
        probe.path[HIDI_PROBE_MODEL + i] = path[i];
    }
    snprintf(in, sizeof in, "%s", scratch("in.safetensors"));
    ok(hidi_probe_evaluate(&probe, in, scratch("out.safetensors")));
    snprintf(front, sizeof front, "%s.%s.", kinds[kind], losses[loss].name);
    assert_golden(&golden, front, most);
    hidi_tensor_file_free(&golden);
    free_point(&p);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_test(tcase, words_are_numbered);
    tcase_add_test(tcase, bad_captions_are_refused);
    tcase_add_test(tcase, scenes_are_functions_of_their_number);
    tcase_add_test(tcase, scenes_have_captions_and_hold_some_out);
    tcase_add_test(tcase, scenes_of_other_sizes_are_refused);
    tcase_add_loop_test(tcase, folders_have_captions, 0, 3);
    tcase_add_test(tcase, folders_of_bad_captions_are_refused);
    tcase_add_loop_test(tcase, damaged_captions_do_no_harm, 0, 3);
    tcase_add_loop_test(tcase, velocities_are_pytorchs, 0, KINDS);
    tcase_add_loop_test(tcase, gradients_are_differences, 0, KINDS);
    tcase_add_loop_test(tcase, padding_is_not_read, 0, 2);
    tcase_add_loop_test(tcase, what_does_not_fit_is_refused, 0, 2);
    tcase_add_loop_test(tcase, files_keep_everything, 0, KINDS);
    tcase_add_loop_test(tcase, probes_take_captions, 0, 2);
    tcase_add_loop_test(tcase, probes_of_losses_take_captions, 0, 6);
    tcase_add_loop_test(tcase, samples_are_of_their_captions, 0, 2);
}

int main(void)
{
    scratch_begin();
    return run_on_each_backend("captions", &backend, add);
}
