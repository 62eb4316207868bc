/* runtime.cc - errors, the device, streams, events, copies.
 *
 * A stream is a queue.  What is put there is done when somebody must wait for it and no sooner: a
 * download that nobody waited for gives what was there before, and host memory that an asynchronous
 * copy still has to read must not change.  As on a device, a copy from pageable memory takes its
 * bytes at once, and one to pageable memory waits.
 */
#include <cstdlib>
#include <deque>
#include <set>
#include <vector>

#include "control.h"
#include "emulation.h"

namespace cuda_emulation {

namespace {

struct work {
    void (*call)(void *data);
    std::vector<unsigned char> data;
};

/* As on a device: CUDA_VISIBLE_DEVICES set to nothing hides it. */
int visible_devices()
{
    const char *visible = std::getenv("CUDA_VISIBLE_DEVICES");
    return visible && *visible == '\0' ? 0 : 1;
}

int devices = visible_devices();
bool blocking;
cudaError_t last_error = cudaSuccess;

} // namespace

} // namespace cuda_emulation

using namespace cuda_emulation;

struct CUstream_st {
    std::deque<work> queue;
};

struct CUevent_st {
    cudaStream_t stream;
    bool recorded, done;
};

namespace {

CUstream_st default_stream;
std::set<cudaStream_t> streams = {&default_stream};

cudaStream_t stream_of(cudaStream_t stream)
{
    return stream ? stream : &default_stream;
}

bool is_stream(cudaStream_t stream)
{
    return streams.count(stream_of(stream)) > 0;
}

void do_next(cudaStream_t stream)
{
    work next = std::move(stream->queue.front());
    stream->queue.pop_front();
    next.call(next.data.data());
}

/* The arena is opened once for all of it, as that takes the system longer than most of the work. */
void drain(cudaStream_t stream)
{
    if (stream->queue.empty())
        return;
    open_arena();
    while (!stream->queue.empty())
        do_next(stream);
    close_arena();
}

} // namespace

namespace cuda_emulation {

void enqueue(cudaStream_t stream, void (*call)(void *), const void *data, size_t bytes)
{
    const unsigned char *from = static_cast<const unsigned char *>(data);
    stream = stream_of(stream);
    stream->queue.push_back({call, std::vector<unsigned char>(from, from + bytes)});
    if (blocking)
        drain(stream);
}

void set_last_error(cudaError_t error)
{
    last_error = error;
}

cudaError_t result(cudaError_t error)
{
    if (devices == 0)
        error = cudaErrorNoDevice;
    if (faulted() != cudaSuccess)
        error = faulted();
    if (error != cudaSuccess)
        last_error = error;
    return error;
}

} // namespace cuda_emulation

/* --- errors, the device ----------------------------------------------------------------------- */

cudaError_t cudaGetLastError()
{
    const cudaError_t error = faulted() != cudaSuccess ? faulted() : last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = devices;
    return result(cudaSuccess);
}

cudaError_t cudaSetDevice(int device)
{
    return result(device >= 0 && device < devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device)
{
    size_t unused;
    *properties = {"emulation", 0, MAX_SHARED, MAX_SHARED, 7, 0, 1, warpSize, MAX_THREADS};
    cudaMemGetInfo(&unused, &properties->totalGlobalMem);
    return cudaSetDevice(device);
}

cudaError_t cudaDeviceSynchronize()
{
    for (cudaStream_t stream : streams)
        drain(stream);
    return result(cudaSuccess);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

/* --- copies ----------------------------------------------------------------------------------- */

namespace {

struct copy_record {
    unsigned char *to;
    const unsigned char *from;
    size_t to_pitch, from_pitch, width, height;
    bool is_staged; /* from pageable memory: the bytes follow the record */
};

void do_copy(void *data)
{
    const copy_record *c = static_cast<const copy_record *>(data);
    const unsigned char *from =
        c->is_staged ? reinterpret_cast<const unsigned char *>(c + 1) : c->from;
    const size_t from_pitch = c->is_staged ? c->width : c->from_pitch;
    if (faulted() != cudaSuccess)
        return;
    for (size_t row = 0; row < c->height; row++) {
        unsigned char *y = c->to + row * c->to_pitch;
        const unsigned char *x = from + row * from_pitch;
        if ((is_device(y) && !check_range("copy", "its target", y, c->width, false)) ||
            (is_device(x) && !check_range("copy", "its source", x, c->width, false)))
            return;
        open_arena();
        std::memcpy(y, x, c->width);
        close_arena();
        if (!is_device(y))
            continue;
        if (is_device(x) && !is_written(reinterpret_cast<uintptr_t>(x), c->width))
            set_written(reinterpret_cast<uintptr_t>(y), c->width, false);
        else
            mark_written(y, c->width);
    }
}

bool is_pageable(const void *at, size_t bytes)
{
    return !is_device(at) && !is_pinned(reinterpret_cast<uintptr_t>(at), bytes);
}

bool fits(cudaMemcpyKind kind, const void *to, const void *from)
{
    return kind == cudaMemcpyDefault ||
           (is_device(to) == (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) &&
            is_device(from) ==
                (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice));
}

bool overlap(const copy_record &c)
{
    const unsigned char *to_end = c.to + (c.height - 1) * c.to_pitch + c.width;
    const unsigned char *from_end = c.from + (c.height - 1) * c.from_pitch + c.width;
    return c.to < from_end && c.from < to_end && c.height == 1;
}

cudaError_t copy(copy_record c, cudaMemcpyKind kind, cudaStream_t stream)
{
    if (c.width == 0 || c.height == 0)
        return result(cudaSuccess);
    /* registered host memory stands for device memory in some tests, and may be either */
    const bool registered = is_registered(reinterpret_cast<uintptr_t>(c.to), c.width) ||
                            is_registered(reinterpret_cast<uintptr_t>(c.from), c.width);
    if (!is_stream(stream) || (!registered && !fits(kind, c.to, c.from)))
        return result(is_stream(stream) ? cudaErrorInvalidMemcpyDirection
                                        : cudaErrorInvalidResourceHandle);
    if (overlap(c)) /* undefined on a device */
        fault_of("copy", cudaErrorInvalidValue, "source and target overlap");
    c.is_staged = is_pageable(c.from, c.width);
    std::vector<unsigned char> data(sizeof c + (c.is_staged ? c.width * c.height : 0));
    std::memcpy(data.data(), &c, sizeof c);
    for (size_t row = 0; row < c.height && c.is_staged; row++)
        std::memcpy(data.data() + sizeof c + row * c.width, c.from + row * c.from_pitch, c.width);
    enqueue(stream, do_copy, data.data(), data.size());
    if (is_pageable(c.to, c.width))
        drain(stream_of(stream));
    return result(cudaSuccess);
}

struct fill_record {
    void *to;
    int value;
    size_t bytes;
};

void do_fill(void *data)
{
    const fill_record *f = static_cast<const fill_record *>(data);
    if (faulted() != cudaSuccess || !check_range("memset", "its target", f->to, f->bytes, false))
        return;
    open_arena();
    std::memset(f->to, f->value, f->bytes);
    close_arena();
    mark_written(f->to, f->bytes);
}

} // namespace

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy2DAsync(void *to, size_t to_pitch, const void *from, size_t from_pitch,
                              size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t stream)
{
    return copy({ static_cast<unsigned char *>(to), static_cast<const unsigned char *>(from),
                  to_pitch, from_pitch, width, height, false },
                kind, stream);
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
    return error != cudaSuccess ? error : cudaDeviceSynchronize();
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    if (!is_stream(stream))
        return result(cudaErrorInvalidResourceHandle);
    enqueue(stream, do_fill, fill_record{to, value, bytes});
    return result(cudaSuccess);
}

cudaError_t cudaMemset(void *to, int value, size_t bytes)
{
    const cudaError_t error = cudaMemsetAsync(to, value, bytes, nullptr);
    return error != cudaSuccess ? error : cudaDeviceSynchronize();
}

/* --- streams ---------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned)
{
    *stream = nullptr;
    if (result(cudaSuccess) != cudaSuccess)
        return result(cudaSuccess);
    *stream = new CUstream_st;
    streams.insert(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
    return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    if (stream == nullptr || !is_stream(stream))
        return result(cudaErrorInvalidResourceHandle);
    drain(stream);
    streams.erase(stream);
    delete stream;
    return result(cudaSuccess);
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    if (!is_stream(stream))
        return result(cudaErrorInvalidResourceHandle);
    drain(stream_of(stream));
    return result(cudaSuccess);
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
    if (!is_stream(stream))
        return result(cudaErrorInvalidResourceHandle);
    if (stream_of(stream)->queue.empty())
        return result(cudaSuccess);
    do_next(stream_of(stream)); /* time passes */
    return cudaErrorNotReady;
}

/* --- events ----------------------------------------------------------------------------------- */

namespace {

void do_record(void *data)
{
    cudaEvent_t event = *static_cast<cudaEvent_t *>(data);
    event->done = true;
}

} // namespace

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned)
{
    *event = new CUevent_st();
    return result(cudaSuccess);
}

cudaError_t cudaEventCreate(cudaEvent_t *event)
{
    return cudaEventCreateWithFlags(event, cudaEventDefault);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    cudaEventSynchronize(event);
    delete event;
    return result(cudaSuccess);
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    event->recorded = true;
    event->done = false;
    event->stream = stream_of(stream);
    enqueue(stream, do_record, event);
    return result(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    while (event->recorded && !event->done)
        do_next(event->stream);
    return result(cudaSuccess);
}

/* --- control ---------------------------------------------------------------------------------- */

void cuda_emulation_set_devices(int count)
{
    devices = count;
}

void cuda_emulation_set_blocking(bool on)
{
    blocking = on;
    cudaDeviceSynchronize();
}

void cuda_emulation_reset(void)
{
    for (cudaStream_t stream : streams)
        stream->queue.clear();
    last_error = cudaSuccess;
    forget_fault();
}
