/* settings_check.h - settings that make no sense are refused when they are read, before any
 * work. */
#ifndef HIDI_LAB_SETTINGS_CHECK_H
#define HIDI_LAB_SETTINGS_CHECK_H

#include "lab/settings.h"

/* What the library refuses when a training is created (hidi_classifier_check, hidi_teacher_check,
 * hidi_stage1_check, hidi_stage2_check), of the trainings whose sections are among `sections`,
 * words separated by spaces.  HIDI_BAD_ARGUMENT, with the settings that are to blame: "td.beta1:
 * stage 1: adamw: beta1 is 1: expected 0 to less than 1". */
hidi_status hidi_settings_check(const hidi_settings *settings, const char *sections);

#endif
