/* test_cuda_emulation.cc - the emulation itself: kernels that are right run as on a device, and the
 * runtime's calls keep their promises.  For what it must find, see test_cuda_faults.cc.
 */
#include "cuda_launch.h"
#include "suite.h"

/* --- kernels that are right ------------------------------------------------------------------- */

static __global__ void index_all(unsigned *out)
{
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    const unsigned n = blockDim.x * blockDim.y * blockDim.z;
    out[block * n + thread] = threadIdx.x + 100 * threadIdx.y + 10000 * threadIdx.z +
                              1000000 * blockIdx.x + 10000000 * blockIdx.y + 100000000 * blockIdx.z;
}

START_TEST(test_indices)
{
    enum { N = 2 * 3 * 2 * 5 * 3 * 2 };
    static unsigned found[N];
    unsigned *out = on_device(found, N), i = 0;
    cuda_emulation_set_order(static_cast<cuda_emulation_order>(_i));
    LAUNCH(index_all, dim3(2, 3, 2), dim3(5, 3, 2), 0, out);
    from_device(found, out, N);
    for (unsigned bz = 0; bz < 2; bz++)
        for (unsigned by = 0; by < 3; by++)
            for (unsigned bx = 0; bx < 2; bx++)
                for (unsigned z = 0; z < 2; z++)
                    for (unsigned y = 0; y < 3; y++)
                        for (unsigned x = 0; x < 5; x++)
                            ck_assert_uint_eq(found[i++], x + 100 * y + 10000 * z + 1000000 * bx +
                                                              10000000 * by + 100000000 * bz);
    expect_nothing();
}
END_TEST

/* A sum across a block, in two arrays of shared memory, by way of templates. */
template <typename T, int N> static __device__ T block_sum(T x)
{
    __shared__ T part[N];
    part[threadIdx.x] = x;
    for (int half = N / 2; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < static_cast<unsigned>(half))
            part[threadIdx.x] += part[threadIdx.x + static_cast<unsigned>(half)];
    }
    __syncthreads();
    x = part[0];
    __syncthreads(); /* before the next call writes */
    return x;
}

template <typename T, int N> static __global__ void sum_twice(T *out, const T *x)
{
    const T once = block_sum<T, N>(x[blockIdx.x * N + threadIdx.x]);
    out[blockIdx.x * N + threadIdx.x] = block_sum<T, N>(once);
}

START_TEST(test_barriers)
{
    enum { N = 64, BLOCKS = 5 };
    float found[N * BLOCKS], *x = on_device(numbers, N * BLOCKS);
    float *y = on_device<float>(nullptr, N * BLOCKS);
    cuda_emulation_set_order(static_cast<cuda_emulation_order>(_i));
    LAUNCH((sum_twice<float, N>), BLOCKS, N, 0, y, x);
    from_device(found, y, N * BLOCKS);
    for (int b = 0; b < BLOCKS; b++)
        for (int i = 0; i < N; i++)
            ck_assert(found[b * N + i] == N * (N * (N - 1) / 2.f + N * N * b));
    expect_nothing();
}
END_TEST

START_TEST(test_dynamic_shared)
{
    float found[100], *x = on_device(numbers, 100);
    LAUNCH(reverse_dynamic, 1, 100, 100 * sizeof *x, x, 100u);
    from_device(found, x, 100);
    for (int i = 0; i < 100; i++)
        ck_assert(found[i] == 99 - i);
    expect_nothing();
}
END_TEST

static __global__ void shuffle_all(int *out)
{
    const int x = 100 + static_cast<int>(threadIdx.x);
    int *mine = out + 7 * threadIdx.x;
    mine[0] = __shfl_sync(0xffffffffu, x, 3);
    mine[1] = __shfl_sync(0xffffffffu, x, 3, 8);
    mine[2] = __shfl_up_sync(0xffffffffu, x, 2);
    mine[3] = __shfl_down_sync(0xffffffffu, x, 30);
    mine[4] = __shfl_xor_sync(0xffffffffu, x, 16);
    mine[5] = __shfl_down_sync(0xffffffffu, x, 3, 4);
    mine[6] = threadIdx.x % WARP < 8 ? __shfl_xor_sync(0xffu, x, 7) : 0;
}

START_TEST(test_shuffles)
{
    enum { N = 2 * WARP };
    static int found[7 * N];
    int *out = on_device(found, 7 * N);
    cuda_emulation_set_order(static_cast<cuda_emulation_order>(_i));
    LAUNCH(shuffle_all, 1, N, 0, out);
    from_device(found, out, 7 * N);
    for (int i = 0; i < N; i++) {
        const int lane = i % WARP, first = 100 + i - lane, *f = found + 7 * i;
        ck_assert_int_eq(f[0], first + 3);
        ck_assert_int_eq(f[1], first + lane / 8 * 8 + 3);
        ck_assert_int_eq(f[2], lane < 2 ? 100 + i : 98 + i);
        ck_assert_int_eq(f[3], lane < 2 ? 130 + i : 100 + i);
        ck_assert_int_eq(f[4], first + (lane ^ 16));
        ck_assert_int_eq(f[5], lane % 4 == 0 ? 103 + i : 100 + i);
        ck_assert_int_eq(f[6], lane < 8 ? first + (lane ^ 7) : 0);
    }
    expect_nothing();
}
END_TEST

static __global__ void count(float *counter, int *integer)
{
    atomicAdd(counter, 0.5f);
    atomicAdd(integer, 1);
}

START_TEST(test_atomics)
{
    float zero = 0, *counter = on_device(&zero, 1);
    int none = 0, *integer = on_device(&none, 1);
    LAUNCH(count, 7, 33, 0, counter, integer);
    from_device(&zero, counter, 1);
    from_device(&none, integer, 1);
    ck_assert(zero == 7 * 33 * 0.5f);
    ck_assert_int_eq(none, 7 * 33);
    expect_nothing();
}
END_TEST

/* Warps that exchange through shared memory with __syncwarp alone. */
static __global__ void neighbours(float *x)
{
    __shared__ float value[2 * WARP];
    value[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    x[threadIdx.x] = value[threadIdx.x ^ 1];
}

START_TEST(test_warp_barrier)
{
    float found[2 * WARP], *x = on_device(numbers, 2 * WARP);
    LAUNCH(neighbours, 1, 2 * WARP, 0, x);
    from_device(found, x, 2 * WARP);
    for (int i = 0; i < 2 * WARP; i++)
        ck_assert(found[i] == (i ^ 1));
    expect_nothing();
}
END_TEST

static __global__ void leave(int)
{
}

/* --- the runtime ------------------------------------------------------------------------------ */

START_TEST(test_configurations)
{
    static const struct {
        dim3 grid, block;
        size_t shared;
        cudaError_t error;
    } cases[] = {{dim3(0), dim3(1), 0, cudaErrorInvalidConfiguration},
                 {dim3(1), dim3(0), 0, cudaErrorInvalidConfiguration},
                 {dim3(1), dim3(1025), 0, cudaErrorInvalidConfiguration},
                 {dim3(1), dim3(32, 33), 0, cudaErrorInvalidConfiguration},
                 {dim3(1), dim3(1, 1, 65), 0, cudaErrorInvalidConfiguration},
                 {dim3(1, 65536), dim3(1), 0, cudaErrorInvalidConfiguration},
                 {dim3(1, 1, 65536), dim3(1), 0, cudaErrorInvalidConfiguration},
                 {dim3(1), dim3(1), 48 * 1024 + 1, cudaErrorInvalidValue},
                 {dim3(1), dim3(1024), 48 * 1024, cudaSuccess},
                 {dim3(3, 2), dim3(16, 2), 0, cudaSuccess}};
    float *x = on_device(numbers, 128);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t launches = cuda_emulation_launches();
        LAUNCH(leave, cases[i].grid, cases[i].block, cases[i].shared, 1024);
        ck_assert_int_eq(cudaGetLastError(), cases[i].error);
        ck_assert_int_eq(cudaGetLastError(), cudaSuccess); /* forgotten */
        OK(cudaDeviceSynchronize());
        ck_assert_uint_eq(cuda_emulation_launches() - launches, cases[i].error == cudaSuccess);
    }
    OK(cudaFree(x));
}
END_TEST

/* Work is done when it is waited for; a copy between pinned memory and the device is work like any
 * other, and one from pageable memory has taken its bytes before it returns. */
START_TEST(test_streams)
{
    float *x = on_device(numbers, 1), *pinned, pageable = 5;
    cudaStream_t stream;
    cudaEvent_t event;
    OK(cudaMallocHost(&pinned, sizeof *pinned));
    OK(cudaStreamCreate(&stream));
    OK(cudaEventCreate(&event));
    *pinned = 7;
    OK(cudaMemcpyAsync(x, pinned, sizeof *x, cudaMemcpyHostToDevice, stream));
    *pinned = 8; /* too early: the copy sees it */
    OK(cudaEventRecord(event, stream));
    OK(cudaEventSynchronize(event));
    *pinned = 0;
    OK(cudaMemcpyAsync(pinned, x, sizeof *x, cudaMemcpyDeviceToHost, stream));
    ck_assert(*pinned == 0);
    ck_assert_int_eq(cudaStreamQuery(stream), cudaErrorNotReady);
    OK(cudaStreamSynchronize(stream));
    ck_assert(*pinned == 8);
    OK(cudaMemcpyAsync(x, &pageable, sizeof *x, cudaMemcpyHostToDevice, stream));
    pageable = 6;
    OK(cudaMemcpyAsync(&pageable, x, sizeof *x, cudaMemcpyDeviceToHost, stream));
    ck_assert(pageable == 5);
    cuda_emulation_set_blocking(true);
    OK(cudaMemcpyAsync(pinned, x, sizeof *x, cudaMemcpyDeviceToHost, stream));
    ck_assert(*pinned == 5);
    OK(cudaEventDestroy(event));
    OK(cudaStreamDestroy(stream));
    ck_assert_int_eq(cudaStreamSynchronize(stream), cudaErrorInvalidResourceHandle);
    OK(cudaFreeHost(pinned));
}
END_TEST

START_TEST(test_copies)
{
    float *x = on_device(numbers, 100), y[100];
    ck_assert_int_eq(cudaMemcpy(x, numbers, 4, cudaMemcpyDeviceToHost),
                     cudaErrorInvalidMemcpyDirection);
    ck_assert_int_eq(cudaMemcpy(x, numbers, 101 * sizeof *x, cudaMemcpyHostToDevice),
                     cudaErrorIllegalAddress);
    says("copy: its target: 404 bytes, and the allocation has 400 from there");
    cuda_emulation_reset();
    ck_assert_int_eq(cudaMemcpy(y, x + 100, 4, cudaMemcpyDeviceToHost), cudaErrorIllegalAddress);
    cuda_emulation_reset();
    ck_assert_int_eq(cudaMemcpy(x + 1, x, 8, cudaMemcpyDeviceToDevice), cudaErrorInvalidValue);
    says("overlap");
    cuda_emulation_reset();
    ck_assert_int_eq(cudaMemset(x + 99, 0, 8), cudaErrorIllegalAddress);
    cuda_emulation_reset();
    OK(cudaMemset(x + 99, 0, 4));
    from_device(y, x, 100);
    ck_assert(y[98] == 98 && y[99] == 0);
}
END_TEST

START_TEST(test_out_of_memory)
{
    void *a, *b;
    cuda_emulation_set_memory(1 << 20);
    const cudaError_t before = cudaMalloc(&a, 1);
    ck_assert(before == cudaSuccess || before == cudaErrorMemoryAllocation); /* others' pieces */
    ck_assert_int_eq(cudaMalloc(&b, 1 << 21), cudaErrorMemoryAllocation);
    ck_assert_ptr_null(b);
    ck_assert_int_eq(cudaMalloc(&b, SIZE_MAX / 2), cudaErrorMemoryAllocation);
    ck_assert_int_eq(cudaGetLastError(), cudaErrorMemoryAllocation);
    OK(cudaFree(a));
    ck_assert_int_eq(cudaFree(numbers), cudaErrorInvalidValue);
    OK(cudaFree(nullptr));
}
END_TEST

START_TEST(test_no_device)
{
    int n = 1;
    cuda_emulation_set_devices(0);
    ck_assert_int_eq(cudaGetDeviceCount(&n), cudaErrorNoDevice);
    ck_assert_int_eq(n, 0);
    ck_assert_str_eq(cudaGetErrorString(cudaErrorNoDevice), "no CUDA-capable device is detected");
}
END_TEST

/* --- cuBLAS ----------------------------------------------------------------------------------- */

START_TEST(test_products)
{
    /* column-major: A [2, 3] = 0 2 4 / 1 3 5, B [3, 2] = 0 3 / 1 4 / 2 5 */
    const float one = 1, zero = 0, expected[4] = {10, 13, 28, 40};
    float *x = on_device(numbers, 6), *c = on_device<float>(nullptr, 4), found[4];
    cublasHandle_t handle;
    ck_assert_int_eq(cublasCreate(&handle), CUBLAS_STATUS_SUCCESS);
#define PRODUCT(m, n, k, a, lda, b, beta, to)                                                      \
    cublasSgemm(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, n, k, &one, a, lda, b, k, beta, to, m)
    ck_assert_int_eq(PRODUCT(2, 2, 3, x, 1, x, &zero, c), CUBLAS_STATUS_INVALID_VALUE);
    ck_assert_int_eq(PRODUCT(2, 2, 3, x, 2, x, &one, c), CUBLAS_STATUS_SUCCESS);
    ck_assert_int_eq(cudaDeviceSynchronize(), cudaErrorLaunchFailure);
    says("cublasSgemm: C: reads device memory that was never written");
    cuda_emulation_reset();
    ck_assert_int_eq(PRODUCT(2, 2, 3, x, 2, x, &zero, c), CUBLAS_STATUS_SUCCESS);
    from_device(found, c, 4);
    for (int i = 0; i < 4; i++)
        ck_assert(found[i] == expected[i]);
    PRODUCT(2, 3, 3, x, 2, x, &zero, c);
    ck_assert_int_eq(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    says("cublasSgemm: B: ");
    cuda_emulation_reset();
    PRODUCT(2, 2, 3, x, 2, numbers, &zero, c);
    ck_assert_int_eq(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    says("host memory");
    cuda_emulation_reset();
    cublasDestroy(handle);
}
END_TEST

int main()
{
    Suite *suite = begin_suite("CUDA emulation");
    TCase *right = tcase_create("kernels that are right"), *runtime = tcase_create("runtime");

    tcase_add_checked_fixture(right, setup, nullptr);
    tcase_add_loop_test(right, test_indices, 0, ORDERS);
    tcase_add_loop_test(right, test_barriers, 0, ORDERS);
    tcase_add_test(right, test_dynamic_shared);
    tcase_add_loop_test(right, test_shuffles, 0, ORDERS);
    tcase_add_test(right, test_atomics);
    tcase_add_test(right, test_warp_barrier);
    suite_add_tcase(suite, right);

    tcase_add_checked_fixture(runtime, setup, nullptr);
    tcase_add_test(runtime, test_configurations);
    tcase_add_test(runtime, test_streams);
    tcase_add_test(runtime, test_copies);
    tcase_add_test(runtime, test_out_of_memory);
    tcase_add_test(runtime, test_no_device);
    tcase_add_test(runtime, test_products);
    suite_add_tcase(suite, runtime);

    return run_suite(suite);
}
