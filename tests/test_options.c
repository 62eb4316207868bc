/* test_options.c - the defaults of the settings are those of the library; options that make no
 * sense are refused by name, by the checks, the constructors and the loop. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lab/settings_check.h"
#include "train/options.h"
#include "suite.h"

/* --- the fields of all options ---------------------------------------------------------------- */

typedef enum type { REAL, INT, LONG, SIZE, SEED } type;

typedef struct field {
    const char *name; /* the last part: what a message calls it */
    type type;
    size_t offset;
} field;

#define F(S, type, name) {#name, type, offsetof(S, name)}
#define IN(S, type, outer, name) {#name, type, offsetof(S, outer.name)}
#define ADAMW(S)                                                                                   \
    IN(S, REAL, adamw, beta1), IN(S, REAL, adamw, beta2), IN(S, REAL, adamw, eps),                 \
        IN(S, REAL, adamw, decay), IN(S, REAL, adamw, clip)
#define SCHEDULE(S)                                                                                \
    IN(S, REAL, schedule, rate), IN(S, LONG, schedule, warmup), IN(S, INT, schedule, decay),       \
        IN(S, REAL, schedule, final), IN(S, LONG, schedule, steps)
#define TIME(S, outer)                                                                             \
    IN(S, INT, outer, density), IN(S, REAL, outer, least), IN(S, REAL, outer, most),               \
        IN(S, REAL, outer, mean), IN(S, REAL, outer, deviation)
#define INTERVAL(S)                                                                                \
    IN(S, INT, interval, sampler), IN(S, REAL, interval, same), IN(S, REAL, interval, from_zero),  \
        IN(S, REAL, interval, mean), IN(S, REAL, interval, deviation)
#define MEANFLOW(S)                                                                                \
    IN(S, REAL, meanflow, guidance), IN(S, REAL, meanflow, p), IN(S, REAL, meanflow, c),           \
        IN(S, REAL, meanflow, difference), IN(S, REAL, meanflow, bound)

#define ADVERSARY(S)                                                                               \
    {"adversary_weight", REAL, offsetof(S, adversary.weight)},                                     \
        {"adversarial_loss", INT, offsetof(S, adversary.loss)}, TIME(S, adversary.time),           \
        IN(S, REAL, adversary, r1_weight), IN(S, REAL, adversary, r1_sigma),                       \
        IN(S, REAL, adversary, head_rate), IN(S, INT, adversary.heads, n),                         \
        {"block", INT, offsetof(S, adversary.heads.block[0])},                                     \
        {"block", INT, offsetof(S, adversary.heads.block[1])},                                     \
        IN(S, SIZE, adversary.heads, key_width)

#define A hidi_autoencoder_options
#define C hidi_classifier_options
#define T hidi_teacher_options
#define S1 hidi_stage1_options
#define S2 hidi_stage2_options

static const field classifier[] = {F(C, SIZE, batch), F(C, SIZE, micro_batch), F(C, SEED, seed), ADAMW(C), SCHEDULE(C), {0}};
static const field teacher[] = {F(T, SIZE, batch), F(T, SIZE, micro_batch),
                                F(T, SEED, seed),
                                F(T, REAL, label_dropout),
                                F(T, REAL, ema),
                                TIME(T, time),
                                ADAMW(T),
                                SCHEDULE(T),
                                {0}};
static const field stage1[] = {F(S1, SIZE, batch), F(S1, SIZE, micro_batch),
                               F(S1, SEED, seed),
                               F(S1, REAL, ema),
                               INTERVAL(S1),
                               MEANFLOW(S1),
                               ADAMW(S1),
                               SCHEDULE(S1),
                               IN(S1, INT, student, start),
                               IN(S1, SIZE, student, width),
                               IN(S1, SIZE, student, depth),
                               IN(S1, SIZE, student, heads),
                               {0}};
static const field stage2[] = {F(S2, SIZE, batch), F(S2, SIZE, micro_batch),
                               F(S2, SEED, seed),
                               F(S2, REAL, ema),
                               F(S2, REAL, guidance),
                               F(S2, LONG, generator_every),
                               TIME(S2, time),
                               ADVERSARY(S2),
                               F(S2, REAL, discriminator_weight),
                               F(S2, INT, backbone),
                               F(S2, REAL, td_weight),
                               INTERVAL(S2),
                               MEANFLOW(S2),
                               ADAMW(S2),
                               SCHEDULE(S2),
                               F(S2, REAL, fake_rate),
                               {0}};

static const field autoencoder[] = {F(A, SIZE, batch), F(A, SIZE, micro_batch),
                                    F(A, SEED, seed),
                                    F(A, REAL, kl_weight),
                                    F(A, REAL, ema),
                                    ADVERSARY(A),
                                    F(A, LONG, adversary_start),
                                    ADAMW(A),
                                    SCHEDULE(A),
                                    {0}};

typedef union options {
    C classifier;
    A autoencoder;
    T teacher;
    S1 stage1;
    S2 stage2;
} options;

enum { CLASSIFIER, AUTOENCODER, TEACHER, STAGE1, STAGE2, KINDS };
static const field *const fields[KINDS] = {classifier, autoencoder, teacher, stage1, stage2};

static options defaults(int kind)
{
    options o;
    memset(&o, 0, sizeof o);
    switch (kind) {
    case CLASSIFIER:
        o.classifier = hidi_classifier_defaults();
        break;
    case AUTOENCODER:
        o.autoencoder = hidi_autoencoder_defaults();
        break;
    case TEACHER:
        o.teacher = hidi_teacher_defaults();
        break;
    case STAGE1:
        o.stage1 = hidi_stage1_defaults();
        break;
    default:
        o.stage2 = hidi_stage2_defaults();
    }
    return o;
}

static hidi_status check(int kind, const options *o)
{
    return kind == CLASSIFIER ? hidi_classifier_check(&o->classifier)
           : kind == AUTOENCODER ? hidi_autoencoder_check(&o->autoencoder)
           : kind == TEACHER  ? hidi_teacher_check(&o->teacher)
           : kind == STAGE1   ? hidi_stage1_check(&o->stage1)
                              : hidi_stage2_check(&o->stage2);
}

static double get(const field *f, const options *o)
{
    const void *at = (const unsigned char *)o + f->offset;
    switch (f->type) {
    case REAL:
        return *(const double *)at;
    case INT:
        return *(const int *)at;
    case LONG:
        return (double)*(const long *)at;
    case SIZE:
        return (double)*(const size_t *)at;
    default:
        return (double)*(const uint64_t *)at;
    }
}

static void set(const field *f, options *o, double value)
{
    void *at = (unsigned char *)o + f->offset;
    switch (f->type) {
    case REAL:
        *(double *)at = value;
        break;
    case INT:
        *(int *)at = (int)value;
        break;
    case LONG:
        *(long *)at = (long)value;
        break;
    case SIZE:
        *(size_t *)at = (size_t)value;
        break;
    default:
        *(uint64_t *)at = (uint64_t)value;
    }
}

/* --- defaults --------------------------------------------------------------------------------- */

START_TEST(settings_have_the_defaults_of_the_library)
{
    hidi_settings settings;
    options library = defaults(_i), table;
    memset(&table, 0, sizeof table);
    ck_assert_int_eq(hidi_config_defaults(hidi_settings_table, &settings), HIDI_OK);
    switch (_i) {
    case CLASSIFIER:
        table.classifier = hidi_settings_classifier(&settings);
        break;
    case AUTOENCODER:
        ck_assert_int_eq(hidi_settings_autoencoder(&settings, &table.autoencoder), HIDI_OK);
        ck_assert_mem_eq(&table.autoencoder.net, &library.autoencoder.net,
                         sizeof library.autoencoder.net);
        break;
    case TEACHER:
        table.teacher = hidi_settings_teacher(&settings);
        break;
    case STAGE1:
        table.stage1 = hidi_settings_stage1(&settings);
        break;
    default: {
        const hidi_heads_config *read = &table.stage2.adversary.heads;
        const hidi_heads_config *heads = &library.stage2.adversary.heads;
        ck_assert_int_eq(hidi_settings_stage2(&settings, &table.stage2), HIDI_OK);
        ck_assert_int_eq(read->kind, heads->kind);
        ck_assert_int_eq(read->conditional, heads->conditional);
    }
    }
    for (const field *f = fields[_i]; f->name != NULL; f++)
        ck_assert_msg(get(f, &table) == get(f, &library),
                      "%d: %s is %g in the table, %g in the library", _i, f->name, get(f, &table),
                      get(f, &library));
}
END_TEST

START_TEST(defaults_are_good)
{
    const options o = defaults(_i);
    ck_assert_msg(check(_i, &o) == HIDI_OK, "%s", hidi_error_message());
}
END_TEST

/* What a stage depends on, as text: the same as before there was this setting, while it is not
 * used. */
START_TEST(later_settings_are_named_when_they_differ)
{
    hidi_settings settings;
    ck_assert_int_eq(hidi_config_defaults(hidi_settings_table, &settings), HIDI_OK);
    for (int i = 0; i < 2; i++) {
        char *text = hidi_settings_text(&settings, "dm");
        ck_assert_ptr_nonnull(text);
        ck_assert_ptr_nonnull(strstr(text, "dm.adversary_weight = "));
        ck_assert_int_eq(strstr(text, "dm.discriminator_weight = 0.01\n") != NULL, i);
        ck_assert_int_eq(strstr(text, "dm.discriminator_weight") != NULL, i);
        ck_assert_int_eq(strstr(text, "dm.micro_batch = 8\n") != NULL, i);
        ck_assert_int_eq(strstr(text, "dm.micro_batch") != NULL, i);
        free(text);
        settings.dm.train.micro_batch = 8;
        settings.dm.discriminator_weight = 0.01;
    }
    for (int i = 0; i < 2; i++) {
        char *text = hidi_settings_text(&settings, "data");
        ck_assert_ptr_nonnull(text);
        ck_assert_ptr_nonnull(strstr(text, "data.size = "));
        ck_assert_int_eq(strstr(text, "data.resize = pad\n") != NULL, i);
        ck_assert_int_eq(strstr(text, "data.background = #ff0000\n") != NULL, i);
        ck_assert_int_eq(strstr(text, "data.mirror = yes\n") != NULL, i);
        ck_assert_int_eq(strstr(text, "data.resize") != NULL, i);
        ck_assert_int_eq(strstr(text, "data.background") != NULL, i);
        ck_assert_int_eq(strstr(text, "data.mirror") != NULL, i);
        free(text);
        settings.data.resize = HIDI_RESIZE_PAD;
        settings.data.mirror = 1;
        strcpy(settings.data.background, "#ff0000");
    }
}
END_TEST

/* --- what is refused -------------------------------------------------------------------------- */

/* True of a message that calls the option by its name: "stage 2: adamw: beta1 is ...". */
static bool names(const char *message, const char *option)
{
    char text[64];
    snprintf(text, sizeof text, " %s is ", option);
    return strstr(message, text) != NULL;
}

static void refuses(int kind, const field *f, double value)
{
    options o = defaults(kind);
    if (kind == STAGE2)
        o.stage2.adversary.r1_weight = 1;
    if (kind == AUTOENCODER)
        o.autoencoder.adversary.weight = o.autoencoder.adversary.r1_weight = 1;
    set(f, &o, value);
    ck_assert_msg(check(kind, &o) == HIDI_BAD_ARGUMENT, "%d: %s = %g", kind, f->name, value);
    ck_assert_msg(names(hidi_error_message(), f->name), "%s", hidi_error_message());
}

START_TEST(nothing_but_finite_numbers)
{
    for (const field *f = fields[_i]; f->name != NULL; f++)
        if (f->type == REAL) {
            refuses(_i, f, NAN);
            refuses(_i, f, INFINITY);
            refuses(_i, f, -INFINITY);
        }
}
END_TEST

/* Values that are refused wherever an option of that name occurs. */
static const struct {
    const char *name;
    int n;
    double value[4];
} absurd[] = {
    {"batch", 3, {0, 1000001, 1e18}},
    {"micro_batch", 3, {0, 1000001, 1e18}},
    {"beta1", 3, {1, -0.1, 1.5}},
    {"beta2", 3, {1, -0.1, 1.5}},
    {"eps", 2, {0, -1}},
    {"clip", 1, {-1}},
    {"decay", 1, {-1}},
    {"rate", 1, {-1e-3}},
    {"warmup", 1, {-1}},
    {"final", 2, {-0.1, 1.1}},
    {"steps", 2, {0, -5}},
    {"label_dropout", 2, {-0.1, 1.1}},
    {"ema", 3, {1, -0.1, 2}},
    {"density", 2, {-1, 2}},
    {"least", 2, {-0.1, 1.1}},
    {"most", 2, {-0.1, 1.1}},
    {"deviation", 1, {-1}},
    {"sampler", 2, {-1, 2}},
    {"same", 2, {-0.1, 1.1}},
    {"from_zero", 2, {-0.1, 1.1}},
    {"p", 1, {-1}},
    {"c", 2, {0, -1}},
    {"difference", 2, {-0.1, 1.1}},
    {"bound", 1, {-1}},
    {"start", 2, {-1, 2}},
    {"generator_every", 2, {0, -1}},
    {"adversary_weight", 1, {-1}},
    {"discriminator_weight", 2, {0, -1}},
    {"adversarial_loss", 2, {-1, 2}},
    {"backbone", 2, {-1, 2}},
    {"r1_weight", 1, {-1}},
    {"r1_sigma", 2, {0, -1}},
    {"n", 3, {0, -1, HIDI_MAX_TAPS + 1}},
    {"block", 1, {-1}},
    {"key_width", 2, {0, 1e18}},
    {"td_weight", 1, {-1}},
    {"adversary_start", 1, {-1}},
    {"fake_rate", 1, {-1}},
    {"head_rate", 1, {-1}},
};

START_TEST(absurd_values)
{
    for (const field *f = fields[_i]; f->name != NULL; f++)
        for (size_t k = 0; k < sizeof absurd / sizeof absurd[0]; k++)
            for (int i = 0; i < absurd[k].n && strcmp(f->name, absurd[k].name) == 0; i++)
                refuses(_i, f, absurd[k].value[i]);
}
END_TEST

/* Options that only make no sense together. */
START_TEST(absurd_together)
{
    hidi_stage2_options o = hidi_stage2_defaults();
    o.time.least = 0.6;
    o.time.most = 0.5;
    ck_assert_int_eq(hidi_stage2_check(&o), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), "stage 2: time: most is 0.5: expected least to 1");
    o = hidi_stage2_defaults();
    o.adversary.heads.block[1] = o.adversary.heads.block[0];
    ck_assert_int_eq(hidi_stage2_check(&o), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(),
                     "stage 2: heads: block is 1: expected numbers from 0, ascending");
    o.adversary.weight = 0; /* nobody asks the heads then */
    ck_assert_int_eq(hidi_stage2_check(&o), HIDI_OK);
}
END_TEST

/* --- what is refused when settings are read --------------------------------------------------- */

/* Each alone makes no sense, within the table's range as it is: by the library's check, under the
 * names that users know. */
START_TEST(settings_are_refused_by_name)
{
    static const struct {
        const char *assignment, *message;
    } cases[] = {
        {"features.beta1=1",
         "features.beta1: feature net: adamw: beta1 is 1: expected 0 to less than 1"},
        {"features.ema=1", "features.ema: feature net: ema is 1: expected 0 to less than 1"},
        {"vae.ema=1", "vae.ema: autoencoder: ema is 1: expected 0 to less than 1"},
        {"vae.groups=5", "vae.groups: autoencoder: 32 channels of level 0 are not a multiple of 5"},
        {"vae.widths=32,,64", "vae.widths: widths \"32,,64\": expected up to 8 numbers"},
        {"teacher.beta2=1", "teacher.beta2: teacher: adamw: beta2 is 1: expected 0 to less than 1"},
        {"teacher.ema=1", "teacher.ema: teacher: ema is 1: expected 0 to less than 1"},
        {"teacher.time_most=0.5", NULL},
        {"teacher.time_least=1", NULL},
        {"td.beta1=1", "td.beta1: stage 1: adamw: beta1 is 1: expected 0 to less than 1"},
        {"td.ema=1", "td.ema: stage 1: ema is 1: expected 0 to less than 1"},
        {"dm.beta1=1", "dm.beta1: stage 2: adamw: beta1 is 1: expected 0 to less than 1"},
        {"dm.ema=1", "dm.ema: stage 2: ema is 1: expected 0 to less than 1"},
        {"dm.time_most=0.2", "dm.time_most: stage 2: time: most is 0.2: expected least to 1"},
        {"dm.adversary_time_least=0.5",
         "dm.adversary_time_least: stage 2: adversary_time: most is 0.3: expected least to 1"},
        {"dm.blocks=3,1", "dm.blocks: "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hidi_settings s;
        const char *message = cases[i].message;
        ck_assert_int_eq(hidi_config_defaults(hidi_settings_table, &s), HIDI_OK);
        ck_assert_int_eq(hidi_settings_check(&s, "run features vae teacher td dm"), HIDI_OK);
        ck_assert_int_eq(hidi_config_set(hidi_settings_table, &s, cases[i].assignment), HIDI_OK);
        ck_assert_int_eq(hidi_settings_check(&s, "run data sample"), HIDI_OK);
        const hidi_status status = hidi_settings_check(&s, "run features vae teacher td dm");
        ck_assert_msg(status == (message ? HIDI_BAD_ARGUMENT : HIDI_OK), "%s",
                      cases[i].assignment);
        if (message != NULL)
            ck_assert_msg(strncmp(hidi_error_message(), message, strlen(message)) == 0, "%s: %s",
                          cases[i].assignment, hidi_error_message());
    }
}
END_TEST

START_TEST(settings_are_refused_together)
{
    hidi_settings s;
    ck_assert_int_eq(hidi_config_defaults(hidi_settings_table, &s), HIDI_OK);
    s.teacher.time.least = 0.9;
    s.teacher.time.most = 0.1;
    ck_assert_int_eq(hidi_settings_check(&s, "teacher"), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), "teacher.time_least, teacher.time_most: teacher: time: "
                                           "most is 0.1: expected least to 1");
    s.teacher.train.ema = 1; /* the first complaint is about this one, and only this one is named */
    ck_assert_int_eq(hidi_settings_check(&s, "teacher"), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(),
                     "teacher.ema: teacher: ema is 1: expected 0 to less than 1");
}
END_TEST

/* --- the constructors, and the loop ----------------------------------------------------------- */

#define OK(call) ck_assert_msg((call) == HIDI_OK, "%s", hidi_error_message())

static const hidi_backend *backend;
static hidi_dataset *data;

static hidi_dit *new_dit(void)
{
    const hidi_dit_config config = {.image_size = 8, .channels = 3, .out_channels = 3, .patch = 4,
                                    .width = 8, .depth = 1, .heads = 1, .mlp_width = 16,
                                    .n_classes = 10, .time_scale = 30};
    hidi_dit *net;
    ck_assert_int_eq(hidi_dit_create(&net, backend, &config), HIDI_OK);
    ck_assert_int_eq(hidi_dit_initialise(net, 1), HIDI_OK);
    return net;
}

/* Zeroed structs, and one forgotten field. */
START_TEST(constructors_check)
{
    options o;
    hidi_dit *net = new_dit();
    hidi_classifier *a = (hidi_classifier *)&o;
    hidi_teacher *b = (hidi_teacher *)&o;
    hidi_stage1 *c = (hidi_stage1 *)&o;
    hidi_stage2 *d = (hidi_stage2 *)&o;
    for (int i = 0; i < 2; i++) {
        memset(&o, 0, sizeof o);
        if (i == 1)
            o.classifier = hidi_classifier_defaults(), o.classifier.schedule.steps = 0;
        ck_assert_int_eq(hidi_classifier_create(&a, backend, data, &o.classifier, ""),
                         HIDI_BAD_ARGUMENT);
        ck_assert(a == NULL && names(hidi_error_message(), i ? "steps" : "batch"));
        memset(&o, 0, sizeof o);
        if (i == 1)
            o.teacher = hidi_teacher_defaults(), o.teacher.adamw.beta1 = 1;
        ck_assert_int_eq(hidi_teacher_create(&b, new_dit(), data, &o.teacher, ""),
                         HIDI_BAD_ARGUMENT);
        ck_assert(b == NULL && names(hidi_error_message(), i ? "beta1" : "batch"));
        memset(&o, 0, sizeof o);
        if (i == 1)
            o.stage1 = hidi_stage1_defaults(), o.stage1.ema = 1;
        ck_assert_int_eq(hidi_stage1_create(&c, net, data, &o.stage1, ""), HIDI_BAD_ARGUMENT);
        ck_assert(c == NULL && names(hidi_error_message(), i ? "ema" : "batch"));
        memset(&o, 0, sizeof o);
        if (i == 1)
            o.stage2 = hidi_stage2_defaults(), o.stage2.generator_every = 0;
        ck_assert_int_eq(hidi_stage2_create(&d, net, net, data, &o.stage2, ""), HIDI_BAD_ARGUMENT);
        ck_assert(d == NULL && names(hidi_error_message(), i ? "generator_every" : "batch"));
    }
    /* Good options, but heads after a block that this teacher does not have. */
    o.stage2 = hidi_stage2_defaults();
    ck_assert_int_eq(hidi_stage2_create(&d, net, net, data, &o.stage2, ""), HIDI_BAD_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "heads read after block 3"));
    hidi_dit_destroy(net);
}
END_TEST

START_TEST(optimizers_check)
{
    hidi_dit *net = new_dit();
    hidi_optimizer optimizer;
    const hidi_adamw none = {0, 0, 0, 0, 0};
    ck_assert_int_eq(hidi_optimizer_init(&optimizer, &net->params, &none), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), "eps is 0: expected more than 0");
    hidi_optimizer_free(&optimizer); /* is allowed */
    hidi_dit_destroy(net);
}
END_TEST

static hidi_status no_accumulate(void *self, hidi_worker *worker, double *terms)
{
    (void)self, (void)worker;
    terms[0] = 1;
    return HIDI_OK;
}

static hidi_status no_update(void *self, long step, double *values)
{
    (void)self, (void)step, (void)values;
    return HIDI_OK;
}

static hidi_status no_to_file(void *self, hidi_tensor_file *file)
{
    (void)self, (void)file;
    return HIDI_OK;
}

static hidi_status no_from_file(void *self, const hidi_tensor_file *file)
{
    (void)self, (void)file;
    return HIDI_OK;
}

static void loop_refuses(const hidi_task *task, const hidi_training *training, const char *message)
{
    ck_assert_int_eq(hidi_train(task, training), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), message);
}

START_TEST(loop_checks)
{
    static const char *const columns[] = {"loss", NULL}, *const none[] = {NULL};
    const char *many[HIDI_MAX_LOG_COLUMNS + 2] = {NULL};
    hidi_params params;
    hidi_params_init(&params, backend);
    OK(hidi_params_declare(&params, hidi_shape1(1), "w"));
    OK(hidi_params_allocate(&params));
    OK(hidi_params_train(&params));
    const hidi_task good = {.label = "nothing", .columns = columns, .settings = "", .data = data,
                            .batch = 1, .micro_batch = 1, .trained = {&params},
                            .accumulate = no_accumulate, .update = no_update,
                            .to_file = no_to_file, .from_file = no_from_file};
    const hidi_training three = {.steps = 3, .log_every = 1};
    hidi_training training = {0};
    hidi_task task = good;
    ck_assert_int_eq(hidi_train(&good, &three), HIDI_OK);

    loop_refuses(&good, &training, "nothing: steps is 0: expected 1 or more");
    training.steps = 3;
    loop_refuses(&good, &training, "nothing: log_every is 0: expected 1 or more");
    training = three, training.log_every = -1;
    loop_refuses(&good, &training, "nothing: log_every is -1: expected 1 or more");
    training = three, training.save_every = -1;
    loop_refuses(&good, &training, "nothing: save_every is -1: expected 0 or more");
    training = three, training.snapshot_every = 1;
    loop_refuses(&good, &training,
                 "nothing: snapshot_every is 1: expected 0 without a function for snapshots");
    training = three, training.stop_after = -1;
    loop_refuses(&good, &training, "nothing: stop_after is -1: expected 0 or more");

    task.label = NULL;
    loop_refuses(&task, &three, "a task without label");
    task = good, task.accumulate = NULL;
    loop_refuses(&task, &three, "a task without accumulate()");
    task = good, task.trained[0] = NULL;
    loop_refuses(&task, &three, "a task without parameters");
    task = good, task.batch = 0;
    loop_refuses(&task, &three, "batch is 0: expected 1 to 1000000 images");
    task = good, task.micro_batch = 0;
    loop_refuses(&task, &three, "micro_batch is 0: expected 1 to 1000000 images");
    task = good, task.columns = none;
    loop_refuses(&task, &three, "the number of columns is 0: expected 1 to 16");
    for (int i = 0; i <= HIDI_MAX_LOG_COLUMNS; i++)
        many[i] = "loss";
    task = good, task.columns = many;
    loop_refuses(&task, &three, "the number of columns is 17: expected 1 to 16");
    hidi_params_free(&params);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("reference", &backend) != HIDI_OK ||
        hidi_dataset_open(&data, "shapes", NULL, 8, 1) != HIDI_OK)
        return EXIT_FAILURE;
    Suite *suite = begin_suite("options");
    TCase *tcase = tcase_create("options");
    tcase_add_loop_test(tcase, settings_have_the_defaults_of_the_library, 0, KINDS);
    tcase_add_loop_test(tcase, defaults_are_good, 0, KINDS);
    tcase_add_loop_test(tcase, nothing_but_finite_numbers, 0, KINDS);
    tcase_add_loop_test(tcase, absurd_values, 0, KINDS);
    tcase_add_test(tcase, later_settings_are_named_when_they_differ);
    tcase_add_test(tcase, absurd_together);
    tcase_add_test(tcase, settings_are_refused_by_name);
    tcase_add_test(tcase, settings_are_refused_together);
    tcase_add_test(tcase, constructors_check);
    tcase_add_test(tcase, optimizers_check);
    tcase_add_test(tcase, loop_checks);
    suite_add_tcase(suite, tcase);
    const int result = run_suite_in_process(suite);
    hidi_dataset_close(data);
    return result;
}
