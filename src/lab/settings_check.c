/* settings_check.c - the checks are the library's, which knows options and not settings.  Which
 * setting is to blame is found by trying: the one without whose value the complaint would be
 * another, or none. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/settings_check.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "io/choice.h"

/* --- what the library says -------------------------------------------------------------------- */

static hidi_status check_features(const hidi_settings *s)
{
    const hidi_classifier_options options = hidi_settings_classifier(s);
    HIDI_TRY(hidi_error_prefix(hidi_ema_check(s->features.train.ema), "feature net"));
    return hidi_classifier_check(&options);
}

static hidi_status check_autoencoder(const hidi_settings *s)
{
    hidi_autoencoder_options options;
    HIDI_TRY(hidi_settings_autoencoder(s, &options));
    return hidi_autoencoder_check(&options);
}

static hidi_status check_teacher(const hidi_settings *s)
{
    const hidi_teacher_options options = hidi_settings_teacher(s);
    return hidi_teacher_check(&options);
}

static hidi_status check_stage1(const hidi_settings *s)
{
    const hidi_stage1_options options = hidi_settings_stage1(s);
    return hidi_stage1_check(&options);
}

static hidi_status check_stage2(const hidi_settings *s)
{
    hidi_stage2_options options;
    HIDI_TRY(hidi_settings_stage2(s, &options));
    return hidi_stage2_check(&options);
}

static hidi_status check_detection(const hidi_settings *s)
{
    hidi_detection_options options;
    hidi_head_names names;
    HIDI_TRY(hidi_error_prefix(hidi_ema_check(s->detect.train.ema), "detection"));
    HIDI_TRY(hidi_settings_detection(s, &options, names));
    return hidi_detection_check(&options);
}

typedef hidi_status checker(const hidi_settings *settings);

/* --- whose fault it is ------------------------------------------------------------------------ */

/* Would the complaint be another one if this setting had its default? */
static bool is_to_blame(const hidi_option *option, const hidi_settings *settings, checker *check,
                        const char *complaint)
{
    hidi_settings other = *settings;
    char assignment[2 * HIDI_CONFIG_TEXT];
    snprintf(assignment, sizeof assignment, "%s=%s", option->key, option->initial);
    return hidi_config_set(hidi_settings_table, &other, assignment) == HIDI_OK &&
           (check(&other) == HIDI_OK || strcmp(hidi_error_message(), complaint) != 0);
}

static hidi_status refuse(const hidi_settings *settings, checker *check)
{
    char complaint[512], keys[256] = "";
    snprintf(complaint, sizeof complaint, "%s", hidi_error_message());
    for (const hidi_option *option = hidi_settings_table; option->key != NULL; option++) {
        const size_t used = strlen(keys);
        if (is_to_blame(option, settings, check, complaint))
            snprintf(keys + used, sizeof keys - used, "%s%s", used > 0 ? ", " : "", option->key);
    }
    return hidi_error(HIDI_BAD_ARGUMENT, "%s%s%s", keys, keys[0] ? ": " : "", complaint);
}

hidi_status hidi_settings_check(const hidi_settings *settings, const char *sections)
{
    static const struct {
        const char *section;
        checker *check;
    } trainings[] = {{"features", check_features},
                     {"vae", check_autoencoder},
                     {"teacher", check_teacher},
                     {"td", check_stage1},
                     {"dm", check_stage2},
                     {"detect", check_detection}};
    int place;
    for (size_t i = 0; i < sizeof trainings / sizeof trainings[0]; i++)
        if (hidi_choice_find(sections, trainings[i].section, &place) &&
            trainings[i].check(settings) != HIDI_OK)
            return refuse(settings, trainings[i].check);
    return HIDI_OK;
}
