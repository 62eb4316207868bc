/* torch_parts.c - a walk through the dicts and lists of a checkpoint: nested keys joined by dots
 * are a tensor's name, and the only part with tensors is chosen without being named. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "io/torch_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"
#include "io/number.h"

#define DEEPEST 64          /* dicts in dicts                                                  */
#define MOST_VISITS 1000000 /* values looked at: a dict may hold another twice, that one ...   */
#define MOST_TEXT ((size_t)128 << 20) /* bytes of names and texts, which may be there many times */
#define MOST_METADATA 10000 /* as in safetensors.c                                             */
#define LONGEST_NAME 1024

/* --- what the values are ---------------------------------------------------------------------- */

static bool is_collection(const hidi_value *value)
{
    return value->kind == HIDI_VALUE_DICT || value->kind == HIDI_VALUE_LIST ||
           value->kind == HIDI_VALUE_TUPLE;
}

static size_t children(const hidi_value *value)
{
    return value->kind == HIDI_VALUE_DICT ? value->n / 2 : value->n;
}

static const hidi_value *child(const hidi_value *value, size_t i)
{
    return value->item[value->kind == HIDI_VALUE_DICT ? 2 * i + 1 : i];
}

/* The key of child i as text: a dict's own, text or a number; otherwise its position.  NULL: it is
 * something else. `number` is for numbers. */
static const char *child_name(const hidi_value *value, size_t i, char *number, size_t size)
{
    const hidi_value *key = value->kind == HIDI_VALUE_DICT ? value->item[2 * i] : NULL;

    if (key == NULL)
        snprintf(number, size, "%zu", i);
    else if (key->kind == HIDI_VALUE_TEXT)
        return strlen(key->text) == key->n ? key->text : NULL;
    else if (key->kind == HIDI_VALUE_INT)
        snprintf(number, size, "%lld", (long long)key->integer);
    else
        return NULL;
    return number;
}

/* What an object is, for messages. */
static const char *class_of(const hidi_value *value)
{
    static const char *const names[] = {
        "None", "a truth value", "a number", "a number of more than 64 bits", "a number", "text",
        "a tuple", "a list", "a dict", "", "", "a storage", "a tensor"
    };

    return value->kind == HIDI_VALUE_GLOBAL || value->kind == HIDI_VALUE_OPAQUE
               ? value->text
               : names[value->kind];
}

/* --- choosing --------------------------------------------------------------------------------- */

typedef struct search {
    const char *path;
    size_t visits;
} search;

/* Is there a tensor in it?  Values beyond the limits are not looked at: hidi_torch_list_part
 * reports them. */
static bool has_tensors(search *s, const hidi_value *value, int depth)
{
    if (value->kind == HIDI_VALUE_TENSOR)
        return true;
    if (!is_collection(value) || depth == DEEPEST)
        return false;
    for (size_t i = 0; i < children(value) && s->visits < MOST_VISITS; i++, s->visits++)
        if (has_tensors(s, child(value, i), depth + 1))
            return true;
    return false;
}

/* Does it have a tensor of its own, of this rank or above? */
static bool holds_a_tensor(const hidi_value *value, int rank)
{
    for (size_t i = 0; i < children(value); i++)
        if (child(value, i)->kind == HIDI_VALUE_TENSOR && child(value, i)->tensor->rank >= rank)
            return true;
    return false;
}

static hidi_status several(search *s, const hidi_value *value)
{
    char names[512] = "", number[32];
    size_t used = 0;

    for (size_t i = 0; i < children(value); i++) {
        const char *name = child_name(value, i, number, sizeof number);

        if (name != NULL && used < sizeof names - 64 && is_collection(child(value, i)) &&
            has_tensors(s, child(value, i), 0))
            used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%.40s\"",
                                     used == 0 ? "" : ", ", name);
    }
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "%s: several parts have tensors (%s); choose one of them as the key", s->path,
                      names);
}

/* Names the first object that may be hiding some. */
static hidi_status no_tensors(search *s, const hidi_value *value)
{
    char number[32];

    for (size_t i = 0; i < children(value); i++) {
        const char *name = child_name(value, i, number, sizeof number);

        if (name != NULL && child(value, i)->kind == HIDI_VALUE_OPAQUE)
            return hidi_error(HIDI_UNSUPPORTED,
                              "%s: there are no tensors in it; \"%s\" is %s (state_dict() of a "
                              "model gives tensors)",
                              s->path, name, class_of(child(value, i)));
    }
    return hidi_error(HIDI_BAD_FORMAT, "%s: there are no tensors in it", s->path);
}

/* Without a key: down through collections that hold no tensor, as long as only one child has any.
 * Scalars (a best accuracy beside the state dict) do not count where there is such a child. */
static hidi_status choose_itself(search *s, const hidi_value *root, const hidi_value **part)
{
    *part = root;
    for (int depth = 0; is_collection(*part) && !holds_a_tensor(*part, 1); depth++) {
        const hidi_value *only = NULL;

        for (size_t i = 0; i < children(*part); i++) {
            if (!is_collection(child(*part, i)) || !has_tensors(s, child(*part, i), 0))
                continue;
            if (only != NULL)
                return several(s, *part);
            only = child(*part, i);
        }
        if (only == NULL && holds_a_tensor(*part, 0))
            return HIDI_OK;
        if (only == NULL || depth == DEEPEST)
            return no_tensors(s, *part);
        *part = only;
    }
    return HIDI_OK;
}

/* The child whose name is `key`, or is its beginning up to a dot: then *rest is what follows. */
static const hidi_value *find_child(const hidi_value *value, const char *key, const char **rest)
{
    const hidi_value *found = NULL;
    char number[32];

    for (size_t i = 0; i < children(value); i++) {
        const char *name = child_name(value, i, number, sizeof number);
        const size_t length = name == NULL ? 0 : strlen(name);

        if (name == NULL || strncmp(name, key, length) != 0)
            continue;
        if (key[length] == '\0') {
            *rest = NULL;
            return child(value, i);
        }
        if (key[length] == '.' && is_collection(child(value, i))) {
            *rest = key + length + 1;
            found = child(value, i);
        }
    }
    return found;
}

static hidi_status no_such_part(const char *path, const hidi_value *value, const char *key)
{
    char names[512] = "", number[32];
    size_t used = 0;

    for (size_t i = 0; i < children(value) && used < sizeof names - 80; i++) {
        const char *name = child_name(value, i, number, sizeof number);

        if (name != NULL)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s\"%.40s\"",
                                     used == 0 ? "" : ", ", i < 8 ? name : "...");
        if (i == 8)
            break;
    }
    return hidi_error(HIDI_BAD_ARGUMENT, "%s: no \"%s\"; there are %s", path, key,
                      used == 0 ? "no parts" : names);
}

/* Does a child's name begin with "key."?  So it is in a flat dict of a wrapped model. */
static bool is_prefix(const hidi_value *value, const char *key)
{
    const size_t length = strlen(key);
    char number[32];

    for (size_t i = 0; i < children(value); i++) {
        const char *name = child_name(value, i, number, sizeof number);

        if (name != NULL && strncmp(name, key, length) == 0 && name[length] == '.')
            return true;
    }
    return false;
}

/* Follows `key` from `value`: *part is where it leads to, and *left what of it is not found there
 * (NULL: it leads to the end), or is a prefix of the names there (then *prefix is this, too). */
static void follow(const hidi_value *value, const char *key, const hidi_value **part,
                   const char **left, const char **prefix)
{
    *part = value;
    *prefix = NULL;
    for (*left = key; *left != NULL && **left != '\0';) {
        const char *rest = NULL;
        const hidi_value *found = is_collection(*part) ? find_child(*part, *left, &rest) : NULL;

        if (found == NULL) {
            if (is_collection(*part) && is_prefix(*part, *left))
                *prefix = *left;
            return;
        }
        *part = found;
        *left = rest;
    }
    *left = NULL;
}

hidi_status hidi_torch_choose(const hidi_value *root, const char *key, const char *path,
                              const hidi_value **part, const char **prefix)
{
    search s = { path, 0 };
    const char *left;

    follow(root, key, part, &left, prefix);
    if (key == NULL)
        HIDI_TRY(choose_itself(&s, root, part));
    if (left == key && key != NULL && *prefix == NULL) { /* perhaps in the only part with tensors */
        const hidi_value *itself;

        if (is_collection(root) && choose_itself(&s, root, &itself) == HIDI_OK && itself != root) {
            follow(itself, key, part, &left, prefix);
            if (left != NULL && *prefix == NULL)
                *part = root;
        }
    }
    if (left != NULL && *prefix == NULL)
        return is_collection(*part) ? no_such_part(path, *part, left)
                                    : hidi_error(HIDI_BAD_ARGUMENT, "%s: no \"%s\" in %s", path,
                                                 left, class_of(*part));
    if (!is_collection(*part) && (*part)->kind != HIDI_VALUE_TENSOR)
        return hidi_error(HIDI_UNSUPPORTED,
                          "%s: %s%s%s is %s: neither tensors nor a dict of them (state_dict() of a "
                          "model gives one)",
                          path, key == NULL || *key == '\0' ? "what was saved" : "\"",
                          key == NULL ? "" : key, key == NULL || *key == '\0' ? "" : "\"",
                          class_of(*part));
    return HIDI_OK;
}

/* --- listing ---------------------------------------------------------------------------------- */

typedef struct walk {
    hidi_torch_views *list;
    hidi_tensor_file *file;
    const char *prefix; /* only names that begin with it and a dot, and without these; NULL: all */
    size_t visits, text;
    char name[LONGEST_NAME];
} walk;

/* The name of the value that the walk is at; NULL: it has not the prefix that is wanted. */
static const char *current_name(const walk *w)
{
    const size_t length = w->prefix == NULL ? 0 : strlen(w->prefix);

    if (w->prefix == NULL)
        return w->name;
    return strncmp(w->name, w->prefix, length) == 0 && w->name[length] == '.' ? w->name + length + 1
                                                                           : NULL;
}

static hidi_status count_text(walk *w, size_t bytes)
{
    w->text += bytes;
    return w->text <= MOST_TEXT ? HIDI_OK
                                : hidi_error(HIDI_UNSUPPORTED,
                                             "%s: names and texts of more than %zu bytes",
                                             w->file->path, MOST_TEXT);
}

static hidi_status add_tensor(walk *w, const hidi_stored_view *view)
{
    const char *name = current_name(w);
    if (name == NULL)
        return HIDI_OK;
    const bool room = hidi_array_room(&w->list->item, w->list->n, NULL, sizeof *w->list->item);
    char *copy = strdup(name[0] == '\0' ? "tensor" : name);
    if (!room || copy == NULL) {
        free(copy);
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", w->file->path);
    }
    w->list->item[w->list->n++] = (hidi_named_view){ copy, view };
    return HIDI_OK;
}

/* Plain values become metadata, others are noted down. */
static hidi_status add_other(walk *w, const hidi_value *value)
{
    char number[HIDI_NUMBER_TEXT];
    const char *text = number, *name = current_name(w);

    if (name == NULL)
        return HIDI_OK;
    if (value->kind == HIDI_VALUE_NONE)
        text = "None";
    else if (value->kind == HIDI_VALUE_BOOL)
        text = value->integer ? "True" : "False";
    else if (value->kind == HIDI_VALUE_INT)
        snprintf(number, sizeof number, "%lld", (long long)value->integer);
    else if (value->kind == HIDI_VALUE_FLOAT)
        hidi_format_double(number, value->real);
    else if (value->kind == HIDI_VALUE_TEXT && strlen(value->text) == value->n)
        text = value->text;
    else {
        HIDI_TRY(count_text(w, strlen(class_of(value))));
        return hidi_tensor_file_add_unread(w->file, name, class_of(value));
    }
    HIDI_TRY(count_text(w, strlen(text)));
    if (w->file->n_keys == MOST_METADATA)
        return hidi_error(HIDI_UNSUPPORTED, "%s: \"%s\": more than %d numbers and texts",
                          w->file->path, name, MOST_METADATA);
    return hidi_tensor_file_add_meta(w->file, name, text);
}

static hidi_status visit(walk *w, const hidi_value *value, size_t length, int depth);

static hidi_status visit_children(walk *w, const hidi_value *value, size_t length, int depth)
{
    char number[32];

    if (depth == DEEPEST)
        return hidi_error(HIDI_UNSUPPORTED, "%s: dicts and lists nested more than %d deep",
                          w->file->path, DEEPEST);
    for (size_t i = 0; i < children(value); i++) {
        const char *name = child_name(value, i, number, sizeof number);
        const size_t left = sizeof w->name - length;

        if (w->visits++ == MOST_VISITS)
            return hidi_error(HIDI_UNSUPPORTED, "%s: more than %d values", w->file->path,
                              MOST_VISITS);
        if (name == NULL)
            name = "(a key that is not text)";
        const int used = snprintf(w->name + length, left, "%s%s", length == 0 ? "" : ".", name);
        if (used < 0 || (size_t)used >= left)
            return hidi_error(HIDI_UNSUPPORTED, "%s: a name of more than %d characters: %.60s...",
                              w->file->path, LONGEST_NAME - 1, w->name);
        HIDI_TRY(count_text(w, length + (size_t)used));
        HIDI_TRY(visit(w, child(value, i), length + (size_t)used, depth + 1));
        w->name[length] = '\0';
    }
    return HIDI_OK;
}

static hidi_status visit(walk *w, const hidi_value *value, size_t length, int depth)
{
    if (value->kind == HIDI_VALUE_TENSOR)
        return add_tensor(w, value->tensor);
    return is_collection(value) ? visit_children(w, value, length, depth) : add_other(w, value);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* "a.b" may be a key, or "b" in "a". */
static hidi_status check_names(const hidi_torch_views *list, const char *path)
{
    char **names = malloc((list->n + 1) * sizeof *names);
    hidi_status status = HIDI_OK;

    if (names == NULL)
        return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
    for (size_t i = 0; i < list->n; i++)
        names[i] = list->item[i].name;
    qsort(names, list->n, sizeof *names, by_name);
    for (size_t i = 1; i < list->n && status == HIDI_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = hidi_error(HIDI_BAD_FORMAT, "%s: tensor \"%s\" is there twice", path,
                                names[i]);
    free(names);
    return status;
}

hidi_status hidi_torch_list_part(hidi_torch_views *list, const hidi_value *part, const char *prefix,
                                 hidi_tensor_file *file)
{
    walk w = { .list = list, .file = file, .prefix = prefix };

    memset(list, 0, sizeof *list);
    hidi_status status = visit(&w, part, 0, 0);
    if (status == HIDI_BAD_ARGUMENT) /* metadata that is there twice */
        status = hidi_error_prefix(HIDI_BAD_FORMAT, "%s", file->path);
    return status == HIDI_OK ? check_names(list, file->path) : status;
}

void hidi_torch_views_free(hidi_torch_views *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->item[i].name);
    free(list->item);
    memset(list, 0, sizeof *list);
}
