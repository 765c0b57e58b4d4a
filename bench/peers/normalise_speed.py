#!/usr/bin/env python3
"""Normalisations with their gradients in f32 against PyTorch, the same number of threads, in one run.

Images lie with their channels last in both. They take turns; the best time of each counts.

    python3 bench/peers/normalise_speed.py build/release/bench/bench_normalise [--threads 2] [--rounds 3]
"""
import argparse
import json
import subprocess
import time

import torch
from torch.nn import functional as F


def images(n, h, w, c):
    x = torch.rand(n, c, h, w).to(memory_format=torch.channels_last).requires_grad_()
    return x, torch.rand(n, c, h, w).to(memory_format=torch.channels_last), torch.rand(c).requires_grad_(), torch.rand(c).requires_grad_()


def rows(n, c):
    return torch.rand(n, c).requires_grad_(), torch.rand(n, c), torch.rand(c).requires_grad_(), torch.rand(c).requires_grad_()


def frozen(x, w, b):
    return F.batch_norm(x, torch.full_like(b, 0.1).detach(), torch.full_like(b, 0.9).detach(), w, b, False, 0.1, 1e-5)


def batch(x, w, b):
    return F.batch_norm(x, None, None, w, b, True, 0.1, 1e-5)


CASES = {
    "batch_norm 64x28x28x32": (images(64, 28, 28, 32), batch),
    "batch_norm 64x7x7x512": (images(64, 7, 7, 512), batch),
    "batch_norm frozen 64x28x28x32": (images(64, 28, 28, 32), frozen),
    "instance_norm 64x28x28x32": (images(64, 28, 28, 32), lambda x, w, b: F.instance_norm(x, None, None, w, b, True, 0.1, 1e-5)),
    "group_norm 64x28x28x32": (images(64, 28, 28, 32), lambda x, w, b: F.group_norm(x, 8, w, b, 1e-5)),
    "layer_norm 4096x512": (rows(4096, 512), lambda x, w, b: F.layer_norm(x, (512,), w, b, 1e-5)),
}


def theirs(name, repeats=60):
    (x, dy, w, b), f = CASES[name]
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.autograd.grad(f(x, w, b), (x, w, b), dy)
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_normalise of the build folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    ours, peers = {}, {}
    for _ in range(a.rounds):
        out = json.loads(subprocess.run([a.program, str(a.threads)], check=True, capture_output=True, text=True).stdout)
        for name in CASES:
            ours[name] = min(ours.get(name, float("inf")), out[name])
            peers[name] = min(peers.get(name, float("inf")), theirs(name))
    for name in CASES:
        print(f"{name:32} PyTorch {peers[name]:7.3f} ms   Assay {ours[name]:7.3f} ms   {peers[name] / ours[name]:.2f} times its rate")


if __name__ == "__main__":
    main()
