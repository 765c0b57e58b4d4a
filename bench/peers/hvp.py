#!/usr/bin/env python3
"""Products of a vector with the Hessian of a loss, against torch.func (jvp of grad, the better of eager and torch.compile), in f32.

Two losses: a network of tanh layers 784 - 256 - 256 - 10 with cross-entropy on 256 rows, and a Llama of about a million parameters on 8
documents of 128 tokens. All threads alike; the programs take turns; the best of each counts. The products must agree to 1e-3 of the
largest element of each weight's.

    python3 bench/peers/hvp.py build/release/bench/bench_hvp [--cases mlp,lm] [--threads 2] [--rounds 2] [--no-compile]
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

LM = dict(vocab_size=2048, hidden_size=128, intermediate_size=352, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=4,
          max_position_embeddings=256, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True, hidden_act="silu",
          attention_bias=False, model_type="llama", architectures=["LlamaForCausalLM"], bos_token_id=1, eos_token_id=2)
ROWS, LENGTH = 8, 128


def normal(draw, *shape, scale=1.0):
    return (scale * draw.standard_normal(shape)).astype(numpy.float32)


def mlp_case(draw):
    weights = {}
    for i, (n, k) in enumerate([(256, 784), (256, 256), (10, 256)]):
        weights[f"w{i}"], weights[f"b{i}"] = normal(draw, n, k, scale=k**-0.5), normal(draw, n, scale=0.1)
    batch = dict(x=draw.random((256, 784)).astype(numpy.float32), labels=draw.integers(0, 10, 256).astype(numpy.int32))

    def loss(p, b):
        h = b["x"]
        for i in range(3):
            h = F.linear(torch.tanh(h) if i else h, p[f"w{i}"], p[f"b{i}"])
        return F.cross_entropy(h, b["labels"].long())

    return weights, batch, loss


def lm_case(draw):
    d, f, v, layers = LM["hidden_size"], LM["intermediate_size"], LM["vocab_size"], LM["num_hidden_layers"]
    heads, size = LM["num_attention_heads"], d // LM["num_attention_heads"]
    weights = {"model.embed_tokens.weight": normal(draw, v, d, scale=0.1), "model.norm.weight": 1 + normal(draw, d, scale=0.1)}
    for i in range(layers):
        at = f"model.layers.{i}."
        for name, n, k in (("self_attn.q_proj", d, d), ("self_attn.k_proj", d, d), ("self_attn.v_proj", d, d), ("self_attn.o_proj", d, d),
                           ("mlp.gate_proj", f, d), ("mlp.up_proj", f, d), ("mlp.down_proj", d, f)):
            weights[f"{at}{name}.weight"] = normal(draw, n, k, scale=k**-0.5)
        for name in ("input_layernorm", "post_attention_layernorm"):
            weights[f"{at}{name}.weight"] = 1 + normal(draw, d, scale=0.1)
    tokens = ROWS * LENGTH
    place = numpy.arange(tokens, dtype=numpy.int32)
    batch = dict(tokens=draw.integers(0, v, tokens).astype(numpy.int32), targets=draw.integers(0, v, tokens).astype(numpy.int32),
                 positions=place % LENGTH, starts=place - place % LENGTH, weights=numpy.full(tokens, 1 / tokens, numpy.float32))
    angles = torch.arange(LENGTH)[:, None] * LM["rope_theta"] ** (-torch.arange(0, size, 2) / size)
    cosine, sine = angles.cos(), angles.sin()

    def turned(x):
        low, high = x[..., :size // 2], x[..., size // 2:]
        return torch.cat((low * cosine - high * sine, high * cosine + low * sine), -1)

    def norm(x, w):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + LM["rms_norm_eps"]) * w

    hidden = torch.full((LENGTH, LENGTH), float("-inf")).triu(1)

    def loss(p, b):
        x = F.embedding(b["tokens"].long(), p["model.embed_tokens.weight"]).view(ROWS, LENGTH, d)
        for i in range(layers):
            at = f"model.layers.{i}."
            y = norm(x, p[at + "input_layernorm.weight"])
            q, k, w = (F.linear(y, p[f"{at}self_attn.{n}_proj.weight"]).view(ROWS, LENGTH, heads, size).transpose(1, 2) for n in "qkv")
            share = torch.softmax(turned(q) @ turned(k).transpose(-1, -2) * size**-0.5 + hidden, -1)
            x = x + F.linear((share @ w).transpose(1, 2).reshape(ROWS, LENGTH, d), p[at + "self_attn.o_proj.weight"])
            y = norm(x, p[at + "post_attention_layernorm.weight"])
            gate, up = F.linear(y, p[at + "mlp.gate_proj.weight"]), F.linear(y, p[at + "mlp.up_proj.weight"])
            x = x + F.linear(F.silu(gate) * up, p[at + "mlp.down_proj.weight"])
        logits = F.linear(norm(x, p["model.norm.weight"]), p["model.embed_tokens.weight"])
        return F.cross_entropy(logits.view(-1, v), b["targets"].long())

    return weights, batch, loss


def best_seconds(run, limit):
    run()
    best, begun = 1e9, time.perf_counter()
    while time.perf_counter() - begun < limit:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best


def peer(weights, tangents, batch, loss, compiled):
    p = {n: torch.tensor(w) for n, w in weights.items()}
    t = {n: torch.tensor(w) for n, w in tangents.items()}
    b = {n: torch.tensor(w) for n, w in batch.items()}

    def product(p, t):
        return torch.func.jvp(torch.func.grad(lambda q: loss(q, b)), (p,), (t,))[1]

    product = torch.compile(product) if compiled else product
    return lambda: product(p, t)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_hvp of the build folder")
    parser.add_argument("--cases", default="mlp,lm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--no-compile", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    good = True
    for name in a.cases.split(","):
        draw = numpy.random.default_rng(1)
        weights, batch, loss = dict(mlp=mlp_case, lm=lm_case)[name](draw)
        tangents = {n: normal(draw, *w.shape) for n, w in weights.items()}
        eager = peer(weights, tangents, batch, loss, False)
        ways = dict(eager=eager)
        if not a.no_compile:
            try:
                ways["compiled"] = peer(weights, tangents, batch, loss, True)
                ways["compiled"]()
            except Exception as e:  # torch.compile does not know every transformation
                del ways["compiled"]
                print(f"torch.compile gave up: {str(e).splitlines()[0]}")
        expected = {n: x.numpy() for n, x in eager().items()}
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "config.json").write_text(json.dumps(LM))
            save_file({f"value:{n}": w for n, w in weights.items()} | {f"tangent:{n}": w for n, w in tangents.items()} | batch, folder / "in")
            ours, theirs = [], {w: [] for w in ways}
            for _ in range(a.rounds):
                for way, call in ways.items():
                    theirs[way].append(best_seconds(call, a.seconds))
                run = subprocess.run([a.program, name, folder, str(a.seconds), str(a.threads)], check=True, capture_output=True, text=True)
                ours.append(json.loads(run.stdout))
            found = load_file(folder / "out")
        off = max(numpy.abs(found["product:" + n] - e).max() / numpy.abs(e).max() for n, e in expected.items())
        good = good and off < 1e-3
        mine, best = min(o["seconds"] for o in ours), min(min(t) for t in theirs.values())
        print(run.stderr, end="")
        print(f"{name}: " + ", ".join(f"torch.func {w} {1e3 * min(t):.2f} ms" for w, t in theirs.items()) +
              f"; Assay {1e3 * mine:.2f} ms (a gradient {1e3 * min(o['gradient_seconds'] for o in ours):.2f} ms, "
              f"{ours[0]['bytes'] / 2**20:.0f} MiB): {best / mine:.2f} times ({a.threads} threads, best of {a.rounds}); "
              f"largest difference {off:.1e}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
