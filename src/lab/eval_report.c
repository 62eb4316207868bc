/* eval_report.c */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/eval_report.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/version.h"
#include "io/atomic_file.h"

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

/* The fewest images of any side of which that is known; 0: of none. */
static long fewest(const hidi_eval_report *r)
{
    long least = r->reference->images;
    for (size_t i = 0; i < r->n; i++)
        if (r->row[i].images > 0 && (least == 0 || r->row[i].images < least))
            least = r->row[i].images;
    return least;
}

static bool is_measured(const hidi_eval_report *r, hidi_value value)
{
    for (size_t i = 0; i < r->n; i++)
        if (isfinite(r->row[i].value[value]))
            return true;
    return false;
}

static void note_counts(note_list *notes, const hidi_eval_report *r)
{
    const bool whole = is_measured(r, r->inception ? HIDI_VALUE_FID : HIDI_VALUE_DISTANCE);
    const char *name = !r->inception ? "the Frechet distance" : whole ? "FID" : "sFID";
    const long images = fewest(r);
    const size_t features = whole ? r->extractor->n_features : r->extractor->n_spatial;
    if (!whole && !is_measured(r, HIDI_VALUE_SFID))
        return;
    if (images > 0 && (size_t)images < features)
        add_note(notes, "warning: %ld images are fewer than the %zu features: their covariance has "
                        "no full rank, and %s is far too high", images, features, name);
    else if (r->inception && images > 0 && images < MANY)
        add_note(notes, "warning: %s of %ld images is biased upwards; compare it only with one of "
                        "as many (published ones are of 50000 and a reference of all images)",
                 name, images);
    if (r->reference->images == 0)
        add_note(notes, "%s: it is not known how many images these statistics are of",
                 r->reference->label);
}

static void note_all(note_list *notes, const hidi_eval_report *r)
{
    bool missing = false;
    note_counts(notes, r);
    for (size_t i = 0; i < r->n; i++)
        if (r->row[i].subset > 0 && r->row[i].subset < r->options->kernel.subset_size) {
            add_note(notes, "warning: kernel distances of subsets of %zu, not of %zu, for want of "
                            "images: the subsets are much the same, and their deviation says "
                            "little",
                     r->row[i].subset, r->options->kernel.subset_size);
            break;
        }
    for (int v = 0; v < HIDI_VALUES; v++)
        for (size_t i = 0; i < r->n; i++)
            missing = missing || (r->choice->on[hidi_value_texts[v].metric] &&
                                  isnan(r->row[i].value[v]));
    if (missing)
        add_note(notes, "not measured: what needs images, or spatial features, that a file of "
                        "statistics has not; square images of one size (spectrum); as many images "
                        "as splits (is)");
    if (is_measured(r, HIDI_VALUE_DISTANCE) || is_measured(r, HIDI_VALUE_KERNEL))
        add_note(notes, "%s in these features: not FID, and not comparable with published FIDs",
                 is_measured(r, HIDI_VALUE_DISTANCE) ? "distance is a Frechet distance"
                                                     : "kernel is a kernel distance");
}

/* --- the table -------------------------------------------------------------------------------- */

static bool is_shown(const hidi_eval_report *r, int value)
{
    return r->choice->on[hidi_value_texts[value].metric];
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

void hidi_eval_print(FILE *out, const hidi_eval_report *r)
{
    int label = 28;
    note_list notes = {.n = 0};
    for (size_t i = 0; i < r->n; i++)
        label = (int)strlen(r->row[i].label) > label ? (int)strlen(r->row[i].label) : label;
    fprintf(out, "%-*s %7s %6s %10s", label, "images", "N", "NFE", "ms/image");
    for (int v = 0; v < HIDI_VALUES; v++)
        if (is_shown(r, v))
            fprintf(out, " %*s", width_of(v), hidi_value_texts[v].heading);
    fputc('\n', out);
    for (size_t i = 0; i < r->n; i++) {
        const hidi_eval_row *row = &r->row[i];
        fprintf(out, "%-*s", label, row->label);
        print_cell(out, 7, 0, row->images > 0 ? (double)row->images : NAN);
        print_cell(out, 6, 0, row->evaluations > 0 ? (double)row->evaluations : NAN);
        print_cell(out, 10, 3, 1000 * row->seconds);
        for (int v = 0; v < HIDI_VALUES; v++)
            if (is_shown(r, v))
                print_cell(out, width_of(v), hidi_value_texts[v].decimals, row->value[v]);
        fputc('\n', out);
    }
    fprintf(out, "against %s", r->reference->label);
    if (r->reference->images > 0)
        fprintf(out, ", %ld images", r->reference->images);
    fprintf(out, "; features: %s, %s\n", r->extractor->name, r->weights);
    note_all(&notes, r);
    for (size_t i = 0; i < notes.n; i++)
        fprintf(out, "%s\n", notes.text[i]);
}

/* --- files for programs ----------------------------------------------------------------------- */

hidi_status hidi_eval_write_csv(const char *path, const hidi_eval_report *r)
{
    hidi_atomic_file file;
    HIDI_TRY(hidi_atomic_open(&file, path));
    fprintf(file.out, "images,evaluations,seconds_per_image");
    for (int v = 0; v < HIDI_VALUES; v++)
        if (is_shown(r, v))
            fprintf(file.out, ",%s", hidi_value_texts[v].key);
    fprintf(file.out, ",count\n");
    for (size_t i = 0; i < r->n; i++) {
        const hidi_eval_row *row = &r->row[i];
        fputc('"', file.out);
        for (const char *c = row->label; *c != '\0'; c++)
            fprintf(file.out, *c == '"' ? "\"\"" : "%c", *c);
        fprintf(file.out, "\",%ld,", row->evaluations);
        if (isfinite(row->seconds))
            fprintf(file.out, "%.6g", row->seconds);
        for (int v = 0; v < HIDI_VALUES; v++) {
            if (is_shown(r, v))
                fputc(',', file.out);
            if (is_shown(r, v) && isfinite(row->value[v]))
                fprintf(file.out, "%.9g", row->value[v]);
        }
        fprintf(file.out, ",%ld\n", row->images);
    }
    return hidi_atomic_commit(&file);
}

static json_t *count_or_null(long images)
{
    return images > 0 ? json_integer(images) : json_null();
}

/* A text that JSON can have: bytes that are not UTF-8 become '?'. */
static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    char copy[1024];
    if (value != NULL)
        return value;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c != '\0'; c++)
        if ((unsigned char)*c > 127)
            *c = '?';
    return json_string(copy);
}

static json_t *row_to_json(const hidi_eval_report *r, const hidi_eval_row *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "name", json_text(row->label));
    json_object_set_new(object, "kind", json_string(row->kind));
    json_object_set_new(object, "images", count_or_null(row->images));
    if (row->evaluations > 0) {
        json_object_set_new(object, "evaluations", json_integer(row->evaluations));
        json_object_set_new(object, "seconds_per_image", json_real(row->seconds));
    }
    for (int v = 0; v < HIDI_VALUES; v++)
        if (is_shown(r, v))
            json_object_set_new(object, hidi_value_texts[v].key,
                                isfinite(row->value[v]) ? json_real(row->value[v]) : json_null());
    if (row->subset > 0) {
        const json_int_t subsets = (json_int_t)r->options->kernel.subsets;
        json_object_set_new(object, "kernel_subsets", json_integer(subsets));
        json_object_set_new(object, "kernel_subset_size", json_integer((json_int_t)row->subset));
    }
    return object;
}

hidi_status hidi_eval_print_json(FILE *out, const hidi_eval_report *r)
{
    note_list notes = {.n = 0};
    json_t *rows = json_array(), *texts = json_array(), *root = json_object();
    json_t *extractor = json_object(), *reference = json_object();
    json_object_set_new(extractor, "name", json_text(r->extractor->name));
    json_object_set_new(extractor, "weights", json_text(r->weights));
    json_object_set_new(extractor, "features", json_integer((json_int_t)r->extractor->n_features));
    json_object_set_new(reference, "name", json_text(r->reference->label));
    json_object_set_new(reference, "kind", json_string(r->reference->kind));
    json_object_set_new(reference, "images", count_or_null(r->reference->images));
    for (size_t i = 0; i < r->n; i++)
        json_array_append_new(rows, row_to_json(r, &r->row[i]));
    note_all(&notes, r);
    for (size_t i = 0; i < notes.n; i++)
        json_array_append_new(texts, json_text(notes.text[i]));
    json_object_set_new(root, "version", json_string(hidi_version()));
    json_object_set_new(root, "extractor", extractor);
    json_object_set_new(root, "reference", reference);
    json_object_set_new(root, "results", rows);
    json_object_set_new(root, "notes", texts);
    const int code = json_dumpf(root, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(root);
    fputc('\n', out);
    return code == 0 ? HIDI_OK : hidi_error(HIDI_BAD_FILE, "cannot write JSON to standard output");
}
