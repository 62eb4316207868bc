/* test_detection.c - discriminators alone: each is trained as if it were the only one, goes on from
 * a checkpoint bit for bit, learns what it is shown, and is measured as its definition says. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "eval/detection.h"
#include "train/detection.h"
#include "train/workers.h"
#include "backbone.h"
#include "suite.h"

enum { SIZE = 8, PATCH = 4, N = 4, CLASSES = 10 };

static const hidi_backend *backend; /* set by main */
static hidi_dataset *data;
static hidi_dit *dit;

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

static hidi_heads_config heads_of(const char *text)
{
    hidi_heads_config c = {.n = 2, .block = {0, 1}, .width = BACKBONE_WIDTH, .key_width = 8};
    OK(hidi_heads_parse_kind(text, &c));
    return c;
}

static hidi_detection_options options_of(long steps)
{
    return (hidi_detection_options){
        .batch = 16, .micro_batch = 5, .seed = 3, .defect = HIDI_DEFECT_NOISE, .damaged = N,
        .time = {HIDI_TIME_UNIFORM, 0, 0.01, 0, 1}, .adamw = {0.9, 0.99, 1e-8, 0, 1},
        .schedule = {1e-2, 5, HIDI_DECAY_NONE, 0, steps}};
}

static void add(hidi_detection_options *o, const char *text)
{
    o->name[o->n] = text;
    o->heads[o->n++] = heads_of(text);
}

/* Steps first .. last - 1; returns the last one's mean loss. */
static double take(const hidi_detection *training, long first, long last)
{
    hidi_workers *workers;
    double values[HIDI_MAX_LOG_COLUMNS] = {0};
    OK(hidi_workers_create(&workers, hidi_detection_task(training)));
    for (long step = first; step < last; step++)
        OK(hidi_workers_step(workers, step, values));
    hidi_workers_destroy(workers);
    return values[0];
}

static void assert_same(const hidi_heads *a, const hidi_heads *b)
{
    ck_assert_uint_eq(a->params.count, b->params.count);
    ck_assert_mem_eq(a->params.value, b->params.value, a->params.count * sizeof(hidi_real));
}

START_TEST(others_make_no_difference)
{
    static const char *const texts[] = {"gap", "awd:queries=2", "apt", "top:k=2", "token", "conv"};
    hidi_detection *alone, *together;
    hidi_detection_options all = options_of(4);
    for (int i = 0; i < 6; i++)
        add(&all, texts[i]);
    OK(hidi_detection_create(&together, dit, data, &all, ""));
    take(together, 0, 4);
    for (int i = 0; i < 6; i++) {
        hidi_detection_options one = options_of(4);
        add(&one, texts[i]);
        OK(hidi_detection_create(&alone, dit, data, &one, ""));
        take(alone, 0, 4);
        assert_same(hidi_detection_heads(alone, 0), hidi_detection_heads(together, i));
        hidi_detection_destroy(alone);
    }
    hidi_detection_destroy(together);
}
END_TEST

START_TEST(resumed_is_uninterrupted)
{
    hidi_detection *whole, *first, *second;
    hidi_detection_options o = options_of(4);
    hidi_tensor_file file;
    add(&o, "awd");
    add(&o, "gap");
    OK(hidi_detection_create(&whole, dit, data, &o, ""));
    take(whole, 0, 4);
    OK(hidi_detection_create(&first, dit, data, &o, ""));
    take(first, 0, 2);
    hidi_tensor_file_init(&file);
    const hidi_task *task = hidi_detection_task(first);
    OK(task->to_file(task->self, &file));
    OK(hidi_detection_create(&second, dit, data, &o, ""));
    task = hidi_detection_task(second);
    OK(task->from_file(task->self, &file));
    take(second, 2, 4);
    for (int i = 0; i < 2; i++)
        assert_same(hidi_detection_heads(whole, i), hidi_detection_heads(second, i));
    hidi_tensor_file_free(&file);
    hidi_detection_destroy(whole);
    hidi_detection_destroy(first);
    hidi_detection_destroy(second);
}
END_TEST

static hidi_detection_result measure(const hidi_heads *heads, hidi_defect defect, size_t k)
{
    const hidi_detection_trial trial = {.data = data, .split = HIDI_TEST, .n = 100,
                                        .defect = defect, .damaged = k,
                                        .time = {HIDI_TIME_UNIFORM, 0, 0.01, 0, 1}, .seed = 5};
    hidi_detection_result result, again;
    OK(hidi_measure_detection(heads, dit, &trial, &result));
    OK(hidi_measure_detection(heads, dit, &trial, &again));
    ck_assert(result.auc == again.auc && result.gradient_share == again.gradient_share);
    return result;
}

/* All tokens are noisy: that is easy.  Then all of the gradient and of the weights is on
 * damaged tokens; and to a discriminator with weights of 0 all images are the same. */
START_TEST(what_is_learned_is_measured)
{
    static const char *const texts[] = {"gap", "token", "awd", "apt", "top"};
    hidi_detection *training;
    hidi_detection_options o = options_of(400);
    for (int i = 0; i < 5; i++)
        add(&o, texts[i]);
    OK(hidi_detection_create(&training, dit, data, &o, ""));
    ck_assert_double_lt(take(training, 0, 400), 0.8 * 2 * log(2));
    for (int i = 0; i < 5; i++) {
        const hidi_heads *heads = hidi_detection_heads(training, i);
        const hidi_head *head = hidi_head_of(heads->config.kind);
        const hidi_detection_result r = measure(heads, HIDI_DEFECT_NOISE, N);
        ck_assert_msg(r.auc > 0.7, "%s: AUC %g", texts[i], r.auc);
        ck_assert_double_gt(r.accuracy, 0.6);
        ck_assert(r.auc_error > 0 && r.auc_error < 0.1);
        ck_assert_double_eq_tol(r.gradient_share, 1, 1e-12);
        ck_assert(isnan(r.weight_share) == !head->has_weights);
        ck_assert(isnan(r.auc_worst) == !head->has_scores);
        if (head->has_weights)
            ck_assert_double_eq_tol(r.weight_share, 1, 1e-5);
    }
    hidi_detection_destroy(training);

    hidi_heads *blank;
    const hidi_heads_config c = heads_of("awd");
    OK(hidi_heads_create(&blank, backend, &c));
    const hidi_detection_result r = measure(blank, HIDI_DEFECT_NOISE, 1);
    ck_assert(r.auc == 0.5 && r.auc_worst == 0.5 && r.accuracy == 0);
    ck_assert_double_eq_tol(r.weight_share, 1.0 / N, 1e-6);
    ck_assert_double_eq_tol(r.gradient_share, 1.0 / N, 1e-12);
    hidi_heads_destroy(blank);
}
END_TEST

START_TEST(options_are_checked)
{
    hidi_detection *training;
    hidi_detection_options o = options_of(4);
    ck_assert_int_eq(hidi_detection_check(&o), HIDI_BAD_ARGUMENT); /* no heads */
    add(&o, "awd");
    OK(hidi_detection_check(&o));
    o.damaged = 0;
    ck_assert_int_eq(hidi_detection_check(&o), HIDI_BAD_ARGUMENT);
    o.damaged = N + 1;
    ck_assert_int_eq(hidi_detection_create(&training, dit, data, &o, ""), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "5 damaged tokens of 4"));
    ck_assert_ptr_null(training);
    o.damaged = 1;
    add(&o, "gap");
    o.heads[1].n = 1;
    ck_assert_int_eq(hidi_detection_check(&o), HIDI_BAD_ARGUMENT);
}
END_TEST

static void setup(void)
{
    OK(hidi_dataset_open(&data, "shapes", "", SIZE, 1));
    dit = random_backbone(backend, SIZE, 3, PATCH, CLASSES);
}

static void teardown(void)
{
    hidi_dit_destroy(dit);
    hidi_dataset_close(data);
}

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("detection");
    TCase *tcase = tcase_create("detection");
    tcase_set_timeout(tcase, 600);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, others_make_no_difference);
    tcase_add_test(tcase, resumed_is_uninterrupted);
    tcase_add_test(tcase, what_is_learned_is_measured);
    tcase_add_test(tcase, options_are_checked);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
