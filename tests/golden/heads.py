"""The adversary's heads on a transformer's tokens: the adaptive weighted discriminator (awd) and
its controls (gap, token, conv).  A reconstruction: the paper says "token weights, dynamic"."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class Head(nn.Module):
    """tokens [B, N, D] -> logit [B], and for all but conv token weights and scores [B, N].

    awd    sum_i a_i s_i,  s = score(LN(h_i)),  a = softmax_i(<query, key LN(h_i)> / sqrt(d))
    gap    the same with a_i = 1/N
    token  a logit per token; their mean is what is given as the logit
    conv   two strided convolutions over the grid of tokens, mean, score   [after DMD2's head]"""

    def __init__(self, kind, D, d):
        super().__init__()
        self.kind = kind
        self.norm = nn.LayerNorm(D, eps=1e-6)
        self.score = nn.Linear(D // 2 if kind == "conv" else D, 1)
        if kind == "awd":
            self.key = nn.Linear(D, d, bias=False)
            self.query = nn.Parameter(torch.zeros(d))
        if kind == "conv":
            self.conv1 = nn.Conv2d(D, D // 2, 3, stride=2, padding=1)
            self.conv2 = nn.Conv2d(D // 2, D // 2, 3, stride=2, padding=1)

    def forward(self, tokens):
        h = self.norm(tokens)
        B, N, D = h.shape
        if self.kind == "conv":
            n = math.isqrt(N)
            maps = h.transpose(1, 2).reshape(B, D, n, n)
            maps = F.silu(self.conv2(F.silu(self.conv1(maps))))
            return self.score(maps.mean(dim=(2, 3)))[:, 0], None, None
        scores = self.score(h)[..., 0]
        if self.kind == "awd":
            weights = (self.key(h) @ self.query / math.sqrt(len(self.query))).softmax(dim=1)
        else:
            weights = torch.full_like(scores, 1 / N)
        return (weights * scores).sum(dim=1), weights, scores


class Discriminator(nn.Module):
    """Head j reads the tokens after block blocks[j] (counted from 0) of a backbone; the logit is
    the mean of the heads'."""

    def __init__(self, kind, blocks, D, d=8):
        super().__init__()
        self.kind, self.blocks = kind, blocks
        self.heads = nn.ModuleList(Head(kind, D, d) for _ in blocks)

    def forward(self, backbone, z, t, y):
        after, _ = backbone.tokens(z, t, y)
        results = [head(after[b]) for head, b in zip(self.heads, self.blocks)]
        out = {"logits": torch.stack([logit for logit, _, _ in results]).mean(dim=0)}
        if self.kind != "conv":
            out["weights"] = torch.stack([weights for _, weights, _ in results], dim=1)
            out["scores"] = torch.stack([scores for _, _, scores in results], dim=1)
        return out
