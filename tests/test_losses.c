/* test_losses.c - the adversary's losses by their formulas. */
#ifdef HAVE_CONFIG_H
#include <config.h>
#endif

#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "method/adversarial.h"
#include "near.h"
#include "suite.h"

enum { B = 4 };
static const hidi_real d_fake[B] = {-1.5f, -0.25f, 0.5f, 3}, d_real[B] = {2, 0.75f, -0.5f, -4};

static hidi_tape *tape; /* set by main */

static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static hidi_var *input(const hidi_real *d) { return hidi_input(tape, hidi_shape1(B), d, true); }

static double value_of(const hidi_var *x)
{
    hidi_real value;
    ck_assert_ptr_nonnull(x);
    ck_assert_int_eq(hidi_read(tape, x, &value), HIDI_OK);
    return (double)value;
}

/* The gradient at d is slope / B: losses are means. */
static void assert_gradient(hidi_var *d, const double *slope)
{
    hidi_real grad[B];
    ck_assert_int_eq(hidi_read_grad(tape, d, grad), HIDI_OK);
    for (int i = 0; i < B; i++)
        assert_close((double)grad[i], slope[i] / B, 1, 8);
}

START_TEST(adversarial_losses)
{
    double d_loss = 0, g_loss = 0, slope_fake[B], slope_real[B], slope_g[B];
    for (int i = 0; i < B; i++) {
        const double f = (double)d_fake[i], r = (double)d_real[i];
        if (_i == HIDI_HINGE) {
            d_loss += (fmax(0, 1 + f) + fmax(0, 1 - r)) / B;
            g_loss -= f / B;
            slope_fake[i] = f > -1;
            slope_real[i] = -(double)(r < 1);
            slope_g[i] = -1;
        } else {
            d_loss += (softplus(f) + softplus(-r)) / B;
            g_loss += softplus(-f) / B;
            slope_fake[i] = sigmoid(f);
            slope_real[i] = -sigmoid(-r);
            slope_g[i] = -sigmoid(-f);
        }
    }
    hidi_tape_reset(tape);
    hidi_var *fake = input(d_fake), *real = input(d_real);
    hidi_var *loss = hidi_discriminator_loss(tape, (hidi_adversarial)_i, fake, real);
    assert_close(value_of(loss), d_loss, fabs(d_loss), 8);
    ck_assert_int_eq(hidi_tape_backward(tape, loss, NULL), HIDI_OK);
    assert_gradient(fake, slope_fake);
    assert_gradient(real, slope_real);

    hidi_tape_reset(tape);
    fake = input(d_fake);
    loss = hidi_generator_loss(tape, (hidi_adversarial)_i, fake);
    assert_close(value_of(loss), g_loss, 1, 8);
    ck_assert_int_eq(hidi_tape_backward(tape, loss, NULL), HIDI_OK);
    assert_gradient(fake, slope_g);
}
END_TEST

START_TEST(approximate_r1)
{
    double expected = 0, slope[B];
    for (int i = 0; i < B; i++) {
        const double difference = (double)d_real[i] - (double)d_fake[i];
        expected += difference * difference / B;
        slope[i] = 2 * difference;
    }
    hidi_tape_reset(tape);
    hidi_var *real = input(d_real), *perturbed = input(d_fake);
    hidi_var *loss = hidi_approximate_r1(tape, real, perturbed);
    assert_close(value_of(loss), expected, expected, 8);
    ck_assert_int_eq(hidi_tape_backward(tape, loss, NULL), HIDI_OK);
    hidi_real grad[B];
    ck_assert_int_eq(hidi_read_grad(tape, real, grad), HIDI_OK);
    for (int i = 0; i < B; i++)
        assert_close((double)grad[i], slope[i] / B, fabs(slope[i]), 8);
}
END_TEST

int main(void)
{
    const hidi_backend *backend;
    if (hidi_backend_open("cpu", &backend) != HIDI_OK || !(tape = hidi_tape_create(backend)))
        return EXIT_FAILURE;
    Suite *suite = begin_suite("losses");
    TCase *tcase = tcase_create("formulas");
    tcase_add_loop_test(tcase, adversarial_losses, HIDI_NON_SATURATING, HIDI_HINGE + 1);
    tcase_add_test(tcase, approximate_r1);
    suite_add_tcase(suite, tcase);
    const int result = run_suite_in_process(suite);
    hidi_tape_destroy(tape);
    return result;
}
