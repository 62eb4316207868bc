/* bmp_file.c - reading BMP files without compression: 8 bits with a palette, 24 and 32 bits.
 *
 * A file header of 14 bytes has the offset of the pixels, and behind it stands an info header of 40
 * bytes or more: width, height (negative: the first row is the upper one), bits per pixel,
 * compression, and the number of colours of the palette that follows.  Rows are padded to four
 * bytes; colours are blue, green, red, and a fourth byte that is ignored.
 */
#include "io/picture_file.h"

#include <string.h>

#include "io/bytes.h"

enum { FILE_HEADER = 14, INFO_HEADER = 40 };

typedef struct bmp_file {
    const uint8_t *palette; /* [colours, 4] of 8-bit pixels */
    size_t colours;
    const uint8_t *rows;
    size_t row_bytes, width, height;
    unsigned bits;
    bool upside_down;
} bmp_file;

static hidi_status bmp_error(const char *path, const char *what)
{
    return hidi_error(HIDI_BAD_FORMAT, "%s: not a readable BMP file: %s", path, what);
}

static hidi_status read_header(bmp_file *file, const char *path, const uint8_t *b, size_t n)
{
    if (n < FILE_HEADER + INFO_HEADER)
        return bmp_error(path, "it ends too early");
    const size_t start = hidi_load_32(b + 10), info = hidi_load_32(b + 14);
    const int64_t width = hidi_signed_of_bits(hidi_load_32(b + 18), 32);
    const int64_t height = hidi_signed_of_bits(hidi_load_32(b + 22), 32);
    const uint32_t compression = hidi_load_32(b + 30), colours = hidi_load_32(b + 46);
    file->bits = hidi_load_16(b + 28);
    if (info < INFO_HEADER || compression != 0 ||
        (file->bits != 8 && file->bits != 24 && file->bits != 32))
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: a BMP file of %u bits, compression %u; read are 8, 24 and 32 bits "
                          "without compression", path, file->bits, (unsigned)compression);
    if (width <= 0 || height == 0)
        return bmp_error(path, "it has no pixels");
    file->width = (size_t)width;
    file->height = (size_t)(height < 0 ? -height : height);
    file->upside_down = height > 0;
    file->row_bytes = (file->width * file->bits / 8 + 3) / 4 * 4;
    if (start > n || file->row_bytes > (n - start) / file->height)
        return bmp_error(path, "it ends too early");
    file->rows = b + start;
    if (file->bits != 8)
        return HIDI_OK;
    file->colours = colours == 0 || colours > 256 ? 256 : colours;
    if (info > n - FILE_HEADER || 4 * file->colours > n - FILE_HEADER - info)
        return bmp_error(path, "it ends within its palette");
    file->palette = b + FILE_HEADER + info;
    return HIDI_OK;
}

static bool palette_is_grey(const bmp_file *file)
{
    for (size_t i = 0; i < file->colours; i++) {
        const uint8_t *c = file->palette + 4 * i;
        if (c[0] != c[1] || c[1] != c[2])
            return false;
    }
    return file->bits == 8;
}

hidi_status hidi_bmp_decode(hidi_picture *picture, const char *path, const uint8_t *bytes, size_t n)
{
    bmp_file file = {0};
    HIDI_TRY(read_header(&file, path, bytes, n));
    const int C = palette_is_grey(&file) ? 1 : 3;
    HIDI_TRY(hidi_picture_room(picture, path, file.width, file.height, C));
    uint8_t *out = picture->pixel;
    for (size_t i = 0; i < file.height; i++) {
        const uint8_t *row =
            file.rows + (file.upside_down ? file.height - 1 - i : i) * file.row_bytes;
        for (size_t j = 0; j < file.width; j++) {
            const uint8_t *colour = row + j * (file.bits / 8);
            if (file.bits == 8) {
                if (*colour >= file.colours)
                    return bmp_error(path, "a pixel has a colour that is not in the palette");
                colour = file.palette + 4 * (size_t)*colour;
            }
            for (int c = 0; c < C; c++)
                *out++ = colour[C == 1 ? 0 : 2 - c];
        }
    }
    return HIDI_OK;
}
