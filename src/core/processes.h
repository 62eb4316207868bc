/* processes.h - the processes of an MPI run, which share their work out.
 *
 * All run the same program on the same input.  What is worth sharing is cut into pieces
 * (micro-batches, images), of which each does some; afterwards all have what all have made, and go
 * on with the same bits.  They are numbered; number 0 is the first, and alone writes files and
 * speaks to the user.  Without MPI (configure --with-mpi), or
 * outside of mpirun, there is one process, and nothing here does anything.
 */
#ifndef HIDI_CORE_PROCESSES_H
#define HIDI_CORE_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

/* Joins the run if mpirun has started this process, before anything else here.  HIDI_UNSUPPORTED:
 * it has, and this build is without MPI; so that N processes do not do the same work N times.  Or
 * the MPI cannot be used by a program with threads. */
hidi_status hidi_processes_begin(void);

/* Leaves it when all are done, or all have failed together: because they agree
 * (hidi_processes_agree), or each with the same input within a second.  A failure of this one alone
 * ends the whole run. */
void hidi_processes_end(int code);

int hidi_process(void);         /* this one's number          */
int hidi_processes(void);       /* how many there are         */
bool hidi_process_is_first(void);

/* Is it this one's to tell of its failure?  Not where all have failed together, if it is not the
 * first; it waits up to a second to learn of that. */
bool hidi_process_speaks(void);

/* Everybody calls these, in the same order. */

/* Is it true for one of them? */
bool hidi_processes_any(bool here);

/* HIDI_OK if it is so for all; otherwise what the lowest numbered failure was, with its message. */
hidi_status hidi_processes_agree(hidi_status here);

/* HIDI_INTERRUPTED if one of them is asked to stop (core/stop.h). */
hidi_status hidi_processes_check_stop(void);

/* Waits, without using the processor, until all are here. */
void hidi_processes_wait(void);

/* From process `from` to all. */
void hidi_processes_broadcast(int from, void *data, size_t bytes);

/* Pieces first .. end - 1 of `pieces` are those of process number `whose`: as many as another's, or
 * one more or fewer; piece 0 is the first's. */
void hidi_processes_share(size_t pieces, int whose, size_t *first, size_t *end);

/* What pieces of work put out: piece i the bytes of data from i * bytes on, the last one up to
 * `total`.  data NULL: nothing. */
typedef struct hidi_piece_rows {
    void *data;
    size_t bytes, total;
} hidi_piece_rows;

/* After each has done its share of the pieces: `here` is agreed on, and then all have all rows. */
hidi_status hidi_processes_collect(hidi_status here, size_t pieces, const hidi_piece_rows *rows,
                                   int n_rows);

/* To and from one other process, in order. */
void hidi_process_send(int to, const void *data, size_t bytes);
void hidi_process_receive(int from, void *data, size_t bytes);

#endif
