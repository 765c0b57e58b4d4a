#!/usr/bin/env python3
"""Training against transformers, in f32: logits, every gradient, and the losses of ten steps.

Makes a small Llama with random weights and a few packed batches, has Assay and PyTorch compute the same things, and
prints the largest relative difference of each (difference over the largest magnitude of the tensor). Fails above 1e-4.

    python3 bench/peers/train_parity.py build/release/bench/bench_train [CASE...]

CASE is one of families.py, or "all" for one of each family: the same for other families of models.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from transformers import LlamaConfig, LlamaForCausalLM

import families

STEPS, TOKENS, LIMIT = 10, 256, 1e-4
OPTIONS = dict(learning_rate=1e-3, beta1=0.9, beta2=0.95, epsilon=1e-8, decay=0.1, clip=1.0)


def make_model(tied, seed):
    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=320, hidden_size=64, intermediate_size=160, num_hidden_layers=3,
                         num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
                         tie_word_embeddings=tied, rms_norm_eps=1e-5, rope_theta=10000.0, attention_bias=False)
    model = LlamaForCausalLM(config).float()
    with torch.no_grad():  # norms that are not all ones, so that their place in the graph matters
        for name, p in model.named_parameters():
            if "norm" in name:
                p.add_(0.2 * torch.randn_like(p))
    return model


def make_batches(seed, vocabulary):
    """Documents of unequal lengths packed in a row, weights 0 or 1/n: what a batch of Assay is."""
    draw = numpy.random.default_rng(seed)
    batches = []
    for _ in range(STEPS):
        starts, positions, at = [], [], 0
        while at < TOKENS:
            n = min(int(draw.integers(5, 60)), TOKENS - at)
            starts += [at] * n
            positions += range(n)
            at += n
        counted = (draw.random(TOKENS) < 0.7).astype(float)
        batches.append(dict(tokens=draw.integers(0, vocabulary, TOKENS).tolist(),
                            targets=draw.integers(0, vocabulary, TOKENS).tolist(), starts=starts, positions=positions,
                            weights=(counted / counted.sum()).tolist()))
    return batches


def masks(config, starts):
    """Packed documents, causal; with the window where layers have one."""
    place = torch.arange(TOKENS)
    seen = (place[None, :] <= place[:, None]) & (place[None, :] >= starts[:, None])
    near = seen & (place[:, None] - place[None, :] < (getattr(config, "sliding_window", None) or TOKENS))
    full, window = (torch.zeros(TOKENS, TOKENS).masked_fill(~s, float("-inf"))[None, None] for s in (seen, near))
    if getattr(config, "layer_types", None):
        return {"full_attention": full, "sliding_attention": window}
    return window


def loss_and_logits(model, batch):
    mask = masks(model.config, torch.tensor(batch["starts"]))
    logits = model(input_ids=torch.tensor([batch["tokens"]]), position_ids=torch.tensor([batch["positions"]]),
                   attention_mask=mask).logits[0]
    losses = F.cross_entropy(logits, torch.tensor(batch["targets"]), reduction="none")
    return (losses * torch.tensor(batch["weights"], dtype=losses.dtype)).sum(), logits


def run_torch(model, batches):
    model.eval()  # GPT-2 has dropout
    decayed = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    optimiser = torch.optim.AdamW([dict(params=decayed, weight_decay=OPTIONS["decay"]),
                                   dict(params=others, weight_decay=0.0)], lr=OPTIONS["learning_rate"],
                                  betas=(OPTIONS["beta1"], OPTIONS["beta2"]), eps=OPTIONS["epsilon"])
    losses, gradients, first_logits = [], {}, None
    for step, batch in enumerate(batches):
        optimiser.zero_grad()
        loss, logits = loss_and_logits(model, batch)
        loss.backward()
        if step == 0:
            first_logits = logits.detach().numpy().copy()
            gradients = {n: p.grad.detach().numpy().copy() for n, p in model.named_parameters()}
        torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["clip"])
        optimiser.step()
        losses.append(loss.item())
    return first_logits, gradients, losses


def relative(ours, theirs):
    return float(numpy.abs(ours - theirs).max() / max(float(numpy.abs(theirs).max()), 1e-30))


def compare(program, name, model, seed):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        model.save_pretrained(folder / "model", safe_serialization=True)
        batches = make_batches(seed, model.config.vocab_size)
        (folder / "batches.json").write_text(json.dumps(dict(options=OPTIONS, batches=batches)))
        subprocess.run([program, "parity", folder / "model", folder / "batches.json", folder / "out.safetensors"],
                       check=True)
        ours = load_file(folder / "out.safetensors")
        logits, gradients, losses = run_torch(model, batches)
    rows = [("logits", relative(ours["logits"], logits))]
    renamed = {"lm_head.weight": "embed_out.weight"} if "gradient.embed_out.weight" in ours else {}
    rows += [(f"gradient of {n}", relative(ours["gradient." + renamed.get(n, n)], g)) for n, g in gradients.items()]
    rows += [(f"loss of step {i + 1}", abs(float(ours["losses"][i]) - l) / abs(l)) for i, l in enumerate(losses)]
    worst = max(rows, key=lambda r: r[1])
    print(f"{name}, seed {seed}: {len(gradients)} gradients; logits {rows[0][1]:.2e}, "
          f"worst gradient {max(r[1] for r in rows[1:-STEPS]):.2e}, worst loss {max(r[1] for r in rows[-STEPS:]):.2e}; "
          f"worst of all: {worst[0]} {worst[1]:.2e}")
    return worst[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_train of the build folder")
    parser.add_argument("cases", nargs="*")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cases = ["mistral-window", "qwen2-tied-window", "qwen3-tied-biases", "gpt2", "gpt-neox", "phi3-window-partial", "gemma2",
             "gemma3", "olmo2"] if arguments.cases == ["all"] else arguments.cases
    if cases:
        worst = max(compare(arguments.program, case, families.random_model(families.CASES[case], 1), 1) for case in cases)
    else:
        worst = max(compare(arguments.program, f"{'tied' if tied else 'untied'} head", make_model(tied, seed), seed)
                    for tied in (True, False) for seed in (1, 2))
    print(f"largest relative difference {worst:.2e}, limit {LIMIT:.0e}: {'good' if worst < LIMIT else 'TOO LARGE'}")
    sys.exit(0 if worst < LIMIT else 1)


if __name__ == "__main__":
    main()
