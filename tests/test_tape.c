/* test_tape.c - the tape: gradients and tangents through compositions (the chain rule, with values
 * that are used twice or not at all), errors, memory. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "autograd/ops.h"
#include "core/random.h"
#include "each_backend.h"

static const hidi_backend *backend; /* set by main */
static hidi_tape *tape;             /* a new one for each test */

static void begin(void)
{
    tape = hidi_tape_create(backend);
    ck_assert_ptr_nonnull(tape);
}

static void end(void)
{
    hidi_tape_destroy(tape);
}

static void draw(hidi_real *x, size_t n, uint64_t step)
{
    hidi_normal((hidi_random){ 21, HIDI_STREAM_TEST, step }, 0, x, n);
}

static void assert_near(double found, double expected, double scale, double tolerance)
{
    if (!(fabs(found - expected) <= tolerance * fmax(fabs(expected), scale)))
        ck_abort_msg("%.17g instead of %.17g", found, expected);
}

#define assert_status(call, expected)                                                              \
    do {                                                                                           \
        const hidi_status status_found = (call);                                                   \
        if (status_found != (expected))                                                            \
            ck_abort_msg("line %d: %s (%s)", __LINE__, hidi_status_name(status_found),             \
                         hidi_error_message());                                                    \
    } while (0)
#define assert_ok(call) assert_status(call, HIDI_OK)

/* --- a small net ------------------------------------------------------------------------------ */

enum { BATCH = 3, IN = 4, WIDTH = 6 };
enum { W1 = WIDTH * IN, W2 = IN * WIDTH };

typedef struct net {
    hidi_real w1[W1], b1[WIDTH], w2[W2], z[BATCH * IN], t[BATCH], v[BATCH * IN];
    hidi_real *value[3], *grad[3]; /* w1, b1, w2 in backend memory; grad NULL: frozen */
} net;

static void make_net(net *m)
{
    const size_t n[3] = { W1, WIDTH, W2 };
    const hidi_real *host[3] = { m->w1, m->b1, m->w2 };
    draw(m->w1, W1, 1);
    draw(m->b1, WIDTH, 2);
    draw(m->w2, W2, 3);
    draw(m->z, BATCH * IN, 4);
    draw(m->t, BATCH, 5);
    draw(m->v, BATCH * IN, 6);
    for (int i = 0; i < 3; i++) {
        m->value[i] = backend->allocate(n[i] * sizeof(hidi_real));
        m->grad[i] = backend->allocate(n[i] * sizeof(hidi_real));
        backend->upload(m->value[i], host[i], n[i] * sizeof(hidi_real));
        backend->fill(m->grad[i], 0, n[i]);
    }
}

static void free_net(const net *m)
{
    for (int i = 0; i < 3; i++) {
        backend->release(m->value[i]);
        backend->release(m->grad[i]);
    }
}

/* u(z, t) = w2 LN(gelu(w1 (t z) + b1)) + z */
static hidi_var *apply_net(const net *m, hidi_var *z, hidi_var *t, bool frozen)
{
    hidi_var *w1 = hidi_parameter(tape, hidi_shape2(WIDTH, IN), m->value[0],
                                  frozen ? NULL : m->grad[0]);
    hidi_var *b1 = hidi_parameter(tape, hidi_shape1(WIDTH), m->value[1],
                                  frozen ? NULL : m->grad[1]);
    hidi_var *w2 = hidi_parameter(tape, hidi_shape2(IN, WIDTH), m->value[2],
                                  frozen ? NULL : m->grad[2]);
    hidi_var *h = hidi_gelu(tape, hidi_linear(tape, hidi_scale_samples(tape, z, t), w1, b1));
    h = hidi_layer_norm(tape, h, NULL, NULL, (hidi_real)1e-2);
    return hidi_add(tape, hidi_linear(tape, h, w2, NULL), z);
}

static hidi_var *input_z(const net *m)
{
    return hidi_constant(tape, hidi_shape2(BATCH, IN), m->z);
}

static hidi_var *input_t(const net *m)
{
    return hidi_constant(tape, hidi_shape1(BATCH), m->t);
}

/* --- tangents --------------------------------------------------------------------------------- */

/* du/dt = v . d_z u + d_t u in one pass against the difference of u at (z, t) +- h (v, 1). */
START_TEST(tangent_of_a_net_is_its_total_derivative)
{
    const double h = sizeof(hidi_real) == 8 ? 1e-5 : 1e-2;
    hidi_real ahead[BATCH * IN], behind[BATCH * IN], dudt[BATCH * IN];
    net m;
    make_net(&m);
    hidi_var *v = hidi_constant(tape, hidi_shape2(BATCH, IN), m.v);
    hidi_var *one = hidi_filled(tape, hidi_shape1(BATCH), 1);
    hidi_var *u = apply_net(&m, hidi_dual(tape, input_z(&m), v), hidi_dual(tape, input_t(&m), one),
                            false);
    assert_ok(hidi_read(tape, hidi_tangent(tape, u), dudt));
    for (int side = -1; side <= 1; side += 2) {
        net moved = m;
        for (int i = 0; i < BATCH * IN; i++)
            moved.z[i] += (hidi_real)(side * h * (double)m.v[i]);
        for (int i = 0; i < BATCH; i++)
            moved.t[i] += (hidi_real)(side * h);
        u = apply_net(&m, input_z(&moved), input_t(&moved), true);
        assert_ok(hidi_read(tape, u, side > 0 ? ahead : behind));
    }
    for (int i = 0; i < BATCH * IN; i++) /* the difference errs by O(h^2) + O(epsilon / h) */
        assert_near((double)dudt[i], ((double)ahead[i] - (double)behind[i]) / (2 * h), 1,
                    20 * (h * h + HIDI_REAL_EPSILON / h));
    free_net(&m);
}
END_TEST

/* A tangent changes neither the values nor the gradients that are computed beside it. */
START_TEST(tangents_leave_gradients_alone)
{
    hidi_real g[2][W1], loss[2];
    net m;
    make_net(&m);
    for (int with = 0; with < 2; with++) {
        hidi_tape_reset(tape);
        backend->fill(m.grad[0], 0, W1);
        hidi_var *z = input_z(&m), *t = input_t(&m);
        if (with) {
            z = hidi_dual(tape, z, hidi_constant(tape, hidi_shape2(BATCH, IN), m.v));
            t = hidi_dual(tape, t, hidi_filled(tape, hidi_shape1(BATCH), 1));
        }
        hidi_var *y = hidi_mean(tape, hidi_square(tape, apply_net(&m, z, t, false)));
        assert_ok(hidi_tape_backward(tape, y, NULL));
        assert_ok(hidi_read(tape, y, &loss[with]));
        backend->download(g[with], m.grad[0], sizeof g[with]);
    }
    ck_assert(loss[0] == loss[1]);
    ck_assert(memcmp(g[0], g[1], sizeof g[0]) == 0);
    free_net(&m);
}
END_TEST

START_TEST(dual_tangent_and_primal)
{
    const hidi_real x0[2] = { 3, 5 }, d0[2] = { 1, -2 };
    hidi_real host[2];
    hidi_var *x = hidi_input(tape, hidi_shape1(2), x0, true);
    hidi_var *d = hidi_input(tape, hidi_shape1(2), d0, true);
    hidi_var *y = hidi_square(tape, hidi_dual(tape, x, d)); /* tangent 2 x d */
    hidi_var *p = hidi_primal(tape, y);
    ck_assert_ptr_null(p->tangent);
    assert_ok(hidi_read(tape, hidi_tangent(tape, p), host));
    ck_assert(host[0] == 0 && host[1] == 0);
    assert_ok(hidi_read_tangent(tape, y, host));
    ck_assert(host[0] == 6 && host[1] == -20);
    hidi_var *target = hidi_tangent(tape, y);
    ck_assert(!target->needs_grad && target->tangent == NULL);
    assert_ok(hidi_tape_backward(tape, hidi_sum(tape, hidi_mul(tape, p, target)), NULL));
    assert_ok(hidi_read_grad(tape, x, host)); /* 2 x times the constant 2 x d */
    ck_assert(host[0] == 36 && host[1] == -200);
    assert_ok(hidi_read_grad(tape, d, host));
    ck_assert(host[0] == 0 && host[1] == 0);
}
END_TEST

START_TEST(reshape_keeps_tangent_and_gradient)
{
    const hidi_real x0[6] = { 1, 2, 3, 4, 5, 6 }, d0[6] = { 6, 5, 4, 3, 2, 1 };
    const hidi_real seed[6] = { 1, 0, 2, 0, 3, 0 };
    hidi_real host[6];
    hidi_var *x = hidi_input(tape, hidi_shape2(2, 3), x0, true);
    hidi_var *dual = hidi_dual(tape, x, hidi_constant(tape, hidi_shape2(2, 3), d0));
    hidi_var *y = hidi_reshape(tape, dual, hidi_shape2(3, 2));
    hidi_var *z = hidi_reshape(tape, hidi_add(tape, y, y), hidi_shape1(6));
    assert_ok(hidi_read_tangent(tape, z, host));
    for (int i = 0; i < 6; i++)
        ck_assert(host[i] == 2 * d0[i]);
    assert_ok(hidi_tape_backward(tape, z, seed));
    assert_ok(hidi_read_grad(tape, x, host));
    for (int i = 0; i < 6; i++)
        ck_assert(host[i] == 2 * seed[i]);
    assert_ok(hidi_read_grad(tape, z, host)); /* a view's own gradient stays what it was */
    for (int i = 0; i < 6; i++)
        ck_assert(host[i] == seed[i]);
}
END_TEST

/* --- gradients -------------------------------------------------------------------------------- */

/* y = x^2 + x, z = y^2 + y:  dz/dx = (2 y + 1)(2 x + 1). */
START_TEST(reused_vars_collect_all_contributions)
{
    const hidi_real x0 = 3;
    hidi_real g;
    hidi_var *x = hidi_input(tape, hidi_shape0(), &x0, true);
    hidi_var *y = hidi_add(tape, hidi_mul(tape, x, x), x);
    hidi_var *z = hidi_add(tape, hidi_mul(tape, y, y), y);
    hidi_var *aside = hidi_square(tape, x); /* not part of z */
    hidi_square(tape, z);                   /* after z */
    assert_ok(hidi_tape_backward(tape, z, NULL));
    assert_ok(hidi_read_grad(tape, x, &g));
    ck_assert(g == 25 * 7);
    assert_ok(hidi_read_grad(tape, aside, &g));
    ck_assert(g == 0);
}
END_TEST

START_TEST(stop_gradient_stops)
{
    const hidi_real x0 = 3;
    hidi_real g;
    hidi_var *x = hidi_input(tape, hidi_shape0(), &x0, true);
    hidi_var *dual = hidi_dual(tape, x, hidi_filled(tape, hidi_shape0(), 1));
    hidi_var *stopped = hidi_stop_gradient(tape, dual);
    ck_assert(!stopped->needs_grad && stopped->tangent == NULL && stopped->value == x->value);
    assert_ok(hidi_tape_backward(tape, hidi_mul(tape, x, stopped), NULL));
    assert_ok(hidi_read_grad(tape, x, &g));
    ck_assert(g == 3); /* not 6 */
}
END_TEST

START_TEST(backward_takes_a_seed_once)
{
    const hidi_real x0[3] = { 1, 2, 3 }, seed[3] = { 5, -1, 2 };
    hidi_real g[3];
    hidi_var *x = hidi_input(tape, hidi_shape1(3), x0, true);
    hidi_var *y = hidi_square(tape, x);
    assert_ok(hidi_tape_backward(tape, y, seed));
    assert_ok(hidi_read_grad(tape, x, g));
    for (int i = 0; i < 3; i++)
        ck_assert(g[i] == 2 * x0[i] * seed[i]);
    assert_status(hidi_tape_backward(tape, y, seed), HIDI_BAD_ARGUMENT);
    hidi_tape_reset(tape);
    x = hidi_input(tape, hidi_shape1(3), x0, true);
    assert_ok(hidi_tape_backward(tape, x, seed)); /* of a leaf: the seed itself */
    assert_ok(hidi_read_grad(tape, x, g));
    ck_assert(memcmp(g, seed, sizeof g) == 0);
    hidi_tape_reset(tape);
    x = hidi_constant(tape, hidi_shape1(3), x0);
    assert_ok(hidi_tape_backward(tape, hidi_square(tape, x), seed)); /* nothing to add to */
}
END_TEST

START_TEST(parameters_accumulate_over_passes)
{
    hidi_real once[W1], twice[W1];
    net m;
    make_net(&m);
    for (int pass = 0; pass < 2; pass++) {
        hidi_tape_reset(tape);
        hidi_var *u = apply_net(&m, input_z(&m), input_t(&m), false);
        assert_ok(hidi_tape_backward(tape, hidi_sum(tape, u), NULL));
        backend->download(pass == 0 ? once : twice, m.grad[0], sizeof once);
    }
    for (int i = 0; i < W1; i++)
        assert_near((double)twice[i], 2 * (double)once[i], 0, 2 * HIDI_REAL_EPSILON);
    hidi_tape_reset(tape);
    const hidi_real seed[WIDTH] = { 1, 2, 3, 4, 5, 6 };
    hidi_real grad[WIDTH];
    backend->fill(m.grad[1], 7, WIDTH);
    hidi_var *b1 = hidi_parameter(tape, hidi_shape1(WIDTH), m.value[1], m.grad[1]);
    assert_ok(hidi_tape_backward(tape, b1, seed)); /* a parameter by itself: added, too */
    backend->download(grad, m.grad[1], sizeof grad);
    for (int i = 0; i < WIDTH; i++)
        ck_assert(grad[i] == 7 + seed[i]);
    free_net(&m);
}
END_TEST

/* Frozen, the net records nothing, keeps nothing but its values, and touches no gradient; in front
 * of a trained one it gets no gradient; behind one it passes it on. */
START_TEST(frozen_parameters_cost_nothing)
{
    hidi_real g[W1], gz[BATCH * IN];
    net m;
    make_net(&m);
    hidi_var *u = apply_net(&m, input_z(&m), input_t(&m), true);
    ck_assert_uint_eq(hidi_tape_here(tape).nodes, 0);
    ck_assert(!u->needs_grad);
    u = apply_net(&m, u, input_t(&m), false);
    const size_t trained = hidi_tape_here(tape).nodes;
    hidi_var *z = hidi_input(tape, hidi_shape2(BATCH, IN), m.z, true);
    hidi_var *y = hidi_sum(tape, hidi_add(tape, u, apply_net(&m, z, input_t(&m), true)));
    ck_assert_uint_gt(hidi_tape_here(tape).nodes, trained);
    assert_ok(hidi_tape_backward(tape, y, NULL));
    assert_ok(hidi_read_grad(tape, z, gz));
    ck_assert(gz[0] != 0);
    backend->download(g, m.grad[0], sizeof g);
    ck_assert(g[0] != 0);

    hidi_tape_reset(tape);
    backend->fill(m.grad[0], 0, W1);
    z = hidi_input(tape, hidi_shape2(BATCH, IN), m.z, true);
    assert_ok(hidi_tape_backward(tape, hidi_sum(tape, apply_net(&m, z, input_t(&m), true)), NULL));
    backend->download(g, m.grad[0], sizeof g);
    for (int i = 0; i < W1; i++)
        ck_assert(g[i] == 0);
    free_net(&m);
}
END_TEST

START_TEST(frozen_attention_gives_its_probabilities_back)
{
    enum { B = 2, T = 16, D = 4 };
    hidi_real qkv[B * T * 3 * D];
    size_t taken[2];
    draw(qkv, B * T * 3 * D, 7);
    for (int wanted = 0; wanted < 2; wanted++) {
        hidi_tape_reset(tape);
        hidi_var *x = hidi_input(tape, hidi_shape3(B, T, 3 * D), qkv, wanted);
        const size_t before = hidi_tape_here(tape).device.offset;
        ck_assert_ptr_nonnull(hidi_attention(tape, x, 1));
        taken[wanted] = hidi_tape_here(tape).device.offset - before;
    }
    ck_assert_uint_eq(taken[0], B * T * D * sizeof(hidi_real));
    ck_assert_uint_eq(taken[1], taken[0] + B * T * T * sizeof(hidi_real));
}
END_TEST

/* --- errors ----------------------------------------------------------------------------------- */

START_TEST(first_error_is_kept)
{
    const hidi_real x0[6] = { 0 };
    hidi_real host[6];
    hidi_var *x = hidi_input(tape, hidi_shape2(2, 3), x0, true);
    hidi_var *bad = hidi_add(tape, x, hidi_filled(tape, hidi_shape2(3, 2), 1));
    ck_assert_ptr_null(bad);
    assert_status(hidi_tape_status(tape), HIDI_BAD_SHAPE);
    ck_assert_str_eq(hidi_error_message(), "add: shapes [2, 3] and [3, 2] differ");
    hidi_error(HIDI_BAD_FILE, "something else, outside the tape");
    ck_assert_ptr_null(hidi_linear(tape, x, bad, NULL));
    ck_assert_ptr_null(hidi_stop_gradient(tape, bad));
    ck_assert_ptr_null(hidi_tangent(tape, bad));
    ck_assert_ptr_null(hidi_primal(tape, bad));
    ck_assert_ptr_null(hidi_dual(tape, x, bad));
    ck_assert_ptr_null(hidi_tape_release(tape, hidi_tape_here(tape), bad));
    ck_assert_ptr_null(hidi_reshape(tape, x, hidi_shape1(7))); /* a later error */
    assert_status(hidi_read(tape, bad, host), HIDI_BAD_SHAPE);
    assert_status(hidi_tape_backward(tape, bad, NULL), HIDI_BAD_SHAPE);
    ck_assert_str_eq(hidi_error_message(), "add: shapes [2, 3] and [3, 2] differ");
    hidi_tape_reset(tape);
    assert_ok(hidi_tape_status(tape));
    assert_ok(hidi_read(tape, hidi_filled(tape, hidi_shape1(6), 2), host));
}
END_TEST

/* Code outside the ops may report more than once, and may pass on a success. */
START_TEST(later_failures_do_not_replace_the_first)
{
    ck_assert_ptr_null(hidi_tape_fail(tape, HIDI_OK));
    assert_ok(hidi_tape_status(tape));
    ck_assert_ptr_null(hidi_tape_fail(tape, hidi_error(HIDI_BAD_FILE, "the first")));
    ck_assert_ptr_null(hidi_tape_fail(tape, hidi_error(HIDI_BAD_SHAPE, "the second")));
    ck_assert_ptr_null(hidi_tape_fail(tape, HIDI_OK));
    assert_status(hidi_tape_status(tape), HIDI_BAD_FILE);
    ck_assert_str_eq(hidi_error_message(), "the first");
}
END_TEST

START_TEST(missing_inputs_are_errors)
{
    ck_assert_ptr_null(hidi_mul(tape, NULL, NULL));
    assert_status(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), "mul: an input is NULL");
    hidi_tape_reset(tape);
    assert_status(hidi_tape_backward(tape, NULL, NULL), HIDI_BAD_ARGUMENT);
    hidi_tape_reset(tape);
    ck_assert_ptr_null(hidi_parameter(tape, hidi_shape1(2), NULL, NULL));
    assert_status(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
}
END_TEST

START_TEST(indices_are_checked)
{
    const int32_t good[3] = { 0, 4, 2 }, high[2] = { 0, 5 }, low[1] = { -1 };
    int32_t host[3];
    const int32_t *index = hidi_indices(tape, good, 3, 5);
    ck_assert_ptr_nonnull(index);
    backend->download(host, index, sizeof host);
    ck_assert(memcmp(host, good, sizeof good) == 0);
    ck_assert_ptr_null(hidi_indices(tape, high, 2, 5));
    assert_status(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    ck_assert_str_eq(hidi_error_message(), "index 1 is 5, not below 5");
    hidi_tape_reset(tape);
    ck_assert_ptr_null(hidi_indices(tape, low, 1, 5));
    assert_status(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
}
END_TEST

static hidi_status lost_device(void)
{
    return hidi_error(HIDI_BAD_BACKEND, "the device is gone");
}

static int allocations_left;

static void *allocate_some(size_t bytes)
{
    return allocations_left-- > 0 ? backend->allocate(bytes) : NULL;
}

START_TEST(backend_errors_surface)
{
    hidi_backend broken = *backend;
    hidi_real host;
    broken.check = lost_device;
    broken.allocate = allocate_some;
    for (allocations_left = 0; allocations_left < 2; allocations_left++) {
        const int left = allocations_left;
        hidi_tape *poor = hidi_tape_create(&broken);
        hidi_var *x = hidi_filled(poor, hidi_shape0(), 1);
        if (left == 0) {
            ck_assert_ptr_null(x);
            assert_status(hidi_tape_status(poor), HIDI_NO_MEMORY);
        } else {
            assert_status(hidi_read(poor, x, &host), HIDI_BAD_BACKEND);
            assert_status(hidi_tape_status(poor), HIDI_BAD_BACKEND);
            ck_assert_str_eq(hidi_error_message(), "the device is gone");
            hidi_tape_reset(poor); /* what does not fit any more: 32 MiB */
            ck_assert_ptr_null(hidi_filled(poor, hidi_shape1((size_t)1 << 23), 1));
            assert_status(hidi_tape_status(poor), HIDI_NO_MEMORY);
        }
        allocations_left = left;
        hidi_tape_destroy(poor);
    }
    /* a product that overflows */
    ck_assert_ptr_null(hidi_filled(tape, hidi_shape1((size_t)-1 / 2), 1));
    assert_status(hidi_tape_status(tape), HIDI_NO_MEMORY);
}
END_TEST

/* --- memory ----------------------------------------------------------------------------------- */

START_TEST(later_steps_allocate_nothing)
{
    size_t allocations = 0, peak = 0;
    net m;
    make_net(&m);
    for (int step = 0; step < 4; step++) {
        hidi_tape_reset(tape);
        hidi_var *v = hidi_constant(tape, hidi_shape2(BATCH, IN), m.v);
        hidi_var *z = hidi_dual(tape, input_z(&m), v);
        /* more than the arena's first chunks */
        hidi_var *wide = hidi_filled(tape, hidi_shape2(1 << 10, 1 << 12), 1);
        for (int layer = 0; layer < 300; layer++)
            z = apply_net(&m, z, input_t(&m), false);
        hidi_var *y = hidi_add(tape, hidi_sum(tape, z), hidi_mean(tape, wide));
        assert_ok(hidi_tape_backward(tape, y, NULL));
        if (step > 0) {
            ck_assert_uint_eq(hidi_tape_allocations(tape), allocations);
            ck_assert_uint_eq(hidi_tape_peak(tape), peak);
        }
        allocations = hidi_tape_allocations(tape);
        peak = hidi_tape_peak(tape);
    }
    ck_assert_uint_gt(allocations, 1);
    free_net(&m);
}
END_TEST

/* Long chains with release use no more memory than a short one, and compute the same. */
START_TEST(release_gives_memory_back)
{
    enum { N = 1000 };
    hidi_real x0[N], d0[N], found[N];
    draw(x0, N, 8);
    draw(d0, N, 9);
    for (int with_tangent = 0; with_tangent < 2; with_tangent++) {
        size_t peak = 0;
        hidi_tape_reset(tape);
        hidi_var *x = hidi_constant(tape, hidi_shape1(N), x0);
        if (with_tangent)
            x = hidi_dual(tape, x, hidi_constant(tape, hidi_shape1(N), d0));
        const hidi_tape_mark mark = hidi_tape_here(tape);
        for (int i = 0; i < 50; i++) {
            hidi_var *y = hidi_scale(tape, x, 3);
            hidi_var *two = hidi_filled(tape, hidi_shape1(N), 2);
            x = hidi_tape_release(tape, mark, hidi_sub(tape, y, hidi_mul(tape, two, x)));
            assert_ok(hidi_tape_status(tape));
            if (i == 1)
                peak = hidi_tape_peak(tape);
        }
        ck_assert_uint_eq(hidi_tape_peak(tape), peak);
        assert_ok(hidi_read(tape, x, found)); /* 3 x - 2 x = x, up to roundings */
        for (int i = 0; i < N; i++)
            assert_near((double)found[i], (double)x0[i], 0, 400 * HIDI_REAL_EPSILON);
        assert_ok(hidi_read_tangent(tape, x, found));
        for (int i = 0; i < N; i++)
            assert_near((double)found[i], with_tangent ? (double)d0[i] : 0, 0,
                        400 * HIDI_REAL_EPSILON);
    }
}
END_TEST

/* The places of value and tangent before and after overlap in every way. */
START_TEST(release_moves_overlapping_arrays)
{
    enum { N = 100 };
    hidi_real x0[N], d0[N], found[N];
    draw(x0, N, 10);
    draw(d0, N, 11);
    for (int tangent_first = 0; tangent_first < 2; tangent_first++)
        for (int gap = 0; gap <= 2 * N; gap += N / 4) {
            hidi_tape_reset(tape);
            const hidi_tape_mark mark = hidi_tape_here(tape);
            ck_assert_ptr_nonnull(hidi_tape_take(tape, (size_t)gap));
            hidi_var *a = hidi_constant(tape, hidi_shape1(N), tangent_first ? d0 : x0);
            hidi_var *b = hidi_constant(tape, hidi_shape1(N), tangent_first ? x0 : d0);
            hidi_var *x = hidi_dual(tape, tangent_first ? b : a, tangent_first ? a : b);
            x = hidi_tape_release(tape, mark, x);
            assert_ok(hidi_read(tape, x, found));
            ck_assert(memcmp(found, x0, sizeof found) == 0);
            assert_ok(hidi_read_tangent(tape, x, found));
            ck_assert(memcmp(found, d0, sizeof found) == 0);
        }
}
END_TEST

START_TEST(release_is_refused_where_a_gradient_needs_it)
{
    const hidi_real x0[2] = { 1, 2 };
    hidi_tape_mark mark = hidi_tape_here(tape);
    hidi_var *x = hidi_input(tape, hidi_shape1(2), x0, true);
    ck_assert_ptr_null(hidi_tape_release(tape, mark, x));
    assert_status(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    hidi_tape_reset(tape);
    x = hidi_input(tape, hidi_shape1(2), x0, true);
    mark = hidi_tape_here(tape);
    hidi_var *y = hidi_square(tape, x);
    ck_assert_ptr_null(hidi_tape_release(tape, mark, hidi_stop_gradient(tape, y)));
    assert_status(hidi_tape_status(tape), HIDI_BAD_ARGUMENT);
    hidi_tape_reset(tape);
    x = hidi_constant(tape, hidi_shape1(2), x0);
    mark = hidi_tape_here(tape);
    hidi_square(tape, x);
    ck_assert_ptr_null(hidi_tape_release(tape, mark, NULL)); /* keeps nothing; no error */
    assert_ok(hidi_tape_status(tape));
    ck_assert_uint_eq(hidi_tape_here(tape).device.offset, mark.device.offset);
}
END_TEST

/* y = silu(x) x y' + x, of which x is read three times, with a tangent. */
static hidi_var *part_of(hidi_tape *of, const void *context, hidi_var *const *x)
{
    const hidi_real *factor = context;
    hidi_var *product = hidi_mul(of, hidi_mul(of, hidi_silu(of, x[0]), x[0]), x[1]);
    return hidi_scale(of, hidi_add(of, product, x[0]), *factor);
}

static hidi_var *part_that_fails(hidi_tape *of, const void *context, hidi_var *const *x)
{
    (void)context;
    return hidi_add(of, x[0], hidi_sum(of, x[1]));
}

/* Two parts, one after the other: values, tangents and gradients have the same bits. */
START_TEST(recomputing_changes_no_bit)
{
    enum { N = 12 };
    const hidi_real factor = (hidi_real)1.25;
    hidi_real x0[N], y0[N], dx0[N], found[2][4][N];
    draw(x0, N, 1), draw(y0, N, 2), draw(dx0, N, 3);
    for (int again = 0; again < 2; again++) {
        hidi_tape_reset(tape);
        hidi_var *x = hidi_input(tape, hidi_shape1(N), x0, true);
        hidi_var *y = hidi_input(tape, hidi_shape1(N), y0, true);
        hidi_var *in[] = {hidi_dual(tape, x, hidi_constant(tape, hidi_shape1(N), dx0)), y};
        for (int i = 0; i < 2; i++)
            in[0] = again ? hidi_recompute(tape, part_of, &factor, sizeof factor, in, 2)
                          : part_of(tape, &factor, in);
        assert_ok(hidi_tape_backward(tape, hidi_sum(tape, hidi_square(tape, in[0])), NULL));
        assert_ok(hidi_read(tape, in[0], found[again][0]));
        assert_ok(hidi_read_tangent(tape, in[0], found[again][1]));
        assert_ok(hidi_read_grad(tape, x, found[again][2]));
        assert_ok(hidi_read_grad(tape, y, found[again][3]));
    }
    ck_assert_mem_eq(found[0], found[1], sizeof found[0]);
}
END_TEST

/* Where nothing wants a gradient nothing is recorded; an error inside is the tape's. */
START_TEST(recomputing_without_gradient_and_with_errors)
{
    const hidi_real x0[] = {1, -2, 3}, factor = 1;
    hidi_var *in[2];
    for (int i = 0; i < 2; i++)
        in[i] = hidi_constant(tape, hidi_shape1(3), x0);
    const hidi_tape_mark mark = hidi_tape_here(tape);
    hidi_var *y = hidi_recompute(tape, part_of, &factor, sizeof factor, in, 2);
    ck_assert_ptr_nonnull(hidi_tape_release(tape, mark, y));
    ck_assert_ptr_null(hidi_recompute(tape, part_that_fails, &factor, sizeof factor, in, 2));
    assert_status(hidi_tape_status(tape), HIDI_BAD_SHAPE);
}
END_TEST

static void add(TCase *tcase)
{
    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, tangent_of_a_net_is_its_total_derivative);
    tcase_add_test(tcase, tangents_leave_gradients_alone);
    tcase_add_test(tcase, dual_tangent_and_primal);
    tcase_add_test(tcase, reshape_keeps_tangent_and_gradient);
    tcase_add_test(tcase, reused_vars_collect_all_contributions);
    tcase_add_test(tcase, stop_gradient_stops);
    tcase_add_test(tcase, backward_takes_a_seed_once);
    tcase_add_test(tcase, parameters_accumulate_over_passes);
    tcase_add_test(tcase, frozen_parameters_cost_nothing);
    tcase_add_test(tcase, frozen_attention_gives_its_probabilities_back);
    tcase_add_test(tcase, first_error_is_kept);
    tcase_add_test(tcase, later_failures_do_not_replace_the_first);
    tcase_add_test(tcase, missing_inputs_are_errors);
    tcase_add_test(tcase, indices_are_checked);
    tcase_add_test(tcase, backend_errors_surface);
    tcase_add_test(tcase, later_steps_allocate_nothing);
    tcase_add_test(tcase, recomputing_changes_no_bit);
    tcase_add_test(tcase, recomputing_without_gradient_and_with_errors);
    tcase_add_test(tcase, release_gives_memory_back);
    tcase_add_test(tcase, release_moves_overlapping_arrays);
    tcase_add_test(tcase, release_is_refused_where_a_gradient_needs_it);
}

int main(void)
{
    return run_on_each_backend("tape", &backend, add);
}
