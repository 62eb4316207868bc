/* scenes.c - procedural pictures with captions from a small grammar:
 *
 *     a [small | large] COLOUR TEXTURE SHAPE
 *     (two | three) COLOUR TEXTURE SHAPEs
 *     a COLOUR TEXTURE SHAPE (left of | right of | above | below) a COLOUR TEXTURE SHAPE
 *
 * There are 47,196 such captions, and a picture's label is the number of its own.  One in six pairs
 * of colour and shape is held out, a red star among them: no picture of any split shows one, so
 * that what a network makes of "a red star" is composed, not remembered.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "data/drawing.h"
#include "data/readers.h"
#include "data/scenes.h"
#include "data/words.h"

#define PI 3.14159265358979323846

enum {
    SHAPES = HIDI_SCENE_SHAPES,
    COLOURS = HIDI_SCENE_COLOURS,
    TEXTURES = HIDI_SCENE_TEXTURES,
    OBJECTS = SHAPES * COLOURS * TEXTURES
};
enum { SIZES = 3, COUNTS = 2, RELATIONS = 4 };
/* Where the captions of each kind begin. */
enum {
    SINGLE = 0,
    SEVERAL = SIZES * OBJECTS,
    PAIR = SEVERAL + COUNTS * OBJECTS,
    CAPTIONS = PAIR + RELATIONS * OBJECTS * OBJECTS
};
enum { MOST_WORDS = 10, ASKED = 4096 };

static const struct {
    const char *name, *names;
    size_t shape; /* of drawing.h */
} shapes[SHAPES] = {{"circle", "circles", 0},     {"square", "squares", 2},
                    {"triangle", "triangles", 3}, {"cross", "crosses", 4},
                    {"star", "stars", 5},         {"heart", "hearts", 7}};
static const struct {
    const char *name;
    size_t colour;
} colours[COLOURS] = {{"red", 0},  {"yellow", 2}, {"green", 3},
                      {"cyan", 4}, {"blue", 5},   {"purple", 6}};
static const struct {
    const char *name;
    hidi_texture texture;
} textures[TEXTURES] = {{"plain", HIDI_PLAIN}, {"striped", HIDI_STRIPES}, {"dotted", HIDI_DOTS}};
static const char *const sizes[SIZES] = {"", "small ", "large "};
static const char *const counts[COUNTS] = {"two", "three"};
static const char *const relations[RELATIONS] = {"left of", "right of", "above", "below"};

static const char vocabulary[] =
    "a two three small large plain striped dotted red yellow green cyan blue purple circle square "
    "triangle cross star heart circles squares triangles crosses stars hearts left right of above "
    "below";

/* --- captions --------------------------------------------------------------------------------- */

/* Number (shape COLOURS + colour) TEXTURES + texture. */
static hidi_scene_object object_of(size_t number)
{
    return (hidi_scene_object){.shape = number / TEXTURES / COLOURS,
                               .colour = number / TEXTURES % COLOURS,
                               .texture = number % TEXTURES};
}

static size_t number_of(const hidi_scene_object *object)
{
    return (object->shape * COLOURS + object->colour) * TEXTURES + object->texture;
}

static bool is_held_out(const hidi_scene_object *object)
{
    return (object->shape + object->colour) % SHAPES == 4;
}

static hidi_scene_request take_apart(size_t caption)
{
    const size_t k = caption < SEVERAL ? caption : caption - (caption < PAIR ? SEVERAL : PAIR);
    hidi_scene_request r = {.n = 1};
    if (caption < SEVERAL) {
        r.size = (hidi_scene_size)(k / OBJECTS);
    } else if (caption < PAIR) {
        r.n = 2 + k / OBJECTS;
    } else {
        r.n = 2;
        r.in_relation = true;
        r.relation = (hidi_scene_relation)(k / OBJECTS / OBJECTS);
    }
    for (size_t i = 0; i < r.n; i++) {
        const bool is_first = r.in_relation && i == 0;
        r.object[i] = object_of((is_first ? k / OBJECTS : k) % OBJECTS);
        r.held_out = r.held_out || is_held_out(&r.object[i]);
    }
    return r;
}

hidi_status hidi_scene_request_of(hidi_scene_request *request, int32_t caption)
{
    if (caption < 0 || caption >= CAPTIONS)
        return hidi_error(HIDI_BAD_ARGUMENT, "caption %ld: scenes has captions 0 to %d",
                          (long)caption, CAPTIONS - 1);
    *request = take_apart((size_t)caption);
    return HIDI_OK;
}

const char *hidi_scene_shape_name(size_t shape)
{
    return shape < SHAPES ? shapes[shape].name : NULL;
}

const char *hidi_scene_colour_name(size_t colour)
{
    return colour < COLOURS ? colours[colour].name : NULL;
}

const char *hidi_scene_texture_name(size_t texture)
{
    return texture < TEXTURES ? textures[texture].name : NULL;
}

static char *name_of(char *text, size_t size, const hidi_scene_object *object, bool plural)
{
    snprintf(text, size, "%s %s %s", colours[object->colour].name, textures[object->texture].name,
             plural ? shapes[object->shape].names : shapes[object->shape].name);
    return text;
}

static void write_caption(size_t caption, char *text, size_t size)
{
    const hidi_scene_request r = take_apart(caption);
    char first[48], second[48];
    name_of(first, sizeof first, &r.object[0], r.n > 1 && !r.in_relation);
    if (r.in_relation)
        snprintf(text, size, "a %s %s a %s", first, relations[r.relation],
                 name_of(second, sizeof second, &r.object[1], false));
    else if (r.n > 1)
        snprintf(text, size, "%s %s", counts[r.n - 2], first);
    else
        snprintf(text, size, "a %s%s", sizes[r.size], first);
}

/* --- pictures --------------------------------------------------------------------------------- */

static double next(const double **u, double low, double high)
{
    return low + (high - low) * *(*u)++;
}

/* The caption of a picture: one object, several, or two in a relation; for the splits, none that is
 * held out. */
static size_t draw_caption(hidi_random random, bool held_out)
{
    for (size_t attempt = 0;; attempt++) {
        double u[2];
        hidi_uniform(random, 64 + 2 * attempt, u, 2);
        const size_t first = u[0] < 0.35 ? SINGLE : u[0] < 0.6 ? SEVERAL : PAIR;
        const size_t end = u[0] < 0.35 ? SEVERAL : u[0] < 0.6 ? PAIR : CAPTIONS;
        const size_t caption = first + (size_t)(u[1] * (double)(end - first));
        if (take_apart(caption).held_out == held_out)
            return caption;
    }
}

void hidi_figure_of(hidi_figure *f, const hidi_scene_object *object)
{
    f->shape = shapes[object->shape].shape;
    f->colour = colours[object->colour].colour;
    f->texture = textures[object->texture].texture;
}

static void set_look(hidi_figure *f, const hidi_scene_object *object, const double **u)
{
    hidi_figure_of(f, object);
    const double turn = next(u, -PI / 12.0, PI / 12.0);
    f->cosine = cos(turn);
    f->sine = sin(turn);
    f->period = next(u, 0.22, 0.26);
    const double angle = next(u, 0.0, 2.0 * PI);
    f->wave[0] = cos(angle);
    f->wave[1] = sin(angle);
    f->phase[0] = next(u, 0.0, 1.0);
    f->phase[1] = next(u, 0.0, 1.0);
}

static void place_one(hidi_figure *f, hidi_scene_size size, const double **u)
{
    static const double least[SIZES] = {0.30, 0.30, 0.58}, most[SIZES] = {0.70, 0.38, 0.70};
    f->size = next(u, least[size], most[size]);
    f->x = next(u, -1.0, 1.0) * (0.92 - f->size);
    f->y = next(u, -1.0, 1.0) * (0.92 - f->size);
}

/* Around a centre, evenly. */
static void place_several(hidi_figure *f, size_t n, const double **u)
{
    const double radius = next(u, 0.46, 0.52), turn = next(u, 0.0, 2.0 * PI);
    const double x = next(u, -0.08, 0.08), y = next(u, -0.08, 0.08);
    for (size_t i = 0; i < n; i++) {
        const double angle = turn + 2.0 * PI * (double)i / (double)n;
        f[i].size = n == 2 ? next(u, 0.30, 0.36) : next(u, 0.27, 0.32);
        f[i].x = x + radius * cos(angle);
        f[i].y = y + radius * sin(angle);
    }
}

/* f[0] left of f[1], or turned by a right angle or two. */
static void place_pair(hidi_figure *f, hidi_scene_relation relation, const double **u)
{
    f[0].size = next(u, 0.28, 0.38);
    f[1].size = next(u, 0.28, 0.38);
    const double apart = f[0].size + f[1].size + next(u, 0.06, 0.2);
    const double room = 0.92 - apart / 2.0 - fmax(f[0].size, f[1].size);
    const double middle = next(u, -1.0, 1.0) * fmax(room, 0.0), across = next(u, -0.3, 0.3);
    for (int i = 0; i < 2; i++) {
        const bool is_first = (i == 0) == (relation == HIDI_LEFT_OF || relation == HIDI_BELOW);
        const double along = middle + (is_first ? -apart : apart) / 2.0;
        const double aside = across + next(u, -0.12, 0.12);
        f[i].x = relation < HIDI_ABOVE ? along : aside;
        f[i].y = relation < HIDI_ABOVE ? aside : along;
    }
}

static void draw_ground(hidi_ground *ground, const double **u)
{
    const double hue = next(u, 0.0, 1.0);
    for (int corner = 0; corner < 2; corner++) {
        const double value = next(u, 0.05, 0.3), saturation = next(u, 0.0, 0.4);
        hidi_hsv_to_rgb(hue, saturation, value, ground->colour[corner]);
    }
    const double angle = next(u, 0.0, 2.0 * PI);
    ground->towards[0] = cos(angle);
    ground->towards[1] = sin(angle);
}

typedef struct scenes {
    uint64_t seed;
    hidi_captions captions;
    int32_t length[CAPTIONS], token[CAPTIONS][MOST_WORDS], class_of[CAPTIONS], asked[ASKED];
} scenes;

static hidi_random draws_of(const scenes *s, hidi_split split, uint64_t index)
{
    static const uint32_t stream[HIDI_SPLITS] = {HIDI_STREAM_SHAPES_TRAIN, HIDI_STREAM_SHAPES_TEST,
                                                 HIDI_STREAM_SHAPES_VALIDATION};
    return (hidi_random){s->seed, stream[split], index};
}

static void draw_picture(size_t caption, hidi_random random, size_t side, hidi_real *image)
{
    const hidi_scene_request r = take_apart(caption);
    double draws[64];
    const double *u = draws;
    hidi_figure figure[HIDI_SCENE_FIGURES];
    hidi_ground ground;
    hidi_uniform(random, 0, draws, sizeof draws / sizeof draws[0]);
    draw_ground(&ground, &u);
    for (size_t i = 0; i < r.n; i++)
        set_look(&figure[i], &r.object[i], &u);
    if (r.in_relation)
        place_pair(figure, r.relation, &u);
    else if (r.n > 1)
        place_several(figure, r.n, &u);
    else
        place_one(figure, r.size, &u);
    hidi_draw(&ground, figure, r.n, side, image);
}

static void scenes_get(const hidi_dataset *data, hidi_split split, uint64_t index, hidi_real *image,
                       int32_t *label)
{
    const hidi_random random = draws_of(data->state, split, index);
    *label = (int32_t)draw_caption(random, false);
    draw_picture((size_t)*label, random, data->height, image);
}

bool hidi_is_scenes(const hidi_dataset *data)
{
    return data->get == scenes_get;
}

void hidi_scenes_ask(const hidi_dataset *data, bool held_out, size_t n, int32_t *caption)
{
    for (size_t i = 0; i < n; i++)
        caption[i] = (int32_t)draw_caption(draws_of(data->state, HIDI_TEST, i), held_out);
}

void hidi_scenes_draw(const hidi_dataset *data, int32_t caption, uint64_t index,
                      hidi_real *image)
{
    draw_picture((size_t)caption, draws_of(data->state, HIDI_TEST, index), data->height, image);
}

/* --- the data set ----------------------------------------------------------------------------- */

static void scenes_close(hidi_dataset *data)
{
    free(data->state);
}

static hidi_status list_captions(scenes *s)
{
    char text[128];
    for (size_t i = 0; i < CAPTIONS; i++) {
        write_caption(i, text, sizeof text);
        HIDI_TRY(hidi_words_read(vocabulary, text, MOST_WORDS, s->token[i], &s->length[i], NULL));
        const hidi_scene_request r = take_apart(i);
        s->class_of[i] = (int32_t)number_of(&r.object[0]);
    }
    for (size_t i = 0; i < ASKED; i++)
        s->asked[i] = (int32_t)draw_caption(draws_of(s, HIDI_TEST, i), false);
    s->captions = (hidi_captions){.n = CAPTIONS,
                                  .most = MOST_WORDS,
                                  .length = s->length,
                                  .token = s->token[0],
                                  .words = vocabulary,
                                  .n_asked = ASKED,
                                  .asked = s->asked,
                                  .class_of = s->class_of};
    return HIDI_OK;
}

hidi_status hidi_scenes_open(hidi_dataset *data, size_t image_size, uint64_t seed)
{
    char names[OBJECTS][48];
    const char *list[OBJECTS];
    if (image_size < 16 || image_size > 4096)
        return hidi_error(HIDI_BAD_ARGUMENT,
                          "data set 'scenes' draws images of size 16 to 4096, found %zu",
                          image_size);
    for (size_t i = 0; i < OBJECTS; i++) {
        const hidi_scene_object object = object_of(i);
        list[i] = name_of(names[i], sizeof names[i], &object, false);
    }
    HIDI_TRY(hidi_dataset_set_classes(data, list, OBJECTS));
    scenes *s = calloc(1, sizeof *s);
    if (s == NULL)
        return hidi_error(HIDI_NO_MEMORY, "out of memory for a data set");
    s->seed = seed;
    data->state = s;
    data->get = scenes_get;
    data->close = scenes_close;
    data->captions = &s->captions;
    data->channels = 3;
    data->height = data->width = image_size;
    return list_captions(s);
}
