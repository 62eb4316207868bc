/* memory.c - whose memory a backend computes in; apart from backend.c, which needs all of them. */
#include "backend/backend.h"
#include "backend/tables.h"

bool hidi_backend_in_host_memory(const hidi_backend *backend)
{
    return backend->download == hidi_reference_backend()->download; /* a plain copy */
}
