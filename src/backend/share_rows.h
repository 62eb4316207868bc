/* share_rows.h - pieces of work for the threads that may call a backend, in all processes of an MPI
 * run (core/processes.h).  Every process calls these, with the same pieces; in the end all have the
 * rows [n_rows] that the pieces have filled, whoever did them, and a failure of one is that of all.
 * Of pieces whose result does not depend on who computes them, no bit depends on how many threads
 * and processes there are. */
#ifndef HIDI_BACKEND_SHARE_ROWS_H
#define HIDI_BACKEND_SHARE_ROWS_H

#include "backend.h"
#include "core/processes.h"

/* The threads of each process share its pieces out, as with hidi_backend_share_out; where only one
 * thread may call the backend, it does them all, as member 0. */
hidi_status hidi_backend_share_rows(const hidi_backend *backend, size_t pieces,
                                    hidi_status (*work)(void *context, int member, size_t piece),
                                    void *context, const hidi_piece_rows *rows, int n_rows);

/* Each process does its own one after another, as member 0, and its threads share the kernels out:
 * for pieces that are few and large. */
hidi_status hidi_backend_rows_in_turn(size_t pieces,
                                      hidi_status (*work)(void *context, int member, size_t piece),
                                      void *context, const hidi_piece_rows *rows, int n_rows);

#endif
