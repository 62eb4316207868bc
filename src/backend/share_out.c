/* share_out.c - pieces of work for the threads that may call a backend. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "backend/share_rows.h"

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

/* --- over processes --------------------------------------------------------------------------- */

hidi_status hidi_backend_share_rows(const hidi_backend *backend, size_t pieces,
                                    hidi_status (*work)(void *context, int member, size_t piece),
                                    void *context, const hidi_piece_rows *rows, int n_rows)
{
    const int members = pieces > 0 ? hidi_backend_members(backend, pieces) : 1;
    if (backend->concurrent())
        return hidi_team_share(members, pieces, work, context, rows, n_rows);
    const int before = hidi_serial_begin();
    const hidi_status status = hidi_backend_rows_in_turn(pieces, work, context, rows, n_rows);
    hidi_serial_end(before);
    return status;
}

hidi_status hidi_backend_rows_in_turn(size_t pieces,
                                      hidi_status (*work)(void *context, int member, size_t piece),
                                      void *context, const hidi_piece_rows *rows, int n_rows)
{
    size_t first, end;
    hidi_status status = HIDI_OK;
    hidi_processes_share(pieces, hidi_process(), &first, &end);
    for (size_t i = first; i < end && status == HIDI_OK; i++)
        status = work(context, 0, i);
    return hidi_processes_collect(status, pieces, rows, n_rows);
}
