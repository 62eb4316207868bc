/* test_backend_blas.c - the matrix slots of the cpu backend against the reference: products, linear
 * layers, attention, convolution, pooling and patches; sizes 0 and 1, odd ones, sizes around the
 * small kernel's panels and strips and on both sides of its limits, one to three threads.
 */
#include "against_reference.h"

/* --- products -------------------------------------------------------------------------------- */

static const size_t products[][3] = { /* m, n, k */
    { 0, 3, 4 },    { 3, 0, 4 },    { 3, 4, 0 },     { 1, 1, 1 },      { 2, 3, 5 },
    { 4, 16, 8 },   { 5, 17, 7 },   { 16, 16, 32 },  { 3, 15, 256 },   { 13, 33, 257 },
    { 47, 9, 31 },  { 49, 50, 19 }, { 1, 300, 70 },  { 300, 1, 70 },   { 64, 64, 65 },
    { 97, 89, 83 }, { 31, 257, 64 }, { 256, 96, 100 }, { 130, 131, 128 }, { 33, 35, 1000 }
};

/* The reference takes its time: with large products, not every beta. */
static bool is_enough(size_t product, size_t beta)
{
    const size_t *s = products[product];

    return s[0] * s[1] * s[2] > 50000 && beta != product % BETAS;
}

START_TEST(test_gemm)
{
    const hidi_real alpha = (hidi_real)-0.75;

    setup(_i);
    FOR(l, products) FOR(j, betas) for (int transpose = 0; transpose < 4; transpose++) {
        bool ta = transpose & 1, tb = transpose & 2;
        size_t m = products[l][0], n = products[l][1], k = products[l][2];
        size_t lda = (ta ? m : k) + 2, ldb = (tb ? k : n) + 3, ldc = n + 1;
        size_t na = (ta ? k : m) * lda, nb = (tb ? n : k) * ldb;
        hidi_real beta = betas[j], *a = random_array(na), *b = random_array(nb);
        hidi_real *aa = absolute(a, na), *ab = absolute(b, nb);
        output c = new_output(m * ldc, 1);

        if (is_enough(l, j)) {
            free_arrays();
            continue;
        }
        for (size_t i = 0; i < m && beta == 0; i++)
            for (size_t col = 0; col < n; col++)
                c.found[i * ldc + col] = c.expected[i * ldc + col] = (hidi_real)NAN;
        cpu->gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c.found, ldc);
        ref->gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c.expected, ldc);
        ref->gemm(ta, tb, m, n, k, -alpha, aa, lda, ab, ldb, beta, c.magnitude, ldc);
        compare(label(ta ? tb ? "gemm TT" : "gemm TN" : tb ? "gemm NT" : "gemm NN", m, n, k, beta),
                &c, 4 + sqrt((double)k));
        free_arrays();
    }
}
END_TEST

START_TEST(test_gemm_batched)
{
    static const size_t batches[] = { 0, 1, 4 };

    setup(_i);
    FOR(l, products) FOR(q, batches) for (int mode = 0; mode < 8; mode++) {
        bool ta = mode & 1, tb = mode & 2, shared = mode & 4;
        size_t m = products[l][0], n = products[l][1], k = products[l][2], batch = batches[q];
        size_t stride_a = shared ? 0 : m * k, stride_b = k * n + 1, stride_c = m * n + 2;
        size_t na = m * k * (shared ? 1 : batch), nb = stride_b * batch;
        hidi_real beta = betas[(l + q) % BETAS], *a = random_array(na), *b = random_array(nb);
        hidi_real *aa = absolute(a, na), *ab = absolute(b, nb);
        output c = new_output(stride_c * batch, 1);

        if (is_enough(l, (size_t)mode % BETAS)) {
            free_arrays();
            continue;
        }
        for (size_t s = 0; s < batch && beta == 0; s++)
            for (size_t i = 0; i < m * n; i++)
                c.found[s * stride_c + i] = (hidi_real)NAN;
        cpu->gemm_batched(ta, tb, m, n, k, 2, a, stride_a, b, stride_b, beta, c.found, stride_c,
                          batch);
        ref->gemm_batched(ta, tb, m, n, k, 2, a, stride_a, b, stride_b, beta, c.expected, stride_c,
                          batch);
        ref->gemm_batched(ta, tb, m, n, k, 2, aa, stride_a, ab, stride_b, beta, c.magnitude,
                          stride_c, batch);
        compare(label("gemm_batched", m, n, k, beta), &c, 4 + sqrt((double)k));
        free_arrays();
    }
}
END_TEST

START_TEST(test_linear)
{
    setup(_i);
    FOR(l, products) FOR(j, betas) for (int with_bias = 0; with_bias < 2; with_bias++) {
        size_t rows = products[l][0], out = products[l][1], in = products[l][2];
        hidi_real beta = betas[j], *x = random_array(rows * in), *w = random_array(out * in);
        hidi_real *ax = absolute(x, rows * in), *aw = absolute(w, out * in);
        hidi_real *bias = random_array(out), *abias = absolute(bias, out);
        output y = new_output(rows * out, beta);

        if (is_enough(l, j)) {
            free_arrays();
            continue;
        }
        cpu->linear(y.found, beta, x, w, with_bias ? bias : NULL, rows, in, out);
        ref->linear(y.expected, beta, x, w, with_bias ? bias : NULL, rows, in, out);
        ref->linear(y.magnitude, beta, ax, aw, with_bias ? abias : NULL, rows, in, out);
        compare(label("linear", rows, in, out, beta), &y, 4 + sqrt((double)in));
        free_arrays();
    }
}
END_TEST

/* --- attention ------------------------------------------------------------------------------- */

static const size_t heads[][4] = { /* B, T, H, Dh */
    { 0, 3, 2, 4 }, { 2, 0, 2, 4 },  { 1, 1, 1, 1 },  { 2, 3, 3, 5 },   { 3, 16, 4, 32 },
    { 2, 17, 1, 7 }, { 2, 49, 2, 32 }, { 1, 64, 3, 33 }, { 1, 130, 2, 64 }, { 1, 256, 2, 72 }
};

/* The probabilities are O(1), and logits differ by a rounding of their own size (< 10 here); a sum
 * over T of probabilities times N(0, 1) is O(1) too.  Errors of the derivatives are those of
 * a few such products, each of Dh or T terms. */
START_TEST(test_attention)
{
    setup(_i);
    FOR(l, heads) {
        size_t B = heads[l][0], T = heads[l][1], H = heads[l][2], Dh = heads[l][3];
        size_t n = B * T * H * Dh, nP = B * H * T * T;
        hidi_real beta = betas[(l + (size_t)_i) % BETAS];
        hidi_real *qkv = random_array(3 * n), *dqkv = random_array(3 * n);
        hidi_real *gy = random_array(n), *scratch = random_array(nP);
        output y = new_output(n, 0), P = new_output(nP, 0), dy = new_output(n, 0);
        output gqkv = new_output(3 * n, beta);
        double terms = sqrt((double)(T + Dh));

        cpu->attention(y.found, P.found, qkv, B, T, H, Dh);
        ref->attention(y.expected, P.expected, qkv, B, T, H, Dh);
        cpu->attention_jvp(dy.found, qkv, dqkv, P.expected, scratch, B, T, H, Dh);
        ref->attention_jvp(dy.expected, qkv, dqkv, P.expected, scratch, B, T, H, Dh);
        cpu->attention_vjp(gqkv.found, beta, qkv, gy, P.expected, scratch, B, T, H, Dh);
        ref->attention_vjp(gqkv.expected, beta, qkv, gy, P.expected, scratch, B, T, H, Dh);
        ref->fill(y.magnitude, 4, n);
        ref->fill(dy.magnitude, 4, n);
        for (size_t i = 0; i < nP; i++)
            P.magnitude[i] = 10 * P.expected[i];
        for (size_t i = 0; i < 3 * n; i++)
            gqkv.magnitude[i] = 8 + (beta == 0 ? 0 : gqkv.magnitude[i]);
        compare(label("attention P", B * H, T, Dh, 0), &P, 4 + terms);
        compare(label("attention y", B * H, T, Dh, 0), &y, 4 + terms);
        compare(label("attention dy", B * H, T, Dh, 0), &dy, 4 + terms);
        compare(label("attention gqkv", B * H, T, Dh, beta), &gqkv, 4 + terms);
        free_arrays();
    }
}
END_TEST

/* --- images ---------------------------------------------------------------------------------- */

static const size_t windows[][10] = { /* B, C, height, width, O, kernel h, w, stride, padding */
    { 0, 2, 4, 4, 3, 3, 3, 1, 1, 1 }, { 2, 0, 4, 4, 3, 3, 3, 1, 1, 1 },
    { 2, 2, 4, 4, 0, 3, 3, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1, 1, 1, 0, 0 },
    { 3, 5, 6, 7, 4, 1, 1, 1, 0, 0 }, { 1, 9, 9, 5, 7, 1, 1, 2, 0, 0 },
    { 2, 3, 8, 8, 5, 3, 3, 1, 1, 1 }, { 1, 17, 13, 11, 6, 3, 3, 2, 1, 1 },
    { 4, 2, 7, 9, 3, 5, 5, 2, 2, 2 }, { 1, 3, 40, 37, 8, 3, 3, 1, 0, 0 },
    { 2, 1, 5, 5, 2, 5, 5, 1, 4, 4 }, { 2, 40, 12, 12, 9, 4, 4, 3, 1, 1 },
    { 1, 2, 3, 3, 2, 7, 7, 1, 3, 3 }, { 5, 4, 16, 16, 4, 2, 2, 2, 0, 0 },
    { 7, 13, 16, 15, 5, 3, 3, 1, 1, 1 }, { 2, 3, 17, 17, 5, 1, 7, 1, 0, 3 },
    { 2, 3, 17, 17, 5, 7, 1, 1, 3, 0 }, { 3, 9, 8, 8, 7, 1, 3, 1, 0, 1 },
    { 3, 9, 8, 8, 7, 3, 1, 1, 1, 0 }, { 1, 4, 9, 20, 33, 2, 5, 2, 1, 0 },
    { 2, 37, 35, 35, 48, 3, 3, 1, 1, 1 }, { 1, 500, 8, 8, 35, 3, 1, 1, 1, 0 }
};

static hidi_window window_of(size_t i)
{
    const size_t *s = windows[i];
    hidi_window w = { .batch = s[0], .channels = s[1], .height = s[2], .width = s[3],
                      .out_channels = s[4], .kernel_h = s[5], .kernel_w = s[6], .stride = s[7],
                      .padding_h = s[8], .padding_w = s[9] };

    w.out_height = (w.height + 2 * w.padding_h - w.kernel_h) / w.stride + 1;
    w.out_width = (w.width + 2 * w.padding_w - w.kernel_w) / w.stride + 1;
    return w;
}

START_TEST(test_conv2d)
{
    setup(_i);
    FOR(l, windows) FOR(j, betas) {
        hidi_window v = window_of(l);
        size_t nx = v.batch * v.channels * v.height * v.width;
        size_t ny = v.batch * v.out_channels * v.out_height * v.out_width;
        size_t K = v.channels * v.kernel_h * v.kernel_w, nw = v.out_channels * K;
        hidi_real beta = betas[j], *x = random_array(nx), *w = random_array(nw);
        hidi_real *gy = random_array(ny), *bias = j == 1 ? NULL : random_array(v.out_channels);
        hidi_real *ax = absolute(x, nx), *aw = absolute(w, nw), *agy = absolute(gy, ny);
        hidi_real *abias = bias ? absolute(bias, v.out_channels) : NULL;
        hidi_real *s = random_array(cpu->conv_scratch(&v));
        output y = new_output(ny, beta), gx = new_output(nx, beta), gw = new_output(nw, beta);
        double taps = (double)(v.out_channels * v.kernel_h * v.kernel_w);

        RUN(y, cpu, found, conv2d(o, beta, x, w, bias, &v, s));
        RUN(y, ref, expected, conv2d(o, beta, x, w, bias, &v, NULL));
        RUN(y, ref, magnitude, conv2d(o, beta, ax, aw, abias, &v, NULL));
        compare(label("conv2d", l, nx, ny, beta), &y, 4 + sqrt((double)K));

        if (j == 0) {
            size_t image = v.batch > 0 ? ny / v.batch : 0, ldy = image + 5;
            output slice = new_output(v.batch * ldy, 1); /* what lies between images stays */

            cpu->conv2d_relu(slice.found, ldy, x, w, bias, &v, s);
            ref->conv2d_relu(slice.expected, ldy, x, w, bias, &v, NULL);
            for (size_t i = 0; i < ny; i++)
                slice.magnitude[i / image * ldy + i % image] = y.magnitude[i];
            compare(label("conv2d_relu", l, nx, ny, 0), &slice, 4 + sqrt((double)K));
        }

        RUN(gx, cpu, found, conv2d_grad_input(o, beta, w, gy, &v, s));
        RUN(gx, ref, expected, conv2d_grad_input(o, beta, w, gy, &v, NULL));
        RUN(gx, ref, magnitude, conv2d_grad_input(o, beta, aw, agy, &v, NULL));
        compare(label("conv2d_grad_input", l, nx, ny, beta), &gx, 4 + sqrt(taps));

        RUN(gw, cpu, found, conv2d_grad_weight(o, beta, x, gy, &v, s));
        RUN(gw, ref, expected, conv2d_grad_weight(o, beta, x, gy, &v, NULL));
        RUN(gw, ref, magnitude, conv2d_grad_weight(o, beta, ax, agy, &v, NULL));
        compare(label("conv2d_grad_weight", l, nx, ny, beta), &gw, 4 + sqrt((double)(ny + 1)));

        for (size_t i = 0; i < GUARD; i++) /* of the scratch */
            ck_assert(s[cpu->conv_scratch(&v) + i] == sentinel);
        free_arrays();
    }
}
END_TEST

/* The same code on a share of the planes: the same bits. */
START_TEST(test_pooling)
{
    setup(_i);
    FOR(l, windows) FOR(j, betas) {
        hidi_window v = window_of(l);
        size_t planes = v.batch * v.channels, nx = planes * v.height * v.width;
        size_t ny = planes * v.out_height * v.out_width;
        hidi_real beta = betas[j], *x = random_array(nx), *gy = random_array(ny);
        int32_t *found = cpu->allocate((ny + 1) * sizeof *found);
        int32_t *expected = cpu->allocate((ny + 1) * sizeof *expected);
        output y = new_output(ny, beta), gx = new_output(nx, beta);

        v.out_channels = v.channels;
        v.count_padding = l % 2;
        RUN(y, cpu, found, average_pool(o, beta, x, &v));
        RUN(y, ref, expected, average_pool(o, beta, x, &v));
        RUN(gx, cpu, found, average_pool_vjp(o, beta, gy, &v));
        RUN(gx, ref, expected, average_pool_vjp(o, beta, gy, &v));
        compare(label("average_pool", l, nx, ny, beta), &y, 0);
        compare(label("average_pool_vjp", l, nx, ny, beta), &gx, 0);

        y = new_output(ny, 0);
        gx = new_output(nx, beta);
        RUN(y, cpu, found, max_pool(o, found, x, &v));
        RUN(y, ref, expected, max_pool(o, expected, x, &v));
        RUN(gx, cpu, found, max_pool_vjp(o, beta, found, gy, &v));
        RUN(gx, ref, expected, max_pool_vjp(o, beta, expected, gy, &v));
        compare(label("max_pool", l, nx, ny, 0), &y, 0);
        compare(label("max_pool_vjp", l, nx, ny, beta), &gx, 0);
        ck_assert(memcmp(found, expected, ny * sizeof *found) == 0);
        RUN(y, cpu, found, max_pool_jvp(o, found, x, &v));
        RUN(y, ref, expected, max_pool_jvp(o, expected, x, &v));
        compare(label("max_pool_jvp", l, nx, ny, 0), &y, 0);
        cpu->release(found);
        cpu->release(expected);
        free_arrays();
    }
}
END_TEST

START_TEST(test_patches)
{
    static const size_t images[][5] = { /* B, C, H, W, p */
        { 0, 3, 4, 4, 2 }, { 1, 1, 1, 1, 1 },    { 3, 2, 6, 4, 2 },
        { 5, 3, 8, 8, 4 }, { 67, 3, 16, 16, 4 }
    };

    setup(_i);
    FOR(l, images) FOR(j, betas) for (int order = 0; order < 2; order++) {
        size_t B = images[l][0], C = images[l][1], H = images[l][2], W = images[l][3];
        size_t p = images[l][4], n = B * C * H * W;
        hidi_patch_order how = order ? HIDI_PATCH_PQC : HIDI_PATCH_CPQ;
        hidi_real beta = betas[j], *x = random_array(n), *bias = random_array(C);
        output y = new_output(n, beta), z = new_output(n, beta), channels = new_output(n, 1);

        RUN(y, cpu, found, patchify(o, beta, x, how, B, C, H, W, p));
        RUN(y, ref, expected, patchify(o, beta, x, how, B, C, H, W, p));
        RUN(z, cpu, found, unpatchify(o, beta, x, how, B, C, H, W, p));
        RUN(z, ref, expected, unpatchify(o, beta, x, how, B, C, H, W, p));
        RUN(channels, cpu, found, add_channels(o, bias, B, C, H * W));
        RUN(channels, ref, expected, add_channels(o, bias, B, C, H * W));
        compare(label("patchify", B, C, H, beta), &y, 0);
        compare(label("unpatchify", B, C, H, beta), &z, 0);
        compare(label("add_channels", B, C, H, 1), &channels, 0);
        free_arrays();
    }
}
END_TEST

/* --- the table ------------------------------------------------------------------------------- */

START_TEST(test_threads)
{
    char text[32];

    setup(_i);
    ck_assert_str_eq(cpu->name, "cpu");
    ck_assert_int_ge(cpu->threads(), 1);
#ifdef _OPENMP
    ck_assert_int_eq(cpu->threads(), _i < THREADS ? _i + 1 : 2);
    snprintf(text, sizeof text, "OpenMP %d thread%s,", cpu->threads(), _i > 0 ? "s" : "");
#else
    snprintf(text, sizeof text, "no OpenMP,");
#endif
    ck_assert_msg(strstr(cpu->describe(), text) != NULL, "\"%s\" without \"%s\"", cpu->describe(),
                  text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cpu backend: matrices and images");
    TCase *cases = tcase_create("against the reference backend");
    SRunner *runner = srunner_create(suite);
    int failed;

    if (hidi_cpu_backend() == hidi_reference_backend())
        return 77; /* built without BLAS: nothing to compare; automake's "skipped" */
    tcase_set_timeout(cases, 300);
    tcase_add_loop_test(cases, test_gemm, 0, LOOPS);
    tcase_add_loop_test(cases, test_gemm_batched, 0, LOOPS);
    tcase_add_loop_test(cases, test_linear, 0, LOOPS);
    tcase_add_loop_test(cases, test_attention, 0, LOOPS);
    tcase_add_loop_test(cases, test_conv2d, 0, LOOPS);
    tcase_add_loop_test(cases, test_pooling, 0, LOOPS);
    tcase_add_loop_test(cases, test_patches, 0, LOOPS);
    tcase_add_loop_test(cases, test_threads, 0, LOOPS);
    suite_add_tcase(suite, cases);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
