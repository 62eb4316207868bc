/* footprint.c - the memory of a step is found by taking it on the dry backend, which counts
 * what it is asked for and computes nothing. */
#include "lab/footprint.h"

#include <unistd.h>

#include "lab/session.h"
#include "backend/tables.h"

hidi_status hidi_step_footprint(hidi_footprint *footprint, hidi_step_kind kind,
                                const hidi_settings *settings, const hidi_dit_config *config,
                                const hidi_dataset *data, const hidi_backend *like)
{
    /* Of stage 2's iterations, number 0 is one in which the generator steps, and 1 is another. */
    const long steps = 2;
    hidi_step step;
    *footprint = (hidi_footprint){0, 0, 0};
    hidi_status status =
        hidi_step_begin(&step, kind, settings, config, data, hidi_dry_backend(like), false);
    footprint->models = hidi_dry_bytes(); /* a tape takes nothing before its first step */
    for (long i = 0; i < steps && status == HIDI_OK; i++)
        status = hidi_step_run(&step, i);
    if (status == HIDI_OK)
        footprint->tape = hidi_step_tape_peak(&step);
    footprint->allocated = hidi_dry_peak();
    hidi_step_end(&step);
    return status;
}

hidi_status hidi_footprint_fits(const hidi_footprint *footprint, const char *name)
{
    char need[32], have[32];
    const double pages = (double)sysconf(_SC_PHYS_PAGES), page = (double)sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page <= 0 || (double)footprint->allocated < pages * page)
        return HIDI_OK;
    return hidi_error(HIDI_NO_MEMORY, "%s needs %s of memory, and this machine has %s", name,
                      hidi_bytes_text(need, sizeof need, (double)footprint->allocated),
                      hidi_bytes_text(have, sizeof have, pages * page));
}
