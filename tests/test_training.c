/* test_training.c - every kind of training resumed against the same one uninterrupted, bit for bit;
 * what is not finite stops it. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/stop.h"
#include "io/csv.h"
#include "train/autoencoder_training.h"
#include "train/classifier.h"
#include "train/stage2.h"
#include "train/stage1.h"
#include "method/progressive.h"
#include "train/teacher.h"
#include "train/workers.h"
#include "scratch.h"
#include "suite.h"

static const hidi_backend *backend; /* set by main */
static hidi_dataset *data;
static const hidi_adamw adamw = {0.9, 0.99, 1e-8, 0, 1};
static const hidi_time_options uniform = {HIDI_TIME_UNIFORM, 0.02, 0.98, 0, 1};

enum { STEPS = 6, STOP = 3, BATCH = 4, MICRO = 3 };
static const hidi_schedule schedule = {1e-3, 2, HIDI_DECAY_COSINE, 0.1, STEPS};

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

/* --- the trainings ---------------------------------------------------------------------------- */

static hidi_dit *small_dit(uint64_t seed)
{
    const hidi_dit_config config = {.image_size = 8, .channels = 3, .out_channels = 3, .patch = 4,
                                    .width = 16, .depth = 2, .heads = 2, .mlp_width = 64,
                                    .n_classes = 10, .time_scale = 30};
    hidi_dit *net;
    ck_assert_int_eq(hidi_dit_create(&net, backend, &config), HIDI_OK);
    ck_assert_int_eq(hidi_dit_initialise(net, seed), HIDI_OK);
    /* A fresh DiT puts out 0, its own perfect student: move every weight off its initial value. */
    for (int i = 0; i < net->params.n_params; i++) {
        const size_t n = hidi_count(net->params.param[i].shape);
        hidi_real *value = malloc(n * sizeof *value), *noise = malloc(n * sizeof *noise);
        hidi_params_read(&net->params, i, value);
        hidi_normal((hidi_random){seed, HIDI_STREAM_TEST, (uint64_t)i}, 0, noise, n);
        for (size_t k = 0; k < n; k++)
            value[k] += (hidi_real)0.05 * noise[k];
        hidi_params_write(&net->params, i, value);
        free(value), free(noise);
    }
    return net;
}

/* Any of the trainings, and the parameters that it is about. */
typedef struct any_training {
    hidi_classifier *features;
    hidi_autoencoder_training *autoencoder;
    hidi_teacher *teacher;
    hidi_stage1 *stage1;
    hidi_stage2 *stage2;
    hidi_dit *net, *student; /* it starts from; the teacher's: taken over */
    const hidi_task *task;
    hidi_workers *workers;
    const hidi_params *result;
} any_training;

enum { FEATURES, AUTOENCODER, ADVERSARIAL_AUTOENCODER, TEACHER, STAGE1, STAGE2, KINDS };

static const hidi_interval_options interval = {HIDI_INTERVAL_COVER, 0.25, 0.6, 0, 1};
static const hidi_meanflow_options meanflow = {.guidance = 1.5, .p = 0.5, .c = 1};

static hidi_adversary_options adversary_options(void)
{
    return (hidi_adversary_options){.weight = 0.1, .time = uniform, .r1_weight = 1, .r1_sigma = 0.1,
                                    .head_rate = 2,
                                    .heads = {.kind = HIDI_HEAD_AWD, .n = 2, .block = {0, 1},
                                              .key_width = 8, .conditional = true}};
}

static hidi_stage2_options stage2_options(void)
{
    return (hidi_stage2_options){.batch = BATCH, .micro_batch = MICRO, .seed = 1, .ema = 0.9,
                                 .guidance = 1.5,
                                 .generator_every = 2, .time = uniform,
                                 .adversary = adversary_options(), .discriminator_weight = 1,
                                 .backbone = HIDI_BACKBONE_FAKE, .td_weight = 0.1,
                                 .interval = interval, .meanflow = meanflow, .adamw = adamw,
                                 .schedule = schedule, .fake_rate = 1};
}

/* Latents of 2 x 2 x 2. */
static const hidi_autoencoder_options autoencoder_options = {
    .batch = BATCH, .micro_batch = MICRO, .seed = 1, .kl_weight = 0.1, .ema = 0.9, .adamw = adamw,
    .schedule = schedule,
    .net = {.image_channels = 3, .latent_channels = 2, .levels = 3, .width = {4, 4, 6}, .blocks = 1,
            .groups = 2, .has_quant = true, .has_post_quant = true, .scale = 1}};

/* The networks that a training starts from. */
static void prepare(any_training *a, int kind)
{
    memset(a, 0, sizeof *a);
    a->net = small_dit(3);
    if (kind == TEACHER)
        a->student = small_dit(3);
    if (kind == STAGE2)
        OK(hidi_dit_student(&a->student, a->net, 1));
}

static hidi_status construct(any_training *a, int kind, const char *settings)
{
    const hidi_classifier_options features = {BATCH, MICRO, 1, adamw, schedule};
    const hidi_teacher_options teacher = {BATCH, MICRO, 1, 0.1, 0.9, uniform, adamw, schedule};
    const hidi_stage1_options stage1 = {BATCH, MICRO, 1, 0.9, interval, meanflow, adamw,
                                        schedule, {HIDI_START_TEACHER, 0, 0, 0}};
    const hidi_stage2_options stage2 = stage2_options();
    hidi_autoencoder_options autoencoder = autoencoder_options;
    hidi_dit *taken = a->student;
    switch (kind) {
    case FEATURES:
        HIDI_TRY(hidi_classifier_create(&a->features, backend, data, &features, settings));
        a->task = hidi_classifier_task(a->features);
        a->result = &hidi_classifier_result(a->features)->params;
        break;
    case AUTOENCODER:
    case ADVERSARIAL_AUTOENCODER:
        if (kind == ADVERSARIAL_AUTOENCODER)
            autoencoder.adversary = adversary_options();
        HIDI_TRY(hidi_autoencoder_training_create(&a->autoencoder, backend, data, &autoencoder,
                                                  a->net, settings));
        a->task = hidi_autoencoder_training_task(a->autoencoder);
        a->result = &hidi_autoencoder_training_result(a->autoencoder)->params;
        break;
    case TEACHER:
        a->student = NULL;
        HIDI_TRY(hidi_teacher_create(&a->teacher, taken, data, &teacher, settings));
        a->task = hidi_teacher_task(a->teacher);
        a->result = &hidi_teacher_result(a->teacher)->params;
        break;
    case STAGE1:
        HIDI_TRY(hidi_stage1_create(&a->stage1, a->net, data, &stage1, settings));
        a->task = hidi_stage1_task(a->stage1);
        a->result = &hidi_stage1_result(a->stage1)->params;
        break;
    default:
        HIDI_TRY(hidi_stage2_create(&a->stage2, a->student, a->net, data, &stage2, settings));
        a->task = hidi_stage2_task(a->stage2);
        a->result = &hidi_stage2_result(a->stage2)->params;
    }
    return hidi_workers_create(&a->workers, a->task);
}

static void begin(any_training *a, int kind, const char *settings)
{
    prepare(a, kind);
    OK(construct(a, kind, settings));
}

static void end(any_training *a)
{
    hidi_workers_destroy(a->workers);
    hidi_classifier_destroy(a->features);
    hidi_autoencoder_training_destroy(a->autoencoder);
    hidi_teacher_destroy(a->teacher);
    hidi_stage1_destroy(a->stage1);
    hidi_stage2_destroy(a->stage2);
    hidi_dit_destroy(a->net);
    hidi_dit_destroy(a->student);
}

START_TEST(resumed_is_uninterrupted)
{
    any_training whole, first, second;
    const hidi_training through = {.steps = STEPS, .log_every = 1, .log = scratch("whole.csv")};
    hidi_training halves = {.steps = STEPS, .log_every = 1, .save_every = 2, .stop_after = STOP,
                            .checkpoint = scratch("state.safetensors"),
                            .log = scratch("halves.csv")};
    double *a, *b;
    size_t n_a, n_b;
    remove(halves.checkpoint);
    begin(&whole, _i, "same");
    ck_assert_int_eq(hidi_train(whole.task, &through), HIDI_OK);

    begin(&first, _i, "same");
    ck_assert_int_eq(hidi_train(first.task, &halves), HIDI_INTERRUPTED);
    ck_assert_msg(strstr(hidi_error_message(), "3 of 6 steps") != NULL, "%s", hidi_error_message());
    end(&first);
    begin(&second, _i, "same");
    halves.stop_after = 0;
    ck_assert_msg(hidi_train(second.task, &halves) == HIDI_OK, "%s", hidi_error_message());

    ck_assert_uint_eq(whole.result->count, second.result->count);
    ck_assert_mem_eq(whole.result->value, second.result->value,
                     whole.result->count * sizeof(hidi_real));
    ck_assert_int_eq(hidi_csv_read(through.log, whole.task->columns[0], &a, &n_a), HIDI_OK);
    ck_assert_int_eq(hidi_csv_read(halves.log, whole.task->columns[0], &b, &n_b), HIDI_OK);
    ck_assert_uint_eq(n_a, STEPS);
    ck_assert_uint_eq(n_b, STEPS);
    ck_assert_mem_eq(a, b, STEPS * sizeof *a);
    free(a), free(b);
    end(&whole);
    end(&second);

    begin(&second, _i, "other");
    ck_assert_int_eq(hidi_train(second.task, &halves), HIDI_BAD_ARGUMENT);
    ck_assert_msg(strstr(hidi_error_message(), "other settings") != NULL, "%s",
                  hidi_error_message());
    end(&second);
}
END_TEST

/* What hidi_train notes of a log, going on from the checkpoint after STOP steps. */
static void go_on_with(const char *log_text, char *notes, size_t size)
{
    any_training a;
    FILE *out = tmpfile();
    ck_assert_ptr_nonnull(out);
    hidi_training training = {.steps = STEPS, .log_every = 1, .stop_after = STOP, .notes = out,
                              .checkpoint = scratch("noted.safetensors"),
                              .log = scratch("noted.csv")};
    remove(training.checkpoint);
    begin(&a, TEACHER, "same");
    ck_assert_int_eq(hidi_train(a.task, &training), HIDI_INTERRUPTED);
    end(&a);
    if (log_text != NULL)
        scratch_write("noted.csv", log_text, strlen(log_text));
    begin(&a, TEACHER, "same");
    training.stop_after = 0;
    ck_assert_msg(hidi_train(a.task, &training) == HIDI_OK, "%s", hidi_error_message());
    end(&a);
    rewind(out);
    notes[fread(notes, 1, size - 1, out)] = '\0';
    fclose(out);
}

START_TEST(damaged_logs_are_set_aside)
{
    static const char *const damaged[] = {"step,loss,seconds\n0,1,1,what\nthis is no row\n",
                                          "other,columns\n1,2\n"};
    char notes[1024], text[64];
    double *step;
    size_t n;
    for (int i = 0; i < 2; i++) {
        go_on_with(damaged[i], notes, sizeof notes);
        ck_assert_msg(strstr(notes, i == 0 ? "noted.csv.damaged, and a new log is begun\n"
                                           : "noted.csv.damaged-2, and a new log is begun\n"),
                      "%s", notes);
        ck_assert_msg(strstr(notes, "has no rows of steps 0 to 2: they were lost\n"), "%s", notes);
        ck_assert_uint_eq(scratch_read(i == 0 ? "noted.csv.damaged" : "noted.csv.damaged-2", text,
                                       sizeof text),
                          strlen(damaged[i]));
        ck_assert_int_eq(hidi_csv_read(scratch("noted.csv"), "step", &step, &n), HIDI_OK);
        ck_assert_uint_eq(n, STEPS - STOP);
        ck_assert(step[0] >= STOP && step[0] <= STOP);
        free(step);
    }
}
END_TEST

START_TEST(lost_rows_are_noted)
{
    char notes[1024], text[4096];
    go_on_with(NULL, notes, sizeof notes);
    ck_assert_str_eq(notes, "");
    const size_t n = scratch_read("noted.csv", text, sizeof text - 1);
    text[n] = '\0';
    char *end = strchr(strchr(text, '\n') + 1, '\n');
    end[1] = '\0'; /* the header, and the row of step 0 */
    go_on_with(text, notes, sizeof notes);
    ck_assert_msg(strstr(notes, "teacher: ") == notes &&
                      strstr(notes, "noted.csv has no rows of steps 1 to 2: they were lost\n"),
                  "%s", notes);
}
END_TEST

/* Asked to stop, it ends after a step, with a checkpoint. */
START_TEST(asked_to_stop)
{
    static volatile sig_atomic_t flag;
    any_training a;
    const hidi_training training = {.steps = STEPS, .log_every = 1,
                                    .checkpoint = scratch("asked.safetensors")};
    begin(&a, _i, "same");
    flag = 1;
    hidi_stop_on(&flag);
    ck_assert_int_eq(hidi_train(a.task, &training), HIDI_INTERRUPTED);
    hidi_stop_on(NULL);
    ck_assert_msg(strstr(hidi_error_message(), "1 of 6 steps") != NULL, "%s", hidi_error_message());
    ck_assert_int_eq(access(training.checkpoint, F_OK), 0);
    ck_assert_msg(hidi_train(a.task, &training) == HIDI_OK, "%s", hidi_error_message());
    remove(training.checkpoint);
    end(&a);
}
END_TEST

/* Training changes the parameters it is about, and the frozen teacher not at all. */
START_TEST(teacher_is_frozen)
{
    any_training a;
    const hidi_training training = {.steps = STEPS, .log_every = 1};
    begin(&a, _i, "");
    const size_t bytes = a.net->params.count * sizeof(hidi_real);
    hidi_real *before = malloc(bytes), *student = malloc(a.result->count * sizeof *student);
    memcpy(before, a.net->params.value, bytes);
    memcpy(student, a.result->value, a.result->count * sizeof *student);
    ck_assert_msg(hidi_train(a.task, &training) == HIDI_OK, "%s", hidi_error_message());
    ck_assert_mem_eq(before, a.net->params.value, bytes);
    ck_assert_mem_ne(student, a.result->value, a.result->count * sizeof *student);
    ck_assert_ptr_null(a.net->params.grad);
    free(before), free(student);
    end(&a);
}
END_TEST

static bool never(void)
{
    return false;
}

/* After the first steps (which reach every kind of iteration) nothing is allocated any more.  The
 * workers take turns: a thread that comes late to its first micro-batch allocates then. */
START_TEST(no_allocation_after_the_first_steps)
{
    any_training a;
    const hidi_backend *before = backend;
    hidi_backend in_turns = *backend;
    in_turns.concurrent = never;
    backend = &in_turns;
    double values[HIDI_MAX_LOG_COLUMNS];
    begin(&a, _i, "");
    for (long step = 0; step < 2; step++)
        ck_assert_int_eq(hidi_workers_step(a.workers, step, values), HIDI_OK);
    const size_t allocations = hidi_workers_allocations(a.workers);
    for (long step = 2; step < STEPS; step++)
        ck_assert_int_eq(hidi_workers_step(a.workers, step, values), HIDI_OK);
    ck_assert_uint_eq(hidi_workers_allocations(a.workers), allocations);
    end(&a);
    backend = before;
}
END_TEST

/* Whichever allocation fails: an error, from the constructor or a step, and all is released. */
static const hidi_backend *allocates;
static long allocations_left, pieces;

static void *allocate_or_not(size_t bytes)
{
    void *memory = allocations_left-- > 0 ? allocates->allocate(bytes) : NULL;
    pieces += memory != NULL;
    return memory;
}

static void release_piece(void *memory)
{
    pieces -= memory != NULL;
    allocates->release(memory);
}

START_TEST(no_memory_is_an_error)
{
    double values[HIDI_MAX_LOG_COLUMNS];
    hidi_backend scarce = *backend;
    hidi_status status = HIDI_NO_MEMORY;
    allocates = backend;
    backend = &scarce;
    scarce.allocate = allocate_or_not;
    scarce.release = release_piece;
    scarce.concurrent = never; /* the counts are not locked */
    long n = 0;
    for (; status != HIDI_OK; n++) {
        any_training a;
        pieces = 0;
        allocations_left = 1000;
        prepare(&a, _i);
        allocations_left = n;
        status = construct(&a, _i, "");
        for (long step = 0; step < 2 && status == HIDI_OK; step++)
            status = hidi_workers_step(a.workers, step, values);
        ck_assert_msg(status == HIDI_OK || status == HIDI_NO_MEMORY, "%s", hidi_error_message());
        end(&a);
        ck_assert_int_eq(pieces, 0);
    }
    ck_assert_int_gt(n, 4);
    backend = allocates;
}
END_TEST

/* In an iteration that is not the generator's, the fake score and the heads learn, and it does
 * not. */
START_TEST(generator_waits_for_its_turn)
{
    any_training a;
    double values[HIDI_MAX_LOG_COLUMNS];
    begin(&a, STAGE2, "");
    const hidi_params *params[] = {&hidi_stage2_student(a.stage2)->params, a.result,
                                   &hidi_stage2_fake(a.stage2)->params,
                                   &hidi_stage2_heads(a.stage2)->params};
    for (int step = 1; step <= 2; step++) { /* k = 2: step 1 is not its turn, step 2 is */
        hidi_real *before[4];
        for (int i = 0; i < 4; i++) {
            before[i] = malloc(params[i]->count * sizeof(hidi_real));
            memcpy(before[i], params[i]->value, params[i]->count * sizeof(hidi_real));
        }
        ck_assert_int_eq(hidi_workers_step(a.workers, step, values), HIDI_OK);
        for (int i = 0; i < 4; i++) {
            const bool moved =
                memcmp(before[i], params[i]->value, params[i]->count * sizeof(hidi_real)) != 0;
            ck_assert_int_eq(moved, i >= 2 || step == 2);
            free(before[i]);
        }
    }
    end(&a);
}
END_TEST

/* The gradients' norms of one iteration: of the fake score, and of the heads. */
static void stage2_norms(int backbone, double discriminator_weight, double *fake, double *heads)
{
    hidi_stage2_options options = stage2_options();
    hidi_stage2 *training;
    hidi_dit *net = small_dit(3), *student;
    double values[HIDI_MAX_LOG_COLUMNS];
    options.backbone = backbone;
    options.discriminator_weight = discriminator_weight;
    OK(hidi_dit_student(&student, net, 1));
    OK(hidi_stage2_create(&training, student, net, data, &options, ""));
    hidi_workers *workers;
    const hidi_task *task = hidi_stage2_task(training);
    OK(hidi_workers_create(&workers, task));
    OK(hidi_workers_step(workers, 0, values));
    hidi_workers_destroy(workers);
    for (int i = 0; task->columns[i] != NULL; i++)
        if (strcmp(task->columns[i], "fake_grad_norm") == 0)
            *fake = values[i];
        else if (strcmp(task->columns[i], "head_grad_norm") == 0)
            *heads = values[i];
    hidi_stage2_destroy(training);
    hidi_dit_destroy(student);
    hidi_dit_destroy(net);
}

/* It scales the heads' gradients, and the heads' share of the fake score's where they read that. */
START_TEST(discriminator_weight)
{
    double fake, heads, fake_half, heads_half;
    stage2_norms(HIDI_BACKBONE_TEACHER, 1, &fake, &heads);
    stage2_norms(HIDI_BACKBONE_TEACHER, 0.5, &fake_half, &heads_half);
    ck_assert(fake_half == fake && heads_half == 0.5 * heads && heads > 0); /* 1/2: no rounding */
    stage2_norms(HIDI_BACKBONE_FAKE, 1, &fake, &heads);
    stage2_norms(HIDI_BACKBONE_FAKE, 0.5, &fake_half, &heads_half);
    ck_assert(fake_half != fake && heads_half == 0.5 * heads);
}
END_TEST

START_TEST(students_are_not_guided)
{
    hidi_dit *net = small_dit(1), *student;
    hidi_tape *tape = hidi_tape_create(backend);
    ck_assert_int_eq(hidi_dit_student(&student, net, 1), HIDI_OK);
    hidi_var *z = hidi_filled(tape, hidi_shape4(2, 3, 8, 8), 1);
    hidi_var *t = hidi_filled(tape, hidi_shape1(2), 1), *r = hidi_filled(tape, hidi_shape1(2), 0);
    ck_assert_ptr_nonnull(hidi_progressive_target(tape, net, z, t, r, NULL, 1.5));
    ck_assert_ptr_nonnull(hidi_progressive_target(tape, student, z, t, r, NULL, 1));
    ck_assert_ptr_null(hidi_progressive_target(tape, student, z, t, r, NULL, 1.5));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "guidance 1.5"));
    hidi_tape_destroy(tape);
    hidi_dit_destroy(student);
    hidi_dit_destroy(net);
}
END_TEST

/* Snapshots are of the result so far: the last of them is what a shorter training ends with. */
static hidi_real *snapshot_value;
static long snapshot_steps[STEPS];
static int n_snapshots;

static hidi_status take_snapshot(void *context, long steps)
{
    const hidi_params *params = *(const hidi_params **)context;
    snapshot_steps[n_snapshots++] = steps;
    memcpy(snapshot_value, params->value, params->count * sizeof *snapshot_value);
    return HIDI_OK;
}

START_TEST(snapshots)
{
    any_training whole, part;
    hidi_training training = {.steps = STEPS, .log_every = 1, .snapshot_every = 2,
                              .snapshot = take_snapshot};
    ck_assert_int_eq(STEPS, 6);
    begin(&whole, STAGE1, "");
    const hidi_params *result = whole.result;
    training.context = &result;
    snapshot_value = malloc(whole.result->count * sizeof *snapshot_value);
    n_snapshots = 0;
    ck_assert_int_eq(hidi_train(whole.task, &training), HIDI_OK);
    ck_assert_int_eq(n_snapshots, 2); /* the end is not a snapshot */
    ck_assert(snapshot_steps[0] == 2 && snapshot_steps[1] == 4);
    begin(&part, STAGE1, "");
    double values[HIDI_MAX_LOG_COLUMNS];
    for (long step = 0; step < 4; step++)
        ck_assert_int_eq(hidi_workers_step(part.workers, step, values), HIDI_OK);
    ck_assert_mem_eq(snapshot_value, part.result->value, part.result->count * sizeof(hidi_real));
    free(snapshot_value);
    end(&whole);
    end(&part);
}
END_TEST

/* --- students of another size ----------------------------------------------------------------- */

/* u(z, r, t, y) of two images, on the host. */
static void velocity_of(const hidi_dit *net, hidi_real *out)
{
    static const int32_t label[2] = {3, 10};
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_real host[2 * 3 * 8 * 8];
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 5}, 0, host, sizeof host / sizeof host[0]);
    hidi_var *z = hidi_constant(tape, hidi_shape4(2, 3, 8, 8), host);
    hidi_var *t = hidi_filled(tape, hidi_shape1(2), (hidi_real)0.7);
    hidi_var *u = hidi_dit_velocity(tape, net, true, z, t, NULL, HIDI_CLASSES(label));
    ck_assert_int_eq(hidi_tape_status(tape), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, u, out), HIDI_OK);
    hidi_tape_destroy(tape);
}

/* More blocks: the same function at first.  Fewer: blocks of the teacher's. */
START_TEST(students_of_other_depths)
{
    enum { OUT = 2 * 3 * 8 * 8 };
    hidi_dit *net = small_dit(1), *deep, *two, *one;
    hidi_real a[OUT], b[OUT];
    ck_assert_int_eq(hidi_dit_student_of_depth(&deep, net, 5, 1), HIDI_OK);
    ck_assert_uint_eq(deep->config.depth, 5);
    velocity_of(net, a);
    velocity_of(deep, b);
    ck_assert_mem_eq(a, b, sizeof a);
    ck_assert_int_eq(hidi_dit_student_of_depth(&two, deep, 2, 1), HIDI_OK);
    for (int i = 0; i < two->params.n_params; i++) {
        const hidi_param *p = &two->params.param[i];
        const char *last = strncmp(p->name, "blocks.1.", 9) == 0 ? p->name + 9 : NULL;
        char name[128];
        snprintf(name, sizeof name, "blocks.4.%s", last ? last : "");
        const int j = hidi_params_find(&deep->params, last ? name : p->name);
        ck_assert_int_ge(j, 0);
        ck_assert_mem_eq(two->params.value + p->offset,
                         deep->params.value + deep->params.param[j].offset,
                         hidi_count(p->shape) * sizeof(hidi_real));
    }
    ck_assert_int_eq(hidi_dit_student_of_depth(&one, net, 1, 1), HIDI_OK);
    velocity_of(one, b);
    ck_assert_mem_ne(a, b, sizeof a);
    hidi_dit_destroy(one);
    hidi_dit_destroy(two);
    hidi_dit_destroy(deep);
    hidi_dit_destroy(net);
}
END_TEST

START_TEST(students_of_other_sizes)
{
    hidi_dit *net = small_dit(1);
    hidi_dataset *shapes;
    hidi_stage1 *s;
    double values[HIDI_MAX_LOG_COLUMNS];
    hidi_stage1_options options = {.batch = 4, .micro_batch = 4, .seed = 1, .ema = 0.9,
                               .interval = {HIDI_INTERVAL_COVER, 0.25, 0.6, 0, 1},
                               .meanflow = {.guidance = 1.5, .p = 1, .c = 1}, .adamw = adamw,
                               .schedule = schedule, .student = {HIDI_START_TEACHER, 8, 0, 0}};
    ck_assert_int_eq(hidi_dataset_open(&shapes, "shapes", NULL, 8, 1), HIDI_OK);
    ck_assert_int_eq(hidi_stage1_create(&s, net, shapes, &options, ""), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "width 8"));
    ck_assert_ptr_null(s);
    options.student = (hidi_student_options){HIDI_START_RANDOM, 8, 3, 1};
    OK(hidi_stage1_create(&s, net, shapes, &options, ""));
    const hidi_dit_config *config = &hidi_stage1_student(s)->config;
    hidi_workers *workers;
    ck_assert(config->width == 8 && config->depth == 3 && config->heads == 1 &&
              config->has_interval);
    /* The MLPs keep the teacher's ratio. */
    ck_assert_uint_eq(config->mlp_width * net->config.width, net->config.mlp_width * 8);
    OK(hidi_workers_create(&workers, hidi_stage1_task(s)));
    OK(hidi_workers_step(workers, 0, values));
    hidi_workers_destroy(workers);
    hidi_stage1_destroy(s);
    hidi_dataset_close(shapes);
    hidi_dit_destroy(net);
}
END_TEST

/* A task whose micro-batches begin with NaN among the parameters. */
static const hidi_task *unbroken;
static const hidi_params *broken_params;

static void break_params(const hidi_params *params)
{
    const hidi_real broken = (hidi_real)NAN;
    backend->upload(params->value, &broken, sizeof broken);
}

static hidi_status break_and_accumulate(void *self, hidi_worker *worker, double *terms)
{
    break_params(broken_params);
    return unbroken->accumulate(self, worker, terms);
}

static hidi_task breaking(const hidi_task *task, const hidi_params *params)
{
    hidi_task broken = *task;
    unbroken = task;
    broken_params = params;
    broken.accumulate = break_and_accumulate;
    broken.micro_batch = BATCH; /* one thread breaks them */
    return broken;
}

START_TEST(not_finite_stops)
{
    any_training a;
    const hidi_training training = {.steps = STEPS, .log_every = 1, .save_every = 1,
                                    .checkpoint = scratch("last.safetensors")};
    hidi_training two = training;
    two.stop_after = 2;
    remove(training.checkpoint);
    begin(&a, TEACHER, "");
    ck_assert_int_eq(hidi_train(a.task, &two), HIDI_INTERRUPTED);
    end(&a);

    begin(&a, TEACHER, "");
    const hidi_task broken = breaking(a.task, &hidi_teacher_net(a.teacher)->params);
    ck_assert_int_eq(hidi_train(&broken, &training), HIDI_NOT_FINITE);
    ck_assert_msg(strstr(hidi_error_message(), "teacher, step 2: the flow matching loss is") !=
                          NULL &&
                      strstr(hidi_error_message(), "last.safetensors") != NULL,
                  "%s", hidi_error_message());
    ck_assert_int_eq(access(training.checkpoint, F_OK), 0);
    end(&a);
}
END_TEST

/* The first term that is not finite is named, in the order of the log; and nothing has changed. */
START_TEST(not_finite_is_named)
{
    any_training a;
    const hidi_training training = {.steps = STEPS, .log_every = 1};
    const struct {
        int kind;
        const char *where, *message;
    } cases[] = {
        {FEATURES, "net", "features, step 0: the cross entropy is "},
        {TEACHER, "net", "teacher, step 0: the flow matching loss is "},
        {STAGE1, "teacher", "stage 1, step 0: the teacher's velocity v is "},
        {STAGE1, "student", "stage 1, step 0: the average velocity u is "},
        {STAGE2, "student", "stage 2, step 0: the fake score's loss is "},
        {STAGE2, "fake", "stage 2, step 0: the fake score's loss is "},
        {STAGE2, "heads", "stage 2, step 0: the discriminator's loss is "},
        {STAGE2, "teacher", "stage 2, step 0: the distribution matching loss is "},
    };
    begin(&a, cases[_i].kind, "");
    const char *where = cases[_i].where;
    const hidi_params *params =
        strcmp(where, "teacher") == 0        ? &a.net->params
        : strcmp(where, "fake") == 0         ? &hidi_stage2_fake(a.stage2)->params
        : strcmp(where, "heads") == 0        ? &hidi_stage2_heads(a.stage2)->params
        : cases[_i].kind == FEATURES         ? a.result
        : cases[_i].kind == TEACHER          ? &hidi_teacher_net(a.teacher)->params
        : cases[_i].kind == STAGE1           ? &hidi_stage1_student(a.stage1)->params
                                             : &hidi_stage2_student(a.stage2)->params;
    const size_t bytes = a.result->count * sizeof(hidi_real);
    const hidi_task broken = breaking(a.task, params);
    hidi_real *before = malloc(bytes);
    if (params == a.result)
        break_params(params);
    memcpy(before, a.result->value, bytes);
    ck_assert_int_eq(hidi_train(&broken, &training), HIDI_NOT_FINITE);
    ck_assert_msg(strncmp(hidi_error_message(), cases[_i].message, strlen(cases[_i].message)) == 0,
                  "%s", hidi_error_message());
    ck_assert_mem_eq(before, a.result->value, bytes);
    free(before);
    end(&a);
}
END_TEST

/* A gradient that is not finite is named, and changes nothing. */
START_TEST(not_finite_gradient)
{
    hidi_dit *net = small_dit(1);
    hidi_optimizer optimizer;
    hidi_real infinite = (hidi_real)INFINITY;
    double norm;
    ck_assert_int_eq(hidi_optimizer_init(&optimizer, &net->params, &adamw), HIDI_OK);
    const int i = hidi_params_find(&net->params, "blocks.1.mlp.fc2.weight");
    const size_t bytes = net->params.count * sizeof(hidi_real);
    hidi_real *before = malloc(bytes);
    memcpy(before, net->params.value, bytes);
    backend->upload(net->params.grad + net->params.param[i].offset + 5, &infinite, sizeof infinite);
    ck_assert_int_eq(hidi_optimizer_step(&optimizer, 0.1, &norm), HIDI_NOT_FINITE);
    ck_assert_str_eq(hidi_error_message(), "the gradient of blocks.1.mlp.fc2.weight is not finite");
    ck_assert_mem_eq(before, net->params.value, bytes);
    ck_assert_int_eq(optimizer.updates, 0);
    free(before);
    hidi_optimizer_free(&optimizer);
    hidi_dit_destroy(net);
}
END_TEST

/* Activations that are computed again instead of kept: the same bits, in less memory. */
START_TEST(recomputed_is_kept)
{
    const hidi_training training = {.steps = STEPS, .log_every = 1};
    any_training kept, again;
    size_t peak[2];
    for (int i = 0; i < 2; i++) {
        any_training *a = i == 0 ? &kept : &again;
        double values[HIDI_MAX_LOG_COLUMNS];
        prepare(a, _i);
        a->net->config.recompute = i == 1;
        if (a->student != NULL)
            a->student->config.recompute = i == 1;
        OK(construct(a, _i, ""));
        OK(hidi_train(a->task, &training));
        OK(hidi_workers_step(a->workers, STEPS, values));
        peak[i] = hidi_workers_peak(a->workers);
    }
    ck_assert_mem_eq(kept.result->value, again.result->value,
                     kept.result->count * sizeof(hidi_real));
    ck_assert_uint_lt(peak[1], peak[0]);
    end(&kept);
    end(&again);
}
END_TEST

/* The scale is 1 over the deviation of latents, which are drawn again here with other noise; and
 * the error is that of the test images as decode and encode have it. */
START_TEST(autoencoder_is_measured)
{
    enum { N = 256, PIXELS = 3 * 8 * 8, LATENT = 2 * 2 * 2 };
    any_training a;
    hidi_reconstruction r;
    const hidi_training training = {.steps = STEPS, .log_every = 1};
    begin(&a, AUTOENCODER, "");
    OK(hidi_train(a.task, &training));
    OK(hidi_autoencoder_training_finish(a.autoencoder, N, &r));
    const hidi_autoencoder *net = hidi_autoencoder_training_result(a.autoencoder);
    hidi_real *x = malloc(N * PIXELS * sizeof *x), *y = malloc(N * PIXELS * sizeof *y);
    hidi_real *moments = malloc(N * 2 * LATENT * sizeof *moments), e[LATENT];
    int32_t label[N];
    double sum = 0, squares = 0, error = 0;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_dataset_range(data, HIDI_TRAIN, 0, N, x, label);
    OK(hidi_autoencoder_moments(net, tape, x, N, 8, 8, moments));
    for (int i = 0; i < N; i++) {
        hidi_normal((hidi_random){99, HIDI_STREAM_TEST, 0}, (uint64_t)i * LATENT, e, LATENT);
        for (int k = 0; k < LATENT; k++) {
            const hidi_real *m = moments + 2 * i * LATENT + k;
            const double z = (double)m[0] + exp((double)m[LATENT] / 2) * (double)e[k];
            sum += z, squares += z * z;
        }
    }
    const double n = N * LATENT, deviation = sqrt(squares / n - sum / n * (sum / n));
    ck_assert_double_eq_tol(net->config.scale * deviation, 1, 4 / sqrt(n));

    hidi_dataset_range(data, HIDI_TEST, 0, N, x, label);
    OK(hidi_autoencoder_moments(net, tape, x, N, 8, 8, moments));
    for (int i = 0; i < N; i++)
        for (int k = 0; k < LATENT; k++)
            moments[i * LATENT + k] =
                (hidi_real)net->config.scale * moments[2 * i * LATENT + k];
    OK(hidi_autoencoder_images(net, tape, moments, N, 2, 2, y));
    for (int i = 0; i < N * PIXELS; i++)
        error += fabs((double)x[i] - (double)y[i]) / (N * PIXELS);
    ck_assert_double_eq_tol(r.error, error, 1e-5 * error);
    ck_assert_double_gt(r.squared, r.error * r.error);
    ck_assert_uint_eq(r.images, N);
    hidi_tape_destroy(tape);
    free(x), free(y), free(moments);
    end(&a);
}
END_TEST

START_TEST(autoencoders_that_do_not_fit)
{
    static const struct {
        size_t levels, latents;
        const char *message;
    } cases[] = {{5, 2, "multiples of 16 pixels"}, {1, 4, "larger than the images"}};
    for (int i = 0; i < 2; i++) {
        hidi_autoencoder_options options = autoencoder_options;
        hidi_autoencoder_training *training;
        options.net.levels = cases[i].levels;
        options.net.width[3] = options.net.width[4] = 4;
        options.net.latent_channels = cases[i].latents;
        ck_assert_int_eq(hidi_autoencoder_training_create(&training, backend, data, &options, NULL,
                                                          ""),
                         HIDI_BAD_ARGUMENT);
        ck_assert_ptr_null(training);
        ck_assert_msg(strstr(hidi_error_message(), cases[i].message) != NULL, "%s",
                      hidi_error_message());
    }
}
END_TEST

static double value_of(const hidi_task *task, const double *values, const char *column)
{
    int i = 0;
    while (strcmp(task->columns[i], column) != 0)
        i++;
    return values[i];
}

/* Two trainings that differ in the adversary's weight are one until it starts; then it is felt, by
 * the autoencoder through that weight alone. */
START_TEST(adversary_starts_late)
{
    enum { START = 2 };
    static const double weight[] = {1e-12, 10};
    hidi_real *result[2];
    for (int i = 0; i < 2; i++) {
        hidi_autoencoder_options options = autoencoder_options;
        hidi_autoencoder_training *training;
        hidi_workers *workers;
        hidi_dit *critic = small_dit(3);
        double values[HIDI_MAX_LOG_COLUMNS];
        options.adversary = adversary_options();
        options.adversary.weight = weight[i];
        options.adversary_start = START;
        OK(hidi_autoencoder_training_create(&training, backend, data, &options, critic, ""));
        const hidi_task *task = hidi_autoencoder_training_task(training);
        OK(hidi_workers_create(&workers, task));
        const hidi_params *net = task->trained[0];
        result[i] = malloc(2 * net->count * sizeof *result[i]);
        for (long step = 0; step <= START; step++) {
            OK(hidi_workers_step(workers, step, values));
            ck_assert_int_eq(isnan(value_of(task, values, "adv_loss")), step < START);
            ck_assert_int_eq(isnan(value_of(task, values, "head_grad_norm")), step < START);
            if (step >= START - 1)
                backend->download(result[i] + (step - START + 1) * (long)net->count, net->value,
                                  net->count * sizeof(hidi_real));
        }
        ck_assert_double_gt(value_of(task, values, "head_grad_norm"), 0);
        if (i == 1) {
            ck_assert_mem_eq(result[0], result[1], net->count * sizeof(hidi_real));
            ck_assert_mem_ne(result[0] + net->count, result[1] + net->count,
                             net->count * sizeof(hidi_real));
        }
        hidi_workers_destroy(workers);
        hidi_autoencoder_training_destroy(training);
        hidi_dit_destroy(critic);
    }
    free(result[0]), free(result[1]);
}
END_TEST

START_TEST(adversary_without_a_critic)
{
    hidi_autoencoder_options options = autoencoder_options;
    hidi_autoencoder_training *training;
    options.adversary = adversary_options();
    ck_assert_int_eq(hidi_autoencoder_training_create(&training, backend, data, &options, NULL, ""),
                     HIDI_BAD_ARGUMENT);
    ck_assert_ptr_null(training);
    ck_assert_str_eq(hidi_error_message(), "autoencoder: an adversary reads the features of a "
                                           "teacher, and there is none");
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK ||
        hidi_dataset_open(&data, "shapes", NULL, 8, 1) != HIDI_OK)
        return EXIT_FAILURE;
    scratch_begin();
    Suite *suite = begin_suite("training");
    TCase *tcase = tcase_create("training");
    tcase_add_loop_test(tcase, resumed_is_uninterrupted, 0, KINDS);
    tcase_add_test(tcase, damaged_logs_are_set_aside);
    tcase_add_test(tcase, lost_rows_are_noted);
    tcase_add_loop_test(tcase, asked_to_stop, 0, KINDS);
    tcase_add_loop_test(tcase, teacher_is_frozen, 0, KINDS);
    tcase_add_loop_test(tcase, no_allocation_after_the_first_steps, 0, KINDS);
    tcase_add_loop_test(tcase, no_memory_is_an_error, 0, KINDS);
    tcase_add_loop_test(tcase, recomputed_is_kept, TEACHER, KINDS);
    tcase_add_test(tcase, autoencoder_is_measured);
    tcase_add_test(tcase, autoencoders_that_do_not_fit);
    tcase_add_test(tcase, adversary_starts_late);
    tcase_add_test(tcase, adversary_without_a_critic);
    tcase_add_test(tcase, generator_waits_for_its_turn);
    tcase_add_test(tcase, discriminator_weight);
    tcase_add_test(tcase, students_are_not_guided);
    tcase_add_test(tcase, snapshots);
    tcase_add_test(tcase, students_of_other_depths);
    tcase_add_test(tcase, students_of_other_sizes);
    tcase_add_test(tcase, not_finite_stops);
    tcase_add_loop_test(tcase, not_finite_is_named, 0, 8);
    tcase_add_test(tcase, not_finite_gradient);
    suite_add_tcase(suite, tcase);
    const int result = run_suite_in_process(suite);
    hidi_dataset_close(data);
    return result;
}
