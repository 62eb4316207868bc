/* selftest.c - hidi selftest: is a backend right on this machine, and how fast is it? */
#include "cli/cli.h"

#include "lab/selftest/report.h"

static hidi_status selftest(hidi_session *session, bool times, bool json)
{
    HIDI_TRY(hidi_session_backend(session));
    return hidi_selftest_report(session->backend, times, json);
}

static int run(const hidi_command *command, int argc, char **argv)
{
    hidi_cli cli;
    int code, json = 0, no_times = 0;
    const hidi_flag flags[] = {
        HIDI_SWITCH("json", &json, "the results as JSON"),
        HIDI_SWITCH("no-times", &no_times, "only check, without timing"),
        HIDI_NO_FLAG("quiet"),
        {0}};
    if (!hidi_cli_begin(&cli, command, flags, argc, argv, NULL, &code))
        return code;
    return hidi_cli_end(&cli, selftest(&cli.session, no_times == 0, json != 0));
}

const hidi_command hidi_command_selftest = {
    "selftest",
    "",
    "compares every slot of a backend with the reference, and times it",
    "Runs every slot of the backend's table on random data of many sizes (empty, odd, just below\n"
    "and above what a vector, a warp or a block holds) and compares the results with those of the\n"
    "reference backend: plain loops with sums in double precision.  Then it runs whole\n"
    "computations: a network's output, tangent and gradient, MeanFlow's gradient, and training\n"
    "steps of all kinds.\n"
    "\n"
    "error: for the element that is closest to its bound, the difference relative to its\n"
    "magnitude (for a sum of products, the sum of their absolute values); for whole computations,\n"
    "relative to norms.  bound: how much of it rounding can explain.  Times are those of one large\n"
    "call; the rate is that of arithmetic, or of memory read and written where there is little\n"
    "arithmetic.  If anything is beyond its bound, the exit code is 1.\n",
    "",
    run
};
