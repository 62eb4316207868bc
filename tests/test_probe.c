/* test_probe.c - `hidi probe` as a command: what it refuses and how, and what its options mean.
 * That its numbers are right, golden.test shows.
 *
 * HIDI names the command; without it, it is ./hidi, or ./hidi_double of the same precision. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/random.h"
#include "io/safetensors.h"
#include "eval/feature_net.h"
#include "method/heads.h"
#include "model/params_file.h"
#include "near.h"
#include "random_weights.h"
#include "scratch.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
enum { B = 2, SIDE = 4, PIXELS = SIDE * SIDE, CLASSES = 3 };

static const hidi_backend *backend;
static char command[1024]; /* absolute path */
static char output[4096];  /* what the latest command printed */

#define ok(call)                                                                                   \
    do {                                                                                           \
        if ((call) != HIDI_OK)                                                                     \
            ck_abort_msg("%s", hidi_error_message());                                              \
    } while (0)

/* --- files ------------------------------------------------------------------------------------ */

/* Inputs of all kinds that take a network; z stands for all images. */
typedef struct point {
    double z[B * PIXELS], t[B], r[B];
    int64_t y[B];
} point;

static point good_point(void)
{
    point p = {.t = {0.75, 0.5}, .r = {0.25, 0.5}, .y = {1, CLASSES}};
    hidi_real z[B * PIXELS];
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 0}, 0, z, B * PIXELS);
    for (int i = 0; i < B * PIXELS; i++)
        p.z[i] = (float)z[i];
    return p;
}

/* The tensors in `names` (words): r, t, y, images for any other name.  wide: F64 and I64, else F32
 * and I32. */
static void write_point(const char *file, const point *p, const char *names, bool wide)
{
    const size_t shape[4] = {B, 1, SIDE, SIDE};
    char words[128];
    hidi_tensor_file out;
    hidi_tensor_file_init(&out);
    strcpy(words, names);
    for (char *name = strtok(words, " "); name != NULL; name = strtok(NULL, " ")) {
        if (strcmp(name, "y") == 0) {
            const int32_t y[B] = {(int32_t)p->y[0], (int32_t)p->y[1]};
            ok(hidi_tensor_file_add(&out, name, wide ? HIDI_I64 : HIDI_I32, 1, shape,
                                    wide ? (const void *)p->y : (const void *)y));
            continue;
        }
        const bool is_t = name[0] == 't', is_r = name[0] == 'r';
        const double *values = is_t ? p->t : is_r ? p->r : p->z;
        float narrow[B * PIXELS];
        for (int i = 0; i < (is_t || is_r ? B : B * PIXELS); i++)
            narrow[i] = (float)values[i];
        ok(hidi_tensor_file_add(&out, name, wide ? HIDI_F64 : HIDI_F32, is_t || is_r ? 1 : 4, shape,
                                wide ? (const void *)values : (const void *)narrow));
    }
    ok(hidi_safetensors_write(&out, scratch(file)));
    hidi_tensor_file_free(&out);
}

static hidi_dit *make_dit(size_t image_size, bool has_interval, uint64_t seed)
{
    const hidi_dit_config config = {
        .image_size = image_size, .channels = 1, .out_channels = 1, .patch = 2, .width = 8,
        .depth = 1, .heads = 2, .mlp_width = 32, .n_classes = CLASSES, .has_interval = has_interval,
        .time_scale = 3};
    hidi_dit *dit;
    ok(hidi_dit_create(&dit, backend, &config));
    random_weights(dit, seed);
    return dit;
}

static void write_heads(const char *file, size_t width, int block)
{
    const hidi_heads_config config = {
        .kind = HIDI_HEAD_AWD, .n = 1, .block = {block}, .width = width, .key_width = 4};
    hidi_tensor_file out;
    hidi_heads *heads;
    hidi_tensor_file_init(&out);
    ok(hidi_heads_create(&heads, backend, &config));
    ok(hidi_heads_initialise(heads, 1));
    ok(hidi_heads_to_file(heads, "", &out));
    ok(hidi_safetensors_write(&out, scratch(file)));
    hidi_heads_destroy(heads);
    hidi_tensor_file_free(&out);
}

static void write_models(void)
{
    hidi_tensor_file plain;
    hidi_dit *teacher = make_dit(SIDE, false, 1), *student = make_dit(SIDE, true, 2);
    hidi_dit *large = make_dit(2 * SIDE, false, 3);
    ok(hidi_dit_save(teacher, scratch("teacher.st")));
    ok(hidi_dit_save(student, scratch("student.st")));
    ok(hidi_dit_save(large, scratch("large.st")));
    hidi_tensor_file_init(&plain); /* no metadata and no positions */
    ok(hidi_params_to_file(&teacher->params, teacher->params.value, "", &plain));
    ok(hidi_safetensors_write(&plain, scratch("plain.st")));
    hidi_tensor_file_free(&plain);
    hidi_dit_destroy(teacher);
    hidi_dit_destroy(student);
    hidi_dit_destroy(large);
    write_heads("heads.st", 8, 0);
    write_heads("wide-heads.st", 12, 0);
    write_heads("deep-heads.st", 8, 1);
}

static void write_points(void)
{
    const point good = good_point();
    point bad;
    write_point("good.st", &good, "z t y", true);
    write_point("narrow.st", &good, "z t y", false);
    write_point("interval.st", &good, "z t y r", true);
    write_point("no-t.st", &good, "z y", true);
    write_point("extra.st", &good, "z t y zz", true);
    write_point("meanflow.st", &good, "x e t r y", true);
    write_point("images.st", &good, "images", true);
    write_point("points.st", &good, "f1 f2", true);
    bad = good, bad.r[1] = 0.25, write_point("inside.st", &bad, "x e t r y", true);
    bad = good, bad.z[5] = NAN, write_point("nan.st", &bad, "z t y", true);
    bad = good, bad.z[5] = 1e300, write_point("huge.st", &bad, "z t y", true);
    bad = good, bad.t[1] = 1.5, write_point("late.st", &bad, "z t y", true);
    bad = good, bad.t[0] = -0.5, write_point("early.st", &bad, "z t y", true);
    bad = good, bad.r[1] = 0.625, write_point("backwards.st", &bad, "z t y r", true);
    bad = good, bad.y[1] = CLASSES + 1, write_point("beyond.st", &bad, "z t y", true);
    bad = good, bad.y[0] = -1, write_point("negative.st", &bad, "z t y", true);
    bad = good, bad.y[0] = (int64_t)1 << 40, write_point("large-y.st", &bad, "z t y", true);
    scratch_write("short.st", "1234", 4);
}

/* --- the command ------------------------------------------------------------------------------ */

/* Runs "hidi probe ..." in the scratch folder; its exit status.  Both streams go to `output`. */
static HIDI_PRINTF(1, 2) int probe(const char *format, ...)
{
    char line[4096];
    int used = snprintf(line, sizeof line, "cd '%s' && '%s' probe ", scratch_root, command);
    va_list values;
    va_start(values, format);
    used += vsnprintf(line + used, sizeof line - (size_t)used, format, values);
    va_end(values);
    snprintf(line + used, sizeof line - (size_t)used, " 2>&1");
    FILE *pipe = popen(line, "r");
    ck_assert_ptr_nonnull(pipe);
    output[fread(output, 1, sizeof output - 1, pipe)] = '\0';
    const int status = pclose(pipe);
    ck_assert_msg(WIFEXITED(status), "%s: did not exit: %s", line, output);
    return WEXITSTATUS(status);
}

/* The elements of a result in scratch file `file`, n of them; the caller frees them. */
static double *result(const char *file, const char *name, size_t n)
{
    const hidi_file_tensor *tensor;
    hidi_tensor_file in;
    ok(hidi_safetensors_read(&in, scratch(file)));
    ok(hidi_tensor_file_need(&in, name, &tensor));
    ck_assert_uint_eq(tensor->count, n);
    double *values = malloc(n * sizeof *values);
    ck_assert_ptr_nonnull(values);
    hidi_file_tensor_double(tensor, values);
    hidi_tensor_file_free(&in);
    return values;
}

/* |a - b| / |b| */
static double difference(const double *a, const double *b, size_t n)
{
    double d = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        d += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    return sqrt(d / norm);
}

/* Runs `dit` with these options; the output, [B, 1, SIDE, SIDE]. */
static double *dit_output(const char *options)
{
    ck_assert_msg(probe("dit --out out.st %s", options) == 0, "%s", output);
    return result("out.st", "out", B * PIXELS);
}

/* --- what is refused -------------------------------------------------------------------------- */

typedef struct refusal {
    const char *arguments; /* besides --out */
    const char *message;   /* after "hidi probe: " */
} refusal;

/* Each ends with this code and a message of that many lines, and leaves no result. */
static void check_refusals(const refusal *refusals, size_t n, int code, int lines)
{
    for (size_t i = 0; i < n; i++) {
        const char *arguments = refusals[i].arguments, *message = refusals[i].message;
        int found = 0;
        const int status = probe("%s --out refused.st", arguments);
        for (const char *c = output; *c != '\0'; c++)
            found += *c == '\n';
        if (status != code || found != lines)
            ck_abort_msg("%s: exit status %d, %d lines: %s", arguments, status, found, output);
        if (strncmp(output, "hidi probe: ", 12) != 0 || strstr(output, message) != output + 12)
            ck_abort_msg("%s: expected \"%s\", found %s", arguments, message, output);
        if (access(scratch("refused.st"), F_OK) == 0)
            ck_abort_msg("%s: left a result", arguments);
    }
}

START_TEST(bad_tensors_are_named)
{
    static const refusal refusals[] = {
        {"dit --model teacher.st --in no-t.st",
         "no-t.st: no tensor t; dit takes z, t, y, perhaps r\n"},
        {"dit --model teacher.st --in extra.st", "extra.st: unexpected tensor zz; dit takes z"},
        {"dit-jvp --model teacher.st --in good.st", "good.st: no tensor dz; dit-jvp takes"},
        {"dit --model large.st --in good.st",
         "good.st: z is F64 [2, 1, 4, 4], expected [B, C, H, W] = [2, 1, 8, 8]\n"},
        {"dit --model teacher.st --in nan.st", "nan.st: z holds nan at element 5\n"},
        {"dit --model teacher.st --in late.st",
         "late.st: t holds 1.5 at element 1, expected 0 to 1\n"},
        {"dit --model teacher.st --in early.st", "early.st: t holds -0.5 at element 0"},
        {"dit --model teacher.st --in beyond.st",
         "beyond.st: y holds 4 at element 1, expected 0 to 3 (the last: no class)\n"},
        {"dit --model teacher.st --in negative.st", "negative.st: y holds -1 at element 0"},
        {"dit --model teacher.st --in large-y.st", "large-y.st: tensor \"y\": element 0 is 10995"},
        {"dit --model teacher.st --in interval.st",
         "interval.st: r, but teacher.st has no interval embedder (h_embedder)\n"},
        {"dit --model student.st --in backwards.st",
         "backwards.st: r holds 0.625 at element 1, more than t = 0.5\n"},
        {"frechet --in points.st", "points.st: f1 is F64 [2, 1, 4, 4], expected [N, D]"},
        {"dit --model teacher.st --in absent.st", "absent.st: "},
        {"dit --model teacher.st --in short.st", "short.st: "}};
    check_refusals(refusals, COUNT(refusals), 1, 1);
}
END_TEST

/* Only single precision overflows: 1e300 is a number in double. */
START_TEST(overflow_is_not_finite)
{
    static const refusal refusals[] = {
        {"dit --model teacher.st --in huge.st", "huge.st: z holds inf at element 5\n"}};
    if (sizeof(hidi_real) == sizeof(float))
        check_refusals(refusals, COUNT(refusals), 1, 1);
}
END_TEST

START_TEST(bad_models_are_named)
{
    static const refusal refusals[] = {
        {"dit --model plain.st --in good.st", "plain.st does not say how many heads it has"},
        {"dit --model heads.st --set heads=2 --set time_scale=1 --in good.st",
         "heads.st is a discriminator's heads; expected a DiT, a teacher or a student\n"},
        {"dit --model absent.st --in good.st", "absent.st: "},
        {"dit --model teacher.st --set heads=3 --in good.st", "teacher.st: DiT: width 8 must be"},
        {"meanflow --model teacher.st --model-teacher teacher.st --in meanflow.st",
         "teacher.st: no interval embedder (h_embedder): not a student, which meanflow needs\n"},
        {"meanflow --model student.st --model-teacher large.st --in meanflow.st",
         "student.st takes images 4x4x1 of 3 classes, but large.st 8x8x1 of 3\n"},
        {"awd --model teacher.st --model-heads teacher.st --in good.st",
         "teacher.st: no discriminator heads"},
        {"awd --model teacher.st --model-heads wide-heads.st --in good.st",
         "wide-heads.st: heads of width 12 up to block 0, but teacher.st has width 8"},
        {"awd --model teacher.st --model-heads deep-heads.st --in good.st",
         "deep-heads.st: heads of width 8 up to block 1, but teacher.st has width 8 and blocks "},
        {"features --model teacher.st --in images.st", "teacher.st: not a feature net\n"},
        {"dit --model teacher.st --in good.st --backend absent", "there is no backend \"absent\""}};
    check_refusals(refusals, COUNT(refusals), 1, 1);
}
END_TEST

START_TEST(bad_usage_is_explained)
{
    static const refusal refusals[] = {
        {"--in good.st", "KIND is missing: one of dit dit-grad "},
        {"dot --model teacher.st --in good.st", "no kind \"dot\": expected one of dit dit-grad "},
        {"dit dit --model teacher.st --in good.st", "unexpected argument dit\n"},
        {"dit --in good.st", "dit needs --model FILE\n"},
        {"meanflow --model student.st --in meanflow.st", "meanflow needs --model-teacher FILE\n"},
        {"features --in images.st", "features needs --model FILE\n"},
        {"frechet --model teacher.st --in points.st", "frechet takes no --model\n"},
        {"dit --model teacher.st --model-fake teacher.st --in good.st",
         "dit takes no --model-fake\n"},
        {"dit --model teacher.st", "--in FILE and --out FILE are needed\n"},
        {"dit --model teacher.st --in good.st --step 3", "unknown option --step\n"},
        {"dit --model teacher.st --in good.st --quiet", "unknown option --quiet\n"},
        {"dit --model teacher.st --in good.st --set guidance=2",
         "dit: unknown option \"guidance\""},
        {"dit --model teacher.st --in good.st --set teacher.heads=2",
         "dit: unknown option \"teacher.heads\""},
        {"dit --model teacher.st --in good.st --set heads=many",
         "dit: heads: expected a whole number"},
        {"dit --model teacher.st --in good.st --set time_scale=-1",
         "dit: time_scale: expected a number"},
        {"dit --model teacher.st --in good.st --set heads", "dit: expected "},
        {"frechet --in points.st --set p=1", "frechet takes no --set\n"}};
    check_refusals(refusals, COUNT(refusals), 2, 2);
}
END_TEST

START_TEST(an_error_leaves_the_old_result)
{
    char text[8] = "";
    scratch_write("old.st", "old", 3);
    ck_assert_int_eq(probe("dit --model teacher.st --in nan.st --out old.st"), 1);
    ck_assert_uint_eq(scratch_read("old.st", text, sizeof text), 3);
    ck_assert_str_eq(text, "old");
    ck_assert_int_eq(probe("dit --model teacher.st --in good.st --out absent/out.st"), 1);
    ck_assert_msg(strstr(output, "absent/out.st") != NULL, "%s", output);
}
END_TEST

/* --- what options and files mean -------------------------------------------------------------- */

START_TEST(a_plain_state_dict_needs_heads_and_takes_time_scale_1)
{
    double *full = dit_output("--model teacher.st --in good.st");
    double *plain = dit_output("--model plain.st --in good.st --set heads=2 --set time_scale=3");
    ck_assert_str_eq(output, "");
    ck_assert_mem_eq(full, plain, B * PIXELS * sizeof *full);
    free(plain);

    double *scale_1 = dit_output("--model teacher.st --in good.st --set time_scale=1");
    plain = dit_output("--model plain.st --in good.st --set heads=2");
    ck_assert_msg(strstr(output, "hidi probe: note: plain.st does not say what t is") == output,
                  "%s", output);
    ck_assert_mem_eq(scale_1, plain, B * PIXELS * sizeof *plain);
    ck_assert_double_gt(difference(scale_1, full, B * PIXELS), 1e-3);
    free(scale_1);
    free(plain);
    free(full);
}
END_TEST

START_TEST(settings_of_one_model_win)
{
    double *two = dit_output("--model teacher.st --in good.st");
    double *one = dit_output("--model teacher.st --in good.st --set heads=1");
    double *both = dit_output("--model teacher.st --in good.st --set model.heads=2 --set heads=1");
    ck_assert_double_gt(difference(one, two, B * PIXELS), 1e-4);
    ck_assert_mem_eq(both, two, B * PIXELS * sizeof *two);
    free(one);
    free(two);
    free(both);
}
END_TEST

START_TEST(other_dtypes_are_converted)
{
    double *wide = dit_output("--model teacher.st --in good.st");
    double *narrow = dit_output("--model teacher.st --in narrow.st");
    ck_assert_mem_eq(wide, narrow, B * PIXELS * sizeof *wide);
    free(wide);
    free(narrow);
}
END_TEST

/* Error of the central difference, with r < t - step: step^2 / 6 times the third derivative, and
 * rounding / step. */
START_TEST(differences_agree_with_the_jvp)
{
    const char *models = "--model student.st --model-teacher teacher.st --in inside.st";
    ck_assert_msg(probe("meanflow %s --out jvp.st", models) == 0, "%s", output);
    ck_assert_msg(probe("meanflow %s --out difference.st --set difference=0.01", models) == 0, "%s",
                  output);
    double *jvp = result("jvp.st", "dudt", B * PIXELS);
    double *central = result("difference.st", "dudt", B * PIXELS);
    const double error = difference(central, jvp, B * PIXELS);
    ck_assert_msg(error > 0 && error < 3e-3, "relative difference %g", error);
    free(jvp);
    free(central);
}
END_TEST

START_TEST(features_are_the_nets)
{
    const point p = good_point();
    hidi_real images[B * PIXELS];
    double right[B * HIDI_FEATURES];
    hidi_tensor_file file;
    hidi_feature_net *net;
    hidi_tape *tape = hidi_tape_create(backend);
    for (int i = 0; i < B * PIXELS; i++)
        images[i] = (hidi_real)p.z[i];
    ok(hidi_feature_net_create(&net, backend, 1, SIDE, CLASSES));
    ok(hidi_feature_net_initialise(net, 1));
    ok(hidi_feature_net_extract(net, tape, images, B, right));
    hidi_tensor_file_init(&file);
    ok(hidi_feature_net_to_file(net, &file));
    ok(hidi_safetensors_write(&file, scratch("net.st")));
    ck_assert_msg(probe("features --model net.st --in images.st --out features.st") == 0, "%s",
                  output);
    double *found = result("features.st", "features", B * HIDI_FEATURES);
    const double error = difference(found, right, B * HIDI_FEATURES);
    ck_assert_msg(error <= 100 * HIDI_REAL_EPSILON, "relative difference %g", error);
    free(found);
    hidi_tensor_file_free(&file);
    hidi_feature_net_destroy(net);
    hidi_tape_destroy(tape);
}
END_TEST

START_TEST(heads_need_no_gradient)
{
    hidi_tensor_file in;
    const char *models = "--model teacher.st --model-heads heads.st";
    ck_assert_msg(probe("awd %s --in good.st --out a.st", models) == 0, "%s", output);
    ok(hidi_safetensors_read(&in, scratch("a.st")));
    ck_assert_uint_eq(in.n_tensors, 3); /* logits, weights, scores */
    hidi_tensor_file_free(&in);
}
END_TEST

static void find_command(void)
{
    const char *built = sizeof(hidi_real) == sizeof(float) ? "./hidi" : "./hidi_double";
    const char *name = getenv("HIDI") != NULL ? getenv("HIDI") : built;
    char folder[512];
    if (name[0] == '/')
        snprintf(command, sizeof command, "%s", name);
    else if (getcwd(folder, sizeof folder) != NULL)
        snprintf(command, sizeof command, "%s/%s", folder, name);
    if (access(command, X_OK) != 0) {
        fprintf(stderr, "no program \"%s\"\n", command);
        exit(EXIT_FAILURE);
    }
}

int main(void)
{
    Suite *suite = begin_suite("probe");
    TCase *refused = tcase_create("refused"), *options = tcase_create("options");
    find_command();
    scratch_begin();
    if (hidi_backend_open("cpu", &backend) != HIDI_OK) {
        fprintf(stderr, "%s\n", hidi_error_message());
        return EXIT_FAILURE;
    }
    tcase_add_unchecked_fixture(refused, write_models, NULL);
    tcase_add_unchecked_fixture(refused, write_points, NULL);
    tcase_add_unchecked_fixture(options, write_models, NULL);
    tcase_add_unchecked_fixture(options, write_points, NULL);
    tcase_add_test(refused, bad_tensors_are_named);
    tcase_add_test(refused, overflow_is_not_finite);
    tcase_add_test(refused, bad_models_are_named);
    tcase_add_test(refused, bad_usage_is_explained);
    tcase_add_test(refused, an_error_leaves_the_old_result);
    tcase_add_test(options, a_plain_state_dict_needs_heads_and_takes_time_scale_1);
    tcase_add_test(options, settings_of_one_model_win);
    tcase_add_test(options, other_dtypes_are_converted);
    tcase_add_test(options, differences_agree_with_the_jvp);
    tcase_add_test(options, features_are_the_nets);
    tcase_add_test(options, heads_need_no_gradient);
    suite_add_tcase(suite, refused);
    suite_add_tcase(suite, options);
    return run_suite_in_process(suite);
}
