"""Writes the files of this folder: each NAME.npz or NAME.pt by numpy or torch, and what is in it,
NAME.safetensors, by safetensors.  Python 3, numpy, torch, safetensors:

    python3 generate.py
"""
import argparse
import collections
import io
import os
import zipfile

import numpy as np
import torch
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import save_file as save_torch

HERE = os.path.dirname(os.path.abspath(__file__))


def path(name):
    return os.path.join(HERE, name)


def info(name):
    """Of a member of a zip file: always the same date."""
    return zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))


# --- npz ------------------------------------------------------------------------------------------

def little(array):
    """As safetensors wants it: little-endian, in C order."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)


def npz():
    rng = np.random.default_rng(1)
    arrays = {
        "mu": rng.standard_normal(5),
        "sigma": rng.standard_normal((5, 5)),
        "arr_0": rng.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8),
        "f4": rng.standard_normal((2, 3, 4)).astype(np.float32),
        "f2": rng.standard_normal((3, 2)).astype(np.float16),
        "i8": np.array([[-2**63, 2**63 - 1, -1]], dtype=np.int64),
        "i4": np.array([-2**31, 2**31 - 1], dtype=np.int32),
        "i2": np.array([-2**15, 2**15 - 1], dtype=np.int16),
        "i1": np.array([-128, 127], dtype=np.int8),
        "bool": np.array([True, False, True]),
        "scalar": np.array(0.1),
        "empty": np.zeros((3, 0, 2), dtype=np.float32),
        "a name/with \u00e9": np.arange(3.0),
    }
    np.savez(path("stored.npz"), **arrays)
    save_numpy({k: little(v) for k, v in arrays.items()}, path("stored.safetensors"))

    arrays = {
        "mu": np.linspace(-1, 1, 200),
        "arr_0": (np.arange(7 * 50).reshape(7, 50) % 11).astype(np.uint8),
        "big": rng.standard_normal((3, 5)).astype(">f8"),
        "big_i4": np.arange(-7, 5, dtype=">i4").reshape(2, 6),
        "big_i2": np.arange(-7, 5, dtype=">i2"),
        "fortran": np.asfortranarray(rng.standard_normal((3, 4, 5))),
        "fortran_big": np.asfortranarray(np.arange(6, dtype=">f4").reshape(3, 2)),
        "fortran_1d": np.asfortranarray(np.arange(4.0)),
    }
    np.savez_compressed(path("deflated.npz"), **arrays)
    save_numpy({k: little(v) for k, v in arrays.items()}, path("deflated.safetensors"))

    # Versions 2 and 3 of .npy, zip64 for sizes that would not need it, and what is not held.
    arrays = {"v1": np.arange(4.0), "v2": np.arange(5, dtype=np.float32),
              "v3": np.arange(6, dtype=np.int64).reshape(2, 3)}
    with zipfile.ZipFile(path("versions.npz"), "w") as archive:
        for version, (name, array) in enumerate(arrays.items(), 1):
            with archive.open(info(name + ".npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=(version, 0))
        for name, array in {"text": np.array(["a", "bc"]), "complex": np.zeros(2, complex),
                            "u2": np.zeros(2, np.uint16),
                            "fields": np.zeros(2, dtype=[("x)", "f4"), ("y", "i4", (2,))]),
                            "object": np.array([{}, None], dtype=object)}.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array)
            archive.writestr(info(name + ".npy"), member.getvalue())
        archive.writestr(info("notes.txt"), "not an array")
    save_numpy(arrays, path("versions.safetensors"))


# --- torch.save -----------------------------------------------------------------------------------

def state():
    """What torch tensors can be like, and what they are when contiguous and of their own."""
    torch.manual_seed(1)
    base = torch.randn(4, 6)
    weight = torch.randn(3, 2)
    return collections.OrderedDict([
        ("single", torch.randn(2, 3)),
        ("double", torch.randn(3, dtype=torch.float64)),
        ("half", torch.randn(5).half()),
        ("brain", torch.randn(5).bfloat16()),
        ("i64", torch.tensor([-2**63, 2**63 - 1])),
        ("i32", torch.tensor([-2**31, 2**31 - 1], dtype=torch.int32)),
        ("i16", torch.tensor([-2**15, 2**15 - 1], dtype=torch.int16)),
        ("i8", torch.tensor([-128, 127], dtype=torch.int8)),
        ("u8", torch.tensor([0, 255], dtype=torch.uint8)),
        ("bool", torch.tensor([True, False, True])),
        ("scalar", torch.tensor(0.1)),
        ("num_batches_tracked", torch.tensor(7)),
        ("empty", torch.zeros(2, 0, 3)),
        ("base", base),
        ("transposed", base.t()),
        ("permuted", torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)),
        ("slice", base[1:3, 2:5]),
        ("step", base[::2, ::3]),
        ("expanded", torch.arange(3.0).expand(4, 3)),
        ("channels_last", torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last)),
        ("tied", weight),
        ("tied_too", weight),
        ("row_of_tied", weight[1]),
        ("parameter", torch.nn.Parameter(torch.randn(2))),
        ("parameter.frozen", torch.nn.Parameter(torch.randn(2), requires_grad=False)),
        ("buffer", torch.nn.Buffer(torch.randn(2))),
    ])


def expected(tensors):
    return {k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}


def both(name, value, **options):
    torch.save(value, path(name + ".pt"), **options)
    torch.save(value, path(name + "-legacy.pt"), _use_new_zipfile_serialization=False, **options)


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return self.weight * x


def pt():
    tensors = state()
    both("state", tensors)
    save_torch(expected(tensors), path("state.safetensors"))
    torch.save(tensors, path("state-protocol4.pt"), pickle_protocol=4)
    torch.save(tensors, path("state-protocol5-legacy.pt"), pickle_protocol=5,
               _use_new_zipfile_serialization=False)

    # A module's state_dict() has a _metadata attribute.
    module = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3))
    module(torch.randn(1, 2, 5, 5)).sum().backward()
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4)
    optimizer.step()
    both("module", module.state_dict())

    # A checkpoint: several parts, an optimizer, numbers, and objects.
    ema = {k: v * 0.5 if v.is_floating_point() else v for k, v in module.state_dict().items()}
    checkpoint = {
        "model": module.state_dict(), "ema": ema, "opt": optimizer.state_dict(),
        "args": argparse.Namespace(model="DiT-S/2", sets={1, 2}), "epoch": 7,
    }
    both("checkpoint", checkpoint)
    save_torch(expected(module.state_dict()), path("module.safetensors"))
    save_torch(expected(ema), path("checkpoint-ema.safetensors"))

    # The one part with tensors is found; what is in it beside tensors.
    both("nested", {"epoch": 3, "best": torch.tensor(0.5), "state_dict": {
        "a": torch.arange(3.0), "deep": {"b": torch.ones(2, 2), "list": [torch.zeros(1), 5]},
        "lr": 0.1, "name": "x", "none": None, "yes": True, 3: torch.arange(2),
        "size": torch.Size([2, 3]), "big": 2**80, "dtype": torch.float32}})
    save_torch({"a": torch.arange(3.0), "deep.b": torch.ones(2, 2), "deep.list.0": torch.zeros(1),
                "3": torch.arange(2)}, path("nested.safetensors"))

    both("alone", torch.arange(6.0).reshape(2, 3))
    save_torch({"tensor": torch.arange(6.0).reshape(2, 3)}, path("alone.safetensors"))

    empty = {"none": torch.zeros(0), "one": torch.ones(1), "no_bool": torch.zeros(0).bool()}
    both("empty", empty)
    save_torch(empty, path("empty.safetensors"))

    both("model", Scale())
    torch.jit.script(Scale()).save(path("script.pt"))
    torch.save({"a": torch.zeros(2), "c": torch.zeros(2, dtype=torch.complex64),
                "u": torch.zeros(2, dtype=torch.uint16)}, path("types.pt"))
    big_endian()


def big_endian():
    """What a big-endian machine would have written: the same archive with its storages swapped."""
    tensors = {"f": torch.tensor([1.5, -2.25]), "d": torch.tensor([1e100], dtype=torch.float64),
               "h": torch.tensor([1.0, 2.0]).half(), "i": torch.tensor([1, -2], dtype=torch.int32),
               "u": torch.tensor([1, 2], dtype=torch.uint8)}
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    widths = {str(k): v.element_size() for k, v in enumerate(tensors.values())}
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path("big-endian.pt"), "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("/byteorder"):
                data = b"big"
            elif "/data/" in name:
                width = widths[name.rsplit("/", 1)[1]]
                data = np.frombuffer(data, f"V{width}").tobytes()
                data = b"".join(data[i:i + width][::-1] for i in range(0, len(data), width))
            new.writestr(info(name), data)
    assert all(torch.equal(v, tensors[k]) for k, v in torch.load(path("big-endian.pt")).items())
    save_torch(tensors, path("big-endian.safetensors"))


if __name__ == "__main__":
    os.chdir(HERE)
    __file__ = os.path.basename(__file__)  # what torch.save says of a class
    npz()
    pt()
