"""Compares dit.py with facebookresearch/DiT's own models.py (needs timm and that file).

    python tests/golden/check_against_dit.py PATH/TO/models.py

Both get the same state dict; outputs must agree to rounding.  Theirs multiplies t by nothing, so
it is handed time_scale * t, and it computes the time features in float32.
"""
import importlib.util
import pathlib
import sys

import torch
from safetensors.torch import load_file

import dit

HERE = pathlib.Path(__file__).parent

spec = importlib.util.spec_from_file_location("theirs", sys.argv[1])
theirs = importlib.util.module_from_spec(spec)
spec.loader.exec_module(theirs)

failed = False
for name, heads, time_scale in ("teacher", 4, 1), ("sigma", 2, 1000):
    state = load_file(HERE / f"models/{name}.safetensors")
    ours = dit.from_state_dict(state, heads, time_scale)
    size, C = ours.grid * ours.patch, ours.channels
    reference = theirs.DiT(size, ours.patch, C, state["pos_embed"].shape[2], len(ours.blocks),
                           heads, num_classes=ours.null, learn_sigma=ours.out_channels > C)
    table = (reference.pos_embed - state["pos_embed"]).abs().max().item()  # as they compute it
    reference.load_state_dict(state)
    reference.eval()
    torch.manual_seed(1)
    z, t, y = torch.randn(5, C, size, size), torch.rand(5), torch.randint(ours.null + 1, (5,))
    with torch.no_grad():
        a, b = ours(z, t, y), reference(z, time_scale * t, y)
    error = ((a - b).norm() / b.norm()).item()
    print(f"{name}: outputs {error:.1e} relative, position table {table:.1e}")
    failed |= not (error < 1e-6 and table < 1e-6)
sys.exit(failed)
