/* tables.h - the backends' tables; programs get them by name, from hidi_backend_open. */
#ifndef HIDI_BACKEND_TABLES_H
#define HIDI_BACKEND_TABLES_H

#include "backend/backend.h"

extern const hidi_backend *hidi_reference_backend(void);
extern const hidi_backend *hidi_cpu_backend(void);  /* the reference table if built without BLAS */
extern const hidi_backend *hidi_cuda_backend(void); /* only if configured --with-cuda            */

/* The dry backend: it allocates address space instead of memory and computes nothing (what it
 * downloads is 0), so that a training step of any size can be taken to learn what memory the same
 * step needs on the backend `like`, whose scratch sizes and threads it has.  No name opens it.
 * Each thread has one, with a count of its own; what is allocated is released by the same
 * thread. */
const hidi_backend *hidi_dry_backend(const hidi_backend *like);
size_t hidi_dry_bytes(void); /* asked of its allocate() and not yet released                    */
size_t hidi_dry_peak(void);  /* the most of them at one time since the last hidi_dry_backend    */

#endif
