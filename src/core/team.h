/* team.h - the threads that share out one piece of work, and the processes whose threads they are.
 *
 * What is worth sharing is cut into pieces that do not depend on who computes them; each member of
 * the team takes the next piece when it has done one.  A member that has to wait for its processor,
 * on a machine where others work too, then takes fewer, and there is one wait for all, at the end.
 */
#ifndef HIDI_CORE_TEAM_H
#define HIDI_CORE_TEAM_H

#include <stddef.h>

#include "processes.h"
#include "status.h"

/* Calls work(context, member, piece) once for each piece 0 .. pieces - 1, from up to `members`
 * threads, which are numbered from 0 and of which the calling thread is one.  Fewer may come:
 * OpenMP decides.  Inside, parallel loops and BLAS have one thread; hidi_stop_on's flag is the
 * caller's.  After a failure no new piece is begun.  Returns HIDI_OK, or what the failed piece with
 * the lowest number returned, with its message. */
hidi_status hidi_team_work(int members, size_t pieces,
                           hidi_status (*work)(void *context, int member, size_t piece),
                           void *context);

/* The same over all processes (core/processes.h), each of which calls it: the threads of each do
 * its share of the pieces, and then all have the rows [n_rows] that the pieces have filled.  A
 * failure of one is that of all. */
hidi_status hidi_team_share(int members, size_t pieces,
                            hidi_status (*work)(void *context, int member, size_t piece),
                            void *context, const hidi_piece_rows *rows, int n_rows);

#endif
