/* test_micro_batches.c - a step in micro-batches: the gradient is that of the whole batch, and the
 * bits depend neither on who computes what nor on how many there are; sums against a tree that is
 * written out. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "core/stop.h"
#include "core/team.h"
#include "train/gradient_sum.h"
#include "train/autoencoder_training.h"
#include "train/stage2.h"
#include "train/teacher.h"
#include "train/workers.h"
#include "near.h"
#include "suite.h"
#include "take_steps.h"

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

static const hidi_backend *backend; /* set by main */

/* --- the team --------------------------------------------------------------------------------- */

enum { PIECES = 40, MEMBERS = 3 };

typedef struct pieces {
    int done[PIECES];
    int fails; /* the first piece that does */
    bool flag_is_seen[PIECES];
} pieces;

static hidi_status count_piece(void *context, int member, size_t piece)
{
    pieces *p = context;
    if (member < 0 || member >= MEMBERS)
        return hidi_error(HIDI_BAD_ARGUMENT, "member %d", member);
    p->done[piece]++;
    p->flag_is_seen[piece] = hidi_stop_asked();
    if ((int)piece >= p->fails)
        return hidi_error(HIDI_NOT_FINITE, "piece %zu fails", piece);
    return HIDI_OK;
}

START_TEST(every_piece_once)
{
    static const volatile sig_atomic_t flag = 1;
    pieces p = {.fails = PIECES};
    (void)hidi_stop_on(&flag);
    OK(hidi_team_work(MEMBERS, PIECES, count_piece, &p));
    ck_assert(hidi_stop_asked());
    (void)hidi_stop_on(NULL);
    for (int i = 0; i < PIECES; i++)
        ck_assert(p.done[i] == 1 && p.flag_is_seen[i]);
    OK(hidi_team_work(MEMBERS, 0, count_piece, &p));
    ck_assert_int_eq(p.done[0], 1);
}
END_TEST

/* Whichever thread was first: the lowest failure is told, by the caller's message, and what comes
 * after it is not begun any more, but for what had begun. */
START_TEST(the_first_failure_is_told)
{
    for (int repeat = 0; repeat < 50; repeat++) {
        pieces p = {.fails = 10};
        int begun = 0;
        ck_assert_int_eq(hidi_team_work(MEMBERS, PIECES, count_piece, &p), HIDI_NOT_FINITE);
        ck_assert_str_eq(hidi_error_message(), "piece 10 fails");
        for (int i = 0; i < PIECES; i++)
            begun += p.done[i];
        ck_assert(begun >= 11 && begun < 11 + MEMBERS);
    }
}
END_TEST

/* --- the sum ---------------------------------------------------------------------------------- */

enum { COUNT = 7, MOST = 9 };

/* Numbers whose sum depends on its order. */
static hidi_real number(size_t leaf, int i)
{
    hidi_real x;
    hidi_normal((hidi_random){5, HIDI_STREAM_TEST, leaf}, (size_t)i, &x, 1);
    return x;
}

/* sum over leaves first .. first + n - 1 of a tree whose left half is the largest power of 2. */
static hidi_real tree(size_t first, size_t n, int i)
{
    size_t left = 1;
    if (n == 1)
        return number(first, i);
    while (2 * left < n)
        left *= 2;
    return tree(first, left, i) + tree(first + left, n - left, i);
}

START_TEST(one_tree_in_any_order)
{
    hidi_params params;
    hidi_params_init(&params, backend);
    OK(hidi_params_declare(&params, hidi_shape1(COUNT), "w"));
    OK(hidi_params_allocate(&params));
    OK(hidi_params_train(&params));
    hidi_params *trained[HIDI_MAX_TRAINED] = {&params};
    for (size_t n = 1; n <= MOST; n++) {
        hidi_gradient_sum *sum;
        OK(hidi_gradient_sum_create(&sum, trained, n));
        for (size_t round = 0; round < 20; round++) {
            hidi_gradient_part *part[MOST];
            size_t order[MOST];
            hidi_gradient_sum_begin(sum);
            for (size_t k = 0; k < n; k++) {
                OK(hidi_gradient_sum_take(sum, k, &part[k]));
                for (int i = 0; i < COUNT; i++)
                    part[k]->grad[0][i] = number(k, i);
                part[k]->is_reached[0] = true;
                for (int i = 0; i < HIDI_MAX_LOG_COLUMNS; i++)
                    part[k]->term[i] = i == 1 ? NAN : (double)k;
                order[k] = k;
            }
            for (size_t k = n; k > 1; k--) { /* a permutation */
                uint64_t j;
                hidi_uniform_int((hidi_random){round, HIDI_STREAM_TEST, 1}, k, k, &j, 1);
                const size_t other = order[j];
                order[j] = order[k - 1];
                order[k - 1] = other;
            }
            for (size_t k = 0; k < n; k++)
                hidi_gradient_sum_give(sum, order[k], part[order[k]]);
            OK(hidi_gradient_sum_finish(sum));
            for (int i = 0; i < COUNT; i++) {
                const hidi_real expected = tree(0, n, i);
                ck_assert_mem_eq(&params.grad[i], &expected, sizeof expected);
            }
            ck_assert(hidi_gradient_sum_terms(sum)[0] == (double)(n * (n - 1) / 2));
            ck_assert(isnan(hidi_gradient_sum_terms(sum)[1]));
        }
        hidi_gradient_sum_destroy(sum);
    }
    hidi_params_free(&params);
}
END_TEST

/* --- trainings -------------------------------------------------------------------------------- */

enum { BATCH = 10, STEPS = STEPS_TAKEN };

static hidi_dataset *data;
static const hidi_time_options uniform = {HIDI_TIME_UNIFORM, 0.02, 0.98, 0, 1};
static const hidi_schedule schedule = {1e-3, 0, HIDI_DECAY_NONE, 1, STEPS};
/* A large epsilon, so that an update is smooth in the gradient. */
static const hidi_adamw adamw = {0.9, 0.99, 0.1, 0, 1};

static hidi_dit *new_dit(void)
{
    const hidi_dit_config config = {.image_size = 9, .channels = 3, .out_channels = 3, .patch = 3,
                                    .width = 16, .depth = 2, .heads = 2, .mlp_width = 64,
                                    .n_classes = 10, .time_scale = 30};
    hidi_dit *net;
    OK(hidi_dit_create(&net, backend, &config));
    OK(hidi_dit_initialise(net, 3));
    return net;
}

static void train_teacher(outcome *o, size_t micro_batch)
{
    const hidi_teacher_options options = {BATCH, micro_batch, 1, 0.3, 0.99, uniform, adamw, schedule};
    hidi_teacher *training;
    OK(hidi_teacher_create(&training, new_dit(), data, &options, ""));
    take_steps(o, hidi_teacher_task(training));
    hidi_teacher_destroy(training);
}

/* With everything that stage 2 can have: three networks, and steps without one of them. */
static void train_stage2(outcome *o, size_t micro_batch)
{
    hidi_stage2_options options = hidi_stage2_defaults();
    options.batch = BATCH;
    options.micro_batch = micro_batch;
    options.adamw = adamw;
    options.schedule = schedule;
    options.backbone = HIDI_BACKBONE_FAKE;
    options.adversary.heads = (hidi_heads_config){.kind = HIDI_HEAD_AWD, .n = 2, .block = {0, 1},
                                                  .key_width = 8, .conditional = true};
    options.adversary.r1_weight = 1;
    options.td_weight = 0.1;
    options.meanflow.difference = 0;
    hidi_dit *net = new_dit(), *student;
    hidi_stage2 *training;
    OK(hidi_dit_student(&student, net, 1));
    OK(hidi_stage2_create(&training, student, net, data, &options, ""));
    take_steps(o, hidi_stage2_task(training));
    hidi_stage2_destroy(training);
    hidi_dit_destroy(student);
    hidi_dit_destroy(net);
}

/* Images have 9 pixels a side, and so have its latents. */
static void train_autoencoder(outcome *o, size_t micro_batch)
{
    hidi_autoencoder_options options = hidi_autoencoder_defaults();
    options.batch = BATCH;
    options.micro_batch = micro_batch;
    options.adamw = adamw;
    options.schedule = schedule;
    options.net.levels = 1;
    options.net.width[0] = 4;
    options.net.groups = 2;
    options.net.latent_channels = 2;
    options.adversary = hidi_adversary_defaults(0.1, 1);
    options.adversary.heads.block[0] = 0;
    options.adversary.heads.block[1] = 1;
    hidi_autoencoder_training *training;
    hidi_dit *critic = new_dit();
    OK(hidi_autoencoder_training_create(&training, backend, data, &options, critic, ""));
    take_steps(o, hidi_autoencoder_training_task(training));
    hidi_autoencoder_training_destroy(training);
    hidi_dit_destroy(critic);
}

enum { TEACHER, STAGE2, AUTOENCODER, KINDS };

static void train(outcome *o, int kind, size_t micro_batch)
{
    if (kind == AUTOENCODER)
        train_autoencoder(o, micro_batch);
    else if (kind == TEACHER)
        train_teacher(o, micro_batch);
    else
        train_stage2(o, micro_batch);
}

/* Micro-batches of 3 (four of them, the last of one image), computed by one thread, two, three and
 * eight: the same bits; and one micro-batch, whose kernels are shared out (but for convolutions,
 * whose gradients are then cut by threads). */
START_TEST(bits_do_not_depend_on_threads)
{
    static const int threads[] = {1, 2, 3, 8};
    static const size_t sizes[] = {3, BATCH};
    for (int s = 0; s < (_i == AUTOENCODER ? 1 : 2); s++) {
        outcome first;
        for (int i = 0; i < 4; i++) {
            outcome o;
            backend->set_threads(threads[i]);
            train(&o, _i, sizes[s]);
            if (i == 0) {
                first = o;
                continue;
            }
            ck_assert_mem_eq(o.values, first.values, sizeof o.values);
            ck_assert_mem_eq(o.weights, first.weights, o.n * sizeof *o.weights);
            free(o.weights);
        }
        free(first.weights);
    }
}
END_TEST

/* Whatever the pieces: the same draws and the same mean.  The weights have moved by at most
 * STEPS x rate, and an update is smooth in the gradient, so they agree to some roundings of their
 * own size. */
START_TEST(pieces_are_the_whole)
{
    static const size_t sizes[] = {1, 3, 4, 9};
    outcome whole;
    train(&whole, _i, BATCH);
    for (int s = 0; s < 4; s++) {
        outcome o;
        train(&o, _i, sizes[s]);
        for (int step = 0; step < STEPS; step++)
            for (int i = 0; i < HIDI_MAX_LOG_COLUMNS; i++) {
                const double a = whole.values[step][i], b = o.values[step][i];
                ck_assert_msg((isnan(a) && isnan(b)) ||
                                  fabs(a - b) <= 200 * HIDI_REAL_EPSILON * (1 + fabs(a)),
                              "micro-batch %zu, step %d, column %d: %.9g, of the whole %.9g",
                              sizes[s], step, i, b, a);
            }
        for (size_t i = 0; i < o.n; i++)
            ck_assert_msg(fabs((double)(o.weights[i] - whole.weights[i])) <=
                              20 * HIDI_REAL_EPSILON,
                          "micro-batch %zu, weight %zu: %.9g, of the whole %.9g", sizes[s], i,
                          (double)o.weights[i], (double)whole.weights[i]);
        free(o.weights);
    }
    free(whole.weights);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK ||
        hidi_dataset_open(&data, "shapes", NULL, 9, 1) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("micro_batches");
    TCase *tcase = tcase_create("team");
    tcase_add_test(tcase, every_piece_once);
    tcase_add_test(tcase, the_first_failure_is_told);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("sum");
    tcase_add_test(tcase, one_tree_in_any_order);
    suite_add_tcase(suite, tcase);
    tcase = tcase_create("trainings");
    tcase_set_timeout(tcase, 120);
    tcase_add_loop_test(tcase, bits_do_not_depend_on_threads, 0, KINDS);
    tcase_add_loop_test(tcase, pieces_are_the_whole, 0, KINDS);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
