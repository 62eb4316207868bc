/* trial.c - a trial of a slot: random arrays between guards, the same on the backend under test, on
 * the reference, and as absolute values on the reference (which gives each element's magnitude m);
 * then |found - expected| <= roundings epsilon m, element by element. */
#include "lab/selftest/trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/progress.h"
#include "core/random.h"

enum { GUARD = 64 }; /* bytes on both ends: arrays stay as aligned as tensors are */

/* --- arrays ----------------------------------------------------------------------------------- */

/* Whoever reads it must be able to reproduce the failure: slot, sizes, variant, beta. */
void hidi_trial_fail(hidi_trial *t, const char *format, ...)
{
    char *text = t->result->failure;
    const size_t size = sizeof t->result->failure;
    va_list arguments;
    int length;

    if (text[0] != '\0')
        return;
    length = snprintf(text, size, "sizes");
    for (int i = 0; i < HIDI_TRIAL_SIZES && (i == 0 || t->size[i] > 0); i++)
        length += snprintf(text + length, size - (size_t)length, " %zu", t->size[i]);
    length += snprintf(text + length, size - (size_t)length, ", variant %d, beta %g: ", t->variant,
                       (double)t->beta_given);
    va_start(arguments, format);
    vsnprintf(text + length, size - (size_t)length, format, arguments);
    va_end(arguments);
}

static hidi_array *add_array(hidi_trial *t, hidi_role role, size_t n, bool is_integer)
{
    static hidi_array none;
    hidi_array *a = t->n_arrays < HIDI_TRIAL_ARRAYS ? &t->arrays[t->n_arrays++] : &none;
    const size_t width = is_integer ? sizeof(int32_t) : sizeof(hidi_real), bytes = n * width;

    *a = (hidi_array){ .role = role, .n = n, .width = width, .is_integer = is_integer };
    a->image = malloc(bytes + 2 * GUARD);
    a->before = malloc(bytes + 2 * GUARD);
    a->at[HIDI_EXPECTED] = malloc(bytes + 1);
    a->at[HIDI_MAGNITUDE] = malloc(bytes + 1);
    a->device = t->tested->allocate(bytes + 2 * GUARD);
    if (!a->image || !a->before || !a->at[HIDI_EXPECTED] || !a->at[HIDI_MAGNITUDE] || !a->device)
        t->no_memory = true;
    else
        a->at[HIDI_FOUND] = (unsigned char *)a->device + GUARD;
    return a;
}

/* x[i] ~ N(0, 1): out of one long row of draws, from another place for every array. */
static void draw(hidi_real *x, size_t n, size_t which)
{
    enum { DRAWS = 1 << 17 };
    static hidi_real drawn[DRAWS];
    static bool is_drawn;
    const hidi_random random = { 1, HIDI_STREAM_TEST, 0 };

    if (!is_drawn)
        hidi_normal(random, 0, drawn, DRAWS);
    is_drawn = true;
    for (size_t i = 0, from = which * 7919 % DRAWS; i < n; i++, from = (from + 1) % DRAWS)
        x[i] = drawn[from];
}

static hidi_array *add_normal(hidi_trial *t, hidi_role role, size_t n)
{
    hidi_array *a = add_array(t, role, n, false);

    if (!t->no_memory)
        draw(HIDI_REALS(a), n, (size_t)t->n_arrays);
    return a;
}

static void fill_with_nan(hidi_array *a)
{
    for (size_t i = 0; i < a->n; i++)
        HIDI_REALS(a)[i] = (hidi_real)NAN;
}

hidi_array *hidi_trial_input(hidi_trial *t, size_t n)
{
    return add_normal(t, HIDI_INPUT, n);
}

hidi_array *hidi_trial_in_out(hidi_trial *t, size_t n)
{
    return add_normal(t, HIDI_IN_OUT, n);
}

hidi_array *hidi_trial_output(hidi_trial *t, size_t n)
{
    hidi_array *a = add_normal(t, HIDI_OUTPUT, n);

    if (t->beta_given == 0 && !t->no_memory)
        fill_with_nan(a);
    return a;
}

hidi_array *hidi_trial_scratch(hidi_trial *t, size_t n)
{
    hidi_array *a = add_normal(t, HIDI_SCRATCH, n);

    if (!t->no_memory)
        fill_with_nan(a);
    return a;
}

hidi_array *hidi_trial_indices(hidi_trial *t, size_t n, size_t end)
{
    const hidi_random random = { 1, HIDI_STREAM_TEST, (uint64_t)t->n_arrays };
    hidi_array *a = add_array(t, HIDI_INPUT, n, true);

    for (size_t i = 0; i < n && !t->no_memory; i++) {
        uint64_t index;
        hidi_uniform_int(random, i, end, &index, 1);
        ((int32_t *)a->at[HIDI_EXPECTED])[i] = (int32_t)index;
    }
    return a;
}

void hidi_trial_end(hidi_trial *t)
{
    for (int i = 0; i < t->n_arrays; i++) {
        hidi_array *a = &t->arrays[i];
        free(a->image);
        free(a->before);
        free(a->at[HIDI_EXPECTED]);
        free(a->at[HIDI_MAGNITUDE]);
        t->tested->release(a->device);
    }
    t->n_arrays = 0;
}

/* --- the sides -------------------------------------------------------------------------------- */

hidi_real hidi_scalar(const hidi_trial *t, double a)
{
    return (hidi_real)(t->side == HIDI_MAGNITUDE ? fabs(a) : a);
}

/* The guards of an input are NaN, which shows if it is read; those of an output are a number that
 * NaN changes. */
static int guard_of(const hidi_array *a)
{
    return a->role == HIDI_INPUT ? 0xff : 0xab;
}

/* MAGNITUDE gets absolute values (integers: the same), FOUND the contents between guards. */
static void hand_out(hidi_trial *t, hidi_array *a)
{
    const size_t bytes = a->n * a->width;
    hidi_real *magnitude = HIDI_MAGNITUDES(a);

    memset(a->image, guard_of(a), bytes + 2 * GUARD);
    memcpy(a->image + GUARD, a->at[HIDI_EXPECTED], bytes);
    memcpy(a->before, a->image, bytes + 2 * GUARD);
    memcpy(magnitude, a->at[HIDI_EXPECTED], bytes);
    for (size_t i = 0; i < a->n && !a->is_integer; i++)
        magnitude[i] = (hidi_real)fabs((double)magnitude[i]);
    t->tested->upload(a->device, a->image, bytes + 2 * GUARD);
}

static void take_back(hidi_trial *t, hidi_array *a)
{
    const size_t bytes = a->n * a->width;
    unsigned char guard[GUARD];

    memset(guard, guard_of(a), GUARD);
    t->tested->download(a->image, a->device, bytes + 2 * GUARD);
    if (memcmp(a->image, guard, GUARD) != 0 || memcmp(a->image + GUARD + bytes, guard, GUARD) != 0)
        hidi_trial_fail(t, "writes outside of an array of %zu elements", a->n);
    if (a->role == HIDI_INPUT && memcmp(a->image, a->before, bytes + 2 * GUARD) != 0)
        hidi_trial_fail(t, "changes an input of %zu elements", a->n);
}

static void take_all_back(hidi_trial *t)
{
    if (t->tested->check() != HIDI_OK)
        hidi_trial_fail(t, "%s", hidi_error_message());
    for (int i = 0; i < t->n_arrays; i++)
        take_back(t, &t->arrays[i]);
    if (t->tested->check() != HIDI_OK)
        hidi_trial_fail(t, "%s", hidi_error_message());
}

void hidi_trial_begin(hidi_trial *t, int n_sides)
{
    t->step = 0;
    t->n_sides = n_sides;
    t->repetitions = 1;
    t->repetition = -1;
    for (int i = 0; i < t->n_arrays && !t->no_memory; i++)
        hand_out(t, &t->arrays[i]);
}

static void set_side(hidi_trial *t, hidi_side side)
{
    t->side = side;
    t->k = side == HIDI_FOUND ? t->tested : t->reference;
    t->beta = hidi_scalar(t, t->beta_given);
}

/* A call that is not counted; then 1, 2, 4, ... calls, until they take long enough to be measured.
 */
static bool next_repetition(hidi_trial *t)
{
    const double enough = 0.02;

    set_side(t, HIDI_FOUND);
    if (t->repetition < 0) {
        t->repetition = t->repetitions = 0;
        return true;
    }
    if (t->repetition == t->repetitions) {
        if (t->tested->check() != HIDI_OK) {
            hidi_trial_fail(t, "%s", hidi_error_message());
            return false;
        }
        if (t->repetitions > 0) {
            const double seconds = hidi_seconds() - t->started;
            t->result->seconds = seconds / (double)t->repetitions;
            if (seconds >= enough)
                return false;
        }
        t->repetitions = t->repetitions > 0 ? 2 * t->repetitions : 1;
        t->repetition = 0;
        t->started = hidi_seconds();
    }
    t->repetition++;
    return true;
}

bool hidi_trial_next(hidi_trial *t)
{
    static const hidi_side order[] = { HIDI_EXPECTED, HIDI_FOUND, HIDI_MAGNITUDE };

    if (t->no_memory)
        return false;
    if (t->timed)
        return next_repetition(t);
    if (t->step == t->n_sides) {
        take_all_back(t);
        return false;
    }
    set_side(t, order[t->step++]);
    return true;
}

/* --- comparison ------------------------------------------------------------------------------- */

/* Keeps the element that is closest to its bound. */
static void keep(hidi_selftest_result *r, double error, double bound)
{
    const bool is_first = r->bound == 0 && r->error == 0;

    if (is_first || error * r->bound > r->error * bound || (bound == 0 && error > r->error)) {
        r->error = error;
        r->bound = bound;
    }
}

void hidi_compare(hidi_trial *t, const hidi_array *y, double roundings)
{
    const double relative = roundings * HIDI_REAL_EPSILON;

    for (size_t i = 0; i < y->n && !t->no_memory && !t->timed; i++) {
        hidi_real found;
        memcpy(&found, y->image + GUARD + i * y->width, sizeof found);
        const double f = found, e = HIDI_REALS(y)[i], m = fabs((double)HIDI_MAGNITUDES(y)[i]);
        if (f == e || (isnan(f) && isnan(e))) {
            keep(t->result, 0, relative);
            continue;
        }
        const double error = m > 0 ? fabs(f - e) / m : INFINITY;
        if (!(error <= relative)) {
            hidi_trial_fail(t,
                            "element %zu of %zu is %.9g, expected %.9g (off by %.3g, allowed %.3g)",
                            i, y->n, f, e, fabs(f - e), relative * m);
            keep(t->result, isnan(error) ? INFINITY : error, relative);
            return;
        }
        keep(t->result, error, relative);
    }
}
