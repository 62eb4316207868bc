/* fuzz_autoencoder.c - hidi_autoencoder_from_file, of a whole autoencoder's tensors; the first byte
 * says which parts */
#include "fuzz_model.h"

#include "model/autoencoder.h"

static hidi_tensor_file sound;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const hidi_autoencoder_config config = {.image_channels = 1, .latent_channels = 1, .levels = 2,
                                            .width = {2, 4}, .blocks = 1, .groups = 2,
                                            .has_quant = true, .has_post_quant = true, .scale = 1};
    hidi_tensor_file file;
    hidi_autoencoder *net;

    if (sound.n_tensors == 0) {
        hidi_tensor_file_init(&sound);
        if (hidi_autoencoder_create(&net, hidi_reference_backend(), &config,
                                    HIDI_ENCODER_AND_DECODER) != HIDI_OK ||
            hidi_autoencoder_to_file(net, &sound) != HIDI_OK)
            abort();
        hidi_autoencoder_destroy(net);
    }
    if (size == 0)
        return 0;
    fuzz_edit(&file, &sound, data + 1, size - 1);
    if (hidi_autoencoder_from_file(&net, hidi_reference_backend(), &file,
                                   (hidi_autoencoder_parts)(1 + data[0] % 3)) == HIDI_OK)
        hidi_autoencoder_destroy(net);
    else if (hidi_error_message()[0] == '\0' || net != NULL)
        abort();
    hidi_tensor_file_free(&file);
    return 0;
}
