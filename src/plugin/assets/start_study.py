#!/usr/bin/env python3
"""Does an answer change when the two options are named the other way round?  assay run ./@NAME@.py -m base"""
from assay_plugin import Study

study = Study("@NAME@", title="@NAME@: answers that depend on which option is named first",
              what="of the answers change with the order of the options", requests=2, answer_tokens=16, params=[
    {"name": "items", "type": "int", "min": 1, "max": 1000000, "default": 200, "help": "pairs of questions"}])

COLOURS = ["black", "blue", "gold", "green", "grey", "red", "white"]

@study.items
def items(params, random):
    return [random.sample(COLOURS, 2) for _ in range(params["items"])]

@study.sample
def sample(item, ask):
    first, second = (ask(f"Is the favourite colour of Mia {a} or {b}?", max_tokens=16).text.strip()
                     for a, b in (item, item[::-1]))
    verdict = "unreadable" if not (first and second) else "good" if first == second else "bad"
    return {"group": "order", "verdict": verdict, "expected": first, "answered": second}

study.main()
