#!/usr/bin/env python3
"""Speed on models of 100M and 1B parameters with random weights: Assay against llama.cpp and `transformers`.

    python3 -m venv venv && venv/bin/pip install torch transformers safetensors gguf llama-cpp-python
    venv/bin/python bench/peers/llama_cpp.py build/release/bench --size 100m [--threads 2] [--types bf16,q8_0,q4_0]

llama-cpp-python compiles llama.cpp for the machine that it is installed on. bench_decode makes the model; this script
writes the same weights as GGUF in bf16, and llama.cpp itself quantises it to the other types. Measured, best of the rounds,
which take turns:

    decode    tokens/s of one sequence, 127 tokens behind a prompt of 128 and a first token
    score     seconds for the logits of all of 512 tokens, and the log-probability of each token
    prefill   seconds for 512 tokens, with the logits of the last one
    many      tokens/s of 64 sequences of 128 new tokens each behind prompts of 32

llama.cpp and `transformers` (bf16) take the most probable token, which costs them little; Assay draws at temperature 1.
Prints one JSON object with everything and the ratios: above 1, Assay is faster.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.pop(0)  # this folder: the module llama_cpp is not this file

PROMPT, NEW, LONG, SHORT, MANY = 128, 128, 512, 32, 64

parser = argparse.ArgumentParser()
parser.add_argument("build", type=Path)
parser.add_argument("--size", default="100m", choices=["100m", "1b"])
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--types", default="bf16", help="of the weights, for llama.cpp and (but for bf16) for Assay, which reads the same file")
parser.add_argument("--many", type=int, default=-1, help="sequences at once (100m: 64, 1b: 0)")
parser.add_argument("--folder", type=Path, help="keeps the models there")
parser.add_argument("--without", default="", help="peers to leave out")
parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
MANY = options.many if options.many >= 0 else MANY if options.size == "100m" else 0


# ---- the same weights as GGUF ----

def write_gguf(folder, path):
    import gguf
    import numpy as np
    import torch
    from safetensors import safe_open

    config = json.loads((folder / "config.json").read_text())
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)

    tokens = [f"[unused{i}]" for i in range(config["vocab_size"])]
    kinds = [gguf.TokenType.UNUSED] * len(tokens)
    for word, i in tokenizer["model"]["vocab"].items():
        tokens[i], kinds[i] = word, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], kinds[added["id"]] = added["content"], gguf.TokenType.CONTROL
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])

    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    with safe_open(folder / "model.safetensors", "pt") as file:
        for name in file.keys():
            values = file.get_tensor(name)
            count = heads if ".q_proj." in name else groups if ".k_proj." in name else 0
            if count:  # llama.cpp turns neighbours, Hugging Face halves
                values = values.reshape(count, 2, -1, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
            to = names.get_name(name, try_suffixes=(".weight",))
            if values.dim() == 1:
                writer.add_tensor(to, values.float().numpy())
            else:
                raw = values.contiguous().view(torch.int16).numpy().view(np.uint8)
                writer.add_tensor(to, raw, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantise(source, path, kind):
    import llama_cpp
    types = {"q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0}
    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype, settings.nthread, settings.pure = types[kind], options.threads, True
    if llama_cpp.llama_model_quantize(str(source).encode(), str(path).encode(), settings) != 0:
        raise SystemExit(f"llama.cpp cannot quantise {source} to {kind}")


# ---- the peers, each in a process of its own ----

def texts(vocabulary, count, length, seed=1):
    import numpy as np
    return np.random.default_rng(seed).integers(6, vocabulary, (count, length)).astype(np.int32)


class Llama:
    def __init__(self, path):
        import llama_cpp
        self.c = llama_cpp
        self.quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.quiet, None)
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        assert self.model, f"llama.cpp cannot load {path}"
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def open(self, context, sequences, batch):
        settings = self.c.llama_context_default_params()
        settings.n_ctx, settings.n_batch, settings.n_ubatch, settings.n_seq_max = context, batch, 512, sequences
        settings.n_threads = settings.n_threads_batch = options.threads
        settings.kv_unified = sequences == 1
        self.context = self.c.llama_init_from_model(self.model, settings)
        self.batch = self.c.llama_batch_init(batch, 0, 1)
        assert self.context

    def close(self):
        self.c.llama_batch_free(self.batch)
        self.c.llama_free(self.context)

    def forget(self):
        self.c.llama_memory_clear(self.c.llama_get_memory(self.context), True)

    def run(self, rows):
        """rows: (token, position, sequence, logits wanted)"""
        b = self.batch
        b.n_tokens = len(rows)
        for i, (token, position, sequence, wanted) in enumerate(rows):
            b.token[i], b.pos[i], b.n_seq_id[i], b.seq_id[i][0], b.logits[i] = token, position, 1, sequence, wanted
        assert self.c.llama_decode(self.context, b) == 0

    def logits(self, count):
        import numpy as np
        return np.ctypeslib.as_array(self.c.llama_get_logits(self.context), (count, self.vocabulary))

    def decode(self):
        self.open(512, 1, 512)
        prompt = texts(self.vocabulary, 1, PROMPT)[0]
        self.run([(int(t), i, 0, i + 1 == PROMPT) for i, t in enumerate(prompt)])
        token = int(self.logits(1)[0].argmax())
        start = time.perf_counter()
        for i in range(NEW - 1):
            self.run([(token, PROMPT + i, 0, True)])
            token = int(self.logits(1)[0].argmax())
        rate = (NEW - 1) / (time.perf_counter() - start)
        self.close()
        return rate

    def read(self, whole):
        import numpy as np
        self.open(LONG, 1, LONG)
        prompt = texts(self.vocabulary, 1, LONG)[0]
        rows = [(int(t), i, 0, whole or i + 1 == LONG) for i, t in enumerate(prompt)]
        start = time.perf_counter()
        self.run(rows)
        if whole:
            logits = self.logits(LONG)[:-1]
            top = logits.max(axis=1, keepdims=True)
            np.take_along_axis(logits, prompt[1:, None], 1) - top - np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
        else:
            self.logits(1)[0].argmax()
        seconds = time.perf_counter() - start
        self.close()
        return seconds

    def many(self):
        self.open(MANY * 256, MANY, MANY * SHORT)
        prompts = texts(self.vocabulary, MANY, SHORT)
        start = time.perf_counter()
        self.run([(int(t), i, s, i + 1 == SHORT) for s, p in enumerate(prompts) for i, t in enumerate(p)])
        tokens = self.logits(MANY).argmax(axis=1)
        for i in range(NEW - 1):
            self.run([(int(tokens[s]), SHORT + i, s, True) for s in range(MANY)])
            tokens = self.logits(MANY).argmax(axis=1)
        rate = MANY * NEW / (time.perf_counter() - start)
        self.close()
        return rate


class Transformers:
    def __init__(self, path):
        import torch
        from transformers import AutoModelForCausalLM
        torch.set_num_threads(options.threads)
        self.torch = torch
        self.model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.bfloat16)
        self.model.generation_config.eos_token_id = None
        self.vocabulary = self.model.config.vocab_size

    def generate(self, prompts, new):
        out = self.model.generate(prompts, max_new_tokens=new, min_new_tokens=new, do_sample=False, pad_token_id=0,
                                  attention_mask=self.torch.ones_like(prompts), cache_implementation="static", disable_compile=True)
        assert out.shape[1] == prompts.shape[1] + new

    def ids(self, count, length):
        return self.torch.tensor(texts(self.vocabulary, count, length), dtype=self.torch.long)

    def timed(self, prompts, new):
        start = time.perf_counter()
        with self.torch.no_grad():
            self.generate(prompts, new)
        return time.perf_counter() - start

    def decode(self):
        prompts = self.ids(1, PROMPT)
        first = min(self.timed(prompts, 1) for _ in range(2))
        return (NEW - 1) / (self.timed(prompts, NEW) - first)

    def read(self, whole):
        ids = self.ids(1, LONG)
        start = time.perf_counter()
        with self.torch.no_grad():
            logits = self.model(ids, use_cache=False, logits_to_keep=0 if whole else 1).logits
            if whole:
                logits[0, :-1].float().log_softmax(-1).gather(-1, ids[0, 1:, None])
            else:
                logits[0, -1].argmax()
        return time.perf_counter() - start

    def many(self):
        return MANY * NEW / self.timed(self.ids(MANY, SHORT), NEW)


def run_peer(kind, path):
    peer = (Llama if kind == "llama" else Transformers)(path)
    peer.read(False)  # warm
    result = {"decode": max(peer.decode() for _ in range(2)), "score": min(peer.read(True) for _ in range(3)),
              "prefill": min(peer.read(False) for _ in range(3))}
    if MANY:
        result["many"] = peer.many()
    print(json.dumps(result))


def ask_peer(kind, path):
    command = [sys.executable, __file__, str(options.build), "--size", options.size, "--threads", str(options.threads),
               "--many", str(MANY), "--peer", kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def ours(path):
    done = subprocess.run([options.build / "bench_decode", path, str(options.threads), str(MANY)], capture_output=True, text=True)
    if done.returncode:
        return {"error": done.stderr.strip()}
    return json.loads(done.stdout)


HIGHER = {"decode": True, "many": True, "score": False, "prefill": False}


def best(results):
    return {k: (max if HIGHER[k] else min)(r[k] for r in results) for k in HIGHER if k in results[0]}


def compare(mine, peer):
    return {k: round(mine[k] / peer[k] if HIGHER[k] else peer[k] / mine[k], 3) for k in HIGHER if k in mine and k in peer}


def measure(folder):
    model, types = folder / "model", options.types.split(",")
    if not (model / "config.json").exists():
        subprocess.run([options.build / "bench_decode", "make", options.size, model], check=True)
    files = {"bf16": folder / "bf16.gguf"}
    if not files["bf16"].exists():
        write_gguf(model, files["bf16"])
    for kind in types:
        files.setdefault(kind, folder / f"{kind}.gguf")
        if not files[kind].exists():
            quantise(files["bf16"], files[kind], kind)
    out = {"size": options.size, "threads": options.threads, "load": os.getloadavg()[0]}
    for kind in types:
        parties = {"assay": lambda: ours(model if kind == "bf16" else files[kind])}
        if "llama" not in options.without:
            parties["llama.cpp"] = lambda: ask_peer("llama", files[kind])
        if kind == "bf16" and "transformers" not in options.without:
            parties["transformers"] = lambda: ask_peer("transformers", model)
        rounds = {name: [] for name in parties}
        for _ in range(options.rounds):
            for name, party in parties.items():
                rounds[name].append(party())
        if "error" in rounds["assay"][0]:
            out[kind] = rounds["assay"][0]
            continue
        tops = {name: best(results) for name, results in rounds.items()}
        last = {k: v for k, v in rounds["assay"][-1].items() if k.endswith("_share") or k in ("load_seconds", "resident")}
        out[kind] = {**tops, "assay_shares": last, "ratios": {name: compare(tops["assay"], t) for name, t in tops.items() if name != "assay"}}
    print(json.dumps(out, indent=1))


if options.peer:
    run_peer(*options.peer)
elif options.folder:
    options.folder.mkdir(parents=True, exist_ok=True)
    measure(options.folder)
else:
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name))
