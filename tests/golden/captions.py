#!/usr/bin/env python3
"""A DiT that reads captions, in PyTorch, from its equations (src/model/dit.c, caption.c): random
weights, one velocity of each kind of caption, and of words with QK-norm, and its derivative along
(dz, dt); and the losses of losses.py for such networks.

    python3 captions.py in/captions.safetensors in/captions-losses.safetensors
"""
import math
import sys

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import losses

D, DEPTH, HEADS, SIDE, C, PATCH, L, WORDS, WIDTH, TEXT = 8, 2, 2, 4, 2, 2, 5, 7, 6, 1
SCALE, B = 10.0, 3


def shapes(words):
    s = {"x_embedder.proj": (D, C, PATCH, PATCH), "t_embedder.mlp.0": (D, 256),
         "t_embedder.mlp.2": (D, D), "final_layer.linear": (PATCH * PATCH * C, D),
         "final_layer.adaLN_modulation.1": (2 * D, D)}
    for i in range(DEPTH):
        b = f"blocks.{i}."
        s.update({b + "attn.qkv": (3 * D, D), b + "attn.proj": (D, D), b + "mlp.fc1": (4 * D, D),
                  b + "mlp.fc2": (D, 4 * D), b + "adaLN_modulation.1": (6 * D, D),
                  b + "cross_attn.q_linear": (D, D), b + "cross_attn.kv_linear": (2 * D, D),
                  b + "cross_attn.proj": (D, D)})
    y = "y_embedder."
    if words:
        for i in range(TEXT):
            b = f"{y}blocks.{i}."
            s.update({b + "attn.qkv": (3 * D, D), b + "attn.proj": (D, D),
                      b + "mlp.fc1": (4 * D, D), b + "mlp.fc2": (D, 4 * D)})
    else:
        s.update({y + "y_proj.fc1": (D, WIDTH), y + "y_proj.fc2": (D, D)})
    return s


def norm_weights():
    """QK-norm's, of each block's two attentions."""
    w = {}
    for i in range(DEPTH):
        for name in "attn.q", "attn.k", "cross_attn.q", "cross_attn.k":
            w[f"blocks.{i}.{name}_norm.weight"] = 1 + 0.4 * torch.randn(D // HEADS)
            w[f"blocks.{i}.{name}_norm.bias"] = 0.4 * torch.randn(D // HEADS)
    return {k: v.float().double() for k, v in w.items()}


def weights(words):
    w = {}
    for name, shape in shapes(words).items():
        w[name + ".weight"] = 0.4 * torch.randn(shape)
        w[name + ".bias"] = 0.4 * torch.randn(shape[0])
    if words:
        w["y_embedder.words.weight"] = torch.randn(WORDS, D)
        w["y_embedder.positions"] = torch.randn(L, D)
    else:
        w["y_embedder.y_embedding"] = torch.randn(1, WIDTH)
    side = SIDE // PATCH
    w["pos_embed"] = torch.randn(1, side * side, D)
    return {k: v.float().double() for k, v in w.items()}


def linear(w, name, x):
    return F.linear(x, w[name + ".weight"], w[name + ".bias"])


def norm(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def attend(q, k, v, mask=None, w={}, name=""):
    """w, name: where QK-norm's scales and shifts are, if there is any."""
    split = lambda a: a.reshape(a.shape[0], a.shape[1], HEADS, D // HEADS).transpose(1, 2)
    norm_of = lambda a, n: a if n + "_norm.bias" not in w else F.layer_norm(
        a, a.shape[-1:], w[n + "_norm.weight"], w[n + "_norm.bias"], 1e-5)
    q_heads, k_heads = norm_of(split(q), name + ".q"), norm_of(split(k), name + ".k")
    s = q_heads @ k_heads.transpose(-1, -2) / math.sqrt(D // HEADS)
    if mask is not None:
        s = s.masked_fill(~mask[:, None, None, :], -math.inf)
    return (s.softmax(-1) @ split(v)).transpose(1, 2).reshape(q.shape)


def gelu(x):
    return F.gelu(x, approximate="tanh")


def caption(w, words, given, length):
    """tokens [B, L, D] and mask [B, L]; length 0: the null caption."""
    shown = torch.where(length > 0, length, torch.ones_like(length))
    mask = torch.arange(L)[None] < shown[:, None]
    null = (length == 0)[:, None]
    if words:
        index = torch.where(null | ~mask, torch.zeros_like(given), given)
        x = w["y_embedder.words.weight"][index] + w["y_embedder.positions"]
        for i in range(TEXT):
            b = f"y_embedder.blocks.{i}."
            q, k, v = linear(w, b + "attn.qkv", norm(x)).chunk(3, -1)
            x = x + linear(w, b + "attn.proj", attend(q, k, v, mask))
            x = x + linear(w, b + "mlp.fc2", gelu(linear(w, b + "mlp.fc1", norm(x))))
        return norm(x), mask
    e = torch.where(null[:, :, None], w["y_embedder.y_embedding"][None].expand(B, L, WIDTH), given)
    return linear(w, "y_embedder.y_proj.fc2", gelu(linear(w, "y_embedder.y_proj.fc1", e))), mask


def embed(w, name, t):
    freq = torch.exp(-math.log(10000) * torch.arange(128).double() / 128)
    a = SCALE * t[:, None] * freq[None]
    return linear(w, name + ".mlp.2",
                  F.silu(linear(w, name + ".mlp.0", torch.cat([a.cos(), a.sin()], -1))))


def velocity(w, words, z, t, given, length, r=None):
    c, mask = caption(w, words, given, length)
    emb = embed(w, "t_embedder", t)
    if "h_embedder.mlp.0.weight" in w:
        emb = emb + embed(w, "h_embedder", torch.zeros_like(t) if r is None else t - r)
    s = F.silu(emb)
    x = F.conv2d(z, w["x_embedder.proj.weight"], w["x_embedder.proj.bias"], stride=PATCH)
    x = x.flatten(2).transpose(1, 2) + w["pos_embed"]
    for i in range(DEPTH):
        b = f"blocks.{i}."
        m = linear(w, b + "adaLN_modulation.1", s)[:, None].chunk(6, -1)
        q, k, v = linear(w, b + "attn.qkv", norm(x) * (1 + m[1]) + m[0]).chunk(3, -1)
        x = x + m[2] * linear(w, b + "attn.proj", attend(q, k, v, None, w, b + "attn"))
        k, v = linear(w, b + "cross_attn.kv_linear", c).chunk(2, -1)
        read = attend(linear(w, b + "cross_attn.q_linear", x), k, v, mask, w, b + "cross_attn")
        x = x + linear(w, b + "cross_attn.proj", read)
        h = gelu(linear(w, b + "mlp.fc1", norm(x) * (1 + m[4]) + m[3]))
        x = x + m[5] * linear(w, b + "mlp.fc2", h)
    m = linear(w, "final_layer.adaLN_modulation.1", s)[:, None].chunk(2, -1)
    x = linear(w, "final_layer.linear", norm(x) * (1 + m[1]) + m[0])
    side = SIDE // PATCH
    x = x.reshape(B, side, side, PATCH, PATCH, C)
    return torch.einsum("nhwpqc->nchpwq", x).reshape(B, C, SIDE, SIDE)


class Net:
    """As losses.py wants it: y are numbers of captions, of which the last is null."""
    def __init__(self, w, words, given, length):
        self.w, self.words, self.null = w, words, len(length)
        self.given = torch.cat([given, torch.zeros_like(given[:1])])
        self.length = torch.cat([length, torch.zeros_like(length[:1])])
        self.h_embedder = w.get("h_embedder.mlp.0.weight")

    def velocity(self, z, t, y, r=None):
        return velocity(self.w, self.words, z, t, self.given[y], self.length[y], r)


def interval_weights():
    shape = {"h_embedder.mlp.0": (D, 256), "h_embedder.mlp.2": (D, D)}
    w = {n + ".weight": 0.4 * torch.randn(s) for n, s in shape.items()}
    w.update({n + ".bias": 0.4 * torch.randn(s[0]) for n, s in shape.items()})
    return {k: v.float().double() for k, v in w.items()}


def all_losses(nets, inputs):
    """nets: of each kind (w, given).  The student has 3/4 of the weights and an embedder of h, the
    fake score half of them."""
    x, e, e2, t, r = (inputs[k] for k in ("x", "e", "e2", "t", "r"))
    y, h, out = torch.arange(B), interval_weights(), dict(inputs)
    out.update(h)
    for kind, (w, given) in nets.items():
        words = kind == "words"
        part = "y_embedder.words.weight" if words else "y_embedder.y_proj.fc1.weight"
        shown = ("blocks.0.cross_attn.kv_linear.weight", "h_embedder.mlp.2.weight", part)
        mine = {k: v if k == "pos_embed" else 0.75 * v for k, v in w.items()}
        mine = {k: v.clone().requires_grad_(k != "pos_embed") for k, v in {**mine, **h}.items()}
        student = Net(mine, words, given, LENGTH)
        teacher = Net(w, words, given, LENGTH)
        fake = Net({k: v if k == "pos_embed" else 0.5 * v for k, v in w.items()}, words, given,
                   LENGTH)
        results = {"meanflow": losses.meanflow(student, teacher, x, e, t, r, y, 1.5, 1, 0.01),
                   "progressive": losses.progressive(student, teacher, x, e, t, r, y, 1.5, 1, 0.01),
                   "dmd": losses.dmd(student, teacher, fake, e, y, t, e2, 1.5)}
        for name, result in results.items():
            grads = torch.autograd.grad(result["loss"], [mine[k] for k in shown])
            result.update({"grad." + k: g for k, g in zip(shown, grads)})
            out.update({f"{kind}.{name}.{k}": v.detach() for k, v in result.items()})
    return out


LENGTH = torch.tensor([5, 0, 2])


def main():
    torch.manual_seed(11)
    z, dz = torch.randn(2, B, C, SIDE, SIDE).double()
    t, dt = torch.tensor([0.2, 0.5, 0.9]).double(), torch.tensor([1.0, -0.5, 2.0]).double()
    length, nets = LENGTH, {}
    out = {"z": z, "dz": dz, "t": t, "dt": dt, "length": length.int()}

    def add(kind, w, words, given):
        v, dv = torch.func.jvp(lambda z, t: velocity(w, words, z, t, given, length), (z, t),
                               (dz, dt))
        out[kind + ".v"], out[kind + ".dv"] = v, dv
        out.update({f"{kind}.net.{k}": x for k, x in w.items()})

    for kind in "words", "embeddings":
        words = kind == "words"
        w = weights(words)
        given = torch.randint(0, WORDS, (B, L)) if words else torch.randn(B, L, WIDTH).double()
        nets[kind] = w, given
        out[kind] = given.int() if words else given
        add(kind, w, words, given)

    single = lambda *shape: torch.randn(*shape).float().double()
    inputs = {k: single(B, C, SIDE, SIDE) for k in ("x", "e", "e2")}
    inputs.update(t=torch.tensor([0.75, 0.5, 0.875]).double(),
                  r=torch.tensor([0.25, 0.5, 0.125]).double())
    save_file({k: v.contiguous() for k, v in all_losses(nets, inputs).items()}, sys.argv[2])

    torch.manual_seed(12)
    w, given = nets["words"]
    add("normed", {**w, **norm_weights()}, True, given)
    save_file({k: (x.float() if x.is_floating_point() and ".net." in k else x).contiguous()
               for k, x in out.items()}, sys.argv[1])


main()
