/* test_cuda_faults.cc - every kind of planted fault is reported by the emulation, with the kernel's
 * name and the line where it is.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "cuda_launch.h"
#include "suite.h"

/* --- planted races ---------------------------------------------------------------------------- */

static __global__ void race_in_block(float *x)
{
    __shared__ float copy[64];
    copy[threadIdx.x] = x[threadIdx.x]; /* and no __syncthreads */
    x[threadIdx.x] = copy[63 - threadIdx.x];
}
enum { RACE_IN_BLOCK = __LINE__ - 2 };

/* Right in forward order of turns, where the writer comes first. */
static __global__ void race_with_luck(float *x)
{
    __shared__ float first;
    if (threadIdx.x == 0)
        first = x[0];
    x[threadIdx.x + 1] = first;
}
enum { RACE_WITH_LUCK = __LINE__ - 2 };

/* The second round overwrites what slow threads have not read yet. */
static __global__ void race_of_rounds(float *x)
{
    __shared__ float value;
    for (unsigned round = 0; round < 2; round++) {
        if (threadIdx.x == round)
            value = x[round];
        __syncthreads();
        x[threadIdx.x + 2] = value; /* and no __syncthreads */
    }
}
enum { RACE_OF_ROUNDS = __LINE__ - 5 };

static __global__ void race_of_warps(float *x)
{
    __shared__ float value[2 * WARP];
    value[threadIdx.x] = x[threadIdx.x];
    __syncwarp();
    x[threadIdx.x] = value[threadIdx.x ^ WARP];
}
enum { RACE_OF_WARPS = __LINE__ - 2 };

static __global__ void race_of_blocks(float *x)
{
    if (threadIdx.x == 0)
        x[blockIdx.x] = x[blockIdx.x + 1];
}
enum { RACE_OF_BLOCKS = __LINE__ - 2 };

static __global__ void race_to_write(float *x)
{
    x[0] = static_cast<float>(threadIdx.x);
}
enum { RACE_TO_WRITE = __LINE__ - 2 };

START_TEST(test_races)
{
    float *x = on_device(numbers, 128);
    cuda_emulation_set_order(static_cast<cuda_emulation_order>(_i));
    LAUNCH(race_in_block, 1, 64, 0, x);
    expect(cudaErrorLaunchFailure, "race_in_block", "", RACE_IN_BLOCK);
    LAUNCH(race_of_rounds, 1, 64, 0, x);
    expect(cudaErrorLaunchFailure, "race_of_rounds", "race", _i == 0 ? RACE_OF_ROUNDS : 0);
    LAUNCH(race_of_warps, 1, 64, 0, x);
    expect(cudaErrorLaunchFailure, "race_of_warps", "", RACE_OF_WARPS);
    LAUNCH(race_of_blocks, 3, 32, 0, x);
    expect(cudaErrorLaunchFailure, "race_of_blocks", "race", RACE_OF_BLOCKS);
    LAUNCH(race_to_write, 1, 2, 0, x);
    expect(cudaErrorLaunchFailure, "race_to_write", "writes what thread", RACE_TO_WRITE);
}
END_TEST

START_TEST(test_race_without_consequence)
{
    float *x = on_device(numbers, 128);
    LAUNCH(race_with_luck, 1, 64, 0, x);
    expect(cudaErrorLaunchFailure, "race_with_luck", "reads what thread 0 wrote", RACE_WITH_LUCK);
}
END_TEST

/* --- planted accesses out of bounds ----------------------------------------------------------- */

static __global__ void write_at(float *x, int i)
{
    x[i] = 1;
}
enum { WRITE_AT = __LINE__ - 2 };

static __global__ void read_at(float *x, int i)
{
    x[0] = x[i];
}
enum { READ_AT = __LINE__ - 2 };

START_TEST(test_device_bounds)
{
    const char *const what = "out of bounds: device memory";
    float *x = on_device(numbers, 100);
    LAUNCH(write_at, 1, 1, 0, x, 99);
    expect_nothing();
    LAUNCH(write_at, 1, 1, 0, x, 100);
    expect(cudaErrorIllegalAddress, "write_at", what, WRITE_AT);
    LAUNCH(write_at, 1, 1, 0, x, -1);
    expect(cudaErrorIllegalAddress, "write_at", what, WRITE_AT);
    LAUNCH(read_at, 1, 1, 0, x, 100);
    expect(cudaErrorIllegalAddress, "read_at", what, READ_AT);
    OK(cudaFree(x));
    LAUNCH(write_at, 1, 1, 0, x, 0);
    expect(cudaErrorIllegalAddress, "write_at", what, WRITE_AT);
    LAUNCH(write_at, 1, 1, 0, static_cast<float *>(nullptr), 0);
    expect(cudaErrorIllegalAddress, "write_at", "out of bounds", WRITE_AT);
}
END_TEST

static __global__ void shared_at(float *x, int i)
{
    __shared__ float row[2][33];
    __shared__ float next[64];
    row[threadIdx.x][0] = next[threadIdx.x] = 0;
    float *at = &row[0][0];
    at[i] = x[0];
    x[1] = row[0][0] + next[0]; /* what nobody reads may be optimised away */
}
enum { SHARED_AT = __LINE__ - 3 };

START_TEST(test_shared_bounds)
{
    float *x = on_device(numbers, 100);
    LAUNCH(shared_at, 1, 1, 0, x, 65);
    expect_nothing();
    LAUNCH(shared_at, 1, 1, 0, x, 66);
    expect(cudaErrorIllegalAddress, "shared_at",
           "byte 264 of 264 of shared memory, row of shared_at", SHARED_AT);
    LAUNCH(shared_at, 1, 1, 0, x, -1);
    expect(cudaErrorIllegalAddress, "shared_at", "out of bounds", SHARED_AT);
    LAUNCH(reverse_dynamic, 1, 100, 99 * sizeof *x, x, 100u);
    expect(cudaErrorIllegalAddress, "reverse_dynamic", "byte 396 of 396 of dynamic shared memory",
           0);
}
END_TEST

START_TEST(test_host_memory)
{
    static float outside[4];
    float *inside = static_cast<float *>(std::malloc(16)), local[4] = {};
    LAUNCH(write_at, 1, 1, 0, outside, 0);
    expect(cudaErrorIllegalAddress, "write_at", "out of bounds", WRITE_AT);
    LAUNCH(write_at, 1, 1, 0, inside, 0);
    expect(cudaErrorIllegalAddress, "write_at", "host memory", WRITE_AT);
    LAUNCH(read_at, 1, 1, 0, local, 0);
    expect(cudaErrorIllegalAddress, "read_at", "host memory", READ_AT);
    std::free(inside);
    cuda_emulation_register_host(outside, sizeof outside);
    LAUNCH(write_at, 1, 1, 0, outside, 3);
    expect_nothing();
    ck_assert(outside[3] == 1);
    LAUNCH(write_at, 1, 1, 0, outside, 4);
    expect(cudaErrorIllegalAddress, "write_at", "out of bounds", WRITE_AT);
}
END_TEST

/* The host's own code cannot follow a device pointer. */
START_TEST(test_device_memory)
{
    float *x = on_device(numbers, 4);
    int status = 0;
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        std::freopen("/dev/null", "w", stderr);
        float sum = 0;
        std::memcpy(&sum, x, sizeof sum);
        _exit(sum == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFSIGNALED(status) || WEXITSTATUS(status) > 1, "host code reads device memory");
}
END_TEST

/* --- planted reads of what nobody wrote ------------------------------------------------------- */

static __global__ void unwritten_shared(float *x)
{
    __shared__ float row[32];
    if (threadIdx.x > 0)
        row[threadIdx.x] = 0;
    __syncthreads();
    x[threadIdx.x] = row[threadIdx.x];
}
enum { UNWRITTEN_SHARED = __LINE__ - 2 };

/* The first block writes, the second one relies on it. */
static __global__ void left_by_block(float *x)
{
    __shared__ float row[32];
    if (blockIdx.x == 0)
        row[threadIdx.x] = 0;
    __syncthreads();
    x[32 * blockIdx.x + threadIdx.x] = row[threadIdx.x];
}
enum { LEFT_BY_BLOCK = __LINE__ - 2 };

START_TEST(test_unwritten)
{
    float *x = on_device(numbers, 64), *y = on_device<float>(nullptr, 64), found;
    LAUNCH(unwritten_shared, 1, 32, 0, x);
    expect(cudaErrorLaunchFailure, "unwritten_shared", "uninitialised", UNWRITTEN_SHARED);
    LAUNCH(left_by_block, 2, 32, 0, x);
    expect(cudaErrorLaunchFailure, "left_by_block", "block 1, ",
           LEFT_BY_BLOCK);
    LAUNCH(read_at, 1, 1, 0, y, 5);
    expect(cudaErrorLaunchFailure, "read_at", "device memory that was never written", READ_AT);
    from_device(&found, y, 1);
    ck_assert(std::isnan(found));
    OK(cudaMemcpy(y + 1, x, 4, cudaMemcpyDeviceToDevice));
    LAUNCH(read_at, 1, 1, 0, y, 1);
    expect_nothing();
}
END_TEST

/* --- planted divergence ----------------------------------------------------------------------- */

static __global__ void leaves_early(int n)
{
    if (threadIdx.x >= static_cast<unsigned>(n))
        return;
    __syncthreads();
}
enum { LEAVES_EARLY = __LINE__ - 2 };

static __global__ void two_barriers(int n)
{
    if (threadIdx.x < static_cast<unsigned>(n))
        __syncthreads();
    else
        __syncthreads();
}
enum { TWO_BARRIERS = __LINE__ - 4 };

static __global__ void shuffle_and_barrier(int n)
{
    if (threadIdx.x < static_cast<unsigned>(n))
        __syncthreads();
    else
        __shfl_xor_sync(0xffffffffu, n, 1);
}

static __global__ void shuffle(unsigned mask, int from)
{
    __shfl_sync(mask, from, from);
}
enum { SHUFFLE = __LINE__ - 2 };

static __global__ void half_a_warp(int x)
{
    if (threadIdx.x % WARP < 16)
        __shfl_xor_sync(0xffffffffu, x, 1);
}
enum { HALF_A_WARP = __LINE__ - 2 };

START_TEST(test_divergence)
{
    cuda_emulation_set_order(static_cast<cuda_emulation_order>(_i));
    LAUNCH(leaves_early, 1, 40, 0, 40);
    expect_nothing();
    LAUNCH(leaves_early, 1, 40, 0, 33);
    expect(cudaErrorLaunchFailure, "leaves_early", "thread 33 has ended (7 of 40 have)",
           LEAVES_EARLY);
    LAUNCH(two_barriers, 1, 40, 0, 40);
    expect_nothing();
    LAUNCH(two_barriers, 1, 40, 0, 3);
    expect(cudaErrorLaunchFailure, "two_barriers", "divergence", TWO_BARRIERS);
    LAUNCH(shuffle_and_barrier, 1, 64, 0, 3);
    expect(cudaErrorLaunchFailure, "shuffle_and_barrier", "divergence", 0);
    LAUNCH(half_a_warp, 1, 64, 0, 1);
    expect(cudaErrorLaunchFailure, "half_a_warp", "has ended", HALF_A_WARP);
}
END_TEST

START_TEST(test_masks)
{
    LAUNCH(shuffle, 1, 32, 0, 0xffffffffu, 31);
    expect_nothing();
    LAUNCH(shuffle, 1, 40, 0, 0xffffffffu, 0); /* a partial last warp */
    expect(cudaErrorLaunchFailure, "shuffle", "lane 8, which the block does not have", SHUFFLE);
    LAUNCH(shuffle, 1, 8, 0, 0xffu, 7);
    expect_nothing();
    LAUNCH(shuffle, 1, 8, 0, 0xffu, 8);
    expect(cudaErrorLaunchFailure, "shuffle", "reads lane 8, which the mask", SHUFFLE);
    LAUNCH(shuffle, 1, 8, 0, 0xfeu, 1);
    expect(cudaErrorLaunchFailure, "shuffle", "lane 0 is not in the mask", SHUFFLE);
}
END_TEST

int main()
{
    Suite *suite = begin_suite("CUDA emulation: faults");
    TCase *planted = tcase_create("planted faults");

    tcase_add_checked_fixture(planted, setup, nullptr);
    tcase_add_loop_test(planted, test_races, 0, ORDERS);
    tcase_add_test(planted, test_race_without_consequence);
    tcase_add_test(planted, test_device_bounds);
    tcase_add_test(planted, test_shared_bounds);
    tcase_add_test(planted, test_host_memory);
    tcase_add_test(planted, test_device_memory);
    tcase_add_test(planted, test_unwritten);
    tcase_add_loop_test(planted, test_divergence, 0, ORDERS);
    tcase_add_test(planted, test_masks);
    suite_add_tcase(suite, planted);

    return run_suite(suite);
}
