/* selftest.c - hidi selftest: is a backend right on this machine, and how fast? */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "cli/cli.h"

#include <math.h>
#include <string.h>

#include "core/progress.h"
#include "lab/selftest/selftest.h"

typedef struct totals {
    long cases;
    int slots, computations, failed;
} totals;

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

static void print_end(const totals *t)
{
    printf("\n%d slots and %d computations, %ld cases: ", t->slots, t->computations, t->cases);
    if (t->failed > 0)
        printf("%d FAILED\n", t->failed);
    else
        printf("all passed\n");
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if ((unsigned char)*text < ' ')
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    putchar('"');
}

/* JSON has no infinity. */
static void print_json_number(const char *name, double x)
{
    if (isfinite(x))
        printf(", \"%s\": %.9g", name, x);
    else
        printf(", \"%s\": null", name);
}

static void print_json_row(const hidi_selftest_result *r, const char *kind)
{
    printf("    {\"kind\": \"%s\", \"name\": ", kind);
    print_json_text(r->name);
    printf(", \"passed\": %s, \"cases\": %ld", r->failure[0] == '\0' ? "true" : "false", r->cases);
    print_json_number("error", r->error);
    print_json_number("bound", r->bound);
    if (r->seconds > 0) {
        print_json_number("seconds", r->seconds);
        print_json_number("bytes", r->bytes);
        print_json_number("flop", r->flop);
    }
    if (r->failure[0] != '\0') {
        printf(", \"failure\": ");
        print_json_text(r->failure);
    }
    printf("}");
}

/* --- the command ------------------------------------------------------------------------------ */

static void add(totals *t, const hidi_selftest_result *r, const char *kind, bool json)
{
    if (!json)
        print_row(r);
    else
        print_json_row(r, kind);
    t->cases += r->cases;
    t->failed += r->failure[0] != '\0';
    fflush(stdout); /* a row is seen as soon as it is known */
}

static void print_begin(const hidi_backend *backend, bool times, bool json)
{
    const char *precision = sizeof(hidi_real) == sizeof(float) ? "single" : "double";
    if (json) {
        printf("{\n  \"backend\": ");
        print_json_text(backend->name);
        printf(",\n  \"description\": ");
        print_json_text(backend->describe());
        printf(",\n  \"precision\": \"%s\",\n  \"results\": [\n", precision);
        return;
    }
    printf("backend %s: %s; %s precision\n", backend->name, backend->describe(), precision);
    printf("against the reference: %s\n\n", hidi_reference_backend()->describe());
    printf("%-22s %6s %10s %10s  %-6s%s\n", "", "cases", "error", "bound", "",
           times ? "          ms      rate" : "");
}

static hidi_status selftest(hidi_cli *cli, bool times, bool json, totals *t)
{
    HIDI_TRY(hidi_session_backend(&cli->session));
    hidi_selftest_result r;
    print_begin(cli->session.backend, times, json);
    for (size_t i = 0; i < hidi_selftest_slots(); i++, t->slots++) {
        HIDI_TRY(hidi_selftest_slot(i, cli->session.backend, times, &r));
        add(t, &r, "slot", json);
        if (json)
            printf(",\n");
    }
    for (size_t i = 0; i < hidi_selftest_computations(); i++, t->computations++) {
        HIDI_TRY(hidi_selftest_computation(i, cli->session.backend, &r));
        add(t, &r, "computation", json);
        if (json)
            printf(i + 1 < hidi_selftest_computations() ? ",\n" : "\n");
    }
    if (json)
        printf("  ],\n  \"passed\": %s\n}\n", t->failed == 0 ? "true" : "false");
    else
        print_end(t);
    return t->failed == 0 ? HIDI_OK
                          : hidi_error(HIDI_BAD_BACKEND, "backend \"%s\": %d of %d tests failed",
                                       cli->session.backend->name, t->failed, t->slots + t->computations);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    totals t = {0};
    int first, code, json = 0, no_times = 0;
    const hidi_flag flags[] = {
        {"json", NULL, NULL, &json, "the results as JSON"},
        {"no-times", NULL, NULL, &no_times, "only whether it is right"},
        {"quiet", NULL, NULL, NULL, NULL},
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, &first, &code))
        return code;
    if (first != argc)
        return hidi_cli_usage(&cli, "unexpected argument %s", argv[first]);
    return hidi_cli_end(&cli, selftest(&cli, no_times == 0, json != 0, &t));
}

const hidi_command hidi_command_selftest = {
    "selftest",
    "",
    "compares every slot of a backend with the reference, and times it",
    "Runs every slot of the backend's table on random data of many sizes - empty, odd, around what "
    "a\n"
    "vector, a warp or a block holds - and compares the results with those of the reference "
    "backend,\n"
    "plain loops with sums in double precision.  Then whole computations: a network's output, "
    "tangent\n"
    "and gradient, MeanFlow's gradient, and training steps of all kinds.\n"
    "\n"
    "error: of the element that is closest to its bound, the difference relative to its magnitude\n"
    "(for a sum of products, the sum of their absolute values); for computations, of norms.  "
    "bound:\n"
    "what rounding can explain there.  Times are those of one large call; where arithmetic does "
    "not\n"
    "count, the rate is that of the memory that is read and written.  If anything is beyond its "
    "bound,\n"
    "the exit code is 1.\n",
    "",
    run
};
