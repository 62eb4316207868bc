/* fuzz_torch.c - hidi_torch_read: the zip format and the legacy one, told apart by the input. */
#include "fuzz.h"

#include "io/torch_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("in", data, size);
    static const char *const keys[] = { "", NULL, "a.b" };

    for (int i = 0; i < 3; i++) {
        hidi_tensor_file file;

        if (!fuzz_refused(hidi_torch_read(&file, path, keys[i]), &file))
            fuzz_use(&file);
    }
    return 0;
}
