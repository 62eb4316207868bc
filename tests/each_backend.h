/* each_backend.h - a test program's main that runs its tests on every backend that was built in.
 *
 * Include <config.h> before anything else: suite.h needs POSIX.
 */
#ifndef HIDI_TESTS_EACH_BACKEND_H
#define HIDI_TESTS_EACH_BACKEND_H

#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "suite.h"

/* One backend after another into *backend; add() adds the tests to a case that has its name.  What
 * main is to return. */
static inline int run_on_each_backend(const char *suite_name, const hidi_backend **backend,
                                      void (*add)(TCase *tcase))
{
    int result = EXIT_SUCCESS;
    char names[64];
    strcpy(names, hidi_backend_names());
    for (char *name = strtok(names, " "); name != NULL; name = strtok(NULL, " ")) {
        Suite *suite = begin_suite(suite_name);
        TCase *tcase = tcase_create(name);
        if (hidi_backend_open(name, backend) != HIDI_OK) {
            fprintf(stderr, "%s\n", hidi_error_message());
            return EXIT_FAILURE;
        }
        add(tcase);
        suite_add_tcase(suite, tcase);
        if (run_suite_in_process(suite) != EXIT_SUCCESS)
            result = EXIT_FAILURE;
    }
    return result;
}

#endif
