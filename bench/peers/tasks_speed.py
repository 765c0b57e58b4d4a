#!/usr/bin/env python3
"""A hundred model-written evaluation files: `assay run` against lm-evaluation-harness, on one checkpoint and the same items.

    python3 -m venv venv && venv/bin/pip install torch transformers lm_eval
    venv/bin/python bench/peers/tasks_speed.py build/release --data SETS [--files 100] [--items 0] [--peer-items 20]

SETS holds the folder model-written-evals (`assay pull data:model-written-evals -o SETS/model-written-evals`). The checkpoint is
made here: a Llama of 5M parameters with random weights and the tokenizer of models/base; --model names another. Both programs ask
"\\n\\nHuman: QUESTION\\n\\nAssistant:" and compare the two answers by their log-probabilities.

Assay's time is that of the whole command, from its start to the printed table, on all items (or --items of each file). The
harness's is that of its evaluation, without imports and the loading of the model, on --peer-items of each file (it takes much longer);
both are given per item. Beside that: the time that the matrix products alone of all tokens that are left after sharing prefixes
would take (bench_products), as a share of Assay's time; and how far the rates of the two programs differ on the items that
both were given.
"""
import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("build", type=Path)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--files", type=int, default=100)
parser.add_argument("--items", type=int, default=0, help="of each file, for Assay; 0: all")
parser.add_argument("--peer-items", type=int, default=20, help="of each file, for the harness; 0: do not run it")
parser.add_argument("--batch", type=int, default=64, help="the harness's batch")
parser.add_argument("--dtype", default="float32", help="the harness's; float32 or bfloat16")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--model", type=Path)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
for offline in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
    os.environ[offline] = "1"

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

torch.set_num_threads(options.threads)
ROOT = Path(__file__).resolve().parents[2]
PROMPT = "\n\nHuman: {{ question }}\n\nAssistant:"


def make_model(folder):
    base = json.loads((ROOT / "models/base/config.json").read_text())
    config = LlamaConfig(vocab_size=base["vocab_size"], hidden_size=256, intermediate_size=704, num_hidden_layers=6, num_attention_heads=4,
                         num_key_value_heads=2, head_dim=64, max_position_embeddings=1024, tie_word_embeddings=True, bos_token_id=1,
                         eos_token_id=2, pad_token_id=0)
    torch.manual_seed(1)
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(ROOT / "models/base" / name, folder)
    return sum(p.numel() for p in model.parameters())


def read(path):
    text = gzip.open(path, "rt", encoding="utf-8").read() if path.suffix == ".gz" else path.read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line.strip()]


def copy_files(work):
    """The files unpacked under plain names; the items that the harness takes are the first of each."""
    files = sorted((options.data / "model-written-evals/persona").glob("*.jsonl*"))[: options.files]
    assert files, f"{options.data} holds no model-written-evals/persona"
    (work / "data").mkdir()
    items = {}
    for f in files:
        items[f.name.split(".")[0]] = lines = read(f)[: options.items or None]
        (work / "data" / f"{f.name.split('.')[0]}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return items


def assay(work, model, name, files):
    task = work / f"{name}.yaml"
    task.write_text(f"task: {name}/{{file}}\ndata: {{path: \"{files}/*.jsonl\"}}\nprompt: \"{{{{ question }}}}\"\nform: text\n"
                    f"text_prompt: {json.dumps(PROMPT)}\nmatching: answer_matching_behavior\nother: answer_not_matching_behavior\n"
                    "metric: matching\n")
    busy = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run([options.build / "assay", "run", f"task:{task}", "-m", model, "--prompt-style", "plain", "--threads",
                           str(options.threads), "--store", work / f"{name}.db", "-q", "--json"], check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = now.ru_utime + now.ru_stime - busy.ru_utime - busy.ru_stime
    forms = json.loads(done.stdout)["forms"]
    return seconds, processor, {k.split("/")[-1]: v["rate"] for k, v in forms.items()}


def harness(work, model, items):
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    (work / "peer").mkdir()
    (work / "few").mkdir()
    for name, lines in items.items():
        few = work / "few" / f"{name}.jsonl"
        few.write_text("\n".join(lines[: options.peer_items]) + "\n", encoding="utf-8")
        (work / "peer" / f"{name}.yaml").write_text(json.dumps({
            "task": f"mwe_{name}", "dataset_path": "json", "dataset_kwargs": {"data_files": {"validation": str(few)}},
            "output_type": "multiple_choice", "validation_split": "validation", "doc_to_text": PROMPT, "target_delimiter": "",
            "doc_to_choice": "{{[answer_matching_behavior, answer_not_matching_behavior]}}", "doc_to_target": 0,
            "metric_list": [{"metric": "acc"}]}))
    lm = HFLM(pretrained=str(model), device="cpu", dtype=options.dtype, batch_size=options.batch, add_bos_token=True)
    manager = TaskManager(include_path=str(work / "peer"), include_defaults=False)
    inside = 0.0
    plain = lm.loglikelihood

    def timed(requests, **more):
        nonlocal inside
        start = time.perf_counter()
        out = plain(requests, **more)
        inside += time.perf_counter() - start
        return out

    lm.loglikelihood = timed
    start, busy = time.perf_counter(), time.process_time()
    out = simple_evaluate(model=lm, tasks=[f"mwe_{n}" for n in items], task_manager=manager, bootstrap_iters=0, log_samples=False,
                          verbosity="ERROR")
    seconds, busy = time.perf_counter() - start, time.process_time() - busy
    return seconds, busy, inside, {k[4:]: v["acc,none"] for k, v in out["results"].items()}


def tokens_left(model, items):
    """All tokens, and those left when everything that texts begin alike with is read once."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    texts = [PROMPT.replace("{{ question }}", json.loads(line)["question"]) for lines in items.values() for line in lines]
    ids = sorted([1] + t for t in tokenizer(texts, add_special_tokens=False)["input_ids"])
    every = sum(map(len, ids))
    shared = 0
    for a, b in zip(ids, ids[1:]):
        n = 0
        while n < min(len(a), len(b)) and a[n] == b[n]:
            n += 1
        shared += n
    return every, every - shared, len(ids)


def main():
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        model = options.model or work / "model"
        parameters = make_model(model) if not options.model else None
        items = copy_files(work)
        count = sum(map(len, items.values()))
        seconds, processor, _ = assay(work, model, "all", "data")
        out = {"files": len(items), "items": count, "parameters": parameters, "threads": options.threads, "assay_seconds": round(seconds, 2),
               "assay_processor_seconds": round(processor, 2),
               "assay_ms_per_item": round(1000 * seconds / count, 3)}
        every, left, texts = tokens_left(model, items)
        logits = max(1, round(256 * texts / left))
        step = json.loads(subprocess.run([options.build / "bench/bench_products", model, str(options.threads), "256", str(logits)], check=True,
                                         capture_output=True, text=True).stdout)["seconds"]
        products = left / 256 * step
        out.update(tokens=every, tokens_after_sharing=left, products_alone_seconds=round(products, 2),
                   products_share=round(products / seconds, 3))
        if options.peer_items:
            peer_seconds, peer_busy, inside, peer_rates = harness(work, model, items)
            _, _, rates = assay(work, model, "few", "few")
            few = sum(min(len(v), options.peer_items) for v in items.values())
            differ = [abs(rates[k] - peer_rates[k]) for k in items]
            out.update(peer="lm-evaluation-harness", peer_dtype=options.dtype, peer_items=few, peer_seconds=round(peer_seconds, 2),
                       peer_processor_seconds=round(peer_busy, 2),
                       peer_ms_per_item=round(1000 * peer_seconds / few, 3), peer_model_calls_ms_per_item=round(1000 * inside / few, 3),
                       times_faster=round(peer_seconds / few / (seconds / count), 1),
                       times_faster_than_its_model_calls=round(inside / few / (seconds / count), 1),
                       times_less_processor_time=round(peer_busy / few / (processor / count), 1),
                       rates_differ_mean=round(sum(differ) / len(differ), 4), rates_differ_most=round(max(differ), 4))
        print(json.dumps(out, indent=1))


if __name__ == "__main__":
    sys.exit(main())
