/* run.h - hidi run: the whole of hierarchical distillation from one preset. */
#ifndef HIDI_LAB_RUN_H
#define HIDI_LAB_RUN_H

#include "lab/session.h"

/* Sections of the settings that a run reads. */
#define HIDI_RUN_SECTIONS "run data vae model features teacher student td dm sample eval"

/* Those that its results depend on: vae is for networks on latents alone. */
const char *hidi_run_sections(const hidi_settings *settings);

/* Makes in the folder dir whatever is not there yet: feature net, teacher, stage 1, stage 2;
 * measures and draws them, and writes results.csv, settings.ini and report.html.  Results that are
 * there, and were made with the same settings, are left as they are.  The session has a preset, and
 * its backend is open.  The table of what was measured goes to `out`. */
hidi_status hidi_run(const hidi_session *session, const char *dir, FILE *out);

#endif
