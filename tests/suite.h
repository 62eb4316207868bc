/* suite.h - the beginning and the end of a test program's main.
 *
 * Include <config.h> before anything else: this needs POSIX.
 */
#ifndef HIDI_TESTS_SUITE_H
#define HIDI_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* An assertion that holds leaves no trace.  check would write its place to a file, for the message
 * about a test that crashes in a process of its own (CK_FORK): two system calls each, for millions
 * of elements. */
#define _mark_point(file, line) ((void)0)

/* A suite whose tests have two minutes each where check stops them (it does if it runs each in a
 * process of its own): its own four seconds are too few on a busy machine. */
static inline Suite *begin_suite(const char *name)
{
    setenv("CK_DEFAULT_TIMEOUT", "120", 0);
    return suite_create(name);
}

/* Runs it, printing what fails (and more, if CK_VERBOSITY says so), each test in a process as `how`
 * says; what main is to return. */
static inline int run_suite_as(Suite *suite, enum fork_status how)
{
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, how);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Each test in a process of its own, unless CK_FORK is "no". */
static inline int run_suite(Suite *suite)
{
    return run_suite_as(suite, CK_FORK_GETENV);
}

/* All tests in this process: they share a device, or what earlier ones have set up. */
static inline int run_suite_in_process(Suite *suite)
{
    return run_suite_as(suite, CK_NOFORK);
}

#endif
