/* fuzz_ini.c - hidi_config_read */
#include "fuzz.h"

#include "io/config.h"

typedef struct values {
    long steps;
    double rate;
    int on, kind;
    char path[HIDI_CONFIG_TEXT];
} values;

static const hidi_option table[] = {
    { "td.steps", HIDI_OPTION_INT, offsetof(values, steps), 0, 1000, NULL, "1", "" },
    { "td.rate", HIDI_OPTION_REAL, offsetof(values, rate), -1, 1, NULL, "0.5", "" },
    { "dm.on", HIDI_OPTION_BOOL, offsetof(values, on), 0, 0, NULL, "yes", "" },
    { "dm.kind", HIDI_OPTION_CHOICE, offsetof(values, kind), 0, 0, "a b c", "a", "" },
    { "data.path", HIDI_OPTION_TEXT, offsetof(values, path), 0, 0, NULL, "", "" },
    { NULL, HIDI_OPTION_INT, 0, 0, 0, NULL, NULL, NULL },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    values v;

    if (hidi_config_defaults(table, &v) != HIDI_OK)
        abort();
    (void)hidi_config_read(table, &v, fuzz_file("in.ini", data, size));
    return 0;
}
