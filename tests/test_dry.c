/* test_dry.c - a step on the dry backend asks for exactly the memory that the same step asks for on
 * a real one. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backend/tables.h"
#include "train/classifier.h"
#include "train/stage2.h"
#include "train/stage1.h"
#include "method/sampler.h"
#include "train/teacher.h"
#include "train/workers.h"
#include "train/workers.h"
#include "suite.h"

/* --- a real backend that counts --------------------------------------------------------------- */

static const hidi_backend *real; /* what is counted */
static hidi_backend counting;    /* its table, with these two slots */

static struct {
    void *memory;
    size_t bytes;
} piece[256];
static size_t n_pieces, bytes_now, bytes_peak;

static void *count_allocate(size_t bytes)
{
    ck_assert_uint_lt(n_pieces, sizeof piece / sizeof piece[0]);
    piece[n_pieces].bytes = bytes;
    bytes_now += bytes;
    bytes_peak = bytes_now > bytes_peak ? bytes_now : bytes_peak;
    return piece[n_pieces++].memory = real->allocate(bytes);
}

static void count_release(void *memory)
{
    size_t i = 0;
    if (memory == NULL)
        return;
    while (i < n_pieces && piece[i].memory != memory)
        i++;
    ck_assert_uint_lt(i, n_pieces);
    bytes_now -= piece[i].bytes;
    piece[i] = piece[--n_pieces];
    real->release(memory);
}

/* --- steps of all kinds ----------------------------------------------------------------------- */

typedef enum kind {
    CLASSIFIER, TEACHER, STAGE1, STAGE1_DIFFERENCE, STAGE2, STAGE2_EVERYTHING, SAMPLING, KINDS
} kind;

typedef struct memory {
    size_t tape, calls; /* of the tape: most bytes in use, calls of allocate */
} memory;

static const hidi_adamw adamw = {0.9, 0.99, 1e-8, 0, 1};
static const hidi_schedule schedule = {1e-4, 0, HIDI_DECAY_NONE, 1, 10};
static const hidi_time_options time_options = {.density = HIDI_TIME_UNIFORM, .least = 0.1,
                                               .most = 0.9};
static const hidi_interval_options interval = {.sampler = 0, .same = 0.25, .from_zero = 0.5};

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

enum { MICRO = 3 }; /* of batches of 8: for two workers, and the last one is smaller */

static bool never(void)
{
    return false;
}

static hidi_dit *new_dit(const hidi_backend *backend, const hidi_dataset *data)
{
    const hidi_dit_config config = {.image_size = data->height,
                                    .channels = data->channels,
                                    .out_channels = data->channels,
                                    .patch = 2,
                                    .width = 24,
                                    .depth = 3,
                                    .heads = 2,
                                    .mlp_width = 96,
                                    .n_classes = data->n_classes,
                                    .time_scale = 30};
    hidi_dit *dit;
    OK(hidi_dit_create(&dit, backend, &config));
    OK(hidi_dit_initialise(dit, 1));
    return dit;
}

static void take_steps(const hidi_task *task, memory *m)
{
    double values[HIDI_MAX_LOG_COLUMNS];
    hidi_workers *workers;
    OK(hidi_workers_create(&workers, task));
    for (long i = 0; i < 3; i++)
        OK(hidi_workers_step(workers, i, values));
    *m = (memory){hidi_workers_peak(workers), hidi_workers_allocations(workers)};
    hidi_workers_destroy(workers);
}

static void classifier(const hidi_backend *backend, const hidi_dataset *data, memory *m)
{
    const hidi_classifier_options options = {8, MICRO, 1, adamw, schedule};
    hidi_classifier *training;
    OK(hidi_classifier_create(&training, backend, data, &options, ""));
    take_steps(hidi_classifier_task(training), m);
    hidi_classifier_destroy(training);
}

static void teacher(const hidi_backend *backend, const hidi_dataset *data, memory *m)
{
    const hidi_teacher_options options = {8, MICRO, 1, 0.1, 0.99, time_options, adamw, schedule};
    hidi_teacher *training;
    OK(hidi_teacher_create(&training, new_dit(backend, data), data, &options, ""));
    take_steps(hidi_teacher_task(training), m);
    hidi_teacher_destroy(training);
}

static void stage1(const hidi_backend *backend, const hidi_dataset *data, double difference,
                   memory *m)
{
    const hidi_stage1_options options = {
        8, MICRO, 1, 0.99, interval, {.guidance = 1.5, .p = 0.5, .c = 1, .difference = difference}, adamw, schedule,
        {HIDI_START_TEACHER, 0, 0, 0}};
    hidi_dit *net = new_dit(backend, data);
    hidi_stage1 *training;
    OK(hidi_stage1_create(&training, net, data, &options, ""));
    take_steps(hidi_stage1_task(training), m);
    hidi_stage1_destroy(training);
    hidi_dit_destroy(net);
}

static void stage2(const hidi_backend *backend, const hidi_dataset *data, bool everything,
                   memory *m)
{
    hidi_stage2_options options = {.batch = 8,
                               .micro_batch = MICRO,
                               .seed = 1,
                               .ema = 0.99,
                               .guidance = 1.5,
                               .generator_every = 2,
                               .time = time_options,
                               .adversary = {.weight = 0.1, .time = time_options, .head_rate = 1,
                                             .heads = {.kind = HIDI_HEAD_AWD, .n = 2,
                                                       .block = {0, 2}, .key_width = 8}},
                               .discriminator_weight = 1,
                               .backbone = HIDI_BACKBONE_TEACHER,
                               .interval = interval,
                               .meanflow = {1.5, 0.5, 1, 0, 0},
                               .adamw = adamw,
                               .schedule = schedule,
                               .fake_rate = 1};
    if (everything) {
        options.backbone = HIDI_BACKBONE_FAKE;
        options.adversary.heads.kind = HIDI_HEAD_CONV;
        options.adversary.r1_weight = 1;
        options.adversary.r1_sigma = 0.1;
        options.td_weight = 1;
    }
    hidi_dit *net = new_dit(backend, data), *student;
    hidi_stage2 *training;
    OK(hidi_dit_student(&student, net, 2));
    OK(hidi_stage2_create(&training, student, net, data, &options, ""));
    take_steps(hidi_stage2_task(training), m);
    hidi_stage2_destroy(training);
    hidi_dit_destroy(student);
    hidi_dit_destroy(net);
}

static void sampling(const hidi_backend *backend, const hidi_dataset *data, memory *m)
{
    const hidi_sampler sampler = {.solver = HIDI_HEUN, .steps = 2, .guidance = 1.5, .batch = 4};
    const size_t n = 6, pixels = data->channels * data->height * data->width;
    hidi_dit *net = new_dit(backend, data);
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real *x = malloc(n * pixels * sizeof *x);
    int32_t y[6];
    hidi_sample_inputs(1, &net->config, 0, n, x, y);
    OK(hidi_sample(&sampler, net, tape, x, HIDI_CLASSES(y), n, NULL));
    *m = (memory){hidi_tape_peak(tape), hidi_tape_allocations(tape)};
    free(x);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
}

static void work(kind k, const hidi_backend *backend, const hidi_dataset *data, memory *m)
{
    switch (k) {
    case CLASSIFIER:
        classifier(backend, data, m);
        break;
    case TEACHER:
        teacher(backend, data, m);
        break;
    case STAGE1:
    case STAGE1_DIFFERENCE:
        stage1(backend, data, k == STAGE1 ? 0 : 0.01, m);
        break;
    case STAGE2:
    case STAGE2_EVERYTHING:
        stage2(backend, data, k == STAGE2_EVERYTHING, m);
        break;
    default:
        sampling(backend, data, m);
    }
}

/* --- tests ------------------------------------------------------------------------------------ */

/* Byte for byte: the peak of the tape, how often it asks, and the peak of all that is asked for. */
static void compare(const char *name, int threads)
{
    hidi_dataset *data;
    OK(hidi_backend_open(name, &real));
    OK(hidi_dataset_open(&data, "shapes", NULL, 8, 1));
    real->set_threads(threads);
    counting = *real;
    counting.allocate = count_allocate;
    counting.release = count_release;
    counting.concurrent = never; /* which worker takes what, and so when it asks, is then fixed */
    for (int k = 0; k < KINDS; k++) {
        memory is, should_be;
        bytes_peak = bytes_now;
        work((kind)k, &counting, data, &should_be);
        work((kind)k, hidi_dry_backend(real), data, &is);
        ck_assert_msg(is.tape == should_be.tape && is.calls == should_be.calls,
                      "kind %d: the tape peaks at %zu after %zu calls, really at %zu after %zu", k,
                      is.tape, is.calls, should_be.tape, should_be.calls);
        ck_assert_msg(hidi_dry_peak() == bytes_peak, "kind %d: %zu bytes, really %zu", k,
                      hidi_dry_peak(), bytes_peak);
        ck_assert_uint_eq(hidi_dry_bytes(), 0); /* all is released */
        ck_assert_uint_eq(bytes_now, 0);
        ck_assert_uint_gt(should_be.tape, 1000);
    }
    hidi_dataset_close(data);
}

START_TEST(asks_for_what_a_real_one_asks_for)
{
    compare("reference", 1);
    compare("cpu", 1);
    compare("cpu", 2); /* the scratch of convolutions depends on it */
}
END_TEST

START_TEST(fills_every_slot)
{
    const hidi_backend *dry = hidi_dry_backend(hidi_reference_backend());
    const unsigned char none[sizeof dry->axpby] = {0}, *slot = (const unsigned char *)dry;
    ck_assert_str_eq(dry->name, "dry");
    for (size_t at = 0; at < sizeof *dry; at += sizeof none)
        ck_assert_msg(memcmp(slot + at, none, sizeof none) != 0, "slot %zu is empty",
                      at / sizeof none);
    ck_assert_uint_gt(strlen(dry->describe()), 0);
    ck_assert_int_eq(dry->threads(), hidi_reference_backend()->threads());
}
END_TEST

START_TEST(counts_bytes)
{
    const hidi_backend *dry = hidi_dry_backend(hidi_reference_backend());
    const size_t large = (size_t)1 << 40; /* a terabyte */
    hidi_real x[3] = {1, 2, 3};
    void *a = dry->allocate(100), *b = dry->allocate(large), *c = dry->allocate(0);
    ck_assert(a != NULL && b != NULL && c != NULL);
    ck_assert_uint_eq((uintptr_t)a % 64, 0);
    ck_assert_uint_eq(hidi_dry_bytes(), 100 + large);
    dry->release(b);
    dry->release(NULL);
    dry->release(c);
    ck_assert_uint_eq(hidi_dry_bytes(), 100);
    ck_assert_uint_eq(hidi_dry_peak(), 100 + large);
    ck_assert_ptr_eq(hidi_dry_backend(hidi_reference_backend()), dry);
    ck_assert_uint_eq(hidi_dry_peak(), 100);
    dry->upload(a, x, sizeof x);
    dry->download(x, a, sizeof x);
    ck_assert(x[0] == 0 && x[1] == 0 && x[2] == 0);
    dry->release(a);
    ck_assert_uint_eq(hidi_dry_bytes(), 0);
}
END_TEST

START_TEST(is_opened_by_no_name)
{
    const hidi_backend *backend;
    ck_assert_int_eq(hidi_backend_open("dry", &backend), HIDI_BAD_BACKEND);
    ck_assert_ptr_null(strstr(hidi_backend_names(), "dry"));
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("dry backend");
    TCase *tests = tcase_create("dry");
    tcase_add_test(tests, fills_every_slot);
    tcase_add_test(tests, counts_bytes);
    tcase_add_test(tests, is_opened_by_no_name);
    tcase_add_test(tests, asks_for_what_a_real_one_asks_for);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
