#!/usr/bin/env python3
"""An agent that asks the subject beneath it several times and gives the commonest answer.
assay run STUDY -m plugin:./@NAME@.py,base    assay run STUDY -m 'plugin:./@NAME@.py?times=5,base'"""
from collections import Counter
from assay_plugin import Agent

agent = Agent("@NAME@", title="@NAME@: the commonest of several answers", seeds=True, params=[
    {"name": "times", "type": "int", "min": 1, "max": 99, "default": 3, "help": "questions to the subject beneath"}])

@agent.answer
def answer(messages, ask, options, params):
    said = [ask(messages, temperature=1, max_tokens=options["max_tokens"]).text for _ in range(params["times"])]
    return Counter(said).most_common(1)[0][0]

agent.main()
