/* encoding.c - pictures of a folder, or features of fast-DiT's, one batch at a time into a file
 * whose layout is known before the first of them: header, labels, and room for every mean and
 * log-variance.  Of an MPI run each process encodes a batch of its own, and the first writes. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/encoding.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/share_rows.h"
#include "core/array.h"
#include "core/hash.h"
#include "core/processes.h"
#include "core/stop.h"
#include "data/listing.h"
#include "io/atomic_file.h"
#include "io/image.h"
#include "io/number.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/decoding.h"
#include "lab/lock.h"
#include "model/autoencoder.h"

enum { BATCH_PIXELS = 65536, MOST_BATCH = 64 };
enum { SAVE_EVERY = 256 }; /* latents after which OUT.partial.done is brought up to date */

/* What is beyond is set to these: log-variances as in LDM's code, means as F16 can hold them. */
#define LEAST_LOGVAR (-30.0)
#define MOST_LOGVAR 20.0
#define MOST_HALF 65504.0

typedef struct item {
    char *path;
    int32_t label;
} item;

typedef struct encoding {
    const hidi_session *session;
    const hidi_encode_request *request;
    hidi_name_list classes;
    item *item;               /* [n] */
    size_t n, total;          /* pictures; latents, with mirrored copies */
    bool is_features;         /* items are .npy files of latents and of labels */
    hidi_autoencoder *net;    /* NULL: features */
    hidi_tape *tape;
    size_t side, z, h, w;     /* of pictures (height = width = side); extents of a latent */
    unsigned char *header;
    size_t header_bytes, begin[3]; /* where label, mean and logvar begin in the file */
    FILE *out;
    char partial[HIDI_PATH], done[HIDI_PATH];
} encoding;

static hidi_status no_memory(void)
{
    return hidi_error(HIDI_NO_MEMORY, "out of memory");
}

/* --- what there is to encode ------------------------------------------------------------------ */

static hidi_status add_item(encoding *e, const char *folder, const char *name, int32_t label)
{
    char path[HIDI_PATH];
    if (!hidi_array_room(&e->item, e->n, NULL, sizeof *e->item))
        return no_memory();
    e->item[e->n] = (item){strdup(hidi_path(path, sizeof path, folder, name)), label};
    return e->item[e->n++].path != NULL ? HIDI_OK : no_memory();
}

static hidi_status list_pictures(encoding *e, const char *folder, int32_t label)
{
    hidi_name_list names;
    hidi_status status = hidi_list_folder(&names, folder, HIDI_LIST_PICTURES);
    for (size_t i = 0; i < names.n && status == HIDI_OK; i++)
        status = add_item(e, folder, names.name[i], label);
    hidi_name_list_free(&names);
    return status;
}

/* Folders of classes; or, if there are none, pictures of one class. */
static hidi_status list_classes(encoding *e, const char *root)
{
    char path[HIDI_PATH];
    HIDI_TRY(hidi_list_folder(&e->classes, root, HIDI_LIST_FOLDERS));
    for (size_t i = 0; i < e->classes.n; i++)
        HIDI_TRY(list_pictures(e, hidi_path(path, sizeof path, root, e->classes.name[i]),
                               (int32_t)i));
    if (e->classes.n == 0) {
        HIDI_TRY(list_pictures(e, root, 0));
        if (!hidi_name_list_append(&e->classes, "all"))
            return no_memory();
    }
    return e->n > 0 ? HIDI_OK
                    : hidi_error(HIDI_BAD_FORMAT, "%s: no pictures (%s), in folders of their "
                                                  "classes or alone",
                                 root, hidi_image_kinds());
}

/* fast-DiT's FOLDER/NAME_features/0.npy ... and FOLDER/NAME_labels: the name of the first, if the
 * folder has just these two. */
static bool find_features(const char *folder, char *features, char *labels, size_t size)
{
    static const char ending[] = "_features";
    hidi_name_list names;
    bool found = hidi_list_folder(&names, folder, HIDI_LIST_FOLDERS) == HIDI_OK && names.n == 2;
    if (found) {
        const size_t length = strlen(names.name[0]), base = length - strlen(ending);
        found = length > strlen(ending) && strcmp(names.name[0] + base, ending) == 0 &&
                strlen(names.name[1]) == base + strlen("_labels") &&
                strncmp(names.name[0], names.name[1], base) == 0 &&
                strcmp(names.name[1] + base, "_labels") == 0;
        hidi_path(features, size, folder, names.name[0]);
        hidi_path(labels, size, folder, names.name[1]);
    }
    hidi_name_list_free(&names);
    return found;
}

/* Latent number i, [1, z, h, w] or [z, h, w]; extents must be those of the first.  The caller frees
 * *values. */
static hidi_status read_feature(encoding *e, size_t i, hidi_real **values)
{
    hidi_tensor_file file;
    *values = NULL;
    HIDI_TRY(hidi_tensor_file_open(&file, e->item[i].path, NULL));
    const hidi_file_tensor *t = file.n_tensors == 1 ? &file.tensor[0] : NULL;
    const bool is_latent = t != NULL && (t->rank == 3 || (t->rank == 4 && t->dim[0] == 1));
    const size_t *dim = is_latent ? t->dim + (t->rank == 4) : NULL;
    if (is_latent && i == 0)
        e->z = dim[0], e->h = dim[1], e->w = dim[2];
    hidi_status status = HIDI_OK;
    if (!is_latent || t->count == 0 || dim[0] != e->z || dim[1] != e->h || dim[2] != e->w)
        status = hidi_error(HIDI_BAD_SHAPE, "%s: not a latent [1, z, h, w]%s", e->item[i].path,
                            i > 0 ? " as the first one is" : "");
    else if ((*values = malloc(t->count * sizeof **values)) == NULL)
        status = no_memory();
    else
        hidi_file_tensor_real(t, *values);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status read_feature_label(const char *folder, size_t i, int32_t *label)
{
    char path[HIDI_PATH], name[32];
    hidi_tensor_file file;
    snprintf(name, sizeof name, "%zu.npy", i);
    HIDI_TRY(hidi_tensor_file_open(&file, hidi_path(path, sizeof path, folder, name), NULL));
    const bool is_one = file.n_tensors == 1 && file.tensor[0].count == 1;
    hidi_status status = is_one ? hidi_error_prefix(hidi_file_tensor_int(&file.tensor[0], label),
                                                    "%s", path)
                                : hidi_error(HIDI_BAD_FORMAT, "%s: not one number", path);
    hidi_tensor_file_free(&file);
    if (status == HIDI_OK && (*label < 0 || *label >= 1000000))
        status = hidi_error(HIDI_BAD_FORMAT, "%s: class %ld", path, (long)*label);
    return status;
}

static hidi_status list_features(encoding *e, const char *features, const char *labels)
{
    char name[32], path[HIDI_PATH];
    hidi_real *first;
    int32_t most = 0, label = 0;
    for (size_t i = 0;; i++) {
        snprintf(name, sizeof name, "%zu.npy", i);
        if (access(hidi_path(path, sizeof path, features, name), F_OK) != 0)
            break;
        HIDI_TRY(hidi_check_stop());
        HIDI_TRY(read_feature_label(labels, i, &label));
        HIDI_TRY(add_item(e, features, name, label));
        most = label > most ? label : most;
    }
    if (e->n == 0)
        return hidi_error(HIDI_BAD_FORMAT, "%s: no 0.npy", features);
    for (int32_t k = 0; k <= most; k++) {
        snprintf(name, sizeof name, "%ld", (long)k);
        if (!hidi_name_list_append(&e->classes, name))
            return no_memory();
    }
    HIDI_TRY(read_feature(e, 0, &first));
    free(first);
    return HIDI_OK;
}

/* --- pictures --------------------------------------------------------------------------------- */

static hidi_status read_picture(const encoding *e, size_t i, hidi_image *image)
{
    const char *path = e->item[i].path;
    HIDI_TRY(hidi_image_read(image, path, (int)e->net->config.image_channels, HIDI_NO_BACKGROUND,
                             NULL));
    if (e->request->size > 0)
        return hidi_error_prefix(hidi_image_square(image, e->side, true, HIDI_NO_BACKGROUND), "%s",
                                 path);
    if (e->side == 0 || (image->width == e->side && image->height == e->side))
        return HIDI_OK;
    const hidi_status status =
        hidi_error(HIDI_BAD_SHAPE, "%s: %zu x %zu pixels, expected %zu x %zu; --size N cuts and "
                                   "scales all of them", path, image->height, image->width, e->side,
                   e->side);
    hidi_image_free(image);
    return status;
}

/* The side of all pictures: as asked for, or the first one's. */
static hidi_status find_side(encoding *e)
{
    const size_t factor = hidi_autoencoder_factor(&e->net->config);
    hidi_image image;
    e->side = (size_t)e->request->size;
    HIDI_TRY(read_picture(e, 0, &image));
    e->side = image.width;
    const bool is_square = image.width == image.height;
    hidi_image_free(&image);
    if (!is_square || e->side % factor != 0)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: not a square whose side is a multiple of %zu: "
                                             "--size N cuts and scales pictures", e->item[0].path,
                          factor);
    e->z = e->net->config.latent_channels;
    e->h = e->w = e->side / factor;
    return HIDI_OK;
}

/* Picture i as x [C, H, W] in [-1, 1]. */
static hidi_status load(const encoding *e, size_t i, bool flip, hidi_real *x)
{
    const size_t C = e->net->config.image_channels, side = e->side;
    hidi_image image;
    HIDI_TRY(read_picture(e, i, &image));
    for (size_t c = 0; c < C; c++)
        for (size_t row = 0; row < side; row++)
            for (size_t column = 0; column < side; column++) {
                const size_t from = row * side + (flip ? side - 1 - column : column);
                x[(c * side + row) * side + column] =
                    (hidi_real)(image.pixel[from * C + c] / 127.5 - 1);
            }
    hidi_image_free(&image);
    return HIDI_OK;
}

/* --- the file --------------------------------------------------------------------------------- */

static hidi_status class_names(const encoding *e, hidi_tensor_file *file)
{
    size_t bytes = 1;
    for (size_t i = 0; i < e->classes.n; i++)
        bytes += strlen(e->classes.name[i]) + 1;
    char *text = malloc(bytes), *end = text;
    if (text == NULL)
        return no_memory();
    for (size_t i = 0; i < e->classes.n; i++)
        end += sprintf(end, "%s%s", i > 0 ? "\n" : "", e->classes.name[i]);
    const hidi_status status = hidi_tensor_file_add_meta(file, "hidi.classes", text);
    free(text);
    return status;
}

/* A number for all that decides the result: another job does not go on with this one's file. */
static hidi_status job(const encoding *e, char *text, size_t size)
{
    uint64_t parts[3] = {e->n, e->side, 0};
    for (size_t i = 0; i < e->n; i++)
        parts[2] = parts[2] * 31 + hidi_hash(e->item[i].path, strlen(e->item[i].path));
    for (int i = 0; e->net != NULL && i < e->net->params.n_params; i++) {
        const size_t n = hidi_count(e->net->params.param[i].shape);
        hidi_real *host = malloc(n * sizeof *host);
        if (host == NULL)
            return no_memory();
        hidi_params_read(&e->net->params, i, host);
        parts[2] = parts[2] * 31 + hidi_hash(host, n * sizeof *host);
        free(host);
    }
    snprintf(text, size, "%016llx", (unsigned long long)hidi_hash(parts, sizeof parts));
    return HIDI_OK;
}

static hidi_status describe(encoding *e, hidi_tensor_file *file)
{
    const size_t dim[] = {e->total, e->z, e->h, e->w};
    char text[64];
    HIDI_TRY(hidi_tensor_file_refer(file, "label", HIDI_I32, 1, dim, NULL));
    HIDI_TRY(hidi_tensor_file_refer(file, "mean", HIDI_F16, 4, dim, NULL));
    if (!e->is_features)
        HIDI_TRY(hidi_tensor_file_refer(file, "logvar", HIDI_F16, 4, dim, NULL));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "format", "hidi-latents"));
    hidi_print_double(text, sizeof text, "%.9g", e->is_features ? 1 : e->net->config.scale);
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.scale", text));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.mirrored", e->total > e->n ? "yes" : "no"));
    HIDI_TRY(job(e, text, sizeof text));
    HIDI_TRY(hidi_tensor_file_add_meta(file, "hidi.job", text));
    return class_names(e, file);
}

static hidi_status make_header(encoding *e)
{
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = describe(e, &file);
    if (status == HIDI_OK)
        status = hidi_safetensors_header(&file, e->session->out, &e->header, &e->header_bytes,
                                         e->begin);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status cannot_write(const encoding *e)
{
    return hidi_error(HIDI_BAD_FILE, "%s: cannot write it: %s", e->partial, strerror(errno));
}

/* n bytes to their place in the file. */
static hidi_status put(const encoding *e, size_t at, const void *bytes, size_t n)
{
    return fseeko(e->out, (off_t)at, SEEK_SET) == 0 && fwrite(bytes, 1, n, e->out) == n
               ? HIDI_OK
               : cannot_write(e);
}

/* How many latents an earlier run of the same job has left; 0: none. */
static size_t resume(encoding *e)
{
    unsigned char *text = NULL, *header = malloc(e->header_bytes);
    size_t bytes = 0;
    long done = 0;
    if (header != NULL && fread(header, 1, e->header_bytes, e->out) == e->header_bytes &&
        memcmp(header, e->header, e->header_bytes) == 0 &&
        hidi_read_file(e->done, &text, &bytes) == HIDI_OK &&
        !(hidi_parse_long((const char *)text, &done) && done > 0 && (size_t)done <= e->total))
        done = 0;
    free(header);
    free(text);
    return (size_t)done;
}

/* What is written is on the disk before the number says so. */
static hidi_status save(const encoding *e, size_t done)
{
    hidi_atomic_file file;
    if (!hidi_process_is_first())
        return HIDI_OK;
    if (fflush(e->out) != 0 || fsync(fileno(e->out)) != 0)
        return cannot_write(e);
    HIDI_TRY(hidi_atomic_open(&file, e->done));
    fprintf(file.out, "%zu", done);
    return hidi_atomic_commit(&file);
}

/* The first process has the file, and nobody else until it is whole. */
static hidi_status begin_file(encoding *e, size_t *done)
{
    *done = 0;
    if (!hidi_process_is_first())
        return HIDI_OK;
    HIDI_TRY(hidi_lock_file(e->partial, &e->out));
    *done = resume(e);
    if (*done == 0 && ftruncate(fileno(e->out), 0) != 0)
        return cannot_write(e);
    HIDI_TRY(put(e, 0, e->header, e->header_bytes));
    for (size_t i = 0; i < e->total; i++) {
        unsigned char label[4];
        const uint32_t bits = (uint32_t)e->item[i % e->n].label;
        for (int k = 0; k < 4; k++)
            label[k] = (unsigned char)(bits >> 8 * k & 255);
        HIDI_TRY(put(e, e->begin[0] + 4 * i, label, 4));
    }
    return HIDI_OK;
}

static hidi_status end_file(encoding *e)
{
    const bool ok = fflush(e->out) == 0 && fsync(fileno(e->out)) == 0;
    const bool closed = fclose(e->out) == 0;
    e->out = NULL;
    if (!ok || !closed || rename(e->partial, e->session->out) != 0)
        return cannot_write(e);
    remove(e->done);
    return HIDI_OK;
}

/* count numbers as halves, from number `first` of the tensor that begins at `at`. */
static hidi_status put_halves(const encoding *e, size_t at, size_t first, const hidi_real *x,
                              size_t count, double least, double most)
{
    unsigned char *bytes = malloc(2 * count);
    if (bytes == NULL)
        return no_memory();
    for (size_t i = 0; i < count; i++) {
        const double value = (double)x[i];
        const uint16_t bits = hidi_to_half(value < least ? least : value > most ? most : value);
        bytes[2 * i] = (unsigned char)(bits & 255);
        bytes[2 * i + 1] = (unsigned char)(bits >> 8);
    }
    const hidi_status status = put(e, at + 2 * first, bytes, 2 * count);
    free(bytes);
    return status;
}

/* --- encoding --------------------------------------------------------------------------------- */

/* moments [2 z, h, w] of latent m: means, then log-variances. */
static hidi_status put_moments(const encoding *e, size_t m, const hidi_real *moments)
{
    const size_t n = e->z * e->h * e->w;
    for (size_t i = 0; i < (e->is_features ? n : 2 * n); i++)
        if (!isfinite(moments[i]))
            return hidi_error(HIDI_NOT_FINITE, "%s: its latent holds %g", e->item[m % e->n].path,
                              (double)moments[i]);
    HIDI_TRY(put_halves(e, e->begin[1], m * n, moments, n, -MOST_HALF, MOST_HALF));
    if (e->is_features)
        return HIDI_OK;
    return put_halves(e, e->begin[2], m * n, moments + n, n, LEAST_LOGVAR, MOST_LOGVAR);
}

/* What is done at a time: a batch by each process. */
typedef struct batches {
    encoding *e;
    size_t batch, per; /* latents of a batch; numbers of the moments of one                     */
    size_t first, n;   /* latents of this round                                                 */
    hidi_real *x;      /* [batch, C, H, W]: the images of this process's                        */
    hidi_real *moments; /* [processes * batch, per]: of all of this round                       */
} batches;

static hidi_status encode_pictures(const batches *r, size_t first, size_t n, hidi_real *moments)
{
    encoding *e = r->e;
    const size_t C = e->net->config.image_channels, size = C * e->side * e->side;
    for (size_t i = 0; i < n; i++)
        HIDI_TRY(load(e, (first + i) % e->n, first + i >= e->n, r->x + i * size));
    hidi_tape_reset(e->tape);
    hidi_var *in = hidi_constant(e->tape, hidi_shape4(n, C, e->side, e->side), r->x);
    hidi_var *out = hidi_encode(e->tape, e->net, true, in);
    HIDI_TRY(hidi_tape_status(e->tape));
    return hidi_read(e->tape, out, moments);
}

static hidi_status read_features(const batches *r, size_t first, size_t n, hidi_real *moments)
{
    for (size_t i = 0; i < n; i++) {
        hidi_real *values;
        HIDI_TRY(read_feature(r->e, first + i, &values));
        memcpy(moments + i * r->per, values, r->per * sizeof *values);
        free(values);
    }
    return HIDI_OK;
}

/* For hidi_backend_rows_in_turn: batch number `piece` of the round. */
static hidi_status encode_batch(void *context, int member, size_t piece)
{
    const batches *r = context;
    const size_t at = piece * r->batch, n = r->n - at < r->batch ? r->n - at : r->batch;
    (void)member;
    return r->e->is_features ? read_features(r, r->first + at, n, r->moments + at * r->per)
                             : encode_pictures(r, r->first + at, n, r->moments + at * r->per);
}

static hidi_status write_round(const batches *r)
{
    for (size_t i = 0; i < r->n && hidi_process_is_first(); i++)
        HIDI_TRY(put_moments(r->e, r->first + i, r->moments + i * r->per));
    return HIDI_OK;
}

static hidi_status encode_round(batches *r)
{
    const size_t bytes = r->per * sizeof *r->moments;
    const hidi_piece_rows rows = {r->moments, r->batch * bytes, r->n * bytes};
    HIDI_TRY(hidi_processes_check_stop());
    HIDI_TRY(hidi_backend_rows_in_turn((r->n + r->batch - 1) / r->batch, encode_batch, r, &rows,
                                       1));
    return hidi_processes_agree(write_round(r));
}

static hidi_status encode_rounds(batches *r)
{
    encoding *e = r->e;
    hidi_status status = HIDI_OK;
    hidi_progress progress;
    const size_t most = r->batch * (size_t)hidi_processes();
    size_t done = r->first, saved = done;
    hidi_progress_begin(&progress, e->session->progress, "encode", (long)done, (long)e->total);
    while (done < e->total && status == HIDI_OK) {
        r->first = done;
        r->n = e->total - done < most ? e->total - done : most;
        status = encode_round(r);
        if (status != HIDI_OK)
            break;
        done += r->n;
        hidi_progress_update(&progress, (long)done, NULL);
        if (done - saved >= SAVE_EVERY) {
            status = save(e, done);
            saved = done;
        }
    }
    if (status == HIDI_OK)
        hidi_progress_end(&progress, NULL);
    else if (done > saved)
        (void)save(e, done);
    return status;
}

static hidi_status encode_from(encoding *e, size_t done)
{
    const size_t pixels = e->side * e->side, n = e->z * e->h * e->w;
    const size_t some = pixels > 0 && pixels < BATCH_PIXELS ? BATCH_PIXELS / pixels : 1;
    batches r = {.e = e, .first = done, .per = e->is_features ? n : 2 * n};
    r.batch = e->is_features || some > MOST_BATCH ? MOST_BATCH : some;
    const size_t C = e->is_features ? 0 : e->net->config.image_channels;
    r.x = malloc((r.batch * C * pixels + 1) * sizeof *r.x);
    r.moments = malloc((size_t)hidi_processes() * r.batch * r.per * sizeof *r.moments);
    const hidi_status status =
        r.x == NULL || r.moments == NULL ? no_memory() : encode_rounds(&r);
    free(r.x);
    free(r.moments);
    return status;
}

/* --- all of it -------------------------------------------------------------------------------- */

static hidi_status prepare(encoding *e)
{
    const hidi_encode_request *r = e->request;
    const char *folder = r->folder;
    char features[HIDI_PATH], labels[HIDI_PATH];
    e->is_features = find_features(folder, features, labels, sizeof features);
    if (e->is_features && (r->autoencoder != NULL || r->mirrored || r->size > 0))
        return hidi_error(HIDI_BAD_ARGUMENT, "%s holds latents already: no --autoencoder, --size "
                                             "and --mirrored", folder);
    if (!e->is_features && r->autoencoder == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "--autoencoder FILE is missing");
    if (e->is_features) {
        HIDI_TRY(list_features(e, features, labels));
    } else {
        HIDI_TRY(list_classes(e, hidi_has_folder(folder, "train")
                                     ? hidi_path(features, sizeof features, folder, "train")
                                     : folder));
        HIDI_TRY(hidi_open_autoencoder(e->session, r->autoencoder, r->key, HIDI_ENCODER, &e->net));
        HIDI_TRY(find_side(e));
    }
    e->total = r->mirrored ? 2 * e->n : e->n;
    return make_header(e);
}

static hidi_status run(encoding *e)
{
    size_t done;
    hidi_stop_flag();
    HIDI_TRY(prepare(e));
    snprintf(e->partial, sizeof e->partial, "%s.partial", e->session->out);
    snprintf(e->done, sizeof e->done, "%s.partial.done", e->session->out);
    e->tape = hidi_tape_create(e->session->backend);
    if (e->tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    HIDI_TRY(hidi_processes_agree(begin_file(e, &done)));
    hidi_processes_broadcast(0, &done, sizeof done);
    if (done > 0 && e->session->progress != NULL)
        fprintf(e->session->progress, "goes on with %s after %zu of %zu latents\n", e->partial,
                done, e->total);
    HIDI_TRY(encode_from(e, done));
    return hidi_process_is_first() ? end_file(e) : HIDI_OK;
}

hidi_status hidi_encode_folder(const hidi_session *session, const hidi_encode_request *request)
{
    encoding e = {.session = session, .request = request};
    const hidi_status status = run(&e);
    if (e.out != NULL)
        fclose(e.out);
    for (size_t i = 0; i < e.n; i++)
        free(e.item[i].path);
    free(e.item);
    free(e.header);
    hidi_name_list_free(&e.classes);
    hidi_tape_destroy(e.tape);
    hidi_autoencoder_destroy(e.net);
    return status;
}
