#!/usr/bin/env python3
"""GGUF files of every family that Assay reads, against `transformers`: logits in f32.

    python3 -m venv venv && venv/bin/pip install torch transformers gguf
    venv/bin/python bench/peers/gguf_files.py build/release/bench/bench_peer [NAME...] [--types F32,F16,...]
                                              [--converter LLAMA_CPP | --writer ASSAY [--llama PYTHON]]
                                              [--quantize PYTHON]

For each case a small checkpoint with random weights (families.py has most of them) is written as GGUF: by the mapping of
names of the `gguf` package and what llama.cpp's documentation says of the order of rows, or with --converter by the converter in
a source folder of llama.cpp, as it is. Assay reads the file; `transformers` computes with the weights that the file's types
leave of the checkpoint's (dequantised by the `gguf` package). With --writer the files come from `assay convert` instead;
with --llama, a Python that has llama-cpp-python, llama.cpp itself then loads those in F32 (its cache of keys and values in F32 too)
and its logits must agree as well, to 1e-3 where a GELU is among them, which it takes from a table in F16. The largest difference of a logit, relative to the largest logit,
must be below 1e-4. Types: F32, F16, BF16, Q8_0 and Q4_0 are made by the `gguf` package; Q4_K, Q5_K and Q6_K by llama.cpp's own
quantizer, for which --quantize names a Python that has llama-cpp-python.
"""
import argparse
import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))
import gguf
import numpy
import torch
import transformers
from gguf import GGMLQuantizationType as Type

from families import CASES, LIMIT, logits_of, random_model, run, write_lines

# Cases of families.py that a GGUF file can express, and how to make them so.
NAMES = {
    "llama": {}, "llama-tied-wide-heads": {}, "llama-biases": {}, "llama3-rope": {}, "llama-linear-rope": {},
    "llama-yarn-rope": {}, "mistral-no-window": {}, "qwen2": {}, "qwen3": {}, "qwen3-tied-biases": {}, "gpt2": {}, "gpt-neox": {},
    "phi3": {}, "phi3-longrope": {}, "gemma2": dict(query_pre_attn_scalar=10), "gemma3": dict(query_pre_attn_scalar=10),
    "olmo2": {}, "olmo2-tied-biases": {},
}
# Rows of whole blocks of 256, for the types that need them.
WIDE = dict(hidden_size=256, intermediate_size=512, num_attention_heads=8, num_key_value_heads=4, num_hidden_layers=2)
WIDE_GPT2 = dict(n_embd=256, n_layer=2, n_head=8)
WIDE_NAMES = ["llama", "qwen2", "qwen3", "gpt2", "gpt-neox", "phi3", "gemma2", "gemma3", "olmo2"]
ARCHITECTURES = {"LlamaForCausalLM": "LLAMA", "MistralForCausalLM": "LLAMA", "Qwen2ForCausalLM": "QWEN2", "Qwen3ForCausalLM": "QWEN3",
                 "GPT2LMHeadModel": "GPT2", "GPTNeoXForCausalLM": "GPTNEOX", "Phi3ForCausalLM": "PHI3", "Gemma2ForCausalLM": "GEMMA2",
                 "Gemma3ForCausalLM": "GEMMA3", "Olmo2ForCausalLM": "OLMO2"}
FLOATS = {"F32": Type.F32, "F16": Type.F16, "BF16": Type.BF16}
BLOCKS = {"Q8_0": Type.Q8_0, "Q4_0": Type.Q4_0}
KINDS = {"Q4_K": 14, "Q5_K": 16, "Q6_K": 18}  # llama.cpp's names of files: Q4_K_S, Q5_K_S, Q6_K


def case_of(name, wide):
    kind, sizes = CASES[name][:2]
    more = {}
    if wide:
        more = WIDE_GPT2 if name == "gpt2" else dict(WIDE)
        if name == "gpt-neox":
            more.pop("num_key_value_heads")
        if name.startswith("gemma"):
            more.update(head_dim=32, query_pre_attn_scalar=32)
        if name == "qwen3":
            more.update(head_dim=32)
    return kind, {**sizes, **NAMES[name], **more}


# ---- our own writing of GGUF ----

def paired(x, heads):
    """Rows so that neighbours turn together: what llama.cpp expects of the architecture llama."""
    return x.reshape(heads, 2, x.shape[0] // heads // 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)


def arrange(architecture, name, x, c):
    """A tensor of the checkpoint as it lies in the file."""
    if architecture == "LLAMA" and ".q_proj." in name:
        return paired(x, c.num_attention_heads)
    if architecture == "LLAMA" and ".k_proj." in name:
        return paired(x, c.num_key_value_heads)
    if architecture.startswith("GEMMA") and name.endswith("norm.weight"):
        return x + 1
    if architecture == "GPT2" and x.ndim == 2 and ".h." in name:
        return x.T
    if architecture == "GPTNEOX" and ".query_key_value." in name:
        heads = c.num_attention_heads
        return x.reshape(heads, 3, -1, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    return x


def back(architecture, name, x, c):
    """The tensor of the checkpoint that a file's stands for."""
    if architecture == "LLAMA" and (".q_proj." in name or ".k_proj." in name):
        heads = c.num_attention_heads if ".q_proj." in name else c.num_key_value_heads
        return x.reshape(heads, x.shape[0] // heads // 2, 2, *x.shape[1:]).swapaxes(1, 2).reshape(x.shape)
    if architecture.startswith("GEMMA") and name.endswith("norm.weight"):
        return x - 1
    if architecture == "GPT2" and x.ndim == 2 and ".h." in name:
        return x.T
    if architecture == "GPTNEOX" and ".query_key_value." in name:
        heads = c.num_attention_heads
        return x.reshape(3, heads, -1, *x.shape[1:]).swapaxes(0, 1).reshape(x.shape)
    return x


def add_rope(w, c):
    rope = dict(getattr(c, "rope_parameters", None) or {})
    local = rope.get("sliding_attention")
    rope = rope.get("full_attention", rope)
    head = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    w.add_rope_freq_base(rope["rope_theta"])
    if local:
        w.add_float32(f"{w.arch}.rope.freq_base_swa", local["rope_theta"])
    w.add_rope_dimension_count(int(head * rope.get("partial_rotary_factor", 1.0)))
    kind = rope.get("rope_type", "default")
    if kind in ("linear", "yarn"):
        w.add_rope_scaling_type(gguf.RopeScalingType(kind))
        w.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        w.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    if kind == "llama3":
        old, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
        divisors = []
        for i in range(0, head, 2):
            length = 2 * math.pi * rope["rope_theta"] ** (i / head)
            smooth = min(max((old / length - low) / (high - low), 0), 1)
            divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
        w.add_tensor("rope_freqs.weight", numpy.array(divisors, dtype=numpy.float32))
    if kind == "longrope":
        old = c.original_max_position_embeddings
        w.add_rope_scaling_orig_ctx_len(old)
        w.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(c.max_position_embeddings / old) / math.log(old)))
        for length in ("long", "short"):
            w.add_tensor(f"rope_factors_{length}.weight", numpy.array(rope[f"{length}_factor"], dtype=numpy.float32))


def add_settings(w, c):
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_block_count(c.num_hidden_layers)
    w.add_feed_forward_length(getattr(c, "intermediate_size", None) or 4 * c.hidden_size)
    w.add_head_count(c.num_attention_heads)
    if getattr(c, "num_key_value_heads", None):
        w.add_head_count_kv(c.num_key_value_heads)
    if getattr(c, "head_dim", None):
        w.add_key_length(c.head_dim)
        w.add_value_length(c.head_dim)
    if hasattr(c, "rms_norm_eps"):
        w.add_layer_norm_rms_eps(c.rms_norm_eps)
    else:
        w.add_layer_norm_eps(getattr(c, "layer_norm_epsilon", None) or c.layer_norm_eps)
    if hasattr(c, "use_parallel_residual"):
        w.add_parallel_residual(c.use_parallel_residual)
    if getattr(c, "sliding_window", None) and w.arch in ("phi3", "gemma2", "gemma3"):
        w.add_sliding_window(c.sliding_window)
    if getattr(c, "attn_logit_softcapping", None):
        w.add_attn_logit_softcapping(c.attn_logit_softcapping)
    if getattr(c, "final_logit_softcapping", None):
        w.add_final_logit_softcapping(c.final_logit_softcapping)
    if w.arch != "gpt2":
        add_rope(w, c)


def add_words(w, tokenizer):
    data = json.loads(tokenizer.read_text())
    special = {t["content"] for t in data["added_tokens"]}
    words = sorted(data["model"]["vocab"], key=data["model"]["vocab"].get)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(words)
    w.add_token_types([3 if word in special else 1 for word in words])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in data["model"]["merges"]])


def names_of(model, architecture):
    table = gguf.get_tensor_name_map(getattr(gguf.MODEL_ARCH, architecture), model.config.num_hidden_layers)
    out = {}
    for name in model.state_dict():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        out[name] = table.get_name(name, try_suffixes=(".weight", ".bias"))
        if out[name] is None:
            raise SystemExit(f"the gguf package has no name for {name}")
    return out


def fits(x, kind):
    block = gguf.GGML_QUANT_SIZES[kind][0]
    return x.ndim == 2 and x.shape[-1] % block == 0


def write_own(model, tokenizer, path, kind):
    c = model.config
    architecture = ARCHITECTURES[c.architectures[0]]
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[getattr(gguf.MODEL_ARCH, architecture)])
    add_settings(w, c)
    add_words(w, tokenizer)
    state = model.state_dict()
    for name, short in names_of(model, architecture).items():
        x = numpy.ascontiguousarray(arrange(architecture, name, state[name].float().numpy(), c))
        stored = kind if x.ndim == 2 and (kind in FLOATS.values() or fits(x, kind)) else Type.F32
        w.add_tensor(short, gguf.quants.quantize(x, stored), raw_dtype=stored)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


# ---- llama.cpp's own programs ----

CONVERT = """
import sys, runpy
sys.path.insert(0, sys.argv[1]); sys.path.insert(1, sys.argv[1] + "/gguf-py")
import conversion.base as base
base.TextModel.get_vocab_base_pre = lambda self, tokenizer: "gpt-2"     # our tokenizer is none that it knows
import conversion.phi as phi
phi.Phi3MiniModel.set_vocab = lambda self: self._set_vocab_gpt2()
import conversion.gemma as gemma
gemma.Gemma2Model.set_vocab = lambda self: self._set_vocab_gpt2()
import conversion.gptneox as gptneox                                     # a key of older configurations
settings = gptneox.GPTNeoXModel.set_gguf_parameters
def with_share(self):
    self.hparams["rotary_pct"] = self.hparams["rope_parameters"]["partial_rotary_factor"]
    settings(self)
gptneox.GPTNeoXModel.set_gguf_parameters = with_share
sys.argv = ["convert_hf_to_gguf.py"] + sys.argv[2:]
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
QUANTIZE = """
import ctypes, sys, llama_cpp
p = llama_cpp.llama_model_quantize_default_params()
p.ftype, p.nthread, p.pure = int(sys.argv[3]), 1, True
sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), ctypes.byref(p)))
"""


def run_plain(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr}")


LLAMA = """
import json, sys, llama_cpp, numpy
model = llama_cpp.Llama(sys.argv[1], n_ctx=256, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0)
ids = json.loads(sys.argv[2])
model.eval(ids)
ours = numpy.fromfile(sys.argv[3], dtype=numpy.float32).reshape(len(ids), -1)
print(abs(ours - model.scores[:len(ids)]).max() / abs(ours).max())
"""
GELU = ("gpt2", "gpt-neox", "gemma2", "gemma3")
NOT_LLAMAS = ("qwen3-tied-biases", "olmo2-tied-biases")     # llama.cpp has no place for their biases


def against_llama(options, name, path, scratch):
    """The largest difference to llama.cpp's logits, or None where it cannot load such a model."""
    if name in NOT_LLAMAS:
        return None
    ids = [random.Random(options.seed).randrange(260) for _ in range(100)]
    run(options.binary, "logits", path, write_lines(scratch / "sequences", [ids]), scratch / "logits")
    done = subprocess.run([options.llama, "-c", LLAMA, str(path), json.dumps(ids), str(scratch / "logits")], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"llama.cpp does not load {name}: {done.stderr[-1000:]}")
    return float(done.stdout)


def write_converted(source, folder, path, kind):
    done = subprocess.run([sys.executable, "-c", CONVERT, source, str(Path(source) / "convert_hf_to_gguf.py"), str(folder), "--outfile",
                           str(path), "--outtype", kind.lower()], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"llama.cpp's converter: {done.stderr[-2000:]}")


def quantize(python, source, path, kind):
    done = subprocess.run([python, "-c", QUANTIZE, str(source), str(path), str(KINDS[kind])], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"llama.cpp's quantizer: {done.stderr[-2000:]}")


# ---- comparing ----

def take_back(model, path):
    """Gives the model the weights of the file. Returns the types of its matrices."""
    architecture = ARCHITECTURES[model.config.architectures[0]]
    tensors = {t.name: t for t in gguf.GGUFReader(path).tensors}
    state, types = model.state_dict(), set()
    for name, short in names_of(model, architecture).items():
        t = tensors[short]
        x = gguf.quants.dequantize(t.data, t.tensor_type).astype(numpy.float32)
        shape = arrange(architecture, name, state[name].numpy(), model.config).shape
        state[name].copy_(torch.from_numpy(numpy.ascontiguousarray(back(architecture, name, x.reshape(shape), model.config))))
        if len(shape) == 2:
            types.add(t.tensor_type.name)
    return types


def compare(binary, model, path, scratch, seed):
    rng = random.Random(seed)
    vocabulary = model.config.vocab_size
    sequences = [[rng.randrange(vocabulary) for _ in range(n)] for n in (1, 7, 64, 150)]
    out = scratch / "logits"
    run(binary, "logits", path, write_lines(scratch / "sequences", sequences), out)
    data = torch.frombuffer(bytearray(out.read_bytes()), dtype=torch.float32).view(-1, vocabulary)
    start, worst = 0, 0.0
    for ids in sequences:
        theirs = logits_of(model, ids)
        worst = max(worst, ((data[start:start + len(ids)] - theirs).abs().max() / theirs.abs().max()).item())
        start += len(ids)
    return worst, start


def check(options, name, kind, tokenizer, scratch):
    wide = kind in KINDS or kind in BLOCKS
    model = random_model(case_of(name, wide), options.seed).eval()
    model.config.architectures = [type(model).__name__]
    path, source = scratch / f"{name}-{kind}.gguf", scratch / f"{name}-source.gguf"
    first, made = (source, "F32") if kind in KINDS else (path, kind)
    folder = scratch / name
    if options.writer:
        model.save_pretrained(folder, safe_serialization=True)
        (folder / "tokenizer.json").write_bytes(tokenizer.read_bytes())
        run_plain(options.writer, "convert", folder, "-o", first, "--type", made.lower(), "--tokens", 0)
    elif options.converter and made != "Q4_0":
        model.save_pretrained(folder, safe_serialization=True)
        words = json.loads(tokenizer.read_text())
        vocabulary = words["model"]["vocab"]
        for i in range(len(vocabulary), model.config.vocab_size - len(words["added_tokens"])):
            vocabulary[f"[{i}]"] = i                        # it cuts embeddings to the tokens that it counts
        (folder / "tokenizer.json").write_text(json.dumps(words))
        (folder / "tokenizer_config.json").write_text(json.dumps(dict(tokenizer_class="PreTrainedTokenizerFast")))
        config = json.loads((folder / "config.json").read_text())
        if name == "gpt2":
            config["n_ctx"] = config["n_positions"]          # likewise
        (folder / "config.json").write_text(json.dumps(config))
        write_converted(options.converter, folder, first, made)
    else:
        write_own(model, tokenizer, first, dict(FLOATS, **BLOCKS)[made])
    if kind in KINDS:
        quantize(options.quantize, source, path, kind)
    types = take_back(model, path)
    worst, positions = compare(options.binary, model, path, scratch, options.seed)
    good = worst < LIMIT and (not wide or kind in types)
    said = ""
    if options.llama and kind == "F32":
        theirs = against_llama(options, name, path, scratch)
        good = good and (theirs is None or theirs < (1e-3 if name in GELU else LIMIT))
        said = "; llama.cpp has no such model" if theirs is None else f"; llama.cpp's {theirs:.1e}"
    print(f"{name:24} {kind:5} ({', '.join(sorted(types))}): logits of {positions} positions {worst:.1e}{said}"
          f"{'' if good else '   <-- FAILED'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("binary", help="bench_peer of the build folder")
    parser.add_argument("names", nargs="*", help="cases; all when none is given: " + ", ".join(NAMES))
    parser.add_argument("--types", default="F32,F16,BF16,Q8_0,Q4_0", help="F32,F16,BF16,Q8_0,Q4_0,Q4_K,Q5_K,Q6_K")
    parser.add_argument("--converter", metavar="LLAMA_CPP", help="source folder of llama.cpp whose converter writes the files")
    parser.add_argument("--writer", metavar="ASSAY", help="the program, whose `assay convert` writes the files")
    parser.add_argument("--llama", metavar="PYTHON", help="a Python with llama-cpp-python, which loads the files in F32 as well")
    parser.add_argument("--quantize", metavar="PYTHON", help="a Python with llama-cpp-python, for Q4_K, Q5_K and Q6_K")
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    kinds = options.types.split(",")
    if set(kinds) & set(KINDS) and not options.quantize:
        parser.error("Q4_K, Q5_K and Q6_K need --quantize PYTHON")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    results = []
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        tokenizer = scratch / "tokenizer.json"
        run(options.binary, "train", write_lines(scratch / "documents", ["ada sells bread in brill"]), 280, tokenizer)
        for case in options.names or NAMES:
            for kind in kinds:
                if kind in FLOATS or case in WIDE_NAMES:
                    with contextlib.suppress(FileNotFoundError):
                        (scratch / f"{case}-{kind}.gguf").unlink()
                    results.append(check(options, case, kind, tokenizer, scratch))
    print(f"{sum(results)} of {len(results)} files agree (limit {LIMIT:.0e})")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
