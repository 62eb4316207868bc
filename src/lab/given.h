/* given.h - what --set says of networks in files: heads=N, time_scale=S, prediction=P,
 * image_size=N, code=C, caption_length=N, for all that a command reads; with "teacher." in front
 * for the teacher alone.  Every command that opens a network takes them, over what the file says.
 */
#ifndef HIDI_LAB_GIVEN_H
#define HIDI_LAB_GIVEN_H

#include "model/dit.h"

typedef enum hidi_given_role {
    HIDI_GIVEN_ALL,
    HIDI_GIVEN_TEACHER,
    HIDI_GIVEN_ROLES
} hidi_given_role;

typedef struct hidi_given {
    hidi_dit_given of[HIDI_GIVEN_ROLES];
} hidi_given;

/* Takes "heads=16" and the like; *taken false: it is none of these. */
hidi_status hidi_given_set(hidi_given *given, const char *assignment, bool *taken);

/* For a network in this role: what is said of it alone, else of all, else (prediction) `unsaid`,
 * 1 + a hidi_prediction or 0. */
hidi_dit_given hidi_given_for(const hidi_given *given, hidi_given_role role, int unsaid);

/* As metadata: hidi.heads, hidi.prediction ... */
hidi_status hidi_given_to_file(const hidi_dit_given *given, hidi_tensor_file *file);

/* "prediction = sit" and so on, one a line, of what is given, into text[size]; returns text. */
char *hidi_given_text(const hidi_dit_given *given, char *text, size_t size);

#endif
