#!/usr/bin/env python3
"""Every family of models that Assay builds, against `transformers`: logits and greedy continuations in f32.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python bench/peers/families.py build/release/bench/bench_peer [NAME...]

For each case a small checkpoint with random weights is made by `transformers` (sizes odd enough to catch errors: grouped
heads, tied and untied heads, odd vocabularies, windows shorter than the text), saved in safetensors, and read by Assay.
Logits of every position: the largest difference, relative to the largest logit, must be below 1e-4. Greedy
continuations of 64 tokens, by each program with its cache, must be identical.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
import torch
import transformers
from transformers import AutoModelForCausalLM

LIMIT, NEW = 1e-4, 64

COMMON = dict(vocab_size=307, hidden_size=48, intermediate_size=101, num_hidden_layers=3, num_attention_heads=6,
              num_key_value_heads=2, max_position_embeddings=256, initializer_range=0.15, bos_token_id=None,
              eos_token_id=None, pad_token_id=None)
NEOX = dict(COMMON)
del NEOX["num_key_value_heads"]
GPT2 = dict(vocab_size=307, n_embd=48, n_layer=3, n_head=6, n_positions=256, initializer_range=0.15, bos_token_id=None,
            eos_token_id=None, pad_token_id=None)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64, rope_theta=500000.0)

# name: (configuration class, what differs from the common sizes, how it is saved)
CASES = {
    "llama": ("LlamaConfig", dict(COMMON)),
    "llama-tied-wide-heads": ("LlamaConfig", dict(COMMON, tie_word_embeddings=True, head_dim=12)),
    "llama-biases": ("LlamaConfig", dict(COMMON, attention_bias=True, mlp_bias=True)),
    "llama3-rope": ("LlamaConfig", dict(COMMON, head_dim=16, rope_parameters=LLAMA3)),
    "llama-linear-rope": ("LlamaConfig", dict(COMMON, rope_parameters=dict(rope_type="linear", factor=3.0, rope_theta=10000.0))),
    "llama-dynamic-rope": ("LlamaConfig", dict(COMMON, rope_parameters=dict(rope_type="dynamic", factor=2.0, rope_theta=10000.0))),
    "llama-yarn-rope": ("LlamaConfig", dict(COMMON, head_dim=16, rope_parameters=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0))),
    "llama-bf16-file": ("LlamaConfig", dict(COMMON), torch.bfloat16),
    "llama-f16-file": ("LlamaConfig", dict(COMMON), torch.float16),
    "llama-sharded": ("LlamaConfig", dict(COMMON), torch.float32, "60KB"),
    "mistral-window": ("MistralConfig", dict(COMMON, sliding_window=13)),
    "mistral-no-window": ("MistralConfig", dict(COMMON, sliding_window=None, tie_word_embeddings=True)),
    "qwen2": ("Qwen2Config", dict(COMMON)),
    "qwen2-tied-window": ("Qwen2Config", dict(COMMON, tie_word_embeddings=True, use_sliding_window=True, sliding_window=9,
                                              max_window_layers=1)),
    "qwen3": ("Qwen3Config", dict(COMMON, head_dim=20)),
    "qwen3-tied-biases": ("Qwen3Config", dict(COMMON, head_dim=8, attention_bias=True, tie_word_embeddings=True)),
    "gpt2": ("GPT2Config", dict(GPT2)),
    "gpt2-untied-scaled": ("GPT2Config", dict(GPT2, tie_word_embeddings=False, scale_attn_by_inverse_layer_idx=True,
                                              n_inner=77, activation_function="gelu")),
    "gpt2-unscaled": ("GPT2Config", dict(GPT2, scale_attn_weights=False, activation_function="relu")),
    "gpt-neox": ("GPTNeoXConfig", dict(NEOX)),
    "gpt-neox-serial": ("GPTNeoXConfig", dict(NEOX, use_parallel_residual=False, tie_word_embeddings=True,
                                              attention_bias=False, rope_parameters=dict(
                                                  rope_type="default", rope_theta=5000.0, partial_rotary_factor=0.5))),
    "phi3": ("Phi3Config", dict(COMMON, original_max_position_embeddings=256)),
    "phi3-window-partial": ("Phi3Config", dict(COMMON, sliding_window=11, tie_word_embeddings=True,
                                               original_max_position_embeddings=256, rope_parameters=dict(
                                                   rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.75))),
    "phi3-longrope": ("Phi3Config", dict(COMMON, original_max_position_embeddings=224, rope_parameters=dict(
        rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.3, 2.0], long_factor=[2.0, 3.0, 4.0, 5.0]))),
    "gemma2": ("Gemma2Config", dict(COMMON, head_dim=10, sliding_window=7, query_pre_attn_scalar=14,
                                    attn_logit_softcapping=2.0, final_logit_softcapping=3.0)),
    "gemma2-untied-uncapped": ("Gemma2Config", dict(COMMON, head_dim=8, sliding_window=16, tie_word_embeddings=False,
                                                    attn_logit_softcapping=None, final_logit_softcapping=None)),
    "gemma3": ("Gemma3TextConfig", dict(COMMON, num_hidden_layers=7, head_dim=10, sliding_window=7, query_pre_attn_scalar=9)),
    "gemma3-linear-rope": ("Gemma3TextConfig", dict(
        COMMON, num_hidden_layers=4, head_dim=8, sliding_window=12, tie_word_embeddings=False,
        layer_types=["sliding_attention", "full_attention"] * 2, rope_parameters=dict(
            full_attention=dict(rope_type="linear", factor=8.0, rope_theta=1e6),
            sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "olmo2": ("Olmo2Config", dict(COMMON)),
    "olmo2-tied-biases": ("Olmo2Config", dict(COMMON, tie_word_embeddings=True, attention_bias=True)),
}


def run(binary, *words):
    done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{binary} {' '.join(map(str, words))}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def write_lines(path, values):
    path.write_text("".join(json.dumps(v) + "\n" for v in values))
    return path


def random_model(case, seed):
    """A model with weights that are not all alike: norms and biases are moved from their first values."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(getattr(transformers, case[0])(**case[1]), attn_implementation="eager")
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
    return model.float()


def make_model(case, folder, tokenizer, seed):
    dtype, shard = (case + (torch.float32, "5GB")[len(case) - 2:])[2:]
    model = random_model(case, seed)
    model.to(dtype).save_pretrained(folder, safe_serialization=True, max_shard_size=shard)
    (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
    # read back, so that both programs see the values of the file
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids]), use_cache=False).logits[0]


def greedy(model, ids, count):
    """Token by token with the model's cache; the smallest gap between the best two logits says how near a tie came."""
    new, gap, cache = [], float("inf"), None
    for _ in range(count):
        with torch.no_grad():
            out = model(torch.tensor([new[-1:] or ids]), past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        best = out.logits[0, -1].topk(2)
        gap = min(gap, (best.values[0] - best.values[1]).item())
        new.append(best.indices[0].item())
    return new, gap


def check(binary, name, case, tokenizer, scratch, seed):
    rng = random.Random(seed)
    folder = scratch / name
    model = make_model(case, folder, tokenizer, seed)
    vocabulary = model.config.vocab_size
    sequences = [[rng.randrange(vocabulary) for _ in range(n)] for n in (1, 7, 64, 65, 150)]
    out = scratch / "logits"
    run(binary, "logits", folder, write_lines(scratch / "sequences", sequences), out)
    data = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).view(-1, vocabulary)
    start, worst = 0, 0.0
    for ids in sequences:
        theirs = logits_of(model, ids)
        ours = data[start:start + len(ids)]
        start += len(ids)
        worst = max(worst, ((ours - theirs).abs().max() / theirs.abs().max()).item())
    prompts = [s for s in sequences if len(s) <= 65]
    ours = run(binary, "greedy", folder, write_lines(scratch / "prompts", prompts), NEW)
    same, gap = True, float("inf")
    for ids, mine in zip(prompts, ours, strict=True):
        theirs, near = greedy(model, ids, NEW)
        gap = min(gap, near)
        same = same and theirs == mine
    good = worst < LIMIT and same
    print(f"{name:26} logits of {start} positions {worst:.1e}; {len(prompts)} greedy continuations of {NEW} "
          f"{'identical' if same else 'DIFFER'} (closest call {gap:.1e}){'' if good else '   <-- FAILED'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="bench_peer of the build folder")
    parser.add_argument("names", nargs="*", help="cases; all when none is given: " + ", ".join(CASES))
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tokenizer = scratch / "tokenizer.json"
        run(options.binary, "train", write_lines(scratch / "documents", ["ada sells bread in brill"]), 280, tokenizer)
        results = [check(options.binary, n, CASES[n], tokenizer, scratch, options.seed) for n in options.names or CASES]
    print(f"{sum(results)} of {len(results)} cases agree (limit {LIMIT:.0e})")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
