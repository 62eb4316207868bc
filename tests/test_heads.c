/* test_heads.c - the discriminator's heads: every kind in the list of method/heads.h.
 *
 * With D(z, t) the logits, g their gradient in whatever is moved, J their derivative in (z, t), and
 * random v and u:
 *   - <g, v>, of <u, D>, against differences along v: in the images, and in each parameter;
 *   - J v against differences along v, and <J v, u> = <v, J^T u>;
 *   - what a kind says of itself is so: scores, weights, logits per token;
 *   - several heads are averaged; frozen ones get no gradient; files give the same heads back;
 *   - a kind that has token weights begins as average pooling.
 *
 * Differences are of fourth order, as in test_ops.c, along v of length 1.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "method/heads.h"
#include "backbone.h"
#include "near.h"
#include "suite.h"

enum { B = 3, SIZE = 8, PIXELS = SIZE * SIZE, IMAGES = B * PIXELS, N = 16, D = BACKBONE_WIDTH };
enum { KEY = 8, LARGEST = 4096, DIRECTIONS = 3 };

#ifdef HIDI_DOUBLE
#define STEP 1e-3
#define DIFFERENCE_ERROR 1e-8
#else
#define STEP 2e-2
#define DIFFERENCE_ERROR 1e-3
#endif
#define DIFFERENCE_ROUNDINGS (100 * HIDI_REAL_EPSILON / STEP)
#define ADJOINT_ROUNDINGS (400 * HIDI_REAL_EPSILON)

static const hidi_backend *backend; /* set by main */
static const int32_t y[B] = {0, 2, 1};
static const hidi_real t[B] = {0.1f, 0.3f, 0.9f};
static hidi_real z[IMAGES];

static void draw(hidi_real *x, size_t n, uint64_t which)
{
    hidi_normal((hidi_random){3, HIDI_STREAM_TEST, which}, 0, x, n);
}

static double inner(const hidi_real *x, const hidi_real *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)v[i];
    return sum;
}

static double inner_of_sizes(const hidi_real *x, const hidi_real *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabs((double)x[i] * (double)v[i]);
    return sum;
}

/* v of length 1 */
static void draw_direction(hidi_real *v, size_t n, uint64_t which)
{
    draw(v, n, which);
    const double length = sqrt(inner(v, v, n));
    for (size_t i = 0; i < n; i++)
        v[i] = (hidi_real)((double)v[i] / length);
}

/* Every kind, plain, (those that can be) conditional, and with all other options. */
enum { OPTIONS = 3, VARIANTS = OPTIONS * HIDI_HEAD_COUNT };

static hidi_heads_config config_of(int variant)
{
    hidi_heads_config config = {.kind = (hidi_head_kind)(variant / OPTIONS), .n = 2,
                                .block = {0, 1}, .width = D, .key_width = KEY,
                                .conditional = variant % OPTIONS > 0};
    if (variant % OPTIONS == 2) {
        config.queries = 3;
        config.temperature = 0.5;
        config.mean = 0.25;
        config.top = 4;
    }
    return config;
}

/* As training starts them. */
static hidi_heads *new_heads(const hidi_heads_config *config)
{
    hidi_heads *heads;
    ck_assert_int_eq(hidi_heads_create(&heads, backend, config), HIDI_OK);
    ck_assert_int_eq(hidi_heads_initialise(heads, 1), HIDI_OK);
    return heads;
}

static void set(hidi_heads *heads, const char *name, const hidi_real *host)
{
    const int i = hidi_params_find(&heads->params, name);
    ck_assert_int_ge(i, 0);
    hidi_params_write(&heads->params, i, host);
}

/* --- one trial -------------------------------------------------------------------------------- */

/* Heads none of whose parameters is 0, on a backbone like that. */
typedef struct trial {
    hidi_dit *dit;
    hidi_heads *heads;
    hidi_tape *tape;
    hidi_var *z, *t;       /* of the latest pass */
    hidi_head_output output;
    size_t n_out;
    hidi_real u[B * N];    /* weights of the logits */
} trial;

/* Resets the tape; the logits at (z, t) = (x, s), with tangents dx, ds (NULL: none). */
static hidi_var *run(trial *self, const hidi_real *x, const hidi_real *s, const hidi_real *dx,
                     const hidi_real *ds)
{
    hidi_tape *tape = self->tape;
    const hidi_shape images = hidi_shape4(B, 1, SIZE, SIZE), times = hidi_shape1(B);
    hidi_tape_reset(tape);
    hidi_var *in_z = self->z = hidi_input(tape, images, x, true);
    hidi_var *in_t = self->t = hidi_input(tape, times, s, true);
    if (dx != NULL)
        in_z = hidi_dual(tape, in_z, hidi_constant(tape, images, dx));
    if (ds != NULL)
        in_t = hidi_dual(tape, in_t, hidi_constant(tape, times, ds));
    if (hidi_heads_forward(tape, self->heads, false, self->dit, true, in_z, in_t,
                           HIDI_CLASSES(y), &self->output) != HIDI_OK)
        ck_abort_msg("%s", hidi_error_message());
    return self->output.logits;
}

static void read(trial *self, const hidi_var *x, hidi_real *host)
{
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(hidi_read(self->tape, x, host), HIDI_OK);
}

static void begin(trial *self, int variant)
{
    const hidi_heads_config config = config_of(variant);
    hidi_real host[LARGEST];
    self->dit = random_backbone(backend, SIZE, 1, 2, 2);
    self->heads = new_heads(&config);
    self->tape = hidi_tape_create(backend);
    for (int i = 0; i < self->heads->params.n_params; i++) {
        const size_t n = hidi_count(self->heads->params.param[i].shape);
        ck_assert_uint_le(n, LARGEST);
        draw(host, n, 1000 + (uint64_t)i);
        for (size_t k = 0; k < n; k++)
            host[k] *= (hidi_real)0.5;
        hidi_params_write(&self->heads->params, i, host);
    }
    ck_assert_int_eq(hidi_params_train(&self->heads->params), HIDI_OK);
    self->n_out = hidi_count(run(self, z, t, NULL, NULL)->shape);
    ck_assert_uint_le(self->n_out, B * N);
    draw(self->u, self->n_out, 2000);
}

static void end(trial *self)
{
    hidi_tape_destroy(self->tape);
    hidi_heads_destroy(self->heads);
    hidi_dit_destroy(self->dit);
}

static const char *kind_of(const trial *self)
{
    return hidi_head_name(self->heads->config.kind);
}

/* --- derivatives ------------------------------------------------------------------------------ */

/* In single precision a difference is too wide for the lowest scores (which ones they are changes
 * on the way), and too coarse for what is left of a query behind a pooling's layer norms. */
static bool is_resolved(int variant)
{
    const hidi_head_kind kind = config_of(variant).kind;
    return sizeof(hidi_real) == sizeof(double) || (kind != HIDI_HEAD_TOP && kind != HIDI_HEAD_APT);
}

/* The derivative of the logits along (dx, ds), or (param >= 0) along v in that parameter, by
 * differences: d [n_out].  magnitude [n_out]: the largest logits on the way. */
static void difference(trial *self, int param, const hidi_real *v, const hidi_real *dx,
                       const hidi_real *ds, double *d, double *magnitude)
{
    static const struct {
        double steps, weight;
    } stencil[] = {{1, 8}, {-1, -8}, {2, -1}, {-2, 1}};
    hidi_params *params = &self->heads->params;
    const size_t n = param >= 0 ? hidi_count(params->param[param].shape) : 0;
    hidi_real before[LARGEST], moved[LARGEST], x[IMAGES], s[B], logits[B * N];
    if (param >= 0)
        hidi_params_read(params, param, before);
    for (size_t k = 0; k < self->n_out; k++)
        d[k] = magnitude[k] = 0;
    for (int i = 0; i < 4; i++) {
        const double h = stencil[i].steps * STEP;
        for (size_t k = 0; k < IMAGES; k++)
            x[k] = (hidi_real)((double)z[k] + (dx ? h * (double)dx[k] : 0));
        for (size_t k = 0; k < B; k++)
            s[k] = (hidi_real)((double)t[k] + (ds ? h * (double)ds[k] : 0));
        for (size_t k = 0; k < n; k++)
            moved[k] = (hidi_real)((double)before[k] + h * (double)v[k]);
        if (param >= 0)
            hidi_params_write(params, param, moved);
        read(self, run(self, x, s, NULL, NULL), logits);
        for (size_t k = 0; k < self->n_out; k++) {
            d[k] += stencil[i].weight * (double)logits[k] / (12 * STEP);
            magnitude[k] = fmax(magnitude[k], fabs((double)logits[k]));
        }
    }
    if (param >= 0)
        hidi_params_write(params, param, before);
}

/* <g, v> against the difference of <u, D> along v. */
static void assert_gradient(trial *self, int param, const hidi_real *g, const hidi_real *v,
                            size_t n, const char *name)
{
    double d[B * N], magnitude[B * N], expected = 0, size = 0;
    difference(self, param, v, param < 0 ? v : NULL, NULL, d, magnitude);
    for (size_t k = 0; k < self->n_out; k++) {
        expected += (double)self->u[k] * d[k];
        size += fabs((double)self->u[k]) * magnitude[k];
    }
    const double length = sqrt(inner(g, g, n)), found = inner(g, v, n);
    const double allowed = DIFFERENCE_ERROR * length + DIFFERENCE_ROUNDINGS * size;
    ck_assert_msg(length > 10 * allowed, "%s: no gradient in %s", kind_of(self), name);
    ck_assert_msg(fabs(found - expected) <= allowed,
                  "%s, %s: gradient %.17g, difference %.17g, allowed %.3g", kind_of(self), name,
                  found, expected, allowed);
}

START_TEST(gradients_are_those_of_differences)
{
    trial self;
    hidi_real v[LARGEST], g_z[IMAGES], g[LARGEST];
    if (!is_resolved(_i))
        return;
    begin(&self, _i);
    const hidi_params *params = &self.heads->params;
    hidi_var *logits = run(&self, z, t, NULL, NULL);
    ck_assert_int_eq(hidi_tape_backward(self.tape, logits, self.u), HIDI_OK);
    ck_assert_int_eq(hidi_read_grad(self.tape, self.z, g_z), HIDI_OK);
    for (uint64_t k = 0; k < DIRECTIONS; k++) {
        draw_direction(v, IMAGES, 3000 + k);
        assert_gradient(&self, -1, g_z, v, IMAGES, "the images");
        for (int i = 0; i < params->n_params; i++) {
            const size_t n = hidi_count(params->param[i].shape);
            draw_direction(v, n, 4000 + 10 * (uint64_t)i + k);
            hidi_params_read_grad(params, i, g);
            assert_gradient(&self, i, g, v, n, params->param[i].name);
        }
    }
    end(&self);
}
END_TEST

START_TEST(tangents_are_those_of_differences)
{
    trial self;
    hidi_real dz[IMAGES], dt[B], tangent[B * N], g_z[IMAGES], g_t[B];
    double d[B * N], magnitude[B * N];
    begin(&self, _i);
    draw_direction(dz, IMAGES, 5000);
    draw_direction(dt, B, 5001);
    difference(&self, -1, NULL, dz, dt, d, magnitude);
    hidi_var *logits = run(&self, z, t, dz, dt);
    ck_assert_int_eq(hidi_read_tangent(self.tape, logits, tangent), HIDI_OK);
    const double length = sqrt(inner(tangent, tangent, self.n_out));
    for (size_t k = 0; k < self.n_out && is_resolved(_i); k++) {
        const double allowed = DIFFERENCE_ERROR * length + DIFFERENCE_ROUNDINGS * magnitude[k];
        ck_assert_msg(fabs((double)tangent[k] - d[k]) <= allowed,
                      "%s, logit %zu: tangent %.17g, difference %.17g, allowed %.3g",
                      kind_of(&self), k, (double)tangent[k], d[k], allowed);
    }

    /* <J v, u> = <v, J^T u> */
    logits = run(&self, z, t, NULL, NULL);
    ck_assert_int_eq(hidi_tape_backward(self.tape, logits, self.u), HIDI_OK);
    ck_assert_int_eq(hidi_read_grad(self.tape, self.z, g_z), HIDI_OK);
    ck_assert_int_eq(hidi_read_grad(self.tape, self.t, g_t), HIDI_OK);
    const double forward = inner(tangent, self.u, self.n_out);
    const double reverse = inner(g_z, dz, IMAGES) + inner(g_t, dt, B);
    const double size = inner_of_sizes(tangent, self.u, self.n_out) +
                        inner_of_sizes(g_z, dz, IMAGES) + inner_of_sizes(g_t, dt, B);
    ck_assert_msg(fabs(forward - reverse) <= ADJOINT_ROUNDINGS * size,
                  "%s: <J v, u> = %.17g, <v, J'u> = %.17g, allowed %.3g", kind_of(&self), forward,
                  reverse, ADJOINT_ROUNDINGS * size);
    end(&self);
}
END_TEST

START_TEST(frozen_heads_get_no_gradient)
{
    trial self;
    hidi_real g[IMAGES], g_frozen[IMAGES];
    begin(&self, _i);
    ck_assert_int_eq(hidi_tape_backward(self.tape, run(&self, z, t, NULL, NULL), self.u), HIDI_OK);
    ck_assert_int_eq(hidi_read_grad(self.tape, self.z, g), HIDI_OK);
    ck_assert_double_gt(hidi_params_grad_norm(&self.heads->params), 0);
    hidi_params_zero_grad(&self.heads->params);

    hidi_tape_reset(self.tape);
    hidi_var *images = hidi_input(self.tape, hidi_shape4(B, 1, SIZE, SIZE), z, true);
    hidi_var *times = hidi_constant(self.tape, hidi_shape1(B), t);
    ck_assert_int_eq(hidi_heads_forward(self.tape, self.heads, true, self.dit, true, images, times,
                                        HIDI_CLASSES(y), &self.output), HIDI_OK);
    ck_assert_int_eq(hidi_tape_backward(self.tape, self.output.logits, self.u), HIDI_OK);
    ck_assert_int_eq(hidi_read_grad(self.tape, images, g_frozen), HIDI_OK);
    ck_assert_double_eq(hidi_params_grad_norm(&self.heads->params), 0);
    for (size_t k = 0; k < IMAGES; k++)
        check_element(g[k] == g_frozen[k], "%s: another gradient, %g, at %zu when frozen, %g",
                      kind_of(&self), (double)g[k], k, (double)g_frozen[k]);
    end(&self);
}
END_TEST

/* --- what a kind says of itself --------------------------------------------------------------- */

START_TEST(kinds_are_as_described)
{
    trial self;
    hidi_real a[B * N];
    begin(&self, _i);
    const hidi_head *head = hidi_head_of(self.heads->config.kind);
    const hidi_shape of_images = hidi_shape1(B), of_tokens = hidi_shape2(B, N);
    hidi_var *logits = run(&self, z, t, NULL, NULL);
    ck_assert(hidi_same_shape(logits->shape, head->per_token ? of_tokens : of_images));
    for (int j = 0; j < self.heads->config.n; j++) {
        const hidi_var *scores = self.output.scores[j], *weights = self.output.weights[j];
        ck_assert((scores != NULL) == head->has_scores);
        ck_assert((weights != NULL) == head->has_weights);
        ck_assert(scores == NULL || hidi_same_shape(scores->shape, of_tokens));
        ck_assert(weights == NULL || hidi_same_shape(weights->shape, of_tokens));
        if (weights == NULL)
            continue;
        read(&self, weights, a);
        for (size_t b = 0; b < B; b++) { /* positive, together 1, and not all the same here */
            double sum = 0, most = 0;
            for (size_t i = 0; i < N; i++) {
                ck_assert_double_gt((double)a[b * N + i], 0);
                sum += (double)a[b * N + i];
                most = fmax(most, (double)a[b * N + i]);
            }
            assert_close(sum, 1, 1, N);
            ck_assert_double_gt(most, 1.05 / N);
        }
    }
    end(&self);
}
END_TEST

/* D of two heads is the mean of what each has alone. */
START_TEST(heads_are_averaged)
{
    trial self;
    hidi_real both[B * N], one[B * N], mean[B * N] = {0}, host[LARGEST];
    begin(&self, _i);
    hidi_heads *heads = self.heads;
    read(&self, self.output.logits, both);
    for (int j = 0; j < 2; j++) {
        hidi_heads_config config = config_of(_i);
        config.n = 1;
        config.block[0] = j;
        hidi_heads *alone = new_heads(&config);
        for (int i = 0; i < alone->params.n_params; i++) {
            char name[128];
            snprintf(name, sizeof name, "heads.%d.%s", j,
                     alone->params.param[i].name + strlen("heads.0."));
            hidi_params_read(&heads->params, hidi_params_find(&heads->params, name), host);
            hidi_params_write(&alone->params, i, host);
        }
        self.heads = alone;
        read(&self, run(&self, z, t, NULL, NULL), one);
        for (size_t k = 0; k < self.n_out; k++)
            mean[k] += one[k] / 2;
        hidi_heads_destroy(alone);
    }
    self.heads = heads;
    for (size_t k = 0; k < self.n_out; k++)
        assert_close((double)both[k], (double)mean[k], fabs((double)mean[k]) + 1, 8);
    end(&self);
}
END_TEST

START_TEST(a_file_gives_the_same_heads)
{
    trial self;
    hidi_tensor_file file;
    hidi_heads *heads;
    hidi_real before[B * N], after[B * N];
    begin(&self, _i);
    const hidi_heads_config *c = &self.heads->config;
    read(&self, self.output.logits, before);
    hidi_tensor_file_init(&file);
    ck_assert_int_eq(hidi_heads_to_file(self.heads, "", &file), HIDI_OK);
    ck_assert_str_eq(hidi_tensor_file_meta(&file, "kind"), kind_of(&self));
    ck_assert_int_eq(hidi_heads_from_file(&heads, backend, &file), HIDI_OK);
    hidi_tensor_file_free(&file);
    ck_assert(heads->config.kind == c->kind && heads->config.n == c->n && heads->config.width == D);
    ck_assert(heads->config.temperature == c->temperature && heads->config.mean == c->mean);
    ck_assert_uint_eq(heads->config.top, c->top);
    ck_assert_int_eq(heads->params.n_params, self.heads->params.n_params);
    hidi_heads_destroy(self.heads);
    self.heads = heads;
    read(&self, run(&self, z, t, NULL, NULL), after);
    ck_assert_mem_eq(before, after, self.n_out * sizeof *before);
    end(&self);
}
END_TEST

START_TEST(kinds_are_parsed)
{
    static const char *const wrong[] = {"", "aw", "awd:", "awd:queries", "awd:queries=-1", "gap:2",
                                        "awd:queries=1.5", "awd:mean=2", "awd:mean=x",
                                        "awd:queries=4,", "top:k=nan", "awd queries=4"};
    hidi_heads_config c = {.key_width = 8, .n = 1};
    ck_assert_int_eq(hidi_heads_parse_kind("gap", &c), HIDI_OK);
    ck_assert(c.kind == HIDI_HEAD_GAP && c.key_width == 8 && c.n == 1 && !c.conditional);
    ck_assert_int_eq(hidi_heads_parse_kind("awd:queries=4,mean=0.5,conditional,temperature=2", &c),
                     HIDI_OK);
    ck_assert(c.kind == HIDI_HEAD_AWD && c.queries == 4 && c.mean == 0.5 && c.temperature == 2);
    ck_assert(c.conditional && c.key_width == 8);
    ck_assert_int_eq(hidi_heads_parse_kind("top:k=3", &c), HIDI_OK);
    ck_assert(c.kind == HIDI_HEAD_TOP && c.top == 3);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ck_assert_int_eq(hidi_heads_parse_kind(wrong[i], &c), HIDI_BAD_ARGUMENT);
        ck_assert_ptr_nonnull(strstr(hidi_error_message(), "expected"));
    }
}
END_TEST

/* The lowest scores' mean, and more tokens than there are. */
START_TEST(top_is_the_mean_of_the_lowest)
{
    trial self;
    hidi_real s[2][B * N], found[B];
    begin(&self, OPTIONS * HIDI_HEAD_TOP + 2);
    const size_t k = self.heads->config.top;
    read(&self, self.output.logits, found);
    for (int j = 0; j < 2; j++)
        read(&self, self.output.scores[j], s[j]);
    for (size_t b = 0; b < B; b++) {
        double mean = 0, size = 0;
        for (int j = 0; j < 2; j++)
            for (size_t i = 0; i < N; i++) {
                size_t below = 0;
                for (size_t m = 0; m < N; m++)
                    below += s[j][b * N + m] < s[j][b * N + i];
                mean += below < k ? (double)s[j][b * N + i] / (2 * (double)k) : 0;
                size = fmax(size, fabs((double)s[j][b * N + i]));
            }
        assert_close((double)found[b], mean, size, 4 * (double)k);
    }
    self.heads->config.top = N + 1;
    hidi_tape_reset(self.tape);
    ck_assert_int_eq(hidi_heads_forward(self.tape, self.heads, true, self.dit, true,
                                        hidi_constant(self.tape, hidi_shape4(B, 1, SIZE, SIZE), z),
                                        hidi_constant(self.tape, hidi_shape1(B), t),
                                        HIDI_CLASSES(y), &self.output), HIDI_BAD_ARGUMENT);
    end(&self);
}
END_TEST

START_TEST(the_words_of_settings_are_the_names)
{
    char words[256] = "";
    for (int kind = 0; kind < HIDI_HEAD_COUNT; kind++)
        snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s", kind ? " " : "",
                 hidi_head_name((hidi_head_kind)kind));
    ck_assert_str_eq(words, HIDI_HEAD_KINDS);
}
END_TEST

/* --- token weights ---------------------------------------------------------------------------- */

/* The weights of the first head for the samples first .. first + n - 1. */
static void weights_of(const hidi_heads *heads, const hidi_dit *dit, size_t first, size_t n,
                       hidi_real *weights)
{
    hidi_head_output output;
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_var *images = hidi_constant(tape, hidi_shape4(n, 1, SIZE, SIZE), z + first * PIXELS);
    hidi_var *times = hidi_constant(tape, hidi_shape1(n), t + first);
    ck_assert_int_eq(hidi_heads_forward(tape, heads, true, dit, true, images, times,
                                        HIDI_CLASSES(y + first), &output), HIDI_OK);
    ck_assert_int_eq(hidi_read(tape, output.weights[0], weights), HIDI_OK);
    hidi_tape_destroy(tape);
}

/* As training starts (AWD: the query is 0), all tokens weigh the same: global average pooling. */
START_TEST(begins_as_average_pooling)
{
    const hidi_heads_config config = config_of(_i);
    if (!hidi_head_of(config.kind)->has_weights || config.queries > 1)
        return;
    hidi_dit *dit = random_backbone(backend, SIZE, 1, 2, 2);
    hidi_heads *heads = new_heads(&config);
    hidi_real weights[B * N];
    weights_of(heads, dit, 0, B, weights);
    for (int i = 0; i < B * N; i++)
        assert_close((double)weights[i], 1.0 / N, 1.0 / N, 4);
    hidi_heads_destroy(heads);
    hidi_dit_destroy(dit);
}
END_TEST

/* c [B, D], of the backbone */
static void conditions(const hidi_dit *dit, hidi_real *c)
{
    hidi_taps taps = {.n = 1, .block = {0}};
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_dit_forward(tape, dit, true, hidi_constant(tape, hidi_shape4(B, 1, SIZE, SIZE), z),
                     hidi_constant(tape, hidi_shape1(B), t), NULL, HIDI_CLASSES(y), &taps);
    ck_assert_int_eq(hidi_read(tape, taps.condition, c), HIDI_OK);
    hidi_tape_destroy(tape);
}

/* A conditional head weighs each sample's tokens as a plain one does whose query is q + W c. */
START_TEST(conditional_query)
{
    hidi_dit *dit = random_backbone(backend, SIZE, 1, 2, 2);
    const hidi_heads_config config = config_of(OPTIONS * HIDI_HEAD_AWD);
    hidi_heads_config with_map = config;
    with_map.conditional = true;
    hidi_heads *conditional = new_heads(&with_map), *plain = new_heads(&config);
    hidi_real c[B * D], query[KEY], map[KEY * D], whole[B * N], one[N], moved[KEY];
    conditions(dit, c);
    draw(query, KEY, 1);
    draw(map, KEY * D, 2);
    set(conditional, "heads.0.query", query);
    set(conditional, "heads.0.query_map.weight", map);
    hidi_real host[KEY * D];
    hidi_params_read(&conditional->params,
                     hidi_params_find(&conditional->params, "heads.0.key.weight"), host);
    set(plain, "heads.0.key.weight", host);
    weights_of(conditional, dit, 0, B, whole);
    for (size_t b = 0; b < B; b++) {
        double spread = 0;
        for (size_t k = 0; k < KEY; k++) {
            double sum = (double)query[k];
            for (size_t d = 0; d < D; d++)
                sum += (double)map[k * D + d] * (double)c[b * D + d];
            moved[k] = (hidi_real)sum;
        }
        set(plain, "heads.0.query", moved);
        weights_of(plain, dit, b, 1, one);
        for (size_t i = 0; i < N; i++) {
            /* logits of size 10 and their rounding */
            assert_close((double)whole[b * N + i], (double)one[i], 1, 200);
            spread = fmax(spread, fabs((double)one[i] - 1.0 / N));
        }
        ck_assert_double_gt(spread, 0.01);
    }
    hidi_heads_destroy(conditional);
    hidi_heads_destroy(plain);
    hidi_dit_destroy(dit);
}
END_TEST

int main(void)
{
    if (hidi_backend_open("cpu", &backend) != HIDI_OK)
        return EXIT_FAILURE;
    draw(z, IMAGES, 0);
    Suite *suite = begin_suite("heads");
    TCase *every = tcase_create("every kind"), *weights = tcase_create("weights");
    tcase_add_loop_test(every, gradients_are_those_of_differences, 0, VARIANTS);
    tcase_add_loop_test(every, tangents_are_those_of_differences, 0, VARIANTS);
    tcase_add_loop_test(every, frozen_heads_get_no_gradient, 0, VARIANTS);
    tcase_add_loop_test(every, kinds_are_as_described, 0, VARIANTS);
    tcase_add_loop_test(every, heads_are_averaged, 0, VARIANTS);
    tcase_add_loop_test(every, a_file_gives_the_same_heads, 0, VARIANTS);
    tcase_add_test(every, kinds_are_parsed);
    tcase_add_test(every, top_is_the_mean_of_the_lowest);
    tcase_add_test(every, the_words_of_settings_are_the_names);
    suite_add_tcase(suite, every);
    tcase_add_loop_test(weights, begins_as_average_pooling, 0, VARIANTS);
    tcase_add_test(weights, conditional_query);
    suite_add_tcase(suite, weights);
    return run_suite_in_process(suite);
}
