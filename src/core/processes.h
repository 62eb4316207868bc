/* processes.h - the processes of an MPI run, which take a training's steps together.
 *
 * Each has all of the model and computes some of the micro-batches.  They are numbered; number 0 is
 * the first, and alone writes files and speaks to the user.  Without MPI (configure --with-mpi), or
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

/* Leaves it when all are done, or all have failed together (hidi_processes_agree); a failure of
 * this one alone ends the whole run at once. */
void hidi_processes_end(int code);

int hidi_process(void);         /* this one's number          */
int hidi_processes(void);       /* how many there are         */
bool hidi_process_is_first(void);

/* Is it this one's to tell of its failure?  Not where all have failed together, if it is not the
 * first. */
bool hidi_process_speaks(void);

/* Everybody calls these, in the same order. */

/* Is it true for one of them? */
bool hidi_processes_any(bool here);

/* HIDI_OK if it is so for all; otherwise what the lowest numbered failure was, with its message. */
hidi_status hidi_processes_agree(hidi_status here);

/* Waits, without using the processor, until all are here. */
void hidi_processes_wait(void);

/* From process `from` to all. */
void hidi_processes_broadcast(int from, void *data, size_t bytes);

/* To and from one other process, in order. */
void hidi_process_send(int to, const void *data, size_t bytes);
void hidi_process_receive(int from, void *data, size_t bytes);

#endif
