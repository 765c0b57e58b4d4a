"""Studies, scorers, tools and agents for Assay, in Python: one file, the standard library alone.

    #!/usr/bin/env python3
    from assay_plugin import Study

    study = Study("order", title="Does an answer change with the order of two options?")

    @study.items
    def items(params, random):
        return [{"a": "a cat", "b": "an owl"}] * 10

    @study.sample
    def sample(item, ask):
        reply = ask(f"Is it {item['a']} or {item['b']}?")
        return {"verdict": "good" if item["a"] in reply.text else "bad"}

    study.main()

Run it with `assay run ./order.py -m SUBJECT`. The manual is docs/plugins.md of Assay. What the functions print goes to
standard error, and is shown: standard output belongs to the protocol.
"""
import functools, inspect, json, os, queue, random as _random, sys, threading

PROTOCOL = 1
_in, _out = os.dup(0), os.fdopen(os.dup(1), "wb", buffering=1 << 16)
os.dup2(2, 1)  # print() must not get into the protocol
os.close(0)
os.open(os.devnull, os.O_RDONLY)
_lock = threading.Lock()


class AskError(Exception):
    """A question that got no answer: the words say why, and `code` is the kind of failure."""

    def __init__(self, words, code=None):
        super().__init__(words)
        self.code = code


class Reply(dict):
    """An answer: text, reason ("end", "stop_string", "length", "refused"), prompt_tokens, completion_tokens, logprob."""

    __getattr__ = dict.get

    def __str__(self):
        return self["text"]


def _send(message, flush=True):
    line = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
    with _lock:
        _out.write(line)
        if flush:
            _out.flush()


def _batches():
    """The lines of standard input, as many at once as there are."""
    parts = []
    while True:
        chunk = os.read(_in, 1 << 16)
        if not chunk:
            return
        parts.append(chunk)
        if b"\n" in chunk:
            *lines, rest = b"".join(parts).split(b"\n")
            parts = [rest]
            yield lines


def _words(problem):
    """One line about an exception, with the last place in the plug-in's own code."""
    place, trace = "", problem.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename != __file__:
            place = f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(problem).__name__}: {problem}{place}"


class Asker:
    """What a function asks with: ask("text") or ask([{"role": "user", "content": "text"}], role="judge", max_tokens=32)."""

    def __init__(self, id, message):
        self.id, self.message, self.replies = id, message, queue.SimpleQueue()
        self.index, self.repeat = message.get("index"), message.get("repeat")

    @functools.cached_property
    def random(self):
        """The same draws whenever this sample is run."""
        return _random.Random(self.message.get("seed"))

    def _request(self, kind, body):
        _send({"id": self.id, kind: body})
        reply = self.replies.get()
        if reply.get("do") == "cancel":
            raise SystemExit
        if "error" in reply:
            raise AskError(reply["error"], reply.get("code"))
        return reply

    def __call__(self, messages, role="subject", **options):
        """Asks a role and waits: a Reply. Options: max_tokens, temperature, stop, logprobs, tools, position, good, bad."""
        return Reply(self._request("ask", {"role": role, "messages": messages, **options})["answer"])

    def score(self, messages, continuations, role="subject"):
        """Log-probabilities of the continuations, each as the answer: a list of {"logprob", "tokens"}."""
        return self._request("score", {"role": role, "messages": messages, "continuations": continuations})["scores"]


class _Question:
    """What a coroutine waits for."""

    def __init__(self, kind, body):
        self.kind, self.body = kind, body

    def __await__(self):
        return (yield self)


class AsyncAsker(Asker):
    """The same for `async def`: await ask("text"). Faster where a subject answers thousands of questions a second."""

    async def __call__(self, messages, role="subject", **options):
        return Reply((await _Question("ask", {"role": role, "messages": messages, **options}))["answer"])

    async def score(self, messages, continuations, role="subject"):
        return (await _Question("score", {"role": role, "messages": messages, "continuations": continuations}))["scores"]


class Plugin:
    def __init__(self, kind, name, **declared):
        self.declared = {"protocol": PROTOCOL, "kind": kind, "name": name, **declared}
        self.open, self.ready, self.idle = {}, queue.SimpleQueue(), 0

    def main(self):
        for lines in _batches():
            for line in lines:
                if line:
                    self._take(json.loads(line))
            with _lock:
                _out.flush()
        os._exit(0)  # functions that still run have nobody to tell

    def _take(self, message):
        id, do = message.pop("id"), message.get("do")
        asker = self.open.get(id)
        if do == "hello":
            _send({"id": id, **self.declared})
        elif do and do != "cancel":
            self._start(id, message)
        elif isinstance(asker, AsyncAsker):
            self._step(asker, message)
        elif asker:
            asker.replies.put(message)

    def _start(self, id, message):
        """A function has a thread of its own while it lasts (threads are kept for the next ones); a coroutine needs none."""
        if message["do"] == "sample" and self._is_coroutine:
            asker = self.open[id] = AsyncAsker(id, message)
            asker.coroutine = self.do_sample(message, asker)["record"]
            return self._step(asker, None)
        self.open[id] = Asker(id, message)
        with _lock:
            spare = self.idle > 0
            self.idle -= spare
        self.ready.put(id)
        if not spare:
            threading.Thread(target=self._work, daemon=True).start()

    def _step(self, asker, reply):
        """Goes on with a coroutine until it waits for the next answer, or is done."""
        try:
            if reply and reply.get("do") == "cancel":
                asker.coroutine.close()
                del self.open[asker.id]
                return
            if reply and "error" in reply:
                asked = asker.coroutine.throw(AskError(reply["error"], reply.get("code")))
            else:
                asked = asker.coroutine.send(reply)
            if not isinstance(asked, _Question):
                raise TypeError("a coroutine may wait for `ask` alone; use `def` where other things are waited for")
            _send({"id": asker.id, asked.kind: asked.body}, flush=False)
        except StopIteration as end:
            self._end(asker, {"record": end.value}, flush=False)
        except Exception as problem:
            self._end(asker, {"fail": _words(problem)}, flush=False)

    def _end(self, asker, answer, flush=True):
        del self.open[asker.id]
        try:
            _send({"id": asker.id, **answer}, flush)
        except (TypeError, ValueError) as problem:  # it is no JSON
            _send({"id": asker.id, "fail": _words(problem)}, flush)

    def _work(self):
        while True:
            asker = self.open[self.ready.get()]
            try:
                answer = getattr(self, "do_" + asker.message["do"])(asker.message, asker)
            except SystemExit:
                del self.open[asker.id]
                answer = None
            except Exception as problem:
                answer = {"fail": _words(problem)}
            with _lock:
                self.idle += 1
            if answer is not None:
                self._end(asker, answer)


class Study(Plugin):
    """counts="bad" or "good": the verdict whose share is the figure; what="...": words for it in the report."""

    _is_coroutine = False

    def __init__(self, name, **declared):
        super().__init__("study", name, **declared)
        self.params = {}

    def items(self, function):
        """function(params, random): the list of items, from the parameters and the seeded `random` alone."""
        self._items = function
        return function

    def sample(self, function):
        """function(item, ask) or function(item, ask, params): the record of one sample."""
        self._sample, self._wide = function, len(inspect.signature(function).parameters) > 2
        self._is_coroutine = inspect.iscoroutinefunction(function)
        return function

    def summary(self, function):
        """function(records, params): the summary, from the records alone (None stands for a sample that failed)."""
        self._summary, self.declared["summarises"] = function, True
        return function

    def do_prepare(self, message, asker):
        self.params = message["params"]
        part, size = [], 0
        for item in self._items(self.params, _random.Random(message["seed"])):
            if size > 1 << 22:  # a line has its limit
                _send({"id": asker.id, "items": part, "more": True})
                part, size = [], 0
            part.append(item)
            size += len(json.dumps(item))
        return {"items": part}

    def do_sample(self, message, asker):
        more = (self.params,) if self._wide else ()
        return {"record": self._sample(message["item"], asker, *more)}

    def do_summarise(self, message, asker):
        result = self._summary(message["records"], message["params"])
        return result if "summary" in result else {"summary": result}


class Scorer(Plugin):
    """function(answered, asked=..., expected=..., item=..., params=...): "good", "bad", "unreadable", a number, or a dict with
    verdict, value and scored (a sentence on why)."""

    def __init__(self, name, **declared):
        super().__init__("scorer", name, **declared)
        self.params = {}

    def judge(self, function):
        self._judge = _by_name(function)
        return function

    def do_prepare(self, message, asker):
        self.params = message["params"]
        return {"ready": True}

    def do_judge(self, message, asker):
        known = {key: message[key] for key in ("asked", "expected", "item")}
        found = self._judge(message["answered"], params=self.params, **known)
        if isinstance(found, bool):
            found = "good" if found else "bad"
        if isinstance(found, (int, float)):
            found = {"verdict": None, "value": found}
        return found if isinstance(found, dict) else {"verdict": found}


class Tool(Plugin):
    """parameters={...}: the JSON schema of the arguments, which the function gets by name. It returns a text or JSON."""

    def __init__(self, name, parameters, **declared):
        super().__init__("tool", name, parameters=parameters, **declared)

    def call(self, function):
        self._call = function
        return function

    def do_call(self, message, asker):
        return {"result": self._call(**message["arguments"])}


class Agent(Plugin):
    """function(messages, ask, options=..., params=...): the answer, a text. `ask` asks the subject beneath, where there is one;
    options: max_tokens, temperature, stop, tools. seeds=True: it draws from ask.random alone."""

    def __init__(self, name, **declared):
        super().__init__("agent", name, **declared)
        self.params = {}

    def answer(self, function):
        self._answer = _by_name(function)
        return function

    def do_prepare(self, message, asker):
        self.params = message["params"]
        return {"ready": True}

    def do_generate(self, message, asker):
        options = {key: message.get(key) for key in ("max_tokens", "temperature", "stop", "tools")}
        answer = self._answer(message["messages"], asker, options=options, params=self.params)
        return {"answer": str(answer) if isinstance(answer, Reply) else answer}


def _by_name(function):
    """Gives a function only those named arguments that it takes."""
    takes = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return function
    return lambda *given, **named: function(*given, **{k: v for k, v in named.items() if k in takes})
