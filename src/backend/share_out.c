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

/* The pieces of one process. */
typedef struct own_share {
    hidi_status (*work)(void *context, int member, size_t piece);
    void *context;
    size_t first;
} own_share;

static hidi_status own_piece(void *context, int member, size_t piece)
{
    const own_share *own = context;
    return own->work(own->context, member, own->first + piece);
}

hidi_status hidi_backend_share_rows(const hidi_backend *backend, size_t pieces,
                                    hidi_status (*work)(void *context, int member, size_t piece),
                                    void *context, const hidi_piece_rows *rows, int n_rows)
{
    own_share own = {.work = work, .context = context};
    size_t end;
    hidi_processes_share(pieces, hidi_process(), &own.first, &end);
    return hidi_processes_collect(
        hidi_backend_share_out(backend, end - own.first, own_piece, &own), pieces, rows, n_rows);
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
