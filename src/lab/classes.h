/* classes.h - the names of classes, which a model's file carries beside its weights. */
#ifndef HIDI_LAB_CLASSES_H
#define HIDI_LAB_CLASSES_H

#include "data/dataset.h"
#include "io/tensor_file.h"

/* Adds a data set's names as the metadata "hidi.classes", one a line; of captions their vocabulary,
 * as "hidi.words". */
hidi_status hidi_classes_to_file(const hidi_dataset *data, hidi_tensor_file *file);

/* Reads a list of class names, one a line, as imagenet_classes.txt is ("golden retriever", "207:
 * golden retriever", "n02099601 golden retriever"; synonyms after commas), into the metadata
 * "hidi.classes" of `file`, in the place of those that it may have.  HIDI_BAD_FORMAT unless there
 * are n_classes. */
hidi_status hidi_classes_read(const char *path, size_t n_classes, hidi_tensor_file *file);

/* The class of this number (from 0, below n_classes) or else of this name, among those of the file;
 * capitals do not matter, and of several names separated by commas each will do.
 * HIDI_BAD_ARGUMENT for another, with what there is. */
hidi_status hidi_class_find(const hidi_tensor_file *file, size_t n_classes, const char *text,
                            int32_t *label);

#endif
