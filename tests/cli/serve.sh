#!/bin/bash
# `assay serve` as a user meets it: started, asked with curl, refused, measured at rest, stopped.
command -v curl > /dev/null || { echo "skipped: curl, the command, is not installed"; exit 77; }
. tests/cli/common.bash
# refused CODE WORDS OPTIONS...: the server does not start, and says why.
refused() {
    local code=$1 words=$2; shift 2
    timeout 60 "$ASSAY" serve "$@" > "$work/out" 2> "$work/err"; local got=$?
    [ "$got" -eq "$code" ] && [ ! -s "$work/out" ] && grep -qF -- "$words" "$work/err" ||
        fail "serve $* ends with $got: $(cat "$work/err")"
}
# start NAME OPTIONS...: sets $pid, $at.
start() {
    local name=$1; shift
    "$ASSAY" serve --port 0 "$@" > "$work/$name.out" 2> "$work/$name.err" &
    pid=$!; pids+=("$pid")
    for _ in $(seq 300); do grep -qs '^http' "$work/$name.err" && break; sleep 0.1; done
    at=$(head -1 "$work/$name.err")
    [[ $at == http://* ]] || { echo "FAILED: serve $* did not start: $(cat "$work/$name.err")"; exit 1; }
}
# post PATH BODY [CURL'S OPTIONS]: the answer in $work/body, its code on stdout.
post() { local path=$1 body=$2; shift 2; curl -s -m 60 -o "$work/body" -w '%{http_code}' -H 'Content-Type: application/json' "$@" -d "$body" "$at$path"; }
field() { python3 -c "import json, sys; print(eval('json.load(open(sys.argv[1]))' + sys.argv[2]))" "$work/body" "$1"; }
hi='"messages": [{"role": "user", "content": "Who sells bread?"}]'

# What is wrong is said before anything listens.
refused 2 "nobody to serve"
refused 2 "a subject is named with -m: -m base" base
refused 1 "nosuch" -m nosuch
refused 2 "no API key is set" -m base --host 0.0.0.0 --port 0
refused 2 "NO_SUCH_VARIABLE is not set" -m base --api-key-env NO_SUCH_VARIABLE
SPACED='a b' refused 2 "white space" -m base --api-key-env SPACED
refused 2 "expected a numeric address" -m base --host nonsense --port 0
echo '{{ strftime_now("%d") }}{% for m in messages %}{{ m.content }}{% endfor %}' > "$work/dated.jinja"
refused 2 "--template-date" -m base --port 0 --template "$work/dated.jinja"

# A checkpoint.
start base -m base --name town --json --stop-timeout 300
check "the address stands on stdout as JSON" "python3 -c \"import json; x = json.load(open('$work/base.out')); assert x['address'] == '$at' and x['model'] == 'town' and x['pid'] == $pid\""
check "it is up" "[ \"\$(curl -s $at/health)\" = '{\"status\": \"ok\"}' ]"
check "a chat" "[ \$(post /v1/chat/completions '{$hi, \"temperature\": 0}') = 200 ]"
said=$(field "['choices'][0]['message']['content']")
check "it says what the run's subject says" "[ \"$said\" = \"$(echo 'Who sells bread?' | "$ASSAY" chat -m base --temperature 0)\" ]"
curl -s -N -H 'Content-Type: application/json' -d "{$hi, \"temperature\": 0, \"stream\": true}" "$at/v1/chat/completions" > "$work/stream"
check "a stream says the same, and ends" "[ \"\$(python3 - $work/stream <<'PY'
import json, sys
events = [line[6:] for line in open(sys.argv[1]).read().split('\n') if line.startswith('data: ')]
assert events.pop() == '[DONE]' and len(events) > 3
print(''.join(json.loads(e)['choices'][0]['delta'].get('content', '') for e in events))
PY
)\" = \"$said\" ]"
check "another model's name" "[ \$(post /v1/chat/completions '{\"model\": \"nix\", $hi}') = 404 ] && grep -q town $work/body"
check "half a JSON" "[ \$(post /v1/chat/completions '{\"messages\"') = 400 ]"
check "an unknown parameter is named" "[ \$(post /v1/chat/completions '{$hi, \"temprature\": 1}') = 400 ] && grep -q 'did you mean temperature' $work/body"
check "a wrong path names the right ones" "curl -s $at/ | grep -q 'POST /v1/chat/completions'"
refused 1 "Address already in use" -m base --port "${at##*:}"
grep -q '^hint: .*--port\|another port' "$work/err" || fail "no hint about ports"

# A stop finishes what is in flight, and takes nothing new.
long='{"prompt": "The", "max_tokens": 900, "n": 128, "stream": true,
    "guided_json": {"type": "array", "items": {"type": "boolean"}, "minItems": 150, "maxItems": 150}}'
curl -s -N -H 'Content-Type: application/json' -d "$long" "$at/v1/completions" > "$work/long" &
asker=$!
for _ in $(seq 100); do [ -s "$work/long" ] && break; sleep 0.05; done
kill -TERM "$pid"
check "the stop comes in the middle" "[ -s $work/long ] && ! grep -qF 'data: [DONE]' $work/long"
sleep 0.3
check "nobody new is let in" "! curl -s -m 2 -o /dev/null $at/health"
wait "$pid"; code=$?
wait "$asker"
check "it ends with 0 (not $code)" "[ $code -eq 0 ]"
check "what was in flight is answered whole" "tail -2 $work/long | grep -qF 'data: [DONE]' && [ \$(grep -c '\"finish_reason\": \"' $work/long) -eq 128 ]"

# A key, on another address than loopback.
export ASSAY_TEST_KEY=sesame
start key -m base --host 0.0.0.0 --api-key-env ASSAY_TEST_KEY --stop-timeout 0.1
at="http://127.0.0.1:${at##*:}"
check "no key" "[ \$(post /v1/chat/completions '{$hi}') = 401 ]"
check "a wrong key" "[ \$(post /v1/chat/completions '{$hi}' -H 'Authorization: Bearer sesam') = 401 ] && grep -q invalid_api_key $work/body"
check "the key" "[ \$(post /v1/chat/completions '{$hi}' -H 'Authorization: Bearer sesame') = 200 ]"
check "the key is written nowhere" "! grep -q sesame $work/key.err $work/key.out"
check "models are not shown without it" "[ \$(curl -s -o /dev/null -w '%{http_code}' $at/v1/models) = 401 ]"
# What takes longer than the stop gives is cut, in words.
curl -s -N -H 'Content-Type: application/json' -H 'Authorization: Bearer sesame' -d "$long" "$at/v1/completions" > "$work/cut" &
asker=$!
for _ in $(seq 100); do [ -s "$work/cut" ] && break; sleep 0.05; done
kill -TERM "$pid"
wait "$pid"; code=$?
wait "$asker"
check "a stop that cuts ends with 0 (not $code)" "[ $code -eq 0 ]"
check "the end of what was cut says so" "! grep -qF '[DONE]' $work/cut && tail -2 $work/cut | grep -q '\"error\"'"

# 500 streams that wait for an API that does not answer: memory and processor time of the process itself.
python3 - "$work" <<'PY' &
import socket, sys, threading, time, os
listener = socket.create_server(("127.0.0.1", 0), backlog=600)
open(sys.argv[1] + "/api.new", "w").write(str(listener.getsockname()[1]))
os.rename(sys.argv[1] + "/api.new", sys.argv[1] + "/api")
held = []
while True:
    connection, _ = listener.accept()
    data = connection.recv(65536)
    if b'"Hi"' not in data: # a look at what it is
        body = b'{"data": [{"id": "m"}], "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        connection.close()
    else:
        held.append(connection)
PY
pids+=($!)
for _ in $(seq 100); do [ -s "$work/api" ] && break; sleep 0.1; done
start api -m "http://127.0.0.1:$(cat "$work/api")/v1#m" --stop-timeout 0.2
python3 - "$at" "$pid" <<'PY' || failures=1
import os, socket, sys, time
port, pid = int(sys.argv[1].rsplit(":", 1)[1]), sys.argv[2]
body = b'{"stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
ask = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
many = []
for _ in range(500):
    many.append(socket.create_connection(("127.0.0.1", port)))
    many[-1].sendall(ask)
time.sleep(2)
def seconds():
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
begin, spent = time.monotonic(), seconds()
time.sleep(5)
share = (seconds() - spent) / (time.monotonic() - begin)
resident = next(line for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS")).split()[1]
print(f"500 streams wait: {100 * share:.2f} % of a processor, {int(resident) // 1024} MiB resident")
assert share < 0.05, "waiting costs processor time"
PY
kill -TERM "$pid"; wait "$pid"; code=$?
check "it stops though nothing is answered (ended with $code)" "[ $code -eq 0 ]"
finish
