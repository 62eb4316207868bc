/* rehearsal.h - everything that is made before a training can begin, gone through for all trainings
 * before the first of them: what cannot be made is refused before hours of work, not after. */
#ifndef HIDI_LAB_REHEARSAL_H
#define HIDI_LAB_REHEARSAL_H

#include "lab/session.h"

/* What networks are trained on: the data themselves, or where the settings say so a stand-in with
 * the extents of the latents that they will have, of the autoencoder in dir (NULL: none there),
 * else of vae.file, else of vae.*.  It borrows from data, and is not closed.  An error if the
 * autoencoder does not fit the data. */
hidi_status hidi_rehearse_latents(const hidi_session *session, const hidi_dataset *data,
                                  const char *dir, hidi_dataset *latents);

/* The teacher that these settings lead to: dir/teacher.safetensors (dir NULL: none), else
 * teacher.file or teacher.start, else model.*.  An error if it does not fit the data. */
hidi_status hidi_rehearse_teacher(const hidi_session *session, const hidi_dataset *data,
                                  const char *dir, hidi_dit_config *teacher);

/* Can stage `number`, 1 or 2, be created for this teacher?  What is created takes address space and
 * no memory (hidi_dry_backend). */
hidi_status hidi_rehearse_stage(int number, const hidi_session *session, const hidi_dataset *data,
                                const hidi_dit_config *teacher);

/* Can its samples be measured: are there as many real images, and enough of them? */
hidi_status hidi_rehearse_measurement(const hidi_session *session, const hidi_dataset *data);

/* All of a run in the folder dir, which is there: its trainings, what it writes, and whether what
 * is in the folder already was made with these settings. */
hidi_status hidi_rehearse_run(const hidi_session *session, const hidi_dataset *data,
                              const char *dir);

#endif
