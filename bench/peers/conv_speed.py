#!/usr/bin/env python3
"""Training steps of a small convolutional network in f32 against PyTorch, the same number of threads, in one run.

Both train the network of examples/mnist.c (two convolutions with pools, two dense layers, AdamW) on batches of 128 images of 28 x 28.
PyTorch: oneDNN's convolutions, once with channels first and once with channels last; fused AdamW. They take turns; the best rate of each counts.

    python3 bench/peers/conv_speed.py build/release/bench/bench_conv [--threads 2] [--rounds 3]
"""
import argparse
import json
import subprocess
import time

import torch
from torch import nn


def torch_rate(steps, threads, last):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(1, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 128), nn.ReLU(), nn.Linear(128, 10))
    images, labels = torch.rand(128, 1, 28, 28), torch.randint(0, 10, (128,))
    if last:
        model, images = model.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step():
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()

    for _ in range(3):
        step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return steps / (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_conv of the build folder")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    a = parser.parse_args()
    theirs, ours = [], []
    for _ in range(a.rounds):
        theirs.append(max(torch_rate(a.steps, a.threads, last) for last in (False, True)))
        run = subprocess.run([a.program, str(a.steps), str(a.threads)], check=True, capture_output=True, text=True)
        mine = json.loads(run.stdout)
        ours.append(mine["steps_per_second"])
        print(f"PyTorch {theirs[-1]:7.2f} steps/s   Assay {ours[-1]:7.2f} steps/s")
    print(run.stderr, end="")
    print(f"best of {a.rounds}: {max(ours) / max(theirs):.2f} times PyTorch's rate ({a.threads} threads, 128 images a step, f32)")


if __name__ == "__main__":
    main()
