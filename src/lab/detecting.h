/* detecting.h - discriminators alone: trained on damaged images, and measured. */
#ifndef HIDI_LAB_DETECTING_H
#define HIDI_LAB_DETECTING_H

#include "lab/session.h"

#define HIDI_DETECTION_FILE "detection.csv"

/* Trains the heads of detect.heads on the backbone's features and measures them on eval.split; into
 * the folder dir: detect.csv and detect.svg (the log), detection.csv (the table, which is printed,
 * too), detect-1.safetensors and so on (the heads). */
hidi_status hidi_detect(const hidi_session *session, const hidi_dataset *data, const char *dir,
                        const hidi_dit *backbone);

#endif
