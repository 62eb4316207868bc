/* embeddings.h - captions that another program has encoded (T5, Gemma, CLIP), from a file.
 *
 *     embeddings   [n, L, D_c], of floats: what the encoder put out for n captions
 *     mask         [n, L], of integers or bool: 1 for tokens that count, then 0
 *     null         [L0, D_c], may be missing: what it put out for the empty caption
 *
 * The file is safetensors, npz or PyTorch's.  PixArt-alpha (arXiv 2310.00426) and SANA (2410.10629)
 * train on such embeddings. */
#ifndef HIDI_DATA_EMBEDDINGS_H
#define HIDI_DATA_EMBEDDINGS_H

#include "captions.h"

/* Tokens of a caption, and extents of a token, at most. */
enum { HIDI_MOST_EMBEDDINGS = 1024, HIDI_MOST_EMBEDDING_WIDTH = 65536 };

typedef struct hidi_embeddings {
    hidi_captions captions; /* with stored, null and length; n_asked = 0, class_of NULL */
    hidi_tensor_file file;
    int32_t *length; /* [n]                    */
    hidi_real *null; /* [L0, D_c], NULL: none  */
} hidi_embeddings;

/* Opens such a file and checks all of it.  Embeddings stay as the file has them: of safetensors
 * they are mapped into memory, so that the file may be larger than that; other formats are read
 * whole.  HIDI_BAD_FORMAT, HIDI_BAD_SHAPE, HIDI_UNSUPPORTED or HIDI_NOT_FINITE with the file's name
 * and the number of the row, from 0, for what is missing or does not fit, a mask with other values
 * than 0 and 1 or with a 1 behind a 0, and embeddings that count and are not finite.  A row whose
 * mask has no 1 is the null caption.  The caller closes it, also after an error. */
hidi_status hidi_embeddings_open(hidi_embeddings *embeddings, const char *path);
void hidi_embeddings_close(hidi_embeddings *embeddings);

#endif
