/* report.h - the results of a self-test of a backend, as a table or as JSON. */
#ifndef HIDI_LAB_SELFTEST_REPORT_H
#define HIDI_LAB_SELFTEST_REPORT_H

#include "lab/selftest/selftest.h"

/* Runs all slots and computations of `tested` (open) and prints their results on stdout: a row as
 * soon as it is known, or with `json` one object at the end.  HIDI_BAD_BACKEND if any of them
 * failed. */
hidi_status hidi_selftest_report(const hidi_backend *tested, bool times, bool json);

#endif
