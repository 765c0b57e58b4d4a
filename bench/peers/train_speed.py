#!/usr/bin/env python3
"""Training speed against PyTorch: Llamas of 1M, 5M and 25M parameters (and the embedded base's shape), bf16, one batch,
the same number of threads, in one run.

Both train the same shapes (2,048 entries, tied; 40m: 25m with 32,000 entries) on batches of the same rows with f32 master weights, bf16 products,
clipping and AdamW. PyTorch: CPU autocast to bf16, scaled_dot_product_attention, fused AdamW, eager and through
torch.compile; the better of its two counts. All take turns; the best rate of each counts.

    python3 bench/peers/train_speed.py build/release/bench/bench_train [--sizes 1m,5m,25m] [--threads 2] [--rounds 3]
"""
import argparse
import json
import subprocess
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {"1m": (2048, 128, 352, 4, 2), "base": (2048, 256, 704, 4, 4), "5m": (2048, 256, 704, 6, 4),
          "25m": (2048, 512, 1408, 8, 8), "40m": (32000, 512, 1408, 8, 8)}


def torch_step(size, tokens, row, compiled):
    """A function that does one step."""
    vocabulary, hidden, intermediate, layers, heads = SHAPES[size]
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads // 2, max_position_embeddings=1024,
        tie_word_embeddings=True, attn_implementation="sdpa"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids = torch.randint(0, vocabulary, (tokens // row, row))
    targets = torch.randint(0, vocabulary, (tokens // row, row)).flatten()

    def loss_of(ids, targets):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(input_ids=ids, use_cache=False).logits
        return torch.nn.functional.cross_entropy(logits.view(-1, vocabulary).float(), targets)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss_of(ids, targets).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    for _ in range(2):
        step()
    return step


def torch_rate(step, tokens, steps):
    step()
    start = time.perf_counter()
    for _ in range(steps):
        step()
    return tokens * steps / (time.perf_counter() - start)


def our_rate(program, size, tokens, row, steps, threads):
    command = [program, "speed", size, str(tokens), str(row), str(steps), str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(size, a):
    ways = {"eager": torch_step(size, a.tokens, a.row, False)}
    if not a.eager:
        ways["compiled"] = torch_step(size, a.tokens, a.row, True)
    theirs, ours, share = {}, [], []
    for _ in range(a.rounds):
        for name, step in ways.items():
            theirs.setdefault(name, []).append(torch_rate(step, a.tokens, a.steps))
        mine = our_rate(a.program, size, a.tokens, a.row, a.steps, a.threads)
        ours.append(mine["tokens_per_second"])
        share.append(mine["products_share"])
        peers = "   ".join(f"PyTorch {name} {rates[-1]:8.0f}" for name, rates in theirs.items())
        print(f"{size}: {peers}   Assay {ours[-1]:8.0f} tokens/s   products alone would take {100 * share[-1]:.0f} % "
              f"of Assay's time", flush=True)
    best = max(max(rates) for rates in theirs.values())
    print(f"{size}: best of {a.rounds}: {max(ours) / best:.2f} times PyTorch's better rate ({a.threads} threads, "
          f"{a.tokens} tokens in rows of {a.row}); products' share {100 * max(share):.0f} %", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_train of the build folder")
    parser.add_argument("--sizes", default="1m,5m,25m", help="of 1m, base, 5m, 25m, 40m")
    parser.add_argument("--tokens", type=int, default=4096)
    parser.add_argument("--row", type=int, default=128)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--eager", action="store_true", help="leave torch.compile out")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    for size in a.sizes.split(","):
        compare(size, a)


if __name__ == "__main__":
    main()
