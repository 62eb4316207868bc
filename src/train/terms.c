/* A loss that is not finite is found here, between the forward pass and the backward one, and is
 * reported by its name: the last moment at which nothing is lost yet. */
#include "train/terms.h"

#include <math.h>

hidi_status hidi_read_terms(hidi_tape *tape, const hidi_term *terms, int n, double *values)
{
    HIDI_TRY(hidi_tape_status(tape));
    for (int i = 0; i < n; i++)
        values[terms[i].column] = NAN;
    for (int i = 0; i < n; i++) {
        hidi_real value;
        if (terms[i].var == NULL)
            continue;
        HIDI_TRY(hidi_read(tape, terms[i].var, &value));
        values[terms[i].column] = (double)value;
        if (!isfinite(value))
            return hidi_error(HIDI_NOT_FINITE, "%s is %g", terms[i].name, (double)value);
    }
    return HIDI_OK;
}
