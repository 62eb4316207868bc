/* test_concurrency.c - two threads of a program use the library at the same time, on objects of
 * their own, and get what one thread gets; what belongs to the program is put back.
 *
 * tests/tsan.test runs it under the thread sanitizer. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
#include <cblas.h>
#endif

#include "data/dataset.h"
#include "method/sampler.h"
#include "train/teacher.h"
#include "train/workers.h"
#include "suite.h"

enum { THREADS = 2, STEPS = 3, SAMPLES = 4, SIDE = 8, PIXELS = 3 * SIDE * SIDE };

/* --- each thread has its own ------------------------------------------------------------------ */

/* Both threads are here before either goes on.  pthread_barrier_t is optional in POSIX. */
typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int here;
} meeting;

static meeting start = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};

static void meet(meeting *m)
{
    pthread_mutex_lock(&m->lock);
    const int round = m->here / THREADS;
    m->here++;
    pthread_cond_broadcast(&m->all_here);
    while (m->here / THREADS == round)
        pthread_cond_wait(&m->all_here, &m->lock);
    pthread_mutex_unlock(&m->lock);
}

static void *complain(void *number)
{
    const int n = *(int *)number;
    char expected[64], shape[64];
    bool *right = malloc(sizeof *right);
    *right = true;
    snprintf(expected, sizeof expected, "thread %d", n);
    snprintf(shape, sizeof shape, "[%d, 7]", n);
    for (int i = 0; i < 100; i++) {
        const char *text = hidi_shape_text(hidi_shape2((size_t)n, 7));
        hidi_error(HIDI_BAD_ARGUMENT, "thread %d", n);
        meet(&start);
        *right = *right && strcmp(hidi_error_message(), expected) == 0 && strcmp(text, shape) == 0;
        meet(&start);
    }
    return right;
}

/* Runs work in THREADS threads at the same time; results[i]: what thread number[i] returned. */
static void in_threads(void *(*work)(void *number), void *results[THREADS])
{
    static int number[THREADS];
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++) {
        number[i] = i + 1;
        ck_assert_int_eq(pthread_create(&thread[i], NULL, work, &number[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(thread[i], &results[i]), 0);
}

START_TEST(messages_and_shape_texts_are_per_thread)
{
    void *right[THREADS];
    in_threads(complain, right);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_msg(*(bool *)right[i], "thread %d found what the other one wrote", i + 1);
        free(right[i]);
    }
}
END_TEST

/* --- two trainings at once -------------------------------------------------------------------- */

/* Opens everything, trains a teacher for a few steps, draws samples from it: [SAMPLES, PIXELS]. */
static hidi_status train_and_sample(int seed, hidi_real *x)
{
    const hidi_dit_config config = {.image_size = SIDE, .channels = 3, .out_channels = 3,
                                    .patch = 4, .width = 16, .depth = 2, .heads = 2,
                                    .mlp_width = 64,
                                    .n_classes = 10, .time_scale = 1};
    const hidi_sampler sampler = {.solver = HIDI_HEUN, .steps = 2, .guidance = 1.5, .batch = 2};
    hidi_teacher_options options = hidi_teacher_defaults();
    const hidi_backend *backend;
    hidi_dataset *data = NULL;
    hidi_dit *net = NULL;
    hidi_teacher *training = NULL;
    hidi_workers *workers = NULL;
    int32_t y[SAMPLES];
    double values[HIDI_MAX_LOG_COLUMNS];
    options.batch = 8;
    options.micro_batch = 4;
    options.seed = (uint64_t)seed;
    HIDI_TRY(hidi_backend_open("cpu", &backend));
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_status status = hidi_dataset_open(&data, "shapes", NULL, SIDE, (uint64_t)seed);
    if (status == HIDI_OK)
        status = hidi_dit_create(&net, backend, &config);
    if (status == HIDI_OK)
        status = hidi_dit_initialise(net, (uint64_t)seed);
    if (status == HIDI_OK)
        status = hidi_teacher_create(&training, net, data, &options, "");
    if (status == HIDI_OK)
        status = hidi_workers_create(&workers, hidi_teacher_task(training));
    for (long i = 0; i < STEPS && status == HIDI_OK; i++)
        status = hidi_workers_step(workers, i, values);
    hidi_workers_destroy(workers);
    if (status == HIDI_OK) {
        hidi_sample_inputs((uint64_t)seed, &config, 0, SAMPLES, x, y);
        status = hidi_sample(&sampler, hidi_teacher_net(training), tape, x, HIDI_CLASSES(y),
                             SAMPLES, NULL);
    }
    hidi_tape_destroy(tape);
    hidi_teacher_destroy(training);
    hidi_dataset_close(data);
    return status;
}

typedef struct outcome {
    hidi_status status;
    char message[256];
    hidi_real x[SAMPLES * PIXELS];
} outcome;

static void *work(void *number)
{
    outcome *o = calloc(1, sizeof *o);
    o->status = train_and_sample(*(int *)number, o->x);
    snprintf(o->message, sizeof o->message, "%s", hidi_error_message());
    return o;
}

START_TEST(trainings_at_once_are_trainings_alone)
{
    void *together[THREADS];
    in_threads(work, together);
    for (int i = 0; i < THREADS; i++) {
        int number = i + 1;
        outcome *alone = work(&number), *o = together[i];
        ck_assert_msg(o->status == HIDI_OK, "thread %d: %s", number, o->message);
        ck_assert_msg(alone->status == HIDI_OK, "alone: %s", alone->message);
        ck_assert_mem_eq(o->x, alone->x, sizeof o->x);
        free(alone);
        free(o);
    }
}
END_TEST

/* --- the program's own ------------------------------------------------------------------------ */

START_TEST(numbers_of_threads_are_put_back)
{
    hidi_real x[SAMPLES * PIXELS];
#ifdef _OPENMP
    const int openmp = omp_get_max_threads();
#endif
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    const int blas = openblas_get_num_threads();
#endif
    ck_assert_msg(train_and_sample(1, x) == HIDI_OK, "%s", hidi_error_message());
#ifdef _OPENMP
    ck_assert_int_eq(omp_get_max_threads(), openmp);
#endif
#ifdef HAVE_OPENBLAS_SET_NUM_THREADS
    ck_assert_int_eq(openblas_get_num_threads(), blas);
#endif
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("concurrency");
    TCase *tcase = tcase_create("concurrency");
    tcase_add_test(tcase, messages_and_shape_texts_are_per_thread);
    tcase_add_test(tcase, trainings_at_once_are_trainings_alone);
    tcase_add_test(tcase, numbers_of_threads_are_put_back);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
