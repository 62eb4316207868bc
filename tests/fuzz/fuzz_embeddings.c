/* fuzz_embeddings.c - a file of embeddings: as bytes, or if the first of them is odd, a sound one
 * edited and written as safetensors or npz */
#include "fuzz_model.h"

#include <math.h>

#include "data/embeddings.h"
#include "io/npz.h"
#include "io/safetensors.h"

enum { N = 5, L = 3, W = 4 };

static hidi_tensor_file sound;

static void make_sound(void)
{
    static const float x[N * L * W], null[W];
    static const uint8_t mask[N * L] = {1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1};
    const size_t dim[] = {N, L, W}, null_dim[] = {1, W};
    hidi_tensor_file_init(&sound);
    if (hidi_tensor_file_add(&sound, "embeddings", HIDI_F32, 3, dim, x) != HIDI_OK ||
        hidi_tensor_file_add(&sound, "mask", HIDI_U8, 2, dim, mask) != HIDI_OK ||
        hidi_tensor_file_add(&sound, "null", HIDI_F32, 2, null_dim, null) != HIDI_OK ||
        hidi_tensor_file_add_meta(&sound, "file_names", "a\nb") != HIDI_OK)
        abort();
}

/* What a file says that was not refused: lengths within L, and finite numbers. */
static void use(const hidi_captions *c)
{
    hidi_real *x = calloc(c->most * c->width + 1, sizeof *x);
    if (x == NULL)
        abort();
    for (size_t i = 0; i < c->n; i++) {
        if (c->length[i] < 0 || (size_t)c->length[i] > c->most)
            abort();
        hidi_captions_embedding(c, i, x);
        for (size_t k = 0; k < (size_t)c->length[i] * c->width; k++)
            if (!isfinite((double)x[k]))
                abort();
    }
    for (size_t k = 0; k < c->null_length * c->width; k++)
        if (!isfinite((double)c->null[k]))
            abort();
    free(x);
}

static void open_file(const char *path)
{
    hidi_embeddings e;
    const hidi_status status = hidi_embeddings_open(&e, path);
    if (status == HIDI_OK)
        use(&e.captions);
    else if (strstr(hidi_error_message(), path) == NULL)
        abort();
    hidi_embeddings_close(&e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hidi_tensor_file file;
    if (sound.n_tensors == 0)
        make_sound();
    if (size == 0 || data[0] % 2 == 0) {
        open_file(fuzz_file("embeddings", data, size));
        return 0;
    }
    const bool npz = data[0] % 4 == 3;
    fuzz_edit(&file, &sound, data + 1, size - 1);
    const char *path = fuzz_file(npz ? "edited.npz" : "edited.safetensors", data, 0);
    if ((npz ? hidi_npz_write(&file, path) : hidi_safetensors_write(&file, path)) == HIDI_OK)
        open_file(path);
    hidi_tensor_file_free(&file);
    return 0;
}
