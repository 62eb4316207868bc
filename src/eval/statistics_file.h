/* statistics_file.h - means and covariances of features in npz files, as other tools have them.
 *
 *     mu [D], sigma [D, D]         pytorch-fid, clean-fid and guided-diffusion
 *     mu_s [S], sigma_s [S, S]     spatial features, for sFID: guided-diffusion
 *     count []                     samples, i64: ours; other tools ignore it
 *     extractor [n]                what made the features, text as u8: likewise
 */
#ifndef HIDI_EVAL_STATISTICS_FILE_H
#define HIDI_EVAL_STATISTICS_FILE_H

#include <stdbool.h>

#include "frechet.h"

typedef struct hidi_statistics {
    hidi_moments features, spatial; /* finished; spatial.dim 0: there are none. count 0: unknown */
    char extractor[96];             /* "": unknown                                              */
} hidi_statistics;

/* Reads what is there, and nothing else of the file (a reference batch of guided-diffusion has its
 * images beside its statistics).  HIDI_BAD_FORMAT without mu and sigma (or mean and
 * cov), for shapes that do not fit each other and a sigma that is not symmetric or has a negative variance; HIDI_NOT_FINITE;
 * HIDI_UNSUPPORTED for complex numbers, and for more than hidi_file_budget allows.  Free it in any
 * case. */
hidi_status hidi_statistics_read(hidi_statistics *statistics, const char *path);
void hidi_statistics_free(hidi_statistics *statistics);

/* Does the file have mu (or cov), and an array arr_0 of images? */
hidi_status hidi_statistics_look(const char *path, bool *has_statistics, bool *has_images);

/* Writes an npz, whole or not at all; float64.  spatial (or NULL): written if its dim is not 0; a
 * count of 0, unknown, is left out.  What hidi_statistics_read would refuse is refused. */
hidi_status hidi_statistics_write(const char *path, const hidi_moments *features,
                                  const hidi_moments *spatial, const char *extractor);

#endif
