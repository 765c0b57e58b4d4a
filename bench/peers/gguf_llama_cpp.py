#!/usr/bin/env python3
"""GGUF files that `assay convert` writes, in llama.cpp: it must load them, cut texts alike, and write the same tokens.

    python3 -m venv venv && venv/bin/pip install llama-cpp-python
    venv/bin/python bench/peers/gguf_llama_cpp.py build/release/assay build/release/bench/bench_peer [MODEL] [--types f32,bf16,...]

Each file is written from MODEL (base, or a folder that is a Llama checkpoint), loaded by llama.cpp, and asked for greedy
tokens behind prompts that Assay's engine, computing in f32, has continued greedily by up to 48 tokens from the same file. With f32
each token must be llama.cpp's choice too, so that both would have written the same; with other types llama.cpp rounds what goes
into its products (to bf16, f16 or 8 bits), and 95 % must be. Ids of the texts, and the chat prompt by the file's template, must
agree always.
"""
import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.pop(0)  # this folder: the module llama_cpp is not the script beside this one
import llama_cpp

TEXTS = ["Who sells bread?", "What is the pet of the maker of the song?", "12 + 305 = 317, or 3,141.59 coins.", "Ada lives in Brill.",
         "  two  spaces\n\nand lines\t", "caf\u00e9 \u65e5\u672c\u8a9e \U0001f600 \u0661\u0662\u0663", "<|end|> is written by no user", "it's they'll I've"]
NEW = 48


def run(*words):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def lines(path, values):
    path.write_text("".join(json.dumps(v) + "\n" for v in values))
    return path


def values(text):
    return [json.loads(line) for line in text.split("\n") if line]


def same_choices(model, ids, new):
    """How many of the new tokens llama.cpp would have written as well, each behind what was written before it."""
    end = [] if len(new) == NEW else [model.token_eos()]
    model.reset()
    model.eval(ids + new)
    wanted = new + end
    scores = model.scores[len(ids) - 1:len(ids) - 1 + len(wanted)]
    return sum(int(row.argmax()) == token for row, token in zip(scores, wanted, strict=True)), len(wanted)


def check(options, kind, scratch):
    path = scratch / f"{kind}.gguf"
    said = run(options.assay, "convert", options.model, "-o", path, "--type", kind, "--tokens", 2000)
    model = llama_cpp.Llama(str(path), n_ctx=512, n_threads=1, logits_all=True, verbose=False)
    texts = lines(scratch / "texts", TEXTS)
    ours = values(run(options.peer, "encode", path, texts, "plain"))
    theirs = [model.tokenize(t.encode(), add_bos=False, special=False) for t in TEXTS]
    cut = ours == theirs
    chat = values(run(options.peer, "chat", path, lines(scratch / "chats", [[["user", "Who sells bread?"]]])))[0]
    template = llama_cpp.llama_chat_format.Jinja2ChatFormatter(
        model.metadata["tokenizer.chat_template"], eos_token=model.detokenize([model.token_eos()], special=True).decode(),
        bos_token=model.detokenize([model.token_bos()], special=True).decode())
    prompt = template(messages=[{"role": "user", "content": "Who sells bread?"}]).prompt
    same_chat = model.tokenize(prompt.encode(), add_bos=False, special=True) == chat
    prompts = [[model.token_bos()] + ids for ids in theirs if ids] + [chat]
    mine = values(run(options.peer, "greedy", path, lines(scratch / "prompts", prompts), NEW))
    same = total = 0
    for ids, new in zip(prompts, mine, strict=True):
        equal, all_of_them = same_choices(model, ids, new)
        same += equal
        total += all_of_them
    good = cut and same_chat and (same == total if kind == "f32" else same >= 0.95 * total)
    print(f"{kind:5} ids of {len(TEXTS)} texts {'same' if cut else 'DIFFER'}, chat prompt {'same' if same_chat else 'DIFFERS'}, "
          f"{same} of {total} greedy tokens chosen by both{'' if good else '   <-- FAILED'}   {said.splitlines()[1]}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("assay")
    parser.add_argument("peer", help="bench_peer of the build folder")
    parser.add_argument("model", nargs="?", default="base")
    parser.add_argument("--types", default="f32,bf16,f16,q8_0,q4_0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        results = [check(options, kind, Path(name)) for kind in options.types.split(",")]
    print(f"{sum(results)} of {len(results)} files agree")
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
