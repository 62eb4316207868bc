/* test_core.c - status, arena, random numbers, progress and shapes. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/hash.h"
#include "core/progress.h"
#include "core/random.h"
#include "core/status.h"
#include "core/threads.h"
#include "tensor/shape.h"

#define N 65536

/* --- status --------------------------------------------------------------------------------- */

START_TEST(error_keeps_its_message)
{
    ck_assert_int_eq(hidi_error(HIDI_BAD_SHAPE, "%s: %d", "weights", 7), HIDI_BAD_SHAPE);
    ck_assert_str_eq(hidi_error_message(), "weights: 7");
    ck_assert_int_eq(hidi_error(HIDI_BAD_FILE, "again, %s", hidi_error_message()), HIDI_BAD_FILE);
    ck_assert_str_eq(hidi_error_message(), "again, weights: 7");
}
END_TEST

START_TEST(prefix_is_put_in_front)
{
    hidi_error(HIDI_BAD_FORMAT, "bad magic");
    ck_assert_int_eq(hidi_error_prefix(HIDI_BAD_FORMAT, "%s", "a.npz"), HIDI_BAD_FORMAT);
    ck_assert_str_eq(hidi_error_message(), "a.npz: bad magic");
    ck_assert_int_eq(hidi_error_prefix(HIDI_OK, "not this"), HIDI_OK);
    ck_assert_str_eq(hidi_error_message(), "a.npz: bad magic");
}
END_TEST

START_TEST(long_messages_are_cut)
{
    char text[3000];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    hidi_error(HIDI_BAD_FILE, "%s", text);
    ck_assert_uint_eq(strlen(hidi_error_message()), 1023);
    hidi_error_prefix(HIDI_BAD_FILE, "%.1021s", text);
    ck_assert_uint_eq(strlen(hidi_error_message()), 1023);
    hidi_error_prefix(HIDI_BAD_FILE, "%s", text);
    ck_assert_uint_eq(strlen(hidi_error_message()), 1023);
    hidi_error_prefix(HIDI_BAD_FILE, "short");
    ck_assert_uint_eq(strlen(hidi_error_message()), 1023);
    ck_assert(strncmp(hidi_error_message(), "short: xxx", 10) == 0);
}
END_TEST

START_TEST(messages_are_one_line)
{
    hidi_error(HIDI_BAD_FORMAT, "tensor %s", "a\nb\033[2J\177");
    ck_assert_str_eq(hidi_error_message(), "tensor a?b?[2J?");
    hidi_error_prefix(HIDI_BAD_FORMAT, "file\r");
    ck_assert_str_eq(hidi_error_message(), "file?: tensor a?b?[2J?");
    hidi_error(HIDI_BAD_FILE, "Fr\303\251chet"); /* UTF-8 stays */
    ck_assert_str_eq(hidi_error_message(), "Fr\303\251chet");
}
END_TEST

/* By hand: the start, and one step of the rule. */
START_TEST(hash_rule)
{
    const uint64_t start = 1469598103934665603u;
    ck_assert(hidi_hash("", 0) == start);
    ck_assert(hidi_hash("a", 1) == (start ^ 97u) * 1099511628211u);
    ck_assert(hidi_hash("ab", 2) == (hidi_hash("a", 1) ^ 98u) * 1099511628211u);
    ck_assert(hidi_hash("ab", 2) != hidi_hash("ba", 2));
}
END_TEST

START_TEST(thread_limit_is_given_back)
{
    const int before = hidi_limit_threads(1);
    ck_assert_int_ge(before, 1);
    ck_assert_int_eq(hidi_limit_threads(before), 1);
    ck_assert_int_eq(hidi_limit_threads(before), before);
}
END_TEST

START_TEST(status_names_differ)
{
    for (int a = HIDI_OK; a <= HIDI_INTERRUPTED; a++) {
        ck_assert_str_ne(hidi_status_name((hidi_status)a), "unknown status");
        for (int b = HIDI_OK; b < a; b++)
            ck_assert_str_ne(hidi_status_name((hidi_status)a), hidi_status_name((hidi_status)b));
    }
    ck_assert_str_eq(hidi_status_name(HIDI_OK), "ok");
}
END_TEST

static hidi_status try_twice(hidi_status first, hidi_status second, int *reached)
{
    *reached = 0;
    HIDI_TRY(first);
    *reached = 1;
    HIDI_TRY(second);
    *reached = 2;
    return HIDI_OK;
}

START_TEST(try_returns_the_first_failure)
{
    int reached;

    ck_assert_int_eq(try_twice(HIDI_OK, HIDI_OK, &reached), HIDI_OK);
    ck_assert_int_eq(reached, 2);
    ck_assert_int_eq(try_twice(HIDI_OK, HIDI_BAD_FILE, &reached), HIDI_BAD_FILE);
    ck_assert_int_eq(reached, 1);
    ck_assert_int_eq(try_twice(HIDI_NO_MEMORY, HIDI_OK, &reached), HIDI_NO_MEMORY);
    ck_assert_int_eq(reached, 0);
}
END_TEST

/* --- arena ----------------------------------------------------------------------------------- */

static size_t allocated, released; /* calls */
static size_t allocations_allowed;

static void *counting_allocate(size_t bytes)
{
    if (allocated == allocations_allowed)
        return NULL;
    allocated++;
    return malloc(bytes);
}

static void counting_release(void *memory)
{
    released += memory != NULL;
    free(memory);
}

static hidi_arena *counted_arena(size_t chunk_bytes)
{
    hidi_arena *arena;

    allocated = released = 0;
    allocations_allowed = 1000;
    arena = hidi_arena_create(counting_allocate, counting_release, chunk_bytes);
    ck_assert_ptr_nonnull(arena);
    return arena;
}

/* One "step": pieces of many sizes, some larger than a chunk, all written to the last byte. */
static void take_many(hidi_arena *arena, void *pieces[64])
{
    for (size_t i = 0; i < 64; i++) {
        size_t bytes = i * 37 % 101 * (i % 16 == 3 ? 400 : 7);

        pieces[i] = hidi_arena_take(arena, bytes);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % 64, 0);
        memset(pieces[i], (int)i, bytes);
    }
}

START_TEST(second_pass_allocates_nothing)
{
    hidi_arena *arena = counted_arena(4096);
    void *first[64], *second[64];
    size_t calls, reserved, peak;

    take_many(arena, first);
    for (size_t i = 1; i < 64; i++) {
        size_t bytes = i * 37 % 101 * (i % 16 == 3 ? 400 : 7);

        for (size_t j = 0; j < bytes; j++)
            ck_assert_int_eq(((unsigned char *)first[i])[j], (int)i); /* pieces are disjoint */
    }
    calls = hidi_arena_allocations(arena);
    reserved = hidi_arena_reserved(arena);
    peak = hidi_arena_peak(arena);
    ck_assert_uint_gt(calls, 1);
    ck_assert_uint_eq(calls, allocated);
    ck_assert_uint_le(peak, reserved);

    hidi_arena_reset(arena);
    take_many(arena, second);
    ck_assert_int_eq(memcmp(first, second, sizeof first), 0);
    ck_assert_uint_eq(hidi_arena_allocations(arena), calls);
    ck_assert_uint_eq(allocated, calls);
    ck_assert_uint_eq(hidi_arena_reserved(arena), reserved);
    ck_assert_uint_eq(hidi_arena_peak(arena), peak);
    hidi_arena_destroy(arena);
    ck_assert_uint_eq(released, calls);
}
END_TEST

START_TEST(rewind_gives_back_what_came_after)
{
    hidi_arena *arena = counted_arena(1024);
    hidi_arena_mark empty = hidi_arena_here(arena), mark;
    char *kept, *a, *b;

    kept = hidi_arena_take(arena, 100);
    memset(kept, 'k', 100);
    mark = hidi_arena_here(arena);
    a = hidi_arena_take(arena, 200);
    hidi_arena_take(arena, 5000); /* into another chunk */
    ck_assert_uint_eq(hidi_arena_peak(arena), 128 + 256 + 5056);
    hidi_arena_rewind(arena, mark);
    b = hidi_arena_take(arena, 200);
    ck_assert_ptr_eq(a, b);
    memset(b, 'b', 200);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(kept[i], 'k');
    ck_assert_uint_eq(hidi_arena_peak(arena), 128 + 256 + 5056);
    hidi_arena_rewind(arena, empty);
    ck_assert_ptr_eq(hidi_arena_take(arena, 1), kept);
    hidi_arena_destroy(arena);
}
END_TEST

START_TEST(no_bytes_are_a_valid_piece)
{
    hidi_arena *arena = counted_arena(0);
    char *a = hidi_arena_take(arena, 0), *b = hidi_arena_take(arena, 0);

    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_nonnull(b);
    hidi_arena_destroy(arena);
    hidi_arena_destroy(NULL);
}
END_TEST

START_TEST(out_of_memory_is_null_and_harmless)
{
    hidi_arena *arena = counted_arena(1024);
    char *a = hidi_arena_take(arena, 512);

    allocations_allowed = 1;
    ck_assert_ptr_null(hidi_arena_take(arena, 1024));
    ck_assert_ptr_null(hidi_arena_take(arena, SIZE_MAX));
    ck_assert_ptr_null(hidi_arena_take(arena, SIZE_MAX - 100));
    ck_assert_ptr_eq(hidi_arena_take(arena, 512), a + 512); /* still fits the first chunk */
    allocations_allowed = 2;
    ck_assert_ptr_nonnull(hidi_arena_take(arena, 1024));
    hidi_arena_destroy(arena);
    ck_assert_uint_eq(released, 2);
}
END_TEST

/* --- random numbers -------------------------------------------------------------------------- */

static hidi_random test_draws(uint64_t step)
{
    hidi_random random = { 20240611, HIDI_STREAM_TEST, 0 };

    random.step = step;
    return random;
}

/* The known answers of Random123 (tests/kat_vectors, philox4x32 10) through the layout that
 * random.c documents; a bound of 2^63 shows all but the last bit of a draw. */
START_TEST(philox_known_answers)
{
    const uint64_t bound = UINT64_C(1) << 63;
    hidi_random zero = { 0, 0, 0 }, pi = { UINT64_C(0x299f31d0a4093822), 0x03707344, 0 };
    hidi_random ones = { UINT64_MAX, UINT32_MAX, UINT64_C(0xffffffffffff) };
    uint64_t out[2];

    hidi_uniform_int(zero, 0, bound, out, 2);
    ck_assert_uint_eq(out[0], UINT64_C(0xe169c58d6627e8d5) >> 1);
    ck_assert_uint_eq(out[1], UINT64_C(0x9b00dbd8bc57ac4c) >> 1);

    hidi_uniform_int(ones, (size_t)UINT64_C(0x1fffffffffffe), bound, out, 2);
    ck_assert_uint_eq(out[0], UINT64_C(0x41c83b0e408f276d) >> 1);
    ck_assert_uint_eq(out[1], UINT64_C(0x6d5451fda20bc7c6) >> 1);

    pi.step = UINT64_C(0x85a313198a2e);
    hidi_uniform_int(pi, (size_t)(2 * UINT64_C(0x08d3243f6a88)), bound, out, 2);
    ck_assert_uint_eq(out[0], UINT64_C(0x94fdccebd16cfe09) >> 1);
    ck_assert_uint_eq(out[1], UINT64_C(0x24126ea15001e420) >> 1);
}
END_TEST

/* mean, variance, skewness and excess kurtosis */
static void moments(const double *x, size_t n, double moment[4])
{
    double sum = 0, m2 = 0, m3 = 0, m4 = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i];
    sum /= (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - sum;

        m2 += d * d / (double)n;
        m3 += d * d * d / (double)n;
        m4 += d * d * d * d / (double)n;
    }
    moment[0] = sum;
    moment[1] = m2;
    moment[2] = m3 / (m2 * sqrt(m2));
    moment[3] = m4 / (m2 * m2) - 3;
}

static double correlation(const double *x, const double *y, size_t n)
{
    double mx[4], my[4], sum = 0;

    moments(x, n, mx);
    moments(y, n, my);
    for (size_t i = 0; i < n; i++)
        sum += (x[i] - mx[0]) * (y[i] - my[0]);
    return sum / ((double)n * sqrt(mx[1] * my[1]));
}

/* Sum of (count - expected)^2 / expected for equally likely cells. */
static double chi_square(const size_t *count, size_t cells, size_t n)
{
    double expected = (double)n / (double)cells, sum = 0;

    for (size_t i = 0; i < cells; i++)
        sum += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
    return sum;
}

/* Every statistic is within 5 of its standard deviations: for fixed seeds a test never flickers. */
static const double sigmas = 5;

static double draws_a[N], draws_b[N];
static hidi_real normals[N], normals_b[N];

START_TEST(uniform_moments)
{
    size_t count[64] = { 0 };
    double moment[4];

    hidi_uniform(test_draws(1), 0, draws_a, N);
    for (size_t i = 0; i < N; i++) {
        ck_assert(draws_a[i] > 0 && draws_a[i] < 1);
        count[(size_t)(draws_a[i] * 64)]++;
    }
    moments(draws_a, N, moment);
    ck_assert_double_lt(fabs(moment[0] - 0.5), sigmas * sqrt(1.0 / 12 / N));
    ck_assert_double_lt(fabs(moment[1] - 1.0 / 12), sigmas * sqrt(1.0 / 180 / N));
    ck_assert_double_lt(chi_square(count, 64, N), 63 + sigmas * sqrt(2 * 63));
}
END_TEST

START_TEST(normal_moments)
{
    size_t count[2] = { 0, 0 };
    double moment[4];

    hidi_normal(test_draws(2), 0, normals, N);
    for (size_t i = 0; i < N; i++) {
        draws_a[i] = (double)normals[i];
        count[fabs(draws_a[i]) < 0.6744897501960817]++; /* half of them */
    }
    moments(draws_a, N, moment);
    ck_assert_double_lt(fabs(moment[0]), sigmas * sqrt(1.0 / N));
    ck_assert_double_lt(fabs(moment[1] - 1), sigmas * sqrt(2.0 / N));
    ck_assert_double_lt(fabs(moment[2]), sigmas * sqrt(6.0 / N));
    ck_assert_double_lt(fabs(moment[3]), sigmas * sqrt(24.0 / N));
    ck_assert_double_lt(chi_square(count, 2, N), sigmas * sigmas);
    /* the two halves of each pair */
    ck_assert_double_lt(fabs(correlation(draws_a, draws_a + 1, N - 1)), sigmas / sqrt(N));
}
END_TEST

/* Box and Muller on the uniform draws of the same numbers. */
START_TEST(normal_is_a_function_of_the_uniform_draws)
{
    const double two_pi = 6.283185307179586;

    hidi_uniform(test_draws(3), 10, draws_a, 1000);
    hidi_normal(test_draws(3), 10, normals, 1000);
    for (size_t i = 0; i < 1000; i += 2) {
        double radius = sqrt(-2 * log(draws_a[i])), angle = two_pi * draws_a[i + 1];

        ck_assert_double_le(fabs((double)normals[i] - radius * cos(angle)),
                            4 * HIDI_REAL_EPSILON * radius);
        ck_assert_double_le(fabs((double)normals[i + 1] - radius * sin(angle)),
                            4 * HIDI_REAL_EPSILON * radius);
    }
}
END_TEST

/* In one go (parallel) and in pieces (not): the same bits. */
START_TEST(pieces_make_the_whole)
{
    const size_t odd[] = { 1, 2, 3, 500, 77, 4999 }, even[] = { 2, 100, 6, 498, 78, 5000 };
    uint64_t whole[6000], piece[6000];

    hidi_normal(test_draws(4), 0, normals, N);
    for (size_t at = 0, k = 0; at < N; k++) {
        size_t n = even[k % 6] < N - at ? even[k % 6] : N - at;

        hidi_normal(test_draws(4), at, normals_b + at, n);
        at += n;
    }
    ck_assert_int_eq(memcmp(normals, normals_b, sizeof normals), 0);
    hidi_normal(test_draws(4), 0, normals_b, 4999);
    ck_assert_int_eq(memcmp(normals, normals_b, 4999 * sizeof *normals), 0);

    hidi_uniform(test_draws(4), 0, draws_a, N);
    for (size_t at = 0, k = 0; at < N; k++) {
        size_t n = odd[k % 6] < N - at ? odd[k % 6] : N - at;

        hidi_uniform(test_draws(4), at, draws_b + at, n);
        at += n;
    }
    ck_assert_int_eq(memcmp(draws_a, draws_b, sizeof draws_a), 0);

    hidi_uniform_int(test_draws(4), 0, 1000003, whole, 6000);
    hidi_uniform_int(test_draws(4), 0, 1000003, piece, 333);
    hidi_uniform_int(test_draws(4), 333, 1000003, piece + 333, 6000 - 333);
    ck_assert_int_eq(memcmp(whole, piece, sizeof whole), 0);
}
END_TEST

START_TEST(seeds_streams_and_steps_are_independent)
{
    hidi_random other[4];

    hidi_uniform(test_draws(5), 0, draws_a, N);
    for (int k = 0; k < 4; k++)
        other[k] = test_draws(5);
    other[0].seed++;
    other[1].seed ^= UINT64_C(1) << 40;
    other[2].stream++;
    other[3].step++;
    for (int k = 0; k < 4; k++) {
        hidi_uniform(other[k], 0, draws_b, N);
        ck_assert_double_lt(fabs(correlation(draws_a, draws_b, N)), sigmas / sqrt(N));
    }
}
END_TEST

START_TEST(integers_are_below_their_bound)
{
    uint64_t *out = malloc(N * sizeof *out);
    size_t count[10] = { 0 };

    ck_assert_ptr_nonnull(out);
    hidi_uniform_int(test_draws(6), 0, 10, out, N);
    for (size_t i = 0; i < N; i++) {
        ck_assert_uint_lt(out[i], 10);
        count[out[i]]++;
    }
    ck_assert_double_lt(chi_square(count, 10, N), 9 + sigmas * sqrt(2 * 9));
    hidi_uniform_int(test_draws(6), 0, 1, out, 100);
    for (size_t i = 0; i < 100; i++)
        ck_assert_uint_eq(out[i], 0);
    free(out);
}
END_TEST

/* floor(draw bound / 2^64) needs all 128 bits of the product; Python's integers gave the answers. */
START_TEST(integers_use_the_whole_product)
{
    const uint64_t bound[] = { UINT64_MAX, UINT64_C(0xfedcba9876543211), UINT64_C(0x1ffffffff) };
    const uint64_t answer[][2] = {
        { UINT64_C(0xe169c58d6627e8d4), UINT64_C(0x9b00dbd8bc57ac4b) },
        { UINT64_C(0xe0694d3529664f56), UINT64_C(0x9a507fd8e90439c1) },
        { UINT64_C(0x1c2d38b19), UINT64_C(0x13601b7b0) }
    };
    hidi_random zero = { 0, 0, 0 };
    uint64_t out[2];

    for (int k = 0; k < 3; k++) {
        hidi_uniform_int(zero, 0, bound[k], out, 2);
        ck_assert_uint_eq(out[0], answer[k][0]);
        ck_assert_uint_eq(out[1], answer[k][1]);
    }
}
END_TEST

/* --- progress -------------------------------------------------------------------------------- */

static void check_duration(double seconds, const char *expected)
{
    char text[32];

    ck_assert_str_eq(hidi_duration(text, sizeof text, seconds), expected);
}

START_TEST(durations)
{
    check_duration(0, "0.0 s");
    check_duration(3.21, "3.2 s");
    check_duration(59.94, "59.9 s");
    check_duration(59.96, "1 min 00 s");
    check_duration(130.4, "2 min 10 s");
    check_duration(3599.4, "59 min 59 s");
    check_duration(3599.6, "1 h 00 min");
    check_duration(3900, "1 h 05 min");
    check_duration(400000, "111 h 06 min");
    check_duration(-1, "?");
    check_duration(HUGE_VAL, "?");
    check_duration(nan(""), "?");
}
END_TEST

START_TEST(progress_lines)
{
    hidi_progress progress;
    FILE *file = tmpfile();
    char text[1000];
    size_t length;

    ck_assert_ptr_nonnull(file);
    hidi_progress_begin(&progress, file, "teacher", 100, 300);
    ck_assert(!progress.is_terminal);
    hidi_progress_update(&progress, 101, "too early"); /* an interval has not passed */
    progress.interval = 0;
    progress.started -= 10; /* 50 steps in 10 s: 150 more take 30 s */
    hidi_progress_update(&progress, 150, "loss 0.5");
    hidi_progress_end(&progress, NULL);
    rewind(file);
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    ck_assert_str_eq(text, "teacher   50.0 %  150/300  5/s  30.0 s left  loss 0.5\n"
                           "teacher  done in 10.0 s\n");
    fclose(file);
}
END_TEST

START_TEST(progress_can_be_silent)
{
    hidi_progress progress;

    hidi_progress_begin(&progress, NULL, "teacher", 0, 10);
    progress.interval = 0;
    hidi_progress_update(&progress, 5, NULL);
    hidi_progress_end(&progress, NULL);
    ck_assert_double_ge(hidi_seconds(), progress.started);
}
END_TEST

/* --- shapes ---------------------------------------------------------------------------------- */

START_TEST(shapes)
{
    hidi_shape a = hidi_shape4(2, 3, 4, 5);

    ck_assert_uint_eq(hidi_count(a), 120);
    ck_assert_uint_eq(hidi_rows(a), 24);
    ck_assert_uint_eq(hidi_columns(a), 5);
    ck_assert_uint_eq(hidi_count(hidi_shape0()), 1);
    ck_assert_uint_eq(hidi_rows(hidi_shape0()), 1);
    ck_assert_uint_eq(hidi_columns(hidi_shape0()), 1);
    ck_assert_uint_eq(hidi_rows(hidi_shape1(7)), 1);
    ck_assert_uint_eq(hidi_columns(hidi_shape1(7)), 7);
    ck_assert_uint_eq(hidi_count(hidi_shape2(7, 0)), 0);
    ck_assert_uint_eq(hidi_rows(hidi_shape2(7, 0)), 7);

    ck_assert(hidi_same_shape(a, hidi_shape4(2, 3, 4, 5)));
    ck_assert(!hidi_same_shape(a, hidi_shape4(2, 3, 5, 4)));
    ck_assert(!hidi_same_shape(hidi_shape1(3), hidi_shape2(3, 1)));
    ck_assert(hidi_same_shape(hidi_shape0(), hidi_shape0()));
}
END_TEST

START_TEST(shapes_as_text)
{
    const char *text = hidi_shape_text(hidi_shape3(64, 16, 128));

    ck_assert_str_eq(hidi_shape_text(hidi_shape0()), "[]");
    ck_assert_str_eq(hidi_shape_text(hidi_shape1(9)), "[9]");
    ck_assert_str_eq(hidi_shape_text(hidi_shape2(SIZE_MAX, SIZE_MAX)),
                     "[18446744073709551615, 18446744073709551615]");
    ck_assert_str_eq(hidi_shape_text(hidi_shape4(1, 22, 333, 4444)), "[1, 22, 333, 4444]");
    for (int i = 0; i < 3; i++)
        hidi_shape_text(hidi_shape1((size_t)i));
    ck_assert_str_eq(text, "[64, 16, 128]"); /* seven later calls leave it alone */
}
END_TEST

/* -------------------------------------------------------------------------------------------- */

static void add_case(Suite *suite, const char *name, const TTest *const *tests)
{
    TCase *tcase = tcase_create(name);

    for (; *tests; tests++)
        tcase_add_test(tcase, *tests);
    suite_add_tcase(suite, tcase);
}

int main(void)
{
    const TTest *const status_tests[] = { error_keeps_its_message, prefix_is_put_in_front,
                                          long_messages_are_cut, messages_are_one_line,
                                          status_names_differ, try_returns_the_first_failure,
                                          hash_rule, thread_limit_is_given_back, NULL };
    const TTest *const arena_tests[] = { second_pass_allocates_nothing,
                                         rewind_gives_back_what_came_after,
                                         no_bytes_are_a_valid_piece,
                                         out_of_memory_is_null_and_harmless, NULL };
    const TTest *const random_tests[] = { philox_known_answers, uniform_moments, normal_moments,
                                          normal_is_a_function_of_the_uniform_draws,
                                          pieces_make_the_whole,
                                          seeds_streams_and_steps_are_independent,
                                          integers_are_below_their_bound,
                                          integers_use_the_whole_product, NULL };
    const TTest *const progress_tests[] = { durations, progress_lines, progress_can_be_silent,
                                            NULL };
    const TTest *const shape_tests[] = { shapes, shapes_as_text, NULL };
    Suite *suite = suite_create("core");
    SRunner *runner;
    int failed;

    add_case(suite, "status", status_tests);
    add_case(suite, "arena", arena_tests);
    add_case(suite, "random", random_tests);
    add_case(suite, "progress", progress_tests);
    add_case(suite, "shape", shape_tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
