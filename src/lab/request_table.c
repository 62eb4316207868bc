/* request_table.c - real pictures and samples are judged a batch at a time; numbers are counts
 * until they are printed. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/request_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/team.h"
#include "core/threads.h"
#include "io/csv.h"
#include "io/markup.h"
#include "io/number.h"

enum { BATCH = 256 };

static const char *const combinations_name[] = {"seen", "held out"};

/* --- rows ------------------------------------------------------------------------------------- */

void hidi_request_table_free(hidi_request_table *table)
{
    free(table->row);
    *table = (hidi_request_table){.n = 0};
}

hidi_status hidi_request_row_add(hidi_request_table *table, const char *label, double guidance,
                                 hidi_combinations combinations, hidi_request_row **row)
{
    hidi_request_row *rows = realloc(table->row, (table->n + 1) * sizeof *rows);
    *row = NULL;
    if (rows == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    table->row = rows;
    *row = &rows[table->n++];
    **row = (hidi_request_row){.guidance = guidance, .combinations = combinations};
    snprintf((*row)->label, sizeof(*row)->label, "%s", label);
    return HIDI_OK;
}

/* --- real pictures ---------------------------------------------------------------------------- */

/* Pictures of a split, or drawn for held-out captions. */
typedef struct reals {
    const hidi_dataset *data;
    hidi_split split;
    size_t n;
    hidi_real *images; /* [BATCH, 3, H, W]            */
    int32_t *caption;  /* [n]                         */
} reals;

/* Pictures for held-out captions. */
typedef struct drawing {
    const reals *r;
    size_t first, size; /* picture; numbers of each */
} drawing;

static hidi_status draw_picture(void *context, int member, size_t i)
{
    const drawing *d = context;
    const reals *r = d->r;
    (void)member;
    hidi_scenes_draw(r->data, r->caption[d->first + i], d->first + i, r->images + i * d->size);
    return HIDI_OK;
}

static hidi_status draw_held_out(const reals *r, size_t first, size_t m)
{
    const size_t size = 3 * r->data->height * r->data->width, bytes = size * sizeof *r->images;
    const hidi_piece_rows rows = {r->images, bytes, m * bytes};
    drawing d = {r, first, size};
    return hidi_team_share(hidi_thread_limit(), m, draw_picture, &d, &rows, 1);
}

/* Fills in the captions of a split on the way. */
static hidi_status judge_reals(const reals *r, hidi_request_row *row)
{
    for (size_t first = 0; first < r->n; first += BATCH) {
        const size_t m = r->n - first < BATCH ? r->n - first : BATCH;
        HIDI_TRY(hidi_processes_check_stop());
        if (row->combinations == HIDI_HELD_OUT)
            HIDI_TRY(draw_held_out(r, first, m));
        else
            hidi_dataset_range(r->data, r->split, first, m, r->images, r->caption + first);
        HIDI_TRY(hidi_judge_pictures(&row->counts, r->images, m, r->data->height,
                                     r->caption + first));
    }
    return HIDI_OK;
}

/* Each by the caption of the next one; those of the last are of the first. */
static hidi_status judge_exchanged(const reals *r, hidi_request_row *row)
{
    int32_t asked[BATCH], own[BATCH];
    for (size_t first = 0; first < r->n; first += BATCH) {
        const size_t m = r->n - first < BATCH ? r->n - first : BATCH;
        HIDI_TRY(hidi_processes_check_stop());
        hidi_dataset_range(r->data, r->split, first, m, r->images, own);
        for (size_t i = 0; i < m; i++)
            asked[i] = r->caption[(first + i + 1) % r->n];
        HIDI_TRY(hidi_judge_pictures(&row->counts, r->images, m, r->data->height, asked));
    }
    return HIDI_OK;
}

static hidi_status judge_all_reals(hidi_request_table *table, reals *r)
{
    hidi_request_row *row;
    char label[64];
    snprintf(label, sizeof label, "real (%s split)", hidi_split_name(r->split));
    HIDI_TRY(hidi_request_row_add(table, label, NAN, HIDI_SEEN, &row));
    HIDI_TRY(judge_reals(r, row));
    snprintf(label, sizeof label, "real (%s split), by others' captions",
             hidi_split_name(r->split));
    HIDI_TRY(hidi_request_row_add(table, label, NAN, HIDI_SEEN, &row));
    HIDI_TRY(judge_exchanged(r, row));
    HIDI_TRY(hidi_request_row_add(table, "drawn", NAN, HIDI_HELD_OUT, &row));
    hidi_scenes_ask(r->data, true, r->n, r->caption);
    return judge_reals(r, row);
}

hidi_status hidi_request_real(hidi_request_table *table, const hidi_session *session,
                              const hidi_dataset *data)
{
    const size_t n = (size_t)session->settings.eval.images;
    reals r = {.data = data,
               .split = hidi_settings_split(&session->settings),
               .n = n,
               .images = malloc(BATCH * 3 * data->height * data->width * sizeof *r.images),
               .caption = malloc((n ? n : 1) * sizeof *r.caption)};
    const hidi_status status = r.images != NULL && r.caption != NULL
                                   ? judge_all_reals(table, &r)
                                   : hidi_error(HIDI_NO_MEMORY, "out of memory");
    free(r.images);
    free(r.caption);
    return status;
}

/* --- samples ---------------------------------------------------------------------------------- */

double hidi_request_guidance(const hidi_samples *samples)
{
    return samples->net->config.has_interval ? (double)NAN : samples->sampler.guidance;
}

static hidi_status judge_source(hidi_request_row *row, hidi_image_source *source,
                                const int32_t *caption, FILE *progress)
{
    hidi_progress line;
    hidi_image_batch batch;
    size_t done = 0;
    hidi_progress_begin(&line, progress, row->label, 0, (long)source->count);
    do {
        HIDI_TRY(hidi_processes_check_stop());
        HIDI_TRY(hidi_image_source_next(source, BATCH, &batch));
        if (batch.n > 0)
            HIDI_TRY(hidi_judge_pictures(&row->counts, batch.images, batch.n, batch.height,
                                         caption + done));
        done += batch.n;
        hidi_progress_update(&line, (long)done, NULL);
    } while (batch.n > 0);
    hidi_progress_end(&line, NULL);
    return HIDI_OK;
}

static hidi_status judge_samples(hidi_request_row *row, const hidi_samples *samples,
                                 const int32_t *caption, FILE *progress)
{
    hidi_image_source source;
    hidi_captions captions = *samples->captions;
    hidi_samples asked = *samples;
    captions.asked = caption;
    captions.n_asked = samples->count;
    asked.captions = &captions;
    asked.channels = 3;
    HIDI_TRY(hidi_image_source_samples(&source, &asked));
    row->evaluations = source.evaluations;
    const hidi_status status = judge_source(row, &source, caption, progress);
    hidi_image_source_close(&source);
    return status;
}

hidi_status hidi_request_samples(hidi_request_table *table, const hidi_session *session,
                                 const hidi_dataset *data, const hidi_samples *samples,
                                 const char *label, hidi_combinations combinations)
{
    hidi_request_row *row;
    int32_t *caption = malloc((samples->count ? samples->count : 1) * sizeof *caption);
    if (caption == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < samples->count; i++)
        caption[i] = hidi_captions_asked(samples->captions, i);
    if (combinations == HIDI_HELD_OUT)
        hidi_scenes_ask(data, true, samples->count, caption);
    hidi_status status = hidi_request_row_add(table, label, hidi_request_guidance(samples),
                                              combinations, &row);
    if (status == HIDI_OK)
        status = judge_samples(row, samples, caption, session->progress);
    free(caption);
    return hidi_error_prefix(status, "%s", label);
}

/* --- the table -------------------------------------------------------------------------------- */

static const char *const explanation =
    "percent of pictures, with standard errors, that show what their captions ask for, by a judge "
    "that undoes how scenes are drawn: what it says of real pictures is its own accuracy";

static int label_width(const hidi_request_table *t)
{
    int width = 6;
    for (size_t i = 0; i < t->n; i++)
        width = (int)strlen(t->row[i].label) > width ? (int)strlen(t->row[i].label) : width;
    return width;
}

/* "97.3 ±0.4", or "" where nothing was asked for. */
static char *cell_text(char *text, size_t size, const hidi_request_row *row, int part)
{
    const double share = hidi_request_share(&row->counts, (hidi_request_part)part);
    char number[2][HIDI_NUMBER_TEXT];
    text[0] = '\0';
    if (isfinite(share))
        snprintf(text, size, "%s ±%s",
                 hidi_print_double(number[0], sizeof number[0], "%.1f", 100 * share),
                 hidi_print_double(number[1], sizeof number[1], "%.1f",
                                   100 * hidi_request_error(&row->counts,
                                                            (hidi_request_part)part)));
    return text;
}

static char *guidance_text(char *text, size_t size, double guidance, const char *none)
{
    if (isfinite(guidance))
        return hidi_print_double(text, size, "%g", guidance);
    snprintf(text, size, "%s", none);
    return text;
}

void hidi_request_table_print(FILE *out, const hidi_request_table *t)
{
    const int width = label_width(t);
    char text[64];
    fprintf(out, "%-*s %8s %-8s %7s", width, "images", "guidance", "captions", "N");
    for (int part = 0; part < HIDI_REQUEST_PARTS; part++)
        fprintf(out, " %10s", hidi_request_part_name((hidi_request_part)part));
    fputc('\n', out);
    for (size_t i = 0; i < t->n; i++) {
        const hidi_request_row *row = &t->row[i];
        fprintf(out, "%-*s %8s %-8s %7zu", width, row->label,
                guidance_text(text, sizeof text, row->guidance, "-"),
                combinations_name[row->combinations], row->counts.asked[HIDI_REQUEST_ALL]);
        for (int part = 0; part < HIDI_REQUEST_PARTS; part++) {
            cell_text(text, sizeof text, row, part);
            fprintf(out, " %*s", text[0] ? 11 : 10, text[0] ? text : "-"); /* ± is two bytes */
        }
        fputc('\n', out);
    }
    fprintf(out, "%s\n", explanation);
}

/* --- in the report ---------------------------------------------------------------------------- */

static void print_row(FILE *out, const hidi_request_row *row)
{
    char text[64];
    fputs("<tr><td>", out);
    hidi_print_markup(out, row->label);
    fprintf(out, "</td><td data-name=\"captions\">%s</td>", combinations_name[row->combinations]);
    for (int part = 0; part < HIDI_REQUEST_PARTS; part++) {
        cell_text(text, sizeof text, row, part);
        if (text[0])
            fprintf(out, "<td data-name=\"%s\">%s</td>",
                    hidi_request_part_name((hidi_request_part)part), text);
        else
            fputs("<td></td>", out);
    }
    fputs("</tr>\n", out);
}

void hidi_request_table_html(FILE *out, const hidi_request_table *t)
{
    fputs("<h2>What was asked for</h2>\n<table class=\"wide\"><tbody><tr class=\"head\">"
          "<th>images</th><th>captions</th>",
          out);
    for (int part = 0; part < HIDI_REQUEST_PARTS; part++)
        fprintf(out, "<th>%s</th>", hidi_request_part_name((hidi_request_part)part));
    fputs("</tr>\n", out);
    for (size_t i = 0; i < t->n; i++)
        print_row(out, &t->row[i]);
    fprintf(out, "</tbody></table>\n<p class=\"note\">The numbers are %s. Held out: colours and shapes that are "
                 "together in no picture of any split; those of the row “drawn” were drawn for "
                 "this. <a href=\"" HIDI_REQUESTS_FILE "\">" HIDI_REQUESTS_FILE "</a></p>\n",
            explanation);
}

/* --- for programs ----------------------------------------------------------------------------- */

static void write_part(hidi_csv *csv, const hidi_request_row *row, hidi_request_part part)
{
    hidi_csv_quoted(csv, row->label);
    hidi_csv_number(csv, "%g", row->guidance);
    hidi_csv_integer(csv, row->evaluations);
    hidi_csv_text(csv, combinations_name[row->combinations]);
    hidi_csv_text(csv, hidi_request_part_name(part));
    hidi_csv_integer(csv, (long long)row->counts.asked[part]);
    hidi_csv_integer(csv, (long long)row->counts.fulfilled[part]);
    hidi_csv_number(csv, "%.6g", hidi_request_share(&row->counts, part));
    hidi_csv_number(csv, "%.3g", hidi_request_error(&row->counts, part));
    hidi_csv_end_row(csv);
}

hidi_status hidi_request_table_csv(const char *path, const hidi_request_table *t)
{
    hidi_csv csv;
    HIDI_TRY(hidi_csv_create(&csv, path));
    hidi_csv_names(&csv, "images,guidance,evaluations,captions,part,asked,fulfilled,share,error");
    hidi_csv_end_row(&csv);
    for (size_t i = 0; i < t->n; i++)
        for (int part = 0; part < HIDI_REQUEST_PARTS; part++)
            write_part(&csv, &t->row[i], (hidi_request_part)part);
    return hidi_csv_finish(&csv, HIDI_OK);
}
