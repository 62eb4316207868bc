/* fuzz_inception.c - hidi_inception_create, of random weights */
#include "fuzz_model.h"

#include "eval/inception.h"

static hidi_tensor_file sound;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hidi_tensor_file file;
    hidi_inception *net;

    if (sound.n_tensors == 0 && hidi_inception_random(&sound, 1) != HIDI_OK)
        abort();
    fuzz_edit(&file, &sound, data, size);
    if (hidi_inception_create(&net, hidi_reference_backend(), &file) == HIDI_OK)
        hidi_inception_destroy(net);
    else if (hidi_error_message()[0] == '\0' || net != NULL)
        abort();
    hidi_tensor_file_free(&file);
    return 0;
}
