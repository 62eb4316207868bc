/* fuzz_image.c - hidi_image_read, of all kinds of files that the build reads, and
 * hidi_image_square */
#include "fuzz.h"

#include "io/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("in.picture", data, size);
    static const int channels[] = { 0, 1 };

    for (int i = 0; i < 2; i++) {
        hidi_image image;
        unsigned remarks;

        if (hidi_image_read(&image, path, channels[i], i == 0 ? HIDI_NO_BACKGROUND : 0x123456,
                            &remarks) != HIDI_OK)
            continue;
        if (image.width * image.height < 10000)
            (void)hidi_image_square(&image, 7, i == 0, HIDI_NO_BACKGROUND);
        hidi_image_free(&image);
    }
    return 0;
}
