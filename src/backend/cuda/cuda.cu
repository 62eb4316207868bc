/* cuda.cu - the cuda backend as a whole: opening the first device, the one stream and the cuBLAS
 * handle, the first error since the last check, and the table. */
#include "backend/cuda/cuda.h"

#include <stdio.h>
#include <string.h>

cudaStream_t hidi_cuda_stream;
cublasHandle_t hidi_cuda_blas;

/* --- errors ---------------------------------------------------------------------------------- */

static char first_error[256]; /* "" if there was none since the last check() */

void hidi_cuda_fail(const char *call, const char *reason)
{
    if (first_error[0] == '\0')
        snprintf(first_error, sizeof first_error, "%s: %s", call, reason);
}

bool hidi_cuda_ok(const char *call, cudaError_t error)
{
    if (error == cudaSuccess)
        return true;
    cudaGetLastError(); /* CUDA remembers it, too: it is not to be an error of the next launch */
    hidi_cuda_fail(call, cudaGetErrorString(error));
    return false;
}

/* cublasGetStatusString came with toolkit 11.4.2. */
static const char *blas_reason(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_NOT_INITIALIZED:
        return "cuBLAS is not initialised";
    case CUBLAS_STATUS_ALLOC_FAILED:
        return "cuBLAS is out of memory";
    case CUBLAS_STATUS_INVALID_VALUE:
        return "cuBLAS was given an invalid value";
    case CUBLAS_STATUS_ARCH_MISMATCH:
        return "cuBLAS does not support this device";
    case CUBLAS_STATUS_EXECUTION_FAILED:
        return "cuBLAS could not start its kernel";
    case CUBLAS_STATUS_NOT_SUPPORTED:
        return "cuBLAS does not support this";
    default:
        return "cuBLAS failed";
    }
}

bool hidi_cuda_blas_ok(const char *call, cublasStatus_t status)
{
    if (status != CUBLAS_STATUS_SUCCESS)
        hidi_cuda_fail(call, blas_reason(status));
    return status == CUBLAS_STATUS_SUCCESS;
}

static hidi_status report(void)
{
    hidi_status status = HIDI_OK;

    if (first_error[0] != '\0')
        status = hidi_error(HIDI_BAD_BACKEND, "backend \"cuda\": %s", first_error);
    first_error[0] = '\0';
    return status;
}

/* Errors inside kernels come out when somebody waits for them. */
static hidi_status check(void)
{
    if (hidi_cuda_stream != NULL)
        hidi_cuda_ok("a kernel", cudaStreamSynchronize(hidi_cuda_stream));
    return report();
}

/* --- grids ----------------------------------------------------------------------------------- */

/* ceil(n / d), but 1 to most */
static unsigned parts(size_t n, size_t d, unsigned most)
{
    size_t blocks = n / d + (n % d != 0);

    return blocks < 1 ? 1 : blocks > most ? most : (unsigned)blocks;
}

unsigned hidi_cuda_blocks(size_t n)
{
    return parts(n, HIDI_CUDA_BLOCK, HIDI_CUDA_MAX_BLOCKS);
}

unsigned hidi_cuda_blocks_of_groups(size_t n, unsigned threads)
{
    return parts(n, HIDI_CUDA_BLOCK / threads, HIDI_CUDA_MAX_BLOCKS);
}

dim3 hidi_cuda_block_2d(size_t n)
{
    unsigned columns = 1;

    while (columns < n && columns < HIDI_CUDA_BLOCK)
        columns *= 2;
    return dim3(columns, HIDI_CUDA_BLOCK / columns);
}

dim3 hidi_cuda_grid_2d(size_t rows, size_t n)
{
    dim3 block = hidi_cuda_block_2d(n);
    unsigned columns = parts(n, block.x, HIDI_CUDA_MAX_BLOCKS);

    return dim3(columns, parts(rows, block.y, HIDI_CUDA_MAX_BLOCKS / columns));
}

/* --- life ------------------------------------------------------------------------------------ */

/* Does nothing, but shows that the device can run what this file was compiled to. */
static __global__ void probe(int) {}

/* Where there is no driver at all, CUDA calls it too old. */
static hidi_status no_device(cudaError_t error)
{
    int driver = 0;
    bool none = error == cudaErrorInsufficientDriver &&
                cudaDriverGetVersion(&driver) == cudaSuccess && driver == 0;

    return hidi_error(HIDI_BAD_BACKEND, "backend \"cuda\": no usable device: %s",
                      none ? "there is no CUDA driver" : cudaGetErrorString(error));
}

/* Only the first device is used: CUDA_VISIBLE_DEVICES says which one that is. */
static hidi_status open_cuda(void)
{
    int devices = 0;
    cudaError_t error = cudaGetDeviceCount(&devices);

    if (error == cudaSuccess && devices == 0)
        error = cudaErrorNoDevice;
    if (error == cudaSuccess)
        error = cudaSetDevice(0);
    if (error == cudaSuccess)
        error = cudaStreamCreateWithFlags(&hidi_cuda_stream, cudaStreamNonBlocking);
    if (error != cudaSuccess) {
        cudaGetLastError(); /* forgets it: the next call starts afresh */
        hidi_cuda_stream = NULL;
        return no_device(error);
    }

    HIDI_LAUNCH(probe, 1, 1, 0, hidi_cuda_stream, 0);
    HIDI_TRY(check());
    if (hidi_cuda_blas_ok("cublasCreate", cublasCreate(&hidi_cuda_blas)) &&
        hidi_cuda_blas_ok("cublasSetStream", cublasSetStream(hidi_cuda_blas, hidi_cuda_stream)))
        /* a float is a float: no TF32, no sums by atomics */
        hidi_cuda_blas_ok("cublasSetMathMode",
                          cublasSetMathMode(hidi_cuda_blas, CUBLAS_DEFAULT_MATH));
    hidi_cuda_open_memory();
    return check();
}

/* "NVIDIA A100-SXM4-40GB, compute capability 8.0, 40960 MiB, CUDA 12.4, driver for 12.6" */
static const char *describe(void)
{
    static char text[400];
    cudaDeviceProp device;
    int driver = 0;

    if (cudaGetDeviceProperties(&device, 0) != cudaSuccess || cudaDriverGetVersion(&driver)) {
        cudaGetLastError();
        return "no usable device";
    }
    snprintf(text, sizeof text,
             "%s, compute capability %d.%d, %zu MiB, CUDA %d.%d, driver for CUDA %d.%d",
             device.name, device.major, device.minor, device.totalGlobalMem >> 20,
             CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, driver / 1000, driver % 1000 / 10);
    return text;
}

static void set_threads(int n)
{
    (void)n; /* the device's threads are chosen with each launch */
}

static int threads(void)
{
    return 1;
}

static bool concurrent(void)
{
    return false; /* one stream, one scratch memory */
}

static bool large_batches(void)
{
    return true;
}

/* --- the table ------------------------------------------------------------------------------- */

extern "C" const hidi_backend *hidi_cuda_backend(void)
{
    static hidi_backend table;

    if (table.name == NULL) {
        table.name = "cuda";
        table.describe = describe;
        table.open = open_cuda;
        table.check = check;
        table.set_threads = set_threads;
        table.threads = threads;
        table.concurrent = concurrent;
        table.large_batches = large_batches;
        hidi_cuda_memory_slots(&table);
        hidi_cuda_elementwise_slots(&table);
        hidi_cuda_rows_slots(&table);
        hidi_cuda_norm_slots(&table);
        hidi_cuda_matrix_slots(&table);
        hidi_cuda_attention_slots(&table);
        hidi_cuda_image_slots(&table);
        hidi_cuda_conv_slots(&table);
        hidi_cuda_train_slots(&table);
    }
    return &table;
}
