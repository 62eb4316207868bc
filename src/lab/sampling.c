/* sampling.c - noise in, images out: e and y are drawn from a seed or read from a file, the
 * network's sampler turns e into images, and the name of the output says what becomes of them. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include "lab/sampling.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/processes.h"
#include "core/stop.h"
#include "data/embeddings.h"
#include "data/listing.h"
#include "data/words.h"
#include "io/atomic_file.h"
#include "io/image.h"
#include "io/npz.h"
#include "io/number.h"
#include "io/open_tensors.h"
#include "io/safetensors.h"
#include "lab/classes.h"
#include "lab/pictures.h"

enum { HIDI_PROMPT_WORDS = 1024 }; /* no network takes more */
enum { COUNT = 60 }; /* samples, where nothing says how many */

/* A list of one caption. */
typedef struct caption_text {
    hidi_captions captions;
    int32_t token[HIDI_PROMPT_WORDS], length;
} caption_text;

/* All of hidi sample. */
typedef struct sampling {
    const hidi_session *session;
    const hidi_sample_request *request;
    hidi_sample_form form;
    hidi_tensor_file model, noise;
    bool has_noise;
    hidi_dit *net;
    size_t n, pixels; /* samples; numbers of each */
    hidi_real *x;     /* [n, C, H, W]: the noise, then the images */
    int32_t *y;       /* [n] */
    caption_text prompt, negative;       /* of a network that takes words ...          */
    hidi_embeddings rows, negative_rows; /* ... or embeddings                          */
    const hidi_captions *captions;       /* which is one of these; NULL: classes       */
    hidi_condition away_from;            /* the negative one, for all; captions NULL: none */
} sampling;

/* --- names ------------------------------------------------------------------------------------ */

static bool ends_in(const char *name, const char *ending)
{
    const size_t length = strlen(name), n = strlen(ending);
    return length > n && strcasecmp(name + length - n, ending) == 0;
}

hidi_status hidi_sample_form_of(const char *out, hidi_sample_form *form)
{
    if (ends_in(out, "/") || hidi_is_folder(out))
        *form = HIDI_SAMPLES_FOLDER;
    else if (ends_in(out, ".png"))
        *form = HIDI_SAMPLES_GRID;
    else if (ends_in(out, ".npz"))
        *form = HIDI_SAMPLES_NPZ;
    else if (ends_in(out, ".safetensors"))
        *form = HIDI_SAMPLES_SAFETENSORS;
    else
        return hidi_error(HIDI_BAD_ARGUMENT, "%s: samples are written as a picture NAME.png, a "
                                             "folder NAME/ of them, NAME.npz or NAME.safetensors",
                          out);
    return HIDI_OK;
}

static char *picture_name(char *name, size_t size, size_t i)
{
    snprintf(name, size, "%06zu.png", i);
    return name;
}

/* A folder is to hold these samples and no others: tools measure all the pictures in it. */
static hidi_status check_folder(const sampling *s)
{
    const char *out = s->session->out;
    hidi_name_list list;
    char name[32];
    if (!hidi_is_folder(out))
        return HIDI_OK;
    hidi_status status = hidi_list_folder(&list, out, HIDI_LIST_PICTURES);
    for (size_t i = 0; i < list.n && status == HIDI_OK; i++)
        if (i >= s->n || strcmp(list.name[i], picture_name(name, sizeof name, i)) != 0)
            status = hidi_error(HIDI_BAD_ARGUMENT, "%s holds %s, which is not among these %zu "
                                                   "samples: use another folder",
                                out, list.name[i], s->n);
    hidi_name_list_free(&list);
    return status;
}

/* --- what is needed --------------------------------------------------------------------------- */

/* The file's tensor of noise: called so, or the only one. */
static hidi_status find_noise(const hidi_tensor_file *file, const hidi_file_tensor **noise)
{
    *noise = file->n_tensors == 1 ? &file->tensor[0] : hidi_tensor_file_find(file, "noise");
    if (*noise != NULL)
        return HIDI_OK;
    return hidi_error(HIDI_BAD_FORMAT, "%s: no tensor \"noise\" of [N, C, H, W]", file->path);
}

static hidi_status open_noise(sampling *s)
{
    const hidi_dit_config *c = &s->net->config;
    const hidi_file_tensor *noise, *label;
    HIDI_TRY(hidi_tensor_file_open(&s->noise, s->request->noise, NULL));
    s->has_noise = true;
    HIDI_TRY(find_noise(&s->noise, &noise));
    if (noise->rank != 4 || noise->dim[0] < 1 || noise->dim[1] != c->channels ||
        noise->dim[2] != c->image_size || noise->dim[3] != c->image_size) {
        char text[128];
        return hidi_error(HIDI_BAD_SHAPE, "%s: %s is %s, expected [N, %zu, %zu, %zu]",
                          s->noise.path, noise->name,
                          hidi_file_tensor_text(noise, text, sizeof text), c->channels,
                          c->image_size, c->image_size);
    }
    if (s->request->count == 0)
        s->n = noise->dim[0];
    if (s->n > noise->dim[0])
        return hidi_error(HIDI_BAD_ARGUMENT, "--count %zu: %s has noise for %zu samples", s->n,
                          s->noise.path, noise->dim[0]);
    label = hidi_tensor_file_find(&s->noise, "labels");
    if (label != NULL && (label->rank != 1 || label->dim[0] != noise->dim[0]))
        return hidi_error(HIDI_BAD_SHAPE, "%s: labels are not [%zu], as the noise is",
                          s->noise.path, noise->dim[0]);
    return HIDI_OK;
}

static hidi_status check_channels(const sampling *s)
{
    const size_t channels = s->net->config.channels;
    if (s->form == HIDI_SAMPLES_SAFETENSORS || channels == 1 || channels == 3)
        return HIDI_OK;
    return hidi_error(HIDI_UNSUPPORTED, "%s makes %zu channels, which are no picture: --out "
                                        "NAME.safetensors takes them as they are",
                      s->request->model, channels);
}

/* A text as words of the network's vocabulary. */
static hidi_status read_text(const sampling *s, const char *option, const char *text,
                             caption_text *caption)
{
    const hidi_dit_config *c = &s->net->config;
    const char *words = hidi_tensor_file_meta(&s->model, "hidi.words");
    hidi_unknown_words unknown = {0};
    if (words == NULL || hidi_words_rows(words) != c->words)
        return hidi_error(HIDI_BAD_FORMAT, "%s has no vocabulary of %zu words (hidi.words)",
                          s->request->model, c->words);
    HIDI_TRY(hidi_error_prefix(hidi_words_read(words, text, c->caption_length, caption->token,
                                               &caption->length, &unknown),
                               "%s", option));
    if (unknown.n > 0 && hidi_process_is_first())
        fprintf(stderr,
                "hidi sample: %s: %zu word%s not in the model's vocabulary, \"%s\" the first\n",
                option, unknown.n, unknown.n == 1 ? " is" : "s are", unknown.first);
    caption->captions = (hidi_captions){.n = 1,
                                        .most = c->caption_length,
                                        .length = &caption->length,
                                        .token = caption->token,
                                        .words = words};
    return HIDI_OK;
}

/* Of these options none may be given where `why`, which names the model. */
static hidi_status refuse_options(const hidi_sample_request *r, bool texts, bool files,
                                  const char *why)
{
    const struct {
        const char *name, *value;
        bool refused;
    } options[] = {{"prompt", r->prompt, texts},
                   {"negative", r->negative, texts},
                   {"embeddings", r->embeddings, files},
                   {"negative-embeddings", r->negative_embeddings, files}};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i].refused && options[i].value != NULL)
            return hidi_error(HIDI_BAD_ARGUMENT, "--%s: %s %s", options[i].name, r->model, why);
    return HIDI_OK;
}

static hidi_status refuse_guidance(const sampling *s, const char *option)
{
    return s->net->config.has_interval
               ? hidi_error(HIDI_BAD_ARGUMENT, "%s: %s is a student, which is not guided", option,
                            s->request->model)
               : HIDI_OK;
}

/* --prompt and --negative. */
static hidi_status read_prompts(sampling *s)
{
    const hidi_sample_request *r = s->request;
    HIDI_TRY(refuse_options(r, false, true, "takes captions as words: --prompt TEXT"));
    if (r->prompt == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s takes captions: --prompt TEXT", r->model);
    HIDI_TRY(read_text(s, "--prompt", r->prompt, &s->prompt));
    s->captions = &s->prompt.captions;
    if (r->negative == NULL)
        return HIDI_OK;
    HIDI_TRY(refuse_guidance(s, "--negative"));
    HIDI_TRY(read_text(s, "--negative", r->negative, &s->negative));
    s->away_from.captions = &s->negative.captions;
    return HIDI_OK;
}

/* The captions of a file, which must be such as the network takes. */
static hidi_status read_rows(const sampling *s, const char *option, const char *path,
                             hidi_embeddings *rows)
{
    const hidi_dit_config *c = &s->net->config;
    HIDI_TRY(hidi_error_prefix(hidi_embeddings_open(rows, path), "%s", option));
    if (rows->captions.width != c->caption_width)
        return hidi_error(HIDI_BAD_SHAPE, "%s: %s has embeddings of width %zu, and %s takes %zu",
                          option, path, rows->captions.width, s->request->model, c->caption_width);
    for (size_t i = 0; i < rows->captions.n; i++)
        if ((size_t)rows->length[i] > c->caption_length)
            return hidi_error(HIDI_BAD_SHAPE, "%s: %s, row %zu: %ld tokens, and %s takes %zu at "
                                              "most",
                              option, path, i, (long)rows->length[i], s->request->model,
                              c->caption_length);
    return HIDI_OK;
}

/* A network without a null caption takes that of the rows' file, or must not need one. */
static hidi_status check_null(sampling *s)
{
    const hidi_sample_request *r = s->request;
    if (!s->net->config.no_null)
        return HIDI_OK;
    if (s->rows.captions.null != NULL)
        return hidi_error_prefix(hidi_dit_give_null(&s->net, &s->rows.captions), "--embeddings: %s",
                                 r->embeddings);
    if (r->negative_embeddings == NULL && !s->net->config.has_interval &&
        s->session->settings.sample.guidance != 1)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "%s has no null caption, which guidance leads away from: "
                          "--negative-embeddings FILE, or `null` in %s",
                          r->model, r->embeddings);
    for (size_t i = 0; i < s->rows.captions.n; i++)
        if (s->rows.length[i] == 0)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s, row %zu is the null caption, and %s has none",
                              r->embeddings, i, r->model);
    return HIDI_OK;
}

/* --embeddings and --negative-embeddings. */
static hidi_status read_embeddings(sampling *s)
{
    const hidi_sample_request *r = s->request;
    HIDI_TRY(refuse_options(r, true, false, "takes captions that another program has encoded: "
                                            "--embeddings FILE, not a text"));
    if (r->embeddings == NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "%s takes captions that another program has encoded: "
                                             "--embeddings FILE",
                          r->model);
    HIDI_TRY(read_rows(s, "--embeddings", r->embeddings, &s->rows));
    s->captions = &s->rows.captions;
    HIDI_TRY(check_null(s));
    if (r->negative_embeddings == NULL)
        return HIDI_OK;
    HIDI_TRY(refuse_guidance(s, "--negative-embeddings"));
    HIDI_TRY(read_rows(s, "--negative-embeddings", r->negative_embeddings, &s->negative_rows));
    if (s->negative_rows.captions.n != 1)
        return hidi_error(HIDI_BAD_SHAPE, "--negative-embeddings: %s has %zu rows, expected one, "
                                          "for all samples",
                          r->negative_embeddings, s->negative_rows.captions.n);
    s->away_from.captions = &s->negative_rows.captions;
    return HIDI_OK;
}

static hidi_status read_captions(sampling *s)
{
    const hidi_sample_request *r = s->request;
    const hidi_dit_config *c = &s->net->config;
    if (c->caption_length == 0)
        return refuse_options(r, true, true, "takes classes, not captions");
    if (r->label != NULL || r->classes != NULL)
        return hidi_error(HIDI_BAD_ARGUMENT, "--class: %s takes captions (%s)", r->model,
                          c->words > 0 ? "--prompt" : "--embeddings");
    return c->words > 0 ? read_prompts(s) : read_embeddings(s);
}

static hidi_condition condition_of(const sampling *s)
{
    return (hidi_condition){.number = s->y, .captions = s->captions};
}

/* Everything that may be refused before a step is taken. */
static hidi_status prepare(sampling *s)
{
    const hidi_sample_request *r = s->request;
    hidi_sample_form noise_form;
    HIDI_TRY(hidi_sample_form_of(s->session->out, &s->form));
    if (s->form != HIDI_SAMPLES_FOLDER)
        HIDI_TRY(hidi_atomic_check(s->session->out));
    if (r->heads != NULL)
        HIDI_TRY(hidi_atomic_check(r->heat));
    if (r->save_noise != NULL) {
        HIDI_TRY(hidi_atomic_check(r->save_noise));
        if (hidi_sample_form_of(r->save_noise, &noise_form) != HIDI_OK ||
            noise_form < HIDI_SAMPLES_NPZ)
            return hidi_error(HIDI_BAD_ARGUMENT, "--save-noise %s: noise is written as NAME.npz or "
                                                 "NAME.safetensors",
                              r->save_noise);
    }
    const hidi_dit_given given = hidi_session_given(s->session, HIDI_GIVEN_ALL);
    HIDI_TRY(hidi_dit_open(&s->model, r->model, s->session->key));
    HIDI_TRY(hidi_dit_read(&s->net, s->session->backend, &s->model, "", &given));
    const hidi_sampler sampler =
        hidi_settings_sampler(&s->session->settings, s->net->config.has_interval);
    HIDI_TRY(hidi_error_prefix(hidi_sampler_check(&sampler, s->net), "%s", r->model));
    HIDI_TRY(read_captions(s));
    s->pixels = s->net->config.channels * s->net->config.image_size * s->net->config.image_size;
    HIDI_TRY(check_channels(s));
    s->n = r->embeddings != NULL ? s->captions->n : COUNT;
    s->n = r->count > 0 ? (size_t)r->count : s->n;
    if (r->noise != NULL)
        HIDI_TRY(open_noise(s));
    return s->form == HIDI_SAMPLES_FOLDER ? check_folder(s) : HIDI_OK;
}

/* --- e and y ---------------------------------------------------------------------------------- */

/* The first n of the file's noise, and its classes, if it has any, in place of those drawn. */
static hidi_status read_noise(sampling *s)
{
    const hidi_file_tensor *noise, *label = hidi_tensor_file_find(&s->noise, "labels");
    HIDI_TRY(find_noise(&s->noise, &noise));
    hidi_real *all = malloc(noise->count * sizeof *all);
    int32_t *classes = malloc(noise->dim[0] * sizeof *classes);
    hidi_status status = HIDI_OK;
    if (all == NULL || classes == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "%s: out of memory", s->noise.path);
    if (status == HIDI_OK) {
        hidi_file_tensor_real(noise, all);
        memcpy(s->x, all, s->n * s->pixels * sizeof *all);
    }
    if (status == HIDI_OK && label != NULL)
        status = hidi_file_tensor_int(label, classes);
    if (status == HIDI_OK && label != NULL)
        memcpy(s->y, classes, s->n * sizeof *classes);
    free(all);
    free(classes);
    return status;
}

static hidi_status draw_inputs(sampling *s)
{
    const hidi_dit_config *c = &s->net->config;
    int32_t label;
    s->x = malloc(s->n * s->pixels * sizeof *s->x);
    s->y = malloc(s->n * sizeof *s->y);
    if (s->x == NULL || s->y == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for %zu samples", s->n);
    for (size_t i = 0; i < s->n; i++) {
        HIDI_TRY(hidi_check_stop());
        hidi_sample_inputs((uint64_t)s->session->settings.sample.seed, c, i, 1,
                           s->x + i * s->pixels, s->y + i);
    }
    if (s->request->noise != NULL)
        HIDI_TRY(read_noise(s));
    if (s->request->classes != NULL)
        HIDI_TRY(hidi_classes_read(s->request->classes, c->n_classes, &s->model));
    if (s->request->label != NULL) {
        const char *name = s->request->label;
        HIDI_TRY(hidi_error_prefix(hidi_class_find(&s->model, c->n_classes, name, &label),
                                   "--class %s", name));
        for (size_t i = 0; i < s->n; i++)
            s->y[i] = label;
    }
    for (size_t i = 0; i < s->n && s->captions != NULL; i++)
        s->y[i] = (int32_t)(i % s->captions->n);
    for (size_t i = 0; i < s->n && s->captions == NULL; i++) /* n_classes: none, as in training without labels */
        if (s->y[i] < 0 || (size_t)s->y[i] > c->n_classes)
            return hidi_error(HIDI_BAD_ARGUMENT, "%s: class %ld; the network has 0 to %zu",
                              s->noise.path, (long)s->y[i], c->n_classes - 1);
    return HIDI_OK;
}

/* --- what becomes of them --------------------------------------------------------------------- */

static hidi_status write_tensors(const hidi_tensor_file *file, const char *path)
{
    return ends_in(path, ".npz") ? hidi_npz_write(file, path) : hidi_safetensors_write(file, path);
}

/* x as a tensor of this name, and y as labels. */
static hidi_status write_arrays(const sampling *s, const char *name, const char *path)
{
    const hidi_dit_config *c = &s->net->config;
    const size_t dim[] = {s->n, c->channels, c->image_size, c->image_size};
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = hidi_tensor_file_add_real(&file, name, 4, dim, s->x);
    if (status == HIDI_OK)
        status = hidi_tensor_file_add(&file, "labels", HIDI_I32, 1, &s->n, s->y);
    if (status == HIDI_OK)
        status = write_tensors(&file, path);
    hidi_tensor_file_free(&file);
    return status;
}

/* Image i as it is in a PNG file: u8 [H, W, C]. */
static hidi_status to_image(const sampling *s, size_t i, hidi_image *image)
{
    const size_t C = s->net->config.channels, area = s->pixels / C;
    const hidi_real *x = s->x + i * s->pixels;
    HIDI_TRY(hidi_image_create(image, s->net->config.image_size, s->net->config.image_size, (int)C,
                               0));
    hidi_real *rounded = malloc(s->pixels * sizeof *rounded);
    if (rounded == NULL) {
        hidi_image_free(image);
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    }
    memcpy(rounded, x, s->pixels * sizeof *rounded);
    hidi_round_to_bytes(rounded, s->pixels);
    for (size_t p = 0; p < area; p++)
        for (size_t k = 0; k < C; k++)
            image->pixel[p * C + k] =
                (uint8_t)(((double)rounded[k * area + p] + 1) * 127.5 + 0.5);
    free(rounded);
    return HIDI_OK;
}

static hidi_status write_folder(const sampling *s)
{
    char path[HIDI_PATH], folder[HIDI_PATH], name[32];
    snprintf(folder, sizeof folder, "%s", s->session->out);
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--)
        folder[n - 1] = '\0';
    HIDI_TRY(hidi_make_folder(folder));
    for (size_t i = 0; i < s->n; i++) {
        hidi_image image;
        HIDI_TRY(to_image(s, i, &image));
        const hidi_status status = hidi_png_write(
            &image, hidi_path(path, sizeof path, folder, picture_name(name, sizeof name, i)));
        hidi_image_free(&image);
        HIDI_TRY(status);
    }
    return HIDI_OK;
}

/* For hidi_npz_write_rows. */
static hidi_status fill_rows(void *context, size_t first, size_t n, unsigned char *rows)
{
    const sampling *s = context;
    for (size_t i = 0; i < n; i++) {
        hidi_image image;
        HIDI_TRY(to_image(s, first + i, &image));
        memcpy(rows + i * s->pixels, image.pixel, s->pixels);
        hidi_image_free(&image);
    }
    return HIDI_OK;
}

static hidi_status write_npz(sampling *s)
{
    const hidi_dit_config *c = &s->net->config;
    const size_t dim[] = {s->n, c->image_size, c->image_size, c->channels};
    hidi_tensor_file labels;
    int64_t *y = malloc(s->n * sizeof *y);
    if (y == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < s->n; i++)
        y[i] = s->y[i];
    hidi_tensor_file_init(&labels);
    hidi_status status = hidi_tensor_file_add(&labels, "arr_1", HIDI_I64, 1, &s->n, y);
    if (status == HIDI_OK)
        status = hidi_npz_write_rows(s->session->out, "arr_0", HIDI_U8, 4, dim, fill_rows, s,
                                     &labels);
    hidi_tensor_file_free(&labels);
    free(y);
    return status;
}

static hidi_status write_images(sampling *s)
{
    const hidi_session *session = s->session;
    switch (s->form) {
    case HIDI_SAMPLES_GRID:
        return hidi_write_grid(session->out, s->x, s->n, &s->net->config,
                               (size_t)s->request->columns, (size_t)session->settings.eval.zoom);
    case HIDI_SAMPLES_FOLDER:
        return write_folder(s);
    case HIDI_SAMPLES_NPZ:
        return write_npz(s);
    default:
        return write_arrays(s, "images", session->out);
    }
}

static hidi_status write_weights_over(const sampling *s)
{
    const hidi_settings *settings = &s->session->settings;
    const hidi_sample_request *r = s->request;
    hidi_discriminator discriminator;
    hidi_status status =
        hidi_discriminator_load(&discriminator, s->session, r->heads, r->backbone);
    if (status == HIDI_OK) {
        const hidi_heat heat = hidi_settings_heat(
            settings, &discriminator, (uint64_t)settings->sample.seed, (size_t)r->columns);
        const hidi_condition y = condition_of(s);
        status = hidi_write_heat(r->heat, &heat, s->x, &y, s->n);
    }
    hidi_discriminator_free(&discriminator);
    return status;
}

/* --- all of it -------------------------------------------------------------------------------- */

static hidi_status compute(sampling *s)
{
    const hidi_session *session = s->session;
    hidi_sampler sampler =
        hidi_settings_sampler(&session->settings, s->net->config.has_interval);
    const hidi_condition y = condition_of(s);
    if (s->away_from.captions != NULL)
        sampler.negative = &s->away_from;
    hidi_progress progress;
    hidi_tape *tape = hidi_tape_create(s->net->params.backend);
    if (tape == NULL)
        return hidi_error(HIDI_NO_MEMORY, "no memory for a tape");
    hidi_progress_begin(&progress, session->progress, "sample", 0, (long)s->n);
    const hidi_status status = hidi_sample(&sampler, s->net, tape, s->x, &y, s->n, &progress);
    hidi_tape_destroy(tape);
    if (status == HIDI_OK)
        hidi_progress_end(&progress, NULL);
    return status;
}

static hidi_status run(sampling *s)
{
    hidi_stop_flag();
    HIDI_TRY(prepare(s));
    HIDI_TRY(draw_inputs(s));
    if (s->request->save_noise != NULL)
        HIDI_TRY(write_arrays(s, "noise", s->request->save_noise));
    HIDI_TRY(compute(s));
    if (!hidi_process_is_first())
        return HIDI_OK; /* the first writes */
    HIDI_TRY(write_images(s));
    return s->request->heads != NULL ? write_weights_over(s) : HIDI_OK;
}

hidi_status hidi_write_samples(const hidi_session *session, const hidi_sample_request *request)
{
    sampling s = {.session = session, .request = request};
    hidi_tensor_file_init(&s.model);
    hidi_tensor_file_init(&s.noise);
    hidi_tensor_file_init(&s.rows.file);
    hidi_tensor_file_init(&s.negative_rows.file);
    const hidi_status status = run(&s);
    hidi_dit_destroy(s.net);
    hidi_tensor_file_free(&s.model);
    hidi_tensor_file_free(&s.noise);
    hidi_embeddings_close(&s.rows);
    hidi_embeddings_close(&s.negative_rows);
    free(s.x);
    free(s.y);
    return status;
}
