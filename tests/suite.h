/* suite.h - the beginning and the end of a test program's main.
 *
 * Include <config.h> before anything else: this needs POSIX.
 */
#ifndef HIDI_TESTS_SUITE_H
#define HIDI_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* A suite whose tests have two minutes each where check stops them (it does if it runs each in a
 * process of its own): its own four seconds are too few on a busy machine. */
static inline Suite *begin_suite(const char *name)
{
    setenv("CK_DEFAULT_TIMEOUT", "120", 0);
    return suite_create(name);
}

/* Runs it, printing what fails (and more, if CK_VERBOSITY says so); what main is to return. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
