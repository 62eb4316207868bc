/* picture_file.h - what the readers of picture files have in common.  Private to io/. */
#ifndef HIDI_IO_PICTURE_FILE_H
#define HIDI_IO_PICTURE_FILE_H

#include "image.h"

/* A picture as its file has it: 8 bits, alpha not yet dealt with. */
typedef struct hidi_picture {
    size_t width, height;
    int channels;    /* 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha                    */
    int orientation; /* EXIF's, 1 to 8; 0: not said                                         */
    int deep_grey;   /* as in hidi_image                                                    */
    uint8_t *pixel;  /* [height, width, channels]; owned by the caller, also after an error */
} hidi_picture;

/* A decoder gets a zeroed picture and all of the file: bytes [n], n > 0.  Its errors name
 * `path`. */
typedef hidi_status hidi_picture_decoder(hidi_picture *picture, const char *path,
                                         const uint8_t *bytes, size_t n);
hidi_picture_decoder hidi_bmp_decode, hidi_jpeg_decode, hidi_tiff_decode, hidi_webp_decode;

/* The same of a PNG file, which is read as it is decoded. */
hidi_status hidi_png_decode(hidi_picture *picture, const char *path);

/* Memory for a picture of this size.  HIDI_BAD_FORMAT without pixels or with more than 2^26: a
 * small file may claim any number. */
hidi_status hidi_picture_room(hidi_picture *picture, const char *path, size_t width, size_t height,
                              int channels);

/* As an image of 1 or 3 channels (0: as it is), composited onto a background as in
 * hidi_image_read. */
hidi_status hidi_picture_convert(hidi_image *image, const hidi_picture *picture, int channels,
                                 long background);

#endif
