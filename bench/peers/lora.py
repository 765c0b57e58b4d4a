#!/usr/bin/env python3
"""Adapters in PEFT's format, against PEFT: logits and greedy continuations in f32 of FOLDER+ADAPTER.

    python3 -m venv venv && venv/bin/pip install torch transformers peft
    venv/bin/python bench/peers/lora.py build/release/bench/bench_peer

PEFT computes W x + s B (A x); Assay merges W + s B A when it opens the model. Limits as in families.py.
"""
import argparse
import random
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model

import families

# name: (case of families.py, settings of the adapter)
CASES = {
    "llama": ("llama", dict(r=4, lora_alpha=12, target_modules=["q_proj", "v_proj"])),
    "llama-all-rslora": ("llama", dict(r=8, lora_alpha=5, use_rslora=True, target_modules="all-linear")),
    "llama-ranks": ("llama", dict(r=4, lora_alpha=6, target_modules=["k_proj", "o_proj", "up_proj"],
                                  rank_pattern={"o_proj": 2})),
    "gpt2-conv1d": ("gpt2", dict(r=3, lora_alpha=9, fan_in_fan_out=True, target_modules=["c_attn", "c_proj", "c_fc"])),
    "gpt-neox": ("gpt-neox", dict(r=5, lora_alpha=8, target_modules=["query_key_value", "dense"])),
    "phi3": ("phi3", dict(r=2, lora_alpha=7, target_modules=["qkv_proj", "gate_up_proj"])),
}


def make_adapter(model, settings, folder):
    torch.manual_seed(11)
    wrapped = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False, **settings))
    wrapped.save_pretrained(folder)
    return wrapped.eval()


def check(binary, name, tokenizer, scratch, twice):
    case, settings = CASES[name]
    folder, adapter = scratch / name, scratch / f"{name}-adapter"
    model = families.make_model(families.CASES[case], folder, tokenizer, 5)
    vocabulary = model.config.vocab_size
    wrapped = make_adapter(model, settings, adapter)
    words = f"{folder}+{adapter}"
    if twice:  # the same adapter on top of itself
        words += f"+{adapter}"
        merged = wrapped.merge_and_unload()
        wrapped = PeftModel.from_pretrained(merged, adapter).eval()
    rng = random.Random(5)
    sequences = [[rng.randrange(vocabulary) for _ in range(n)] for n in (1, 7, 40)]
    out = scratch / "logits"
    families.run(binary, "logits", words, families.write_lines(scratch / "sequences", sequences), out)
    data = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).view(-1, vocabulary)
    theirs = torch.cat([families.logits_of(wrapped, ids) for ids in sequences])
    worst = ((data - theirs).abs().max() / theirs.abs().max()).item()
    ours = families.run(binary, "greedy", words, scratch / "sequences", 64)
    same = all(mine == families.greedy(wrapped, ids, 64)[0] for ids, mine in zip(sequences, ours, strict=True))
    good = worst < families.LIMIT and same
    print(f"{name + (' twice' if twice else ''):26} logits {worst:.1e}; greedy {'identical' if same else 'DIFFER'}"
          f"{'' if good else '   <-- FAILED'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="bench_peer of the build folder")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tokenizer = scratch / "tokenizer.json"
        families.run(options.binary, "train", families.write_lines(scratch / "documents", ["ada sells bread in brill"]), 280,
                     tokenizer)
        results = [check(options.binary, n, tokenizer, scratch, False) for n in CASES]
        results.append(check(options.binary, "llama", tokenizer, scratch, True))
    print(f"{sum(results)} of {len(results)} cases agree")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
