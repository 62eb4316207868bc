/* test_backend_cpu.c - the element-wise and row slots of the cpu backend against the reference, on
 * random data: sizes 0 and 1, odd and prime ones, sizes around vectors and blocks, with one to
 * three threads and beta 0 (over NaN), 1 and 0.5.  For the rest see test_backend_blas.c.
 */
#include "against_reference.h"

/* --- element-wise ---------------------------------------------------------------------------- */

static const size_t lengths[] = { 0, 1, 3, 7, 8, 9, 16, 31, 64, 65, 127, 1009, 4097, 40009 };

START_TEST(test_elementwise)
{
    setup(_i);
    FOR(l, lengths) FOR(j, betas) {
        size_t n = lengths[l];
        hidi_real beta = betas[j], a = (hidi_real)-1.5;
        hidi_real *x = random_array(n), *w = random_array(n);
        hidi_real *ax = absolute(x, n), *aw = absolute(w, n);
        output y = new_output(n, beta);

        RUN(y, cpu, found, axpby(o, beta, a, x, n));
        RUN(y, ref, expected, axpby(o, beta, a, x, n));
        RUN(y, ref, magnitude, axpby(o, beta, -a, ax, n));
        compare(label("axpby", n, 0, 0, beta), &y, 2);

        y = new_output(n, beta);
        RUN(y, cpu, found, multiply(o, beta, a, x, w, n));
        RUN(y, ref, expected, multiply(o, beta, a, x, w, n));
        RUN(y, ref, magnitude, multiply(o, beta, -a, ax, aw, n));
        compare(label("multiply", n, 0, 0, beta), &y, 3);

        y = new_output(n, 0);
        RUN(y, cpu, found, copy(o, x, n));
        RUN(y, ref, expected, copy(o, x, n));
        RUN(y, ref, magnitude, copy(o, x, n));
        compare(label("copy", n, 0, 0, 0), &y, 0);
        free_arrays();
    }
}
END_TEST

/* Overlapping in both directions, as memmove. */
START_TEST(test_copy_overlaps)
{
    enum { N = 100003 };

    setup(_i);
    for (size_t shift = 1; shift < 40; shift += 13) {
        output y = new_output(N, 1);

        RUN(y, cpu, found, copy(o + shift, o, N - shift));
        RUN(y, ref, expected, copy(o + shift, o, N - shift));
        RUN(y, cpu, found, copy(o, o + 5, N - 5));
        RUN(y, ref, expected, copy(o, o + 5, N - 5));
        compare(label("copy", N, shift, 0, 1), &y, 0);
        free_arrays();
    }
}
END_TEST

/* Arguments from tiny to enormous; f and f' also where they are nearly 0. */
static void spread(hidi_real *x, size_t n)
{
    static const double special[] = { 0,  1e-30, 0.5, 5,  9,   13,  20,
                                      60, 87,    88,  89, 103, 1e3, 1e18 };

    for (size_t i = 0; i < n; i++)
        x[i] *= (hidi_real)(i % 3 == 0 ? 1 : i % 3 == 1 ? 5 : 30);
    for (size_t i = 0; i < 2 * COUNT(special) && i < n; i++)
        x[i] = (hidi_real)(i % 2 ? special[i / 2] : -special[i / 2]);
}

/* SiLU needs an exponential of x itself, and has a few roundings; GELU's is of a u that is rounded
 * already, which makes |u| roundings of e^u, and |u| < 90 where that is not negligible.  The cpu
 * backend gives 0 below the smallest normal number: 100 times that is allowed on top. */
START_TEST(test_unary)
{
    static const hidi_unary maps[] = { HIDI_GELU, HIDI_SILU,   HIDI_SOFTPLUS, HIDI_RELU,
                                       HIDI_ABS,  HIDI_SQUARE, HIDI_POWER };
    const hidi_real p[2] = { (hidi_real)1e19, (hidi_real)-0.75 };

    setup(_i);
    FOR(l, lengths) FOR(f, maps) {
        size_t n = lengths[l];
        hidi_real *x = random_array(n);
        output y = new_output(n, 0);

        spread(x, n);
        RUN(y, cpu, found, unary(maps[f], o, x, n, p));
        RUN(y, ref, expected, unary(maps[f], o, x, n, p));
        for (size_t i = 0; i < n; i++) {
            double u = maps[f] == HIDI_GELU ? fmin(fabs((double)x[i]), 20) : 0;
            y.magnitude[i] = (hidi_real)(fabs((double)y.expected[i]) * (3 + 3 * u * u) + 1e-29);
        }
        compare(label("unary", n, f, 0, 0), &y, 1);
        free_arrays();
    }
}
END_TEST

START_TEST(test_unary_jacobian)
{
    static const hidi_unary maps[] = { HIDI_GELU, HIDI_SILU,   HIDI_SOFTPLUS, HIDI_RELU,
                                       HIDI_ABS,  HIDI_SQUARE, HIDI_POWER };
    const hidi_real p[2] = { (hidi_real)1e19, (hidi_real)-0.75 };

    setup(_i);
    FOR(l, lengths) FOR(f, maps) {
        size_t n = lengths[l];
        hidi_real beta = betas[(l + f) % BETAS], *x = random_array(n), *d = random_array(n);
        output y = new_output(n, beta);

        spread(x, n);
        for (size_t i = 0; i < n && maps[f] == HIDI_GELU; i++) /* ref: 0 * infinity beyond this */
            x[i] = (hidi_real)fmin(fmax((double)x[i], -1e12), 1e12);
        RUN(y, cpu, found, unary_jacobian(maps[f], o, beta, x, d, n, p));
        RUN(y, ref, expected, unary_jacobian(maps[f], o, beta, x, d, n, p));
        for (size_t i = 0; i < n; i++) { /* gelu' cancels near its zero: u^2 sigmoid' there */
            double u = fmin(fabs((double)x[i]), 5), before = beta == 0 ? 0 : y.magnitude[i];
            y.magnitude[i] = (hidi_real)((fabs((double)y.expected[i]) + before) * 4 +
                                         (1 + u * u) * 8 * fabs((double)d[i]) + 1e-30);
        }
        compare(label("unary_jacobian", n, f, 0, beta), &y, 1);
        free_arrays();
    }
}
END_TEST

/* In the tails a derivative of 1 or 0 is exact, infinity does not become NaN, and NaN stays. */
START_TEST(test_unary_extremes)
{
    const hidi_real big = (hidi_real)1e30, inf = (hidi_real)INFINITY, nan = (hidi_real)NAN;
    const hidi_real x[16] = { big, -big, inf, nan, nan, nan, nan, nan, /* vectors, and a tail */
                              nan, nan, nan, nan, nan, nan, nan, nan };
    hidi_real y[11], d[11] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const hidi_unary maps[] = { HIDI_GELU, HIDI_SILU };

    setup(_i);
    FOR(f, maps) {
        cpu->unary(maps[f], y, x, 11, NULL);
        ck_assert(y[0] == big && y[1] == 0 && y[2] == inf);
        for (int i = 3; i < 11; i++)
            ck_assert(isnan(y[i]));
        cpu->unary_jacobian(maps[f], y, 0, x, d, 11, NULL);
        ck_assert(y[0] == 1 && y[1] == 0 && y[2] == 1);
        for (int i = 3; i < 11; i++)
            ck_assert(isnan(y[i]));
    }
    cpu->softmax(y, x, 1, 11);
    for (int i = 0; i < 11; i++)
        ck_assert_msg(isnan(y[i]), "softmax of a row with a NaN: y[%d] is %g", i, (double)y[i]);
}
END_TEST

/* Ten steps from the same start: differences stay at the rounding of each step. */
START_TEST(test_adamw)
{
    setup(_i);
    FOR(l, lengths) {
        size_t n = lengths[l];
        output w = new_output(n, 1), m = new_output(n, 1), v = new_output(n, 1);

        for (size_t i = 0; i < n; i++) {
            m.found[i] = m.expected[i] = v.found[i] = v.expected[i] = 0;
            w.magnitude[i] += (hidi_real)0.1; /* ten steps of 0.01 */
            m.magnitude[i] = v.magnitude[i] = 20;
        }
        for (long step = 1; step <= 10; step++) {
            hidi_real *g = random_array(n);
            normal(g, n, 1000 + (uint64_t)step);
            cpu->adamw(w.found, g, m.found, v.found, n, (hidi_real)0.7, 1e-2, 0.9, 0.95, 1e-8,
                       0.01, step);
            ref->adamw(w.expected, g, m.expected, v.expected, n, (hidi_real)0.7, 1e-2, 0.9, 0.95,
                       1e-8, 0.01, step);
        }
        compare(label("adamw w", n, 0, 0, 0), &w, 30);
        compare(label("adamw m", n, 0, 0, 0), &m, 2);
        compare(label("adamw v", n, 0, 0, 0), &v, 2);
        free_arrays();
    }
}
END_TEST

/* --- rows ------------------------------------------------------------------------------------ */

static const size_t matrices[][2] = { { 0, 5 },  { 5, 0 },   { 1, 1 },    { 2, 3 },    { 3, 16 },
                                      { 16, 8 }, { 7, 17 },  { 31, 49 },  { 64, 64 },  { 5, 511 },
                                      { 3, 513 }, { 257, 33 }, { 1031, 37 }, { 517, 128 } };

START_TEST(test_rows)
{
    static const size_t periods[] = { 1, 2, 7 };

    setup(_i);
    FOR(l, matrices) FOR(j, betas) FOR(q, periods) {
        size_t rows = matrices[l][0], n = matrices[l][1], period = periods[q], size = rows * n;
        hidi_real beta = betas[j], *b = random_array(period * n), *x = random_array(size);
        hidi_real *ab = absolute(b, period * n), *ax = absolute(x, size);
        double terms = sqrt((double)(rows / period + 1));
        output y = new_output(size, beta), sum = new_output(period * n, beta);

        RUN(y, cpu, found, add_rows(o, beta, b, period, rows, n));
        RUN(y, ref, expected, add_rows(o, beta, b, period, rows, n));
        RUN(y, ref, magnitude, add_rows(o, beta, ab, period, rows, n));
        compare(label("add_rows", period, rows, n, beta), &y, 2);

        RUN(sum, cpu, found, sum_rows(o, beta, x, period, rows, n));
        RUN(sum, ref, expected, sum_rows(o, beta, x, period, rows, n));
        RUN(sum, ref, magnitude, sum_rows(o, beta, ax, period, rows, n));
        compare(label("sum_rows", period, rows, n, beta), &sum, 2 + terms);
        free_arrays();
    }
}
END_TEST

START_TEST(test_row_products)
{
    setup(_i);
    FOR(l, matrices) FOR(j, betas) for (int ones = 0; ones < 2; ones++) {
        size_t rows = matrices[l][0], n = matrices[l][1], size = rows * n;
        hidi_real beta = betas[j], a = (hidi_real)1.5;
        hidi_real *x = random_array(size), *ax = absolute(x, size);
        hidi_real *w = ones ? NULL : random_array(size), *aw = ones ? NULL : absolute(w, size);
        hidi_real *s = random_array(rows), *as = absolute(s, rows);
        double terms = sqrt((double)n);
        output y = new_output(size, beta), sums = new_output(rows, beta), sum = new_output(1, beta);

        RUN(y, cpu, found, scale_rows(o, beta, a, s, x, rows, n));
        RUN(y, ref, expected, scale_rows(o, beta, a, s, x, rows, n));
        RUN(y, ref, magnitude, scale_rows(o, beta, a, as, ax, rows, n));
        compare(label("scale_rows", 0, rows, n, beta), &y, 3);

        RUN(sums, cpu, found, dot_rows(o, beta, a, x, w, rows, n));
        RUN(sums, ref, expected, dot_rows(o, beta, a, x, w, rows, n));
        RUN(sums, ref, magnitude, dot_rows(o, beta, a, ax, aw, rows, n));
        compare(label("dot_rows", 0, rows, n, beta), &sums, 3 + terms);

        RUN(sum, cpu, found, dot(o, beta, a, x, w, size));
        RUN(sum, ref, expected, dot(o, beta, a, x, w, size));
        RUN(sum, ref, magnitude, dot(o, beta, a, ax, aw, size));
        compare(label("dot", 0, rows, n, beta), &sum, sizeof(hidi_real) == 8 ? 3 + terms : 2);
        free_arrays();
    }
}
END_TEST

START_TEST(test_copy_block)
{
    setup(_i);
    FOR(l, matrices) FOR(j, betas) {
        size_t rows = matrices[l][0], n = matrices[l][1], ldy = n + 3, ldx = n + 1;
        hidi_real beta = betas[j], *x = random_array(rows * ldx), *ax = absolute(x, rows * ldx);
        output y = new_output(rows * ldy, 1);

        for (size_t i = 0; i < rows && beta == 0; i++)
            for (size_t c = 0; c < n; c++)
                y.found[i * ldy + c] = y.expected[i * ldy + c] = (hidi_real)NAN;
        RUN(y, cpu, found, copy_block(o, ldy, beta, x, ldx, rows, n));
        RUN(y, ref, expected, copy_block(o, ldy, beta, x, ldx, rows, n));
        RUN(y, ref, magnitude, copy_block(o, ldy, beta, ax, ldx, rows, n));
        compare(label("copy_block", 0, rows, n, beta), &y, 1);
        free_arrays();
    }
}
END_TEST

/* --- norms and modulation -------------------------------------------------------------------- */

START_TEST(test_softmax)
{
    setup(_i);
    FOR(l, matrices) FOR(j, betas) {
        size_t rows = matrices[l][0], n = matrices[l][1], size = rows * n;
        hidi_real beta = betas[j], *x = random_array(size), *d = random_array(size);
        output y = new_output(size, 0), out = new_output(size, beta);

        ref->axpby(x, 0, 4, d, size); /* logits of some spread */
        normal(d, size, 99);
        RUN(y, cpu, found, softmax(o, x, rows, n));
        RUN(y, ref, expected, softmax(o, x, rows, n));
        ref->copy(y.magnitude, y.expected, size);
        for (size_t i = 0; i < size; i++)
            y.magnitude[i] += (hidi_real)1e-35;
        compare(label("softmax", 0, rows, n, 0), &y, 40 + sqrt((double)n)); /* |x - max| < 40 */

        RUN(out, cpu, found, softmax_jacobian(o, beta, y.expected, d, rows, n));
        RUN(out, ref, expected, softmax_jacobian(o, beta, y.expected, d, rows, n));
        for (size_t i = 0; i < size; i++) /* |d| < 6 */
            out.magnitude[i] = (beta == 0 ? 0 : out.magnitude[i]) + 12 * y.expected[i];
        compare(label("softmax_jacobian", 0, rows, n, beta), &out, 4 + sqrt((double)n));
        free_arrays();
    }
}
END_TEST

START_TEST(test_layer_norm)
{
    const hidi_real eps = (hidi_real)1e-6;

    setup(_i);
    FOR(l, matrices) FOR(j, betas) {
        size_t rows = matrices[l][0], n = matrices[l][1], size = rows * n;
        hidi_real beta = betas[j], *x = random_array(size), *d = random_array(size);
        double terms = sqrt((double)n);
        output y = new_output(size, 0), rstd = new_output(n > 0 ? rows : 0, 0);
        output out = new_output(size, beta);

        cpu->layer_norm(y.found, rstd.found, x, rows, n, eps);
        ref->layer_norm(y.expected, rstd.expected, x, rows, n, eps);
        for (size_t i = 0; i < rows && n > 0; i++) { /* of one element: x - x, times 1000 */
            double r = rstd.expected[i];
            rstd.magnitude[i] = (hidi_real)(r * (1 + r * r * (n == 1 ? 0 : 1)));
            for (size_t c = 0; c < n; c++)
                y.magnitude[i * n + c] = (hidi_real)(8 * r * (1 + r));
        }
        compare(label("layer_norm y", 0, rows, n, 0), &y, 4 + terms);
        compare(label("layer_norm rstd", 0, rows, n, 0), &rstd, 4 + terms);

        RUN(out, cpu, found, layer_norm_jacobian(o, beta, y.expected, rstd.expected, d, rows, n));
        RUN(out, ref, expected,
            layer_norm_jacobian(o, beta, y.expected, rstd.expected, d, rows, n));
        for (size_t i = 0; i < size; i++) /* |d|, |y| < 6 */
            out.magnitude[i] = (beta == 0 ? 0 : out.magnitude[i]) + 42 * rstd.expected[i / n];
        compare(label("layer_norm_jacobian", 0, rows, n, beta), &out, 4 + terms);
        free_arrays();
    }
}
END_TEST

static const size_t tokens[][3] = { { 0, 2, 3 },  { 1, 1, 1 },  { 2, 0, 5 },    { 3, 5, 7 },
                                    { 1, 16, 49 }, { 9, 4, 64 }, { 40, 25, 37 }, { 2, 300, 128 } };

START_TEST(test_modulation)
{
    setup(_i);
    FOR(l, tokens) FOR(j, betas) for (int with = 0; with < 4; with++) {
        size_t B = tokens[l][0], T = tokens[l][1], D = tokens[l][2], n = B * T * D;
        hidi_real beta = betas[j], *x = random_array(n), *ax = absolute(x, n);
        hidi_real *w = random_array(n), *aw = absolute(w, n);
        hidi_real *s = random_array(B * D), *as = absolute(s, B * D);
        hidi_real *t = random_array(B * D), *at = absolute(t, B * D);
        bool scale = with & 1, shift = with & 2;
        output y = new_output(n, beta), sum = new_output(B * D, beta), r = new_output(n, 0);

        RUN(y, cpu, found, modulate(o, beta, x, 1, scale ? s : NULL, shift ? t : NULL, B, T, D));
        RUN(y, ref, expected, modulate(o, beta, x, 1, scale ? s : NULL, shift ? t : NULL, B, T, D));
        RUN(y, ref, magnitude,
            modulate(o, beta, ax, 1, scale ? as : NULL, shift ? at : NULL, B, T, D));
        compare(label("modulate", B, T, D, beta), &y, 4);

        RUN(sum, cpu, found, sum_tokens(o, beta, x, scale ? w : NULL, B, T, D));
        RUN(sum, ref, expected, sum_tokens(o, beta, x, scale ? w : NULL, B, T, D));
        RUN(sum, ref, magnitude, sum_tokens(o, beta, ax, scale ? aw : NULL, B, T, D));
        compare(label("sum_tokens", B, T, D, beta), &sum, 3 + sqrt((double)T));

        RUN(r, cpu, found, gated_residual(o, x, s, w, B, T, D));
        RUN(r, ref, expected, gated_residual(o, x, s, w, B, T, D));
        RUN(r, ref, magnitude, gated_residual(o, ax, as, aw, B, T, D));
        compare(label("gated_residual", B, T, D, 0), &r, 2);
        free_arrays();
    }
}
END_TEST

START_TEST(test_sincos)
{
    static const size_t sizes[][2] = { { 0, 4 }, { 1, 2 }, { 5, 6 }, { 67, 128 } };

    setup(_i);
    FOR(l, sizes) FOR(j, betas) {
        size_t rows = sizes[l][0], n = sizes[l][1];
        hidi_real beta = betas[j], s = 3, *t = random_array(rows), *dt = random_array(rows);
        hidi_real *gy = random_array(rows * n);
        output y = new_output(rows * n, 0), dy = new_output(rows * n, beta);
        output gt = new_output(rows, beta);

        RUN(y, cpu, found, sincos(o, t, s, rows, n));
        RUN(y, ref, expected, sincos(o, t, s, rows, n));
        RUN(dy, cpu, found, sincos_jvp(o, beta, t, dt, s, rows, n));
        RUN(dy, ref, expected, sincos_jvp(o, beta, t, dt, s, rows, n));
        RUN(gt, cpu, found, sincos_vjp(o, beta, t, gy, s, rows, n));
        RUN(gt, ref, expected, sincos_vjp(o, beta, t, gy, s, rows, n));
        compare(label("sincos", 0, rows, n, 0), &y, 0); /* the same code: the same bits */
        compare(label("sincos_jvp", 0, rows, n, beta), &dy, 0);
        compare(label("sincos_vjp", 0, rows, n, beta), &gt, 0);
        free_arrays();
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cpu backend: elements and rows");
    TCase *cases = tcase_create("against the reference backend");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (hidi_cpu_backend() == hidi_reference_backend())
        return 77; /* built without BLAS: nothing to compare; automake's "skipped" */
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_elementwise, 0, LOOPS);
    tcase_add_loop_test(cases, test_copy_overlaps, 0, LOOPS);
    tcase_add_loop_test(cases, test_unary, 0, LOOPS);
    tcase_add_loop_test(cases, test_unary_jacobian, 0, LOOPS);
    tcase_add_loop_test(cases, test_unary_extremes, 0, LOOPS);
    tcase_add_loop_test(cases, test_adamw, 0, LOOPS);
    tcase_add_loop_test(cases, test_rows, 0, LOOPS);
    tcase_add_loop_test(cases, test_row_products, 0, LOOPS);
    tcase_add_loop_test(cases, test_copy_block, 0, LOOPS);
    tcase_add_loop_test(cases, test_softmax, 0, LOOPS);
    tcase_add_loop_test(cases, test_layer_norm, 0, LOOPS);
    tcase_add_loop_test(cases, test_modulation, 0, LOOPS);
    tcase_add_loop_test(cases, test_sincos, 0, LOOPS);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
