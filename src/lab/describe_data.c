/* describe_data.c - counts, values and classes of a data set, and a picture of each class: which
 * shows whether it was read as intended. */
#include "lab/describe_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/listing.h"
#include "io/image.h"

enum { SAMPLE = 2048, MOST_ROWS = 64 };

static size_t pixels_of(const hidi_dataset *data)
{
    return data->channels * data->height * data->width;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* Of a sample of a split. */
typedef struct summary {
    size_t n;        /* images looked at                       */
    double *channel; /* [C, 2] sum and sum of squares of each  */
    size_t *class;   /* [n_classes] images                     */
    double least, most;
} summary;

/* SAMPLE images, or all, evenly spread over the split: folders may be sorted by class. */
static void summarise(const hidi_dataset *data, hidi_split split, hidi_real *image, summary *s)
{
    const uint64_t count = data->count[split];
    const size_t area = data->height * data->width;
    s->n = count > 0 && count < SAMPLE ? (size_t)count : SAMPLE;
    s->least = INFINITY;
    s->most = -INFINITY;
    for (size_t i = 0; i < s->n; i++) {
        int32_t label;
        const double share = (double)i / (double)s->n;
        data->get(data, split, count > 0 ? (uint64_t)(share * (double)count) : i, image, &label);
        s->class[hidi_dataset_class(data, label)]++;
        for (size_t k = 0; k < data->channels * area; k++) {
            const double x = (double)image[k];
            s->channel[2 * (k / area)] += x;
            s->channel[2 * (k / area) + 1] += x * x;
            s->least = x < s->least ? x : s->least;
            s->most = x > s->most ? x : s->most;
        }
    }
}

static void print_summary(const hidi_dataset *data, hidi_split split, const summary *s)
{
    const double n = (double)(s->n * data->height * data->width);
    printf("  values      %g to %g in %zu %s images\n", s->least, s->most, s->n,
           hidi_split_word(split));
    for (size_t c = 0; c < data->channels; c++) {
        const double mean = s->channel[2 * c] / n;
        const double variance = s->channel[2 * c + 1] / n - mean * mean;
        printf("  channel %-3zu mean %.4f, standard deviation %.4f\n", c, mean,
               sqrt(variance > 0 ? variance : 0));
    }
    printf("  classes\n");
    for (size_t y = 0; y < data->n_classes; y++)
        printf("    %4zu  %5.1f %%  %s\n", y, 100 * (double)s->class[y] / (double)s->n,
               data->class_name[y]);
}

static hidi_status print_values(const hidi_dataset *data, hidi_split split)
{
    summary s = {0};
    hidi_real *image = malloc(pixels_of(data) * sizeof *image);
    s.channel = calloc(2 * data->channels, sizeof *s.channel);
    s.class = calloc(data->n_classes, sizeof *s.class);
    hidi_status status = HIDI_OK;
    if (image == NULL || s.channel == NULL || s.class == NULL) {
        status = hidi_error(HIDI_NO_MEMORY, "out of memory");
    } else {
        summarise(data, split, image, &s);
        print_summary(data, split, &s);
    }
    free(image);
    free(s.channel);
    free(s.class);
    return status;
}

static void print_counts(const hidi_dataset *data)
{
    printf("%s: images of %zux%zux%zu, %zu classes\n", data->name, data->height, data->width,
           data->channels, data->n_classes);
    for (int split = 0; split < HIDI_SPLITS; split++) {
        const char *word = hidi_split_word((hidi_split)split);
        if (data->count[HIDI_TRAIN] == 0)
            printf("  %-10s  unlimited\n", word);
        else
            printf("  %-10s  %llu images%s\n", word,
                   (unsigned long long)data->count[split],
                   split == HIDI_TRAIN && data->mirrored ? ", half of them mirrored copies" : "");
    }
}

hidi_status hidi_describe_data(const hidi_dataset *data, hidi_split split)
{
    print_counts(data);
    HIDI_TRY(hidi_dataset_has(data, split, 1));
    return print_values(data, split);
}

/* --- the picture ------------------------------------------------------------------------------ */

/* The first `columns` images of each of the first `rows` classes into x [rows, columns, C, H, W];
 * a class that has fewer leaves white. */
static hidi_status gather(const hidi_dataset *data, hidi_split split, size_t rows, size_t columns,
                          hidi_real *x)
{
    const size_t pixels = pixels_of(data);
    const uint64_t count = data->count[split];
    const uint64_t last = count > 0 ? count : 1000 * (uint64_t)(rows * columns);
    size_t *found = calloc(data->n_classes, sizeof *found), missing = rows * columns;
    hidi_real *image = malloc(pixels * sizeof *image);
    if (found == NULL || image == NULL) {
        free(found);
        free(image);
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    }
    for (size_t k = 0; k < rows * columns * pixels; k++)
        x[k] = 1;
    for (uint64_t i = 0; i < last && missing > 0; i++) {
        int32_t y;
        data->get(data, split, i, image, &y);
        y = hidi_dataset_class(data, y);
        if ((size_t)y >= rows || found[y] == columns)
            continue;
        memcpy(x + ((size_t)y * columns + found[y]++) * pixels, image, pixels * sizeof *x);
        missing--;
    }
    free(found);
    free(image);
    return HIDI_OK;
}

hidi_status hidi_write_examples(const hidi_dataset *data, hidi_split split, size_t columns,
                                size_t zoom, const char *path)
{
    const size_t rows = data->n_classes < MOST_ROWS ? data->n_classes : MOST_ROWS;
    const size_t n = rows * columns;
    hidi_image picture;
    hidi_real *x = malloc(n * pixels_of(data) * sizeof *x);
    if (x == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu images", n);
    hidi_status status = gather(data, split, rows, columns, x);
    if (status == HIDI_OK)
        status = hidi_image_grid(&picture, x, n, data->channels, data->height, data->width, columns,
                                 zoom);
    free(x);
    if (status != HIDI_OK)
        return status;
    status = hidi_png_write(&picture, path);
    hidi_image_free(&picture);
    if (status == HIDI_OK)
        printf("%s: a row for each of %s%zu classes, %s images\n", path,
               rows < data->n_classes ? "the first " : "", rows, hidi_split_word(split));
    return status;
}

/* --- names ------------------------------------------------------------------------------------ */

hidi_status hidi_list_pictures(const char *path)
{
    hidi_name_list names;
    hidi_status status = hidi_list_folder(&names, path, HIDI_LIST_PICTURES);
    for (size_t i = 0; status == HIDI_OK && i < names.n; i++)
        if (strpbrk(names.name[i], "\r\n") != NULL)
            status = hidi_error(HIDI_UNSUPPORTED, "%s: the name of picture %zu has a line break",
                                path, i);
    for (size_t i = 0; status == HIDI_OK && i < names.n; i++)
        printf("%s\n", names.name[i]);
    hidi_name_list_free(&names);
    return status;
}
