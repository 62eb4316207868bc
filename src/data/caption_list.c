/* caption_list.c - captions beside pictures are found, checked, and turned into numbers of
 * words. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "data/caption_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/array.h"
#include "data/embeddings.h"
#include "data/readers.h"
#include "data/words.h"
#include "io/csv.h"
#include "io/json_file.h"

/* --- where they are --------------------------------------------------------------------------- */

/* Captions found, by number of picture. */
typedef struct finding {
    const char *file;
    const hidi_name_list *names;
    char **text; /* [names->n]; NULL: none yet */
} finding;

static hidi_status no_memory(const char *path)
{
    return hidi_error(HIDI_NO_MEMORY, "%s: out of memory for captions", path);
}

/* For hidi_json_lines_texts, and rows of a table. */
static hidi_status take(void *context, const char *name, const char *text)
{
    finding *f = context;
    size_t low = 0, high = f->names->n; /* names are in order */
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(f->names->name[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == f->names->n || strcmp(f->names->name[low], name) != 0)
        return hidi_error(HIDI_BAD_FORMAT, "a caption of %.200s, which is not there", name);
    if (f->text[low] != NULL)
        return hidi_error(HIDI_BAD_FORMAT, "two captions of %.200s", name);
    f->text[low] = strdup(text);
    return f->text[low] != NULL ? HIDI_OK : no_memory(f->file);
}

/* Where the two columns are. */
typedef struct columns {
    long name, text, n;
} columns;

static hidi_status read_header(hidi_csv_reader *r, columns *c)
{
    *c = (columns){-1, -1, 0};
    (void)hidi_csv_next_row(r);
    for (const char *cell; (cell = hidi_csv_next_cell(r)) != NULL; c->n++) {
        c->name = strcmp(cell, "file_name") == 0 ? c->n : c->name;
        c->text = strcmp(cell, "text") == 0 ? c->n : c->text;
    }
    return c->name >= 0 && c->text >= 0
               ? HIDI_OK
               : hidi_error(HIDI_BAD_FORMAT, "no columns file_name and text");
}

static hidi_status read_table(finding *f, char *text)
{
    hidi_csv_reader r = hidi_csv_begin(text);
    columns c;
    HIDI_TRY(read_header(&r, &c));
    for (long row = 2; hidi_csv_next_row(&r); row++) {
        const char *name = NULL, *caption = NULL;
        long n = 0;
        for (const char *cell; (cell = hidi_csv_next_cell(&r)) != NULL; n++) {
            name = n == c.name ? cell : name;
            caption = n == c.text ? cell : caption;
        }
        if (r.unclosed)
            return hidi_error(HIDI_BAD_FORMAT, "row %ld, from line %ld on: a quote that does not "
                                               "end", row, r.line);
        if (n != c.n)
            return hidi_error(HIDI_BAD_FORMAT, "row %ld has %ld cells, expected %ld", row, n, c.n);
        HIDI_TRY(take(f, name, caption));
    }
    return HIDI_OK;
}

static hidi_status find_in_table(finding *f)
{
    char *text;
    HIDI_TRY(hidi_csv_text_of(f->file, &text));
    const hidi_status status = hidi_error_prefix(read_table(f, text), "%s", f->file);
    free(text);
    return status;
}

/* A text without a picture. */
static hidi_status check_texts(const hidi_name_list *names, const char *folder)
{
    hidi_name_list texts;
    hidi_status status = hidi_list_folder(&texts, folder, HIDI_LIST_TEXTS);
    for (size_t i = 0; i < texts.n && status == HIDI_OK; i++) {
        const size_t base = strlen(texts.name[i]) - strlen("txt"); /* with the dot */
        bool found = false;
        for (size_t k = 0; k < names->n && !found; k++)
            found = strncmp(names->name[k], texts.name[i], base) == 0 &&
                    strchr(names->name[k] + base, '.') == NULL;
        if (!found)
            status = hidi_error(HIDI_BAD_FORMAT, "%s/%s: a caption of no picture", folder,
                                texts.name[i]);
    }
    hidi_name_list_free(&texts);
    return status;
}

/* NAME.txt in the place of NAME.png */
static hidi_status find_beside(finding *f, const char *folder)
{
    for (size_t i = 0; i < f->names->n; i++) {
        char *path = hidi_path_join(folder, f->names->name[i]);
        char *longer = path != NULL ? realloc(path, strlen(path) + 5) : NULL;
        if (longer == NULL) {
            free(path);
            return no_memory(folder);
        }
        char *dot = strrchr(longer, '.');
        strcpy(dot != NULL ? dot : longer + strlen(longer), ".txt");
        const hidi_status status =
            access(longer, F_OK) != 0 ? HIDI_OK : hidi_csv_text_of(longer, &f->text[i]);
        free(longer);
        HIDI_TRY(status);
    }
    return check_texts(f->names, folder);
}

static hidi_status find(finding *f, const char *folder)
{
    char *lines = hidi_path_join(folder, "metadata.jsonl");
    char *table = hidi_path_join(folder, "metadata.csv");
    hidi_status status = lines == NULL || table == NULL ? no_memory(folder) : HIDI_OK;
    if (status == HIDI_OK && access(lines, F_OK) == 0) {
        f->file = lines;
        status = hidi_json_lines_texts(lines, "file_name", "text", take, f);
    } else if (status == HIDI_OK && access(table, F_OK) == 0) {
        f->file = table;
        status = find_in_table(f);
    } else if (status == HIDI_OK) {
        status = find_beside(f, folder);
    }
    f->file = NULL;
    free(lines);
    free(table);
    return status;
}

hidi_status hidi_captions_of_pictures(hidi_name_list *text, const char *path,
                                      const hidi_name_list *names)
{
    finding f = {.names = names, .text = calloc(names->n + 1, sizeof *f.text)};
    *text = (hidi_name_list){.name = f.text, .n = names->n};
    if (f.text == NULL) {
        text->n = 0;
        return no_memory(path);
    }
    HIDI_TRY(find(&f, path));
    for (size_t i = 0; i < names->n; i++)
        if (f.text[i] == NULL)
            return hidi_error(HIDI_BAD_FORMAT, "%s/%s has no caption", path, names->name[i]);
    return HIDI_OK;
}

/* --- as numbers ------------------------------------------------------------------------------- */

enum { CLASS_WORDS = 20 };

/* What a data set owns. */
struct hidi_caption_list {
    hidi_captions captions;
    hidi_word_counts counts;
    hidi_embeddings embeddings; /* their file, where they are that */
    int32_t *length, *token, *class_of, *asked;
    char **text; /* [captions.n] */
};

void hidi_caption_list_free(hidi_caption_list *list)
{
    if (list == NULL)
        return;
    hidi_word_counts_free(&list->counts);
    hidi_embeddings_close(&list->embeddings);
    free(list->length);
    free(list->token);
    free(list->class_of);
    free(list->asked);
    for (size_t i = 0; list->text != NULL && i < list->captions.n; i++)
        free(list->text[i]);
    free(list->text);
    free(list);
}

/* Tokens of all captions, for the most words that one of them has. */
static hidi_status number_words(hidi_caption_list *list, const hidi_name_list *text)
{
    hidi_captions *c = &list->captions;
    c->words = list->counts.vocabulary;
    list->token = calloc(c->n * c->most, sizeof *list->token);
    list->class_of = calloc(c->n, sizeof *list->class_of);
    if (list->token == NULL || list->class_of == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for captions");
    for (size_t i = 0; i < c->n; i++)
        HIDI_TRY(hidi_words_read(c->words, text->name[i], c->most, list->token + i * c->most,
                                 &list->length[i], NULL));
    c->token = list->token;
    c->length = list->length;
    return HIDI_OK;
}

/* Classes: 0 for none of the class words, k + 1 for the k-th. */
static hidi_status make_classes(hidi_dataset *data, hidi_caption_list *list)
{
    const hidi_word_counts *counts = &list->counts;
    hidi_captions *c = &list->captions;
    char name[CLASS_WORDS + 1][48] = {"other"};
    const char *names[CLASS_WORDS + 1] = {name[0]};
    int32_t word[CLASS_WORDS];
    size_t n = 0;
    const char *at = counts->vocabulary;
    for (size_t k = 0; k < counts->n && n < CLASS_WORDS; k++) { /* most frequent first */
        const size_t length = strcspn(at, " ");
        if (2 * counts->captions[k] <= c->n) {
            snprintf(name[n + 1], sizeof name[0], "%.*s", (int)length, at);
            names[n + 1] = name[n + 1];
            word[n++] = (int32_t)(HIDI_FIRST_WORD + k);
        }
        at += length + (at[length] == ' ');
    }
    for (size_t i = 0; i < c->n; i++)
        for (int32_t k = 0; k < list->length[i] && list->class_of[i] == 0; k++)
            for (size_t m = 0; m < n; m++)
                if (list->token[i * c->most + (size_t)k] == word[m])
                    list->class_of[i] = (int32_t)(m + 1);
    c->class_of = list->class_of;
    return hidi_dataset_set_classes(data, names, n + 1);
}

/* An empty one, which belongs to data. */
static hidi_status make_list(hidi_dataset *data, const char *path, hidi_caption_list **made)
{
    hidi_caption_list *list = calloc(1, sizeof *list);
    if (list == NULL)
        return no_memory(path);
    hidi_tensor_file_init(&list->embeddings.file);
    data->caption_list = list;
    data->captions = &list->captions;
    *made = list;
    return HIDI_OK;
}

/* Copies of these texts, one for each caption. */
static hidi_status keep_text(hidi_caption_list *list, const char *path, const hidi_name_list *text)
{
    list->text = calloc(text->n + 1, sizeof *list->text);
    if (list->text == NULL)
        return no_memory(path);
    for (size_t i = 0; i < text->n; i++)
        if ((list->text[i] = strdup(text->name[i])) == NULL)
            return no_memory(path);
    list->captions.text = (const char *const *)list->text;
    return HIDI_OK;
}

hidi_status hidi_captions_attach(hidi_dataset *data, const char *path, const hidi_name_list *names,
                                 const hidi_name_list *text)
{
    hidi_caption_list *list = NULL;
    HIDI_TRY(make_list(data, path, &list));
    list->captions.n = text->n;
    HIDI_TRY(keep_text(list, path, text));
    list->length = calloc(text->n + 1, sizeof *list->length);
    if (list->length == NULL)
        return no_memory(path);
    for (size_t i = 0; i < text->n; i++) {
        int32_t token[HIDI_MOST_CAPTION_WORDS];
        HIDI_TRY(hidi_error_prefix(hidi_words_read("", text->name[i], HIDI_MOST_CAPTION_WORDS,
                                                   token, &list->length[i], NULL),
                                   "%s/%s", path, names->name[i]));
        if ((size_t)list->length[i] > list->captions.most)
            list->captions.most = (size_t)list->length[i];
    }
    HIDI_TRY(hidi_words_count(&list->counts, (const char *const *)text->name, text->n));
    HIDI_TRY(number_words(list, text));
    return make_classes(data, list);
}

hidi_status hidi_captions_ask(hidi_dataset *data, const int32_t *caption, size_t n)
{
    hidi_caption_list *list = data->caption_list;
    int32_t *asked = malloc((n + 1) * sizeof *asked);
    if (asked == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for captions");
    memcpy(asked, caption, n * sizeof *asked);
    free(list->asked);
    list->asked = asked;
    list->captions.asked = asked;
    list->captions.n_asked = n;
    return HIDI_OK;
}

/* --- as embeddings ---------------------------------------------------------------------------- */

/* Whoever wrote the file may have said which pictures it is of. */
static hidi_status check_names(const hidi_tensor_file *file, const hidi_name_list *names)
{
    const char *name = hidi_tensor_file_meta(file, "file_names");
    for (size_t i = 0; name != NULL && i < names->n; i++) {
        const size_t length = strcspn(name, "\n");
        if (strlen(names->name[i]) != length || strncmp(name, names->name[i], length) != 0)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: row %zu is of \"%.*s\" (file_names), and picture %zu is %s: "
                              "hidi data --list has their order",
                              file->path, i, length < 200 ? (int)length : 200, name, i,
                              names->name[i]);
        name += length + (name[length] == '\n');
    }
    return HIDI_OK;
}

static hidi_status check_rows(const hidi_embeddings *e, const char *path,
                              const hidi_name_list *names)
{
    const hidi_captions *c = &e->captions;
    if (c->n != names->n)
        return hidi_error(HIDI_BAD_FORMAT, "%s has captions of %zu pictures, and %s has %zu: hidi "
                                           "data --list prints them in order",
                          e->file.path, c->n, path, names->n);
    for (size_t i = 0; i < c->n; i++)
        if (c->length[i] == 0)
            return hidi_error(HIDI_BAD_FORMAT, "%s: mask, row %zu: no token counts, so that %s "
                                               "has no caption",
                              e->file.path, i, names->name[i]);
    return check_names(&e->file, names);
}

static hidi_status name_clusters(hidi_dataset *data, size_t n)
{
    char name[CLASS_WORDS][48];
    const char *names[CLASS_WORDS];
    for (size_t k = 0; k < n; k++) {
        snprintf(name[k], sizeof name[0], "cluster %zu", k);
        names[k] = name[k];
    }
    return hidi_dataset_set_classes(data, names, n);
}

hidi_status hidi_captions_attach_file(hidi_dataset *data, const char *file, const char *path,
                                      const hidi_name_list *names)
{
    hidi_caption_list *list = NULL;
    size_t n_classes;
    HIDI_TRY(make_list(data, path, &list));
    HIDI_TRY(hidi_embeddings_open(&list->embeddings, file));
    HIDI_TRY(check_rows(&list->embeddings, path, names));
    list->captions = list->embeddings.captions;
    HIDI_TRY(keep_text(list, path, names));
    list->class_of = calloc(names->n, sizeof *list->class_of);
    if (list->class_of == NULL)
        return no_memory(path);
    HIDI_TRY(hidi_captions_cluster(&list->captions, CLASS_WORDS, list->class_of, &n_classes));
    list->captions.class_of = list->class_of;
    return name_clusters(data, n_classes);
}
