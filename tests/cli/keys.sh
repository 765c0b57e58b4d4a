#!/bin/bash
# Each role's key goes to its own API and to no other, and nothing keeps it.
# rank: plain
. tests/cli/common.bash
python3 - "$work" <<'PY' &
import http.server, json, os, sys, threading
folder = sys.argv[1]
seen = open(folder + "/seen", "a", buffering=1)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def do_GET(self):
        seen.write("%s %s\n" % (self.server.name, self.headers.get("Authorization")))
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        body = json.dumps({"data": [{"id": "m"}], "choices": [{"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}],
                           "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET

servers = []
for name in ("subject", "judge"):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    s.name = name
    threading.Thread(target=s.serve_forever, daemon=True).start()
    servers.append(s)
open(folder + "/ports.new", "w").write(" ".join(str(s.server_port) for s in servers))
os.rename(folder + "/ports.new", folder + "/ports")
threading.Event().wait()
PY
pids+=($!)
for _ in $(seq 100); do [ -s "$work/ports" ] && break; sleep 0.1; done
read -r subject judge < "$work/ports"
run() {
    : > "$work/seen"
    "$ASSAY" run sycophancy -m "http://127.0.0.1:$subject/v1#m" --role "judge=http://127.0.0.1:$judge/v1#m" --data tests/data/sycophancy-eval \
        --items 2 --forms feedback --store "$work/$1.db" -q "${@:2}" > "$work/out" 2> "$work/err"; code=$?
}
only() { [ -n "$(grep "^$1 " "$work/seen")" ] && [ -z "$(grep "^$1 " "$work/seen" | grep -v " $2\$")" ]; }

export KEY_S=alpha KEY_J=beta
unset OPENAI_API_KEY
run two --api-key-variable KEY_S --api-key-variable judge=KEY_J
check "the subject gets the key for all" "[ $code -eq 0 ] && only subject 'Bearer alpha'"
check "the judge gets its own" "only judge 'Bearer beta'"
run both --api-key-variable subject=KEY_S --api-key-variable judge=KEY_J
check "each its own" "[ $code -eq 0 ] && only subject 'Bearer alpha' && only judge 'Bearer beta'"
run one --api-key-variable judge=KEY_J
check "no key for whoever has none" "[ $code -eq 0 ] && only subject None && only judge 'Bearer beta'"
check "no key is kept" "! grep -qE 'alpha|beta' $work/*.db* $work/out $work/err"
run unset --api-key-variable judge=NOT_THERE
check "a variable that is not set is named" "[ $code -eq 2 ] && grep -q NOT_THERE $work/err && [ ! -s $work/seen ]"
run role --api-key-variable nobody=KEY_J
check "a role that is none" "[ $code -eq 2 ] && grep -q 'no role \"nobody\"' $work/err"
run twice --api-key-variable KEY_S --api-key-variable KEY_J
check "two for all" "[ $code -eq 2 ] && grep -q 'both for all roles' $work/err"
run empty --api-key-variable judge=
check "no name" "[ $code -eq 2 ] && grep -q 'ROLE=NAME' $work/err"
finish
