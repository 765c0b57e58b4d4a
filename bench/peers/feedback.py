#!/usr/bin/env python3
"""What feedback trains by, against torch and transformers: rewards of preference models, and losses.

Rewards: a preference model's folder is loaded as LlamaForSequenceClassification, and random texts of its vocabulary get their
scores from it, from Assay's engine in f32 (limit 1e-4 of the largest score) and as trained, in bf16 (shown, no limit). Of a model
that reads likelihoods, what its tied head makes of the second half of a text is added, by its "score.likelihood".

Losses: Bradley-Terry, DPO (with and without label smoothing), REINFORCE with leave-one-out, GRPO and PPO, written in f64 from the
papers' formulas and differentiated by torch, on random log-probabilities of replies of unequal length; losses, advantages, and
gradients by log-probabilities, values and logits (limit 1e-4 of each one's largest value).

    python3 bench/peers/feedback.py build/release/bench/bench_feedback [MODEL...]
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
from safetensors import safe_open
from transformers import LlamaForSequenceClassification

LIMIT = 1e-4


def relative(ours, theirs):
    ours, theirs = numpy.asarray(ours, dtype=float).ravel(), numpy.asarray(theirs, dtype=float).ravel()
    return float(numpy.abs(ours - theirs).max() / max(float(numpy.abs(theirs).max()), 1e-30))


# ---- rewards


def likelihood_weight(folder):
    """What a nat of the reply's log-probability is worth (src/lm/reward.h); 0 for models that do not read it."""
    config = json.loads((Path(folder) / "config.json").read_text())
    if not config.get("reads_likelihood"):
        return 0.0
    with safe_open(Path(folder) / "model.safetensors", "pt") as file:
        return file.get_tensor("score.likelihood").float().item() * config["hidden_size"] ** 0.5


def reward(model, text, weight):
    ids = torch.tensor([text])
    prompt = (len(text) + 1) // 2  # as bench_feedback takes it
    hidden = model.model(input_ids=ids).last_hidden_state[0]
    logprobs = F.log_softmax(hidden @ model.model.embed_tokens.weight.T, -1)
    likelihood = sum(logprobs[t - 1, text[t]].item() for t in range(prompt, len(text))) if weight else 0.0
    return model(input_ids=ids).logits[0, 0].item() + weight * likelihood


def compare_rewards(program, folder, seed):
    model = LlamaForSequenceClassification.from_pretrained(folder, torch_dtype=torch.float32).eval()
    model.config.pad_token_id = None  # one text at a time
    draw = numpy.random.default_rng(seed)
    longest = min(model.config.max_position_embeddings, 200)
    texts = [draw.integers(0, model.config.vocab_size, int(draw.integers(2, longest))).tolist() for _ in range(60)]
    weight = likelihood_weight(folder)
    with torch.no_grad():
        theirs = [reward(model, text, weight) for text in texts]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        (scratch / "texts.json").write_text(json.dumps(texts))
        subprocess.run([program, "rewards", folder, scratch / "texts.json", scratch / "out.json"], check=True)
        ours = json.loads((scratch / "out.json").read_text())
    worst = relative(ours["f32"], theirs)
    print(f"rewards of {len(texts)} texts by {folder}: from {min(theirs):.3f} to {max(theirs):.3f}, largest difference in f32 {worst:.2e}, "
          f"in bf16 {relative(ours['bf16'], theirs):.2e}")
    return worst


# ---- losses


def draws(seed, replies, group):
    """Random replies: lengths, log-probabilities by three policies, rewards, values; logits for entropies."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 9, (replies,), generator=generator)
    n = int(lengths.sum())
    normal = lambda *size: torch.randn(*size, generator=generator, dtype=torch.float64)
    old = -normal(n).abs()
    return dict(lengths=lengths, group=group, old=old, reference=old + 0.3 * normal(n), logprobs=old + 0.3 * normal(n),
                old_values=normal(n), values=normal(n), rewards=normal(replies), logits=normal(n, 7))


def rounded(case):
    """What Assay is given, in f32, so that both begin with the same numbers."""
    return {k: v.float().double() if torch.is_tensor(v) and v.is_floating_point() else v for k, v in case.items()}


def spread(values, lengths):
    return torch.repeat_interleave(values, lengths)


def by_reply(values, lengths):
    return torch.stack([part.sum() for part in values.split(lengths.tolist())])


def entropy_term(c):
    p = F.log_softmax(c["logits"], -1)
    return -(p.exp() * p).sum(-1)


def reinforce(c):
    k = by_reply(c["old"] - c["reference"], c["lengths"])
    total = (c["rewards"] - c["beta"] * k).view(-1, c["group"])
    advantage = (total - (total.sum(1, keepdim=True) - total) / (c["group"] - 1)).view(-1)
    a = spread(advantage, c["lengths"])
    weights = torch.full_like(a, 1 / len(c["rewards"]))
    loss = -(weights * (c["logprobs"] - c["old"]).exp() * a).sum() - c["entropy_weight"] * (weights * entropy_term(c)).sum()
    return loss, a


def grpo(c):
    r = c["rewards"].view(-1, c["group"])
    advantage = ((r - r.mean(1, keepdim=True)) / (r.std(1, keepdim=True) + 1e-4)).view(-1)
    a = spread(advantage, c["lengths"])
    ratio, d = (c["logprobs"] - c["old"]).exp(), c["reference"] - c["logprobs"]
    clipped = torch.minimum(ratio * a, ratio.clamp(1 - c["clip_ratio"], 1 + c["clip_ratio"]) * a)
    each = -clipped + c["beta"] * (d.exp() - d - 1) - c["entropy_weight"] * entropy_term(c)
    means = by_reply(each, c["lengths"]) / c["lengths"]
    return means.mean(), a


def ppo(c):
    advantages, returns = [], []
    rewards = -c["beta"] * (c["old"] - c["reference"])
    at = 0
    for reply, length in enumerate(c["lengths"].tolist()):
        r, v = rewards[at:at + length].clone(), c["old_values"][at:at + length]
        r[-1] += c["rewards"][reply]
        gae, out = 0.0, []
        for t in reversed(range(length)):
            after = v[t + 1] if t + 1 < length else 0.0
            gae = r[t] + c["discount"] * after - v[t] + c["discount"] * c["lambda"] * gae
            out.insert(0, gae)
        advantages.append(torch.stack(out))
        returns.append(torch.stack(out) + v)
        at += length
    a, target = torch.cat(advantages), torch.cat(returns)
    a = (a - a.mean()) / (a.std() + 1e-8)
    ratio = (c["logprobs"] - c["old"]).exp()
    policy = -torch.minimum(ratio * a, ratio.clamp(1 - c["clip_ratio"], 1 + c["clip_ratio"]) * a).mean()
    near = c["old_values"] + (c["values"] - c["old_values"]).clamp(-c["clip_value"], c["clip_value"])
    value = 0.5 * torch.maximum((c["values"] - target) ** 2, (near - target) ** 2).mean()
    return policy + c["value_weight"] * value - c["entropy_weight"] * entropy_term(c).mean(), a


def preference(c):
    return -(c["weights"] * F.logsigmoid(c["chosen"] - c["rejected"])).sum(), None


def dpo(c):
    z = c["beta"] * ((c["chosen"] - c["reference_chosen"]) - (c["rejected"] - c["reference_rejected"]))
    each = -(1 - c["smoothing"]) * F.logsigmoid(z) - c["smoothing"] * F.logsigmoid(-z)
    return (c["weights"] * each).sum(), None


LOSSES = dict(preference=preference, dpo=dpo, reinforce=reinforce, grpo=grpo, ppo=ppo)


def pairs(seed, count):
    generator = torch.Generator().manual_seed(seed)
    names = ("chosen", "rejected", "reference_chosen", "reference_rejected")
    case = {name: 4 * torch.randn(count, generator=generator, dtype=torch.float64) for name in names}
    return dict(case, weights=torch.rand(count, generator=generator, dtype=torch.float64))


def cases():
    for seed in (1, 2):
        yield dict(pairs(seed, 9), kind="preference")
        yield dict(pairs(seed, 9), kind="dpo", beta=0.1, smoothing=0.0)
        yield dict(pairs(seed, 9), kind="dpo", beta=0.7, smoothing=0.1)
        for entropy in (0.0, 0.05):
            common = dict(draws(seed, 12, 4), entropy_weight=entropy, clip_ratio=0.2, clip_value=0.2, value_weight=0.5, discount=0.98)
            common["lambda"] = 0.9
            yield dict(common, kind="reinforce", beta=0.1)
            yield dict(common, kind="grpo", beta=0.04)
            yield dict(common, kind="ppo", beta=0.1)


def compare_losses(program):
    given = [rounded(case) for case in cases()]
    plain = [{k: v.flatten().tolist() if torch.is_tensor(v) else v for k, v in case.items()} for case in given]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        (scratch / "cases.json").write_text(json.dumps(plain))
        subprocess.run([program, "losses", scratch / "cases.json", scratch / "out.json"], check=True)
        found = json.loads((scratch / "out.json").read_text())
    worst = {}
    for case, ours in zip(given, found):
        by = ("chosen", "rejected") if case["kind"] in ("preference", "dpo") else ("logprobs", "values", "logits")
        for name in by:
            case[name].requires_grad_(True)
        loss, advantages = LOSSES[case["kind"]](case)
        gradients = torch.autograd.grad(loss, [case[name] for name in by], allow_unused=True)
        rows = {"loss": relative([ours["loss"]], [loss.item()])}
        if advantages is not None:
            rows["advantages"] = relative(ours["advantages"], advantages.detach())
            k = by_reply(case["old"] - case["reference"], case["lengths"]).mean().item()
            rows["kl"] = relative([ours["kl"]], [k])
        for name, gradient in zip(by, gradients):
            if gradient is None:
                rows[name] = float(numpy.abs(ours["by_" + name]).max())  # must be 0
            else:
                rows["by " + name] = relative(ours["by_" + name], gradient)
        for what, value in rows.items():
            key = (case["kind"], what)
            worst[key] = max(worst.get(key, 0.0), value)
    for kind in LOSSES:
        print(f"{kind}: " + ", ".join(f"{what} {value:.1e}" for (of, what), value in worst.items() if of == kind))
    return max(worst.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", help="bench_feedback of the build folder")
    parser.add_argument("models", nargs="*", help="folders of preference models")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    worst = compare_losses(arguments.program)
    for folder in arguments.models:
        worst = max(worst, compare_rewards(arguments.program, folder, 1))
    print(f"largest relative difference {worst:.2e}, limit {LIMIT:.0e}: {'good' if worst < LIMIT else 'TOO LARGE'}")
    sys.exit(0 if worst < LIMIT else 1)


if __name__ == "__main__":
    main()
