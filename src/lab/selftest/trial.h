/* trial.h - one call of a slot on three sides, and their comparison.
 *
 *   FOUND      the backend under test
 *   EXPECTED   the reference, which computes with sums in double
 *   MAGNITUDE  the reference, applied to absolute values: sum |a||b| for an inner product
 *
 * An element may differ by a number of roundings of its magnitude; rounding in a sum of k terms
 * grows about as sqrt(k).  A case of a slot reads:
 *
 *     hidi_array *x = hidi_trial_input(t, n), *y = hidi_trial_output(t, n);
 *     HIDI_EACH_SIDE (t)
 *         t->k->axpby(AT(y), t->beta, hidi_scalar(t, -1.5), AT(x), n);
 *     hidi_compare(t, y, 2);
 *
 * Every array lies between guards (of NaN, for inputs), which must be there afterwards; inputs must
 * be as they were; and an output that is to be overwritten holds NaN before.
 *
 * In a timed trial the same code runs the FOUND side alone, many times.
 */
#ifndef HIDI_LAB_SELFTEST_TRIAL_H
#define HIDI_LAB_SELFTEST_TRIAL_H

#include "lab/selftest/selftest.h"

typedef enum hidi_side { HIDI_FOUND, HIDI_EXPECTED, HIDI_MAGNITUDE, HIDI_SIDES } hidi_side;

typedef enum hidi_role { HIDI_INPUT, HIDI_OUTPUT, HIDI_IN_OUT, HIDI_SCRATCH } hidi_role;

typedef struct hidi_array {
    void *at[HIDI_SIDES];   /* for a call; FOUND: in the tested backend's memory               */
    hidi_role role;
    size_t n, width;        /* elements, bytes of each                                         */
    bool is_integer;        /* of int32_t, not hidi_real                                       */
    void *device;           /* the allocation that holds it and its guards                     */
    unsigned char *image;   /* on the host: what was uploaded, then what was downloaded        */
    unsigned char *before;  /* inputs: what was uploaded                                       */
} hidi_array;

enum { HIDI_TRIAL_ARRAYS = 24, HIDI_TRIAL_SIZES = 8 };

typedef struct hidi_trial {
    const hidi_backend *tested, *reference;
    const size_t *size; /* of the case: what they mean is the case's */
    int variant;
    hidi_real beta;     /* of the side at hand                       */
    double flop;        /* set by the case if that is what counts    */
    bool timed;
    hidi_selftest_result *result;

    const hidi_backend *k; /* the table of the side at hand          */
    hidi_side side;
    hidi_real beta_given;
    int n_sides;           /* 3, or 2 without MAGNITUDE              */
    int step;              /* of the loop over the sides             */
    long repetitions, repetition;
    double started;
    hidi_array arrays[HIDI_TRIAL_ARRAYS];
    int n_arrays;
    bool no_memory;
} hidi_trial;

/* n elements ~ N(0, 1).  The case may change those at HIDI_REAL(x), before the sides run. */
hidi_array *hidi_trial_input(hidi_trial *t, size_t n);
/* n elements to be written: NaN before, or random ones if beta adds to them. */
hidi_array *hidi_trial_output(hidi_trial *t, size_t n);
/* n elements ~ N(0, 1) that the slot updates. */
hidi_array *hidi_trial_in_out(hidi_trial *t, size_t n);
/* n elements of no interest. */
hidi_array *hidi_trial_scratch(hidi_trial *t, size_t n);
/* n integers, 0 <= index < end. */
hidi_array *hidi_trial_indices(hidi_trial *t, size_t n, size_t end);

/* The elements on the reference's side, which lie in host memory. */
#define HIDI_REALS(array) ((hidi_real *)(array)->at[HIDI_EXPECTED])
#define HIDI_MAGNITUDES(array) ((hidi_real *)(array)->at[HIDI_MAGNITUDE])

/* For a call: the array on the side at hand. */
#define AT(array) ((hidi_real *)(array)->at[t->side])
#define INDICES_AT(array) ((int32_t *)(array)->at[t->side])

/* A factor: its absolute value on the side MAGNITUDE. */
hidi_real hidi_scalar(const hidi_trial *t, double a);

/* The statement that follows runs once for each side; without MAGNITUDE the case sets
 * HIDI_MAGNITUDES of its outputs afterwards. */
#define HIDI_EACH_SIDE(t) for (hidi_trial_begin(t, 3); hidi_trial_next(t);)
#define HIDI_BOTH_SIDES(t) for (hidi_trial_begin(t, 2); hidi_trial_next(t);)
void hidi_trial_begin(hidi_trial *t, int n_sides);
bool hidi_trial_next(hidi_trial *t);

/* FOUND = EXPECTED to within `roundings` of the magnitude (0: the same bits, or NaN both). */
void hidi_compare(hidi_trial *t, const hidi_array *y, double roundings);

/* Keeps the first thing that is wrong, behind the sizes. */
void hidi_trial_fail(hidi_trial *t, const char *format, ...) HIDI_PRINTF(2, 3);

/* Frees the arrays. */
void hidi_trial_end(hidi_trial *t);

/* --- the cases -------------------------------------------------------------------------------- */

typedef const size_t hidi_sizes[HIDI_TRIAL_SIZES];

typedef struct hidi_slot_case {
    const char *name;
    size_t slot;          /* offsetof(hidi_backend, ...)                                 */
    void (*run)(hidi_trial *t);
    hidi_sizes *sizes;
    size_t n_sizes;
    int variants;         /* t->variant = 0, ..., variants - 1                           */
    bool has_beta;
    size_t large[HIDI_TRIAL_SIZES]; /* for times; all 0: not timed                        */
} hidi_slot_case;

typedef struct hidi_case_list {
    const hidi_slot_case *cases;
    size_t n;
} hidi_case_list;

extern const hidi_case_list hidi_memory_cases, hidi_element_cases, hidi_row_cases,
    hidi_norm_cases, hidi_matrix_cases, hidi_image_cases, hidi_train_cases;

/* { "axpby", its offset, run_axpby, sizes, ... } */
#define HIDI_CASE(slot_name, size_list, n_variants, with_beta, ...)                                \
    {                                                                                              \
        #slot_name, offsetof(hidi_backend, slot_name), run_##slot_name, size_list,                 \
            sizeof(size_list) / sizeof *(size_list), n_variants, with_beta, { __VA_ARGS__ }        \
    }

#endif
