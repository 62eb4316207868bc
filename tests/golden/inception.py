"""Golden values of Inception-v3 and of its three inputs, in PyTorch, PIL and numpy.

    python tests/golden/inception.py            writes expected/inception.safetensors
    python tests/golden/inception.py FILE       writes the random weights as a state dict for others

tests/test_inception.c reads the expected values.  Weights and images are too large to be stored:
both sides draw them from the generator that src/eval/inception.h describes (SplitMix64).  The
network is written from the figures of Szegedy et al. (arXiv 1512.00567) and the description in
inception.h, with batch norm as it stands, and runs in float64; the resizes are
torch.nn.functional.interpolate in float32, PIL's of float images, and numpy with float32
coordinates.
"""
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import nn

HERE = pathlib.Path(__file__).parent
SEED, IMAGE_SEED = 7, 11
SIDE = 299


def uniform(seed, tensor, count):
    """u of inception.h: float64 numbers in [0, 1) with 24 bits."""
    with np.errstate(over="ignore"):
        k = np.arange(1, count + 1, dtype=np.uint64) + (np.uint64(tensor) << np.uint64(32))
        z = np.uint64(seed) + k * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**24


# --- the network ----------------------------------------------------------------------------------


class Conv(nn.Module):
    """Convolution, batch norm, ReLU; kernels are centred unless padding says otherwise."""

    def __init__(self, n_in, n_out, kernel=1, stride=1, padding=None):
        super().__init__()
        kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        if padding is None:
            padding = (kernel[0] // 2, kernel[1] // 2) if stride == 1 else 0
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=1e-3)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


def average(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def maximum(x):
    return F.max_pool2d(x, 3, 1, 1)


def halve(x):
    return F.max_pool2d(x, 3, 2)


class Block(nn.Module):
    """Branches side by side: chains of convolutions behind an optional pool.  A tuple at the end of
    a chain stands for convolutions that all read what comes before them."""

    def branch(self, *parts, pool=None):
        self.branches = getattr(self, "branches", []) + [(pool, parts)]

    def layer(self, name, *conv):
        self.add_module(name, Conv(*conv))
        return name

    def forward(self, x):
        out = []
        for pool, parts in self.branches:
            y = pool(x) if pool else x
            for part in parts:
                if isinstance(part, tuple):
                    y = torch.cat([getattr(self, p)(y) for p in part], 1)
                else:
                    y = getattr(self, part)(y)
            out.append(y)
        return torch.cat(out, 1)


class BlockA(Block):
    def __init__(self, n, pool_channels):
        super().__init__()
        self.branch(self.layer("branch1x1", n, 64))
        self.branch(self.layer("branch5x5_1", n, 48), self.layer("branch5x5_2", 48, 64, 5))
        self.branch(self.layer("branch3x3dbl_1", n, 64), self.layer("branch3x3dbl_2", 64, 96, 3),
                    self.layer("branch3x3dbl_3", 96, 96, 3))
        self.branch(self.layer("branch_pool", n, pool_channels), pool=average)


class BlockB(Block):
    def __init__(self, n):
        super().__init__()
        self.branch(self.layer("branch3x3", n, 384, 3, 2))
        self.branch(self.layer("branch3x3dbl_1", n, 64), self.layer("branch3x3dbl_2", 64, 96, 3),
                    self.layer("branch3x3dbl_3", 96, 96, 3, 2))
        self.branch(pool=halve)


class BlockC(Block):
    def __init__(self, n, c):
        super().__init__()
        row, column = (1, 7), (7, 1)
        self.branch(self.layer("branch1x1", n, 192))
        self.branch(self.layer("branch7x7_1", n, c), self.layer("branch7x7_2", c, c, row),
                    self.layer("branch7x7_3", c, 192, column))
        self.branch(self.layer("branch7x7dbl_1", n, c), self.layer("branch7x7dbl_2", c, c, column),
                    self.layer("branch7x7dbl_3", c, c, row),
                    self.layer("branch7x7dbl_4", c, c, column),
                    self.layer("branch7x7dbl_5", c, 192, row))
        self.branch(self.layer("branch_pool", n, 192), pool=average)


class BlockD(Block):
    def __init__(self, n):
        super().__init__()
        self.branch(self.layer("branch3x3_1", n, 192), self.layer("branch3x3_2", 192, 320, 3, 2))
        self.branch(self.layer("branch7x7x3_1", n, 192),
                    self.layer("branch7x7x3_2", 192, 192, (1, 7)),
                    self.layer("branch7x7x3_3", 192, 192, (7, 1)),
                    self.layer("branch7x7x3_4", 192, 192, 3, 2))
        self.branch(pool=halve)


class BlockE(Block):
    def __init__(self, n, pool):
        super().__init__()
        row, column = (1, 3), (3, 1)
        self.branch(self.layer("branch1x1", n, 320))
        self.branch(self.layer("branch3x3_1", n, 384),
                    (self.layer("branch3x3_2a", 384, 384, row),
                     self.layer("branch3x3_2b", 384, 384, column)))
        self.branch(self.layer("branch3x3dbl_1", n, 448), self.layer("branch3x3dbl_2", 448, 384, 3),
                    (self.layer("branch3x3dbl_3a", 384, 384, row),
                     self.layer("branch3x3dbl_3b", 384, 384, column)))
        self.branch(self.layer("branch_pool", n, 192), pool=pool)


class Pool(nn.Module):
    def forward(self, x):
        return halve(x)


class Inception(nn.Module):
    def __init__(self):
        super().__init__()
        for name, block in (("Conv2d_1a_3x3", Conv(3, 32, 3, 2)),
                            ("Conv2d_2a_3x3", Conv(32, 32, 3, 1, 0)),
                            ("Conv2d_2b_3x3", Conv(32, 64, 3)), ("maxpool1", Pool()),
                            ("Conv2d_3b_1x1", Conv(64, 80)),
                            ("Conv2d_4a_3x3", Conv(80, 192, 3, 1, 0)),
                            ("maxpool2", Pool()), ("Mixed_5b", BlockA(192, 32)),
                            ("Mixed_5c", BlockA(256, 64)), ("Mixed_5d", BlockA(288, 64)),
                            ("Mixed_6a", BlockB(288)), ("Mixed_6b", BlockC(768, 128)),
                            ("Mixed_6c", BlockC(768, 160)), ("Mixed_6d", BlockC(768, 160)),
                            ("Mixed_6e", BlockC(768, 192)), ("Mixed_7a", BlockD(768)),
                            ("Mixed_7b", BlockE(1280, average)),
                            ("Mixed_7c", BlockE(2048, maximum))):
            self.add_module(name, block)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x):
        """(name, output) of each block; then pool3."""
        outputs = []
        for name, block in self.named_children():
            if name != "fc":
                x = block(x)
                outputs.append((name, x))
        return outputs, x.mean((2, 3))

    def probabilities(self, pool3):
        return F.softmax(pool3 @ self.fc.weight.T, 1)

    def spatial(self, x):
        for name, block in self.named_children():
            if name == "Mixed_6d":
                return block.branch1x1(x)[:, :7].permute(0, 2, 3, 1).flatten(1)
            x = block(x)


def random_state(net):
    """The state dict of hidi_inception_random."""
    state, tensor = {}, 0
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        u = uniform(SEED, tensor, value.numel()).reshape(value.shape)
        tensor += 1
        if name.endswith("conv.weight"):
            u = (2 * u - 1) * np.sqrt(6 / np.prod(value.shape[1:]))
        elif name.endswith(("bn.weight", "running_var")):
            u = u + 0.5
        elif name.endswith(("bn.bias", "running_mean")):
            u = 0.5 * u - 0.25
        elif name == "fc.weight":
            u = u / 16 - 1 / 32
        state[name] = torch.from_numpy(u.astype(np.float32))
    return state


# --- the inputs -----------------------------------------------------------------------------------


def images(which, n, height, width):
    """u8 [n, height, width, 3]: steps and noise, so that there are both smooth and sharp places."""
    u = uniform(IMAGE_SEED, which, n * height * width * 3).reshape(n, height, width, 3)
    i, j = np.mgrid[0:height, 0:width]
    waves = 96 + 64 * (((i * 7) // height + (j * 5) // width) % 2)
    return (waves[None, :, :, None] + np.floor(u * 96)).astype(np.uint8)


def tf1(x):
    """x float32 [n, C, H, W]; pixel i lies at i * ratio, in float32 as in TensorFlow 1."""
    def taps(size):
        at = np.arange(SIDE, dtype=np.float32) * np.float32(np.float32(size) / np.float32(SIDE))
        low = at.astype(np.int64)
        return low, np.minimum(low + 1, size - 1), (at - low.astype(np.float32)).astype(np.float64)

    low, high, share = taps(x.shape[3])
    x = x.astype(np.float64)
    x = x[..., low] + (x[..., high] - x[..., low]) * share
    low, high, share = taps(x.shape[2])
    return x[:, :, low] + (x[:, :, high] - x[:, :, low]) * share[:, None]


def prepare(mode, u8):
    """u8 [n, H, W, 3] -> the network's input, float64 [n, 3, 299, 299]."""
    x = u8.transpose(0, 3, 1, 2)
    if mode == "pytorch-fid":
        x = torch.from_numpy(x.astype(np.float32) / np.float32(255))
        return 2 * F.interpolate(x, (SIDE, SIDE), mode="bilinear", align_corners=False).double() - 1
    if mode == "tf":
        y = tf1(x.astype(np.float32))
    else:
        y = np.stack([[np.asarray(Image.fromarray(c.astype(np.float32)).resize(
            (SIDE, SIDE), Image.BICUBIC)).clip(0, 255) for c in image] for image in x])
    return (torch.from_numpy(np.asarray(y, np.float64)) - 128) / 128


# --- what is kept ---------------------------------------------------------------------------------

# height, width: enlarged, made smaller, left alone; oblong; a single row
SIZES = ((32, 32), (40, 61), (299, 299), (300, 298), (448, 640), (1, 7), (1024, 16))
MODES = ("pytorch-fid", "tf", "clean")
RESIZE_STEP, BLOCK_STEP = 401, 101  # every so many elements are kept


def main():
    torch.manual_seed(0)
    net = Inception().double().eval()
    state = random_state(net)
    if len(sys.argv) > 1:
        save_file(state, sys.argv[1])
        return
    net.load_state_dict({k: v.double() for k, v in state.items()}, strict=False)
    out = {}
    for i, (height, width) in enumerate(SIZES):
        for mode in MODES:
            x = prepare(mode, images(i, 1, height, width))
            out[f"resize.{mode}.{height}x{width}"] = x.flatten()[::RESIZE_STEP].clone()
    with torch.no_grad():
        # A small image through all blocks.
        x = torch.from_numpy(images(100, 1, 75, 75).transpose(0, 3, 1, 2) / 127.5 - 1)
        blocks, pool3 = net(x.float().double())
        for name, y in blocks:
            out[f"block.{name}"] = y.flatten()[::BLOCK_STEP].clone()
            out[f"norm.{name}"] = y.norm().reshape(1)
        out["small.features"] = pool3
        # The whole way, from images of another size.
        for mode in MODES:
            x = prepare(mode, images(200, 2, 40, 48))
            _, pool3 = net(x)
            out[f"{mode}.features"] = pool3
            out[f"{mode}.probabilities"] = net.probabilities(pool3)
            if mode == "tf":
                out[f"{mode}.spatial"] = net.spatial(x)
    for name, y in out.items():
        print(f"{name:32} {tuple(y.shape)!s:12} max {y.abs().max():.4g}  mean {y.mean():.4g}")
    save_file({k: (v if v.numel() < 1000 else v.float()).contiguous() for k, v in out.items()},
              HERE / "expected" / "inception.safetensors")


if __name__ == "__main__":
    main()
