/* derivatives.c - the two kinds of derivatives of a DiT: the gradient of a loss, in reverse mode,
 * and the derivative along a direction (the JVP), in forward mode, out of the same pass as the
 * value.  Both are compared with central differences.
 *
 *     ./derivatives
 */
#include <hidi/hidi.h>

#include <math.h>
#include <stdio.h>

enum { B = 2, C = 1, SIDE = 8, PIXELS = B * C * SIDE * SIDE };

/* The error of the differences is of order STEP^2, and float's rounding, 6e-8, grows 1 / STEP
 * fold. */
static const double STEP = 1e-2, TOLERANCE = 2e-3;

/* Where the network is looked at: z and t; and the direction (dz, dt) of the derivative. */
typedef struct point {
    hidi_real z[PIXELS], t[B];
    int32_t y[B];
    hidi_real dz[PIXELS], dt[B];
} point;

/* Random weights: a network fresh from hidi_dit_initialise puts out 0 everywhere. */
static hidi_status make_net(hidi_dit **net, const hidi_backend *backend)
{
    const hidi_dit_config config = {.image_size = SIDE, .channels = C, .out_channels = C,
                                    .patch = 2, .width = 32, .depth = 2, .heads = 4,
                                    .mlp_width = 128, .n_classes = 3, .time_scale = 1};
    hidi_real values[8192]; /* the largest parameter has 6 x 32 x 32 */
    HIDI_TRY(hidi_dit_create(net, backend, &config));
    for (int i = 0; i < (*net)->params.n_params; i++) {
        const size_t n = hidi_count((*net)->params.param[i].shape);
        /* weight number k of parameter i is draw number k of stream INIT at step i */
        hidi_normal((hidi_random){1, HIDI_STREAM_INIT, (uint64_t)i}, 0, values, n);
        for (size_t k = 0; k < n; k++)
            values[k] *= (hidi_real)0.1;
        hidi_params_write(&(*net)->params, i, values);
    }
    return HIDI_OK;
}

/* loss = mean v(z, t, y)^2; with gradients if they are wanted (NULL: not). */
static hidi_status loss_at(hidi_tape *tape, const hidi_dit *net, const point *p, double *loss,
                           hidi_real *grad_z)
{
    hidi_real value;
    hidi_tape_reset(tape);
    hidi_var *z = hidi_input(tape, hidi_shape4(B, C, SIDE, SIDE), p->z, grad_z != NULL);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p->t);
    hidi_var *v = hidi_dit_velocity(tape, net, grad_z == NULL, z, t, NULL, HIDI_CLASSES(p->y));
    hidi_var *l = hidi_mean(tape, hidi_square(tape, v));
    HIDI_TRY(hidi_tape_status(tape)); /* the first thing that failed above, if any */
    if (grad_z != NULL) {
        HIDI_TRY(hidi_tape_backward(tape, l, NULL));
        HIDI_TRY(hidi_read_grad(tape, z, grad_z));
    }
    HIDI_TRY(hidi_read(tape, l, &value));
    *loss = (double)value;
    return HIDI_OK;
}

/* v, and its derivative along (dz, dt) if that is wanted. */
static hidi_status velocity_at(hidi_tape *tape, const hidi_dit *net, const point *p, hidi_real *v,
                               hidi_real *dv)
{
    hidi_tape_reset(tape);
    hidi_var *z = hidi_constant(tape, hidi_shape4(B, C, SIDE, SIDE), p->z);
    hidi_var *t = hidi_constant(tape, hidi_shape1(B), p->t);
    if (dv != NULL) { /* the dual numbers z + eps dz and t + eps dt */
        z = hidi_dual(tape, z, hidi_constant(tape, hidi_shape4(B, C, SIDE, SIDE), p->dz));
        t = hidi_dual(tape, t, hidi_constant(tape, hidi_shape1(B), p->dt));
    }
    hidi_var *out = hidi_dit_velocity(tape, net, true, z, t, NULL, HIDI_CLASSES(p->y));
    HIDI_TRY(hidi_tape_status(tape));
    HIDI_TRY(hidi_read(tape, out, v));
    return dv != NULL ? hidi_read_tangent(tape, out, dv) : HIDI_OK;
}

/* The point moved by h along its direction; in time too, unless only z is to move. */
static point moved(const point *p, double h, bool in_time)
{
    point q = *p;
    for (int i = 0; i < PIXELS; i++)
        q.z[i] += (hidi_real)h * p->dz[i];
    for (int b = 0; in_time && b < B; b++)
        q.t[b] += (hidi_real)h * p->dt[b];
    return q;
}

/* <grad_z, dz> against [loss(z + h dz) - loss(z - h dz)] / 2h;  *error: the difference, relative */
static hidi_status check_gradient(hidi_tape *tape, const hidi_dit *net, const point *p,
                                  double *error)
{
    const point ahead = moved(p, STEP, false), behind = moved(p, -STEP, false);
    hidi_real grad_z[PIXELS];
    double loss, loss_ahead, loss_behind, along = 0;
    HIDI_TRY(loss_at(tape, net, p, &loss, grad_z));
    HIDI_TRY(loss_at(tape, net, &ahead, &loss_ahead, NULL));
    HIDI_TRY(loss_at(tape, net, &behind, &loss_behind, NULL));
    for (int i = 0; i < PIXELS; i++)
        along += (double)grad_z[i] * (double)p->dz[i];
    const double difference = (loss_ahead - loss_behind) / (2 * STEP);
    *error = fabs(along - difference) / fabs(difference);
    printf("loss %.6f; norm of its gradient for all %zu weights: %.6f\n", loss, net->params.count,
           hidi_params_grad_norm(&net->params));
    printf("gradient along dz: %.6f, by differences %.6f, off by %.1e\n", along, difference,
           *error);
    return HIDI_OK;
}

/* dv against [v(z + h dz, t + h dt) - v(z - h dz, t - h dt)] / 2h */
static hidi_status check_jvp(hidi_tape *tape, const hidi_dit *net, const point *p, double *error)
{
    const point ahead = moved(p, STEP, true), behind = moved(p, -STEP, true);
    hidi_real v[PIXELS], dv[PIXELS], v_ahead[PIXELS], v_behind[PIXELS];
    double off = 0, norm = 0;
    HIDI_TRY(velocity_at(tape, net, p, v, dv));
    HIDI_TRY(velocity_at(tape, net, &ahead, v_ahead, NULL));
    HIDI_TRY(velocity_at(tape, net, &behind, v_behind, NULL));
    for (int i = 0; i < PIXELS; i++) {
        const double difference = ((double)v_ahead[i] - (double)v_behind[i]) / (2 * STEP);
        off += pow((double)dv[i] - difference, 2);
        norm += pow(difference, 2);
    }
    *error = sqrt(off / norm);
    printf("JVP along (dz, dt): norm %.6f, off by %.1e\n", sqrt(norm), *error);
    return HIDI_OK;
}

int main(void)
{
    const hidi_backend *backend;
    hidi_dit *net = NULL;
    hidi_tape *tape = NULL;
    double gradient_error = 0, jvp_error = 0;
    point p = {.t = {(hidi_real)0.3, (hidi_real)0.8}, .y = {0, 2}, .dt = {1, 1}};
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 0}, 0, p.z, PIXELS);
    hidi_normal((hidi_random){1, HIDI_STREAM_TEST, 1}, 0, p.dz, PIXELS);

    hidi_status status = hidi_backend_open("cpu", &backend);
    if (status == HIDI_OK)
        status = make_net(&net, backend);
    if (status == HIDI_OK)
        status = hidi_params_train(&net->params); /* room for the weights' gradients */
    if (status == HIDI_OK && (tape = hidi_tape_create(backend)) == NULL)
        status = hidi_error(HIDI_NO_MEMORY, "out of memory");
    if (status == HIDI_OK)
        status = check_gradient(tape, net, &p, &gradient_error);
    if (status == HIDI_OK)
        status = check_jvp(tape, net, &p, &jvp_error);
    hidi_tape_destroy(tape);
    hidi_dit_destroy(net);
    if (status != HIDI_OK) {
        fprintf(stderr, "derivatives: %s\n", hidi_error_message());
        return 1;
    }
    return gradient_error < TOLERANCE && jvp_error < TOLERANCE ? 0 : 1;
}
