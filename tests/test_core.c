/* test_core.c - version, status, arena, progress and shapes. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/hash.h"
#include "core/progress.h"
#include "core/status.h"
#include "core/threads.h"
#include "core/version.h"
#include "autograd/shape.h"

/* --- version -------------------------------------------------------------------------------- */

START_TEST(versions_agree)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", HIDI_VERSION_MAJOR, HIDI_VERSION_MINOR,
             HIDI_VERSION_PATCH);
    ck_assert_str_eq(text, HIDI_VERSION);
    ck_assert_str_eq(hidi_version(), HIDI_VERSION);
    ck_assert_str_eq(PACKAGE_VERSION, HIDI_VERSION); /* configure.ac's */
}
END_TEST

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
    const TTest *const status_tests[] = { versions_agree, error_keeps_its_message,
                                          prefix_is_put_in_front, long_messages_are_cut,
                                          messages_are_one_line,
                                          status_names_differ, try_returns_the_first_failure,
                                          hash_rule, thread_limit_is_given_back, NULL };
    const TTest *const arena_tests[] = { second_pass_allocates_nothing,
                                         rewind_gives_back_what_came_after,
                                         no_bytes_are_a_valid_piece,
                                         out_of_memory_is_null_and_harmless, NULL };
    const TTest *const progress_tests[] = { durations, progress_lines, progress_can_be_silent,
                                            NULL };
    const TTest *const shape_tests[] = { shapes, shapes_as_text, NULL };
    Suite *suite = suite_create("core");
    SRunner *runner;
    int failed;

    add_case(suite, "status", status_tests);
    add_case(suite, "arena", arena_tests);
    add_case(suite, "progress", progress_tests);
    add_case(suite, "shape", shape_tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
