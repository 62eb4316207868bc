/* damage.c - defects that are planted in real images: what is wrong is known. */
#include "eval/damage.h"

#include <stdlib.h>
#include <string.h>

const char *hidi_defect_name(hidi_defect kind)
{
    static const char *const names[HIDI_DEFECTS] = {"blur", "broken", "shifted", "recoloured",
                                                    "noise"};
    return names[kind];
}

static hidi_status check_grid(size_t size, size_t patch, size_t at)
{
    if (patch == 0 || size % patch != 0 || at >= size / patch * (size / patch))
        return hidi_error(HIDI_BAD_ARGUMENT, "no token %zu in images of %zu with patches of %zu",
                          at, size, patch);
    return HIDI_OK;
}

/* The mean over the square of `reach` around (i, j), cut at the border, of plane [size, size]. */
static hidi_real box_mean(const hidi_real *plane, size_t size, size_t i, size_t j, size_t reach)
{
    const size_t top = i > reach ? i - reach : 0, left = j > reach ? j - reach : 0;
    const size_t bottom = i + reach < size ? i + reach : size - 1;
    const size_t right = j + reach < size ? j + reach : size - 1;
    double sum = 0;
    for (size_t r = top; r <= bottom; r++)
        for (size_t c = left; c <= right; c++)
            sum += (double)plane[r * size + c];
    return (hidi_real)(sum / (double)((bottom - top + 1) * (right - left + 1)));
}

/* What channel c of the patch at (top, left) becomes, damaged [patch, patch]. */
static void damage_channel(const hidi_real *image, size_t C, size_t size, size_t patch, size_t top,
                           size_t left, size_t c, hidi_defect kind, hidi_random random,
                           hidi_real *damaged)
{
    const hidi_real *plane = image + c * size * size;
    const hidi_real *other = image + (c + 1) % C * size * size;
    const size_t reach = patch > 1 ? patch / 2 : 1, side = size / patch;
    if (kind == HIDI_DEFECT_NOISE)
        hidi_normal(random, (c * side * side + top / patch * side + left / patch) * patch * patch,
                    damaged, patch * patch);
    for (size_t i = 0; i < patch; i++) {
        for (size_t j = 0; j < patch; j++) {
            const hidi_real x = plane[(top + i) * size + left + j];
            hidi_real *out = &damaged[i * patch + j];
            if (kind == HIDI_DEFECT_BLUR)
                *out = box_mean(plane, size, top + i, left + j, reach);
            else if (kind == HIDI_DEFECT_BROKEN)
                *out = plane[(top + patch - 1 - j) * size + left + i];
            else if (kind == HIDI_DEFECT_SHIFTED)
                *out = plane[(top + i) * size + left + (j + reach) % patch];
            else if (kind == HIDI_DEFECT_RECOLOURED)
                *out = C > 1 ? other[(top + i) * size + left + j] : -x;
            else
                *out = x + (hidi_real)HIDI_DEFECT_NOISE_SIZE * *out;
        }
    }
}

hidi_status hidi_plant_defect(hidi_real *image, size_t C, size_t size, size_t patch, size_t at,
                              hidi_defect kind, hidi_random random)
{
    HIDI_TRY(check_grid(size, patch, at));
    const size_t side = size / patch, top = at / side * patch, left = at % side * patch;
    const size_t area = patch * patch;
    hidi_real *damaged = malloc(C * area * sizeof *damaged);
    if (damaged == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a patch");
    for (size_t c = 0; c < C; c++)
        damage_channel(image, C, size, patch, top, left, c, kind, random, damaged + c * area);
    for (size_t c = 0; c < C; c++)
        for (size_t i = 0; i < patch; i++)
            memcpy(image + (c * size + top + i) * size + left, damaged + c * area + i * patch,
                   patch * sizeof *damaged);
    free(damaged);
    return HIDI_OK;
}

/* Of a token's pixels, summed over channels. */
static double token_variance(const hidi_real *image, size_t C, size_t size, size_t patch, size_t at)
{
    const size_t side = size / patch, top = at / side * patch, left = at % side * patch;
    double total = 0;
    for (size_t c = 0; c < C; c++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < patch * patch; i++) {
            const size_t row = top + i / patch, column = left + i % patch;
            const double x = (double)image[(c * size + row) * size + column];
            sum += x;
            square += x * x;
        }
        total += square - sum * sum / (double)(patch * patch);
    }
    return total;
}

/* The tokens' numbers, those of the largest variance first, of equal ones the first: into
 * order[N]. */
static hidi_status sort_by_detail(const hidi_real *image, size_t C, size_t size, size_t patch,
                                  size_t N, size_t *order)
{
    double *variance = malloc(N * sizeof *variance);
    if (variance == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu tokens", N);
    for (size_t i = 0; i < N; i++)
        variance[i] = token_variance(image, C, size, patch, i);
    for (size_t i = 0; i < N; i++) {
        size_t before = 0;
        for (size_t k = 0; k < N; k++)
            before += variance[k] > variance[i] || (variance[k] == variance[i] && k < i);
        order[before] = i;
    }
    free(variance);
    return HIDI_OK;
}

/* The tokens of the image in that order; the caller frees *order. */
static hidi_status tokens_by_detail(const hidi_real *image, size_t C, size_t size, size_t patch,
                                    size_t **order, size_t *N)
{
    *order = NULL;
    HIDI_TRY(check_grid(size, patch, 0));
    *N = size / patch * (size / patch);
    *order = malloc(*N * sizeof **order);
    if (*order == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for %zu tokens", *N);
    return sort_by_detail(image, C, size, patch, *N, *order);
}

hidi_status hidi_defect_place(const hidi_real *image, size_t C, size_t size, size_t patch,
                              double draw, size_t *at)
{
    size_t *order, N;
    const hidi_status status = tokens_by_detail(image, C, size, patch, &order, &N);
    if (status == HIDI_OK)
        *at = order[(size_t)(draw * (double)((N + 1) / 2))];
    free(order);
    return status;
}

/* Draws k of the tokens in order[n], to its beginning. */
static void draw_places(hidi_random random, size_t *order, size_t n, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        uint64_t pick;
        hidi_uniform_int(random, i, n - i, &pick, 1);
        const size_t other = order[i + pick];
        order[i + pick] = order[i];
        order[i] = other;
    }
}

hidi_status hidi_damage_image(hidi_real *image, size_t C, size_t size, size_t patch, size_t k,
                              hidi_defect kind, hidi_random random, bool *damaged)
{
    const hidi_random place = {random.seed, HIDI_STREAM_DEFECT_PLACE, random.step};
    const hidi_random which = {random.seed, HIDI_STREAM_DEFECT_KIND, random.step};
    size_t *order, N = 0;
    hidi_status status = tokens_by_detail(image, C, size, patch, &order, &N);
    if (status == HIDI_OK && (k < 1 || k > N))
        status = hidi_error(HIDI_BAD_ARGUMENT, "%zu damaged tokens of %zu", k, N);
    if (status == HIDI_OK)
        draw_places(place, order, k > (N + 1) / 2 ? k : (N + 1) / 2, k);
    for (size_t i = 0; i < N && damaged != NULL && status == HIDI_OK; i++)
        damaged[i] = false;
    for (size_t i = 0; i < k && status == HIDI_OK; i++) {
        uint64_t drawn;
        hidi_uniform_int(which, i, HIDI_DEFECTS, &drawn, 1);
        const hidi_defect one = kind == HIDI_DEFECT_ANY ? (hidi_defect)drawn : kind;
        if (damaged != NULL)
            damaged[order[i]] = true;
        status = hidi_plant_defect(image, C, size, patch, order[i], one, random);
    }
    free(order);
    return status;
}
