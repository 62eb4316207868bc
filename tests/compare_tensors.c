/* compare_tensors.c - is one safetensors file what another says it should be?
 *
 *     compare_tensors FOUND EXPECTED TOLERANCE
 *
 * Every tensor of EXPECTED must be in FOUND, with the same shape (FOUND may have more).  Two errors
 * are looked at, both relative to the expected tensor b, and both must be within TOLERANCE:
 *
 *     |a - b|_2 / |b|_2      and      max |a - b| / max |b|
 *
 * The second sees a single wrong element that the first would average away.  Where b is all zeros,
 * a must be too.  NaN and infinity never compare equal.  Prints every tensor that is off, or the
 * worst one if none is; exit status 0 if all are within tolerance, 1 if not, 2 for bad usage or
 * files that cannot be read.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/safetensors.h"

typedef struct error {
    double norm;    /* |a - b|_2 / |b|_2                           */
    double largest; /* max |a - b| / max |b|                       */
    double worse;   /* of the two; infinite if anything is not finite */
} error;

/* a / b, where 0 / 0 is an error of 0 and anything else that is not a number the largest error. */
static double ratio(double a, double b)
{
    if (a == 0.0 && b == 0.0)
        return 0.0;
    return isfinite(a) && isfinite(b) && b > 0.0 ? a / b : HUGE_VAL;
}

static error difference(const double *a, const double *b, size_t n)
{
    double square = 0.0, square_b = 0.0, most = 0.0, most_b = 0.0;
    bool finite = true;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs(a[i] - b[i]);
        finite = finite && isfinite(d);
        square += d * d;
        square_b += b[i] * b[i];
        most = fmax(most, d);
        most_b = fmax(most_b, fabs(b[i]));
    }
    if (!finite)
        return (error){ HUGE_VAL, HUGE_VAL, HUGE_VAL };
    error e = { ratio(sqrt(square), sqrt(square_b)), ratio(most, most_b), 0.0 };
    e.worse = fmax(e.norm, e.largest);
    return e;
}

static bool same_shape(const hidi_file_tensor *a, const hidi_file_tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

/* Compares one tensor and says what is wrong with it: *e is its error; false: out of memory. */
static bool compare(const hidi_tensor_file *found, const hidi_file_tensor *b, double tolerance,
                    error *e)
{
    char text[2][128];
    const hidi_file_tensor *a = hidi_tensor_file_find(found, b->name);
    *e = (error){ HUGE_VAL, HUGE_VAL, HUGE_VAL };
    if (a == NULL) {
        printf("%s: missing from %s\n", b->name, found->path);
        return true;
    }
    if (!same_shape(a, b)) {
        printf("%s: found %s, expected %s\n", b->name,
               hidi_file_tensor_text(a, text[0], sizeof text[0]),
               hidi_file_tensor_text(b, text[1], sizeof text[1]));
        return true;
    }
    double *values = malloc((2 * b->count + 1) * sizeof *values);
    if (values == NULL)
        return false;
    hidi_file_tensor_double(a, values);
    hidi_file_tensor_double(b, values + b->count);
    *e = difference(values, values + b->count, b->count);
    free(values);
    if (e->worse > tolerance)
        printf("%s: relative error %.3g, largest %.3g of the largest; tolerance %.0e\n", b->name,
               e->norm, e->largest, tolerance);
    return true;
}

/* The number of tensors that are off, or -1 when out of memory. */
static long compare_all(const hidi_tensor_file *found, const hidi_tensor_file *expected,
                        double tolerance)
{
    const char *name = "";
    error worst = { 0.0, 0.0, -1.0 };
    long off = 0;
    for (size_t i = 0; i < expected->n_tensors; i++) {
        error e;
        if (!compare(found, &expected->tensor[i], tolerance, &e))
            return -1;
        if (e.worse > tolerance)
            off++;
        if (e.worse > worst.worse) {
            worst = e;
            name = expected->tensor[i].name;
        }
    }
    if (off == 0)
        printf("%zu tensors, worst error %.1e (%s)\n", expected->n_tensors, worst.worse, name);
    return off;
}

int main(int argc, char **argv)
{
    char *end = NULL;
    const double tolerance = argc == 4 ? strtod(argv[3], &end) : 0.0;
    if (argc != 4 || end == argv[3] || *end != '\0' || !(tolerance >= 0.0)) {
        fprintf(stderr, "usage: compare_tensors FOUND EXPECTED TOLERANCE\n");
        return 2;
    }
    hidi_tensor_file found, expected;
    hidi_tensor_file_init(&found);
    hidi_tensor_file_init(&expected);
    int status = 2;
    if (hidi_safetensors_read(&found, argv[1]) != HIDI_OK ||
        hidi_safetensors_read(&expected, argv[2]) != HIDI_OK) {
        fprintf(stderr, "compare_tensors: %s\n", hidi_error_message());
    } else if (expected.n_tensors == 0) {
        fprintf(stderr, "compare_tensors: %s: no tensors to compare with\n", argv[2]);
    } else {
        const long off = compare_all(&found, &expected, tolerance);
        if (off < 0)
            fprintf(stderr, "compare_tensors: out of memory\n");
        status = off < 0 ? 2 : off > 0;
    }
    hidi_tensor_file_free(&expected);
    hidi_tensor_file_free(&found);
    return status;
}
