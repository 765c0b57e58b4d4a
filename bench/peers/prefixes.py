#!/usr/bin/env python3
"""Continuations of a hundred prefixes of one text: Assay, which reads the text once, against `transformers`, which does not share.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python bench/peers/prefixes.py build/release/bench [--threads 2] [--checkpoint FOLDER]

100 evenly spaced prefixes of a text of 1,000 tokens, 4 new tokens behind each, on a model of 100M parameters with random
weights (bench_decode makes it). `transformers` computes in bf16, one prefix at a time. Best of the rounds, which take turns.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("build", type=Path)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--checkpoint", type=Path)
parser.add_argument("--rounds", type=int, default=2)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import torch
from transformers import AutoModelForCausalLM

TEXT, PREFIXES, NEW = 1000, 100, 4


def ours(folder):
    done = subprocess.run([options.build / "bench_prefixes", folder, str(options.threads), str(TEXT), str(PREFIXES), str(NEW)],
                          check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def theirs(model, text):
    start = time.perf_counter()
    with torch.no_grad():
        for i in range(1, PREFIXES + 1):
            prompt = text[:, : TEXT * i // PREFIXES]
            out = model.generate(prompt, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=0,
                                 attention_mask=torch.ones_like(prompt))
            assert out.shape[1] == prompt.shape[1] + NEW
    return time.perf_counter() - start


def main():
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = options.checkpoint or Path(name) / "model"
        if not options.checkpoint:
            subprocess.run([options.build / "bench_decode", "make", "100m", folder], check=True)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
        model.generation_config.eos_token_id = None
        text = torch.randint(6, model.config.vocab_size, (1, TEXT))
        mine, peer = [], []
        for _ in range(options.rounds):
            mine.append(ours(folder))
            peer.append(theirs(model, text))
        best = min(mine, key=lambda m: m["shared"])
        print(json.dumps({"assay": best, "transformers_seconds": min(peer), "ratio": min(peer) / best["shared"]}, indent=1))


main()
