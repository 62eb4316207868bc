"""random_files.py - files of random numbers in the size of published ones: what they do to memory and
time is what weights and latents would do.  Needs numpy alone.

    python random_files.py FOLDER

latents.safetensors    2,000 latents of 32 x 32 x 4, of 1000 classes, as hidi encode writes them
teacher.safetensors    a teacher of the size L/2: 457,824,272 numbers
student.safetensors    a student with half of its blocks
"""
import json
import os
import sys

import numpy as np

random = np.random.default_rng(1)


def write(path, tensors, metadata):
    names = {"float32": "F32", "float16": "F16", "int32": "I32"}
    header, at = {"__metadata__": metadata}, 0
    for name, x in tensors.items():
        header[name] = {"dtype": names[x.dtype.name], "shape": list(x.shape),
                        "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for x in tensors.values():
            out.write(x.tobytes())


def normal(*shape):
    return random.standard_normal(shape, np.float32)


def dit(width, depth, has_interval, classes=1000, patch=2, channels=4):
    """The names and shapes of facebookresearch/DiT; h_embedder is a student's."""
    tensors = {}

    def linear(name, n_out, n_in):
        tensors[name + ".weight"] = np.float32(0.7 / n_in ** 0.5) * normal(n_out, n_in)
        tensors[name + ".bias"] = np.zeros(n_out, np.float32)

    pixels = patch * patch * channels
    linear("x_embedder.proj", width, pixels)
    weight = tensors["x_embedder.proj.weight"]
    tensors["x_embedder.proj.weight"] = weight.reshape(width, channels, patch, patch)
    for embedder in ["t_embedder", "h_embedder"][:1 + has_interval]:
        linear(embedder + ".mlp.0", width, 256)
        linear(embedder + ".mlp.2", width, width)
    tensors["y_embedder.embedding_table.weight"] = np.float32(0.02) * normal(classes + 1, width)
    for i in range(depth):
        block = f"blocks.{i}."
        linear(block + "attn.qkv", 3 * width, width)
        linear(block + "attn.proj", width, width)
        linear(block + "mlp.fc1", 4 * width, width)
        linear(block + "mlp.fc2", width, 4 * width)
        linear(block + "adaLN_modulation.1", 6 * width, width)
    linear("final_layer.linear", pixels, width)
    linear("final_layer.adaLN_modulation.1", 2 * width, width)
    return tensors


folder = sys.argv[1]
about = {"hidi.heads": "16", "hidi.time_scale": "1", "hidi.image_size": "32"}
latents = {"mean": normal(2000, 4, 32, 32).astype(np.float16),
           "label": (np.arange(2000) % 1000).astype(np.int32)}
write(os.path.join(folder, "latents.safetensors"), latents,
      {"format": "hidi-latents", "hidi.scale": "1", "hidi.split": "train"})
write(os.path.join(folder, "teacher.safetensors"), dit(1024, 24, False), about)
write(os.path.join(folder, "student.safetensors"), dit(1024, 12, True), about)
