/* fuzz_png.c - hidi_png_read */
#include "fuzz.h"

#include "io/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("in.png", data, size);
    static const int channels[] = { 0, 1, 3 };

    for (int i = 0; i < 3; i++) {
        hidi_image image;

        if (hidi_png_read(&image, path, channels[i]) == HIDI_OK)
            hidi_image_free(&image);
    }
    return 0;
}
