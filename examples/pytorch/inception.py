"""Images per second of Inception-v3, in PyTorch and by `hidi bench --inception`, taken in turn.

    python examples/pytorch/inception.py --hidi build/hidi --batch 32 --threads 1 2 --rounds 5

The network is that of the golden values (tests/golden/inception.py), whose outputs are the bits of
pytorch-fid's, in eager mode without gradients as pytorch-fid runs it, up to pool3, on images of
299 x 299 that are in memory.  --channels-last gives PyTorch that layout, too.  Each round times one
and then the other; what counts is the median of the rounds' ratios.
"""
import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch

from bench import cpu_name

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import inception  # noqa: E402


def pool3(net, x):
    for name, block in net.named_children():
        if name != "fc":
            x = block(x)
    return x.mean((2, 3))


def pytorch_rate(net, x, repeat):
    """Images per second: the median of some passes, after one that does not count."""
    times = []
    with torch.no_grad():
        pool3(net, x)
        for _ in range(repeat):
            begin = time.perf_counter()
            pool3(net, x)
            times.append(time.perf_counter() - begin)
    return len(x) / statistics.median(times)


def hidi_rate(command, batch, threads, repeat):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory) / "bench.csv"
        subprocess.run([command, "bench", "--inception", "--batch", str(batch), "--threads",
                        str(threads), "--repeat", str(repeat), "--quiet", "--csv", str(path)],
                       check=True, stdout=subprocess.DEVNULL)
        with path.open() as file:
            row = next(csv.DictReader(file))
    return batch / float(row["seconds"])


def compare(a, net, x, threads):
    torch.set_num_threads(threads)
    ratios = []
    for _ in range(a.rounds):
        theirs = pytorch_rate(net, x, a.repeat)
        ours = hidi_rate(a.hidi, a.batch, threads, a.repeat)
        ratios.append(ours / theirs)
        print(f"{threads:7} {theirs:12.2f} {ours:12.2f} {ours / theirs:8.2f}", flush=True)
    print(f"{threads:7} median of the ratios: {statistics.median(ratios):.2f} "
          f"(from {min(ratios):.2f} to {max(ratios):.2f})", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Inception-v3 in PyTorch and in hidi")
    parser.add_argument("--hidi", default="hidi", help="the command")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=3, help="passes in a round")
    parser.add_argument("--channels-last", action="store_true")
    a = parser.parse_args()
    torch.manual_seed(1)
    net = inception.Inception().eval()
    net.load_state_dict(inception.random_state(net), strict=False)
    x = torch.rand(a.batch, 3, inception.SIDE, inception.SIDE) * 2 - 1
    if a.channels_last:
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    print(f"PyTorch {torch.__version__}, eager, float32{', channels last' * a.channels_last}; "
          f"batch {a.batch}; {cpu_name()}, load average {os.getloadavg()[0]:.1f} on "
          f"{os.cpu_count()} cores")
    print(f"{'threads':>7} {'PyTorch':>12} {'hidi':>12} {'ratio':>8}   images a second")
    for threads in a.threads:
        compare(a, net, x, threads)


if __name__ == "__main__":
    main()
