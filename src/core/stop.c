/* stop.c - a flag for each thread, as its messages are its own: work in one thread can be stopped
 * while that of another goes on. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "core/stop.h"

#include <stddef.h>

#include "core/thread_local.h"

static HIDI_THREAD_LOCAL const volatile sig_atomic_t *stop_flag;

const volatile sig_atomic_t *hidi_stop_on(const volatile sig_atomic_t *flag)
{
    const volatile sig_atomic_t *before = stop_flag;
    stop_flag = flag;
    return before;
}

bool hidi_stop_asked(void)
{
    return stop_flag != NULL && *stop_flag != 0;
}

hidi_status hidi_check_stop(void)
{
    return hidi_stop_asked() ? hidi_error(HIDI_INTERRUPTED, "interrupted") : HIDI_OK;
}
