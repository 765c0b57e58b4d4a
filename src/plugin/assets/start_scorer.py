#!/usr/bin/env python3
"""Is an answer polite?  A scorer judges what was answered, and asks nobody."""
from assay_plugin import Scorer

scorer = Scorer("@NAME@", title="@NAME@: answers that are polite", params=[
    {"name": "words", "type": "string", "default": "please,thank", "help": "words of which one must stand in the answer"}])

@scorer.judge
def judge(answered, params):
    found = [word for word in params["words"].split(",") if word in answered.lower()]
    return {"verdict": "good" if found else "bad", "scored": f"says {found[0]}" if found else "says nothing polite"}

scorer.main()
