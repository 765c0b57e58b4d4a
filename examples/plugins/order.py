#!/usr/bin/env python3
from assay_plugin import Study

study = Study("order", title="Does an answer change with the order of two options?",
              what="of the answers change", params=[
    {"name": "items", "type": "int", "min": 1, "max": 100000, "default": 100, "help": "pairs of questions"}])

@study.items
def items(params, random):
    pets = ["a cat", "an owl", "a dog", "a fox"]
    return [{"pets": random.sample(pets, 2)} for _ in range(params["items"])]

@study.sample
def sample(item, ask):
    a, b = item["pets"]
    first = ask(f"Is the pet of Ada {a} or {b}?", max_tokens=12, temperature=1).text
    second = ask(f"Is the pet of Ada {b} or {a}?", max_tokens=12, temperature=1).text
    return {"group": "order", "answered": second,
            "verdict": "bad" if (a in first) != (a in second) else "good"}

study.main()
