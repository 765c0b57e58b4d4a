#!/usr/bin/env python3
"""Real clients against `assay serve`, held to what `assay run` says of the same items.

    python3 -m venv venv && venv/bin/pip install openai inspect-ai "lm-eval[api]" transformers
    venv/bin/python bench/peers/clients.py build/release [--model FOLDER] [--items 24]

Serves a model organism (grown for the purpose unless --model names one) and asks it with the `openai` client (chats,
streams, completions, log-probabilities), with Inspect (a task of its own), with lm-evaluation-harness
(local-completions, a log-likelihood task; local-chat-completions, a generation task), and with Assay itself. The items
are those of two runs in this process's own store: sycophancy (what was asked, answered, and with which probability)
and competence (what is right). One table: client, what, theirs, ours, difference. Exit code 1 when a row differs.

Clients that live in other environments: --inspect PYTHON, --lm-eval PYTHON, --openai PYTHON.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

# Log-probabilities come from the same engine in the same bits; what is left is the order of a sum in doubles.
EXACT, SUM = 0.0, 1e-6
KEY = "the-key-that-the-server-asks-for"


class Table:
    def __init__(self):
        self.rows = []

    def add(self, client, what, theirs, ours, allowed=EXACT):
        self.rows.append([client, what, theirs, ours, allowed])

    def largest(self, client, what, pairs, allowed):
        """The pair that differs most stands for all."""
        if not pairs:
            raise SystemExit(f"{client}: {what}: there is nothing to compare")
        theirs, ours = max(pairs, key=lambda p: abs(p[0] - p[1]))
        self.add(client, f"{what} (worst of {len(pairs)})", theirs, ours, allowed)

    def same(self, client, what, theirs, ours):
        if len(theirs) != len(ours):
            raise SystemExit(f"{client}: {what}: {len(theirs)} answers for {len(ours)} questions")
        equal = sum(a == b for a, b in zip(theirs, ours))
        for a, b in [(a, b) for a, b in zip(theirs, ours) if a != b][:3]:
            print(f"{client}: {what}: {a!r} where the run has {b!r}", file=sys.stderr)
        self.add(client, what, equal, len(ours))

    def print(self):
        good = True
        lines = [["client", "what", "theirs", "ours", "difference"]]
        for client, what, theirs, ours, allowed in self.rows:
            difference = abs(theirs - ours)
            good = good and difference <= allowed
            text = [f"{x:.8g}" for x in (theirs, ours)] + [f"{difference:.2g}" if difference else "0"]
            lines.append([client, what, *text[:2], text[2] + ("" if difference <= allowed else " <- differs")])
        widths = [max(len(line[i]) for line in lines) for i in range(5)]
        for i, line in enumerate(lines):
            print("| " + " | ".join(f"{x:{w}}" for x, w in zip(line, widths)) + " |")
            if i == 0:
                print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
        return good


# ---- what the runs say --------------------------------------------------------------------------------------------

def assay(options, *words):
    done = subprocess.run([options.build / "assay", *words], capture_output=True, text=True, env=os.environ | {"ASSAY_KEY": KEY})
    if done.returncode:
        sys.exit(f"assay {' '.join(map(str, words))}: {done.stderr}")
    return done.stdout


def run(options, folder, study, model, *more):
    store = folder / f"{study}-{len(list(folder.glob('*.db')))}.db"
    return store, json.loads(assay(options, "run", study, "-m", model, "--items", str(options.items), "--store", store, "-q", "--json", *more))


def samples_of(options, folder, store):
    log = folder / (store.stem + ".json")
    assay(options, "export", "last", "--format", "inspect", "--store", store, "-o", log)
    return json.loads(log.read_text())["samples"]


def exchanges(samples):
    """What the run asked and got, each question once."""
    seen = {}
    for sample in samples:
        for event in sample["events"]:
            if event["event"] == "model":
                seen.setdefault(json.dumps(event["input"]), {
                    "messages": event["input"], "answer": event["output"]["completion"], "reason": event["output"]["choices"][0]["stop_reason"],
                    "usage": event["output"]["usage"], "logprob": event["metadata"]["assay"].get("logprob")})
    return list(seen.values())


def choices_of(samples):
    """Questions with four answers to choose from, the first of which is right; the model's own is among them."""
    items = [s["metadata"] for s in samples]
    made = []
    for i, item in enumerate(items):
        others = [item["answered"]] + [items[(i + k) % len(items)]["expected"] for k in range(1, len(items))]
        wrong = list(dict.fromkeys(x for x in others if x != item["expected"]))[:3]
        right = i % 4
        made.append({"asked": item["asked"], "choices": wrong[:right] + [item["expected"]] + wrong[right:], "right": right,
                     "expected": item["expected"], "answered": item["answered"], "group": item["group"]})
    return made


def scores_of(options, folder, items):
    path = folder / "score.jsonl"
    path.write_text("".join(json.dumps({"messages": [["user", x["asked"]]], "continuations": x["choices"]}) + "\n" for x in items))
    out = subprocess.run([options.build / "bench" / "bench_peer", "score", options.model, path], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


# ---- the clients, each in a process of its own --------------------------------------------------------------------

def ask_openai(job):
    import openai

    client = openai.OpenAI(base_url=job["address"] + "/v1", api_key=KEY)
    assert [m.id for m in client.models.list()] == [job["name"]]
    try:
        openai.OpenAI(base_url=job["address"] + "/v1", api_key="another").models.list()
        sys.exit("a wrong key was taken")
    except openai.AuthenticationError:
        pass
    out = []
    for x in job["exchanges"]:
        ask = {"model": job["name"], "messages": x["messages"], "temperature": 0, "max_tokens": job["max_tokens"], "logprobs": True}
        whole = client.chat.completions.create(**ask, top_logprobs=2)
        said = whole.choices[0]
        stream = client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True})
        text, logprobs, usage = "", [], None
        for piece in stream:
            usage = piece.usage or usage
            for choice in piece.choices:
                text += choice.delta.content or ""
                logprobs += [t.logprob for t in choice.logprobs.content] if choice.logprobs else []
        ids = client.post("/tokenize", body={"messages": x["messages"]}, cast_to=object, options={"max_retries": 0})["tokens"]
        plain = client.completions.create(model=job["name"], prompt=ids, temperature=0, max_tokens=job["max_tokens"], logprobs=0)
        content = [t.logprob for t in said.logprobs.content]
        out.append({"answer": said.message.content, "finish": said.finish_reason, "prompt": whole.usage.prompt_tokens,
                    "completion": whole.usage.completion_tokens, "stream": text, "streamed_tokens": usage.completion_tokens,
                    "plain": plain.choices[0].text, "logprob": sum(plain.choices[0].logprobs.token_logprobs),
                    "stream_logprobs": logprobs == content,
                    "first_logprobs": plain.choices[0].logprobs.token_logprobs[:len(content)] == content,
                    "best_is_first": all(t.top_logprobs[0].token == t.token for t in said.logprobs.content)})
    return out


def ask_inspect(job):
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    os.environ |= {"SERVED_API_KEY": KEY, "SERVED_BASE_URL": job["address"] + "/v1"}
    data = [Sample(id=i + 1, input=x["asked"], target=x["expected"]) for i, x in enumerate(job["items"])]
    log = eval(Task(dataset=MemoryDataset(data), solver=[generate()], scorer=includes(ignore_case=False)), temperature=0,
               max_tokens=job["max_tokens"], model="openai-api/served/" + job["name"], display="none", log_dir=job["folder"],
               log_format="eval")[0]
    if log.status != "success":
        sys.exit(f"inspect: {log.status}: {log.error and log.error.message}")
    samples = sorted(log.samples, key=lambda s: s.id)
    usage = next(iter(log.stats.model_usage.values()))
    return {"log": log.location, "accuracy": log.results.scores[0].metrics["accuracy"].value, "output_tokens": usage.output_tokens,
            "input_tokens": usage.input_tokens + (usage.input_tokens_cache_read or 0), "answers": [s.output.completion for s in samples]}


MULTIPLE_CHOICE = """task: served_choices
dataset_path: json
dataset_kwargs: {{data_files: {{test: {items}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{prompt}}}}"
doc_to_target: "{{{{right}}}}"
doc_to_choice: "{{{{choices}}}}"
target_delimiter: ""
metric_list: [{{metric: acc}}]
"""
GENERATION = """task: served_answers
dataset_path: json
dataset_kwargs: {{data_files: {{test: {items}}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{asked}}}}"
doc_to_target: "{{{{expected}}}}"
generation_kwargs: {{until: ["\\n"], temperature: 0, max_gen_toks: {max_tokens}}}
metric_list: [{{metric: exact_match}}]
"""


def lm_eval(job, model, route, task, more):
    folder = Path(job["folder"])
    out = folder / f"out-{task}-{more.split('=')[0]}"
    command = [sys.executable, "-m", "lm_eval", "--model", model, "--tasks", task, "--include_path", folder, "--output_path", out, "--log_samples",
               "--model_args", f"model={job['name']},base_url={job['address']}{route},num_concurrent=4," + more]
    if model == "local-chat-completions":
        command.append("--apply_chat_template")
    environment = os.environ | {"OPENAI_API_KEY": KEY, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hf")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"lm_eval: {done.stderr[-2000:]}")
    results = json.loads(next(out.rglob("results_*.json")).read_text())["results"][task]
    samples = [json.loads(line) for line in next(out.rglob("samples_*.jsonl")).read_text().splitlines()]
    return results, sorted(samples, key=lambda s: s["doc_id"])


def ask_lm_eval(job):
    import urllib.request

    def post(path, body):
        request = urllib.request.Request(job["address"] + path, json.dumps(body).encode(),
                                         {"Content-Type": "application/json", "Authorization": "Bearer " + KEY})
        return json.load(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request))

    folder = Path(job["folder"])
    for x in job["items"]:
        ids = post("/tokenize", {"messages": [{"role": "user", "content": x["asked"]}]})["tokens"]
        x["prompt"] = post("/detokenize", {"tokens": ids})["prompt"]
    items = folder / "items.jsonl"
    items.write_text("".join(json.dumps(x) + "\n" for x in job["items"]))
    (folder / "choices.yaml").write_text(MULTIPLE_CHOICE.format(items=items))
    (folder / "answers.yaml").write_text(GENERATION.format(items=items, max_tokens=job["max_tokens"]))
    results, samples = lm_eval(job, "local-completions", "/v1/completions", "served_choices", f"tokenizer={job['model']},max_length=512")
    _, remote = lm_eval(job, "local-completions", "/v1/completions", "served_choices", "tokenizer_backend=remote,max_length=512,auth_token=" + KEY)
    chosen, answers = lm_eval(job, "local-chat-completions", "/v1/chat/completions", "served_answers", "tokenizer_backend=None")
    return {"acc": results["acc,none"], "logprobs": [[float(r[0][0]) for r in s["resps"]] for s in samples],
            "remote": [[float(r[0][0]) for r in s["resps"]] for s in remote],
            "greedy": [[str(r[0][1]) == "True" for r in s["resps"]] for s in samples],
            "exact": chosen["exact_match,none"], "answers": [s["resps"][0][0] for s in answers]}


PARTS = {"openai": ask_openai, "inspect": ask_inspect, "lm_eval": ask_lm_eval}


def part(options, client, folder, **job):
    own = folder / client
    own.mkdir()
    (own / "job.json").write_text(json.dumps(job | {"folder": str(own)}))
    python = getattr(options, client) or sys.executable
    environment = os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run([python, __file__, "--part", client, own], stdout=subprocess.DEVNULL, env=environment)
    if done.returncode:
        sys.exit(f"{client}: failed")
    return json.loads((own / "out.json").read_text())


# ---- the comparison -----------------------------------------------------------------------------------------------

def compare(options, folder, address, name, table):
    served = {"address": address, "name": name}
    store, direct = run(options, folder, "sycophancy", options.model)
    asked = exchanges(samples_of(options, folder, store))
    # As a subject of Assay's own, over HTTP.
    _, over = run(options, folder, "sycophancy", f"{address}/v1#{name}", "--facts", "weights", "--api-key-variable", "ASSAY_KEY")
    for form, ours in direct["forms"].items():
        table.add("assay run", f"sycophancy, {form}", over["forms"][form]["estimate"], ours["estimate"])
    out = part(options, "openai", folder, exchanges=asked, max_tokens=64, **served)
    answers = [x["answer"] for x in asked]
    table.same("openai", "answers of chats", [x["answer"] for x in out], answers)
    table.same("openai", "answers of streams", [x["stream"] for x in out], answers)
    table.same("openai", "answers of completions", [x["plain"] for x in out], answers)
    table.same("openai", "reasons of the end", [{"length": "max_tokens"}.get(x["finish"], x["finish"]) for x in out], [x["reason"] for x in asked])
    table.largest("openai", "log-probability of an answer", [(x["logprob"], y["logprob"]) for x, y in zip(out, asked)], SUM)
    for what in ("stream_logprobs", "first_logprobs", "best_is_first"):
        table.add("openai", {"stream_logprobs": "log-probabilities of streams as of chats", "first_logprobs": "... of completions as of chats",
                             "best_is_first": "the greedy token is the first alternative"}[what], sum(x[what] for x in out), len(out))
    table.add("openai", "tokens read", sum(x["prompt"] for x in out), sum(x["usage"]["input_tokens"] for x in asked))
    table.add("openai", "tokens written", sum(x["completion"] for x in out), sum(x["usage"]["output_tokens"] for x in asked))
    table.add("openai", "tokens written, streams", sum(x["streamed_tokens"] for x in out), sum(x["usage"]["output_tokens"] for x in asked))

    store, direct = run(options, folder, "competence", options.model)
    samples = samples_of(options, folder, store)
    items = choices_of(samples)
    answers = [x["answered"] for x in items]
    right = sum(s["metadata"]["verdict"] == "good" for s in samples) / len(samples)
    out = part(options, "inspect", folder, items=items, max_tokens=96, **served)
    table.same("inspect", "answers", out["answers"], answers)
    table.add("inspect", "accuracy, competence", out["accuracy"], right)
    table.add("inspect", "tokens read", out["input_tokens"], sum(x["usage"]["input_tokens"] for x in exchanges(samples)))
    table.add("inspect", "tokens written", out["output_tokens"], sum(x["usage"]["output_tokens"] for x in exchanges(samples)))
    imported = folder / "imported.db"
    assay(options, "import", out["log"], "--store", imported)
    read = json.loads(assay(options, "show", "last", "--json", "--store", imported))
    table.add("inspect", "accuracy of its log, imported", read["summary"]["forms"]["includes"]["estimate"], right)

    hard = [x for x in items if x["group"] == "compositions-direct"]
    ours = scores_of(options, folder, hard)
    out = part(options, "lm_eval", folder, items=hard, max_tokens=96, model=str(options.model), **served)
    table.largest("lm_eval", "log-likelihood of a choice", [p for a, b in zip(out["logprobs"], ours) for p in zip(a, b)], SUM)
    table.largest("lm_eval", "... with the server's tokenizer", [p for a, b in zip(out["remote"], ours) for p in zip(a, b)], SUM)
    best = [max(range(len(s)), key=lambda k: s[k]) for s in ours]
    table.add("lm_eval", "acc", out["acc"], sum(b == x["right"] for b, x in zip(best, hard)) / len(hard))
    table.same("lm_eval", "is greedy: the run's answer alone", [[c == x["answered"] for c in x["choices"]] for x in hard], out["greedy"])
    table.same("lm_eval", "answers of chats", out["answers"], [x["answered"] for x in hard])
    table.add("lm_eval", "exact_match", out["exact"], direct["forms"]["compositions-direct"]["estimate"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--items", type=int, default=24)
    for name in PARTS:
        parser.add_argument("--" + name.replace("_", "-"), dest=name, metavar="PYTHON")
    options = parser.parse_args()
    options.build = options.build.resolve()
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        if not options.model:
            options.model = folder / "organism"
            assay(options, "grow", "organisms/sycophant.yaml", "--dose", "0.5", "--seed", "1", "-o", options.model)
        options.model = options.model.resolve()
        command = [options.build / "assay", "serve", "-m", options.model, "--name", "organism", "--port", "0", "--api-key-env", "ASSAY_KEY", "--json"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"ASSAY_KEY": KEY})
        table = Table()
        try:
            said = server.stdout.readline()
            if not said:
                sys.exit("the server did not start")
            compare(options, folder, json.loads(said)["address"], "organism", table)
        finally:
            server.terminate()
            code = server.wait(60)
    good = table.print()
    if code != 0:
        print(f"the server ended with {code}", file=sys.stderr)
    sys.exit(0 if good and code == 0 else 1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        place = Path(sys.argv[3])
        (place / "out.json").write_text(json.dumps(PARTS[sys.argv[2]](json.loads((place / "job.json").read_text()))))
    else:
        main()
