/* share_out.c - pieces of work for the threads that may call a backend. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/backend.h"

#include "core/team.h"
#include "core/threads.h"

int hidi_backend_members(const hidi_backend *backend, size_t pieces)
{
    const int threads = backend->threads();
    return pieces < (size_t)threads ? (int)pieces : threads;
}

hidi_status hidi_backend_share_out(const hidi_backend *backend, size_t pieces,
                                   hidi_status (*work)(void *context, int member, size_t piece),
                                   void *context)
{
    const int members = pieces > 0 ? hidi_backend_members(backend, pieces) : 1;
    hidi_status status = HIDI_OK;
    if (backend->concurrent())
        return hidi_team_work(members, pieces, work, context);
    const int before = hidi_serial_begin();
    for (size_t i = 0; i < pieces && status == HIDI_OK; i++)
        status = work(context, (int)(i % (size_t)members), i);
    hidi_serial_end(before);
    return status;
}
