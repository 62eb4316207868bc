/* test_backend_cuda.c - what the cuda backend has of its own, on the emulation: its allocator, its
 * errors, copies in several pieces, and sizes that take more than one call, pass or sweep of the
 * grid.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <check.h>

#include "backend/tables.h"
#include "control.h"
#include "core/random.h"

static const hidi_backend *cuda, *ref;

static void setup(void)
{
    ck_assert_int_eq(hidi_backend_open("cuda", &cuda), HIDI_OK);
    ref = hidi_reference_backend();
    cuda_emulation_set_blocking(false);
    cuda_emulation_set_memory((size_t)16 << 30);
}

/* --- arrays: one in host memory, and the same on the device ---------------------------------- */

typedef struct array {
    hidi_real *host, *device;
    size_t n;
} array;

/* n elements ~ N(0, 1); another `which` gives other numbers. */
static array make(size_t n, uint64_t which)
{
    hidi_random random = { 1, HIDI_STREAM_TEST, which };
    array a = { malloc(n * sizeof *a.host), cuda->allocate(n * sizeof *a.device), n };

    ck_assert(a.host != NULL && a.device != NULL);
    hidi_normal(random, 0, a.host, n);
    cuda->upload(a.device, a.host, n * sizeof *a.host);
    return a;
}

static void drop(array *a)
{
    free(a->host);
    cuda->release(a->device);
}

/* What is on the device is what is in host memory, to some roundings of the largest element. */
static void compare(const char *what, const array *a, double roundings)
{
    hidi_real *found = malloc(a->n * sizeof *found);
    double largest = 0, off = 0;

    ck_assert_ptr_nonnull(found);
    cuda->download(found, a->device, a->n * sizeof *found);
    ck_assert_msg(cuda->check() == HIDI_OK, "%s: %s", what, hidi_error_message());
    for (size_t i = 0; i < a->n; i++) {
        largest = fmax(largest, fabs((double)a->host[i]));
        off = fmax(off, fabs((double)found[i] - (double)a->host[i]));
        ck_assert_msg(!isnan(found[i]), "%s: element %zu is NaN", what, i);
    }
    free(found);
    ck_assert_msg(off <= roundings * HIDI_REAL_EPSILON * largest, "%s: %.3g off, largest %.3g",
                  what, off, largest);
}

/* --- memory ---------------------------------------------------------------------------------- */

START_TEST(test_released_memory_is_reused)
{
    void *a = cuda->allocate(100000), *b;
    size_t before = cuda_emulation_allocations();

    cuda->release(a);
    b = cuda->allocate(99000); /* about the same: the same piece */
    ck_assert_ptr_eq(a, b);
    ck_assert_uint_eq(cuda_emulation_allocations(), before);
    a = cuda->allocate(99000); /* it is in use now */
    ck_assert_ptr_ne(a, b);
    cuda->release(a);
    a = cuda->allocate(50000); /* too small for so large a piece */
    ck_assert_uint_eq(cuda_emulation_allocations(), before + 2);
    cuda->release(a);
    cuda->release(b);
}
END_TEST

/* What was released and is kept is given back before an allocation fails; one that fails is not an
 * error of the calls after it. */
START_TEST(test_out_of_memory)
{
    const size_t most = (size_t)64 << 20, half = most / 2;
    void *a, *b;

    cuda_emulation_set_memory(most);
    a = cuda->allocate(half);
    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(cuda->allocate(most));
    ck_assert_int_eq(cuda->check(), HIDI_OK);
    cuda->release(a);
    b = cuda->allocate(half + half / 2); /* only without a */
    ck_assert_ptr_nonnull(b);
    cuda->fill(b, 1, 1000);
    ck_assert_int_eq(cuda->check(), HIDI_OK);
    cuda->release(b);
}
END_TEST

/* The array may be written as soon as upload() returns, though the copy comes later. */
START_TEST(test_upload_from_an_array_that_changes)
{
    enum { N = 1000003 }; /* more than all pinned pieces hold */
    array x = make(N, 0), y = make(1009, 1);
    hidi_real *host = malloc(N * sizeof *host);

    ck_assert_ptr_nonnull(host);
    memcpy(host, x.host, N * sizeof *host);
    cuda->upload(x.device, host, N * sizeof *host);
    for (size_t i = 0; i < N; i++)
        host[i] = -1;
    for (size_t i = 0; i < 20; i++) { /* several uploads on their way */
        memcpy(host, y.host, y.n * sizeof *host);
        cuda->upload(y.device, host, y.n * sizeof *host);
        host[i] = -1;
    }
    compare("upload", &x, 0);
    compare("small uploads", &y, 0);
    free(host);
    drop(&x);
    drop(&y);
}
END_TEST

/* memmove over distances smaller and larger than the pieces that go through the workspace */
START_TEST(test_copies_in_pieces)
{
    static const size_t shifts[] = { 1, 1000, 1300003, 2700001 };
    array x = make(2800003, 0);

    for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
        size_t shift = shifts[i], n = x.n - shift;
        cuda->copy(x.device + shift, x.device, n);
        memmove(x.host + shift, x.host, n * sizeof *x.host);
        compare("up", &x, 0);
        cuda->copy(x.device, x.device + shift, n);
        memmove(x.host, x.host + shift, n * sizeof *x.host);
        compare("down", &x, 0);
    }
    drop(&x);
}
END_TEST

/* --- errors ---------------------------------------------------------------------------------- */

/* A size that cuBLAS cannot count comes out once, as the first error, with the call's name. */
START_TEST(test_errors_are_kept)
{
    const size_t huge = (size_t)1 << 31;
    array x = make(4, 0);

    ck_assert_int_eq(cuda->check(), HIDI_OK);
    cuda->gemm(false, false, 1, huge, 1, 1, x.device, 1, x.device, huge, 0, x.device, huge);
    cuda->fill(x.device, 1, x.n);
    ck_assert_int_eq(cuda->check(), HIDI_BAD_BACKEND);
    ck_assert_str_eq(hidi_error_message(), "backend \"cuda\": gemm: a matrix has more than "
                                           "2147483647 rows or columns");
    ck_assert_int_eq(cuda->check(), HIDI_OK);
    drop(&x);
}
END_TEST

/* A kernel that reads outside its arrays: the error comes out, and what is downloaded then is 0
 * and not what was in host memory. */
START_TEST(test_errors_in_kernels)
{
    array x = make(1000, 0);
    hidi_real host[2] = { 5, 5 };

    cuda->axpby(x.device, 0, 1, x.device + ((size_t)1 << 40), x.n);
    cuda->download(host, x.device, sizeof host);
    ck_assert(host[0] == 0 && host[1] == 0);
    ck_assert_int_eq(cuda->check(), HIDI_BAD_BACKEND);
    ck_assert_msg(strstr(hidi_error_message(), "axpby_kernel") != NULL, "%s", hidi_error_message());
    cuda_emulation_reset();
    free(x.host);
}
END_TEST

START_TEST(test_no_device)
{
    const hidi_backend *backend;

    cuda_emulation_set_devices(0);
    ck_assert_int_eq(hidi_backend_open("cuda", &backend), HIDI_BAD_BACKEND);
    ck_assert_ptr_nonnull(strstr(hidi_error_message(), "no usable device: "));
    cuda_emulation_set_devices(1);
    ck_assert_int_eq(hidi_backend_open("cuda", &backend), HIDI_OK);
}
END_TEST

/* --- sizes ----------------------------------------------------------------------------------- */

/* More heads than cuBLAS takes at a time, and more pointers to them than the workspace holds. */
START_TEST(test_many_heads)
{
    const size_t H = 70001, n = 2 * H;
    array qkv = make(3 * n, 0), d = make(3 * n, 1), y = make(n, 2), g = make(3 * n, 3);
    array probs = make(H, 4), scratch = make(H, 5);

    cuda->attention(y.device, probs.device, qkv.device, 1, 1, H, 2);
    ref->attention(y.host, probs.host, qkv.host, 1, 1, H, 2);
    compare("attention", &y, 4);
    cuda->attention_jvp(y.device, qkv.device, d.device, probs.device, scratch.device, 1, 1, H, 2);
    ref->attention_jvp(y.host, qkv.host, d.host, probs.host, scratch.host, 1, 1, H, 2);
    compare("attention_jvp", &y, 4);
    cuda->attention_vjp(g.device, 1, qkv.device, y.device, probs.device, scratch.device, 1, 1, H,
                        2);
    ref->attention_vjp(g.host, 1, qkv.host, y.host, probs.host, scratch.host, 1, 1, H, 2);
    compare("attention_vjp", &g, 8);
    drop(&qkv), drop(&d), drop(&y), drop(&g), drop(&probs), drop(&scratch);
}
END_TEST

/* One image's im2col is more than the scratch: passes over some of its output rows. */
START_TEST(test_convolution_in_passes)
{
    const hidi_window v = { 2, 16, 34, 31, 3, 33, 33, 1, 16, 16, 34, 31 };
    const size_t inputs = v.batch * v.channels * v.height * v.width;
    const size_t outputs = v.batch * v.out_channels * v.out_height * v.out_width;
    const size_t K = v.channels * v.kernel_h * v.kernel_w, weights = v.out_channels * K;
    array x = make(inputs, 0), w = make(weights, 1), bias = make(v.out_channels, 2);
    array y = make(outputs, 3), gy = make(outputs, 4), gx = make(inputs, 5), gw = make(weights, 6);
    array scratch = make(cuda->conv_scratch(&v), 7);
    const hidi_real beta = (hidi_real)0.5;

    ck_assert_uint_lt(scratch.n, (K + v.out_channels) * v.out_height * v.out_width);
    cuda->conv2d(y.device, beta, x.device, w.device, bias.device, &v, scratch.device);
    ref->conv2d(y.host, beta, x.host, w.host, bias.host, &v, scratch.host);
    compare("conv2d", &y, sqrt((double)K));
    cuda->conv2d_grad_input(gx.device, beta, w.device, gy.device, &v, scratch.device);
    ref->conv2d_grad_input(gx.host, beta, w.host, gy.host, &v, scratch.host);
    compare("conv2d_grad_input", &gx, sqrt((double)(weights / v.channels)));
    cuda->conv2d_grad_weight(gw.device, beta, x.device, gy.device, &v, scratch.device);
    ref->conv2d_grad_weight(gw.host, beta, x.host, gy.host, &v, scratch.host);
    compare("conv2d_grad_weight", &gw, sqrt((double)(outputs / v.out_channels)));
    drop(&x), drop(&w), drop(&bias), drop(&y), drop(&gy), drop(&gx), drop(&gw), drop(&scratch);
}
END_TEST

/* A row that is split among blocks, a sum that is, and more elements than the grid has threads. */
START_TEST(test_long_arrays)
{
    const size_t n = 600011, rows = 20011, columns = n / rows;
    array x = make(n, 0), w = make(n, 1), y = make(n, 2), out = make(columns, 3), one = make(1, 4);

    cuda->axpby(y.device, 1, 2, x.device, n);
    ref->axpby(y.host, 1, 2, x.host, n);
    compare("axpby", &y, 2);
    cuda->softmax(y.device, x.device, rows, columns);
    ref->softmax(y.host, x.host, rows, columns);
    compare("softmax", &y, 8);
    cuda->sum_rows(out.device, 1, x.device, 1, rows, columns);
    ref->sum_rows(out.host, 1, x.host, 1, rows, columns);
    compare("sum_rows", &out, sqrt((double)rows));
    cuda->dot(one.device, 0, 1, x.device, w.device, n);
    ref->dot(one.host, 0, 1, x.host, w.host, n);
    /* double has no wider type to sum in: roundings of sqrt(n) terms, which |sum| is about */
    compare("dot", &one, sizeof(hidi_real) == sizeof(double) ? sqrt((double)n) : 1);
    drop(&x), drop(&w), drop(&y), drop(&out), drop(&one);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cuda backend");
    TCase *tests = tcase_create("on the emulation");
    TCase *without = tcase_create("without a device"); /* no fixture: it would open the backend */
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, without);
    tcase_add_test(without, test_no_device);
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 600);
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, test_released_memory_is_reused);
    tcase_add_test(tests, test_out_of_memory);
    tcase_add_test(tests, test_upload_from_an_array_that_changes);
    tcase_add_test(tests, test_copies_in_pieces);
    tcase_add_test(tests, test_errors_are_kept);
    tcase_add_test(tests, test_errors_in_kernels);
    tcase_add_test(tests, test_many_heads);
    tcase_add_test(tests, test_convolution_in_passes);
    tcase_add_test(tests, test_long_arrays);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
