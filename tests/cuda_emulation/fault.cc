/* fault.cc - the first thing that went wrong, in one line: kernel, block, thread, access, place. */
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "control.h"
#include "emulation.h"

namespace cuda_emulation {

namespace {

char message[1024];
cudaError_t error_of_fault = cudaSuccess;

void keep(cudaError_t error, const char *where, const char *format, va_list arguments)
{
    if (error_of_fault != cudaSuccess)
        return;
    error_of_fault = error;
    const int length = snprintf(message, sizeof message, "%s: ", where);
    vsnprintf(message + length, sizeof message - static_cast<size_t>(length), format, arguments);
}

/* Without folders, so that a message does not depend on where the build is. */
const char *base_name(const char *path)
{
    const char *slash = std::strrchr(path, '/');
    return slash ? slash + 1 : path;
}

} // namespace

void fault(cudaError_t error, const char *format, ...)
{
    char where[256];
    va_list arguments;
    snprintf(where, sizeof where, "kernel %s (%s:%d), block %u, thread %d", now.site->kernel,
             base_name(now.site->file), now.site->line, now.block, now.thread);
    va_start(arguments, format);
    keep(error, where, format, arguments);
    va_end(arguments);
    fiber_pause(); /* for good: run_block sees the fault */
    std::abort();
}

void fault_of(const char *work, cudaError_t error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    keep(error, work, format, arguments);
    va_end(arguments);
}

void forget_fault()
{
    message[0] = '\0';
    error_of_fault = cudaSuccess;
}

cudaError_t faulted()
{
    return error_of_fault;
}

} // namespace cuda_emulation

const char *cudaGetErrorName(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorInvalidValue: return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration: return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidMemcpyDirection: return "cudaErrorInvalidMemcpyDirection";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice: return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle: return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady: return "cudaErrorNotReady";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    }
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
    using namespace cuda_emulation;
    if (error != cudaSuccess && error == error_of_fault)
        return message;
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidMemcpyDirection: return "invalid copy direction for memcpy";
    case cudaErrorInsufficientDriver:
        return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    }
    return "unrecognized error code";
}

const char *cuda_emulation_fault(void)
{
    return cuda_emulation::message;
}

