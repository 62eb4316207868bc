"""Published teachers in this project's convention, t = 0 data and t = 1 noise: what DiT's checkpoints
(epsilon on a discrete chain, arXiv 2212.09748) and SiT's (x - e at 1 - t, arXiv 2401.08740) are as
velocities, and the samplers of their papers.  Written from the papers; shares no code with hidi.

A network is a function net(z, time, y) that gives [B, C_out, H, W]; all is computed in the dtype of z.
"""
import math

import numpy as np
import torch

BETA = np.linspace(1e-4, 0.02, 1000)
AB = np.cumprod(1 - BETA)


def column(x, like):
    return torch.as_tensor(np.asarray(x), dtype=like.dtype).reshape(-1, 1, 1, 1)


# --- epsilon --------------------------------------------------------------------------------------

def place(ab):
    """The s in [0, 999] where the piecewise linear ab has this value; the ends outside."""
    s = np.interp(-ab, -AB, np.arange(1000.0))
    return float(s)


def on_chain(t):
    """ab and s of a time.  Before the first step ab is what t says, and s is 0; after the last both
    are the last step's."""
    ab = (1 - t) ** 2 / ((1 - t) ** 2 + t ** 2)
    return max(ab, AB[-1]), place(ab)


def epsilon_velocity(net, z, t, y, nearest=False):
    """v = e_hat - x_hat, with x_hat from z_vp = sqrt(ab) x + sqrt(1 - ab) e."""
    ab, s = (np.array(v) for v in zip(*(on_chain(float(x)) for x in t)))
    if nearest:
        s = np.round(s)
        ab = AB[s.astype(int)]
    a, b = column(np.sqrt(ab), z), column(np.sqrt(1 - ab), z)
    z_vp = z * (a + b)
    e = net(z_vp, torch.as_tensor(s, dtype=z.dtype), y)[:, :z.shape[1]]
    return e - (z_vp - b * e) / a


def sit_velocity(net, z, t, y):
    return -net(z, 1 - t, y)[:, :z.shape[1]]


def velocity(prediction, net, z, t, y):
    return (epsilon_velocity if prediction == "epsilon" else sit_velocity)(net, z, t, y)


# --- samplers -------------------------------------------------------------------------------------

def guided(f, y, null, w, channels, t=0.5, interval=(0, 1)):
    """f(y), the first channels of it guided; all that follow C (a variance) are f(y)'s."""
    out = f(y)
    if w == 1 or not interval[0] <= t <= interval[1]:
        return out
    free = f(torch.full_like(y, null))
    out[:, :channels] = free[:, :channels] + w * (out[:, :channels] - free[:, :channels])
    return out


def respaced(K):
    return np.rint(np.arange(K) * 999 / (K - 1)).astype(int)


def ddpm(net, e, y, null, noise, w=1, channels=4):
    """Ancestral sampling with learned variance; noise[i] is that of the i-th step taken."""
    K, C, x = len(noise), e.shape[1], e
    steps = respaced(K)
    for k in reversed(range(K)):
        ab, before = AB[steps[k]], AB[steps[k - 1]] if k else 1.0
        beta = 1 - ab / before
        s = torch.full((len(e),), float(steps[k]), dtype=e.dtype)
        out = guided(lambda label: net(x, s, label), y, null, w, channels)
        eps, o = out[:, :C], out[:, C:]
        x0 = (x - math.sqrt(1 - ab) * eps) / math.sqrt(ab)
        x = (math.sqrt(before) * beta * x0 + math.sqrt(1 - beta) * (1 - before) * x) / (1 - ab)
        if k:
            log_variance = (o + 1) / 2 * math.log(beta) + \
                (1 - o) / 2 * math.log(beta * (1 - before) / (1 - ab))
            x = x + torch.exp(log_variance / 2) * noise[K - 1 - k]
    return x


def ddim(net, e, y, K):
    C, x, steps = e.shape[1], e, respaced(K)
    for k in reversed(range(K)):
        ab, before = AB[steps[k]], AB[steps[k - 1]] if k else 1.0
        eps = net(x, torch.full((len(e),), float(steps[k]), dtype=e.dtype), y)[:, :C]
        x0 = (x - math.sqrt(1 - ab) * eps) / math.sqrt(ab)
        x = math.sqrt(before) * x0 + math.sqrt(1 - before) * eps
    return x


def ode(v, e, y, null, K, heun, w=1, channels=4, interval=(0, 1)):
    """v(z, t, y) followed from t = 1 to 0 in K steps."""
    def at(z, t):
        times = torch.full((len(e),), t, dtype=e.dtype)
        return guided(lambda label: v(z, times, label), y, null, w, channels, t, interval)
    z = e
    for k in range(K, 0, -1):
        t, r = k / K, (k - 1) / K
        slope = at(z, t)
        if heun:
            slope = (slope + at(z - (t - r) * slope, r)) / 2
        z = z - (t - r) * slope
    return z


def euler_maruyama(v, e, y, noise, last):
    """SiT's stochastic equation with diffusion w_t = sigma_t, in SiT's time tau = 1 - t:
    dx = (v_sit + w score) dtau + sqrt(2 w) dW, score = (tau v_sit - x) / (1 - tau)."""
    K, x = len(noise), e
    tau = np.linspace(0, 1 - last, K)
    for i in range(K):
        sigma = 1 - tau[i]
        times = torch.full((len(e),), sigma, dtype=e.dtype)
        v_sit = -v(x, times, y)
        score = (tau[i] * v_sit - x) / sigma
        drift = v_sit + sigma * score
        if i == K - 1:
            return x + drift * last
        h = tau[1] - tau[0]
        x = x + drift * h + math.sqrt(2 * sigma * h) * noise[i]


# --- what rounding s to whole steps costs ----------------------------------------------------------

def rounding_error(deviation=0.5, n=991):
    """For data N(0, deviation^2), whose e_hat is known: the largest and the mean error of v, relative
    to |v| or 0.1, over times
    of the chain, with s interpolated and with s rounded."""
    c2, worst = deviation ** 2, {}
    def net(z, s, y):
        ab = np.interp(s.numpy(), np.arange(1000.0), AB)
        return z * column(np.sqrt(1 - ab) / (ab * c2 + 1 - ab), z)
    t = torch.linspace(0.01, 0.9936, n, dtype=torch.float64)
    z = torch.ones(n, 1, 1, 1, dtype=torch.float64)
    exact = (t - (1 - t) * c2) / ((1 - t) ** 2 * c2 + t ** 2)
    for name, nearest in ("interpolated", False), ("rounded", True):
        v = epsilon_velocity(net, z, t, None, nearest).reshape(-1)
        size = torch.maximum(exact.abs(), torch.tensor(0.1, dtype=torch.float64))
        error = ((v - exact).abs() / size)
        worst[name] = error.max().item(), error.mean().item(), t[error.argmax()].item()
    return worst


if __name__ == "__main__":
    for name, (largest, mean, t) in rounding_error().items():
        print(f"s {name}: largest error {largest:.1e} (t = {t:.4f}), mean {mean:.1e}")
