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
 * text->name[i] is picture i's.  HIDI_BAD_FORMAT for a picture without caption and a caption without
 * picture, with its name. */
hidi_status hidi_captions_of_pictures(hidi_name_list *text, const char *path,
                                      const hidi_name_list *names);

/* Gives `data` these captions, one for each picture, a vocabulary of all their words, and classes for
 * its feature net: the first word of a caption that is among the CLASS_WORDS most frequent of those
 * that no more than half of the captions have, or none [ours].  path and names are for errors. */
hidi_status hidi_captions_attach(hidi_dataset *data, const char *path, const hidi_name_list *names,
                                 const hidi_name_list *text);

#endif
