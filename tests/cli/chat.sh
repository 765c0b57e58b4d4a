#!/bin/bash
# `assay chat` as a user meets it: lines through a pipe, and a terminal of its own (a pty) with streaming, commands, Ctrl-C.
. tests/cli/common.bash
# says LINES OPTIONS...: stdout in $work/out, stderr in $work/err, the exit code in $code.
says() { local lines=$1; shift; printf '%b' "$lines" | timeout 120 "$ASSAY" chat "$@" > "$work/out" 2> "$work/err"; code=$?; }

cat > "$work/script.yaml" <<'YAML'
default: I do not know.
rules:
  - matches: '^(?i)who sells bread'
    answer: Ada does.
  - contains: broken
    fails: the line is dead
YAML
script="script:$work/script.yaml"

# A pipe: answers alone on stdout, an answer for each line, empty lines skipped.
says 'Who sells bread?\n\nAnd fish?' -m "$script"
check "answers alone go to stdout" "[ $code -eq 0 ] && [ \"\$(cat $work/out)\" = \"\$(printf 'Ada does.\nI do not know.')\" ] && [ ! -s $work/err ]"
says 'Who sells bread?\n/quit\nAnd fish?\n' -m "$script"
check "/quit ends" "[ $code -eq 0 ] && [ \$(wc -l < $work/out) -eq 1 ]"
says 'broken\nWho sells bread?\n' -m "$script"
check "the first failure ends a pipe" "[ $code -eq 1 ] && ! grep -q Ada $work/out && grep -q 'the line is dead' $work/err"
says '/tempratur 1\n' -m "$script"
check "a wrong command names the right one" "[ $code -eq 2 ] && grep -q 'did you mean /temperature' $work/err"
says '/temperature hot\n' -m "$script"
check "a wrong number is said" "[ $code -eq 2 ] && grep -q 'from 0 to 100' $work/err"
says '/retry\n' -m "$script"
check "nothing to retry" "[ $code -eq 2 ] && grep -q 'nothing was asked' $work/err"
says '\xff\n' -m "$script"
check "what is not UTF-8 is refused" "[ $code -eq 1 ] && grep -q UTF-8 $work/err"
says '/load /nosuch/file\n' -m "$script"
check "a file that is not there" "[ $code -eq 1 ] && grep -q '/nosuch/file' $work/err"
says 'Hi\n'
check "nobody to talk to" "[ $code -eq 2 ] && grep -q 'name a subject with -m' $work/err"
says '/help\n' -m "$script"
check "/help names the commands" "[ \$(grep -cE '^  /(reset|system|save|load|retry|temperature|max|quit)' $work/err) -eq 8 ]"

# History: what was said is put again, is saved, and is gone on with.
says "/system Be brief.\nWho sells bread?\nAnd fish?\n/save $work/talk.json\n/reset\nWho sells bread?\n/save $work/fresh.json\n" -m "$script"
python3 - "$work" <<'PY' || failures=1
import json, sys
whole, fresh = (json.load(open(f"{sys.argv[1]}/{n}.json"))["messages"] for n in ("talk", "fresh"))
assert [m["role"] for m in whole] == ["system", "user", "assistant", "user", "assistant"], whole
assert whole[2]["content"] == "Ada does." and whole[4]["content"] == "I do not know."
assert [m["content"] for m in fresh] == ["Be brief.", "Who sells bread?", "Ada does."], fresh
PY
says "Who sells bread?\nAnd what does it cost?\n/save $work/base.json\n" -m base --temperature 0 --max-tokens 30
first=$(cat "$work/out")
python3 -c "import json, sys; d = json.load(open(sys.argv[1])); d['messages'] = d['messages'][:2]; json.dump(d, open(sys.argv[1], 'w'))" "$work/base.json"
says 'And what does it cost?\n' -m base --temperature 0 --max-tokens 30 --load "$work/base.json"
check "a conversation that is loaded goes on as it would have" "[ \"\$(cat $work/out)\" = \"\$(tail -1 <<< '$first')\" ]"
says 'Tell me.\n/retry\n' -m base --temperature 3 --max-tokens 20
check "/retry draws another answer" "[ $code -eq 0 ] && [ \"\$(head -1 $work/out)\" != \"\$(tail -1 $work/out)\" ]"
cp "$work/out" "$work/before"
says 'Tell me.\n/retry\n' -m base --temperature 3 --max-tokens 20
check "the same seed draws the same" "cmp -s $work/out $work/before"
says "$(printf 'word %.0s' $(seq 2000))\n" -m base
check "what is too long for the context is said in tokens" "[ $code -eq 1 ] && grep -q 'the context holds' $work/err"

# An API that hangs: Ctrl-C gives it up.
python3 - "$work" <<'PY' &
import os, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + "/api.new", "w").write(str(listener.getsockname()[1]))
os.rename(sys.argv[1] + "/api.new", sys.argv[1] + "/api")
held = []
while True:
    connection, _ = listener.accept()
    data = b""
    while b"\r\n\r\n" not in data or (data.startswith(b"POST") and not data.rstrip().endswith(b"}")):
        more = connection.recv(65536)
        if not more:
            break
        data += more
    if b"hang" in data.rsplit(b'"content"', 1)[-1]:
        held.append(connection)
        continue
    body = b'{"data": [{"id": "m"}], "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}'
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    connection.close()
PY
pids+=($!)
for _ in $(seq 100); do [ -s "$work/api" ] && break; sleep 0.1; done

# A terminal.
python3 - "$ASSAY" "$work" "http://127.0.0.1:$(cat "$work/api")/v1#m" <<'PY' || failures=1
import json, os, pty, select, signal, sys, time
program, folder, api = sys.argv[1:]
signal.alarm(400) # whatever hangs is a failure

class Terminal:
    def __init__(self, *options):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execv(program, [program, "chat", *options])
        self.seen = ""

    def until(self, word, seconds=120):
        end = time.monotonic() + seconds
        while word not in self.seen:
            if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
                raise SystemExit(f"FAILED: no {word!r} in {self.seen!r}")
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace").replace("\r\n", "\n")
            except OSError:
                raise SystemExit(f"FAILED: the end before {word!r} in {self.seen!r}")
        before, self.seen = self.seen.split(word, 1)
        return before

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        while True:
            try:
                if not os.read(self.fd, 65536):
                    break
            except OSError:
                break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

# Pieces come as they are written, and Ctrl-C keeps what came.
t = Terminal("-m", "base", "--temperature", "100", "--max-tokens", "900", "--seed", "3")
t.until("/help names the commands"); t.until("> ")
t.type("Tell me all.\n")
t.until("Tell me all.\n")
pieces = 0
while pieces < 5:
    select.select([t.fd], [], [], 60)
    t.seen += os.read(t.fd, 65536).decode(errors="replace")
    pieces += 1
assert "> " not in t.seen[-3:], "the answer was over before anything could be stopped"
t.type("\x03")
t.until("[stopped]"); t.until("> ")
t.type(f"/save {folder}/stopped.json\n"); t.until("> ")
kept = json.load(open(folder + "/stopped.json"))["messages"]
assert len(kept) == 2 and 0 < len(kept[1]["content"]), kept
# A mistake is said, and the talk goes on.
t.type("/nosuch\n"); t.until("there is no command /nosuch"); t.until("> ")
t.type("/max 5\n"); t.until("> ")
t.type("/temperature 0\n"); t.until("> ")
# Ctrl-C at the prompt says how to end; Ctrl-D ends.
t.type("\x03"); t.until("(/quit or Ctrl-D ends)"); t.until("> ")
t.type("\x04")
assert t.end() == 0

# Whoever hangs is given up, and can be asked again.
t = Terminal("-m", api)
t.until("> ")
t.type("please hang\n"); t.until("please hang\n")
time.sleep(0.5)
begin = time.monotonic()
t.type("\x03"); t.until("interrupted"); t.until("> ")
assert time.monotonic() - begin < 30
t.type("Are you there?\n"); t.until("Yes."); t.until("> ")
t.type(f"/save {folder}/api.json\n"); t.until("> ")
assert [m["content"] for m in json.load(open(folder + "/api.json"))["messages"]] == ["Are you there?", "Yes."]
# SIGTERM ends it, at the prompt too.
os.kill(t.pid, signal.SIGTERM)
assert t.end() == 130
PY

# Ctrl-C ends a pipe, with what came so far; the lines behind are not asked.
mkfifo "$work/lines"
"$ASSAY" chat -m base --temperature 100 --max-tokens 900 < "$work/lines" > "$work/out" 2> "$work/err" &
chat=$!; pids+=("$chat")
exec 7> "$work/lines"
printf 'Tell me all.\nAnd more.\nAnd more.\n' >&7
for _ in $(seq 600); do [ -s "$work/out" ] && break; sleep 0.02; done
kill -TERM "$chat"; exec 7>&-
wait "$chat"; code=$?
check "a signal ends a pipe with 130 (not $code)" "[ $code -eq 130 ] && [ \$(wc -l < $work/out) -le 2 ]"
finish
