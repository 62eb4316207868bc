/* fuzz_dit.c - hidi_dit_from_file, of a student's tensors */
#include "fuzz_model.h"

#include "model/dit.h"

static hidi_tensor_file sound;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const hidi_dit_config config = {.image_size = 4, .channels = 3, .out_channels = 3, .patch = 2,
                                    .width = 8, .depth = 2, .heads = 2, .mlp_width = 8,
                                    .n_classes = 2, .has_interval = true, .time_scale = 1};
    hidi_tensor_file file;
    hidi_dit *dit;

    if (sound.n_tensors == 0) {
        hidi_tensor_file_init(&sound);
        if (hidi_dit_create(&dit, hidi_reference_backend(), &config) != HIDI_OK ||
            hidi_dit_to_file(dit, "", &sound) != HIDI_OK)
            abort();
        hidi_dit_destroy(dit);
    }
    fuzz_edit(&file, &sound, data, size);
    if (hidi_dit_from_file(&dit, hidi_reference_backend(), &file, "", 0, 0, 0) == HIDI_OK)
        hidi_dit_destroy(dit);
    else if (hidi_error_message()[0] == '\0' || dit != NULL)
        abort();
    hidi_tensor_file_free(&file);
    return 0;
}
