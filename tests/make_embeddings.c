/* make_embeddings.c - a file of captions as an encoder of text would make it, for tests of the
 * command.
 *
 *     make_embeddings FILE.npz|FILE.safetensors N L D [null=K] [hole] [nan]
 *
 * embeddings [N, L, D] F32, mask [N, L] I32 with 1 + i mod L ones in row i; null [K, D]; with
 * `hole` row 1 counts its last token and not its first, with `nan` the first token of row 2 is
 * none. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/npz.h"
#include "io/safetensors.h"

typedef struct request {
    const char *path;
    size_t dim[3], null_dim[2];
    bool hole, nan;
} request;

static bool read_request(request *r, int argc, char **argv)
{
    if (argc < 5)
        return false;
    r->path = argv[1];
    for (int i = 0; i < 3; i++)
        r->dim[i] = strtoul(argv[2 + i], NULL, 10);
    r->null_dim[1] = r->dim[2];
    for (int i = 5; i < argc; i++) {
        if (strncmp(argv[i], "null=", 5) == 0)
            r->null_dim[0] = strtoul(argv[i] + 5, NULL, 10);
        else if (strcmp(argv[i], "hole") == 0)
            r->hole = true;
        else if (strcmp(argv[i], "nan") == 0)
            r->nan = true;
        else
            return false;
    }
    return r->dim[0] > (r->hole || r->nan ? 2 : 0) && r->dim[1] > 0 && r->dim[2] > 0;
}

static void fill(const request *r, float *x, int32_t *mask)
{
    const size_t L = r->dim[1], D = r->dim[2];
    for (size_t k = 0; k < r->dim[0] * L * D; k++)
        x[k] = (float)sin(0.7 * (double)(k % (7 * D)) + (double)(k / (L * D)));
    for (size_t k = 0; k < r->dim[0] * L; k++)
        mask[k] = k % L <= k / L % L;
    if (r->hole) {
        mask[L] = 0;
        mask[2 * L - 1] = 1;
    }
    if (r->nan)
        x[2 * L * D] = NAN;
}

static hidi_status write_file(const request *r, const float *x, const int32_t *mask)
{
    const char *ending = strrchr(r->path, '.');
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_tensor_file_add(&file, "embeddings", HIDI_F32, 3, r->dim, x);
    if (status == HIDI_OK)
        status = hidi_tensor_file_add(&file, "mask", HIDI_I32, 2, r->dim, mask);
    if (status == HIDI_OK && r->null_dim[0] > 0)
        status = hidi_tensor_file_add(&file, "null", HIDI_F32, 2, r->null_dim, x);
    if (status == HIDI_OK)
        status = ending != NULL && strcmp(ending, ".npz") == 0
                     ? hidi_npz_write(&file, r->path)
                     : hidi_safetensors_write(&file, r->path);
    hidi_tensor_file_free(&file);
    return status;
}

int main(int argc, char **argv)
{
    request r = {0};
    if (!read_request(&r, argc, argv)) {
        fprintf(stderr, "usage: make_embeddings FILE N L D [null=K] [hole] [nan]\n");
        return 2;
    }
    const size_t rows = r.dim[0] > r.null_dim[0] ? r.dim[0] : r.null_dim[0];
    float *x = calloc(rows * r.dim[1] * r.dim[2], sizeof *x);
    int32_t *mask = calloc(r.dim[0] * r.dim[1], sizeof *mask);
    hidi_status status = HIDI_NO_MEMORY;
    if (x != NULL && mask != NULL) {
        fill(&r, x, mask);
        status = write_file(&r, x, mask);
    }
    if (status != HIDI_OK)
        fprintf(stderr, "make_embeddings: %s\n", hidi_error_message());
    free(x);
    free(mask);
    return status == HIDI_OK ? 0 : 1;
}
