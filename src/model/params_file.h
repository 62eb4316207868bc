/* params_file.h - a model's parameters (or anything that is laid out like them: optimiser moments,
 * an EMA) as named tensors of a file. */
#ifndef HIDI_MODEL_PARAMS_FILE_H
#define HIDI_MODEL_PARAMS_FILE_H

#include "../autograd/params.h"
#include "../io/tensor_file.h"

/* Adds one tensor per parameter, named prefix + name, from `array` [params->count], backend memory:
 * params->value, or another array of the same layout; matrices in bfloat16 are params->bf16's.  To
 * a file that borrows (tensor_file.h), arrays in host memory are not copied: it has to be written
 * before they change. */
hidi_status hidi_params_to_file(const hidi_params *params, const hidi_real *array,
                                const char *prefix, hidi_tensor_file *file);

/* That the file has all these parameters in their shapes; they may only be declared yet, so that a
 * file cannot make us ask for memory that it does not fill.  HIDI_BAD_FORMAT as below. */
hidi_status hidi_params_check_shapes(const hidi_params *params, const char *prefix,
                                     const hidi_tensor_file *file);

/* The reverse.  A missing tensor, or one of another shape or with NaN or infinity in it:
 * HIDI_BAD_FORMAT naming file, tensor, expected and found. */
hidi_status hidi_params_from_file(const hidi_params *params, hidi_real *array, const char *prefix,
                                  const hidi_tensor_file *file);

/* HIDI_BAD_FORMAT if the file has a tensor beginning with `prefix` that is neither a parameter nor
 * `besides` (NULL: none); HIDI_UNSUPPORTED if one there could not be read. */
hidi_status hidi_params_check_superfluous(const hidi_params *params, const char *prefix,
                                          const char *besides, const hidi_tensor_file *file);

#endif
