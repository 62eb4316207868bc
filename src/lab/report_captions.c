/* report_captions.c - pictures are cut out of the grids that the run has drawn, and put beside each
 * other, in their own size: a browser enlarges them as well. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/report_captions.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lab/pictures.h"
#include "lab/report_parts.h"
#include "io/atomic_file.h"
#include "io/markup.h"

hidi_status hidi_print_caption(FILE *out, const hidi_dataset *data, size_t i)
{
    char *text = hidi_captions_text(data->captions, (size_t)hidi_dataset_asked(data, i));
    if (text == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a caption");
    hidi_print_markup(out, text);
    free(text);
    return HIDI_OK;
}

/* --- cards ------------------------------------------------------------------------------------ */

/* A grid, and what stands under a picture of it. */
typedef struct source {
    const char *file, *name;
    bool is_compared; /* in the first row alone */
    hidi_image grid;  /* without pixels: it is not there */
} source;

enum { SOURCES = 5 };

/* How grids are laid out (hidi_image_grid). */
typedef struct layout {
    size_t side, zoom, columns;
} layout;

static layout layout_of(const hidi_report *r)
{
    return (layout){.side = r->data->height,
                    .zoom = (size_t)r->session->settings.eval.zoom,
                    .columns = hidi_picture_columns(r->data->n_classes)};
}

/* Picture i of a grid, as it was before it was enlarged. */
static hidi_status cut(hidi_image *tile, const hidi_image *grid, const layout *l, size_t i)
{
    const size_t gap = (l->zoom + 1) / 2, side = l->side * l->zoom;
    const size_t channels = (size_t)grid->channels;
    hidi_image large;
    HIDI_TRY(hidi_image_cut(&large, grid, gap + i % l->columns * (side + gap),
                            gap + i / l->columns * (side + gap), side, side));
    const hidi_status status = hidi_image_create(tile, l->side, l->side, grid->channels, 0);
    for (size_t row = 0; row < l->side && status == HIDI_OK; row++)
        for (size_t column = 0; column < l->side; column++)
            memcpy(tile->pixel + (row * l->side + column) * channels,
                   large.pixel + (row * side + column) * l->zoom * channels, channels);
    hidi_image_free(&large);
    return status;
}

static hidi_status print_tile(FILE *out, const source *s, const layout *l, size_t i)
{
    hidi_image tile;
    HIDI_TRY(cut(&tile, &s->grid, l, i));
    fputs("<div>", out);
    const hidi_status status = hidi_print_image(out, &tile, NULL, s->name);
    fprintf(out, "<small>%s</small></div>", s->name);
    hidi_image_free(&tile);
    return status;
}

static hidi_status print_card(FILE *out, const hidi_report *r, const source *s, size_t i)
{
    const layout l = layout_of(r);
    fputs("<figure class=\"card\"><div>", out);
    for (int k = 0; k < SOURCES; k++)
        if (s[k].grid.pixel != NULL)
            HIDI_TRY(print_tile(out, &s[k], &l, i));
    fputs("</div><figcaption dir=\"auto\">", out);
    HIDI_TRY(hidi_print_caption(out, r->data, i));
    fputs("</figcaption></figure>\n", out);
    return HIDI_OK;
}

static hidi_status print_cards(FILE *out, const hidi_report *r, size_t first, size_t end)
{
    source s[SOURCES] = {{.file = "real.png", .name = "real"},
                         {.file = "teacher.png", .name = "teacher"},
                         {.file = "teacher-1-step.png", .name = "1 Euler step",
                          .is_compared = true},
                         {.file = "stage1.png", .name = "stage 1"},
                         {.file = "stage2.png", .name = "stage 2"}};
    char path[HIDI_PATH];
    hidi_status status = HIDI_OK;
    for (int k = 0; k < SOURCES && status == HIDI_OK; k++)
        if ((first == 0 || !s[k].is_compared) &&
            access(hidi_path(path, sizeof path, r->dir, s[k].file), F_OK) == 0)
            status = hidi_png_read(&s[k].grid, path, 0);
    fputs("<div class=\"cards\">\n", out);
    for (size_t i = first; i < end && status == HIDI_OK; i++)
        status = print_card(out, r, s, i);
    fputs("</div>\n", out);
    for (int k = 0; k < SOURCES; k++)
        hidi_image_free(&s[k].grid);
    return status;
}

hidi_status hidi_print_compared(FILE *out, const hidi_report *r)
{
    fputs("<p class=\"note\">Each caption stands below its pictures: a real image that it "
          "describes; then samples of it, all from the same noise: the teacher's, the teacher's "
          "in one Euler step, stage 1's in one step, stage 2's in one step.</p>\n",
          out);
    return print_cards(out, r, 0, layout_of(r).columns);
}

hidi_status hidi_print_others(FILE *out, const hidi_report *r)
{
    const size_t columns = layout_of(r).columns;
    return print_cards(out, r, columns, columns * (size_t)r->session->settings.eval.grid_rows);
}

/* --- lists ------------------------------------------------------------------------------------ */

hidi_status hidi_print_asked(FILE *out, const hidi_dataset *data, size_t n)
{
    if (data->captions == NULL)
        return HIDI_OK;
    fputs("<details open><summary>Their captions, row by row</summary><ol class=\"asked\">\n", out);
    for (size_t i = 0; i < n; i++) {
        fputs("<li dir=\"auto\">", out);
        HIDI_TRY(hidi_print_caption(out, data, i));
        fputs("</li>\n", out);
    }
    fputs("</ol></details>\n", out);
    return HIDI_OK;
}
