#!/usr/bin/env python3
"""Golden values of PixArt: diffusers' PixArtTransformer2DModel with random weights, small.

    python3 tests/golden/pixart.py      writes models/pixart*/ and in/pixart.safetensors

Two networks: as PixArt-Sigma's and PixArt-alpha's are up to 512 x 512 ("plain"), and as alpha's of
1024 x 1024, which is also told the size of its images ("sized").  Their files are what diffusers'
save_pretrained writes.  Each is evaluated in double precision: diffusers computes the features of
time and size, and the positions, in single precision even then, so that these are replaced here
(`Features`, `double_positions`); what this changes in single precision is printed.
"""
import math
from pathlib import Path

import torch
from diffusers import PixArtTransformer2DModel
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from safetensors.torch import save_file

from published import AB

HERE = Path(__file__).parent
SIDE, C, L, WIDTH, B, STEP = 8, 4, 5, 10, 3, 500
LENGTH = torch.tensor([5, 1, 3])


class Features(torch.nn.Module):
    """cos and sin of x w_k, w_k = 10000^(-k / 128), in the precision of `dtype`."""
    def __init__(self, dtype):
        super().__init__()
        self.w = 10000.0 ** (-torch.arange(128, dtype=dtype) / 128)

    def forward(self, x):
        a = x.to(self.w.dtype)[:, None] * self.w
        return torch.cat([a.cos(), a.sin()], -1)


def make(sized):
    torch.manual_seed(17 + sized)
    net = PixArtTransformer2DModel(
        num_attention_heads=2, attention_head_dim=6, in_channels=C, out_channels=2 * C,
        num_layers=1 if sized else 2, cross_attention_dim=12, sample_size=SIDE, patch_size=2,
        interpolation_scale=2, caption_channels=WIDTH, use_additional_conditions=sized).eval()
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape) * (p[0].numel() ** -0.5 if p.dim() > 1 else 0.4))
        for name, p in net.named_parameters():
            if name.endswith("scale_shift_table"):
                p.copy_(0.5 * torch.randn(p.shape))
    net.set_default_attn_processor()  # one that a tangent can be pushed through
    return net


def double_positions(net):
    table = get_2d_sincos_pos_embed(12, SIDE // 2, base_size=SIDE // 2, interpolation_scale=2)
    net.pos_embed.pos_embed = table.double()[None]


def in_double(net):
    net = net.double()
    emb = net.adaln_single.emb
    emb.time_proj = Features(torch.float64)
    if net.use_additional_conditions:
        emb.additional_condition_proj = Features(torch.float64)
    double_positions(net)
    return net


def output(net, z, s, c):
    pixels = torch.full((B, 2), 8.0 * SIDE)  # what diffusers' pipeline says: 8 pixels of a latent
    size = {"resolution": pixels, "aspect_ratio": torch.ones(B, 1)}
    mask = (torch.arange(L)[None] < LENGTH[:, None]).long()
    return net(z, encoder_hidden_states=c, timestep=s, encoder_attention_mask=mask,
               added_cond_kwargs=size if net.use_additional_conditions else None).sample


def velocity(net, z, t, c):
    """(e_hat - z) / (1 - t), with e_hat at z / sqrt((1 - t)^2 + t^2) and the place s(t) where the
    chain, linear in between, has the share (1 - t)^2 / ((1 - t)^2 + t^2)."""
    q = (1 - t) ** 2 + t ** 2
    share, chain = (1 - t) ** 2 / q, torch.from_numpy(AB)
    k = torch.searchsorted(-chain, -share.detach()) - 1
    s = k + (chain[k] - share) / (chain[k] - chain[k + 1])
    column = lambda x: x[:, None, None, None]
    e_hat = output(net, z / column(q.sqrt()), s, c)[:, :C]
    return (e_hat - z) / column(1 - t)


def main():
    torch.manual_seed(3)
    z, dz = torch.randn(2, B, C, SIDE, SIDE)
    c = torch.randn(B, L, WIDTH)
    t, dt = torch.tensor([0.25, 0.5, 0.875]), torch.tensor([1.0, -0.5, 2.0])
    out = {"z": z, "dz": dz, "t": t, "dt": dt, "c": c, "length": LENGTH.int()}
    for kind in ("plain", "sized"):
        net = make(kind == "sized")
        net.save_pretrained(HERE / "models" / ("pixart" if kind == "plain" else "pixart-sized"))
        step = torch.full((B,), float(STEP))
        with torch.no_grad():
            single = output(net, z, step, c)
        net = in_double(net)
        with torch.no_grad():
            out[f"{kind}.out"] = output(net, z.double(), step.double(), c.double())
        out[f"{kind}.v"], out[f"{kind}.dv"] = torch.func.jvp(
            lambda z, t: velocity(net, z, t, c.double()), (z.double(), t.double()),
            (dz.double(), dt.double()))
        error = (single - out[f"{kind}.out"]).norm() / out[f"{kind}.out"].norm()
        print(f"{kind}: diffusers in single precision is off by {error:.1e}")
    save_file({k: v.detach().contiguous() for k, v in out.items()}, HERE / "in/pixart.safetensors")


main()
