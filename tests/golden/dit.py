"""A diffusion transformer in PyTorch, written from the papers (DiT, arXiv 2212.09748; SiT,
2401.08740), with the tensor names of facebookresearch/DiT's state dict.

It shares no code with hidi: the golden values come from here, so that the C implementation is
checked against a second one.  t = 0 is data, t = 1 is noise.
"""
import math

import torch
from torch import nn
from torch.nn import functional as F

N_FEATURES = 256  # sin-cos features of a time


def time_features(t, n=N_FEATURES):
    """[cos(t w_k), sin(t w_k)] with w_k = 10000^(-k / (n/2)):  t [B] -> [B, n]."""
    k = torch.arange(n // 2, dtype=t.dtype, device=t.device)
    angle = t[:, None] * torch.exp(-math.log(10000.0) * k / (n // 2))
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def position_embedding(height, width, D):
    """The fixed 2-D table [1, height width, D]: D/2 dimensions for the column, then D/2 for the
    row, each [sin, cos].  (DiT's variables call the first half "h", but hand it the columns.)"""
    omega = 10000.0 ** (-torch.arange(D // 4, dtype=torch.float64) / (D // 4))
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    halves = []
    for position in (column, row):
        angle = position.reshape(-1, 1).double() * omega
        halves += [angle.sin(), angle.cos()]
    return torch.cat(halves, dim=1)[None]


class TimeEmbedder(nn.Module):
    def __init__(self, D):
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(N_FEATURES, D), nn.SiLU(), nn.Linear(D, D))

    def forward(self, t):
        return self.mlp(time_features(t))


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(d)) V over `heads` heads of d = D / heads dimensions; with qk_norm (arXiv
    2302.05442; names and constants are timm's) Q and K of each head go through a layer norm first.

    fused: PyTorch's own kernel (for timing); it cannot carry a tangent, so that jvp needs the
    formula."""

    def __init__(self, D, heads, qk_norm=False):
        super().__init__()
        self.heads, self.fused = heads, False
        self.qkv = nn.Linear(D, 3 * D)
        self.q_norm = nn.LayerNorm(D // heads) if qk_norm else nn.Identity()
        self.k_norm = nn.LayerNorm(D // heads) if qk_norm else nn.Identity()
        self.proj = nn.Linear(D, D)

    def forward(self, x):
        B, T, D = x.shape
        qkv = self.qkv(x).reshape(B, T, 3, self.heads, D // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, T, d]
        q, k = self.q_norm(q), self.k_norm(k)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            scores = q @ k.transpose(-2, -1) / math.sqrt(D // self.heads)
            y = scores.softmax(dim=-1) @ v
        return self.proj(y.transpose(1, 2).reshape(B, T, D))


class Mlp(nn.Module):
    def __init__(self, D, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(D, hidden), nn.Linear(hidden, D)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def normalised(x):
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)  # no affine part


def modulated(x, shift, scale):
    return x * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    """Attention and MLP, each modulated and gated by the conditioning (adaLN-Zero)."""

    def __init__(self, D, heads, qk_norm=False):
        super().__init__()
        self.attn, self.mlp = Attention(D, heads, qk_norm), Mlp(D, 4 * D)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(D, 6 * D))

    def forward(self, x, c):
        m = self.adaLN_modulation(c).chunk(6, dim=1)  # shift, scale, gate; shift, scale, gate
        x = x + m[2][:, None] * self.attn(modulated(normalised(x), m[0], m[1]))
        return x + m[5][:, None] * self.mlp(modulated(normalised(x), m[3], m[4]))


class FinalLayer(nn.Module):
    def __init__(self, D, out):
        super().__init__()
        self.linear = nn.Linear(D, out)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(D, 2 * D))

    def forward(self, x, c):
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.linear(modulated(normalised(x), shift, scale))


class DiT(nn.Module):
    """out(z, t, y[, r]): images [B, channels, image, image] -> [B, out_channels, image, image].

    The last row of the class table is the dropped class (`self.null`).  A student also embeds the
    length h = t - r of the interval whose average velocity it gives.  Times are multiplied by
    `time_scale` before their features are taken, h as well as t."""

    def __init__(self, image, channels, patch, width, depth, heads, classes,
                 out_channels=None, student=False, time_scale=1.0, qk_norm=False):
        super().__init__()
        self.patch, self.grid, self.null = patch, image // patch, classes
        self.channels, self.out_channels = channels, out_channels or channels
        self.time_scale = time_scale
        self.x_embedder = nn.Module()
        self.x_embedder.proj = nn.Conv2d(channels, width, patch, stride=patch)
        self.t_embedder = TimeEmbedder(width)
        self.h_embedder = TimeEmbedder(width) if student else None
        self.y_embedder = nn.Module()
        self.y_embedder.embedding_table = nn.Embedding(classes + 1, width)
        table = position_embedding(self.grid, self.grid, width)
        self.pos_embed = nn.Parameter(table.to(torch.get_default_dtype()), requires_grad=False)
        self.blocks = nn.ModuleList(Block(width, heads, qk_norm) for _ in range(depth))
        self.final_layer = FinalLayer(width, patch * patch * self.out_channels)

    def tokens(self, z, t, y, r=None):
        """The tokens [B, T, D] after each block, and the conditioning [B, D]."""
        if (r is None) != (self.h_embedder is None):
            raise ValueError("r is for students, and students need it")
        x = self.x_embedder.proj(z).flatten(2).transpose(1, 2) + self.pos_embed
        c = self.t_embedder(self.time_scale * t) + self.y_embedder.embedding_table(y)
        if r is not None:
            c = c + self.h_embedder(self.time_scale * (t - r))
        after = []
        for block in self.blocks:
            x = block(x, c)
            after.append(x)
        return after, c

    def forward(self, z, t, y, r=None):
        after, c = self.tokens(z, t, y, r)
        B, n, p = z.shape[0], self.grid, self.patch
        x = self.final_layer(after[-1], c).reshape(B, n, n, p, p, self.out_channels)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(B, self.out_channels, n * p, n * p)

    def velocity(self, z, t, y, r=None):
        """The output without the variance channels of a learn_sigma model."""
        return self(z, t, y, r)[:, :self.channels]

    def use_fused_attention(self, on=True):
        for block in self.blocks:
            block.attn.fused = on
        return self


def from_state_dict(state, heads, time_scale):
    """A model from a state dict: everything but heads and time_scale is in the shapes."""
    D, C, p, _ = state["x_embedder.proj.weight"].shape
    grid = math.isqrt(state["pos_embed"].shape[1])
    model = DiT(grid * p, C, p, D, sum(name.endswith("attn.qkv.weight") for name in state), heads,
                state["y_embedder.embedding_table.weight"].shape[0] - 1,
                state["final_layer.linear.weight"].shape[0] // p ** 2,
                "h_embedder.mlp.0.weight" in state, time_scale,
                "blocks.0.attn.q_norm.weight" in state)
    model.load_state_dict(state)
    return model
