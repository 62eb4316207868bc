/* fuzz_idx.c - the four files of an IDX data set: the first two bytes are the length of the images'
 * file, which and the rest, the labels', serve for both splits. */
#include "fuzz.h"

#include "data/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const images[] = { "train-images-idx3-ubyte", "t10k-images-idx3-ubyte" };
    static const char *const labels[] = { "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte" };
    const char *path = NULL;
    char folder[600];
    hidi_dataset *set;

    if (size < 2)
        return 0;
    size_t length = (size_t)(data[0] | data[1] << 8);
    data += 2;
    size -= 2;
    length = length < size ? length : size;
    for (int i = 0; i < 2; i++) {
        fuzz_file(images[i], data, length);
        path = fuzz_file(labels[i], data + length, size - length);
    }
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    if (hidi_dataset_open(&set, "idx", folder, 0, 0) == HIDI_OK) {
        hidi_real *image = calloc(set->height * set->width + 1, sizeof *image);
        int32_t label;

        if (image != NULL)
            set->get(set, HIDI_TEST, set->count[HIDI_TEST] - 1, image, &label);
        free(image);
        hidi_dataset_close(set);
    }
    return 0;
}
