/* test_config.c - presets, --set, and what is said about mistakes in them; numbers as text. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/choice.h"
#include "io/config.h"
#include "io/number.h"
#include "scratch.h"
#include "suite.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

typedef struct settings {
    char marker[3];
    long steps;
    double rate, weight;
    int ema, head;
    char data[HIDI_CONFIG_TEXT];
    long seed;
    unsigned char end;
} settings;

static const hidi_option table[] = {
    { "teacher.steps", HIDI_OPTION_INT, offsetof(settings, steps), 1, 1e6, NULL, "20000",
      "training steps" },
    { "teacher.rate", HIDI_OPTION_REAL, offsetof(settings, rate), 0, 1, NULL, "1e-4",
      "learning rate" },
    { "teacher.ema", HIDI_OPTION_BOOL, offsetof(settings, ema), 0, 0, NULL, "yes",
      "keep an average of the weights" },
    { "stage2.weight", HIDI_OPTION_REAL, offsetof(settings, weight), 0, INFINITY, NULL, "3e-3",
      "of the adversarial loss" },
    { "stage2.head", HIDI_OPTION_CHOICE, offsetof(settings, head), 0, 0, "gap  patch awd", "awd",
      "discriminator" },
    { "data.path", HIDI_OPTION_TEXT, offsetof(settings, data), 0, 0, NULL, "", "folder of images" },
    { "data.seed", HIDI_OPTION_INT, offsetof(settings, seed), -INFINITY, INFINITY, NULL, "-1",
      "of everything" },
    { NULL, HIDI_OPTION_INT, 0, 0, 0, NULL, NULL, NULL },
};

static settings defaults(void)
{
    settings values;

    memset(&values, 0x5a, sizeof values);
    ck_assert_int_eq(hidi_config_defaults(table, &values), HIDI_OK);
    return values;
}

static void expect_message(const char *fragment)
{
    ck_assert_msg(strstr(hidi_error_message(), fragment) != NULL, "\"%s\" is not in \"%s\"",
                  fragment, hidi_error_message());
}

START_TEST(defaults_are_those_of_the_table)
{
    settings values = defaults();

    ck_assert_int_eq(values.steps, 20000);
    ck_assert(values.rate == 1e-4 && values.weight == 3e-3);
    ck_assert_int_eq(values.ema, 1);
    ck_assert_int_eq(values.head, 2);
    ck_assert_str_eq(values.data, "");
    ck_assert_int_eq(values.seed, -1);
    ck_assert(values.marker[2] == 0x5a && values.end == 0x5a);
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

START_TEST(a_file_sets_what_it_names)
{
    const char text[] = "\xef\xbb\xbf; a preset\n"
                        "\n"
                        "[teacher]\r\n"
                        "steps = 100   ; few\r\n"
                        "   rate=0.5\n"
                        "\tema : off\n"
                        "# more\n"
                        "[data]\n"
                        "path =  /some where/a;b  \n"
                        "[stage2]\n"
                        "head = gap"; /* no line's end */
    settings values = defaults();

    scratch_write("preset.ini", text, sizeof text - 1);
    ck_assert_msg(hidi_config_read(table, &values, scratch("preset.ini")) == HIDI_OK, "%s",
                  hidi_error_message());
    ck_assert_int_eq(values.steps, 100);
    ck_assert(values.rate == 0.5 && values.weight == 3e-3);
    ck_assert_int_eq(values.ema, 0);
    ck_assert_int_eq(values.head, 0);
    ck_assert_str_eq(values.data, "/some where/a;b");
    ck_assert_int_eq(values.seed, -1);
    ck_assert(values.marker[2] == 0x5a && values.end == 0x5a);
}
END_TEST

static const struct {
    const char *text, *message;
} mistakes[] = {
    { "[teacher]\nsteps = 0", ":2: teacher.steps: expected a whole number from 1 to 1000000, "
                              "found \"0\"" },
    { "[teacher]\nsteps = 1000001", ":2: teacher.steps: expected a whole number from 1 to 1000" },
    { "[teacher]\nsteps = 10.5", ":2: teacher.steps: expected a whole number" },
    { "[teacher]\nsteps = 10x", ":2: teacher.steps: expected a whole number" },
    { "[teacher]\nsteps = 0x10", ":2: teacher.steps: expected a whole number" },
    { "[teacher]\nsteps =", ":2: teacher.steps: expected a whole number" },
    { "[teacher]\nsteps = 99999999999999999999999", ":2: teacher.steps: expected a whole number" },
    { "[data]\nseed = 99999999999999999999999", ":2: data.seed: expected a whole number, found" },
    { "[teacher]\n\n\nrate = 1.5", ":4: teacher.rate: expected a number from 0 to 1, found" },
    { "[teacher]\nrate = nan", ":2: teacher.rate: expected a number" },
    { "[teacher]\nrate = 0,5", ":2: teacher.rate: expected a number" },
    { "[stage2]\nweight = -1e-9", ":2: stage2.weight: expected a number of at least 0, found" },
    { "[stage2]\nweight = inf", ":2: stage2.weight: expected a number of at least 0, found" },
    { "[stage2]\nweight = 1e999", ":2: stage2.weight: expected a number of at least 0, found" },
    { "[teacher]\nema = maybe", ":2: teacher.ema: expected yes or no" },
    { "[teacher]\nema = YES", ":2: teacher.ema: expected yes or no" },
    { "[stage2]\nhead = aw", ":2: stage2.head: expected one of: gap  patch awd; found \"aw\"" },
    { "[stage2]\nhead = gap patch", ":2: stage2.head: expected one of" },
    { "[stage2]\nhead =", ":2: stage2.head: expected one of" },
    { "; x\n[teacher]\nsteps = 5\nsteps = 5", ":4: teacher.steps is already set in line 3" },
    { "[teacher]\nsteps = 5\n[data]\n[teacher]\nsteps = 5", ":5: teacher.steps is already set" },
    { "[teacher]\nstps = 5",
      ":2: unknown option \"teacher.stps\"; did you mean \"teacher.steps\"?" },
    { "[techer]\nrate = 5", ":2: unknown option \"techer.rate\"; did you mean \"teacher.rate\"?" },
    { "[stage1]\nhead = gap", ":2: unknown option \"stage1.head\"; did you mean \"stage2.head\"?" },
    { "steps = 5", ":1: \"steps\" stands before the first [section]" },
    { "[teacher]\nsteps 5", ":2: neither \"[section]\" nor \"name = value\"" },
    { "[teacher]\nsteps 5\nsteps = 0", ":2: neither \"[section]\" nor \"name = value\"" },
    { "[teacher]\nsteps = 0\nsteps 5", ":2: teacher.steps: expected" },
    { "\n[teacher\nsteps = 5", ":2: neither \"[section]\" nor \"name = value\"" },
    { "[teacher]\n    steps\n", ":2: neither \"[section]\" nor \"name = value\"" },
};

START_TEST(mistakes_in_files_are_located)
{
    settings values = defaults(), before;
    const char *text = mistakes[_i].text;

    memcpy(&before, &values, sizeof before);
    scratch_write("wrong.ini", text, strlen(text));
    ck_assert_int_eq(hidi_config_read(table, &values, scratch("wrong.ini")), HIDI_BAD_ARGUMENT);
    expect_message(scratch("wrong.ini"));
    expect_message(mistakes[_i].message);
    ck_assert_mem_eq(&before, &values, sizeof before);
}
END_TEST

START_TEST(a_mistake_at_the_end_changes_nothing)
{
    const char text[] = "[teacher]\nsteps = 7\nrate = 0.25\nema = no\n[data]\npath = x\nseed = z\n";
    settings values = defaults(), before;

    memcpy(&before, &values, sizeof before);
    scratch_write("late.ini", text, sizeof text - 1);
    ck_assert_int_eq(hidi_config_read(table, &values, scratch("late.ini")), HIDI_BAD_ARGUMENT);
    expect_message("late.ini:7: data.seed");
    ck_assert_mem_eq(&before, &values, sizeof before);
}
END_TEST

/* "[data]\n" and a second line of n characters. */
static hidi_status read_with_line(settings *values, const char *start, size_t n)
{
    char text[2000] = "[data]\n";
    size_t used = strlen(start);

    memcpy(text + 7, start, used);
    memset(text + 7 + used, 'x', n - used);
    memcpy(text + 7 + n, "\nseed = 5\n", 10);
    scratch_write("long.ini", text, 7 + n + 10);
    return hidi_config_read(table, values, scratch("long.ini"));
}

START_TEST(lines_that_would_be_cut_are_refused)
{
    settings values = defaults();
    size_t n = 20;

    /* Whatever inih was built with: each length is read whole, or refused. */
    while (n < 300 && read_with_line(&values, "path = ", n) == HIDI_OK) {
        ck_assert_uint_eq(strlen(values.data), n - 7);
        ck_assert_int_eq(values.seed, 5);
        n++;
    }
    ck_assert_uint_ge(n, 197);
    for (; n < 600; n += 13) {
        ck_assert_int_eq(read_with_line(&values, "path = ", n), HIDI_BAD_ARGUMENT);
        expect_message("long.ini:2: ");
    }
    ck_assert_int_eq(read_with_line(&values, "; ", 1000), HIDI_OK);
    ck_assert_int_eq(read_with_line(&values, "   # ", 1000), HIDI_OK);
}
END_TEST

START_TEST(what_is_no_text_file_is_an_error)
{
    settings values = defaults();

    ck_assert_int_eq(hidi_config_read(table, &values, scratch("none.ini")), HIDI_BAD_FILE);
    expect_message("none.ini: No such file");
    ck_assert_int_ne(hidi_config_read(table, &values, scratch_folder("folder")), HIDI_OK);
    scratch_write("zero.ini", "[data]\nse\0ed = 1\n", 17);
    ck_assert_int_eq(hidi_config_read(table, &values, scratch("zero.ini")), HIDI_BAD_ARGUMENT);
    expect_message("zero.ini:2: a 0 byte");
}
END_TEST

/* --- assignments ------------------------------------------------------------------------------ */

START_TEST(assignments_set_one_value)
{
    settings values = defaults();

    ck_assert_int_eq(hidi_config_set(table, &values, "teacher.steps=3"), HIDI_OK);
    ck_assert_int_eq(hidi_config_set(table, &values, " teacher.rate = 0.125 "), HIDI_OK);
    ck_assert_int_eq(hidi_config_set(table, &values, "data.path= a=b c "), HIDI_OK);
    ck_assert_int_eq(hidi_config_set(table, &values, "stage2.head=patch"), HIDI_OK);
    ck_assert_int_eq(hidi_config_set(table, &values, "teacher.ema=0"), HIDI_OK);
    ck_assert_int_eq(values.steps, 3);
    ck_assert(values.rate == 0.125);
    ck_assert_str_eq(values.data, "a=b c");
    ck_assert_int_eq(values.head, 1);
    ck_assert_int_eq(values.ema, 0);
    ck_assert_int_eq(hidi_config_set(table, &values, "data.path="), HIDI_OK);
    ck_assert_str_eq(values.data, "");
}
END_TEST

START_TEST(wrong_assignments_are_errors)
{
    static const char *const wrong[][2] = {
        { "", "expected section.name=value" },
        { "teacher.steps", "expected section.name=value, found \"teacher.steps\"" },
        { "=", "unknown option \"\"" },
        { "steps=3", "did you mean \"teacher.steps\"?" },
        { "teacher.steps=", "expected a whole number" },
        { "teacher.steps=3 4", "expected a whole number" },
        { "data.path=a ; b", "would begin a comment" },
        { "data.path=;b", "would begin a comment" },
        { "data.path=a\nb", "control character" },
    };
    settings values = defaults(), before;
    char text[1000] = "data.path=";

    memcpy(&before, &values, sizeof before);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_int_eq(hidi_config_set(table, &values, wrong[i][0]), HIDI_BAD_ARGUMENT);
        expect_message(wrong[i][1]);
    }
    memset(text + 10, 'x', 900);
    ck_assert_int_eq(hidi_config_set(table, &values, text), HIDI_BAD_ARGUMENT);
    memset(text, 'x', 900);
    text[500] = '=';
    ck_assert_int_eq(hidi_config_set(table, &values, text), HIDI_BAD_ARGUMENT);
    ck_assert_mem_eq(&before, &values, sizeof before);
}
END_TEST

START_TEST(what_is_printed_is_read_back)
{
    settings values = defaults(), again = defaults();
    char text[400] = "data.path=";

    ck_assert_int_eq(hidi_config_set(table, &values, "teacher.steps=77"), HIDI_OK);
    values.rate = 1.0 / 3;
    values.weight = 6.02214076e23;
    values.ema = 0;
    values.seed = LONG_MIN;
    values.head = 1;
    for (size_t n = 1; n < 300; n++) { /* the longest text that is accepted comes back, too */
        memset(text + 10, 'x', n);
        if (hidi_config_set(table, &values, text) != HIDI_OK)
            break;
    }
    FILE *out = fopen(scratch("printed.ini"), "w");
    ck_assert_ptr_nonnull(out);
    hidi_config_print(table, &values, out);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_msg(hidi_config_read(table, &again, scratch("printed.ini")) == HIDI_OK, "%s",
                  hidi_error_message());
    ck_assert_uint_gt(strlen(again.data), 150);
    ck_assert_mem_eq(&values.data, &again.data, strlen(values.data) + 1);
    ck_assert(again.rate == 1.0 / 3 && again.weight == 6.02214076e23);
    ck_assert(again.steps == 77 && again.ema == 0 && again.head == 1 && again.seed == LONG_MIN);
}
END_TEST

/* --- numbers ---------------------------------------------------------------------------------- */

START_TEST(words_name_the_values_of_an_enum)
{
    const char words[] = " none cosine  linear ";
    char name[32];
    int index = 7;

    ck_assert(!hidi_choice_find(words, "cosin", &index) && !hidi_choice_find(words, "", &index));
    ck_assert_int_eq(index, 7);
    ck_assert(hidi_choice_find(words, "linear", &index));
    ck_assert_int_eq(index, 2);
    ck_assert_str_eq(hidi_choice_name(words, 0, name, sizeof name), "none");
    ck_assert_str_eq(hidi_choice_name(words, 2, name, sizeof name), "linear");
    ck_assert_str_eq(hidi_choice_name(words, 3, name, sizeof name), "");
    ck_assert_str_eq(hidi_choice_name(words, 1, name, 4), "cos");
}
END_TEST

START_TEST(numbers_are_written_shortly_and_exactly)
{
    static const struct {
        double value;
        const char *text;
    } known[] = { { 0, "0" },       { 1, "1" },           { -0.1, "-0.1" },
                  { 1e6, "1000000" }, { 1e300, "1e+300" },  { 0.1 + 0.2, "0.30000000000000004" },
                  { 5e-324, "4.94065645841247e-324" },       { INFINITY, "inf" },
                  { -INFINITY, "-inf" },                     { NAN, "nan" } };
    char text[HIDI_NUMBER_TEXT];

    for (size_t i = 0; i < COUNT(known); i++)
        ck_assert_str_eq(hidi_format_double(text, known[i].value), known[i].text);
    double x = 1.0 / 7;
    for (int i = 0; i < 1000; i++, x *= -1.37) {
        double back;
        ck_assert(hidi_parse_double(hidi_format_double(text, x), &back));
        ck_assert(back == x);
    }
}
END_TEST

START_TEST(what_is_no_number_is_refused)
{
    static const char *const wrong[] = { "", " 1", "1 ", "+", ".", "e5", "1e", "1.2.3", "1,5",
                                         "0x1", "inf", "nan", "1e999", "--1", "1f" };
    double value = 3;
    long whole = 3;

    for (size_t i = 0; i < COUNT(wrong); i++) {
        ck_assert_msg(!hidi_parse_double(wrong[i], &value), "%s", wrong[i]);
        ck_assert_msg(!hidi_parse_long(wrong[i], &whole), "%s", wrong[i]);
    }
    ck_assert(!hidi_parse_long("9223372036854775808", &whole));
    ck_assert(!hidi_parse_long("1.0", &whole));
    ck_assert(value == 3 && whole == 3);
    ck_assert(hidi_parse_long("-0012", &whole) && whole == -12);
    long list[3];
    int n;
    ck_assert(hidi_parse_longs("7", 0, 9, 3, list, &n) && n == 1 && list[0] == 7);
    ck_assert(hidi_parse_longs("1,0,9", 0, 9, 3, list, &n) && n == 3);
    ck_assert(list[0] == 1 && list[1] == 0 && list[2] == 9);
    static const char *const no_lists[] = {"", ",1", "1,,2", "1, 2", "10", "-1", "1;2", "1,2,3,4"};
    for (size_t i = 0; i < sizeof no_lists / sizeof no_lists[0]; i++)
        ck_assert_msg(!hidi_parse_longs(no_lists[i], 0, 9, 3, list, &n), "%s", no_lists[i]);
    ck_assert(hidi_parse_double("+.5e+1", &value) && value == 5);
}
END_TEST

START_TEST(numbers_do_not_depend_on_the_locale)
{
    static const char *const names[] = { "de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "fr_FR",
                                         "ps_AF.UTF-8", "hidi_comma" };
    char text[HIDI_NUMBER_TEXT];

    for (size_t i = 0; i < COUNT(names); i++) {
        double value;
        if (setlocale(LC_NUMERIC, names[i]) == NULL)
            continue; /* not installed */
        bool parsed = hidi_parse_double("-2.5e-3", &value);
        bool comma = hidi_parse_double("2,5", &(double){ 0 });
        hidi_format_double(text, -0.125);
        setlocale(LC_NUMERIC, "C");
        ck_assert(parsed && !comma);
        ck_assert(value == -2.5e-3);
        ck_assert_str_eq(text, "-0.125");
    }
}
END_TEST

int main(void)
{
    Suite *suite = begin_suite("config");
    TCase *files = tcase_create("files"), *values = tcase_create("values");
    scratch_begin();
    tcase_add_test(files, defaults_are_those_of_the_table);
    tcase_add_test(files, a_file_sets_what_it_names);
    tcase_add_loop_test(files, mistakes_in_files_are_located, 0, COUNT(mistakes));
    tcase_add_test(files, a_mistake_at_the_end_changes_nothing);
    tcase_add_test(files, lines_that_would_be_cut_are_refused);
    tcase_add_test(files, what_is_no_text_file_is_an_error);
    tcase_add_test(values, assignments_set_one_value);
    tcase_add_test(values, wrong_assignments_are_errors);
    tcase_add_test(values, what_is_printed_is_read_back);
    tcase_add_test(values, words_name_the_values_of_an_enum);
    tcase_add_test(values, numbers_are_written_shortly_and_exactly);
    tcase_add_test(values, what_is_no_number_is_refused);
    tcase_add_test(values, numbers_do_not_depend_on_the_locale);
    suite_add_tcase(suite, files);
    suite_add_tcase(suite, values);
    return run_suite(suite);
}
