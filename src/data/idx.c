/* idx.c - MNIST and its relatives: four IDX files, plain or compressed with gzip.  EMNIST's sets
 * have a name in front of the files' (emnist-letters-train-images-idx3-ubyte), "test" for "t10k",
 * and more classes; its letters are numbered from 1.
 *
 * An IDX file is a big-endian magic number (0, 0, type, rank; type 8 is unsigned bytes), `rank`
 * big-endian 32-bit dimensions, and the bytes.  Source: yann.lecun.com/exdb/mnist.
 */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <zlib.h>

#include "data/listing.h"
#include "data/readers.h"

#define IMAGES_MAGIC 0x00000803u
#define LABELS_MAGIC 0x00000801u

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

/* Where the four files are, and which labels they may have. */
typedef struct idx_set {
    char *start;       /* what stands before "train-images...": "folder/" or "folder/emnist-letters-" */
    int least, most;   /* labels */
} idx_set;

/* One of the four files, with either sign before its type and, of test images, with either word. */
static bool find_file(char *path, size_t size, const char *start, const char *split,
                      const char *what)
{
    static const char *const ends[] = {"", ".gz"};
    const char *const words[] = {split, strcmp(split, "t10k") == 0 ? "test" : split};
    for (int i = 0; i < 8; i++) {
        struct stat about;
        snprintf(path, size, "%s%s-%s%cidx%c-ubyte%s", start, words[i / 4],
                 what, i / 2 % 2 == 0 ? '-' : '.', what[0] == 'i' ? '3' : '1', ends[i % 2]);
        if (stat(path, &about) == 0)
            return true;
    }
    return false;
}

/* Opens the file of a split ("train", "t10k") that has these ("images", "labels"). */
static hidi_status idx_open(idx_file *file, const char *start, const char *split, const char *what)
{
    struct stat about;
    const size_t size = strlen(start) + sizeof "train-images-idx3-ubyte.gz";
    memset(file, 0, sizeof *file);
    file->path = malloc(size);
    if (file->path == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", start);
    if (!find_file(file->path, size, start, split, what) || stat(file->path, &about) != 0)
        return hidi_error(HIDI_BAD_FILE, "%s%s-%s-idx%c-ubyte, plain or .gz: %s", start, split, what,
                          what[0] == 'i' ? '3' : '1', strerror(errno));
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

static hidi_status read_images(hidi_dataset *data, hidi_split split, const idx_set *set,
                               idx_file *file)
{
    (void)set;
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

static hidi_status read_labels(hidi_dataset *data, hidi_split split, const idx_set *set,
                               idx_file *file)
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
        if (byte < set->least || byte > set->most)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: byte %" PRIu64 ": label %d, expected %d to %d%s", file->path,
                              file->offset - 1, byte, set->least, set->most,
                              set->most == 9 ? " (EMNIST's other sets are known by their names)"
                                             : "");
        label[i] = byte - set->least;
    }
    return idx_end(file);
}

/* Does a text contain this word, in whatever case? */
static bool mentions(const char *text, const char *word)
{
    for (; *text != '\0'; text++)
        if (strncasecmp(text, word, strlen(word)) == 0)
            return true;
    return false;
}

typedef hidi_status split_reader(hidi_dataset *data, hidi_split split, const idx_set *set,
                                 idx_file *file);

static hidi_status read_file(hidi_dataset *data, hidi_split split, const idx_set *set,
                             const char *what, split_reader *read)
{
    idx_file file;
    hidi_status status = idx_open(&file, set->start, split == HIDI_TRAIN ? "train" : "t10k", what);
    if (status == HIDI_OK)
        status = read(data, split, set, &file);
    idx_close(&file);
    return status;
}

static hidi_status read_set(hidi_dataset *data, const idx_set *set, const char *path,
                            size_t image_size)
{
    HIDI_TRY(read_file(data, HIDI_TRAIN, set, "images", read_images));
    HIDI_TRY(hidi_dataset_expect_size(data, path, image_size));
    HIDI_TRY(read_file(data, HIDI_TRAIN, set, "labels", read_labels));
    HIDI_TRY(read_file(data, HIDI_TEST, set, "images", read_images));
    return read_file(data, HIDI_TEST, set, "labels", read_labels);
}

/* The classes of EMNIST (arXiv 1702.05373, section II): all characters; those without the small
 * letters that look like capitals; letters of either case. */
#define DIGITS "0123456789"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
static const struct {
    const char *name, *classes;
    int least;
} emnist_sets[] = {{"letters", CAPITALS, 1},
                   {"balanced", DIGITS CAPITALS "abdefghnqrt", 0},
                   {"bymerge", DIGITS CAPITALS "abdefghnqrt", 0},
                   {"byclass", DIGITS CAPITALS "abcdefghijklmnopqrstuvwxyz", 0}};

/* One class for each character. */
static hidi_status set_characters(hidi_dataset *data, idx_set *set, const char *characters,
                                  int least)
{
    char text[62][2];
    const char *name[62];
    const size_t n = strlen(characters);
    for (size_t i = 0; i < n; i++) {
        text[i][0] = characters[i];
        text[i][1] = '\0';
        name[i] = text[i];
    }
    set->least = least;
    set->most = least + (int)n - 1;
    return hidi_dataset_set_classes(data, name, n);
}

/* What the path, and its last part, say of the classes. */
static hidi_status set_classes(hidi_dataset *data, idx_set *set, const char *path, const char *last)
{
    static const char *const clothes[] = {"T-shirt", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"};
    for (size_t i = 0; i < sizeof emnist_sets / sizeof emnist_sets[0]; i++)
        if (mentions(path, "emnist") && mentions(last, emnist_sets[i].name))
            return set_characters(data, set, emnist_sets[i].classes, emnist_sets[i].least);
    HIDI_TRY(set_characters(data, set, DIGITS, 0));
    if (!mentions(last, "fashion"))
        return HIDI_OK;
    free(data->class_name);
    return hidi_dataset_set_classes(data, clothes, 10);
}

/* A folder, or a folder and the beginning of the files' names. */
hidi_status hidi_idx_open(hidi_dataset *data, const char *path, size_t image_size)
{
    hidi_byte_images *images;
    idx_set set = {NULL, 0, 0};
    HIDI_TRY(hidi_byte_images_attach(data, &images));
    set.start = malloc(strlen(path) + 2);
    char *trimmed = strdup(path);
    hidi_status status = HIDI_OK;
    if (set.start == NULL || trimmed == NULL) {
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    } else {
        for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
            trimmed[n - 1] = '\0';
        const char *slash = strrchr(trimmed, '/');
        char file[4096];
        strcat(strcpy(set.start, trimmed), "-");
        if (hidi_is_folder(trimmed) || !find_file(file, sizeof file, set.start, "train", "images"))
            strcat(strcpy(set.start, trimmed), "/");
        status = set_classes(data, &set, trimmed, slash != NULL ? slash + 1 : trimmed);
        if (status == HIDI_OK)
            status = read_set(data, &set, path, image_size);
    }
    free(set.start);
    free(trimmed);
    return status;
}
