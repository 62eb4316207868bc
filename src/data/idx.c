/* idx.c - MNIST and its relatives: four IDX files, plain or compressed with gzip.
 *
 * An IDX file is a big-endian magic number (0, 0, type, rank; type 8 is unsigned bytes), `rank`
 * big-endian 32-bit dimensions, and the bytes.  Source: yann.lecun.com/exdb/mnist.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data/readers.h"

#define IMAGES_MAGIC 0x00000803u
#define LABELS_MAGIC 0x00000801u
#define N_CLASSES 10

typedef struct idx_file {
    char *path;
    gzFile gz;        /* reads plain files too                                  */
    uint64_t offset;  /* next byte, uncompressed                                */
    uint64_t limit;   /* no more bytes than this can come out of the file       */
    uint32_t dim[3];
} idx_file;

static void idx_close(idx_file *file)
{
    if (file->gz != NULL)
        gzclose(file->gz);
    free(file->path);
    memset(file, 0, sizeof *file);
}

/* Opens folder/name, or folder/name.gz. */
static hidi_status idx_open(idx_file *file, const char *folder, const char *name)
{
    struct stat about;
    memset(file, 0, sizeof *file);
    file->path = malloc(strlen(folder) + strlen(name) + sizeof "/.gz");
    if (file->path == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s/%s: out of memory", folder, name);
    strcat(strcat(strcpy(file->path, folder), "/"), name);
    if (stat(file->path, &about) != 0) {
        strcat(file->path, ".gz");
        if (stat(file->path, &about) != 0)
            return hidi_error(HIDI_BAD_FILE, "%s/%s, plain or .gz: %s", folder, name,
                              strerror(errno));
    }
    errno = 0;
    file->gz = gzopen(file->path, "rb");
    if (file->gz == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", file->path,
                          errno != 0 ? strerror(errno) : "out of memory");
    /* Deflate shortens at most 1032 times. */
    file->limit = (uint64_t)about.st_size * (gzdirect(file->gz) ? 1u : 1032u);
    return HIDI_OK;
}

/* What is wrong after gzread came back short. */
static hidi_status idx_short(const idx_file *file, uint64_t expected)
{
    int code = Z_OK;
    const char *reason = gzerror(file->gz, &code);
    if (code == Z_ERRNO)
        return hidi_error(HIDI_BAD_FILE, "%s: byte %" PRIu64 ": %s", file->path, file->offset,
                          strerror(errno));
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return hidi_error(HIDI_BAD_FORMAT, "%s: damaged after byte %" PRIu64 " (uncompressed): %s",
                          file->path, file->offset, reason);
    return hidi_error(HIDI_BAD_FORMAT,
                      "%s: truncated: ends at byte %" PRIu64 ", expected %" PRIu64 " bytes",
                      file->path, file->offset, expected);
}

/* The next `bytes` bytes; the file should have `total` in all. */
static hidi_status idx_read(idx_file *file, uint8_t *out, uint64_t bytes, uint64_t total)
{
    while (bytes > 0) {
        const unsigned chunk = bytes < (1u << 20) ? (unsigned)bytes : 1u << 20;
        const int got = gzread(file->gz, out, chunk);
        if (got > 0)
            file->offset += (uint64_t)got;
        if (got < 0 || (unsigned)got < chunk)
            return idx_short(file, total);
        out += chunk;
        bytes -= chunk;
    }
    return HIDI_OK;
}

/* The file must end here, and its checksum, if it is compressed, must hold. */
static hidi_status idx_end(idx_file *file)
{
    uint8_t more;
    int code = Z_OK;
    const int got = gzread(file->gz, &more, 1);
    const char *reason = gzerror(file->gz, &code);
    if (got > 0)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: goes on after byte %" PRIu64 ", where its header says it ends",
                          file->path, file->offset);
    if (got < 0 || (code != Z_OK && code != Z_STREAM_END))
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: damaged or truncated after byte %" PRIu64
                          " (uncompressed), where the checksum should be: %s",
                          file->path, file->offset, reason);
    return HIDI_OK;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Magic number and dimensions; nothing in them is believed that the file cannot hold. */
static hidi_status idx_header(idx_file *file, uint32_t magic)
{
    const unsigned rank = magic & 0xff;
    uint8_t bytes[4];
    HIDI_TRY(idx_read(file, bytes, 4, 4 + 4 * rank));
    if (big_endian(bytes) != magic)
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: byte 0: expected the magic number 0x%08" PRIx32
                          " (unsigned bytes, rank %u), found 0x%08" PRIx32,
                          file->path, magic, rank, big_endian(bytes));
    uint64_t room = file->limit;
    for (unsigned i = 0; i < rank; i++) {
        HIDI_TRY(idx_read(file, bytes, 4, 4 + 4 * rank));
        file->dim[i] = big_endian(bytes);
        if (file->dim[i] == 0)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: byte %u: dimension %u is 0, expected at least 1", file->path,
                              4 + 4 * i, i);
        room /= file->dim[i]; /* floor(floor(a / b) / c) = floor(a / (b c)) */
        if (room == 0)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: byte %u: dimension %u is %" PRIu32
                              ", and the file is too small for that",
                              file->path, 4 + 4 * i, i, file->dim[i]);
    }
    return HIDI_OK;
}

static hidi_status read_images(hidi_dataset *data, hidi_split split, idx_file *file)
{
    HIDI_TRY(idx_header(file, IMAGES_MAGIC));
    if (split == HIDI_TRAIN) {
        data->channels = 1;
        data->height = file->dim[1];
        data->width = file->dim[2];
    } else if (file->dim[1] != data->height || file->dim[2] != data->width) {
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: byte 8: images of %" PRIu32 " x %" PRIu32
                          ", expected %zu x %zu as in the train split",
                          file->path, file->dim[1], file->dim[2], data->height, data->width);
    }
    const hidi_byte_images *images = data->state;
    const uint64_t bytes = (uint64_t)file->dim[0] * data->height * data->width;
    HIDI_TRY(hidi_byte_images_reserve(data, split, file->dim[0]));
    HIDI_TRY(idx_read(file, images->pixel[split], bytes, 16 + bytes));
    return idx_end(file);
}

static hidi_status read_labels(hidi_dataset *data, hidi_split split, idx_file *file)
{
    HIDI_TRY(idx_header(file, LABELS_MAGIC));
    if (file->dim[0] != data->count[split])
        return hidi_error(HIDI_BAD_FORMAT,
                          "%s: byte 4: found %" PRIu32 " labels, expected %" PRIu64
                          ", one for each image",
                          file->path, file->dim[0], data->count[split]);
    int32_t *label = ((hidi_byte_images *)data->state)->label[split];
    for (uint64_t i = 0; i < file->dim[0]; i++) {
        uint8_t byte;
        HIDI_TRY(idx_read(file, &byte, 1, 8 + (uint64_t)file->dim[0]));
        if (byte >= N_CLASSES)
            return hidi_error(HIDI_BAD_FORMAT, "%s: byte %" PRIu64 ": label %d, expected 0 to %d",
                              file->path, file->offset - 1, byte, N_CLASSES - 1);
        label[i] = byte;
    }
    return idx_end(file);
}

/* Does the last part of the path contain "fashion", in whatever case? */
static int is_fashion(const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    for (size_t i = end; i-- > 0 && path[i] != '/';)
        if (strncasecmp(path + i, "fashion", strlen("fashion")) == 0)
            return 1;
    return 0;
}

typedef hidi_status split_reader(hidi_dataset *data, hidi_split split, idx_file *file);

static hidi_status read_file(hidi_dataset *data, hidi_split split, const char *folder,
                             const char *name, split_reader *read)
{
    idx_file file;
    hidi_status status = idx_open(&file, folder, name);
    if (status == HIDI_OK)
        status = read(data, split, &file);
    idx_close(&file);
    return status;
}

hidi_status hidi_idx_open(hidi_dataset *data, const char *path, size_t image_size)
{
    static const char *const digits[N_CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    static const char *const clothes[N_CLASSES] = {"T-shirt", "Trouser", "Pullover", "Dress",
                                                   "Coat",    "Sandal",  "Shirt",    "Sneaker",
                                                   "Bag",     "Ankle boot"};
    hidi_byte_images *images;
    HIDI_TRY(hidi_byte_images_attach(data, &images));
    HIDI_TRY(hidi_dataset_set_classes(data, is_fashion(path) ? clothes : digits, N_CLASSES));
    HIDI_TRY(read_file(data, HIDI_TRAIN, path, "train-images-idx3-ubyte", read_images));
    HIDI_TRY(hidi_dataset_expect_size(data, path, image_size));
    HIDI_TRY(read_file(data, HIDI_TRAIN, path, "train-labels-idx1-ubyte", read_labels));
    HIDI_TRY(read_file(data, HIDI_TEST, path, "t10k-images-idx3-ubyte", read_images));
    return read_file(data, HIDI_TEST, path, "t10k-labels-idx1-ubyte", read_labels);
}
