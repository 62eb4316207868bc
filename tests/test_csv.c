/* test_csv.c - tables, and logs: what is written is read, resuming, damaged files, full disks. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "io/csv.h"
#include "scratch.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const columns[] = { "step", "loss", "grad_norm", NULL };

static void expect_message(const char *fragment)
{
    ck_assert_msg(strstr(hidi_error_message(), fragment) != NULL, "\"%s\" is not in \"%s\"",
                  fragment, hidi_error_message());
}

static void expect_text(const char *name, const char *text)
{
    char found[2000] = "";

    scratch_read(name, found, sizeof found - 1);
    ck_assert_str_eq(found, text);
}

static void write_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

/* Opens the log, writes rows of steps first, first + 10, ... before `end`, closes it. */
static void log_steps(const char *name, long resume_step, long first, long end)
{
    hidi_csv csv;

    ck_assert_msg(hidi_csv_open(&csv, scratch(name), columns, resume_step) == HIDI_OK, "%s",
                  hidi_error_message());
    for (long step = first; step < end; step += 10) {
        const double row[] = { (double)step, 0.5, 2 };
        ck_assert_int_eq(hidi_csv_row(&csv, row), HIDI_OK);
    }
    ck_assert_int_eq(hidi_csv_close(&csv), HIDI_OK);
}

START_TEST(what_is_written_is_read_back)
{
    const double rows[][3] = { { 0, 0.1, 1e-300 },
                               { 10, (double)NAN, -1.0 / 3 },
                               { 20, (double)INFINITY, -(double)INFINITY },
                               { 4e6, (double)NAN, (double)NAN } };
    double *values;
    size_t n;
    hidi_csv csv;

    ck_assert_int_eq(hidi_csv_open(&csv, scratch("a.csv"), columns, 0), HIDI_OK);
    for (size_t i = 0; i < COUNT(rows); i++) {
        ck_assert_int_eq(hidi_csv_row(&csv, rows[i]), HIDI_OK);
        /* A row is there as soon as it is written. */
        ck_assert_int_eq(hidi_csv_read(scratch("a.csv"), "step", &values, &n), HIDI_OK);
        ck_assert_uint_eq(n, i + 1);
        free(values);
    }
    ck_assert_int_eq(hidi_csv_close(&csv), HIDI_OK);
    ck_assert_int_eq(hidi_csv_close(&csv), HIDI_OK); /* nothing is open */
    expect_text("a.csv", "step,loss,grad_norm\n0,0.1,1e-300\n10,,-0.3333333333333333\n"
                         "20,inf,-inf\n4000000,,\n");
    for (int c = 0; c < 3; c++) {
        ck_assert_int_eq(hidi_csv_read(scratch("a.csv"), columns[c], &values, &n), HIDI_OK);
        ck_assert_uint_eq(n, COUNT(rows));
        for (size_t i = 0; i < n; i++)
            ck_assert(isnan(rows[i][c]) ? isnan(values[i]) : values[i] == rows[i][c]);
        free(values);
    }
}
END_TEST

START_TEST(a_table_has_cells_of_every_kind)
{
    static const double values[] = { 0.1, (double)NAN, -2.0 / 3, (double)INFINITY };
    double *column;
    size_t n;
    hidi_csv csv;

    ck_assert_int_eq(hidi_csv_create(&csv, scratch("t.csv")), HIDI_OK);
    hidi_csv_names(&csv, "name,a,b,c,d");
    hidi_csv_text(&csv, "in \"quotes\"");
    hidi_csv_end_row(&csv);
    hidi_csv_text(&csv, "one, two");
    hidi_csv_numbers(&csv, "%.3g", COUNT(values), values);
    hidi_csv_integer(&csv, -9000000000);
    hidi_csv_end_row(&csv);
    hidi_csv_quoted(&csv, "plain");
    for (int i = 0; i < 4; i++)
        hidi_csv_text(&csv, "");
    hidi_csv_number(&csv, "%.0f", 3);
    hidi_csv_end_row(&csv);
    ck_assert_int_eq(hidi_csv_finish(&csv, HIDI_OK), HIDI_OK);
    expect_text("t.csv", "name,a,b,c,d,\"in \"\"quotes\"\"\"\n"
                         "\"one, two\",0.1,,-0.667,,-9000000000\n\"plain\",,,,,3\n");
    ck_assert_int_eq(hidi_csv_read(scratch("t.csv"), "in \"quotes\"", &column, &n), HIDI_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert(column[0] == -9e9 && column[1] == 3);
    free(column);
}
END_TEST

/* Cells over several lines, either kind of line break, blank lines, empty cells at the ends. */
START_TEST(cells_are_cut)
{
    static const struct {
        long line;
        const char *cell[3];
    } expected[] = { { 1, { "a", "two\r\nlines", "" } },
                     { 4, { "", "\"q\", b", "c\rd" } },
                     { 7, { "", "", "" } } };
    char text[] = "a,\"two\r\nlines\",\r\n\n,\"\"\"q\"\", b\",c\rd\n\r\n\n,,";
    hidi_csv_reader r = hidi_csv_begin(text);

    for (size_t i = 0; i < COUNT(expected); i++) {
        ck_assert(hidi_csv_next_row(&r));
        ck_assert_int_eq(r.line, expected[i].line);
        for (size_t k = 0; k < 3; k++)
            ck_assert_str_eq(hidi_csv_next_cell(&r), expected[i].cell[k]);
        ck_assert_ptr_null(hidi_csv_next_cell(&r));
        ck_assert(r.whole == (i < 2) && !r.unclosed);
    }
    ck_assert(!hidi_csv_next_row(&r));
    ck_assert_ptr_null(hidi_csv_next_cell(&r));

    char skipped[] = "x,y,\"z\n";
    r = hidi_csv_begin(skipped);
    ck_assert(hidi_csv_next_row(&r));
    ck_assert_str_eq(hidi_csv_next_cell(&r), "x");
    ck_assert(!hidi_csv_next_row(&r)); /* over the rest of it */
    ck_assert(r.unclosed && !r.whole);
}
END_TEST

START_TEST(a_table_appears_whole_or_not_at_all)
{
    hidi_csv csv;

    write_text("whole.csv", "old\n");
    ck_assert_int_eq(hidi_csv_create(&csv, scratch("whole.csv")), HIDI_OK);
    hidi_csv_text(&csv, "new");
    expect_text("whole.csv", "old\n");
    ck_assert_int_eq(hidi_csv_finish(&csv, HIDI_BAD_FORMAT), HIDI_BAD_FORMAT);
    expect_text("whole.csv", "old\n");
    ck_assert_int_eq(hidi_csv_finish(&csv, HIDI_OK), HIDI_OK); /* nothing is open */
    ck_assert_int_eq(hidi_csv_create(&csv, scratch("no/whole.csv")), HIDI_BAD_FILE);
    ck_assert_int_eq(hidi_csv_finish(&csv, HIDI_BAD_FILE), HIDI_BAD_FILE);
}
END_TEST

START_TEST(a_new_log_replaces_an_old_one)
{
    write_text("new.csv", "anything\n");
    log_steps("new.csv", 0, 0, 20);
    expect_text("new.csv", "step,loss,grad_norm\n0,0.5,2\n10,0.5,2\n");
}
END_TEST

START_TEST(resuming_drops_what_came_after_the_checkpoint)
{
    log_steps("r.csv", 0, 0, 50);
    log_steps("r.csv", 20, 20, 40);
    expect_text("r.csv", "step,loss,grad_norm\n0,0.5,2\n10,0.5,2\n20,0.5,2\n30,0.5,2\n");
    log_steps("r.csv", 40, 40, 40);
    expect_text("r.csv", "step,loss,grad_norm\n0,0.5,2\n10,0.5,2\n20,0.5,2\n30,0.5,2\n");
    log_steps("r.csv", 1, 1, 1);
    expect_text("r.csv", "step,loss,grad_norm\n0,0.5,2\n");
}
END_TEST

START_TEST(resuming_without_a_log_begins_one)
{
    log_steps("none.csv", 30, 30, 40);
    expect_text("none.csv", "step,loss,grad_norm\n30,0.5,2\n");
}
END_TEST

START_TEST(resuming_mends_an_interrupted_row)
{
    /* "2" is not step 2: the row was cut off in the middle. */
    write_text("cut.csv", "step,loss,grad_norm\r\n0,1,1\r\n10,1,1\r\n2");
    double *values;
    size_t n;

    ck_assert_int_eq(hidi_csv_read(scratch("cut.csv"), "loss", &values, &n), HIDI_OK);
    ck_assert_uint_eq(n, 2);
    free(values);
    log_steps("cut.csv", 20, 20, 30);
    expect_text("cut.csv", "step,loss,grad_norm\n0,1,1\n10,1,1\n20,0.5,2\n");
}
END_TEST

START_TEST(a_log_of_something_else_is_left_alone)
{
    static const char *const other[] = { "", "step,loss\n1,2\n", "step,loss,grad_norm,x\n",
                                         "step,loss,grad_norm\nx,1,2\n",
                                         "step,loss,grad_norm\n,1,2\n" };
    hidi_csv csv;

    for (size_t i = 0; i < COUNT(other); i++) {
        write_text("other.csv", other[i]);
        ck_assert_int_eq(hidi_csv_open(&csv, scratch("other.csv"), columns, 5), HIDI_BAD_FORMAT);
        expect_message("other.csv");
        expect_text("other.csv", other[i]);
        ck_assert_int_eq(hidi_csv_close(&csv), HIDI_OK);
    }
    write_text("other.csv", other[1]);
    ck_assert_int_eq(hidi_csv_open(&csv, scratch("other.csv"), columns, 5), HIDI_BAD_FORMAT);
    expect_message("its columns are \"step,loss\", this run's are \"step,loss,grad_norm\"");
    scratch_write("other.csv", "step,loss\0", 10);
    ck_assert_int_eq(hidi_csv_open(&csv, scratch("other.csv"), columns, 5), HIDI_BAD_FORMAT);
}
END_TEST

START_TEST(bad_calls_are_errors)
{
    const char *const none[] = { NULL }, *const comma[] = { "step", "a,b", NULL },
                      *const empty[] = { "step", "", NULL };
    const double row[3] = { (double)NAN, 1, 1 };
    hidi_csv csv;

    ck_assert_int_eq(hidi_csv_open(&csv, scratch("b.csv"), none, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_csv_open(&csv, scratch("b.csv"), comma, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_csv_open(&csv, scratch("b.csv"), empty, 0), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_csv_open(&csv, scratch("no/b.csv"), columns, 0), HIDI_BAD_FILE);
    ck_assert_int_eq(hidi_csv_open(&csv, scratch("b.csv"), columns, 0), HIDI_OK);
    ck_assert_int_eq(hidi_csv_row(&csv, row), HIDI_BAD_ARGUMENT);
    ck_assert_int_eq(hidi_csv_close(&csv), HIDI_OK);
}
END_TEST

START_TEST(damaged_logs_are_errors)
{
    static const struct {
        const char *text, *column, *message;
        hidi_status status;
    } damaged[] = {
        { "", "loss", "empty, without a header", HIDI_BAD_FORMAT },
        { "step,loss\n", "los", "no column \"los\"", HIDI_BAD_ARGUMENT },
        { "step,loss\n1,2\n2\n", "loss", ":3: not 2 cells", HIDI_BAD_FORMAT },
        { "step,loss\n1,2\n2\n", "step", ":3: not 2 cells", HIDI_BAD_FORMAT },
        { "step,loss\n1,2,3\n", "loss", ":2: not 2 cells", HIDI_BAD_FORMAT },
        { "step,loss\n1,two\n", "loss", ":2: not 2 cells, or not a number", HIDI_BAD_FORMAT },
        { "step,loss\n\"1,2\n", "step", ":2: a quote that does not end", HIDI_BAD_FORMAT },
        { "name,loss\n\"a\nb\",2\n\nc,two\n", "loss", ":5: not 2 cells, or", HIDI_BAD_FORMAT },
        { "step,loss\n1, 2\n", "loss", ":2: not 2 cells, or not a number", HIDI_BAD_FORMAT },
    };
    double *values;
    size_t n;

    for (size_t i = 0; i < COUNT(damaged); i++) {
        write_text("d.csv", damaged[i].text);
        ck_assert_int_eq(hidi_csv_read(scratch("d.csv"), damaged[i].column, &values, &n),
                         damaged[i].status);
        expect_message("d.csv");
        expect_message(damaged[i].message);
        ck_assert_ptr_null(values);
        ck_assert_uint_eq(n, 0);
    }
    ck_assert_int_eq(hidi_csv_read(scratch("missing.csv"), "loss", &values, &n), HIDI_BAD_FILE);
    write_text("d.csv", "step,loss\n");
    ck_assert_int_eq(hidi_csv_read(scratch("d.csv"), "loss", &values, &n), HIDI_OK);
    ck_assert_uint_eq(n, 0);
    free(values);
}
END_TEST

START_TEST(a_full_disk_is_reported)
{
    const double row[3] = { 1, 0.25, 0.125 };
    struct rlimit limit, small;
    hidi_csv csv;
    int rows = 0;

    ck_assert_int_eq(hidi_csv_open(&csv, scratch("full.csv"), columns, 0), HIDI_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    small = limit;
    small.rlim_cur = 100;
    /* check itself writes a file at each assertion: none while the limit holds. */
    int limited = setrlimit(RLIMIT_FSIZE, &small);
    while (rows < 100 && hidi_csv_row(&csv, row) == HIDI_OK)
        rows++;
    hidi_status closed = hidi_csv_close(&csv);
    int unlimited = setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, handler);
    ck_assert(limited == 0 && unlimited == 0);
    ck_assert_int_eq(rows, (100 - 20) / 13);
    expect_message("full.csv: cannot write it: File too large");
    ck_assert(closed == HIDI_OK || closed == HIDI_BAD_FILE);

    ck_assert_int_eq(hidi_csv_open(&csv, "/dev/full", columns, 0), HIDI_BAD_FILE);
    expect_message("/dev/full: cannot write it: No space left");
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("csv");
    TCase *tcase = tcase_create("csv");
    scratch_begin();
    tcase_add_test(tcase, what_is_written_is_read_back);
    tcase_add_test(tcase, a_table_has_cells_of_every_kind);
    tcase_add_test(tcase, cells_are_cut);
    tcase_add_test(tcase, a_table_appears_whole_or_not_at_all);
    tcase_add_test(tcase, a_new_log_replaces_an_old_one);
    tcase_add_test(tcase, resuming_drops_what_came_after_the_checkpoint);
    tcase_add_test(tcase, resuming_without_a_log_begins_one);
    tcase_add_test(tcase, resuming_mends_an_interrupted_row);
    tcase_add_test(tcase, a_log_of_something_else_is_left_alone);
    tcase_add_test(tcase, bad_calls_are_errors);
    tcase_add_test(tcase, damaged_logs_are_errors);
    tcase_add_test(tcase, a_full_disk_is_reported);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
