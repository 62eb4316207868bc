/* caption_list.h - the captions of a folder of pictures. */
#ifndef HIDI_DATA_CAPTION_LIST_H
#define HIDI_DATA_CAPTION_LIST_H

#include "data/dataset.h"
#include "data/listing.h"

enum { HIDI_MOST_CAPTION_WORDS = 64 };

/* Captions as texts, of pictures names->name[i], the first match of:
 *   metadata.jsonl   {"file_name": NAME, "text": CAPTION} on each line
 *   metadata.csv     columns file_name and text (Hugging Face's ImageFolder has these two)
 *   NAME.txt         beside each picture NAME.png (.jpg, ...)
 * text->name[i] is picture i's.  HIDI_BAD_FORMAT for a picture without caption and a caption
 * without picture, with its name. */
hidi_status hidi_captions_of_pictures(hidi_name_list *text, const char *path,
                                      const hidi_name_list *names);

/* Gives `data` these captions, one for each picture, a vocabulary of all their words, and classes
 * for its feature net: the first word of a caption that is among the CLASS_WORDS most frequent of
 * those that no more than half of the captions have, or none [ours].  path and names are for
 * errors. */
hidi_status hidi_captions_attach(hidi_dataset *data, const char *path, const hidi_name_list *names,
                                 const hidi_name_list *text);

/* Gives `data` the captions of a file (embeddings.h), row i for picture i of the folder `path`, and
 * clusters of them as classes for its feature net.  What a person reads of them are the pictures'
 * names.  HIDI_BAD_FORMAT for another number of rows, a
 * row without a token, and metadata file_names, one a line, that are not those of the pictures. */
hidi_status hidi_captions_attach_file(hidi_dataset *data, const char *file, const char *path,
                                      const hidi_name_list *names);

/* Samples number 0, 1, ... of data that has such a list are asked for these captions, in turn. */
hidi_status hidi_captions_ask(hidi_dataset *data, const int32_t *caption, size_t n);

/* For each caption, none of which may be empty, one of at most `most` classes, of which there are
 * then *n_classes (caption_classes.c). */
hidi_status hidi_captions_cluster(const hidi_captions *captions, size_t most, int32_t *class_of,
                                  size_t *n_classes);

#endif
