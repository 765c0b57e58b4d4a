#!/usr/bin/env python3
"""Value and Laplacian of a small network on 30 coordinates at 512 places, against JAX (jax.jit, forward over reverse), in one run.

The network: 30 - 64 - 64 - 1, tanh. JAX: the diagonal of the Hessian by jax.jvp of jax.grad along each unit vector, vmap over the vectors
and over the places, all under jax.jit; the same number of threads. The programs take turns; the best of each counts. Values and
Laplacians must agree: 1e-9 of the largest in f64, 2e-4 in f32 (both of them against f64).

    python3 bench/peers/laplacian.py build/release/bench/bench_laplacian [--types f32,f64] [--threads 2] [--rounds 3]
"""
import argparse
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy


def write_tensors(path, tensors):
    """A safetensors file of f64 tensors."""
    head, at = {}, 0
    for name, x in tensors.items():
        head[name] = dict(dtype="F64", shape=list(x.shape), data_offsets=[at, at + x.nbytes])
        at += x.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(numpy.ascontiguousarray(x).tobytes() for x in tensors.values()))


def read_tensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    kinds = {"F64": numpy.float64, "F32": numpy.float32}
    return {n: numpy.frombuffer(data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]], kinds[t["dtype"]])
            for n, t in json.loads(data[8:8 + length]).items() if n != "__metadata__"}


def jax_seconds(tensors, kind, limit):
    import jax
    import jax.numpy as jnp
    jax.config.update("jax_enable_x64", True)
    layers = [(jnp.asarray(tensors[f"w{i}"], kind), jnp.asarray(tensors[f"b{i}"], kind)) for i in range(3)]
    places = jnp.asarray(tensors["x"], kind)

    def f(x, layers):
        for i, (w, b) in enumerate(layers):
            x = w @ (jnp.tanh(x) if i else x) + b
        return x.sum()

    def both(x, layers):
        units = jnp.eye(x.shape[0], dtype=x.dtype)
        second = jax.vmap(lambda e: jax.jvp(lambda y: jax.grad(f)(y, layers), (x,), (e,))[1] @ e)(units)
        return f(x, layers), second.sum()

    run = jax.jit(jax.vmap(both, (0, None)))
    values = [numpy.asarray(v) for v in jax.block_until_ready(run(places, layers))]
    best, begun = 1e9, time.perf_counter()
    while time.perf_counter() - begun < limit:
        start = time.perf_counter()
        jax.block_until_ready(run(places, layers))
        best = min(best, time.perf_counter() - start)
    return best, values


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_laplacian of the build folder")
    parser.add_argument("--types", default="f32")
    parser.add_argument("--places", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    a = parser.parse_args()
    os.environ.setdefault("XLA_FLAGS", f"--xla_cpu_multi_thread_eigen={'true' if a.threads > 1 else 'false'}")
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:a.threads])
    draw = numpy.random.default_rng(1)
    tensors = {"x": draw.standard_normal((a.places, 30))}
    for i, (n, k) in enumerate([(64, 30), (64, 64), (1, 64)]):
        tensors[f"w{i}"] = draw.standard_normal((n, k)) / k**0.5
        tensors[f"b{i}"] = 0.1 * draw.standard_normal(n)
    good, exact = True, jax_seconds(tensors, numpy.float64, 0)[1]
    with tempfile.TemporaryDirectory() as folder:
        write_tensors(Path(folder) / "in", tensors)
        for kind in a.types.split(","):
            ours, theirs, shown = [], [], ""
            for _ in range(a.rounds):
                seconds, values = jax_seconds(tensors, numpy.float32 if kind == "f32" else numpy.float64, a.seconds)
                theirs.append(seconds)
                run = subprocess.run([a.program, folder, kind, str(a.seconds), str(a.threads)], check=True, capture_output=True, text=True)
                ours.append(json.loads(run.stdout)["seconds"])
                shown = run.stderr
            found = read_tensors(Path(folder) / "out")
            off = max(numpy.abs(found[n] - e).max() / numpy.abs(e).max() for n, e in zip(("value", "laplacian"), exact))
            peer = max(numpy.abs(v - e).max() / numpy.abs(e).max() for v, e in zip(values, exact))
            good = good and off < (1e-9 if kind == "f64" else 2e-4)
            print(shown, end="")
            print(f"{kind}: JAX {1e3 * min(theirs):.3f} ms   Assay {1e3 * min(ours):.3f} ms   {min(theirs) / min(ours):.2f} times "
                  f"({a.threads} threads, {a.places} places, best of {a.rounds} rounds); difference from f64 {off:.1e} (JAX {peer:.1e})")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
