#!/usr/bin/env python3
"""A study that does what the variable FAULT says when it comes to sample 7 (else nothing is wrong with it): for
test_faults.c. It speaks the protocol by itself, and counts in the file STARTS how often it was started."""
import json, os, signal, subprocess, sys, time

fault = os.environ.get("FAULT", "")
with open(os.environ["STARTS"], "a") as file:
    file.write("started\n")
with open(os.environ["STARTS"]) as file:
    starts = len(file.read().split())


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def raw(text):
    sys.stdout.write(text)
    sys.stdout.flush()


def forever():
    while True:
        time.sleep(1)


def flood():
    while True:
        sys.stderr.write("x" * 8192 + "\n")


def ignore_the_end():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for line in sys.stdin:
        take(json.loads(line))
    forever()


def child():
    subprocess.Popen(["sleep", "600"])  # holds all three pipes


bad = {
    "die": lambda id: os._exit(3),
    "crash": lambda id: os.kill(os.getpid(), signal.SIGSEGV),
    "hang": lambda id: forever(),
    "rubbish": lambda id: raw("Traceback: \x1b[31m this is no JSON\n"),
    "number": lambda id: raw("17\n"),
    "no-id": lambda id: say({"record": {}}),
    "unknown-id": lambda id: say({"id": id + 1000000, "record": {}}),
    "half-line": lambda id: (raw('{"id": %d, "rec' % id), os._exit(0)),
    "half-line-hang": lambda id: (raw('{"id": %d, "rec' % id), forever()),
    "long-line": lambda id: raw('{"id": %d, "record": {"x": "' % id + "x" * 100000000 + '"}}\n'),
    "endless-line": lambda id: [raw("x" * 65536) for _ in range(1 << 30)],
    "no-answer": lambda id: None,
    "list": lambda id: say({"id": id, "record": [1]}),
    "verdict": lambda id: say({"id": id, "record": {"verdict": 5}}),
    "group": lambda id: say({"id": id, "record": {"group": {}}}),
    "value": lambda id: say({"id": id, "record": {"value": "much"}}),
    "other": lambda id: say({"id": id, "answer": "no"}),
    "nothing": lambda id: say({"id": id}),
    "fail": lambda id: say({"id": id, "fail": "I\nhave\x07 enough"}),
    "role": lambda id: say({"id": id, "ask": {"role": "judge", "messages": "?"}}),
    "messages": lambda id: say({"id": id, "ask": {"messages": [{"role": "nobody"}]}}),
    "slip": lambda id: say({"id": id, "ask": {"messages": "?", "max_token": 5}}),
    "talks": lambda id: [say({"id": id, "ask": {"messages": "?"}}) for _ in range(100000)],
    "asks": lambda id: say({"id": id, "ask": {"messages": "and then?"}}),
    "close": lambda id: (os.close(1), forever()),
    "child-and-die": lambda id: (child(), os._exit(4)),
    "deep": lambda id: raw('{"id": %d, "record": ' % id + "[" * 100000 + "]" * 100000 + "}\n"),
}
others = {
    "twice": lambda id, record: (say({"id": id, "record": record}), say({"id": id, "record": {"verdict": "bad"}})),
}
told = {}


def take(message):
    id, do = message["id"], message.get("do")
    if do == "hello":
        say({"id": id, "protocol": 1, "kind": "study", "name": "faulty", "params": [
            {"name": "items", "type": "int", "min": 1, "max": 100000, "default": 40}]})
    elif do == "prepare":
        if fault == "drifts":
            say({"id": id, "items": list(range(starts, starts + message["params"]["items"]))})
        else:
            say({"id": id, "items": list(range(message["params"]["items"]))})
    elif do == "sample":
        told[id] = message["item"]
        if message["index"] == 7 and fault in bad:
            bad[fault](id)
        elif message["index"] == 7 and fault == "drifts":
            os._exit(5)
        elif message["index"] == 7 and fault == "dies-once" and starts == 1:
            os._exit(6)
        else:
            say({"id": id, "ask": {"messages": "What is %d?" % message["item"], "max_tokens": 8}})
    elif "answer" in message:
        if fault == "asks" and told.get(id) == 7:
            bad["asks"](id)
            return
        record = {"group": "g", "verdict": "good" if message["answer"]["text"] == "yes" else "bad", "item": told.pop(id)}
        others.get(fault, lambda id, record: say({"id": id, "record": record}))(id, record)
    elif "error" in message:
        say({"id": id, "fail": message["error"]})


if fault == "stderr":
    import threading
    threading.Thread(target=flood, daemon=True).start()
if fault == "child":
    child()
if fault == "stays":
    ignore_the_end()
for line in sys.stdin:
    take(json.loads(line))
