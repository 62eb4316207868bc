/* step_flop.h - the arithmetic of a step, by formula. */
#ifndef HIDI_LAB_STEP_FLOP_H
#define HIDI_LAB_STEP_FLOP_H

#include "lab/step.h"

/* Floating-point operations of step number i in the matrix products of the DiTs, two for each of
 * hidi_dit_macs:
 *     a forward pass counts            1
 *     its tangent (JVP)                1 more
 *     its backward pass                2 more, or 1 where the parameters are frozen
 *     a pass for the heads             its blocks up to the last one that a head reads
 * The heads themselves, AdamW and all that is element-wise are not counted.  This is not an upper
 * bound: the JVP and the frozen backward pass of attention do 2 where 1 is counted.
 * config: the teacher's; the settings say how the student's differs. */
double hidi_step_flop(hidi_step_kind kind, const hidi_settings *settings,
                      const hidi_dit_config *config, long i);

#endif
