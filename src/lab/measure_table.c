/* measure_table.c - rows of what was measured, once for readers and twice for programs: columns are
 * those of the chosen metrics, and an empty cell is a number that could not be measured. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/measure_table.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "io/number.h"
#include "io/open_tensors.h"
#include "lab/json.h"

enum { NOTES = 8, MANY = 10000 };

typedef struct note_list {
    char text[NOTES][320];
    size_t n;
} note_list;

static void add_note(note_list *notes, const char *format, ...) HIDI_PRINTF(2, 3);

static void add_note(note_list *notes, const char *format, ...)
{
    va_list values;
    if (notes->n == NOTES)
        return;
    va_start(values, format);
    vsnprintf(notes->text[notes->n++], sizeof notes->text[0], format, values);
    va_end(values);
}

/* --- what should be known of the numbers ------------------------------------------------------ */

static long reference_count(const hidi_measure_table *t)
{
    return hidi_image_set_count(t->how->reference);
}

/* The fewest images of any side of which that is known; 0: of none. */
static long fewest(const hidi_measure_table *t)
{
    long least = reference_count(t);
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].images > 0 && (least == 0 || t->row[i].images < least))
            least = t->row[i].images;
    return least;
}

static bool is_measured(const hidi_measure_table *t, hidi_value value)
{
    for (size_t i = 0; i < t->n; i++)
        if (isfinite(t->row[i].value[value]))
            return true;
    return false;
}

static void note_counts(note_list *notes, const hidi_measure_table *t)
{
    const bool whole = is_measured(t, t->inception ? HIDI_VALUE_FID : HIDI_VALUE_DISTANCE);
    const char *name = !t->inception ? "the Frechet distance" : whole ? "FID" : "sFID";
    const long images = fewest(t);
    const size_t features = whole ? t->how->extractor->n_features : t->how->extractor->n_spatial;
    if (!whole && !is_measured(t, HIDI_VALUE_SFID))
        return;
    if (images > 0 && (size_t)images < features)
        add_note(notes, "warning: %ld images are fewer than the %zu features: their covariance "
                        "does not have full rank, and %s is far too high", images, features, name);
    else if (t->inception && images > 0 && images < MANY)
        add_note(notes, "warning: %s of %ld images is biased upwards; compare it only with one of "
                        "as many (published ones are of 50000 samples against all real images)",
                 name, images);
    if (reference_count(t) == 0)
        add_note(notes, "%s: it is not known how many images these statistics are of",
                 t->how->reference->label);
}

static void note_all(note_list *notes, const hidi_measure_table *t)
{
    bool missing = false;
    note_counts(notes, t);
    for (size_t i = 0; i < t->n; i++)
        if (t->row[i].subset > 0 && t->row[i].subset < t->how->options.kernel.subset_size) {
            add_note(notes, "warning: kernel distances of subsets of %zu instead of %zu, because "
                            "there are no more images: the subsets are much the same, and their "
                            "deviation says little",
                     t->row[i].subset, t->how->options.kernel.subset_size);
            break;
        }
    for (int v = 0; v < HIDI_VALUES; v++)
        for (size_t i = 0; i < t->n; i++)
            missing = missing || (t->how->choice.on[hidi_value_texts[v].metric] &&
                                  isnan(t->row[i].value[v]));
    if (missing)
        add_note(notes, "not measured: what needs images, or spatial features, that a file of "
                        "statistics lacks; spectrum without square images of one size; is with fewer "
                        "images than splits");
    if (is_measured(t, HIDI_VALUE_DISTANCE) || is_measured(t, HIDI_VALUE_KERNEL))
        add_note(notes, "%s in these features: not FID, and not comparable with published FIDs",
                 is_measured(t, HIDI_VALUE_DISTANCE) ? "distance is a Frechet distance"
                                                     : "kernel is a kernel distance");
}

/* --- the table -------------------------------------------------------------------------------- */

static bool is_shown(const hidi_measure_table *t, int value)
{
    return t->how->choice.on[hidi_value_texts[value].metric];
}

static int width_of(int value)
{
    const int least = 7 + hidi_value_texts[value].decimals / 2;
    const int heading = (int)strlen(hidi_value_texts[value].heading);
    return least > heading ? least : heading;
}

/* A number, or "-", right-aligned. */
static void print_cell(FILE *out, int width, int decimals, double value)
{
    if (isfinite(value))
        fprintf(out, " %*.*f", width, decimals, value);
    else
        fprintf(out, " %*s", width, "-");
}

/* What the small net's file says of itself; NaN: nothing. */
static double accuracy_of(const hidi_measure_table *t)
{
    hidi_tensor_file file;
    double accuracy = NAN;
    if (t->inception || t->weights == NULL ||
        hidi_tensor_file_open(&file, t->weights, NULL) != HIDI_OK)
        return NAN;
    const char *text = hidi_tensor_file_meta(&file, HIDI_ACCURACY_KEY);
    if (text == NULL || !hidi_parse_double(text, &accuracy))
        accuracy = NAN;
    hidi_tensor_file_free(&file);
    return accuracy;
}

void hidi_measure_table_print(FILE *out, const hidi_measure_table *t)
{
    int label = 28;
    note_list notes = {.n = 0};
    for (size_t i = 0; i < t->n; i++)
        label = (int)strlen(t->row[i].label) > label ? (int)strlen(t->row[i].label) : label;
    fprintf(out, "%-*s %7s %6s %10s", label, "images", "N", "NFE", "ms/image");
    for (int v = 0; v < HIDI_VALUES; v++)
        if (is_shown(t, v))
            fprintf(out, " %*s", width_of(v), hidi_value_texts[v].heading);
    fputc('\n', out);
    for (size_t i = 0; i < t->n; i++) {
        const hidi_measured *row = &t->row[i];
        fprintf(out, "%-*s", label, row->label);
        print_cell(out, 7, 0, row->images > 0 ? (double)row->images : NAN);
        print_cell(out, 6, 0, row->evaluations > 0 ? (double)row->evaluations : NAN);
        print_cell(out, 10, 3, 1000 * row->seconds);
        for (int v = 0; v < HIDI_VALUES; v++)
            if (is_shown(t, v))
                print_cell(out, width_of(v), hidi_value_texts[v].decimals, row->value[v]);
        fputc('\n', out);
    }
    fprintf(out, "against %s", t->how->reference->label);
    if (reference_count(t) > 0)
        fprintf(out, ", %ld images", reference_count(t));
    fprintf(out, "; features: %s, %s", t->how->extractor->name, t->weights);
    const double accuracy = accuracy_of(t);
    if (isfinite(accuracy))
        fprintf(out, " (classifies %.1f %% of test images right)", 100 * accuracy);
    fputc('\n', out);
    note_all(&notes, t);
    for (size_t i = 0; i < notes.n; i++)
        fprintf(out, "%s\n", notes.text[i]);
}

/* --- files for programs ----------------------------------------------------------------------- */

void hidi_csv_measured_names(hidi_csv *csv, const hidi_metric_choice *choice)
{
    hidi_csv_names(csv, "evaluations,seconds_per_image");
    for (int v = 0; v < HIDI_VALUES; v++)
        if (choice->on[hidi_value_texts[v].metric])
            hidi_csv_names(csv, hidi_value_texts[v].key);
}

void hidi_csv_measured(hidi_csv *csv, const hidi_metric_choice *choice, const char *format,
                       const hidi_measured *m)
{
    hidi_csv_integer(csv, m->evaluations);
    hidi_csv_number(csv, "%.6g", m->seconds);
    for (int v = 0; v < HIDI_VALUES; v++)
        if (choice->on[hidi_value_texts[v].metric])
            hidi_csv_number(csv, format, m->value[v]);
    hidi_csv_integer(csv, m->images);
}

hidi_status hidi_measure_table_csv(const char *path, const hidi_measure_table *t)
{
    hidi_csv csv;
    HIDI_TRY(hidi_csv_create(&csv, path));
    hidi_csv_names(&csv, "images");
    hidi_csv_measured_names(&csv, &t->how->choice);
    hidi_csv_names(&csv, "count");
    hidi_csv_end_row(&csv);
    for (size_t i = 0; i < t->n; i++) {
        hidi_csv_quoted(&csv, t->row[i].label);
        hidi_csv_measured(&csv, &t->how->choice, t->format, &t->row[i]);
        hidi_csv_end_row(&csv);
    }
    return hidi_csv_finish(&csv, HIDI_OK);
}

static json_t *count_or_null(long images)
{
    return images > 0 ? json_integer(images) : json_null();
}

static json_t *row_to_json(const hidi_measure_table *t, const hidi_measured *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", hidi_json_text(row->label));
    json_object_set_new(object, "kind", json_string(row->kind));
    json_object_set_new(object, "images", count_or_null(row->images));
    if (row->evaluations > 0) {
        json_object_set_new(object, "evaluations", json_integer(row->evaluations));
        json_object_set_new(object, "seconds_per_image", json_real(row->seconds));
    }
    for (int v = 0; v < HIDI_VALUES; v++)
        if (is_shown(t, v))
            json_object_set_new(object, hidi_value_texts[v].key,
                                hidi_json_number(row->value[v]));
    if (row->subset > 0) {
        const json_int_t subsets = (json_int_t)t->how->options.kernel.subsets;
        json_object_set_new(object, "kernel_subsets", json_integer(subsets));
        json_object_set_new(object, "kernel_subset_size", json_integer((json_int_t)row->subset));
    }
    return object;
}

hidi_status hidi_measure_table_json(FILE *out, const hidi_measure_table *t)
{
    note_list notes = {.n = 0};
    json_t *rows = json_array(), *texts = json_array(), *root = json_object();
    json_t *extractor = json_object(), *reference = json_object();
    json_object_set_new(extractor, "name", hidi_json_text(t->how->extractor->name));
    json_object_set_new(extractor, "weights", hidi_json_text(t->weights));
    const double accuracy = accuracy_of(t);
    if (isfinite(accuracy))
        json_object_set_new(extractor, "accuracy", json_real(accuracy));
    json_object_set_new(extractor, "features",
                        json_integer((json_int_t)t->how->extractor->n_features));
    json_object_set_new(reference, "name", hidi_json_text(t->how->reference->label));
    json_object_set_new(reference, "kind", json_string(t->how->reference->kind));
    json_object_set_new(reference, "images", count_or_null(reference_count(t)));
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(rows, row_to_json(t, &t->row[i]));
    note_all(&notes, t);
    for (size_t i = 0; i < notes.n; i++)
        json_array_append_new(texts, hidi_json_text(notes.text[i]));
    json_object_set_new(root, "version", json_string(PACKAGE_VERSION));
    json_object_set_new(root, "extractor", extractor);
    json_object_set_new(root, "reference", reference);
    json_object_set_new(root, "results", rows);
    json_object_set_new(root, "notes", texts);
    return hidi_json_print(out, root, 17);
}
