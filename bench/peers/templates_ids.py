#!/usr/bin/env python3
"""Compares the ids of conversations with `transformers`, for checkpoints' templates and tokenizers with their special tokens.

    venv/bin/python bench/peers/templates_ids.py build/release/bench/bench_templates DIR

For every *.jinja below DIR a byte-level tokenizer is trained whose special and added tokens are those that the template
writes (added ones with and without `special`, with and without stripping), and conversations are written with both:
harmless ones must have the ids of apply_chat_template; those in which users write special tokens the ids of
apply_chat_template(sanitize_control_tokens=True). There the two differ where a template cuts a user's words at a token
and trims the rest: the sanitizer's marks stand between the token and the white space, and keep it.
"""
import argparse
import json
import random
import re
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

import templates

TEXTS = ["Who sells bread?", "  Ada sells\nbread. ", "日本 é 😀 <b>x</b>", "1 + 2 = 3\n\n\nyes", "", "tab\there <thin", "a|>b"]
chat_template_utils.datetime = type("Fixed", (datetime,), {"now": staticmethod(lambda: datetime(2026, 3, 7))})


def make(template, folder, rng):
    tokens = list(dict.fromkeys(re.findall(r"<[|｜/]?[A-Za-z_｜▁|]+[|｜]?>", template)))
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(TEXTS * 20 + [template], trainers.BpeTrainer(
        vocab_size=500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=["<s>", "</s>"]))
    for token in tokens:
        special = "|" in token or rng.random() < 0.5
        core.add_tokens([AddedToken(token, special=special, normalized=False, rstrip=rng.random() < 0.2, lstrip=rng.random() < 0.1)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", eos_token="</s>", chat_template=template)
    tokenizer.save_pretrained(folder)
    return tokenizer, tokens


def conversations(rng, texts, count):
    for _ in range(count):
        chat = [{"role": "system", "content": rng.choice(texts)}] if rng.random() < 0.4 else []
        for k in range(rng.choice((1, 3, 5))):
            chat.append({"role": ("user", "assistant")[k % 2], "content": rng.choice(texts)})
            if k % 2 and rng.random() < 0.3:
                chat[-1]["reasoning_content"] = rng.choice(texts)
        yield chat


def theirs(tokenizer, chat, sanitize):
    try:
        more = {"sanitize_control_tokens": True} if sanitize else {}
        return tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, **more)["input_ids"]
    except Exception:  # the template refuses it, or the sanitizer cannot
        return None


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("folder")
    arguments.add_argument("--most", type=int, default=1000)
    options = arguments.parse_args()
    rng, totals, shown = random.Random(5), {False: [0, 0, 0], True: [0, 0, 0]}, 0
    for path in sorted(Path(options.folder).rglob("*.jinja"))[: options.most]:
        with tempfile.TemporaryDirectory() as folder:
            tokenizer, tokens = make(path.read_text(), folder, rng)
            for forged in (False, True):
                texts = TEXTS + [f"x{a}y{b} z" for a in tokens[:3] for b in tokens[-2:]] if forged else TEXTS
                chats = list(conversations(rng, texts, 12))
                lines = Path(folder) / "chats"
                lines.write_text("".join(json.dumps(chat) + "\n" for chat in chats))
                done = subprocess.run([options.binary, "ids", folder, lines], capture_output=True, text=True)
                if done.returncode:
                    print(f"{path.name}: {done.stderr.strip()}")
                    continue
                for chat, line in zip(chats, filter(None, done.stdout.split("\n")), strict=True):
                    ours, their = json.loads(line), theirs(tokenizer, chat, forged)
                    totals[forged][0] += 1
                    totals[forged][1] += ours == their
                    totals[forged][2] += their is None
                    if ours != their and shown < 6:
                        shown += 1
                        print(f"--- {path.name} forged={forged} {chat}\n  theirs {their and tokenizer.convert_ids_to_tokens(their)}\n"
                              f"  ours   {ours and tokenizer.convert_ids_to_tokens(ours)}")
    for forged, (count, same, refused) in totals.items():
        print(f"{'special tokens in users’ words' if forged else 'harmless'}: {same} of {count} the same ({refused} refused there)")


if __name__ == "__main__":
    main()
