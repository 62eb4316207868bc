/* team.c - one parallel region in which each thread takes the next piece, until none is left. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "core/team.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/stop.h"
#include "core/threads.h"

typedef struct team {
    hidi_status (*work)(void *context, int member, size_t piece);
    void *context;
    const volatile sig_atomic_t *stop;
    pthread_mutex_t lock; /* of all that follows */
    size_t next, pieces;
    size_t failed; /* the piece whose failure is kept */
    hidi_status status;
    char message[1024];
} team;

/* False when nothing is left to begin. */
static bool take(team *t, size_t *piece)
{
    pthread_mutex_lock(&t->lock);
    const bool is_there = t->status == HIDI_OK && t->next < t->pieces;
    *piece = is_there ? t->next++ : 0;
    pthread_mutex_unlock(&t->lock);
    return is_there;
}

/* The lowest piece's failure is reported, so that the message does not depend on who was first. */
static void fail(team *t, size_t piece, hidi_status status)
{
    pthread_mutex_lock(&t->lock);
    if (piece <= t->failed) {
        t->failed = piece;
        t->status = status;
        snprintf(t->message, sizeof t->message, "%s", hidi_error_message());
    }
    pthread_mutex_unlock(&t->lock);
}

static void join(team *t, int member)
{
    const volatile sig_atomic_t *own_stop = hidi_stop_on(t->stop);
    const int before = hidi_serial_begin();
    size_t piece;
    while (take(t, &piece)) {
        const hidi_status status = t->work(t->context, member, piece);
        if (status != HIDI_OK)
            fail(t, piece, status);
    }
    hidi_serial_end(before);
    (void)hidi_stop_on(own_stop);
}

hidi_status hidi_team_work(int members, size_t pieces,
                           hidi_status (*work)(void *context, int member, size_t piece),
                           void *context)
{
    team t = {.work = work, .context = context, .stop = hidi_stop_on(NULL), .pieces = pieces,
              .failed = SIZE_MAX, .status = HIDI_OK};
    (void)hidi_stop_on(t.stop);
    if (pthread_mutex_init(&t.lock, NULL) != 0)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a lock");
#ifdef _OPENMP
    if ((size_t)members > pieces)
        members = pieces > 1 ? (int)pieces : 1;
#pragma omp parallel num_threads(members) if (members > 1)
    join(&t, omp_get_thread_num());
#else
    (void)members;
    join(&t, 0);
#endif
    pthread_mutex_destroy(&t.lock);
    return t.status == HIDI_OK ? HIDI_OK : hidi_error(t.status, "%s", t.message);
}

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

hidi_status hidi_team_share(int members, size_t pieces,
                            hidi_status (*work)(void *context, int member, size_t piece),
                            void *context, const hidi_piece_rows *rows, int n_rows)
{
    own_share own = {.work = work, .context = context};
    size_t end;
    hidi_processes_share(pieces, hidi_process(), &own.first, &end);
    return hidi_processes_collect(hidi_team_work(members, end - own.first, own_piece, &own), pieces,
                                  rows, n_rows);
}
