#!/usr/bin/env python3
"""Attention with and without a mask, forward and with its gradients, against torch's scaled_dot_product_attention.

4,096 tokens in sequences of 256 and of 1,024, 4 heads of 64, in f32 and bf16. Masks: none (causal); `causal`, the same pairs written as a
mask; `half`, a random half of all pairs, both ways; `blocks`, both ways, a tenth of the blocks of 64 by 64 and the diagonal. Results must
agree to 2e-5 (f32) and 3e-2 (bf16) of the largest element. The programs take turns; the best of each counts.

    python3 bench/peers/attention.py build/release/bench/bench_attention [--threads 2] [--rounds 2] [--repeats 10] [--types f32,bf16]
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file

TOKENS, HEADS, SIZE = 4096, 4, 64
MASKS = ("none", "causal", "half", "blocks")
TOLERANCE = {"f32": 2e-5, "bf16": 3e-2}


def mask_of(kind, length, draw):
    batch, shape = TOKENS // length, (TOKENS // length, length, length)
    if kind == "causal":
        return numpy.broadcast_to(numpy.tril(numpy.ones((length, length), bool)), shape)
    if kind == "half":
        return draw.random(shape) < 0.5
    blocks = (draw.random((batch, length // 64, length // 64)) < 0.1) | numpy.eye(length // 64, dtype=bool)
    return blocks.repeat(64, 1).repeat(64, 2)


class Torch:
    def __init__(self, given, mask, kind):
        dtype = torch.bfloat16 if kind == "bf16" else torch.float32
        self.q, self.k, self.v, self.dout = (torch.tensor(given[n]).to(dtype).transpose(1, 2).contiguous() for n in ("q", "k", "v", "dout"))
        for x in (self.q, self.k, self.v):
            x.requires_grad_()
        self.mask = None if mask is None else torch.tensor(numpy.ascontiguousarray(mask))[:, None]

    def forward(self):
        return F.scaled_dot_product_attention(self.q, self.k, self.v, attn_mask=self.mask, is_causal=self.mask is None)

    def both(self):
        out = self.forward()
        return out, *torch.autograd.grad(out, (self.q, self.k, self.v), self.dout)

    def best(self, repeats):
        times = {"forward": float("inf"), "both": float("inf")}
        for _ in range(repeats):
            begin = time.perf_counter()
            with torch.no_grad():
                self.forward()
            middle = time.perf_counter()
            self.both()
            times["forward"] = min(times["forward"], middle - begin)
            times["both"] = min(times["both"], time.perf_counter() - middle)
        return times

    def values(self):
        return {n: x.detach().float().transpose(1, 2).numpy() for n, x in zip(("out", "dq", "dk", "dv"), self.both())}


def main():
    p = argparse.ArgumentParser()
    p.add_argument("program")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--repeats", type=int, default=10)
    p.add_argument("--types", default="f32,bf16")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    draw, failed = numpy.random.default_rng(1), False
    print(f"{'type':5} {'length':>6} {'mask':7} {'pairs':>9}   {'forward, ms':>20} {'':>6}   {'with gradients, ms':>20}\n"
          f"{'':31}   {'Assay':>9} {'torch':>10} {'ratio':>6}   {'Assay':>9} {'torch':>10} {'ratio':>6}")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.safetensors", Path(folder) / "out.safetensors"
        for kind in a.types.split(","):
            for length in (256, 1024):
                given = {n: draw.standard_normal((TOKENS // length, length, HEADS, SIZE)).astype(numpy.float32) for n in ("q", "k", "v", "dout")}
                for name in MASKS:
                    mask = None if name == "none" else mask_of(name, length, draw)
                    tensors = dict(given) if mask is None else dict(given, mask=numpy.ascontiguousarray(mask).astype(numpy.uint8))
                    save_file(tensors, source, metadata={"type": kind, "both_ways": "yes" if name in ("half", "blocks") else "no"})
                    pairs = TOKENS * (length + 1) // 2 if mask is None else int(mask.sum())
                    theirs, ours, peers = Torch(given, mask, kind), {}, {}
                    for _ in range(a.rounds):
                        run = subprocess.run([a.program, source, target, str(a.threads), str(a.repeats)], check=True, capture_output=True, text=True)
                        for got, best in ((json.loads(run.stdout), ours), (theirs.best(a.repeats), peers)):
                            for part, seconds in got.items():
                                best[part] = min(best.get(part, float("inf")), seconds)
                    row = "   ".join(f"{1e3 * ours[x]:9.2f} {1e3 * peers[x]:10.2f} {peers[x] / ours[x]:6.2f}" for x in ("forward", "both"))
                    print(f"{kind:5} {length:6} {name:7} {pairs:9}   {row}", flush=True)
                    made, expected = load_file(target), theirs.values()
                    for n in expected:
                        off = numpy.abs(made[n] - expected[n]).max() / numpy.abs(expected[n]).max()
                        if not off <= TOLERANCE[kind]:
                            failed = True
                            print(f"  {n} is off by {off:.2g} of the largest element")
    sys.exit(failed)


if __name__ == "__main__":
    main()
