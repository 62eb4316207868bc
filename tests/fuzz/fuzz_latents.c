/* fuzz_latents.c - the data set latents: a file of hidi encode's, edited, and one of each split
 * got */
#include "fuzz_model.h"

#include "data/dataset.h"
#include "io/safetensors.h"

static hidi_tensor_file sound;

static void make_sound(void)
{
    enum { N = 24 };
    static const hidi_real zeros[N * 8];
    static const int32_t label[N];
    const size_t dim[] = {N, 2, 2, 2};
    hidi_tensor_file_init(&sound);
    if (hidi_tensor_file_add_real(&sound, "mean", 4, dim, zeros) != HIDI_OK ||
        hidi_tensor_file_add_real(&sound, "logvar", 4, dim, zeros) != HIDI_OK ||
        hidi_tensor_file_add(&sound, "label", HIDI_I32, 1, dim, label) != HIDI_OK ||
        hidi_tensor_file_add_meta(&sound, "hidi.scale", "0.5") != HIDI_OK ||
        hidi_tensor_file_add_meta(&sound, "hidi.mirrored", "yes") != HIDI_OK ||
        hidi_tensor_file_add_meta(&sound, "hidi.classes", "a\nb") != HIDI_OK)
        abort();
}

static void get_some(const hidi_dataset *set)
{
    hidi_real *image = calloc(set->channels * set->height * set->width, sizeof *image);
    int32_t label;
    for (int split = 0; image != NULL && split < 2; split++)
        set->get(set, (hidi_split)split, set->count[split] - 1, image, &label);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hidi_tensor_file file;
    hidi_dataset *set;

    if (sound.n_tensors == 0)
        make_sound();
    fuzz_edit(&file, &sound, data, size);
    const char *path = fuzz_file("latents.safetensors", data, 0);
    if (hidi_safetensors_write(&file, path) == HIDI_OK &&
        hidi_dataset_open_latents(&set, path, 0, true, 1) == HIDI_OK) {
        get_some(set);
        hidi_dataset_close(set);
    }
    hidi_tensor_file_free(&file);
    return 0;
}
