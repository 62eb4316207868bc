/* describe_data.h - a look at a data set, for `hidi data`. */
#ifndef HIDI_LAB_DESCRIBE_DATA_H
#define HIDI_LAB_DESCRIBE_DATA_H

#include "data/dataset.h"

/* Prints how many images there are, and of the split (2048 images of it, or all): the values of
 * each channel, and the share of each class.  A split without images: HIDI_BAD_ARGUMENT. */
hidi_status hidi_describe_data(const hidi_dataset *data, hidi_split split);

/* Prints the names of the pictures of a folder, one a line, in the order of data.name=captions. */
hidi_status hidi_list_pictures(const char *path);

/* A PNG file with a row for each class (of more than 64, the first 64), `columns` images in it,
 * enlarged `zoom` times; says so on stdout. */
hidi_status hidi_write_examples(const hidi_dataset *data, hidi_split split, size_t columns,
                                size_t zoom, const char *path);

#endif
