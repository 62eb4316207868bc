/* pipeline.h - the stages of a run: feature net, autoencoder, teacher, stage 1, stage 2.  Each is
 * made once: one whose file is there, made with the same settings, is read instead. */
#ifndef HIDI_LAB_PIPELINE_H
#define HIDI_LAB_PIPELINE_H

#include "lab/session.h"

/* Files of a run, in its folder. */
#define HIDI_FEATURES_FILE "features.safetensors"
#define HIDI_AUTOENCODER_FILE "autoencoder.safetensors"
#define HIDI_LATENTS_FILE "latents.safetensors" /* of a run on latents: what networks see */
#define HIDI_TEACHER_FILE "teacher.safetensors"
#define HIDI_STAGE1_FILE "stage1.safetensors"
#define HIDI_STAGE2_FILE "stage2.safetensors"
#define HIDI_FAKE_FILE "fake.safetensors"   /* stage 2's fake score   */
#define HIDI_HEADS_FILE "heads.safetensors" /* its discriminator      */

/* A feature net from dir, else from the ready-made file of the settings, else trained (log:
 * features.csv). */
hidi_status hidi_make_features(const hidi_session *session, const hidi_dataset *data, const char *dir,
                               hidi_feature_net **net);

/* An autoencoder from dir, else from the ready-made file of the settings, else trained
 * (autoencoder.csv). */
hidi_status hidi_make_autoencoder(const hidi_session *session, const hidi_dataset *data,
                                  const char *dir, hidi_autoencoder **autoencoder);

/* A teacher from dir, else from the ready-made file of the settings, else trained (teacher.csv). */
hidi_status hidi_make_teacher(const hidi_session *session, const hidi_dataset *data, const char *dir,
                              hidi_dit **teacher);

/* Stage 1's student from dir, else distilled (stage1.csv; snapshots: stage1-STEP.safetensors). */
hidi_status hidi_make_stage1(const hidi_session *session, const hidi_dataset *data, const char *dir,
                             const hidi_dit *teacher, hidi_dit **student);

/* Stage 2's student from dir, else distilled (stage2.csv); also leaves the fake score and heads. */
hidi_status hidi_make_stage2(const hidi_session *session, const hidi_dataset *data, const char *dir,
                             const hidi_dit *teacher, const hidi_dit *stage1, hidi_dit **student);

/* Were the stages that are in dir made with these settings?  (Whether from the same weights, only
 * making the stages before them shows.) */
hidi_status hidi_check_stages(const hidi_session *session, const hidi_dataset *data,
                              const char *dir);

/* The file of a snapshot of the teacher (number 0), stage 1 or 2 in path[size]; returns path. */
char *hidi_snapshot_path(char *path, size_t size, const char *dir, int number, long step);

/* Seconds that the training of a stage took, as its file says; NaN: a ready-made one. */
double hidi_pipeline_seconds(const char *dir, const char *file);

/* A ready-made file of the settings: a path, or a name among hidi's data files, in path[size]. */
hidi_status hidi_find_ready(const char *name, char *path, size_t size);

/* The network that a teacher's training starts from, teacher.start, for this data set.  An error if
 * it is no teacher, or if there is a ready-made one, too. */
hidi_status hidi_load_start(const hidi_session *session, const hidi_dataset *data, hidi_dit **net);

/* The teacher whose features the autoencoder's adversary reads, vae.adversary_backbone, for this
 * data set of images; *net NULL: there is to be no adversary. */
hidi_status hidi_load_critic(const hidi_session *session, const hidi_dataset *data, hidi_dit **net);

/* A network for this data set, or an error that names the file and what differs. */
hidi_status hidi_load_for(const hidi_session *session, const hidi_dataset *data, const char *path,
                          hidi_given_role role, hidi_dit **net);

#endif
