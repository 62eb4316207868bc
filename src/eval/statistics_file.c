/* statistics_file.c - a file's mu and sigma are believed only if sigma can be a covariance:
 * symmetric up to single precision, with no negative variance, and finite. */
#include "eval/statistics_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/npz.h"

/* Largest |sigma_ij - sigma_ji| for a covariance, relative to its largest element: files in single
 * precision are symmetric to 1e-7. */
static const double asymmetry = 1e-5;

enum { LEAST_COUNT = 2 }; /* samples that have a covariance */

/* --- reading ---------------------------------------------------------------------------------- */

/* All of an array of `count` numbers, which must be finite; *out belongs to the caller. */
static hidi_status read_array(hidi_npz *npz, const char *path, const char *name, size_t count,
                              double **out)
{
    HIDI_TRY(hidi_npz_doubles(npz, name, out));
    for (size_t i = 0; i < count; i++)
        if (!isfinite((*out)[i]))
            return hidi_error(HIDI_NOT_FINITE, "%s: %s is not finite", path, name);
    return HIDI_OK;
}

static hidi_status check_covariance(const double *sigma, size_t D, const char *path,
                                    const char *name)
{
    double largest = 0, worst = 0;
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            largest = fmax(largest, fabs(sigma[i * D + j]));
            worst = fmax(worst, fabs(sigma[i * D + j] - sigma[j * D + i]));
        }
    if (worst > asymmetry * largest)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s is not symmetric, so not a covariance", path,
                          name);
    for (size_t i = 0; i < D; i++)
        if (sigma[i * D + i] < 0)
            return hidi_error(HIDI_BAD_FORMAT,
                              "%s: %s has a variance below 0 (feature %zu), so is not a covariance",
                              path, name, i);
    return HIDI_OK;
}

/* mu without sigma, or sigma without mu: the other one may be there and unreadable. */
static hidi_status half_a_pair(const hidi_npz *npz, const char *path, const char *there,
                               const char *missing)
{
    const hidi_file_tensor *array;
    const hidi_status status = hidi_tensor_file_need(hidi_npz_arrays(npz), missing, &array);
    return status == HIDI_UNSUPPORTED
               ? status
               : hidi_error(HIDI_BAD_FORMAT, "%s: %s without %s", path, there, missing);
}

/* One mean and covariance; left alone (dim 0) if neither is there. */
static hidi_status read_pair(hidi_npz *npz, const char *path, const char *mu, const char *sigma,
                             hidi_moments *moments)
{
    const hidi_file_tensor *m = hidi_tensor_file_find(hidi_npz_arrays(npz), mu);
    const hidi_file_tensor *s = hidi_tensor_file_find(hidi_npz_arrays(npz), sigma);
    char found[128], other[128];
    if (m == NULL && s == NULL)
        return HIDI_OK;
    if (m == NULL || s == NULL)
        return half_a_pair(npz, path, m ? mu : sigma, m ? sigma : mu);
    if (m->rank != 1 || m->count == 0 || s->rank != 2 || s->dim[0] != m->count ||
        s->dim[1] != m->count)
        return hidi_error(HIDI_BAD_FORMAT, "%s: %s is %s and %s is %s, expected [D] and [D, D]",
                          path, mu, hidi_file_tensor_text(m, found, sizeof found), sigma,
                          hidi_file_tensor_text(s, other, sizeof other));
    moments->dim = m->count;
    HIDI_TRY(read_array(npz, path, mu, m->count, &moments->mean));
    HIDI_TRY(read_array(npz, path, sigma, s->count, &moments->covariance));
    return check_covariance(moments->covariance, moments->dim, path, sigma);
}

/* count and extractor, as far as they are there. */
static hidi_status read_origin(hidi_npz *npz, const char *path, hidi_statistics *statistics)
{
    const hidi_file_tensor *count = hidi_tensor_file_find(hidi_npz_arrays(npz), "count");
    const hidi_file_tensor *name = hidi_tensor_file_find(hidi_npz_arrays(npz), "extractor");
    if (count != NULL && count->count == 1) {
        double *value;
        HIDI_TRY(hidi_npz_doubles(npz, "count", &value));
        const double n = *value;
        free(value);
        if (!(n >= LEAST_COUNT && n < 1e15))
            return hidi_error(HIDI_BAD_FORMAT, "%s: a count of %g samples", path, n);
        statistics->features.count = statistics->spatial.count = (size_t)n;
    }
    if (name != NULL && name->dtype == HIDI_U8 && name->rank == 1 &&
        name->count < sizeof statistics->extractor) {
        HIDI_TRY(hidi_npz_start(npz, "extractor", NULL));
        HIDI_TRY(hidi_npz_rows(npz, name->count, statistics->extractor));
    }
    return HIDI_OK;
}

hidi_status hidi_statistics_read(hidi_statistics *statistics, const char *path)
{
    hidi_npz *npz;
    memset(statistics, 0, sizeof *statistics);
    HIDI_TRY(hidi_npz_open(&npz, path));
    hidi_status status = read_pair(npz, path, "mu", "sigma", &statistics->features);
    if (status == HIDI_OK && statistics->features.dim == 0)
        status = read_pair(npz, path, "mean", "cov", &statistics->features);
    if (status == HIDI_OK && statistics->features.dim == 0)
        status = hidi_error(HIDI_BAD_FORMAT, "%s: no arrays mu and sigma, or mean and cov", path);
    if (status == HIDI_OK)
        status = read_pair(npz, path, "mu_s", "sigma_s", &statistics->spatial);
    if (status == HIDI_OK)
        status = read_origin(npz, path, statistics);
    hidi_npz_close(npz);
    return status;
}

hidi_status hidi_statistics_look(const char *path, bool *has_statistics, bool *has_images)
{
    hidi_npz *npz;
    HIDI_TRY(hidi_npz_open(&npz, path));
    const hidi_file_tensor *images = hidi_tensor_file_find(hidi_npz_arrays(npz), "arr_0");
    *has_statistics = hidi_tensor_file_find(hidi_npz_arrays(npz), "mu") != NULL ||
                      hidi_tensor_file_find(hidi_npz_arrays(npz), "cov") != NULL;
    *has_images = images != NULL && images->rank == 4;
    hidi_npz_close(npz);
    return HIDI_OK;
}

void hidi_statistics_free(hidi_statistics *statistics)
{
    hidi_moments_free(&statistics->features);
    hidi_moments_free(&statistics->spatial);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What hidi_statistics_read would refuse is not written. */
static hidi_status check_moments(const hidi_moments *moments, const char *path, const char *mu,
                                 const char *sigma)
{
    const size_t D = moments->dim;
    if (D == 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: no features to write statistics of", path);
    if (moments->count != 0 && moments->count < LEAST_COUNT)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: statistics of %zu sample", path, moments->count);
    for (size_t i = 0; i < D; i++)
        if (!isfinite(moments->mean[i]))
            return hidi_error(HIDI_NOT_FINITE, "%s: %s is not finite", path, mu);
    for (size_t i = 0; i < D * D; i++)
        if (!isfinite(moments->covariance[i]))
            return hidi_error(HIDI_NOT_FINITE, "%s: %s is not finite", path, sigma);
    return check_covariance(moments->covariance, D, path, sigma);
}

static hidi_status add_pair(hidi_tensor_file *file, const char *mu, const char *sigma,
                            const hidi_moments *moments)
{
    const size_t dim[2] = {moments->dim, moments->dim};
    HIDI_TRY(hidi_tensor_file_add(file, mu, HIDI_F64, 1, dim, moments->mean));
    return hidi_tensor_file_add(file, sigma, HIDI_F64, 2, dim, moments->covariance);
}

hidi_status hidi_statistics_write(const char *path, const hidi_moments *features,
                                  const hidi_moments *spatial, const char *extractor)
{
    hidi_tensor_file file;
    const int64_t count = (int64_t)features->count;
    const bool has_spatial = spatial != NULL && spatial->dim > 0;
    const size_t length = strlen(extractor);
    HIDI_TRY(check_moments(features, path, "mu", "sigma"));
    if (has_spatial)
        HIDI_TRY(check_moments(spatial, path, "mu_s", "sigma_s"));
    hidi_tensor_file_init(&file);
    hidi_status status = add_pair(&file, "mu", "sigma", features);
    if (status == HIDI_OK && has_spatial)
        status = add_pair(&file, "mu_s", "sigma_s", spatial);
    if (status == HIDI_OK && count > 0)
        status = hidi_tensor_file_add(&file, "count", HIDI_I64, 0, NULL, &count);
    if (status == HIDI_OK && length > 0)
        status = hidi_tensor_file_add(&file, "extractor", HIDI_U8, 1, &length, extractor);
    if (status == HIDI_OK)
        status = hidi_npz_write(&file, path);
    hidi_tensor_file_free(&file);
    return status;
}
