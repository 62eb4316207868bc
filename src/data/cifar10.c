/* cifar10.c - CIFAR-10's binary version: 10,000 records per file, each a label byte and the red,
 * green and blue planes of a 32 x 32 image.  Source: cs.toronto.edu/~kriz/cifar.html.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/readers.h"

#define N_CLASSES 10
#define SIDE 32
#define PIXELS (3 * SIDE * SIDE)
#define RECORDS 10000 /* of a file */

static hidi_status short_file(const char *path, FILE *in, size_t offset)
{
    if (ferror(in))
        return hidi_error(HIDI_BAD_FILE, "%s: byte %zu: %s", path, offset, strerror(errno));
    return hidi_error(HIDI_BAD_FORMAT, "%s: truncated: ends at byte %zu, expected %zu bytes", path,
                      offset, (size_t)RECORDS * (1 + PIXELS));
}

static hidi_status read_records(const char *path, FILE *in, uint8_t *pixel, int32_t *label)
{
    size_t offset = 0;
    for (size_t i = 0; i < RECORDS; i++) {
        const int byte = getc(in);
        if (byte == EOF)
            return short_file(path, in, offset);
        if (byte >= N_CLASSES)
            return hidi_error(HIDI_BAD_FORMAT, "%s: byte %zu: label %d, expected 0 to %d", path,
                              offset, byte, N_CLASSES - 1);
        label[i] = byte;
        const size_t got = fread(pixel + i * PIXELS, 1, PIXELS, in);
        offset += 1 + got;
        if (got < PIXELS)
            return short_file(path, in, offset);
    }
    if (getc(in) != EOF)
        return hidi_error(HIDI_BAD_FORMAT, "%s: goes on after byte %zu, where it should end", path,
                          offset);
    return HIDI_OK;
}

static hidi_status read_file(const char *folder, const char *name, uint8_t *pixel, int32_t *label)
{
    char *path = hidi_path_join(folder, name);
    if (path == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s/%s: out of memory", folder, name);
    hidi_status status;
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        status = hidi_error(HIDI_BAD_FILE, "%s: %s", path, strerror(errno));
    } else {
        status = read_records(path, in, pixel, label);
        fclose(in);
    }
    free(path);
    return status;
}

hidi_status hidi_cifar10_open(hidi_dataset *data, const char *path, size_t image_size)
{
    static const char *const names[N_CLASSES] = {
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
    static const char *const files[6] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
    hidi_byte_images *images;
    HIDI_TRY(hidi_byte_images_attach(data, &images));
    HIDI_TRY(hidi_dataset_set_classes(data, names, N_CLASSES));
    data->channels = 3;
    data->height = data->width = SIDE;
    HIDI_TRY(hidi_dataset_expect_size(data, path, image_size));
    HIDI_TRY(hidi_byte_images_reserve(data, HIDI_TRAIN, 5 * RECORDS));
    HIDI_TRY(hidi_byte_images_reserve(data, HIDI_TEST, RECORDS));
    for (size_t i = 0; i < 6; i++) {
        const hidi_split split = i < 5 ? HIDI_TRAIN : HIDI_TEST;
        const size_t first = i < 5 ? i * RECORDS : 0;
        HIDI_TRY(read_file(path, files[i], images->pixel[split] + first * PIXELS,
                           images->label[split] + first));
    }
    return HIDI_OK;
}
