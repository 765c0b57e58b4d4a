#!/usr/bin/env python3
"""Compares Assay's chat templates with jinja2 as `transformers` sets it up, byte for byte.

    python3 -m venv venv && venv/bin/pip install transformers jinja2
    venv/bin/python bench/peers/templates.py build/release/bench/bench_templates                the fixtures
    venv/bin/python bench/peers/templates.py build/release/bench/bench_templates --folder DIR   every *.jinja below DIR
    venv/bin/python bench/peers/templates.py --write                                            writes what is expected

The fixtures are tests/jinja/cases.jsonl (one small template in a line) and tests/jinja/*.jinja with their
conversations in *.json; `--write` puts jinja2's text and generation spans, or "error", into them, which is what
tests/jinja/test_jinja.c holds Assay to. Templates of a folder are rendered with the conversations below.
Both sides must give the same text (and the same spans, where a template marks what is generated), or both an error.
"""
import argparse
import json
import re
import subprocess
import tempfile
from datetime import datetime
from pathlib import Path

from transformers.utils import chat_template_utils

ROOT = Path(__file__).resolve().parents[2]
NOW = [2026, 3, 7, 14, 5, 9]

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a place.\nToday's, in <degrees> & wind.",
        "parameters": {"type": "object", "required": ["place"], "properties": {
            "place": {"type": "string", "description": "a town"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": ["integer", "null"], "minimum": 1}}},
        "return": {"type": "number", "description": "degrees"}}},
    {"type": "function", "function": {
        "name": "add", "description": "Adds numbers.",
        "parameters": {"type": "object", "properties": {
            "numbers": {"type": "array", "items": {"type": "number"}},
            "exact": {"type": "boolean"},
            "options": {"type": "object", "properties": {"digits": {"type": "integer"}}}}}}},
]


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def call(name, arguments, number=0):
    return {"id": f"call{number:05d}", "type": "function", "function": {"name": name, "arguments": arguments}}


SYSTEM = {"role": "system", "content": "You are terse.  "}
WEATHER = call("get_weather", {"place": "Brill", "days": 2})
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "call00000", "content": '{"degrees": 21.5}'}
CHATS = {
    "one": [user("Who sells bread?")],
    "system": [SYSTEM, user("  Who sells bread?\n")],
    "turns": [user("Who?"), assistant("Ada."), user("Where?")],
    "system turns": [SYSTEM, user("Who?"), assistant(" Ada. "), user("Where?"), assistant("Brill."), user("Ünïcode 日本 \"quotes\" <|end|>")],
    "twice": [user("a"), user("b")],
    "assistant first": [assistant("Hello."), user("Hi.")],
    "answered": [user("Who?"), assistant("Ada.")],
    "thinking": [user("2+2?"), assistant("<think>\nIt is 4.\n</think>\n\nFour."), user("sure?")],
    "reasoning": [user("2+2?"), assistant("Four.", reasoning_content="It is 4."), user("sure?"), assistant("Yes.", reasoning_content="Still.")],
    "blocks": [{"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "here."}]}],
    "image": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]}],
    "call": [SYSTEM, user("Weather?"), assistant("", tool_calls=[WEATHER]), RESULT],
    "call none": [user("Weather?"), assistant(None, tool_calls=[WEATHER]), RESULT, assistant("Warm."), user("Thanks")],
    "calls": [user("Weather and sum?"), assistant("I look.", tool_calls=[WEATHER, call("add", {"numbers": [1, 2.5], "exact": True}, 1)]),
              RESULT, {"role": "tool", "name": "add", "tool_call_id": "call00001", "content": "3.5"}],
    "call text": [user("Weather?"), assistant("", tool_calls=[call("get_weather", '{"place": "Brill"}')]), RESULT],
    "long id": [user("W?"), assistant("", tool_calls=[{**WEATHER, "id": "abcdef123"}]), {**RESULT, "tool_call_id": "abcdef123"}, assistant("ok"), user("q")],
    "unknown role": [user("a"), {"role": "oracle", "content": "b"}],
    "developer": [{"role": "developer", "content": "Be kind."}, user("Hi")],
    "empty": [],
}
SPECIALS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def situations():
    """(name, variables) of every rendering of a foreign template."""
    for name, chat in CHATS.items():
        plain = {"messages": chat, "add_generation_prompt": True, "tools": None, "documents": None, **SPECIALS}
        yield name, plain
        yield name + ", no prompt", {**plain, "add_generation_prompt": False}
        if name in ("one", "system", "call", "calls", "call none", "call text", "long id", "turns"):
            yield name + ", tools", {**plain, "tools": TOOLS}
        if name in ("one", "system turns", "reasoning", "thinking", "call"):
            yield name + ", thinking", {**plain, "enable_thinking": True, "thinking": True, "tools": TOOLS}
            yield name + ", not thinking", {**plain, "enable_thinking": False, "thinking": False}
    yield "documents", {"messages": CHATS["system"], "add_generation_prompt": True, "tools": None, **SPECIALS,
                        "documents": [{"title": "Bread", "text": "Ada sells bread.", "doc_id": 1}]}


def theirs(template, variables, now):
    try:
        compiled = chat_template_utils._compile_jinja_template(template)
        compiled.globals["strftime_now"] = lambda form: datetime(*now).strftime(form)
        variables = dict(variables)
        if "messages" in variables:
            variables["messages"] = chat_template_utils._alias_reasoning_fields(variables["messages"])
        text, spans = chat_template_utils._render_with_assistant_indices(
            compiled, variables.pop("messages", None), variables.pop("tools", None), variables.pop("documents", None),
            variables.pop("add_generation_prompt", None), **variables)
        text.encode()
        return {"text": text, "generation": joined(spans)}
    except Exception as problem:  # any: templates may fail in every way that Python can
        return {"error": f"{type(problem).__name__}: {problem}"}


def joined(spans):
    out = []
    for start, end in spans:
        if start == end:
            continue
        if out and out[-1][1] == start:
            out[-1][1] = end
        else:
            out.append([start, end])
    return out


def given(variables):
    """What jinja2 gets: the four names that `transformers` always gives stand even where a fixture leaves them out."""
    variables = {"messages": None, "tools": None, "documents": None, "add_generation_prompt": None, **variables}
    if variables["messages"]:
        variables["messages"] = chat_template_utils._alias_reasoning_fields(variables["messages"])
    return variables


def ours(binary, cases):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as lines:
        for template, variables, now in cases:
            lines.write(json.dumps({"template": template, "variables": given(variables), "now": now}) + "\n")
        lines.flush()
        done = subprocess.run([binary, lines.name], check=True, capture_output=True)
    return [json.loads(line) for line in done.stdout.split(b"\n") if line]


def same(a, b):
    if "error" in a or "error" in b:
        return "error" in a and "error" in b
    return a["text"] == b["text"] and a["generation"] == b["generation"]


def compare(binary, named, show):
    """Prints how many of the named cases agree; the first differences in full."""
    cases = [case for _, case in named]
    results = ours(binary, cases)
    bad, errors, raised = 0, 0, {}
    for (name, (template, variables, now)), our in zip(named, results, strict=True):
        their = theirs(template, variables, now)
        errors += "error" in their
        if same(our, their):
            continue
        bad += 1
        raised[name.split(":")[0]] = raised.get(name.split(":")[0], 0) + 1
        if bad <= show:
            print(f"--- {name}\n   theirs: {their.get('text', their.get('error'))!r}\n   ours:   {our.get('text', our.get('error'))!r}")
            if "text" in our and "text" in their:
                print(f"   spans:  {their['generation']} {our['generation']}")
    print(f"{len(named) - bad} of {len(named)} the same ({errors} of them errors on both sides)" if bad == 0 else
          f"{len(named) - bad} of {len(named)} the same; {bad} differ in {len(raised)} templates: {raised}")
    return bad == 0


def fixtures():
    lines = (ROOT / "tests/jinja/cases.jsonl").read_text().split("\n")
    for number, line in enumerate(filter(None, lines), 1):
        case = json.loads(line)
        yield f"cases.jsonl {number}", (case["template"], case.get("variables", {}), NOW)
    for path in sorted((ROOT / "tests/jinja").glob("*.jinja")):
        for number, case in enumerate(json.loads(path.with_suffix(".json").read_text()), 1):
            yield f"{path.name} {number}", (path.read_text(), case["variables"], NOW)


def expected(case, template):
    result = theirs(template, case.get("variables", {}), NOW)
    case = {key: value for key, value in case.items() if key not in ("text", "generation", "error")}
    if "error" in result:
        return {**case, "error": result["error"].split(":")[0]}
    return {**case, "text": result["text"], **({"generation": result["generation"]} if result["generation"] else {})}


def write():
    path = ROOT / "tests/jinja/cases.jsonl"
    cases = [json.loads(line) for line in path.read_text().split("\n") if line]
    path.write_text("".join(json.dumps(expected(case, case["template"])) + "\n" for case in cases))
    for path in sorted((ROOT / "tests/jinja").glob("*.jinja")):
        beside = path.with_suffix(".json")
        cases = [expected(case, path.read_text()) for case in json.loads(beside.read_text())]
        beside.write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary", nargs="?")
    arguments.add_argument("--folder")
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--show", type=int, default=10, help="differences to print")
    options = arguments.parse_args()
    if options.write:
        write()
    if not options.binary:
        return 0
    if not options.folder:
        return 0 if compare(options.binary, list(fixtures()), options.show) else 1
    named, files = [], sorted(Path(options.folder).rglob("*.jinja"))
    for path in files:
        template = path.read_text()
        named += [(f"{path.name}: {name}", (template, variables, NOW)) for name, variables in situations()]
    print(f"{len(files)} templates")
    return 0 if compare(options.binary, named, options.show) else 1


if __name__ == "__main__":
    raise SystemExit(main())
