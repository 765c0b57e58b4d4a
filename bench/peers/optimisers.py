#!/usr/bin/env python3
"""Steps of SGD, AdamW and Muon in f32 against torch.optim in f64, on the same gradients.

Embeddings too, whose gradients are rows: nn.Embedding with dense gradients under SGD and AdamW, and with sparse=True under SGD and SparseAdam
(our lazy steps; SparseAdam adds epsilon in another place, so that it is next to nothing here).

Draws values and gradients, has Assay and PyTorch make the same steps, and prints the largest difference over the largest value, and
over the largest change. Fails above 1e-6 of the largest value. torch.optim.Muon rounds its iterates to bf16; for the comparison it is
kept from doing so (the last line says what that rounding costs). Where the installed torch has no Muon, its rows are left out.

    python3 bench/peers/optimisers.py build/release/bench/bench_optimisers
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy
import torch
from safetensors.numpy import load_file, save_file

STEPS, LIMIT = 12, 1e-6
SHAPES = {"wide": (24, 70), "tall": (70, 24), "square": (33, 33), "row": (1, 50), "norm": (64,), "table": (90, 16)}
CASES = {
    "sgd": dict(kind="sgd", learning_rate=0.1),
    "sgd, momentum": dict(kind="sgd", learning_rate=0.1, momentum=0.9),
    "sgd, momentum, decay": dict(kind="sgd", learning_rate=0.1, momentum=0.9, decay=0.05),
    "sgd, Nesterov, decay": dict(kind="sgd", learning_rate=0.1, momentum=0.9, decay=0.05, nesterov=True),
    "adamw": dict(kind="adamw", learning_rate=0.01, beta1=0.9, beta2=0.95, epsilon=1e-8, decay=0.1),
    "adamw, slow": dict(kind="adamw", learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-6, decay=0),
    "muon": dict(kind="muon", learning_rate=0.02, momentum=0.95, nesterov=True, decay=0.1, beta1=0.9, beta2=0.95, epsilon=1e-8),
    "muon, plain": dict(kind="muon", learning_rate=0.02, momentum=0.9, nesterov=False, decay=0, beta1=0.9, beta2=0.95, epsilon=1e-8),
    "muon, original scale": dict(kind="muon", learning_rate=0.02, momentum=0.95, nesterov=True, decay=0.1, beta1=0.9, beta2=0.95,
                                 epsilon=1e-8, original=True),
}
LOOKED_UP = {
    "lookups, sgd": dict(kind="sgd", learning_rate=0.1),
    "lookups, sgd, sparse": dict(kind="sgd", learning_rate=0.1, sparse=True),
    "lookups, sgd, all else": dict(kind="sgd", learning_rate=0.1, momentum=0.9, decay=0.05, nesterov=True),
    "lookups, adamw": dict(kind="adamw", learning_rate=0.01, beta1=0.9, beta2=0.95, epsilon=1e-8, decay=0.1),
    "lookups, SparseAdam": dict(kind="adamw", learning_rate=0.01, beta1=0.9, beta2=0.95, epsilon=1e-16, decay=0, lazy=True, sparse=True),
}
WORDS, WIDTH, LOOKUPS = 200, 24, 60


def optimisers_of(o, parameters):
    lr, decay = o["learning_rate"], o.get("decay", 0)
    adamw = dict(lr=lr, weight_decay=decay, betas=(o.get("beta1", 0.9), o.get("beta2", 0.95)), eps=o.get("epsilon", 1e-8))
    if o["kind"] == "sgd":
        return [torch.optim.SGD(parameters.values(), lr=lr, momentum=o.get("momentum", 0), nesterov=o.get("nesterov", False),
                                weight_decay=decay)]
    if o["kind"] == "adamw":
        return [torch.optim.AdamW(parameters.values(), **adamw)]
    matrices = [p for n, p in parameters.items() if p.dim() == 2 and n != "table"]
    others = [p for n, p in parameters.items() if p.dim() != 2 or n == "table"]
    muon = torch.optim.Muon(matrices, lr=lr, weight_decay=decay, momentum=o["momentum"], nesterov=o["nesterov"],
                            adjust_lr_fn="original" if o.get("original") else "match_rms_adamw")
    return [muon, torch.optim.AdamW(others, **adamw)]


def torch_values(o, values, gradients, exact):
    parameters = {n: torch.nn.Parameter(torch.tensor(v, dtype=torch.float64)) for n, v in values.items()}
    optimisers = optimisers_of(o, parameters)
    to = torch.Tensor.to

    def unrounded(self, *words, **named):
        if named.get("dtype") is torch.bfloat16:
            return self.clone()
        return to(self, *words, **named)

    with mock.patch.object(torch.Tensor, "to", unrounded if exact else to):
        for step in range(STEPS):
            for n, p in parameters.items():
                p.grad = torch.tensor(gradients[step][n], dtype=torch.float64)
            for optimiser in optimisers:
                optimiser.step()
    return {n: p.detach().numpy() for n, p in parameters.items()}


def embedding_values(o, values, gradients, indices):
    layer = torch.nn.Embedding(WORDS, WIDTH, sparse=o.get("sparse", False), dtype=torch.float64)
    layer.weight.data = torch.tensor(values["table"], dtype=torch.float64)
    if o.get("lazy"):
        optimisers = [torch.optim.SparseAdam(layer.parameters(), lr=o["learning_rate"], betas=(o["beta1"], o["beta2"]), eps=o["epsilon"])]
    else:
        optimisers = optimisers_of(o, dict(table=layer.weight))
    for gradient, index in zip(gradients, indices):
        layer.weight.grad = None
        found = layer(torch.tensor(index["table"]).long())
        (found * torch.tensor(gradient["table"], dtype=torch.float64)).sum().backward()
        for optimiser in optimisers:
            optimiser.step()
    return dict(table=layer.weight.detach().numpy())


def assay_values(program, o, values, gradients, indices=()):
    with tempfile.TemporaryDirectory() as folder:
        tensors = {f"value:{n}": v for n, v in values.items()}
        tensors |= {f"index.{k}:{n}": i for k, one in enumerate(indices) for n, i in one.items()}
        tensors |= {f"gradient.{k}:{n}": g for k, one in enumerate(gradients) for n, g in one.items()}
        save_file(tensors, Path(folder) / "in", metadata=dict(options=json.dumps(dict(o, steps=STEPS))))
        subprocess.run([program, Path(folder) / "in", Path(folder) / "out"], check=True)
        return {n.removeprefix("value:"): v for n, v in load_file(Path(folder) / "out").items()}


def differences(found, expected, values):
    largest = [numpy.abs(found[n] - expected[n]).max() / numpy.abs(expected[n]).max() for n in values]
    changes = [numpy.abs(found[n] - expected[n]).max() / numpy.abs(expected[n] - values[n]).max() for n in values]
    return max(largest), max(changes)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_optimisers of the build folder")
    a = parser.parse_args()
    torch.set_num_threads(1)
    draw = numpy.random.default_rng(1)
    values = {n: draw.standard_normal(s).astype(numpy.float32) for n, s in SHAPES.items()}
    gradients = [{n: draw.standard_normal(s).astype(numpy.float32) for n, s in SHAPES.items()} for _ in range(STEPS)]
    worst = 0
    for name, o in CASES.items():
        if o["kind"] == "muon" and not hasattr(torch.optim, "Muon"):
            print(f"{name:24} left out: torch {torch.__version__} has no Muon")
            continue
        expected = torch_values(o, values, gradients, True)
        of_value, of_change = differences(assay_values(a.program, o, values, gradients), expected, values)
        print(f"{name:24} {STEPS} steps: {of_value:.1e} of the largest value, {of_change:.1e} of the largest change")
        worst = max(worst, of_value)
    table = dict(table=draw.standard_normal((WORDS, WIDTH)).astype(numpy.float32))
    rows = [dict(table=draw.standard_normal((LOOKUPS, WIDTH)).astype(numpy.float32)) for _ in range(STEPS)]
    indices = [dict(table=(draw.integers(0, WORDS, LOOKUPS) // 3 * 2).astype(numpy.float32)) for _ in range(STEPS)]
    for name, o in LOOKED_UP.items():
        found = assay_values(a.program, o, table, rows, indices)
        of_value, of_change = differences(found, embedding_values(o, table, rows, indices), table)
        print(f"{name:24} {STEPS} steps: {of_value:.1e} of the largest value, {of_change:.1e} of the largest change")
        worst = max(worst, of_value)
    if hasattr(torch.optim, "Muon"):
        o = CASES["muon"]
        rounded = differences(torch_values(o, values, gradients, False), torch_values(o, values, gradients, True), values)
        print(f"torch's Muon with its iterates in bf16, against itself without: {rounded[0]:.1e} and {rounded[1]:.1e}")
    print(f"largest {worst:.1e}, limit {LIMIT:.0e}: {'good' if worst < LIMIT else 'TOO LARGE'}")
    sys.exit(0 if worst < LIMIT else 1)


if __name__ == "__main__":
    main()
