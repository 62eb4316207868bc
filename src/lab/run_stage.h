/* run_stage.h - a stage of a run in the making: its files, what it depends on, its training. */
#ifndef HIDI_LAB_RUN_STAGE_H
#define HIDI_LAB_RUN_STAGE_H

#include "lab/session.h"

typedef struct hidi_run_stage {
    const hidi_session *session;
    const hidi_dataset *data;
    const char *dir;
    const char *name;  /* "stage1": stage1.safetensors, stage1.csv, stage1.checkpoint.safetensors */
    char *settings;    /* what it depends on                                                      */
    char file[HIDI_PATH], log[HIDI_PATH], checkpoint[HIDI_PATH];
} hidi_run_stage;

enum {
    HIDI_RUN_FEATURES,
    HIDI_RUN_AUTOENCODER,
    HIDI_RUN_LATENTS,
    HIDI_RUN_TEACHER,
    HIDI_RUN_STAGE1,
    HIDI_RUN_STAGE2,
    HIDI_RUN_STAGES,
    HIDI_RUN_DETECT = HIDI_RUN_STAGES /* no stage of hidi run: discriminators alone (detecting.h) */
};

/* Locks the folder and removes what a run that was killed has left in it.  number: one of those
 * above.  session, data and dir must outlive it; hidi_stage_end frees it.  After an error there is
 * nothing to end. */
hidi_status hidi_stage_begin(hidi_run_stage *stage, const hidi_session *session,
                             const hidi_dataset *data, const char *dir, int number);

/* After success (status) the checkpoint goes. */
void hidi_stage_end(hidi_run_stage *stage, hidi_status status);

/* Adds "name.KEY = VALUE" for each line "KEY = VALUE" of text to what the stage depends on. */
hidi_status hidi_stage_notes(hidi_run_stage *stage, const char *name, const char *text);

/* Adds weights to what the stage depends on, by their hash. */
hidi_status hidi_stage_weights(hidi_run_stage *stage, const char *name, const hidi_params *params);

/* Adds the weights of another network to what the stage depends on, by their hash, and what they
 * are taken for, where it may be something else. */
hidi_status hidi_stage_depends(hidi_run_stage *stage, const char *name, const hidi_dit *net);

/* Reads a finished stage if it is there: *found; the caller then frees the file.  One made with
 * other settings or weights: HIDI_BAD_ARGUMENT, naming what differs. */
hidi_status hidi_stage_read(const hidi_run_stage *stage, hidi_tensor_file *file, bool *found);

/* The same error, before the stage's turn: the settings of a stage that is there, without the
 * weights it was made from, which are not known before those are made. */
hidi_status hidi_stage_check(const hidi_run_stage *stage);

/* Trains with the loop's files in their places.  net: the result so far (NULL: of the feature net,
 * an autoencoder), of which there is a file after every `every` steps; number: 0, or the stage's.
 * *seconds: what it took. */
hidi_status hidi_stage_train(const hidi_run_stage *stage, const hidi_task *task,
                             const hidi_training_settings *train, const hidi_dit *net, int number,
                             long every, double *seconds);

/* Writes a result to path, with what made it and how long it took (NaN: not known), and frees the
 * file; or a network. */
hidi_status hidi_stage_write(const hidi_run_stage *stage, hidi_tensor_file *file, const char *path,
                             double seconds);
hidi_status hidi_stage_write_net(const hidi_run_stage *stage, const hidi_dit *net,
                                 const char *path, double seconds);

#endif
