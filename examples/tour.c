/* tour.c - docs/tour.md's companion: one image's tensors for `hidi probe`, and a look at what comes
 * out.
 *
 *     ./tour inputs                          one image, its noise and times: in-*.safetensors
 *     ./tour show FILE [NAME...]             shape, root mean square, least and largest of tensors
 *     ./tour draw PICTURE.png FILE NAME...   the first images of tensors [B, C, H, W], a row each
 *     ./tour take OUT FROM NAME AS...        a file of tensors from others, under other names
 *     ./tour inside MODEL PICTURE.png        the network's first block from its ops; its attention
 *     ./tour strip MODEL STEPS PICTURE.png   Heun's steps from noise to image
 */
#include <hidi/hidi.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64, C = 3, SIDE = 16, PIXELS = C * SIDE * SIDE, CLASSES = 10, ZOOM = 5, DRAWN = 10 };

/* The image that is followed: number 7 of the test split. */
enum { FIRST = 7, SEED = 1 };
static const hidi_real T = (hidi_real)0.6, R = (hidi_real)0.2;

/* --- tensors ---------------------------------------------------------------------------------- */

typedef struct sample {
    hidi_real x[BATCH * PIXELS], e[BATCH * PIXELS], e2[BATCH * PIXELS]; /* [B, C, H, W] */
    hidi_real z[PIXELS];                                                /* [1, C, H, W] */
    hidi_real t[BATCH], r[BATCH];
    int32_t y[BATCH];
} sample;

static sample s;

/* BATCH images, of which number 0 is the one that is followed; z_t = (1 - t) x + t e of that one */
static hidi_status draw_inputs(void)
{
    hidi_dataset *data;
    HIDI_TRY(hidi_dataset_open(&data, "shapes", NULL, SIDE, SEED));
    hidi_dataset_range(data, HIDI_TEST, FIRST, BATCH, s.x, s.y);
    hidi_dataset_close(data);
    hidi_normal((hidi_random){SEED, HIDI_STREAM_NOISE, 4}, 0, s.e, BATCH * PIXELS);
    hidi_normal((hidi_random){SEED, HIDI_STREAM_MATCHING_NOISE, 0}, 0, s.e2, BATCH * PIXELS);
    for (int i = 0; i < BATCH; i++)
        s.t[i] = T, s.r[i] = R;
    for (int i = 0; i < PIXELS; i++)
        s.z[i] = (1 - T) * s.x[i] + T * s.e[i];
    return HIDI_OK;
}

/* One file of inputs: the tensors whose letters are in `names` (n: y is the null class), of count
 * samples. */
static hidi_status write_inputs(const char *path, const char *names, size_t count)
{
    const size_t images[] = {count, C, SIDE, SIDE};
    const int32_t null = CLASSES;
    hidi_tensor_file file;
    hidi_tensor_file_init(&file);
    hidi_status status = HIDI_OK;
    for (const char *c = names; *c != '\0' && status == HIDI_OK; c++) {
        switch (*c) {
        case 'x': status = hidi_tensor_file_add_real(&file, "x", 4, images, s.x); break;
        case 'i': status = hidi_tensor_file_add_real(&file, "images", 4, images, s.x); break;
        case 'e': status = hidi_tensor_file_add_real(&file, "e", 4, images, s.e); break;
        case '2': status = hidi_tensor_file_add_real(&file, "e2", 4, images, s.e2); break;
        case 'z': status = hidi_tensor_file_add_real(&file, "z", 4, images, s.z); break;
        case 't': status = hidi_tensor_file_add_real(&file, "t", 1, &count, s.t); break;
        case 'r': status = hidi_tensor_file_add_real(&file, "r", 1, &count, s.r); break;
        case 'n': status = hidi_tensor_file_add(&file, "y", HIDI_I32, 1, &count, &null); break;
        default: status = hidi_tensor_file_add(&file, "y", HIDI_I32, 1, &count, s.y); break;
        }
    }
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&file, path);
    hidi_tensor_file_free(&file);
    return status;
}

static hidi_status inputs(void)
{
    HIDI_TRY(draw_inputs());
    HIDI_TRY(write_inputs("in-image.safetensors", "xeztry", 1));
    HIDI_TRY(write_inputs("in-dit.safetensors", "zty", 1));
    HIDI_TRY(write_inputs("in-null.safetensors", "ztn", 1));
    HIDI_TRY(write_inputs("in-flow.safetensors", "xety", 1));
    HIDI_TRY(write_inputs("in-meanflow.safetensors", "xetry", 1));
    HIDI_TRY(write_inputs("in-dmd.safetensors", "ey2t", BATCH));
    return write_inputs("in-features.safetensors", "i", BATCH);
}

static double *values_of(const hidi_file_tensor *tensor)
{
    double *value = malloc((tensor->count + 1) * sizeof *value);
    if (value != NULL)
        hidi_file_tensor_double(tensor, value);
    return value;
}

static void show_values(const char *name, const char *shape, const double *value, size_t n)
{
    double square = 0, least = n ? value[0] : 0, largest = least;
    for (size_t i = 0; i < n; i++) {
        square += value[i] * value[i];
        least = fmin(least, value[i]);
        largest = fmax(largest, value[i]);
    }
    if (n == 1)
        printf("%-14s %-20s %9.4f\n", name, shape, value[0]);
    else
        printf("%-14s %-20s rms %7.4f   from %8.4f to %8.4f\n", name, shape,
               sqrt(square / (double)n), least, largest);
}

static hidi_status show(int n, char **argv)
{
    hidi_tensor_file file;
    hidi_status status = hidi_tensor_file_open(&file, argv[0], NULL);
    for (size_t i = 0; status == HIDI_OK && i < file.n_tensors; i++) {
        const hidi_file_tensor *tensor = &file.tensor[i];
        bool wanted = n == 1;
        for (int k = 1; k < n; k++)
            wanted = wanted || strcmp(tensor->name, argv[k]) == 0;
        if (!wanted)
            continue;
        char shape[64];
        double *value = values_of(tensor);
        if (value == NULL) {
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
            break;
        }
        show_values(tensor->name, hidi_file_tensor_text(tensor, shape, sizeof shape), value,
                    tensor->count);
        free(value);
    }
    hidi_tensor_file_free(&file);
    return status;
}

/* A row of pictures for each name; as many as the first one's batch has, at most DRAWN. */
static hidi_status draw(int n, char **argv)
{
    hidi_real *x = calloc((size_t)n * DRAWN * PIXELS, sizeof *x);
    size_t columns = DRAWN;
    hidi_tensor_file file;
    hidi_status status = hidi_tensor_file_open(&file, argv[1], NULL);
    for (int k = 2; k < n && status == HIDI_OK; k++) {
        const hidi_file_tensor *tensor;
        status = hidi_tensor_file_need(&file, argv[k], &tensor);
        if (status == HIDI_OK && tensor->count != tensor->dim[0] * PIXELS)
            status = hidi_error(HIDI_BAD_SHAPE, "%s: %s is not images of 16x16x3", argv[1],
                                argv[k]);
        if (status != HIDI_OK)
            break;
        columns = tensor->dim[0] < columns ? tensor->dim[0] : columns;
        hidi_real *all = malloc((tensor->count + 1) * sizeof *all);
        if (all == NULL || x == NULL) {
            status = hidi_error(HIDI_NO_MEMORY, "out of memory");
        } else {
            hidi_file_tensor_real(tensor, all);
            memcpy(x + (size_t)(k - 2) * columns * PIXELS, all, columns * PIXELS * sizeof *x);
        }
        free(all);
    }
    if (status == HIDI_OK) { /* one image of each: side by side */
        hidi_image picture;
        const size_t count = (size_t)(n - 2) * columns;
        status = hidi_image_grid(&picture, x, count, C, SIDE, SIDE, columns > 1 ? columns : count,
                                 ZOOM);
        if (status == HIDI_OK)
            status = hidi_png_write(&picture, argv[0]);
        hidi_image_free(&picture);
    }
    hidi_tensor_file_free(&file);
    free(x);
    return status;
}

static hidi_status take(int n, char **argv)
{
    hidi_tensor_file out;
    hidi_tensor_file_init(&out);
    hidi_status status = HIDI_OK;
    for (int k = 1; k + 2 < n && status == HIDI_OK; k += 3) {
        hidi_tensor_file file;
        const hidi_file_tensor *tensor;
        status = hidi_tensor_file_open(&file, argv[k], NULL);
        if (status == HIDI_OK)
            status = hidi_tensor_file_need(&file, argv[k + 1], &tensor);
        if (status == HIDI_OK)
            status = hidi_tensor_file_add(&out, argv[k + 2], tensor->dtype, tensor->rank,
                                          tensor->dim, tensor->data);
        hidi_tensor_file_free(&file);
    }
    if (status == HIDI_OK)
        status = hidi_safetensors_write(&out, argv[0]);
    hidi_tensor_file_free(&out);
    return status;
}

/* --- the network from inside ------------------------------------------------------------------ */

static hidi_var *param(hidi_tape *tape, const hidi_dit *dit, const char *name)
{
    return hidi_param_var(tape, &dit->params, hidi_params_find(&dit->params, name), true);
}

static hidi_status show_var(hidi_tape *tape, const char *name, const hidi_var *x)
{
    HIDI_TRY(hidi_tape_status(tape));
    const size_t n = hidi_count(x->shape);
    hidi_real *host = malloc(n * sizeof *host);
    double *value = malloc(n * sizeof *value);
    HIDI_TRY(hidi_read(tape, x, host));
    for (size_t i = 0; i < n; i++)
        value[i] = (double)host[i];
    show_values(name, hidi_shape_text(x->shape), value, n);
    free(host);
    free(value);
    return HIDI_OK;
}

/* P = softmax(Q K^T / sqrt(Dh)) of each head for one token's query: heat [heads, N]. */
static hidi_status attention_of(hidi_tape *tape, const hidi_var *qkv, size_t heads, size_t token,
                                hidi_real *heat)
{
    const size_t N = qkv->shape.dim[1], D = qkv->shape.dim[2] / 3, Dh = D / heads;
    hidi_real *host = malloc(N * 3 * D * sizeof *host); /* [N, 3, heads, Dh] */
    HIDI_TRY(hidi_read(tape, qkv, host));
    for (size_t h = 0; h < heads; h++) {
        double sum = 0;
        for (size_t i = 0; i < N; i++) {
            double product = 0;
            for (size_t k = 0; k < Dh; k++)
                product += (double)host[token * 3 * D + h * Dh + k] *
                           (double)host[i * 3 * D + D + h * Dh + k];
            heat[h * N + i] = (hidi_real)exp(product / sqrt((double)Dh));
            sum += (double)heat[h * N + i];
        }
        for (size_t i = 0; i < N; i++)
            heat[h * N + i] /= (hidi_real)sum;
    }
    free(host);
    return HIDI_OK;
}

/* The heat of each head over the image, side by side. */
static hidi_status draw_heat(const char *path, const hidi_real *x, const hidi_real *heat,
                             size_t heads, size_t side)
{
    const size_t width = SIDE * ZOOM, gap = ZOOM;
    hidi_image all, one;
    HIDI_TRY(hidi_image_create(&all, heads * (width + gap) - gap, width, 3, 255));
    for (size_t h = 0; h < heads; h++) {
        HIDI_TRY(hidi_image_heat(&one, x, C, SIDE, SIDE, heat + h * side * side, side, side, ZOOM));
        for (size_t row = 0; row < width; row++)
            memcpy(all.pixel + (row * all.width + h * (width + gap)) * 3,
                   one.pixel + row * width * 3, width * 3);
        hidi_image_free(&one);
    }
    const hidi_status status = hidi_png_write(&all, path);
    hidi_image_free(&all);
    return status;
}

/* The stations from z to the tokens after block 0, each with the op that leads to it. */
static hidi_status inside(hidi_tape *tape, const hidi_dit *dit, const char *path)
{
    const hidi_dit_config *c = &dit->config;
    const size_t D = c->width, side = c->image_size / c->patch, N = side * side;
    HIDI_TRY(draw_inputs());
    hidi_var *z = hidi_constant(tape, hidi_shape4(1, C, SIDE, SIDE), s.z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(1), s.t);

    hidi_taps taps = {.n = 1, .block = {0}};
    hidi_dit_forward(tape, dit, true, z, t, NULL, HIDI_CLASSES(s.y), &taps);

    hidi_var *patches = hidi_patchify(tape, z, c->patch, HIDI_PATCH_CPQ);
    hidi_var *w = hidi_reshape(tape, param(tape, dit, "x_embedder.proj.weight"),
                               hidi_shape2(D, C * c->patch * c->patch));
    hidi_var *positions = hidi_parameter(tape, hidi_shape2(N, D), dit->positions, NULL);
    hidi_var *x = hidi_linear(tape, patches, w, param(tape, dit, "x_embedder.proj.bias"));
    x = hidi_add_rows(tape, x, positions);
    HIDI_TRY(show_var(tape, "patches", patches));
    HIDI_TRY(show_var(tape, "tokens", x));
    HIDI_TRY(show_var(tape, "c", taps.condition));

    hidi_var *m = hidi_linear(tape, hidi_silu(tape, taps.condition),
                              param(tape, dit, "blocks.0.adaLN_modulation.1.weight"),
                              param(tape, dit, "blocks.0.adaLN_modulation.1.bias"));
    hidi_var *part[6]; /* shift, scale, gate of attention; shift, scale, gate of the MLP */
    for (size_t k = 0; k < 6; k++)
        part[k] = hidi_columns_of(tape, m, k * D, D);
    HIDI_TRY(show_var(tape, "modulation", m));

    hidi_var *normed = hidi_adaln(tape, x, part[0], part[1], (hidi_real)HIDI_DIT_EPS);
    hidi_var *qkv = hidi_linear(tape, normed, param(tape, dit, "blocks.0.attn.qkv.weight"),
                                param(tape, dit, "blocks.0.attn.qkv.bias"));
    hidi_var *attended = hidi_linear(tape, hidi_attention(tape, qkv, c->heads),
                                     param(tape, dit, "blocks.0.attn.proj.weight"),
                                     param(tape, dit, "blocks.0.attn.proj.bias"));
    x = hidi_gated_residual(tape, x, part[2], attended);
    HIDI_TRY(show_var(tape, "qkv", qkv));
    HIDI_TRY(show_var(tape, "attended", attended));

    normed = hidi_adaln(tape, x, part[3], part[4], (hidi_real)HIDI_DIT_EPS);
    hidi_var *hidden = hidi_gelu(tape, hidi_linear(tape, normed,
                                                   param(tape, dit, "blocks.0.mlp.fc1.weight"),
                                                   param(tape, dit, "blocks.0.mlp.fc1.bias")));
    x = hidi_gated_residual(tape, x, part[5],
                            hidi_linear(tape, hidden, param(tape, dit, "blocks.0.mlp.fc2.weight"),
                                        param(tape, dit, "blocks.0.mlp.fc2.bias")));
    HIDI_TRY(show_var(tape, "hidden", hidden));
    HIDI_TRY(show_var(tape, "block 0", x));
    HIDI_TRY(show_var(tape, "difference", hidi_sub(tape, x, taps.tokens[0])));

    hidi_real *heat = malloc(c->heads * N * sizeof *heat);
    hidi_status status = attention_of(tape, qkv, c->heads, N / 2 + side / 2, heat);
    if (status == HIDI_OK)
        status = draw_heat(path, s.x, heat, c->heads, side);
    free(heat);
    return status;
}

/* Heun's method, dz/dt = v_w: above z_t, below z_t - t v_w, where the velocity points. */
static hidi_status strip(hidi_tape *tape, const hidi_dit *dit, int steps, const char *path)
{
    const hidi_shape shape = hidi_shape4(1, C, SIDE, SIDE);
    const double w = 1.5;
    hidi_real *frame = malloc((size_t)(2 * steps + 2) * PIXELS * sizeof *frame);
    HIDI_TRY(draw_inputs());
    hidi_real *z_t = frame, *x_t = frame + (size_t)(steps + 1) * PIXELS;
    memcpy(z_t, s.e, PIXELS * sizeof *frame);
    for (int k = steps; k > 0; k--, z_t += PIXELS, x_t += PIXELS) {
        const hidi_real h = 1 / (hidi_real)steps;
        hidi_tape_reset(tape);
        hidi_var *z = hidi_constant(tape, shape, z_t);
        hidi_var *t = hidi_filled(tape, hidi_shape1(1), (hidi_real)k * h);
        hidi_var *r = hidi_filled(tape, hidi_shape1(1), (hidi_real)(k - 1) * h);
        hidi_var *v = hidi_guided_velocity(tape, dit, z, t, HIDI_CLASSES(s.y), w);
        hidi_var *euler = hidi_sub(tape, z, hidi_scale(tape, v, h));
        hidi_var *v_r = hidi_guided_velocity(tape, dit, euler, r, HIDI_CLASSES(s.y), w);
        hidi_var *mean = hidi_scale(tape, hidi_add(tape, v, v_r), (hidi_real)0.5);
        HIDI_TRY(hidi_read(tape, hidi_denoised(tape, z, v, t), x_t));
        HIDI_TRY(hidi_read(tape, hidi_sub(tape, z, hidi_scale(tape, mean, h)), z_t + PIXELS));
    }
    memcpy(x_t, z_t, PIXELS * sizeof *frame);
    hidi_image picture;
    HIDI_TRY(hidi_image_grid(&picture, frame, (size_t)(2 * steps + 2), C, SIDE, SIDE,
                             (size_t)steps + 1, ZOOM));
    const hidi_status status = hidi_png_write(&picture, path);
    hidi_image_free(&picture);
    free(frame);
    return status;
}

/* --- the command ------------------------------------------------------------------------------ */

static hidi_status with_model(char **argv)
{
    const hidi_backend *backend;
    hidi_dit *dit = NULL;
    HIDI_TRY(hidi_backend_open("cpu", &backend));
    HIDI_TRY(hidi_dit_load(&dit, backend, argv[1]));
    hidi_tape *tape = hidi_tape_create(backend);
    hidi_status status;
    if (dit->config.image_size != SIDE || dit->config.channels != C)
        status = hidi_error(HIDI_BAD_SHAPE, "%s: not for images of 16x16x3", argv[1]);
    else if (strcmp(argv[0], "inside") == 0)
        status = inside(tape, dit, argv[2]);
    else
        status = strip(tape, dit, atoi(argv[2]), argv[3]);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(dit);
    return status;
}

int main(int argc, char **argv)
{
    const int n = argc - 1;
    const char *command = n > 0 ? argv[1] : "";
    hidi_status status;
    if (strcmp(command, "inputs") == 0 && n == 1) {
        status = inputs();
    } else if (strcmp(command, "show") == 0 && n >= 2) {
        status = show(n - 1, argv + 2);
    } else if (strcmp(command, "draw") == 0 && n >= 4) {
        status = draw(n - 1, argv + 2);
    } else if (strcmp(command, "take") == 0 && n >= 5 && (n - 2) % 3 == 0) {
        status = take(n - 1, argv + 2);
    } else if ((strcmp(command, "inside") == 0 && n == 3) ||
               (strcmp(command, "strip") == 0 && n == 4 && atoi(argv[3]) > 0)) {
        status = with_model(argv + 1);
    } else {
        fprintf(stderr, "usage: tour inputs | show FILE [NAME...] | draw PICTURE FILE NAME... |\n"
                        "            take OUT FROM NAME AS... | inside MODEL PICTURE |\n"
                        "            strip MODEL STEPS PICTURE\n");
        return 2;
    }
    if (status != HIDI_OK) {
        fprintf(stderr, "tour: %s\n", hidi_error_message());
        return 1;
    }
    return 0;
}
