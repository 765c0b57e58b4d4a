#!/usr/bin/env python3
"""Compares every kind of tokenizer that Assay reads with the reference that made it: ids, texts, streams.

    python3 -m venv venv && venv/bin/pip install tokenizers sentencepiece tiktoken
    venv/bin/python bench/peers/tokenizers_all.py build/release/bench/bench_peer --data ../shared/data [--only WORD]

Lines of real text in many scripts (every text file under --data) and random strings with emoji, code, odd white space and
combining marks are encoded and decoded by both. Tokenizers: files under --data, and those that are trained here, one for
each normalizer, pre-tokenizer, model, post-processor and decoder. The first difference of each is printed; the script fails
when there is one.
"""
import argparse
import base64
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
SPECIALS = ["<unk>", "<s>", "</s>", "<|end|>", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def read_lines(data, rng):
    odd, plain = [], []
    for folder, _, files in sorted(os.walk(data)):
        for file in sorted(files):
            path = os.path.join(folder, file)
            if file.endswith((".gguf.gz", ".bin", ".model", ".pt")) or os.path.getsize(path) > 8e6:
                continue
            try:
                raw = gzip.open(path).read() if file.endswith(".gz") else open(path, "rb").read()
                text = raw.decode()
            except (OSError, UnicodeDecodeError):
                continue
            for line in text.split("\n"):
                if 0 < len(line) <= 2000:
                    if not line.isascii():
                        odd.append(line)
                    elif rng.random() < 0.004:
                        plain.append(line)
    odd = list(dict.fromkeys(odd))
    rare = [x for x in odd if any(ord(c) > 0x24F and not 0x2000 <= ord(c) < 0x2100 for c in x)]
    rng.shuffle(rare), rng.shuffle(odd), rng.shuffle(plain)
    return rare[:5000] + odd[:2500] + plain[:2500]


def random_text(rng):
    kinds = [lambda: chr(rng.randint(32, 126)), lambda: rng.choice(" \n\t  "), lambda: chr(rng.randint(160, 0x24F)),
             lambda: chr(rng.choice([rng.randint(0x370, 0x1FFF), rng.randint(0x3000, 0x9FFF), rng.randint(0xAC00, 0xD7A3)])),
             lambda: chr(rng.randint(0x300, 0x36F)), lambda: rng.choice(["e\u0301", "\u0928\u093f", "\u1100\u1161\u11a8", "\ufb01", "\uff21"]),
             lambda: rng.choice(["\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "\u2764\ufe0f"]),
             lambda: chr(rng.randint(0x1F300, 0x1F6FF)), lambda: rng.choice(SPECIALS),
             lambda: rng.choice("'s 't 're 've 'll 'd 'S 'LL".split()),
             lambda: chr(rng.choice([0x85, 0xA0, 0x180E, 0x200B, 0x2028, 0x202F, 0x205F, 0x3000, 0x1680, 0x1C, 0x0B, 0xFEFF, 0xAD])),
             lambda: str(rng.randint(0, 10**6)), lambda: rng.choice(["the ", "and ", "hello", "aaaa", "\u2581", "Hello ", "##ing"]),
             lambda: rng.choice(["def f(x):\n    return x**2\n", "if (a != b) {\n\t", "<div class='x'>", "0x1F & ~mask;", "\r\n\r\n"])]
    weights = [rng.random() ** 2 for _ in kinds]
    return "".join(rng.choices(kinds, weights)[0]() for _ in range(rng.randint(0, 40)))


def run(binary, *words):
    done = subprocess.run([binary, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-400:])
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def write_lines(path, values):
    path.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values))
    return path


class Check:
    def __init__(self, binary, texts, folder, only):
        self.binary, self.texts, self.folder, self.only, self.failed = binary, texts, folder, only, []
        self.texts_file = write_lines(folder / "texts", texts)

    def wanted(self, name):
        return not self.only or any(word in name for word in self.only)

    def __call__(self, name, file, encode, decode, mode="special"):
        """encode: list of texts to lists of ids; decode: ids to text, or None."""
        if not self.wanted(name):
            return
        try:
            ours = run(self.binary, "encode", file, self.texts_file, mode)
        except RuntimeError as problem:
            return self.tell(name, f"refused: {problem}")
        theirs = encode(self.texts)
        wrong = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
        if wrong:
            i = min(wrong, key=lambda i: len(self.texts[i]))
            self.tell(name, f"{len(wrong)} of {len(theirs)} texts differ; {self.texts[i]!r}:\n    ours   {ours[i][:60]}\n    theirs {theirs[i][:60]}")
        words = f"{len(self.texts)} texts, {sum(map(len, theirs))} tokens"
        if decode:
            rng = random.Random(3)
            some = [x for x in theirs if x][:6000]
            top = max(max(x) for x in some)
            some += [[rng.randint(0, top) for _ in range(rng.randint(0, 12))] for _ in range(2000)]
            ours = run(self.binary, "decode", file, write_lines(self.folder / "ids", some))
            theirs = [decode(x) for x in some]
            wrong = [i for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b]
            if wrong:
                i = min(wrong, key=lambda i: len(some[i]))
                self.tell(name, f"{len(wrong)} of {len(some)} decoded texts differ; {some[i]}:\n    ours   {ours[i]!r}\n    theirs {theirs[i]!r}")
            words += f", {len(some)} decoded"
        if name not in self.failed:
            print(f"ok    {name}: {words}", flush=True)

    def tell(self, name, words):
        if name not in self.failed:
            self.failed.append(name)
        print(f"WRONG {name}: {words}", flush=True)


def check_json(check, name, tokenizer_file, template=False):
    peer = Tokenizer.from_file(str(tokenizer_file))
    check(name, tokenizer_file, lambda texts: [e.ids for e in peer.encode_batch(texts, add_special_tokens=template)],
          lambda ids: peer.decode(ids, skip_special_tokens=True), "template" if template else "special")


def byte_level(**words):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **words)


def split(pattern, behavior="isolated", invert=False):
    return pre_tokenizers.Split(Regex(pattern), behavior, invert)


def trained(check, documents, folder):
    """Every part of a tokenizer in one or more small trained ones."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    N, P, D = normalizers, pre_tokenizers, decoders
    llama_decoder = D.Sequence([D.Replace("\u2581", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)])
    byte_pieces = [f"<0x{b:02X}>" for b in range(256)]
    charsmap = sentencepiece_charsmap(documents, folder)

    def bpe(**words):
        return models.BPE(**words), lambda s: trainers.BpeTrainer(vocab_size=3000, special_tokens=SPECIALS + s.get("special", []), show_progress=False,
                                                               initial_alphabet=s.get("alphabet", []), **s.get("more", {}))

    def unigram():
        return models.Unigram(), lambda s: trainers.UnigramTrainer(vocab_size=2000, special_tokens=SPECIALS + s.get("special", []), unk_token="<unk>",
                                                                   show_progress=False)

    def wordpiece(**words):
        return models.WordPiece(unk_token="[UNK]", **words), lambda s: trainers.WordPieceTrainer(vocab_size=3000, special_tokens=SPECIALS, show_progress=False, **s.get("more", {}))

    def wordlevel():
        return models.WordLevel(unk_token="[UNK]"), lambda s: trainers.WordLevelTrainer(vocab_size=3000, special_tokens=SPECIALS, show_progress=False)

    byte = {"alphabet": alphabet}
    cases = {
        "bpe-bytelevel": (bpe(), None, byte_level(), D.ByteLevel(), byte),
        "bpe-bytelevel-prefix": (bpe(), None, P.ByteLevel(add_prefix_space=True), D.ByteLevel(), byte),
        "bpe-bytelevel-few-letters": (bpe(), None, byte_level(), D.ByteLevel(), {}),
        "bpe-bytelevel-unknown": (bpe(unk_token="<unk>"), None, byte_level(), D.ByteLevel(), {}),
        "bpe-bytelevel-unknown-fused": (bpe(unk_token="<unk>", fuse_unk=True), None, byte_level(), D.ByteLevel(), {}),
        "bpe-llama3": (bpe(ignore_merges=True), None, P.Sequence([split(LLAMA3), byte_level(use_regex=False)]), D.ByteLevel(), byte),
        "bpe-qwen2-nfc": (bpe(), N.NFC(), P.Sequence([split(QWEN2), byte_level(use_regex=False)]), D.ByteLevel(), byte),
        "bpe-nfd-bytelevel": (bpe(), N.NFD(), byte_level(), D.ByteLevel(), byte),
        "bpe-nfkc-lower": (bpe(), N.Sequence([N.NFKC(), N.Lowercase()]), byte_level(), D.ByteLevel(), byte),
        "bpe-nfkd-accents": (bpe(), N.Sequence([N.NFKD(), N.StripAccents(), N.Strip()]), byte_level(), D.ByteLevel(), byte),
        "bpe-digits-bytelevel": (bpe(), None, P.Sequence([P.Digits(individual_digits=True), byte_level()]), D.ByteLevel(), byte),
        "bpe-digits-runs": (bpe(), None, P.Sequence([P.Digits(), P.Punctuation("contiguous"), byte_level()]), D.ByteLevel(), byte),
        "bpe-normalizer-bytelevel": (bpe(), N.ByteLevel(), split(r"\s*\w+|\W+"), D.ByteLevel(), byte),
        "bpe-bytelevel-then-split": (bpe(), None, P.Sequence([byte_level(), P.Split("\u0120", "merged_with_next")]), D.ByteLevel(), byte),
        "bpe-llama2": (bpe(unk_token="<unk>", fuse_unk=True, byte_fallback=True), N.Sequence([N.Prepend("\u2581"), N.Replace(" ", "\u2581")]), None,
                       llama_decoder, {"special": byte_pieces}),
        "bpe-mistral": (bpe(unk_token="<unk>", fuse_unk=True, byte_fallback=True), None, P.Metaspace(prepend_scheme="first", split=False), llama_decoder,
                        {"special": byte_pieces}),
        "bpe-gemma": (bpe(unk_token="<unk>", fuse_unk=True, byte_fallback=True), N.Replace(" ", "\u2581"), P.Split(" ", "merged_with_previous"),
                      D.Sequence([D.Replace("\u2581", " "), D.ByteFallback(), D.Fuse()]), {"special": byte_pieces}),
        "bpe-suffix": (bpe(unk_token="<unk>", end_of_word_suffix="</w>"), N.Lowercase(), P.Whitespace(), D.BPEDecoder("</w>"),
                       {"more": {"end_of_word_suffix": "</w>"}}),
        "bpe-prefix": (bpe(unk_token="<unk>", continuing_subword_prefix="##"), None, P.Whitespace(), D.WordPiece("##"),
                       {"more": {"continuing_subword_prefix": "##"}}),
        "bpe-unknown": (bpe(unk_token="<unk>"), None, P.WhitespaceSplit(), None, {}),
        "unigram-metaspace": (unigram(), N.NFKC(), P.Metaspace(), D.Metaspace(), {}),
        "unigram-metaspace-first": (unigram(), None, P.Metaspace(prepend_scheme="first"), D.Metaspace(prepend_scheme="first"), {}),
        "unigram-metaspace-never": (unigram(), N.Strip(), P.Metaspace(prepend_scheme="never"), D.Metaspace(prepend_scheme="never"), {}),
        "unigram-first-strip": (unigram(), N.Sequence([N.Strip(), N.StripAccents()]), P.Metaspace(prepend_scheme="first"), D.Metaspace(), {}),
        "unigram-nmt": (unigram(), N.Sequence([N.Nmt(), N.NFKC(), N.Replace(Regex(" {2,}"), " ")]), P.Metaspace(), D.Metaspace(), {}),
        "unigram-charsmap": (unigram(), N.Sequence([N.Precompiled(charsmap), N.Replace(Regex(" {2,}"), "\u2581")]), P.Metaspace(), D.Metaspace(), {}),
        "unigram-bytes": (unigram(), None, P.Metaspace(), llama_decoder, {"special": byte_pieces, "unigram_bytes": True}),
        "wordpiece-bert": (wordpiece(), N.BertNormalizer(), P.BertPreTokenizer(), D.WordPiece(), {}),
        "wordpiece-cased": (wordpiece(), N.BertNormalizer(lowercase=False), P.BertPreTokenizer(), D.WordPiece(cleanup=False), {}),
        "wordpiece-plain": (wordpiece(max_input_chars_per_word=9), N.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False),
                            P.Sequence([P.Whitespace(), P.Punctuation()]), D.WordPiece(), {}),
        "wordlevel": (wordlevel(), N.Lowercase(), P.Sequence([P.WhitespaceSplit(), P.Punctuation("merged_with_previous")]), None, {}),
        "wordlevel-delimiter": (wordlevel(), None, P.CharDelimiterSplit(" "), D.Fuse(), {}),
        "wordlevel-fixed": (wordlevel(), None, P.FixedLength(2), D.Strip("e", 1, 0), {}),
    }
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        for invert in (False, True):
            cases[f"split-{behavior}{'-invert' if invert else ''}"] = (bpe(unk_token="<unk>"), None, split(r"\p{P}| |\d*", behavior, invert), D.Fuse(), {})
    cases["split-classes"] = (bpe(unk_token="<unk>"), N.Replace(Regex(r"^\s+|\s+$"), "\u00b6"), P.Sequence([split(r"\w+"), split(r"[\h]{2}"), split(r"[[:punct:]x\]]|\D$", "merged_with_next")]), D.Fuse(), {})
    around = {"template": processors.TemplateProcessing(single="<s> $A </s> </s>", special_tokens=[("<s>", 1), ("</s>", 2)]),
              "bert-processing": processors.BertProcessing(("[SEP]", 6), ("[CLS]", 5)),
              "roberta-processing": processors.RobertaProcessing(("</s>", 2), ("<s>", 1)),
              "processors": processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])])}
    for name in around:
        cases[name] = cases["bpe-bytelevel"]
    flags = [AddedToken("the", single_word=True), AddedToken("<|end|>", lstrip=True, rstrip=True, special=True), AddedToken("Hello", normalized=True),
             AddedToken("hello", normalized=False), AddedToken("<s>", rstrip=True, normalized=False, special=True), AddedToken("  "),
             AddedToken("aaa", lstrip=True), AddedToken("\u00e9\u00e8", normalized=True)]
    for name in ("bpe-nfkc-lower", "wordpiece-bert", "unigram-metaspace-first", "bpe-mistral"):
        cases["added-" + name] = cases[name]
    for name, ((model, trainer), normalizer, cut, decoder, settings) in cases.items():
        if not check.wanted(name):
            continue
        t = Tokenizer(model)
        if normalizer:
            t.normalizer = normalizer
        if cut:
            t.pre_tokenizer = cut
        elif settings.get("special"):
            t.pre_tokenizer = P.Split("\u2581", "merged_with_next")  # only for the training
        if decoder:
            t.decoder = decoder
        t.train_from_iterator(documents, trainer(settings))
        if not cut and settings.get("special"):
            t.pre_tokenizer = None
        if name in around:
            t.post_processor = around[name]
        if name.startswith("added-"):
            t.add_tokens([a for a in flags if not a.special])
            t.add_special_tokens([a for a in flags if a.special])
        file = folder / f"{name}.json"
        content = json.loads(t.to_str())
        if settings.get("special"):  # bytes are ordinary tokens of the model
            content["added_tokens"] = [a for a in content["added_tokens"] if a["content"] not in byte_pieces]
        if settings.get("unigram_bytes"):
            content["model"]["byte_fallback"] = True
        file.write_text(json.dumps(content, ensure_ascii=False))
        check_json(check, name, file, name in around)


def sentencepiece_charsmap(documents, folder):
    """The character map of SentencePiece's nmt_nfkc rules, out of a model that is trained with them."""
    import sentencepiece
    if not (folder / "map.model").exists():
        (folder / "map.txt").write_text("\n".join(documents[:2000]))
        sentencepiece.SentencePieceTrainer.train(input=str(folder / "map.txt"), model_prefix=str(folder / "map"), vocab_size=1000, character_coverage=0.98,
                                                 normalization_rule_name="nmt_nfkc", minloglevel=2)
    model = (folder / "map.model").read_bytes()
    return charsmap_of(model)


def fields(raw):
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            value |= (raw[at] & 127) << shift
            shift += 7
            at += 1
            if raw[at - 1] < 128:
                return value
    while at < len(raw):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
        else:
            length = varint() if kind == 2 else 4 if kind == 5 else 8
            yield key >> 3, raw[at:at + length]
            at += length


def charsmap_of(model):
    normalizer = next(value for number, value in fields(model) if number == 3)
    return next((value for number, value in fields(normalizer) if number == 2), b"")


def sentencepieces(check, documents, folder, data):
    import sentencepiece

    def check_model(name, file):
        if not check.wanted(name):
            return
        peer = sentencepiece.SentencePieceProcessor(model_file=str(file))
        check(name, file, lambda texts: [peer.encode(x) for x in texts], lambda ids: peer.decode(ids), "plain")
    for file in (data / "lm-llama2-tokenizer/tokenizer.model", data / "torchtune-assets/m.model"):
        if file.exists():
            check_model("spm-" + file.parent.name, file)
    (folder / "spm.txt").write_text("\n".join(documents[:4000]))
    trainings = {
        "spm-unigram": dict(model_type="unigram", vocab_size=2000, character_coverage=0.98),
        "spm-unigram-bytes": dict(model_type="unigram", vocab_size=2000, character_coverage=0.98, byte_fallback=True),
        "spm-unigram-users": dict(model_type="unigram", vocab_size=2000, character_coverage=0.98, user_defined_symbols="<|end|>,the,  ,\U0001F44D", control_symbols="<ctl>"),
        "spm-unigram-identity": dict(model_type="unigram", vocab_size=2000, character_coverage=0.98, normalization_rule_name="identity", add_dummy_prefix=False,
                                     remove_extra_whitespaces=False),
        "spm-unigram-cf": dict(model_type="unigram", vocab_size=2000, character_coverage=0.98, normalization_rule_name="nfkc_cf", treat_whitespace_as_suffix=True),
        "spm-bpe": dict(model_type="bpe", vocab_size=2500, character_coverage=0.98),
        "spm-bpe-bytes": dict(model_type="bpe", vocab_size=2500, character_coverage=0.98, byte_fallback=True, split_digits=True, normalization_rule_name="identity",
                              remove_extra_whitespaces=False, unk_surface=" ?? "),
        "spm-bpe-users": dict(model_type="bpe", vocab_size=2500, character_coverage=0.98, user_defined_symbols="<|end|>,the,ab", control_symbols="<ctl>",
                              add_dummy_prefix=False),
    }
    for name, settings in trainings.items():
        if check.wanted(name):
            sentencepiece.SentencePieceTrainer.train(input=str(folder / "spm.txt"), model_prefix=str(folder / name), minloglevel=2, num_threads=2, **settings)
            check_model(name, folder / f"{name}.model")


def files(check, folder, data):
    import tiktoken
    gpt2 = data / "gpt2-bpe"
    if gpt2.exists():
        home = folder / "gpt2"
        home.mkdir(exist_ok=True)
        (home / "vocab.json").write_bytes(gzip.open(gpt2 / "gpt2_vocab.json.gz").read())
        merges = gzip.open(gpt2 / "gpt2_merges.txt.gz").read()
        (home / "merges.txt").write_bytes(merges)
        vocabulary = json.loads((home / "vocab.json").read_text())
        t = Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(m.split(" ")) for m in merges.decode().split("\n") if m and not m.startswith("#version")]))
        t.pre_tokenizer, t.decoder = byte_level(), decoders.ByteLevel()
        t.add_special_tokens(["<|endoftext|>"])
        encode, decode = lambda texts: [e.ids for e in t.encode_batch(texts)], lambda ids: t.decode(ids)
        check("gpt2-folder", home, encode, decode)
        t.save(str(folder / "gpt2.json"))
        check_json(check, "gpt2-json", folder / "gpt2.json")
        vocab = data / "gguf-vocab/ggml-vocab-gpt-2.gguf.gz"
        if vocab.exists():
            (folder / "gpt2.gguf").write_bytes(gzip.open(vocab).read())
            check("gguf-gpt2", folder / "gpt2.gguf", encode, decode)
    bert = data / "gguf-vocab/ggml-vocab-bert-bge.gguf.gz"
    if bert.exists() and check.wanted("gguf-bert"):
        (folder / "bert.gguf").write_bytes(gzip.open(bert).read())
        tokens = gguf_strings(folder / "bert.gguf", b"tokenizer.ggml.tokens")
        words = {}
        for i, token in enumerate(tokens):
            token = token.decode()
            words[token[1:] if token.startswith("\u2581") else token if token[0] == "[" and token[-1] == "]" and len(token) > 2 else "##" + token] = i
        t = Tokenizer(models.WordPiece(words, unk_token="[UNK]", max_input_chars_per_word=100))
        t.normalizer, t.pre_tokenizer, t.decoder = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece(cleanup=False)
        t.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        check("gguf-bert", folder / "bert.gguf", lambda texts: [e.ids for e in t.encode_batch(texts)], lambda ids: t.decode(ids))
    tune = data / "torchtune-assets"
    for name in ("tiny_bpe_tokenizer.json", "tokenizer.json"):
        if (tune / name).exists():
            check_json(check, "torchtune-" + name, tune / name)
    ranks = tune / "tiktoken_small.model"
    if ranks.exists():
        lines = [line.split() for line in ranks.read_text().split("\n") if line]
        peer = tiktoken.Encoding("small", pat_str=LLAMA3, mergeable_ranks={base64.b64decode(a): int(b) for a, b in lines}, special_tokens={})
        check("tiktoken", ranks, lambda texts: [peer.encode_ordinary(x) for x in texts], lambda ids: peer.decode([i for i in ids if i < len(lines)]))


def gguf_strings(path, key):
    import struct
    raw = path.read_bytes()
    at = raw.index(key) + len(key)
    kind, inner, count = struct.unpack("<IIQ", raw[at:at + 16])
    assert (kind, inner) == (9, 8)
    at, out = at + 16, []
    for _ in range(count):
        (length,) = struct.unpack("<Q", raw[at:at + 8])
        out.append(raw[at + 8:at + 8 + length])
        at += 8 + length
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", action="append", help="names with this word")
    parser.add_argument("--keep", type=Path, help="a folder for the files made, kept")
    options = parser.parse_args()
    rng = random.Random(11)
    lines = read_lines(options.data, rng)
    texts = lines + [random_text(rng) for _ in range(4000)] + ["", " ", "  a", "a  ", "\u0301", "\u2581", "a" * 3000, " " * 3000, "\u0301\u0323" * 500]
    with tempfile.TemporaryDirectory() as name:
        folder = options.keep or Path(name)
        folder.mkdir(exist_ok=True)
        check = Check(options.binary, texts, folder, options.only)
        documents = lines[::2]
        files(check, folder, options.data)
        sentencepieces(check, documents, folder, options.data)
        trained(check, documents, folder)
    print(f"{len(check.failed)} wrong: {' '.join(check.failed)}" if check.failed else "all agree")
    sys.exit(1 if check.failed else 0)


if __name__ == "__main__":
    main()
