"""Writes the files of this folder: for each NAME.npz or NAME.pt, by numpy or torch, what is in it in
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


# --- npz --------------------------------------------------------------------------------------------

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
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, version=(version, 0))
        for name, array in {"text": np.array(["a", "bc"]), "complex": np.zeros(2, complex),
                            "u2": np.zeros(2, np.uint16),
                            "fields": np.zeros(2, dtype=[("x)", "f4"), ("y", "i4", (2,))]),
                            "object": np.array([{}, None], dtype=object)}.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array)
            archive.writestr(name + ".npy", member.getvalue())
        archive.writestr("notes.txt", "not an array")
    save_numpy(arrays, path("versions.safetensors"))


if __name__ == "__main__":
    npz()
