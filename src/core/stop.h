/* stop.h - long work ends early when it is asked to.
 *
 *     static volatile sig_atomic_t stop;          set to 1 by a handler of SIGINT
 *     hidi_stop_on(&stop);
 *
 * Every long loop of the library looks at the flag between its pieces: a training between steps,
 * sampling between solver steps, measuring between batches of images, before each decomposition of
 * a matrix and in those of hidi's own, reading and drawing pictures between images or rows.  What
 * was begun is then freed, files that are half written are dropped, and HIDI_INTERRUPTED is
 * returned; a training first writes its checkpoint.  The flag is the calling thread's own: a thread
 * that does not name one is not stopped.
 */
#ifndef HIDI_CORE_STOP_H
#define HIDI_CORE_STOP_H

#include <signal.h>
#include <stdbool.h>

#include "status.h"

/* The flag that ends the long work of the calling thread when it is not 0; it is borrowed, until
 * the next call.  NULL: none, as at first.  Returns the one before. */
const volatile sig_atomic_t *hidi_stop_on(const volatile sig_atomic_t *flag);

/* Is the calling thread asked to stop? */
bool hidi_stop_asked(void);

/* HIDI_INTERRUPTED if it is: "HIDI_TRY(hidi_check_stop());" in a loop. */
hidi_status hidi_check_stop(void);

#endif
