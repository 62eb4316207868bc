/* fuzz_safetensors.c - hidi_safetensors_read */
#include "fuzz.h"

#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hidi_tensor_file file;

    if (!fuzz_refused(hidi_safetensors_read(&file, fuzz_file("in", data, size)), &file))
        fuzz_use(&file);
    return 0;
}
