/* probe_settings.c - what --set says to `hidi probe`: the constants of the formulas, and what the
 * shapes of a DiT's tensors leave open. */
#include "lab/probe.h"

#include <math.h>
#include <string.h>

#define AT(field) offsetof(hidi_probe_settings, field)
#define REAL(key, field, least, most, initial)                                                     \
    {key, HIDI_OPTION_REAL, AT(field), least, most, NULL, initial, ""}
#define HEADS(key, i) {key, HIDI_OPTION_INT, AT(heads[i]), 0, 65536, NULL, "0", ""}
#define SCALE(key, i) REAL(key, time_scale[i], 0, 1e6, "0")
#define CHOICE(key, field, words)                                                                  \
    {key, HIDI_OPTION_CHOICE, AT(field), 0, 0, "file " words, "file", ""}
#define OF_DIT(role, i)                                                                            \
    {HEADS(role "heads", i), SCALE(role "time_scale", i),                                          \
     CHOICE(role "prediction", prediction[i], HIDI_PREDICTIONS),                                   \
     CHOICE(role "code", code[i], HIDI_DIT_CODES),                                                 \
     {role "caption_length", HIDI_OPTION_INT, AT(caption_length[i]), 0, 1024, NULL, "0", ""}}
enum { N_OF_DIT = 5 };

/* What shapes do not say of a DiT, for all (0) and for each role (1 + role). */
static const hidi_option of_dit[1 + HIDI_PROBE_DITS][N_OF_DIT] = {
    OF_DIT("", 0), OF_DIT("model.", 1), OF_DIT("teacher.", 2), OF_DIT("fake.", 3)};

static const hidi_option of_kind[] = {
    REAL("guidance", meanflow.guidance, -HUGE_VAL, HUGE_VAL, "1"),
    REAL("p", meanflow.p, 0, HUGE_VAL, "1"),
    REAL("c", meanflow.c, 0, HUGE_VAL, "0.01"),
    REAL("difference", meanflow.difference, 0, 1, "0"),
    REAL("bound", meanflow.bound, 0, HUGE_VAL, "0"),
    REAL("kl_weight", kl_weight, 0, HUGE_VAL, "1e-6"),
    {"sample.steps", HIDI_OPTION_INT, AT(steps), 2, 1000, NULL, "250", ""},
    {"sample.guided_channels", HIDI_OPTION_INT, AT(guided_channels), 0, 4096, NULL, "0", ""}};

enum { N_OF_KIND = sizeof of_kind / sizeof of_kind[0] };

static bool has_word(const char *words, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

/* The keys that mean something for this kind. */
static void options_of(const hidi_probe_kind *kind, hidi_option *table)
{
    bool any_dit = false;
    for (int i = 0; i < N_OF_KIND; i++)
        if (has_word(kind->settings, of_kind[i].key))
            *table++ = of_kind[i];
    for (int role = 0; role < HIDI_PROBE_DITS; role++)
        if (kind->roles & 1u << role) {
            any_dit = true;
            for (int i = 0; i < N_OF_DIT; i++)
                *table++ = of_dit[1 + role][i];
        }
    for (int i = 0; any_dit && i < N_OF_DIT; i++)
        *table++ = of_dit[0][i];
    *table = (hidi_option){.key = NULL};
}

hidi_status hidi_probe_set(hidi_probe *probe, const char *const *assignment, int n)
{
    hidi_option table[N_OF_KIND + N_OF_DIT * (1 + HIDI_PROBE_DITS) + 1];
    for (int i = 0; i < N_OF_KIND; i++)
        HIDI_TRY(hidi_config_defaults((hidi_option[]){of_kind[i], {.key = NULL}}, &probe->set));
    options_of(probe->kind, table);
    for (int i = 0; i < n; i++) {
        if (table[0].key == NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s takes no --set", probe->kind->name);
        HIDI_TRY(hidi_error_prefix(hidi_config_set(table, &probe->set, assignment[i]), "%s",
                                   probe->kind->name));
    }
    return HIDI_OK;
}
