/* latents.c - the file of `hidi encode`, mapped into memory: "images" are latents of an
 * autoencoder, times its scale, so that a diffusion model sees about unit variance (Rombach et al.,
 * arXiv 2112.10752, section 3.3 and appendix G).
 *
 *   mean   x = scale mean
 *   draw   x = scale (mean + exp(logvar / 2) e),  e ~ N(0, 1): another draw each time that a training
 *          takes it; for whoever looks at a split, a function of the seed and the image's number
 *          (SD-VAE's deviations are some thousandths of the means')
 *
 * As in a folder, images are numbered in turns, one of each class, and every tenth of a class is
 * the test split, unless the metadata say that there is none (hidi.split = train).  Mirrored copies
 * are the file's own: the mirror image of a latent is not the latent of the mirror image.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/readers.h"
#include "io/number.h"
#include "io/safetensors.h"

typedef struct latents {
    hidi_tensor_file file;
    const hidi_file_tensor *mean, *logvar; /* [M, C, H, W]; logvar NULL: there is none   */
    int32_t *label;                        /* [M]                                        */
    size_t n;                              /* without mirrored copies, which follow them */
    uint32_t *number[2];                   /* of each split's images in the file         */
    double scale;
    uint64_t seed;
    bool draw;
    bool is_train; /* there is no test split */
} latents;

/* --- getting one ------------------------------------------------------------------------------ */

/* x [n] += exp(logvar / 2) e, e from number `at` on */
static void add_noise(const latents *l, uint64_t which, hidi_random random, uint64_t at, size_t n,
                      hidi_real *x)
{
    hidi_real e[256], logvar[256];
    for (size_t i = 0; i < n; i += 256) {
        const size_t some = n - i < 256 ? n - i : 256;
        hidi_normal(random, at + i, e, some);
        hidi_file_tensor_part(l->logvar, which * n + i, some, logvar);
        for (size_t k = 0; k < some; k++)
            x[i + k] += (hidi_real)(exp((double)logvar[k] / 2) * (double)e[k]);
    }
}

/* Where an image is in the file. */
static uint64_t place_of(const hidi_dataset *data, hidi_split split, uint64_t index)
{
    const latents *l = data->state;
    const uint64_t own = data->count[HIDI_TRAIN] / (data->mirrored ? 2 : 1);
    uint64_t first = 0;
    if (split == HIDI_VALIDATION) { /* held out: behind the training images */
        split = HIDI_TRAIN;
        index += own;
    } else if (split == HIDI_TRAIN && index >= own) {
        first = l->n;
        index -= own;
    }
    return first + l->number[split][index];
}

/* x = scale (mean + exp(logvar / 2) e) */
static void read_latent(const hidi_dataset *data, uint64_t which, hidi_random random, uint64_t at,
                        hidi_real *image, int32_t *label)
{
    const latents *l = data->state;
    const size_t n = data->channels * data->height * data->width;
    hidi_file_tensor_part(l->mean, which * n, n, image);
    if (l->draw)
        add_noise(l, which, random, at, n, image);
    for (size_t i = 0; i < n; i++)
        image[i] = (hidi_real)(l->scale * (double)image[i]);
    *label = l->label[which];
}

static void get(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                int32_t *label)
{
    const latents *l = data->state;
    const uint64_t which = place_of(data, split, index);
    read_latent(data, which, (hidi_random){l->seed, HIDI_STREAM_LATENT, which}, 0, image, label);
}

static void get_drawn(const hidi_dataset *data, uint64_t index, hidi_random random, uint64_t at,
                      hidi_real *image, int32_t *label)
{
    read_latent(data, place_of(data, HIDI_TRAIN, index), random, at, image, label);
}

static void close_latents(hidi_dataset *data)
{
    latents *l = data->state;
    hidi_tensor_file_free(&l->file);
    free(l->label);
    free(l->number[0]);
    free(l->number[1]);
    free(l);
}

/* --- opening ---------------------------------------------------------------------------------- */

static hidi_status no_memory(const char *path)
{
    return hidi_error(HIDI_NO_MEMORY, "%s: out of memory", path);
}

static bool is_float(const hidi_file_tensor *tensor)
{
    return tensor->dtype <= HIDI_BF16;
}

static hidi_status find_tensors(hidi_dataset *data, latents *l, const hidi_file_tensor **label)
{
    const char *path = l->file.path;
    HIDI_TRY(hidi_tensor_file_need(&l->file, "mean", &l->mean));
    HIDI_TRY(hidi_tensor_file_need(&l->file, "label", label));
    l->logvar = hidi_tensor_file_find(&l->file, "logvar");
    const hidi_file_tensor *mean = l->mean;
    if (mean->rank != 4 || mean->count == 0 || !is_float(mean) || mean->dim[0] > UINT32_MAX ||
        (*label)->count != mean->dim[0])
        return hidi_error(HIDI_BAD_FORMAT, "%s: mean and label are not [M, C, H, W] and [M]", path);
    if (l->logvar != NULL && (l->logvar->rank != 4 || !is_float(l->logvar) ||
                              memcmp(l->logvar->dim, mean->dim, 4 * sizeof mean->dim[0]) != 0))
        return hidi_error(HIDI_BAD_FORMAT, "%s: logvar is not as mean is", path);
    if (mean->dim[1] > 4096 || mean->dim[2] > 4096 || mean->dim[3] > 4096)
        return hidi_error(HIDI_BAD_FORMAT, "%s: latents of %zu x %zu x %zu", path, mean->dim[1],
                          mean->dim[2], mean->dim[3]);
    data->channels = mean->dim[1];
    data->height = mean->dim[2];
    data->width = mean->dim[3];
    return HIDI_OK;
}

static hidi_status read_metadata(latents *l)
{
    const char *scale = hidi_tensor_file_meta(&l->file, "hidi.scale");
    const char *mirrored = hidi_tensor_file_meta(&l->file, "hidi.mirrored");
    const bool has_copies = mirrored != NULL && strcmp(mirrored, "yes") == 0;
    l->scale = 1;
    if (scale != NULL && (!hidi_parse_double(scale, &l->scale) || !(l->scale > 0)))
        return hidi_error(HIDI_BAD_FORMAT, "%s: hidi.scale \"%.40s\" is not a number above 0",
                          l->file.path, scale);
    const char *split = hidi_tensor_file_meta(&l->file, "hidi.split");
    l->is_train = split != NULL && strcmp(split, "train") == 0;
    l->n = has_copies ? l->mean->dim[0] / 2 : l->mean->dim[0];
    return has_copies && l->mean->dim[0] % 2 != 0
               ? hidi_error(HIDI_BAD_FORMAT, "%s: mirrored copies, but %zu latents", l->file.path,
                            l->mean->dim[0])
               : HIDI_OK;
}

/* Names of the metadata, one a line, or numbers; as many as labels need. */
static hidi_status set_classes(hidi_dataset *data, const latents *l)
{
    const char *names = hidi_tensor_file_meta(&l->file, "hidi.classes");
    size_t n = 0;
    for (const char *at = names; at != NULL; n++)
        at = (at = strchr(at, '\n')) != NULL ? at + 1 : NULL;
    for (size_t i = 0; i < l->mean->dim[0]; i++) {
        if (l->label[i] < 0 || l->label[i] >= 1048576)
            return hidi_error(HIDI_BAD_FORMAT, "%s: class %ld of latent %zu", l->file.path,
                              (long)l->label[i], i);
        if ((size_t)l->label[i] >= n)
            n = (size_t)l->label[i] + 1;
    }
    data->class_name = calloc(n, sizeof *data->class_name);
    if (data->class_name == NULL)
        return no_memory(l->file.path);
    data->n_classes = n;
    for (size_t i = 0; i < n; i++) {
        const size_t length = names != NULL ? strcspn(names, "\n") : 0;
        if (length > 0)
            snprintf(data->class_name[i], sizeof data->class_name[i], "%.*s", (int)length, names);
        else
            snprintf(data->class_name[i], sizeof data->class_name[i], "%zu", i);
        names = names != NULL && names[length] == '\n' ? names + length + 1 : NULL;
    }
    return HIDI_OK;
}

/* The split of number `rank` of a class. */
static int split_of(const latents *l, uint32_t rank)
{
    return !l->is_train && rank % 10 == 9 ? HIDI_TEST : HIDI_TRAIN;
}

/* rank[i]: how many latents of the same class are before number i; *ranks: one more than
 * the most. */
static hidi_status find_ranks(const hidi_dataset *data, const latents *l, uint32_t *rank,
                              size_t *ranks)
{
    uint32_t *seen = calloc(data->n_classes, sizeof *seen);
    if (seen == NULL)
        return no_memory(l->file.path);
    *ranks = 0;
    for (size_t i = 0; i < l->n; i++) {
        rank[i] = seen[l->label[i]]++;
        *ranks = seen[l->label[i]] > *ranks ? seen[l->label[i]] : *ranks;
    }
    free(seen);
    return HIDI_OK;
}

/* The numbers of both splits, in the order of ranks (a counting sort; classes lie in order). */
static hidi_status divide(hidi_dataset *data, latents *l)
{
    uint32_t *rank = malloc(l->n * sizeof *rank);
    size_t ranks = 0, *next[2] = {NULL, NULL}, count[2] = {0, 0};
    hidi_status status = rank == NULL ? no_memory(l->file.path)
                                      : find_ranks(data, l, rank, &ranks);
    for (int s = 0; s < 2 && status == HIDI_OK; s++) {
        next[s] = calloc(ranks + 1, sizeof *next[s]);
        l->number[s] = malloc(l->n * sizeof *l->number[s]);
        if (next[s] == NULL || l->number[s] == NULL)
            status = no_memory(l->file.path);
    }
    for (size_t i = 0; i < l->n && status == HIDI_OK; i++) {
        const int split = split_of(l, rank[i]);
        next[split][rank[i] + 1]++;
        count[split]++;
    }
    for (size_t r = 1; r <= ranks && status == HIDI_OK; r++)
        for (int s = 0; s < 2; s++)
            next[s][r] += next[s][r - 1];
    for (size_t i = 0; i < l->n && status == HIDI_OK; i++) {
        const int split = split_of(l, rank[i]);
        l->number[split][next[split][rank[i]]++] = (uint32_t)i;
    }
    if (status == HIDI_OK && count[HIDI_TEST] == 0 && !l->is_train)
        status = hidi_error(HIDI_BAD_FORMAT, "%s: no class has 10 latents, of which the tenth "
                                             "would be a test image", l->file.path);
    data->count[HIDI_TRAIN] = count[HIDI_TRAIN];
    data->count[HIDI_TEST] = count[HIDI_TEST];
    free(rank);
    free(next[0]);
    free(next[1]);
    return status;
}

hidi_status hidi_latents_open(hidi_dataset *data, const char *path, size_t image_size, bool draw,
                              uint64_t seed)
{
    const hidi_file_tensor *label;
    latents *l = calloc(1, sizeof *l);
    if (l == NULL)
        return no_memory(path);
    hidi_tensor_file_init(&l->file);
    data->state = l;
    data->get = get;
    data->draw = get_drawn;
    data->close = close_latents;
    l->draw = draw;
    l->seed = seed;
    HIDI_TRY(hidi_safetensors_map(&l->file, path));
    HIDI_TRY(find_tensors(data, l, &label));
    HIDI_TRY(read_metadata(l));
    l->label = malloc(label->count * sizeof *l->label);
    if (l->label == NULL)
        return no_memory(path);
    HIDI_TRY(hidi_error_prefix(hidi_file_tensor_int(label, l->label), "%s", path));
    if (draw && l->logvar == NULL) {
        l->draw = false;
        snprintf(data->note, sizeof data->note, "no log-variances: the latents are what they are");
    }
    data->lacks_copies = l->n == l->mean->dim[0];
    HIDI_TRY(set_classes(data, l));
    HIDI_TRY(divide(data, l));
    return hidi_dataset_expect_size(data, path, image_size);
}
