"""Writes the golden values: models/, in/, expected/ and cases.txt, all beside this file.

    python tests/golden/generate.py

Weights and inputs are float32.  The expected values are computed in float64; they are stored as
F64, but gradients of parameters, which take the most room, as F32.  Each case is computed in
float32 too: how far that is off says what a single-precision implementation can be asked for.
"""
import json
import math
import pathlib
import zlib

import numpy as np
import torch
from safetensors.torch import save

import autoencoder
import dit
import heads
import losses
import metrics
import published

HERE = pathlib.Path(__file__).parent
N_CLASSES = 10
# Gradients that other cases of the same model have: left out where a case is about its loss.
COVERED = ("grad.blocks.", "grad.t_embedder.")
# Gradients that are 0 but for rounding: softmax does not see what all keys have in common.
VANISHING = ".k_norm.bias"


def draw(name, *shape, uniform=False):
    """float32 numbers that depend on the name alone: N(0, 1), or uniform on (0, 1)."""
    generator = np.random.Generator(np.random.Philox(zlib.crc32(name.encode())))
    x = generator.random(shape) if uniform else generator.standard_normal(shape)
    return torch.from_numpy(x.astype(np.float32))


def random_weights(model, name):
    """Weights at a scale at which every part of the model matters; none is zero."""
    with torch.no_grad():
        for key, p in model.named_parameters():
            if not p.requires_grad:
                continue  # the position embedding
            gain = 0.3
            if "embedding_table" in key:
                gain = 1.0
            elif key.endswith("query"):
                gain = 3.0
            elif p.dim() > 1:
                gain = (0.5 if "adaLN" in key else 1.0) / math.sqrt(p[0].numel())
            p.copy_(gain * draw(f"{name}/{key}", *p.shape) + (key.endswith("norm.weight")))
    return model


def relative_error(a, b):
    """The larger of the two that compare_tensors looks at."""
    a, b = a.double(), b.double()
    return max((a - b).norm() / b.norm(), (a - b).abs().max() / b.abs().max()).item()


class Golden:
    def __init__(self):
        self.states, self.metadata, self.lines = {}, {}, []
        for folder in ("models", "in", "expected"):
            (HERE / folder).mkdir(exist_ok=True)

    def model(self, name, model, metadata=None):
        random_weights(model, name)
        self.states[name] = {k: v.detach().clone() for k, v in model.state_dict().items()}
        self.metadata[name] = metadata
        self.save(self.states[name], f"models/{name}.safetensors", metadata)

    def load(self, name, dtype, settings):
        meta = self.metadata[name]
        if meta:
            blocks = [int(b) for b in meta["blocks"].split(",")]
            D = self.states[name]["heads.0.norm.weight"].numel()
            model = heads.Discriminator(meta["kind"], blocks, D)
            model.load_state_dict(self.states[name])
        else:
            model = dit.from_state_dict(self.states[name], settings["heads"],
                                        settings["time_scale"])
        return model.to(dtype)

    def evaluate(self, function, models, inputs, settings, dtype):
        m = {option: self.load(name, dtype, settings) for option, name in models.items()}
        x = {k: v.to(dtype) if v.is_floating_point() else v for k, v in inputs.items()}
        return {k: v.detach() for k, v in function(m, x, settings).items()
                if not k.endswith(VANISHING)}

    def case(self, name, kind, function, models, inputs, without=(), **settings):
        """One line of cases.txt; function(models, inputs, settings) -> the expected tensors, of
        which those whose name begins with `without` are not stored."""
        exact = self.evaluate(function, models, inputs, settings, torch.float64)
        rounded = self.evaluate(function, models, inputs, settings, torch.float32)
        error, worst = max((relative_error(rounded[k], exact[k]), k) for k in exact)
        stored = {k: v.float() if k.startswith("grad.") and k != "grad.z" else v
                  for k, v in exact.items() if not k.startswith(without)}
        self.write(name, inputs, stored)
        single = next(d for d in (1e-5, 2e-5, 5e-5, 1e-4) if d > 2 * error)
        # stored as F32: rounded to 2^-24
        double = 1e-7 if any(v.dtype == torch.float32 for v in stored.values()) else 1e-12
        options = [f"--{option} models/{file}.safetensors" for option, file in models.items()]
        options += [f"--set {key}={value if isinstance(value, str) else f'{value:g}'}"
                    for key, value in settings.items()]
        self.lines.append(f"{name:18} {kind:8} {single:.0e}  {double:.0e}  "
                          + " ".join(options))
        print(f"{name:18} float32 against float64: {error:.1e} ({worst})")

    def write(self, name, inputs, expected):
        contiguous = lambda tensors: {k: v.contiguous() for k, v in tensors.items()}
        self.save(contiguous(inputs), f"in/{name}.safetensors")
        self.save(contiguous(expected), f"expected/{name}.safetensors")

    @staticmethod
    def save(tensors, path, metadata=None):
        """A safetensors file, the same bytes each time: the library shuffles the metadata."""
        data = save(tensors, metadata)
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        if metadata:
            header["__metadata__"] = dict(sorted(metadata.items()))
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        (HERE / path).write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


def gradients(scalar, model, **others):
    """d scalar / d: others by their name, and the model's trainable parameters by theirs."""
    wanted = dict(others, **{k: p for k, p in model.named_parameters() if p.requires_grad})
    return {f"grad.{k}": g for k, g in
            zip(wanted, torch.autograd.grad(scalar, list(wanted.values())))}


# --- what each kind computes --------------------------------------------------------------------

def dit_forward(m, x, s):
    return {"out": m["model"](x["z"], x["t"], x["y"], x.get("r"))}


def dit_grad(m, x, s):
    z = x["z"].requires_grad_()
    out = m["model"](z, x["t"], x["y"], x.get("r"))
    return {"out": out, **gradients((out * x["dout"]).sum(), m["model"], z=z)}


def dit_jvp(m, x, s):
    if "r" not in x:
        run, at, along = lambda z, t: m["model"](z, t, x["y"]), ["z", "t"], ["dz", "dt"]
    else:
        run = lambda z, t, r: m["model"](z, t, x["y"], r)
        at, along = ["z", "t", "r"], ["dz", "dt", "dr"]
    tangents = tuple(x.get(k, torch.zeros_like(x["t"])) for k in along)
    out, dout = torch.func.jvp(run, tuple(x[k] for k in at), tangents)
    return {"out": out, "dout": dout}


def flow(m, x, s):
    result = losses.flow(m["model"], x["x"], x["e"], x["t"], x["y"])
    return {**result, **gradients(result["loss"], m["model"])}


def meanflow(m, x, s):
    result = losses.meanflow(m["model"], m["model-teacher"], x["x"], x["e"], x["t"], x["r"],
                             x["y"], s["guidance"], s["p"], s["c"], s.get("bound", 0),
                             s.get("difference", 0))
    return {**result, **gradients(result["loss"], m["model"])}


def progressive(m, x, s):
    result = losses.progressive(m["model"], m["model-teacher"], x["x"], x["e"], x["t"], x["r"],
                                x["y"], s["guidance"], s["p"], s["c"])
    return {**result, **gradients(result["loss"], m["model"])}


def dmd(m, x, s):
    result = losses.dmd(m["model"], m["model-teacher"], m["model-fake"], x["e"], x["y"], x["t"],
                        x["e2"], s["guidance"])
    return {**result, **gradients(result["loss"], m["model"])}


def awd(m, x, s):
    z = x["z"].requires_grad_()
    result = m["model-heads"](m["model"], z, x["t"], x["y"])
    scalar = (result["logits"] * x["dlogits"]).sum()
    return {**result, **gradients(scalar, m["model-heads"], z=z)}


# --- the cases ----------------------------------------------------------------------------------

def images(case, B=4, C=3, n=8, **names):
    """Tensors drawn for a case: "image" [B, C, n, n], "time" [B] or "label" [B] by name."""
    out = {}
    for name, what in names.items():
        if what == "image":
            out[name] = draw(f"{case}/{name}", B, C, n, n)
        elif what == "time":
            out[name] = draw(f"{case}/{name}", B, uniform=True)
        elif what == "direction":
            out[name] = draw(f"{case}/{name}", B)
        else:
            out[name] = (draw(f"{case}/{name}", B, uniform=True) * N_CLASSES).to(torch.int32)
    return out


def write_models(golden):
    small = dict(image=8, channels=3, patch=2, width=24, depth=2, heads=4, classes=N_CLASSES)
    golden.model("teacher", dit.DiT(**small))
    golden.model("fake", dit.DiT(**small))
    golden.model("student", dit.DiT(**small, student=True))
    golden.model("qk-norm", dit.DiT(8, 3, 2, 16, 2, 2, N_CLASSES, student=True, qk_norm=True))
    golden.model("sigma", dit.DiT(12, 4, 4, 16, 2, 2, N_CLASSES, out_channels=8))
    for kind, blocks in ("awd", "0,1"), ("gap", "0,1"), ("token", "0,1"), ("conv", "0,1"):
        numbers = [int(b) for b in blocks.split(",")]
        golden.model(kind, heads.Discriminator(kind, numbers, small["width"]),
                     {"format": "hidi-heads", "kind": kind, "blocks": blocks})


def write_dit(golden):
    point = dict(z="image", t="time", y="label")
    variants = {  # name: model, its inputs, shape of the image, settings
        "plain": ("teacher", point, {}, dict(heads=4, time_scale=1)),
        "sigma": ("sigma", point, dict(B=2, C=4, n=12), dict(heads=2, time_scale=1000)),
        "qk-norm": ("qk-norm", dict(point, r="time"), {}, dict(heads=2, time_scale=10)),
        "student": ("student", dict(point, r="time"), {}, dict(heads=4, time_scale=30)),
    }
    for name, (model, names, shape, settings) in variants.items():
        x = images(f"dit-{name}", **shape, **names)
        x["y"][0] = N_CLASSES  # the dropped class
        if "r" in x:
            x["r"] *= x["t"]
        channels = 2 * x["z"].shape[1] if name == "sigma" else x["z"].shape[1]
        dout = draw(f"dit-{name}/dout", x["z"].shape[0], channels, *x["z"].shape[2:])
        along = dict(dz="image", dt="direction", **({"dr": "direction"} if "r" in x else {}))
        along = images(f"dit-{name}", **shape, **along)
        golden.case(f"dit-{name}", "dit", dit_forward, {"model": model}, x, **settings)
        if name != "plain":  # the flow case has this model's gradients
            golden.case(f"dit-{name}-grad", "dit-grad", dit_grad, {"model": model},
                        {**x, "dout": dout}, **settings)
        golden.case(f"dit-{name}-jvp", "dit-jvp", dit_jvp, {"model": model},
                    {**x, **along}, **settings)
    no_dr = {k: v for k, v in {**x, **along}.items() if k != "dr"}
    golden.case("dit-no-dr-jvp", "dit-jvp", dit_jvp, {"model": "student"}, no_dr, **settings)


def write_losses(golden):
    model = dict(heads=4, time_scale=30)
    x = images("flow", x="image", e="image", t="time", y="label")
    golden.case("flow", "flow", flow, {"model": "teacher"}, x, **model)

    pair = {"model": "student", "model-teacher": "teacher"}
    x = images("meanflow", x="image", e="image", t="time", r="time", y="label")
    x["t"], x["r"] = torch.maximum(x["t"], x["r"]), torch.minimum(x["t"], x["r"])
    x["r"][0], x["t"][1], x["r"][1] = x["t"][0], 1, 0  # r = t, and the whole interval
    golden.case("meanflow", "meanflow", meanflow, pair, x, **model, guidance=1.5, p=1, c=0.01)
    golden.case("meanflow-p", "meanflow", meanflow, pair, x, COVERED, **model,
                guidance=1, p=0.5, c=1)
    golden.case("meanflow-bound", "meanflow", meanflow, pair, x, COVERED, **model,
                guidance=1.5, p=1, c=1, bound=1.12)
    golden.case("meanflow-difference", "meanflow", meanflow, pair, x, COVERED, **model,
                guidance=1.5, p=1, c=1, difference=0.05)

    x = images("progressive", x="image", e="image", t="time", r="time", y="label")
    x["t"], x["r"] = torch.maximum(x["t"], x["r"]), torch.minimum(x["t"], x["r"])
    x["r"][0], x["t"][1], x["r"][1] = x["t"][0], 1, 0
    golden.case("progressive", "progressive", progressive, pair, x, COVERED, **model,
                guidance=1.5, p=1, c=0.01)
    golden.case("progressive-2", "progressive", progressive,
                {"model": "student", "model-teacher": "student"}, x, COVERED, **model,
                guidance=1, p=0.5, c=1)

    x = images("dmd", e="image", y="label", t="time", e2="image")
    x["t"] = 0.1 + 0.8 * x["t"]  # x_fake - x_real is t times a difference of velocities
    golden.case("dmd", "dmd", dmd, {**pair, "model-fake": "fake"}, x, COVERED, **model,
                guidance=1.5)


def write_heads(golden):
    x = images("awd", z="image", t="time", y="label", dlogits="direction")
    for kind in "awd", "gap", "token", "conv":
        golden.case(kind, "awd", awd, {"model": "teacher", "model-heads": kind}, x,
                    heads=4, time_scale=30)


def network(m, scale):
    """The state dict's network with its own time."""
    return lambda z, time, y: m["model"](z, time * scale, y)


def velocity(m, x, s):
    scale = 1e-3 if s["prediction"] == "epsilon" else 1  # time_scale is 1000: s is shown as s
    return {"v": published.velocity(s["prediction"], network(m, scale), x["z"], x["t"], x["y"])}


def ddpm(m, x, s):
    return {"x": published.ddpm(network(m, 1e-3), x["e"], x["y"], N_CLASSES, x["noise"],
                                s.get("guidance", 1), int(s.get("sample.guided_channels", 4)))}


def write_published(golden):
    golden.model("published", dit.DiT(4, 4, 2, 16, 1, 2, N_CLASSES, out_channels=8))
    shape = dict(B=50, C=4, n=4)
    for prediction, scale in ("epsilon", 1000), ("sit", 1):
        name = f"velocity-{prediction}"
        x = images(name, **shape, z="image", y="label")
        x["t"] = torch.from_numpy(np.concatenate(
            [[0, 1e-3, 0.999, 1], np.linspace(0.004, 0.997, 46)]).astype(np.float32))
        golden.case(name, "velocity", velocity, {"model": "published"}, x, heads=2,
                    time_scale=scale, prediction=prediction)
    for name, more in ("ddpm", {}), ("ddpm-guided", {"guidance": 1.5, "sample.guided_channels": 3}):
        x = images(name, B=2, C=4, n=4, e="image", y="label")
        x["noise"] = draw(f"{name}/noise", 10, 2, 4, 4, 4)
        golden.case(name, "ddpm", ddpm, {"model": "published"}, x, heads=2, time_scale=1000,
                    **{"sample.steps": 10}, **more)
    write_samplers(golden)


def write_samplers(golden, K=8, last=0.1):
    """What tests/test_published.c reads."""
    x = images("samplers", B=2, C=4, n=4, e="image", y="label")
    x["noise"] = draw("samplers/noise", K, 2, 4, 4, 4)
    m = {"model": golden.load("published", torch.float64, dict(heads=2, time_scale=1000))}
    sit = {"model": golden.load("published", torch.float64, dict(heads=2, time_scale=1))}
    e, y, noise = x["e"].double(), x["y"], x["noise"].double()
    eps = network(m, 1e-3)
    v = {"epsilon": lambda z, t, y: published.epsilon_velocity(eps, z, t, y),
         "sit": lambda z, t, y: published.sit_velocity(network(sit, 1), z, t, y)}
    with torch.no_grad():
        expected = {
            "ddim": published.ddim(eps, e, y, K),
            "euler-sit": published.ode(v["sit"], e, y, N_CLASSES, K, False),
            "heun-sit": published.ode(v["sit"], e, y, N_CLASSES, K, True, 1.5),
            "heun-sit-3": published.ode(v["sit"], e, y, N_CLASSES, K, True, 1.5, 3),
            "heun-sit-interval": published.ode(v["sit"], e, y, N_CLASSES, K, True, 1.5, 4,
                                               (0.2, 0.7)),
            "euler-epsilon": published.ode(v["epsilon"], e, y, N_CLASSES, K, False),
            "euler-maruyama-sit": published.euler_maruyama(v["sit"], e, y, noise, last)}
    golden.write("samplers", x, expected)


def write_autoencoder(golden):
    state = autoencoder.random_state(draw, "autoencoder", widths=(4, 6, 8), latents=2)
    golden.save(state, "models/autoencoder.safetensors", {"hidi.groups": "2"})
    inputs = {"encode": {"x": torch.tanh(draw("encode/x", 2, 3, 12, 8))},
              "decode": {"z": draw("decode/z", 2, 2, 3, 2)}}
    for name, x in inputs.items():
        results = []
        for dtype in torch.float64, torch.float32:
            w = {k: v.to(dtype) for k, v in state.items()}
            if name == "encode":
                mean, logvar = autoencoder.encode(w, x["x"].to(dtype), groups=2)
                results.append({"mean": mean, "logvar": logvar})
            else:
                results.append({"image": autoencoder.decode(w, x["z"].to(dtype), groups=2)})
        exact, rounded = results
        error, worst = max((relative_error(rounded[k], exact[k]), k) for k in exact)
        golden.write(name, x, exact)
        single = next(d for d in (1e-5, 2e-5, 5e-5, 1e-4) if d > 2 * error)
        golden.lines.append(f"{name:18} {name:8} {single:.0e}  1e-12  "
                            "--model models/autoencoder.safetensors")
        print(f"{name:18} float32 against float64: {error:.1e} ({worst})")


def write_autoencoder_loss(golden):
    """With some of its gradients: ends, quant, attention, and wherever the width changes."""
    state, weight = autoencoder.random_state(draw, "autoencoder", widths=(4, 6, 8), latents=2), 30
    x = {"x": torch.tanh(draw("vae/x", 2, 3, 8, 8)), "e": draw("vae/e", 2, 2, 2, 2)}
    results = []
    for dtype in torch.float64, torch.float32:
        w = {k: v.to(dtype).requires_grad_() for k, v in state.items()}
        values = autoencoder.loss(w, *(v.to(dtype) for v in x.values()), weight, groups=2)
        grads = torch.autograd.grad(values["loss"], list(w.values()))
        values.update((f"grad.{k}", g) for k, g in zip(w, grads)
                      if ("conv_" in k or "quant" in k or "attentions" in k)
                      and not k.endswith("to_k.bias"))  # 0 but for rounding
        results.append({k: v.detach() for k, v in values.items()})
    exact, rounded = results
    error, worst = max((relative_error(rounded[k], exact[k]), k) for k in exact)
    golden.write("vae", x, {k: v.float() if k.startswith("grad.") else v for k, v in exact.items()})
    single = next(d for d in (1e-5, 2e-5, 5e-5, 1e-4) if d > 2 * error)
    golden.lines.append(f"{'vae':18} {'vae':8} {single:.0e}  1e-07  "
                        f"--model models/autoencoder.safetensors --set kl_weight={weight}")
    print(f"{'vae':18} float32 against float64: {error:.1e} ({worst})")


def write_metrics(golden):
    """Double precision in either build, so the same tolerance."""
    mixing = draw("frechet/mixing", 12, 12)
    sets = {"frechet": (draw("frechet/1", 40, 12) @ mixing, 1.3 * draw("frechet/2", 30, 12) + 0.2),
            "frechet-singular": (draw("frechet/3", 9, 16), draw("frechet/4", 30, 16))}
    for name, (f1, f2) in sets.items():
        result = metrics.frechet(f1.double().numpy(), f2.double().numpy())
        result = {k: torch.tensor(v, dtype=torch.float64) for k, v in result.items()}
        golden.write(name, {"f1": f1, "f2": f2}, result)
        golden.lines.append(f"{name:18} frechet  1e-10  1e-10")
    real, fake = draw("pr/real", 40, 4), 0.8 * draw("pr/fake", 50, 4) + 0.5
    result = metrics.precision_recall(real.double().numpy(), fake.double().numpy(), k=3)
    golden.write("precision-recall", {"real": real, "fake": fake},
                 {k: torch.tensor(v, dtype=torch.float64) for k, v in result.items()})


def write_scores(golden):
    """What tests/test_golden.c reads; double precision in either build."""
    scalars = lambda result: {k: torch.tensor(v, dtype=torch.float64) for k, v in result.items()}
    f1 = draw("sqrtm/1", 300, 40) @ draw("sqrtm/mixing", 40, 40)
    f2 = 2 * draw("sqrtm/2", 260, 40) + 1
    golden.write("frechet-sqrtm", {"f1": f1, "f2": f2},
                 scalars({"distance": metrics.frechet_sqrtm(f1.double().numpy(),
                                                            f2.double().numpy())}))
    p = torch.softmax(3 * draw("score/logits", 53, 7).double(), dim=1)
    p[4] = torch.tensor([1.0, 0, 0, 0, 0, 0, 0])  # 0 log 0
    given, shuffled = (metrics.inception_score(p.numpy(), 10, seed) for seed in (None, 2020))
    golden.write("inception-score", {"p": p},
                 scalars({**given, **{"shuffled_" + k: v for k, v in shuffled.items()}}))
    x, y = draw("kernel/x", 61, 6), 1.2 * draw("kernel/y", 47, 6) + 0.3
    distances = {}
    for name, size in ("", 30), ("whole_", 1000):
        result = metrics.kernel_distance(x.double().numpy(), y.double().numpy(), 20, size, 2020)
        distances.update({name + k: v for k, v in result.items()})
    order = np.random.RandomState(2020).permutation(700).astype(np.int32)
    golden.write("kernel-distance", {"x": x, "y": y},
                 {**scalars(distances), "permutation": torch.from_numpy(order)})


def write_adamw(golden, steps=6, n=7):
    """Parameters after each step of torch.optim.AdamW on given gradients."""
    start, grad = draw("adamw/param", n), draw("adamw/grad", steps, n)
    grad[:, 1] *= 1e-6  # where eps matters
    grad[2:, 2] = 0     # where only the moments and the decay are left
    settings = dict(lr=0.01, beta1=0.9, beta2=0.95, eps=1e-6, weight_decay=0.1)
    p = torch.nn.Parameter(start.double())
    optimizer = torch.optim.AdamW([p], lr=settings["lr"], eps=settings["eps"],
                                  betas=(settings["beta1"], settings["beta2"]),
                                  weight_decay=settings["weight_decay"])
    trace = []
    for g in grad.double():
        p.grad = g
        optimizer.step()
        trace.append(p.detach().clone())
    scalars = {k: torch.tensor(v, dtype=torch.float64) for k, v in settings.items()}
    golden.write("adamw", {"param": start, "grad": grad, **scalars}, {"param": torch.stack(trace)})


if __name__ == "__main__":
    torch.set_num_threads(1)
    golden = Golden()
    write_models(golden)
    write_dit(golden)
    write_losses(golden)
    write_heads(golden)
    write_published(golden)
    write_autoencoder(golden)
    write_autoencoder_loss(golden)
    write_metrics(golden)
    write_scores(golden)
    write_adamw(golden)
    (HERE / "cases.txt").write_text(
        "# Written by generate.py, read by tests/golden.test.  `hidi probe KIND OPTIONS` on\n"
        "# in/NAME.safetensors must give expected/NAME.safetensors within the relative tolerance\n"
        "# of a single- or a double-precision build.\n"
        "# NAME             KIND     SINGLE DOUBLE  OPTIONS\n" + "\n".join(golden.lines) + "\n")
