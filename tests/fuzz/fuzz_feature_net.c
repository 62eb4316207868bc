/* fuzz_feature_net.c - hidi_feature_net_from_file */
#include "fuzz_model.h"

#include "eval/feature_net.h"

static hidi_tensor_file sound;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hidi_tensor_file file;
    hidi_feature_net *net;

    if (sound.n_tensors == 0) {
        hidi_tensor_file_init(&sound);
        if (hidi_feature_net_create(&net, hidi_reference_backend(), 1, 4, 2) != HIDI_OK ||
            hidi_feature_net_to_file(net, &sound) != HIDI_OK)
            abort();
        hidi_feature_net_destroy(net);
    }
    fuzz_edit(&file, &sound, data, size);
    if (hidi_feature_net_from_file(&net, hidi_reference_backend(), &file) == HIDI_OK)
        hidi_feature_net_destroy(net);
    else if (hidi_error_message()[0] == '\0' || net != NULL)
        abort();
    hidi_tensor_file_free(&file);
    return 0;
}
