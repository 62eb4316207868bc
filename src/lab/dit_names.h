/* dit_names.h - the published sizes of --model S/2,B/2, of `hidi bench` and `hidi flops`. */
#ifndef HIDI_LAB_DIT_NAMES_H
#define HIDI_LAB_DIT_NAMES_H

#include "model/dit.h"

enum { HIDI_DIT_NAMES = 32 };
typedef char hidi_dit_name[16];

/* The names of a list "S/2,B/2" into name[HIDI_DIT_NAMES], *n of them, each of which must be a size
 * that hidi_dit_named_size knows.  list NULL: none. */
hidi_status hidi_dit_names(const char *list, hidi_dit_name *name, int *n);

#endif
