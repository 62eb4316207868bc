"""Times in PyTorch (eager, float32) what `hidi bench` times.

    python examples/pytorch/bench.py --image 16 --patch 4 --width 128 --depth 4 --heads 4 --batch 64

The model and the losses are those of the golden values (tests/golden).  PyTorch is given its fast
paths: fused attention wherever no tangent goes through it, and the fused AdamW.
"""
import argparse
import os
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import dit  # noqa: E402
import generate  # noqa: E402
import heads  # noqa: E402
import losses  # noqa: E402


def macs(model):
    """Multiply-adds of the matrix products of one forward pass for one image."""
    T, D = model.grid ** 2, model.pos_embed.shape[2]
    total = 2 * T * T * D * len(model.blocks)  # Q K^T and softmax times V
    for name, p in model.named_parameters():
        if p.dim() > 1 and name not in ("pos_embed", "y_embedder.embedding_table.weight"):
            once = "adaLN" in name or "t_embedder" in name or "h_embedder" in name
            total += p.numel() * (1 if once else T)
    return total


def seconds(step, least=5, budget=4.0):
    """Median time of a step, after two that do not count."""
    step(), step()
    times, start = [], time.perf_counter()
    while len(times) < least or (time.perf_counter() - start < budget and len(times) < 200):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    return statistics.median(times), len(times)


def report(label, flop, step):
    median, n = seconds(step)
    print(f"{label:46} {median:10.5f} {flop / median / 1e9:9.1f} {n:5}", flush=True)


class Networks:
    """The networks of all stages, with random weights, and data that looks like nothing."""

    def __init__(self, a):
        size = dict(image=a.image, channels=a.channels, patch=a.patch, width=a.width,
                    depth=a.depth, heads=a.heads, classes=10, time_scale=30.0)
        make = lambda name, **more: generate.random_weights(dit.DiT(**size, **more), name)
        self.trained = make("teacher").use_fused_attention()
        self.teacher = make("teacher").use_fused_attention().requires_grad_(False)
        self.fake = make("fake").use_fused_attention()
        self.student = make("student", student=True)
        blocks = sorted({max(a.depth // 2 - 1, 0), a.depth - 1})
        self.heads = generate.random_weights(heads.Discriminator("awd", blocks, a.width, 32), "awd")
        adamw = lambda *models: torch.optim.AdamW(
            [p for m in models for p in m.parameters() if p.requires_grad], lr=1e-6, fused=True)
        self.adamw = {"teacher": adamw(self.trained), "student": adamw(self.student),
                      "critics": adamw(self.fake, self.heads)}
        image = a.batch, a.channels, a.image, a.image
        self.x, self.e, self.e2, self.e3 = (torch.randn(image) for _ in range(4))
        self.t = torch.rand(a.batch) * 0.96 + 0.02
        self.r = self.t * torch.rand(a.batch)
        self.y = torch.randint(10, (a.batch,))

    def descend(self, loss, name):
        self.adamw[name].zero_grad(set_to_none=True)
        loss.backward()
        self.adamw[name].step()

    def teacher_step(self):
        self.descend(losses.flow(self.trained, self.x, self.e, self.t, self.y)["loss"], "teacher")

    def stage_1_step(self):
        self.student.use_fused_attention(False)  # it cannot carry the tangent
        result = losses.meanflow(self.student, self.teacher, self.x, self.e, self.t, self.r,
                                 self.y, 1.5, 1.0, 0.01)
        self.descend(result["loss"], "student")

    def logits(self, x, e):
        """The adversary's opinion of x, noised at its own, small t."""
        t = 0.3 * self.t
        return self.heads(self.teacher, losses.interpolate(x, e, t), t, self.y)["logits"]

    def generator_step(self):
        self.student.use_fused_attention()
        self.heads.requires_grad_(False)
        result = losses.dmd(self.student, self.teacher, self.fake, self.e, self.y, self.t,
                            self.e2, 1.5)
        adversary = F.softplus(-self.logits(result["x_gen"], self.e3)).mean()
        self.descend(result["loss"] + 0.003 * adversary, "student")

    def critics_step(self):
        self.student.use_fused_attention()
        self.heads.requires_grad_(True)
        with torch.no_grad():
            x_gen = losses.one_step(self.student, self.e, self.y)
        adversary = (F.softplus(self.logits(x_gen, self.e3)).mean()
                     + F.softplus(-self.logits(self.x, self.e2)).mean())
        flow = losses.flow(self.fake, x_gen, self.e2, self.t, self.y)["loss"]
        self.descend(flow + 0.01 * adversary, "critics")


def bench_steps(a):
    """Counted: 2 flop per multiply-add; a backward pass as two forward passes (one, where the
    weights are frozen), a tangent as one."""
    n = Networks(a)
    forward = 2.0 * macs(n.teacher) * a.batch
    report("teacher: forward, backward, AdamW", 3 * forward, n.teacher_step)
    report("stage 1: 2 teacher, dual forward, backward", 6 * forward, n.stage_1_step)
    report("stage 2: generator update", 8 * forward, n.generator_step)
    report("stage 2: fake score and heads update", 6 * forward, n.critics_step)
    with torch.no_grad():
        report("one-step sample", forward, lambda: losses.one_step(n.student, n.e, n.y))


def bench_big():
    """DiT-B/2 on 256 x 256 images: 32 x 32 x 4 latents, 256 tokens."""
    model = dit.DiT(32, 4, 2, 768, 12, 12, 1000, out_channels=8).use_fused_attention()
    z, t, y = torch.randn(4, 4, 32, 32), torch.rand(4), torch.randint(1000, (4,))
    with torch.no_grad():
        report("DiT-B/2, 256 tokens, batch 4: forward", 4 * 2.0 * macs(model),
               lambda: model(z, t, y))


def bench_sgemm(m, k, n):
    x, w, y = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    report(f"sgemm {m} x {k} x {n}", 2.0 * m * k * n, lambda: torch.mm(x, w, out=y))


def cpu_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown CPU"
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")),
                "unknown CPU")


def main():
    parser = argparse.ArgumentParser(description="time hidi's steps in PyTorch")
    for name, value in dict(image=16, channels=3, patch=4, width=128, depth=4, heads=4, batch=64,
                            threads=2).items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--steps-only", action="store_true", help="no DiT-B/2, no sgemm")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    waiting = os.environ.get("OMP_WAIT_POLICY", "as it is by default")
    print(f"PyTorch {torch.__version__}, eager, float32, {a.threads} threads, {cpu_name()}; "
          f"OMP_WAIT_POLICY {waiting}")
    print(f"DiT {a.image}x{a.image}x{a.channels}, patch {a.patch}, width {a.width}, "
          f"depth {a.depth}, heads {a.heads}, batch {a.batch}")
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; times mean little "
          "unless the machine is idle")
    print(f"{'':46} {'median s':>10} {'GFLOP/s':>9} {'runs':>5}")
    bench_steps(a)
    if not a.steps_only:
        bench_big()
        bench_sgemm(a.batch * (a.image // a.patch) ** 2, a.width, 4 * a.width)
        bench_sgemm(1024, 1024, 1024)


if __name__ == "__main__":
    main()
