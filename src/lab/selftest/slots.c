/* slots.c - runs the cases of a slot: every size in every variant, with every beta that it has (of
 * large sizes: with one of them); then one large size by the clock. */
#include "lab/selftest/trial.h"

#include "backend/tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const hidi_case_list *const lists[] = { &hidi_memory_cases, &hidi_element_cases,
                                               &hidi_row_cases,    &hidi_norm_cases,
                                               &hidi_matrix_cases, &hidi_image_cases,
                                               &hidi_train_cases };
enum { LISTS = sizeof lists / sizeof *lists };

size_t hidi_selftest_slots(void)
{
    size_t n = 0;

    for (int i = 0; i < LISTS; i++)
        n += lists[i]->n;
    return n;
}

static const hidi_slot_case *case_of(size_t i)
{
    int list = 0;

    while (i >= lists[list]->n)
        i -= lists[list++]->n;
    return &lists[list]->cases[i];
}

const char *hidi_selftest_slot_name(size_t i)
{
    return case_of(i)->name;
}

size_t hidi_selftest_slot_offset(size_t i)
{
    return case_of(i)->slot;
}

/* The large case is timed alone: with beta 0, its first variant. */
static void time_case(hidi_trial *t, const hidi_slot_case *c)
{
    t->timed = true;
    t->size = c->large;
    t->variant = 0;
    t->beta_given = 0;
    c->run(t);
    t->result->flop = t->flop;
    for (int i = 0; i < t->n_arrays; i++)
        if (t->arrays[i].role != HIDI_SCRATCH)
            t->result->bytes += (double)t->arrays[i].n * (double)t->arrays[i].width *
                                (t->arrays[i].role == HIDI_IN_OUT ? 2 : 1);
    hidi_trial_end(t);
}

/* The reference is slow: large sizes run with a single value of beta. */
static bool is_enough(const hidi_trial *t, int beta, int n_betas)
{
    double n = 1;

    for (int i = 0; i < HIDI_TRIAL_SIZES; i++)
        n *= t->size[i] > 0 ? (double)t->size[i] : 1;
    return n > 5e4 && beta != (int)t->size[0] % n_betas;
}

static void compare_case(hidi_trial *t, const hidi_slot_case *c)
{
    static const hidi_real betas[] = { 0, 1, (hidi_real)-0.5 };
    const int n_betas = c->has_beta ? 3 : 1;

    for (size_t i = 0; i < c->n_sizes; i++) {
        t->size = c->sizes[i];
        for (t->variant = 0; t->variant < c->variants; t->variant++)
            for (int j = 0; j < n_betas && !t->no_memory; j++) {
                if (is_enough(t, j, n_betas))
                    continue;
                t->beta_given = betas[j];
                c->run(t);
                t->result->cases++;
                hidi_trial_end(t);
            }
    }
}

hidi_status hidi_selftest_slot(size_t i, const hidi_backend *tested, bool times,
                               hidi_selftest_result *result)
{
    const hidi_slot_case *c = case_of(i);
    hidi_trial *t = calloc(1, sizeof *t);
    hidi_status status = HIDI_OK;

    *result = (hidi_selftest_result){ .name = c->name };
    if (t == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory to compare %s", c->name);
    t->tested = tested;
    t->reference = hidi_reference_backend();
    t->result = result;
    compare_case(t, c);
    if (times && c->large[0] > 0 && !t->no_memory)
        time_case(t, c);
    if (t->no_memory)
        status = hidi_error(HIDI_NO_MEMORY, "no memory to compare %s", c->name);
    hidi_trial_end(t);
    free(t);
    return status;
}
