/* npz.h - NumPy's archives of arrays: a zip file with one .npy file for each.
 *
 *     hidi_npz *npz;
 *     HIDI_TRY(hidi_npz_open(&npz, "samples.npz"));            directory and headers, no data
 *     HIDI_TRY(hidi_npz_start(npz, "arr_0", &array));          [N, H, W, C], u8
 *     HIDI_TRY(hidi_npz_rows(npz, n, bytes));                  the next n of the N
 *     hidi_npz_close(npz);
 *
 * It reads members that are stored or deflated, zip64, and .npy versions 1 to 3; float64, float32,
 * float16, int64, int32, int16, int8, uint8 and bool of either byte order, in C or Fortran order.
 * Names are those of numpy.load: without ".npy".  A .npy file is read as an archive with the one array
 * arr_0, which is what numpy.savez would have called it.
 * Sources: numpy.lib.format (NEP 1); the zip container is libzip's work.
 */
#ifndef HIDI_IO_NPZ_H
#define HIDI_IO_NPZ_H

#include "io/tensor_file.h"

/* --- whole files ------------------------------------------------------------------------------ */

/* Reads all arrays.  An array of a type that a hidi_file_tensor cannot hold (text, objects, complex
 * numbers, structures) is left out and listed in file->unread.  HIDI_BAD_FILE or HIDI_BAD_FORMAT
 * with the file's and the array's name for damaged files; HIDI_UNSUPPORTED if what is compressed in
 * the file is larger than hidi_file_budget allows: read such an array by rows.  On errors `file` is
 * empty; otherwise the caller frees it with hidi_tensor_file_free. */
hidi_status hidi_npz_read(hidi_tensor_file *file, const char *path);

/* The same without the data of the arrays, which is NULL. */
hidi_status hidi_npz_list(hidi_tensor_file *file, const char *path);

/* Writes all tensors of `file`, stored, in C order, whole or not at all (io/atomic_file.h).
 * Metadata has no place in an npz and is left out.  HIDI_UNSUPPORTED for BF16: NumPy lacks it. */
hidi_status hidi_npz_write(const hidi_tensor_file *file, const char *path);

/* --- one array in pieces ---------------------------------------------------------------------- */

typedef struct hidi_npz hidi_npz;

/* Reads the directory and the headers of all arrays, and no data. */
hidi_status hidi_npz_open(hidi_npz **npz, const char *path);
void hidi_npz_close(hidi_npz *npz); /* NULL is allowed */

/* What there is: tensors whose data is NULL, and what cannot be read (unread).  Owned by `npz`. */
const hidi_tensor_file *hidi_npz_arrays(const hidi_npz *npz);

/* Goes to the first row of an array; hidi_npz_rows continues from there.  One array at a time.
 * *array (or NULL): its dtype and shape, owned by `npz`.  HIDI_BAD_FORMAT if there is no such
 * array.  Of one in Fortran order the rows lie all over it: it is read whole, and HIDI_UNSUPPORTED
 * if it is larger than hidi_file_budget allows. */
hidi_status hidi_npz_start(hidi_npz *npz, const char *name, const hidi_file_tensor **array);

/* The next n rows (elements along the first dimension; of a scalar: one) into rows[n x bytes of a
 * row], little-endian, in C order.  After the last row the checksum is compared.  More rows than
 * are left: HIDI_BAD_ARGUMENT. */
hidi_status hidi_npz_rows(hidi_npz *npz, size_t n, void *rows);

/* All elements of an array of any dtype and either order, as doubles in C order; the caller frees
 * *values.  HIDI_BAD_FORMAT if there is no such array, HIDI_UNSUPPORTED if the doubles are more
 * than hidi_file_budget allows: whatever the file says, memory is bounded.  *values is NULL on
 * errors. */
hidi_status hidi_npz_doubles(hidi_npz *npz, const char *name, double **values);

/* Writes an npz whose first array is produced piece by piece.  `fill` is called with first = 0, n,
 * 2 n, ... and puts rows first .. first + n - 1 into `rows`, little-endian; its error ends the
 * writing and is returned.  `besides` (or NULL): further arrays.  Files above 4 GiB are zip64. */
typedef hidi_status hidi_npz_fill(void *context, size_t first, size_t n, unsigned char *rows);
hidi_status hidi_npz_write_rows(const char *path, const char *name, hidi_dtype dtype, int rank,
                                const size_t *dim, hidi_npz_fill *fill, void *context,
                                const hidi_tensor_file *besides);

#endif
