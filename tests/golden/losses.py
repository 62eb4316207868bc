"""The losses of the method in PyTorch, from its formulas (docs/paper-map.md); t = 1 is noise.

Each returns a dict of its named intermediate values and its `loss`."""
import torch


def per_sample(t):
    return t[:, None, None, None]


def interpolate(x, e, t):
    """z_t = (1 - t) x + t e."""
    return (1 - per_sample(t)) * x + per_sample(t) * e


def guided_velocity(model, z, t, y, w):
    """v_null + w (v_y - v_null)   [classifier-free guidance]"""
    v_null = model.velocity(z, t, torch.full_like(y, model.null))
    return v_null + w * (model.velocity(z, t, y) - v_null)


def flow(model, x, e, t, y):
    """|| v(z_t, t, y) - (e - x) ||^2, mean over all elements   [SiT, arXiv 2401.08740]"""
    v = model.velocity(interpolate(x, e, t), t, y)
    return {"loss": (v - (e - x)).square().mean()}


def adaptive(u, target, p, c):
    """mean d / (d + c)^p, the weight without gradient   [MeanFlow, arXiv 2505.13447, eq. 22]"""
    d = (u - target.detach()).square().sum(dim=(1, 2, 3))
    return (d / (d + c).detach() ** p).mean()


def meanflow(student, teacher, x, e, t, r, y, w, p, c, bound=0, difference=0):
    """u = v - (t - r) du/dt with a guided teacher's v   [MeanFlow, arXiv 2505.13447, eq. 6, 22]"""
    z = interpolate(x, e, t)
    with torch.no_grad():
        v = guided_velocity(teacher, z, t, y, w)
    u, dudt = torch.func.jvp(lambda z, t: student.velocity(z, t, y, r),
                             (z, t), (v, torch.ones_like(t)))
    if difference:  # from s to s', within [r, 1] and within `difference` of t
        def at(s):
            return student.velocity(z + per_sample(s - t) * v, s, y, r)

        ahead, behind = (t + difference).clamp(max=1), torch.maximum(t - difference, r)
        width = per_sample(ahead - behind)
        dudt = torch.where(width > 0, (at(ahead) - at(behind)) / width, 0)
    hdu = per_sample(t - r) * dudt
    if bound:  # at most `bound` times as long as v
        length, longest = (f.square().sum(dim=(1, 2, 3)).sqrt() for f in (hdu, bound * v))
        hdu = torch.where(per_sample(length > longest), hdu * per_sample(longest / length), hdu)
    target = (v - hdu).detach()
    return {"v": v, "u": u, "dudt": dudt, "target": target, "loss": adaptive(u, target, p, c)}


def progressive(student, teacher, x, e, t, r, y, w, p, c):
    """One step for two of the teacher's, each by DDIM   [2202.00512, algorithm 2, app. G]"""
    z, m, of = interpolate(x, e, t), (t + r) / 2, per_sample

    def ddim(z, t, r):  # x and e as the teacher has them, put together again at r
        if teacher.h_embedder is not None:
            return z - of(t - r) * teacher.velocity(z, t, y, r)
        v = guided_velocity(teacher, z, t, y, w)
        return interpolate(z - of(t) * v, z + of(1 - t) * v, r)

    with torch.no_grad():
        z_r = ddim(ddim(z, t, m), m, r)
        h = of(t - r)
        target = (z - z_r) / torch.where(h == 0, 1, h)
        # an interval of length 0: the velocity itself, twice
        same = teacher.velocity(z, t, y, r) if teacher.h_embedder is not None else \
            guided_velocity(teacher, z, t, y, w)
        target = torch.where(h == 0, same, target)
    u = student.velocity(z, t, y, r)
    return {"u": u, "target": target, "loss": adaptive(u, target, p, c)}


def one_step(student, e, y):
    """x = e - u(e, r = 0, t = 1)."""
    one = torch.ones_like(e[:, 0, 0, 0])
    return e - student.velocity(e, one, y, torch.zeros_like(one))


def dmd(student, teacher, fake, e, y, t, e2, w):
    """Distribution matching   [DMD, arXiv 2311.18828, eq. 7 and 8; DMD2, 2405.14867]"""
    x_gen = one_step(student, e, y)
    with torch.no_grad():
        z = interpolate(x_gen, e2, t)
        x_real = z - per_sample(t) * guided_velocity(teacher, z, t, y, w)
        x_fake = z - per_sample(t) * fake.velocity(z, t, y)
        g = (x_fake - x_real) / (x_gen - x_real).abs().mean(dim=(1, 2, 3), keepdim=True)
    loss = 0.5 * (x_gen - (x_gen - g).detach()).square().mean()
    return {"x_gen": x_gen, "x_real": x_real, "x_fake": x_fake, "dm_grad": g, "loss": loss}
