/* csv.c - RFC 4180 with "\n" at the end of a row: cells are separated by commas; one that has a
 * comma, a quote or a line break stands in quotes, its own quotes doubled.  A log's cells are
 * numbers, so that each of its rows is one line, and a row without a newline was interrupted. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/csv.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "io/number.h"

/* --- writing ---------------------------------------------------------------------------------- */

hidi_status hidi_csv_create(hidi_csv *csv, const char *path)
{
    memset(csv, 0, sizeof *csv);
    HIDI_TRY(hidi_atomic_open(&csv->file, path));
    csv->out = csv->file.out;
    return HIDI_OK;
}

hidi_status hidi_csv_finish(hidi_csv *csv, hidi_status status)
{
    if (csv->out == NULL)
        return status;
    csv->out = NULL;
    if (status == HIDI_OK)
        return hidi_atomic_commit(&csv->file);
    hidi_atomic_abandon(&csv->file);
    return status;
}

static void begin_cell(hidi_csv *csv)
{
    if (csv->in_row)
        fputc(',', csv->out);
    csv->in_row = true;
}

void hidi_csv_end_row(hidi_csv *csv)
{
    fputc('\n', csv->out);
    csv->in_row = false;
}

/* Names without commas are cells as they are. */
void hidi_csv_names(hidi_csv *csv, const char *names)
{
    begin_cell(csv);
    fputs(names, csv->out);
}

void hidi_csv_quoted(hidi_csv *csv, const char *text)
{
    begin_cell(csv);
    fputc('"', csv->out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', csv->out);
        fputc(*text, csv->out);
    }
    fputc('"', csv->out);
}

void hidi_csv_text(hidi_csv *csv, const char *text)
{
    if (strpbrk(text, ",\"\r\n") != NULL) {
        hidi_csv_quoted(csv, text);
    } else {
        begin_cell(csv);
        fputs(text, csv->out);
    }
}

void hidi_csv_integer(hidi_csv *csv, long long value)
{
    begin_cell(csv);
    fprintf(csv->out, "%lld", value);
}

void hidi_csv_number(hidi_csv *csv, const char *format, double value)
{
    char number[400]; /* "%f" of the largest double has 316 characters */

    begin_cell(csv);
    if (isfinite(value))
        fputs(hidi_print_double(number, sizeof number, format, value), csv->out);
}

void hidi_csv_numbers(hidi_csv *csv, const char *format, size_t n, const double *values)
{
    for (size_t i = 0; i < n; i++)
        hidi_csv_number(csv, format, values[i]);
}

/* --- reading ---------------------------------------------------------------------------------- */

hidi_csv_reader hidi_csv_begin(char *text)
{
    return (hidi_csv_reader){.rest = text, .next_line = 1};
}

/* The length of the line break that s begins with; 0: it begins with none. */
static size_t line_break(const char *s)
{
    return s[0] == '\n' ? 1 : s[0] == '\r' && s[1] == '\n' ? 2 : 0;
}

bool hidi_csv_next_row(hidi_csv_reader *r)
{
    while (r->in_row)
        (void)hidi_csv_next_cell(r);
    for (size_t n; (n = line_break(r->rest)) > 0; r->rest += n)
        r->next_line++;
    r->line = r->next_line;
    r->in_row = *r->rest != '\0';
    return r->in_row;
}

char *hidi_csv_next_cell(hidi_csv_reader *r)
{
    if (!r->in_row)
        return NULL;
    char *cell = r->rest, *to = cell, *from = cell;
    bool quoted = *from == '"';
    for (from += quoted; *from != '\0'; from++) {
        if (!quoted && (*from == ',' || line_break(from) > 0))
            break;
        r->next_line += *from == '\n';
        if (quoted && from[0] == '"' && from[1] == '"') {
            from++;
        } else if (quoted && *from == '"') {
            quoted = false;
            continue;
        }
        *to++ = *from;
    }
    const size_t n = line_break(from);
    r->in_row = *from == ',';
    r->whole = n > 0;
    r->unclosed = quoted;
    r->next_line += n > 0;
    r->rest = from + (r->in_row ? 1 : n);
    *to = '\0';
    return cell;
}

static bool parse_cell(const char *cell, double *value)
{
    if (*cell == '\0' || strcmp(cell, "nan") == 0)
        *value = (double)NAN;
    else if (strcmp(cell, "inf") == 0)
        *value = (double)INFINITY;
    else if (strcmp(cell, "-inf") == 0)
        *value = -(double)INFINITY;
    else
        return hidi_parse_double(cell, value);
    return true;
}

hidi_status hidi_csv_text_of(const char *path, char **text)
{
    unsigned char *data;
    size_t bytes;

    HIDI_TRY(hidi_read_file(path, &data, &bytes));
    *text = (char *)data;
    if (memchr(data, '\0', bytes) == NULL)
        return HIDI_OK;
    free(data);
    *text = NULL;
    return hidi_error(HIDI_BAD_FORMAT, "%s: a 0 byte: not a text file", path);
}

/* The value in cell `index` of the current row, which must have n_cells. */
static bool parse_row(hidi_csv_reader *r, int n_cells, int index, double *value)
{
    bool parsed = false;
    int i = 0;

    for (const char *cell; (cell = hidi_csv_next_cell(r)) != NULL; i++)
        if (i == index)
            parsed = parse_cell(cell, value);
    return parsed && i == n_cells;
}

static hidi_status read_column(const char *path, char *text, const char *column, double *values,
                               size_t *n)
{
    int index = -1, n_cells = 0;
    hidi_csv_reader r = hidi_csv_begin(text);

    if (!hidi_csv_next_row(&r))
        return hidi_error(HIDI_BAD_FORMAT, "%s: empty, without a header", path);
    for (const char *cell; (cell = hidi_csv_next_cell(&r)) != NULL; n_cells++)
        if (strcmp(cell, column) == 0 && index < 0)
            index = n_cells;
    if (index < 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: no column \"%s\"", path, column);
    *n = 0;
    while (hidi_csv_next_row(&r)) {
        const bool parsed = parse_row(&r, n_cells, index, &values[*n]);

        if (r.unclosed)
            return hidi_error(HIDI_BAD_FORMAT, "%s:%ld: a quote that does not end", path, r.line);
        if (!r.whole)
            continue;
        if (!parsed)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s:%ld: not %d cells, or not a number in column \"%s\"", path,
                              r.line, n_cells, column);
        ++*n;
    }
    return HIDI_OK;
}

hidi_status hidi_csv_read(const char *path, const char *column, double **values, size_t *n)
{
    size_t lines = 1;
    char *text;

    *values = NULL;
    *n = 0;
    HIDI_TRY(hidi_csv_text_of(path, &text));
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    double *column_values = malloc(lines * sizeof *column_values);
    hidi_status status = column_values == NULL
                             ? hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path)
                             : read_column(path, text, column, column_values, n);
    free(text);
    if (status == HIDI_OK) {
        *values = column_values;
    } else {
        free(column_values);
        *n = 0;
    }
    return status;
}

/* --- logs ------------------------------------------------------------------------------------- */

/* "a,b,c" from the names, for the caller to free. */
static hidi_status make_header(const char *path, const char *const *columns, char **header,
                               int *n_columns)
{
    size_t bytes = 1;
    int n = 0;

    for (; columns[n] != NULL; n++) {
        if (*columns[n] == '\0' || strpbrk(columns[n], ",\"\r\n") != NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s: \"%s\" is not a name for a column", path,
                              columns[n]);
        bytes += strlen(columns[n]) + 1;
    }
    if (n == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: a log without columns", path);
    *header = malloc(bytes);
    if (*header == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    **header = '\0';
    for (int i = 0; i < n; i++) {
        strcat(*header, i == 0 ? "" : ",");
        strcat(*header, columns[i]);
    }
    *n_columns = n;
    return HIDI_OK;
}

/* Cuts the first line off *rest: *line is its text without the newline.  false: there is none.
 * *whole: it had a newline, so that its writer was not interrupted in it. */
static bool next_line(char **rest, char **line, bool *whole)
{
    *line = *rest;
    if (**rest == '\0')
        return false;
    char *end = *rest + strcspn(*rest, "\n");
    *whole = *end == '\n';
    *rest = *whole ? end + 1 : end;
    if (end > *line && end[-1] == '\r')
        end--;
    *end = '\0';
    return true;
}

/* Copies the rows of `text` that are whole and of a step before resume_step. */
static hidi_status copy_rows(const char *path, char *text, const char *header, long resume_step,
                             FILE *out)
{
    char *line, *rest = text;
    bool whole;

    if (!next_line(&rest, &line, &whole) || strcmp(line, header) != 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: its columns are \"%s\", this run's are \"%s\"",
                          path, line, header);
    fprintf(out, "%s\n", header);
    for (int number = 2; next_line(&rest, &line, &whole); number++) {
        size_t digits = strcspn(line, ",");
        char step_text[HIDI_NUMBER_TEXT] = "";
        double step;

        if (*line == '\0' || !whole)
            continue;
        if (digits < sizeof step_text)
            memcpy(step_text, line, digits);
        if (!hidi_parse_double(step_text, &step))
            return hidi_error(HIDI_BAD_FORMAT, "%s:%d: the row does not begin with a step", path,
                              number);
        if (step < (double)resume_step)
            fprintf(out, "%s\n", line);
    }
    return HIDI_OK;
}

static hidi_status drop_rows(const char *path, const char *header, long resume_step)
{
    hidi_atomic_file file;
    char *text;

    HIDI_TRY(hidi_csv_text_of(path, &text));
    hidi_status status = hidi_atomic_open(&file, path);
    if (status == HIDI_OK) {
        status = copy_rows(path, text, header, resume_step, file.out);
        if (status == HIDI_OK)
            status = hidi_atomic_commit(&file);
        else
            hidi_atomic_abandon(&file);
    }
    free(text);
    return status;
}

static bool is_missing(const char *path)
{
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return errno == ENOENT;
    (void)fclose(file);
    return false;
}

static hidi_status open_log(hidi_csv *csv, const char *header, long resume_step)
{
    bool begin = resume_step <= 0 || is_missing(csv->path);

    HIDI_TRY(hidi_refuse_input(csv->path));
    if (!begin)
        HIDI_TRY(drop_rows(csv->path, header, resume_step));
    csv->out = fopen(csv->path, begin ? "wb" : "ab");
    if (csv->out == NULL)
        return hidi_error(HIDI_BAD_FILE, "%s: %s", csv->path, strerror(errno));
    if (begin && (fprintf(csv->out, "%s\n", header) < 0 || fflush(csv->out) != 0))
        return hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", csv->path, strerror(errno));
    return HIDI_OK;
}

hidi_status hidi_csv_open(hidi_csv *csv, const char *path, const char *const *columns,
                          long resume_step)
{
    char *header = NULL;

    memset(csv, 0, sizeof *csv);
    HIDI_TRY(make_header(path, columns, &header, &csv->n_columns));
    csv->path = strdup(path);
    hidi_status status = HIDI_OK;
    if (csv->path == NULL) {
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    } else {
        status = open_log(csv, header, resume_step);
    }
    free(header);
    if (status != HIDI_OK) {
        if (csv->out != NULL)
            (void)fclose(csv->out);
        free(csv->path);
        memset(csv, 0, sizeof *csv);
    }
    return status;
}

hidi_status hidi_csv_row(hidi_csv *csv, const double *values)
{
    char number[HIDI_NUMBER_TEXT];

    if (!isfinite(values[0]))
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: the step of a row is not a number", csv->path);
    for (int i = 0; i < csv->n_columns; i++)
        hidi_csv_text(csv, isnan(values[i]) ? "" : hidi_format_double(number, values[i]));
    hidi_csv_end_row(csv);
    if (fflush(csv->out) != 0 || ferror(csv->out))
        return hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", csv->path, strerror(errno));
    return HIDI_OK;
}

hidi_status hidi_csv_close(hidi_csv *csv)
{
    hidi_status status = HIDI_OK;

    if (csv->out != NULL && fclose(csv->out) != 0)
        status = hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", csv->path, strerror(errno));
    free(csv->path);
    memset(csv, 0, sizeof *csv);
    return status;
}
