/* 12-r1.c - exercise 12, solved: (D(x) - D(x + sigma n))^2 against sigma^2 |grad D(x)|^2.
 *
 * D is a single head on the network's tokens.  The mean of the left side over many n tends to the
 * right side as sigma goes to 0 (docs/derivations.md, section 9). */
#include "method/adversarial.h"
#include "method/heads.h"
#include "random_net.h"

enum { DRAWS = 2000 };

static const hidi_backend *backend;
static hidi_dit *net;
static hidi_heads *heads;

static hidi_var *discriminate(hidi_tape *tape, hidi_var *x)
{
    hidi_head_output output;
    hidi_var *t = hidi_filled(tape, hidi_shape1(BATCH), (hidi_real)0.1);
    hidi_heads_forward(tape, heads, true, net, true, x, t, HIDI_CLASSES(some_classes), &output);
    return output.logits;
}

/* The mean over the batch of |grad_x D(x)|^2: each logit depends on its own image alone. */
static double gradient_penalty(hidi_tape *tape, const hidi_real *x)
{
    hidi_real g[BATCH * PIXELS];
    double sum = 0;
    hidi_tape_reset(tape);
    hidi_var *input = hidi_input(tape, hidi_shape4(BATCH, CHANNELS, SIDE, SIDE), x, true);
    if (hidi_tape_backward(tape, discriminate(tape, input), NULL) != HIDI_OK ||
        hidi_read_grad(tape, input, g) != HIDI_OK)
        exit(1);
    for (int i = 0; i < BATCH * PIXELS; i++)
        sum += (double)g[i] * (double)g[i] / BATCH;
    return sum;
}

/* The mean over DRAWS of n, and the standard error of that mean in *error. */
static double approximate(hidi_tape *tape, const hidi_real *x, double sigma, double *error)
{
    hidi_real perturbed[BATCH * PIXELS], value;
    const hidi_shape shape = hidi_shape4(BATCH, CHANNELS, SIDE, SIDE);
    double sum = 0, square = 0;
    for (uint64_t k = 0; k < DRAWS; k++) {
        draw(perturbed, BATCH * PIXELS, 1000 + k, sigma);
        for (int i = 0; i < BATCH * PIXELS; i++)
            perturbed[i] += x[i];
        hidi_tape_reset(tape);
        hidi_var *d = discriminate(tape, hidi_constant(tape, shape, x));
        hidi_var *d_near = discriminate(tape, hidi_constant(tape, shape, perturbed));
        hidi_var *r1 = hidi_approximate_r1(tape, d, d_near);
        if (hidi_read(tape, r1, &value) != HIDI_OK)
            exit(1);
        sum += (double)value / DRAWS;
        square += (double)value * (double)value / DRAWS;
    }
    *error = sqrt((square - sum * sum) / DRAWS);
    return sum;
}

int main(void)
{
    const hidi_heads_config config = {
        .kind = HIDI_HEAD_GAP, .n = 1, .block = {1}, .width = 16, .key_width = 1};
    const double sigma = 0.02;
    double error;
    hidi_real x[BATCH * PIXELS];
    if (hidi_backend_open("cpu", &backend) != HIDI_OK || !(net = random_net(backend, false)) ||
        hidi_heads_create(&heads, backend, &config) != HIDI_OK ||
        hidi_heads_initialise(heads, 1) != HIDI_OK)
        return 2;
    hidi_tape *tape = hidi_tape_create(backend);
    draw(x, BATCH * PIXELS, 1, 1);
    const double exact = gradient_penalty(tape, x);
    const double mean = approximate(tape, x, sigma, &error);
    printf("|grad D|^2 = %.4f;  over sigma^2: %.4f, standard error %.4f\n", exact,
           mean / (sigma * sigma), error / (sigma * sigma));
    hidi_tape_destroy(tape);
    hidi_heads_destroy(heads);
    hidi_dit_destroy(net);
    return verdict(fabs(mean - sigma * sigma * exact) < 4 * error + 0.01 * sigma * sigma * exact,
                   "the mean over n is sigma^2 |grad D|^2");
}
