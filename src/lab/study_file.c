/* study_file.c - reads a study's file: [study], then [all], which variants start from, then each
 * [variant]. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/study.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/array.h"
#include "io/choice.h"
#include "io/number.h"
#include "lab/settings_check.h"

/* Where in the file; in the order of the sections. */
enum { NOWHERE, IN_STUDY, IN_ALL, IN_VARIANT };

/* The file as it is read. */
typedef struct reader {
    hidi_study *study;
    const hidi_session *session;
    int place;
} reader;

/* --- values ----------------------------------------------------------------------------------- */

/* Whole numbers from least to most, separated by blanks. */
static hidi_status read_numbers(const char *key, const char *text, long least, long most,
                                long *list, int room, int *n)
{
    char copy[HIDI_CONFIG_TEXT];
    if (strlen(text) >= sizeof copy)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: too long", key);
    strcpy(copy, text);
    *n = 0;
    for (char *word = strtok(copy, " \t"); word != NULL; word = strtok(NULL, " \t")) {
        if (*n == room)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s: more than %d numbers", key, room);
        if (!hidi_parse_long(word, &list[*n]) || list[*n] < least || list[*n] > most)
            return hidi_error(HIDI_BAD_ARGUMENT,
                              "%s: expected whole numbers from %ld to %ld, found \"%s\"", key,
                              least, most, word);
        (*n)++;
    }
    if (*n == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: no number given", key);
    return HIDI_OK;
}

static hidi_status read_number(const char *key, const char *text, long least, long most,
                               long *value)
{
    int n;
    return read_numbers(key, text, least, most, value, 1, &n);
}

static hidi_status read_word(const char *key, const char *text, const char *words, int *value)
{
    if (hidi_choice_find(words, text, value))
        return HIDI_OK;
    return hidi_error(HIDI_BAD_ARGUMENT, "%s: expected one of \"%s\", found \"%s\"", key, words,
                      text);
}

static hidi_status read_text(const char *key, const char *text, char *value)
{
    if (strlen(text) >= HIDI_CONFIG_TEXT)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: too long", key);
    strcpy(value, text);
    return HIDI_OK;
}

/* --- sections --------------------------------------------------------------------------------- */

/* Names stand in CSV files, in Markdown tables and, shortened, in file names. */
static hidi_status check_name(const hidi_study *study, const char *name)
{
    if (name[0] == '\0' || strlen(name) >= HIDI_STUDY_NAME)
        return hidi_error(HIDI_BAD_ARGUMENT, "[variant NAME]: a name has 1 to %d characters",
                          HIDI_STUDY_NAME - 1);
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr(" .+-_=%()/", *c) == NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "[variant %s]: '%c' cannot be in a name", name,
                              *c);
    for (int i = 0; i < study->n; i++)
        if (strcmp(study->variant[i].name, name) == 0)
            return hidi_error(HIDI_BAD_ARGUMENT, "[variant %s] appears twice", name);
    return HIDI_OK;
}

static hidi_status apply_sets(reader *r)
{
    for (int i = 0; i < r->session->n_sets; i++)
        HIDI_TRY(hidi_error_prefix(hidi_config_set(hidi_settings_table, &r->study->all.settings,
                                                   r->session->set[i]),
                                   "--set"));
    return HIDI_OK;
}

static hidi_status check_variant(const hidi_variant *v)
{
    const hidi_settings *s = &v->settings;
    const long from = s->td.train.steps * v->start / 100;
    if (v->net < 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "[variant %s]: net = %s is missing", v->name,
                          HIDI_STUDY_NETS);
    if (v->start > 0 && v->start < 100 &&
        (s->td.snapshot_every == 0 || from * 100 != s->td.train.steps * v->start ||
         from % s->td.snapshot_every != 0))
        return hidi_error(HIDI_BAD_ARGUMENT, "[variant %s]: start = %ld %% of td.steps = %ld is not "
                                             "a multiple of td.snapshot_every = %ld",
                          v->name, v->start, s->td.train.steps, s->td.snapshot_every);
    if (v->snapshots &&
        (v->net < HIDI_NET_STAGE1 || (v->net == HIDI_NET_STAGE1 && s->td.snapshot_every == 0) ||
         (v->net == HIDI_NET_STAGE2 && s->dm.snapshot_every == 0)))
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "[variant %s]: snapshots = yes needs snapshot_every of its stage",
                          v->name);
    static const char *const trained[] = {[HIDI_NET_REAL] = "features teacher",
                                          [HIDI_NET_TEACHER] = "features teacher",
                                          [HIDI_NET_STAGE1] = "features teacher td",
                                          [HIDI_NET_STAGE2] = "features teacher td dm"};
    return hidi_error_prefix(hidi_settings_check(s, trained[v->net]), "[variant %s]", v->name);
}

static hidi_status begin_variant(reader *r, const char *name)
{
    hidi_study *study = r->study;
    if (study->preset[0] == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT, "a variant before [study] with preset = NAME");
    HIDI_TRY(check_name(study, name));
    if (r->place != IN_VARIANT)
        HIDI_TRY(apply_sets(r));
    if (study->n > 0)
        HIDI_TRY(check_variant(&study->variant[study->n - 1]));
    if (!hidi_array_room(&study->variant, (size_t)study->n, NULL, sizeof *study->variant))
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    hidi_variant *v = &study->variant[study->n++];
    *v = study->all;
    snprintf(v->name, sizeof v->name, "%s", name);
    r->place = IN_VARIANT;
    return HIDI_OK;
}

static hidi_status begin_section(reader *r, const char *section)
{
    static const char variant[] = "variant ";
    if (strncmp(section, variant, strlen(variant)) == 0)
        return begin_variant(r, section + strlen(variant) + strspn(section + strlen(variant), " "));
    const int place = strcmp(section, "study") == 0 ? IN_STUDY : IN_ALL;
    if (place == IN_ALL && strcmp(section, "all") != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "[%s]: expected [study], [all] or [variant NAME]",
                          section);
    if (r->place >= place)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "[%s]: the order is [study], [all], [variant NAME] ...", section);
    if (place == IN_ALL && r->place != IN_STUDY)
        return hidi_error(HIDI_BAD_ARGUMENT, "[all] before [study]");
    r->place = place;
    return HIDI_OK;
}

/* --- keys ------------------------------------------------------------------------------------- */

static hidi_status read_preset(hidi_study *study, const char *name)
{
    HIDI_TRY(read_text("preset", name, study->preset));
    HIDI_TRY(hidi_read_preset(name, &study->all.settings));
    study->all.settings.run.threads = 1;
    return HIDI_OK;
}

static hidi_status take_study(hidi_study *study, const char *name, const char *value)
{
    if (strcmp(name, "preset") == 0)
        return read_preset(study, value);
    if (strcmp(name, "title") == 0)
        return read_text(name, value, study->title);
    if (strcmp(name, "seeds") == 0)
        return read_numbers(name, value, 0, 1000000000, study->seed, HIDI_STUDY_SEEDS,
                            &study->n_seeds);
    if (strcmp(name, "defects") == 0)
        return read_number(name, value, 0, 1000000, &study->defects);
    if (strcmp(name, "columns") == 0)
        return read_number(name, value, 1, 100, &study->columns);
    return hidi_error(HIDI_BAD_ARGUMENT,
                      "[study] has no \"%s\"; it has preset, title, seeds, defects and columns",
                      name);
}

static hidi_status take_setting(hidi_variant *v, const char *name, const char *value)
{
    char text[2 * HIDI_CONFIG_TEXT];
    int yes = 0;
    if (strcmp(name, "net") == 0)
        return read_word(name, value, HIDI_STUDY_NETS, &v->net);
    if (strcmp(name, "start") == 0)
        return read_number(name, value, 0, 100, &v->start);
    if (strcmp(name, "steps") == 0)
        return read_numbers(name, value, 1, 10000, v->steps, HIDI_STUDY_STEPS, &v->n_steps);
    if (strcmp(name, "snapshots") == 0) {
        HIDI_TRY(read_word(name, value, "no yes", &yes));
        v->snapshots = yes != 0;
        return HIDI_OK;
    }
    if (strchr(name, '.') == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "no \"%s\": expected net, start, steps, snapshots, or a setting such as "
                          "dm.head",
                          name);
    if (strcmp(name, "run.seed") == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "run.seed: seeds are set in [study]");
    if (snprintf(text, sizeof text, "%s=%s", name, value) >= (int)sizeof text)
        return hidi_error(HIDI_BAD_ARGUMENT, "%.40s: too long", name);
    return hidi_config_set(hidi_settings_table, &v->settings, text);
}

static hidi_status take(void *context, int line, const char *section, const char *name,
                        const char *value)
{
    reader *r = context;
    (void)line;
    if (name == NULL)
        return begin_section(r, section);
    if (r->place == IN_STUDY)
        return take_study(r->study, name, value);
    if (r->place == NOWHERE || r->study->preset[0] == '\0')
        return hidi_error(HIDI_BAD_ARGUMENT, "\"%s\" before [study] with preset = NAME", name);
    return take_setting(r->place == IN_ALL ? &r->study->all : &r->study->variant[r->study->n - 1],
                        name, value);
}

hidi_status hidi_study_read(hidi_study *study, const hidi_session *session, const char *path)
{
    reader r = {study, session, NOWHERE};
    memset(study, 0, sizeof *study);
    study->path = path;
    study->columns = 10;
    study->all.net = -1;
    study->all.start = 100;
    HIDI_TRY(hidi_config_defaults(hidi_settings_table, &study->all.settings));
    HIDI_TRY(hidi_config_each(path, take, &r));
    if (study->n == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: no [variant NAME]", path);
    if (study->n_seeds == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: [study] has no seeds", path);
    return hidi_error_prefix(check_variant(&study->variant[study->n - 1]), "%s", path);
}

void hidi_study_free(hidi_study *study)
{
    free(study->variant);
    study->variant = NULL;
    study->n = 0;
}
