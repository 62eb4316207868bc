/* condition.h - what the samples of a batch are asked for: y in the method's equations.
 *
 *     hidi_dit_velocity(tape, net, true, z, t, NULL, HIDI_CLASSES(y));   of these classes
 *     const hidi_condition c = {.number = which, .captions = list};
 *     hidi_dit_velocity(tape, net, true, z, t, NULL, &c);                of these captions
 *     hidi_dit_velocity(tape, net, true, z, t, NULL, NULL);              of none, for guidance
 *
 * A sample's condition is one number, whatever it stands for, so that batches are cut into pieces,
 * and conditions drawn and dropped, in one way.
 */
#ifndef HIDI_MODEL_CONDITION_H
#define HIDI_MODEL_CONDITION_H

#include "../data/captions.h"

typedef struct hidi_condition {
    const int32_t *number;         /* host, [B], 0 .. n: classes of the network, or captions of   */
                                   /*   the list, of which there are n; n: null.  NULL: all null, */
                                   /*   or, where there is a list, all its first                  */
    const hidi_captions *captions; /* NULL: numbers are classes                                   */
} hidi_condition;

/* The classes y, host [B], within the block that says so.  y NULL: the null class for all. */
#define HIDI_CLASSES(y) (&(const hidi_condition){.number = (y), .captions = NULL})

/* That of the samples from number `first` on. */
static inline hidi_condition hidi_condition_from(const hidi_condition *y, size_t first)
{
    hidi_condition part = {NULL, NULL};
    if (y != NULL)
        part = *y;
    if (part.number != NULL)
        part.number += first;
    return part;
}

#endif
