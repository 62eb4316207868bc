/* report.c - every slot, then every computation; what failed is counted, and does not end the
 * test. */
#include "lab/selftest/report.h"

#include <stdio.h>

#include "lab/json.h"
#include "backend/tables.h"

typedef struct report {
    const hidi_backend *tested;
    bool times;
    json_t *rows; /* NULL: a table is printed */
    long cases;
    int slots, computations, failed;
} report;

/* --- as a table ------------------------------------------------------------------------------- */

static void print_rate(const hidi_selftest_result *r)
{
    if (r->seconds <= 0)
        return;
    printf(" %11.3f %9.1f %s", 1e3 * r->seconds,
           1e-9 * (r->flop > 0 ? r->flop : r->bytes) / r->seconds,
           r->flop > 0 ? "GFLOP/s" : "GB/s");
}

static void print_row(const hidi_selftest_result *r)
{
    printf("%-22s %6ld %10.2g %10.2g  %-6s", r->name, r->cases, r->error, r->bound,
           r->failure[0] == '\0' ? "passed" : "FAILED");
    print_rate(r);
    printf("\n");
    if (r->failure[0] != '\0')
        printf("    %s: %s\n", r->name, r->failure);
}

static void print_table_begin(const report *p)
{
    const int threads = p->tested->threads();
    printf("backend %s: %s, %d thread%s; %s precision\n", p->tested->name, p->tested->describe(),
           threads, threads == 1 ? "" : "s", HIDI_PRECISION);
    printf("against the reference: %s\n\n", hidi_reference_backend()->describe());
    printf("%-22s %6s %10s %10s  %-6s%s\n", "", "cases", "error", "bound", "",
           p->times ? "          ms      rate" : "");
}

static void print_table_end(const report *p)
{
    printf("\n%d slots and %d computations, %ld cases: ", p->slots, p->computations, p->cases);
    if (p->failed > 0)
        printf("%d FAILED\n", p->failed);
    else
        printf("all passed\n");
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static json_t *row_to_json(const hidi_selftest_result *r, const char *kind)
{
    json_t *row = json_object();
    json_object_set_new(row, "kind", json_string(kind));
    json_object_set_new(row, "name", hidi_json_text(r->name));
    json_object_set_new(row, "passed", json_boolean(r->failure[0] == '\0'));
    json_object_set_new(row, "cases", json_integer(r->cases));
    json_object_set_new(row, "error", hidi_json_number(r->error));
    json_object_set_new(row, "bound", hidi_json_number(r->bound));
    if (r->seconds > 0) {
        json_object_set_new(row, "seconds", hidi_json_number(r->seconds));
        json_object_set_new(row, "bytes", hidi_json_number(r->bytes));
        json_object_set_new(row, "flop", hidi_json_number(r->flop));
    }
    if (r->failure[0] != '\0')
        json_object_set_new(row, "failure", hidi_json_text(r->failure));
    return row;
}

static hidi_status print_json(const report *p)
{
    json_t *root = json_object();
    json_object_set_new(root, "backend", hidi_json_text(p->tested->name));
    json_object_set_new(root, "description", hidi_json_text(p->tested->describe()));
    json_object_set_new(root, "precision", json_string(HIDI_PRECISION));
    json_object_set(root, "results", p->rows);
    json_object_set_new(root, "passed", json_boolean(p->failed == 0));
    return hidi_json_print(stdout, root, 9);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void add(report *p, const hidi_selftest_result *r, const char *kind)
{
    p->cases += r->cases;
    p->failed += r->failure[0] != '\0';
    if (p->rows != NULL) {
        json_array_append_new(p->rows, row_to_json(r, kind));
    } else {
        print_row(r);
        fflush(stdout); /* a row is seen as soon as it is known */
    }
}

static hidi_status run_all(report *p)
{
    hidi_selftest_result r;
    for (size_t i = 0; i < hidi_selftest_slots(); i++, p->slots++) {
        HIDI_TRY(hidi_selftest_slot(i, p->tested, p->times, &r));
        add(p, &r, "slot");
    }
    for (size_t i = 0; i < hidi_selftest_computations(); i++, p->computations++) {
        HIDI_TRY(hidi_selftest_computation(i, p->tested, &r));
        add(p, &r, "computation");
    }
    return HIDI_OK;
}

hidi_status hidi_selftest_report(const hidi_backend *tested, bool times, bool json)
{
    report p = {.tested = tested, .times = times, .rows = json ? json_array() : NULL};
    if (!json)
        print_table_begin(&p);
    hidi_status status = run_all(&p);
    if (status == HIDI_OK && json)
        status = print_json(&p);
    else if (status == HIDI_OK)
        print_table_end(&p);
    json_decref(p.rows);
    if (status == HIDI_OK && p.failed > 0)
        return hidi_error(HIDI_BAD_BACKEND, "backend \"%s\": %d of %d tests failed", tested->name,
                          p.failed, p.slots + p.computations);
    return status;
}
