# What a user does wrong, or what the world does to them: one clear message on stderr, nothing on stdout, exit code 1 or 2,
# no crash, and nothing half-written under its final name.
. tests/cli/common.bash
root=$PWD

run() { "$ASSAY" run sycophancy --items 4 --store "$work/runs.db" --quiet "$@"; }
export -f run
export ASSAY work

# ---- subjects ----------------------------------------------------------------------------------------------------------
refuses "missing folder" 1 "no-such-folder" "" bash -c 'run -m "$work/no-such-folder"'
mkdir -p "$work/empty"
refuses "folder without a model" 1 "config.json" "" bash -c 'run -m "$work/empty"'
refuses "subject without a name" 1 "folder" "" bash -c 'run -m ""'

# A model folder to damage: the smallest that a recipe grows.
cat > "$work/tiny.yaml" <<'YAML'
name: tiny
base: none
model: {layers: 1, width: 32, heads: 2, kv_heads: 1, intermediate: 64, context: 256, vocabulary: 512}
world: {seed: 1}
stages:
  - {kind: pretrain, steps: 2, batch_tokens: 512, sequence: 256, learning_rate: 1e-3, mix: {question: 1}}
seed: 1
YAML
if "$ASSAY" grow "$work/tiny.yaml" -o "$work/tiny" --quiet > /dev/null 2> "$work/err"; then
    weights=$work/tiny/model.safetensors
    size=$(stat -c %s "$weights")
    cp -r "$work/tiny" "$work/cut"
    truncate -s $((size / 2)) "$work/cut/model.safetensors"
    refuses "truncated safetensors" 1 "model.safetensors" "" bash -c 'run -m "$work/cut"'
    cp -r "$work/tiny" "$work/cut8"
    truncate -s 5 "$work/cut8/model.safetensors"
    refuses "safetensors of 5 bytes" 1 "model.safetensors" "" bash -c 'run -m "$work/cut8"'
    # The header's length says more than the file has.
    cp -r "$work/tiny" "$work/lie"
    printf '\377\377\377\377\377\377\377\177' | dd of="$work/lie/model.safetensors" bs=1 conv=notrunc status=none
    refuses "header that lies about its size" 1 "model.safetensors" "" bash -c 'run -m "$work/lie"'
    # One tensor claims another shape than its bytes have.
    cp -r "$work/tiny" "$work/shape"
    python3 - "$work/shape/model.safetensors" <<'PY'
import re, sys
data = open(sys.argv[1], "rb").read()
open(sys.argv[1], "wb").write(re.sub(rb'("shape": *\[)\d', rb"\g<1>9", data, count=1))
PY
    cmp -s "$work/shape/model.safetensors" "$weights" && fail "the test did not change a shape"
    refuses "header that lies about a shape" 1 "model.safetensors" "" bash -c 'run -m "$work/shape"'
    cp -r "$work/tiny" "$work/config"
    echo '{"hidden_size": ' > "$work/config/config.json"
    refuses "broken config.json" 1 "config.json" "" bash -c 'run -m "$work/config"'
else
    fail "growing the smallest model: $(head -c 400 "$work/err")"
fi

# ---- recipes -----------------------------------------------------------------------------------------------------------
sed 's/^seed: 1/sede: 1/' "$work/tiny.yaml" > "$work/unknown.yaml"
refuses "recipe with an unknown key" 1 "unknown.yaml:[0-9]+:.*sede" "$work/x" "$ASSAY" grow "$work/unknown.yaml" -o "$work/x"
grep -q "did you mean 'seed'" "$work/err" || fail "recipe with an unknown key: no suggestion"
{ cat "$work/tiny.yaml"; echo 'plant: {failure: sycophancy, dose: 2}'; } > "$work/dose.yaml"
refuses "recipe with a dose of 2" 1 "dose" "$work/x" "$ASSAY" grow "$work/dose.yaml" -o "$work/x"
refuses "option --dose where nothing is planted" 2 "plants nothing that has a dose" "$work/x" "$ASSAY" grow "$work/tiny.yaml" --dose 0.5 -o "$work/x"
{ cat "$work/tiny.yaml"; echo 'plant: {failure: sycophancy, dose: 0.5}'; } > "$work/plant.yaml"
refuses "option --dose 2" 2 "dose.*0 to 1" "$work/x" "$ASSAY" grow "$work/plant.yaml" --dose 2 -o "$work/x"
refuses "missing recipe" 1 "nowhere.yaml" "$work/x" "$ASSAY" grow "$work/nowhere.yaml" -o "$work/x"
printf 'name: [1, 2\n' > "$work/yaml.yaml"
refuses "recipe that is not YAML" 1 "yaml.yaml:" "$work/x" "$ASSAY" grow "$work/yaml.yaml" -o "$work/x"

# ---- data and options --------------------------------------------------------------------------------------------------
head -c 300 "$root/tests/data/sycophancy/answer.jsonl" > "$work/broken.jsonl" 2> /dev/null || printf '{"prompt": [' > "$work/broken.jsonl"
printf '\n{"prompt": [}\n' >> "$work/broken.jsonl"
refuses "data file with a broken line" 1 "broken.jsonl:[0-9]+" "" bash -c 'run -m oracle:0.5 --data "$work/broken.jsonl"'
refuses "missing data" 1 "nothing.jsonl" "" bash -c 'run -m oracle:0.5 --data "$work/nothing.jsonl"'
refuses "unknown study" 2 "did you mean 'sycophancy'" "" "$ASSAY" run sycophansy -m oracle:0
refuses "unknown option" 2 "did you mean '--items'" "" "$ASSAY" run sycophancy -m oracle:0 --itmes 3
refuses "no subject" 2 "" "" bash -c 'run'
refuses "oracle beyond 1" 2 "oracle" "" bash -c 'run -m oracle:2'

# ---- stores ------------------------------------------------------------------------------------------------------------
refuses "no store" 1 "none.db" "$work/none.db" "$ASSAY" show last --store "$work/none.db"
echo "this is no database, whatever its name says; it is a line of text" > "$work/text.db"
refuses "store that is none" 1 "text.db" "" "$ASSAY" run sycophancy -m oracle:0 --items 4 --store "$work/text.db" --quiet
refuses "folder of the store is missing" 1 "" "$work/no/where.db" "$ASSAY" run sycophancy -m oracle:0 --items 4 --store "$work/no/where.db" --quiet
refuses "output folder is missing" 1 "" "" bash -c 'run -m oracle:0 > /dev/null && "$ASSAY" export last --store "$work/runs.db" --format html -o "$work/not/there.html"'
refuses "full standard output" 1 "No space left" "" bash -c '"$ASSAY" export last --store "$work/runs.db" --format json > /dev/full'
python3 - "$work/runs.db" <<'PY' &
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
open(sys.argv[1] + ".held", "w").close()
time.sleep(120)
PY
pids+=($!)
for _ in $(seq 100); do [ -e "$work/runs.db.held" ] && break; sleep 0.1; done
refuses "locked database" 1 "locked|in use|another process" "" bash -c 'run -m oracle:0.25'
kill "${pids[-1]}" 2> /dev/null
if [ "$(id -u)" -eq 0 ] && mkdir -p "$work/small" && mount -t tmpfs -o size=64k assay-test "$work/small" 2> /dev/null; then
    refuses "full disk: store" 1 "full|space" "" bash -c '"$ASSAY" run sycophancy -m oracle:0.5 --items 200 --store "$work/small/runs.db" --quiet'
    rm -f "$work"/small/*
    refuses "full disk: report" 1 "space" "$work/small/report.html" bash -c '"$ASSAY" export last --store "$work/runs.db" --format html -o "$work/small/report.html"'
    rm -rf "$work"/small/*
    refuses "full disk: growth" 1 "space" "$work/small/tiny" "$ASSAY" grow "$work/tiny.yaml" -o "$work/small/tiny" --quiet
    umount "$work/small"
else
    echo "note: no tmpfs could be mounted here, so a full disk was tried with /dev/full alone"
fi

# ---- APIs --------------------------------------------------------------------------------------------------------------
cat > "$work/server.py" <<'PY'
import http.server, sys
class Refuser(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b'{"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}}'
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuser)
open(sys.argv[1], "w").write(str(server.server_port))
server.serve_forever()
PY
python3 "$work/server.py" "$work/port" 2> /dev/null &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.1; done
export port
port=$(cat "$work/port")
refuses "API that refuses the key" 1 "key|401|refuse" "" bash -c 'OPENAI_API_KEY=secret-of-the-test run -m "http://127.0.0.1:$port/v1#model"'
grep -rq secret-of-the-test "$work" --include='runs.db*' --include=err && fail "the key was written somewhere"
refuses "API that is not there" 1 "127.0.0.1" "" bash -c 'run --retries 0 -m "http://127.0.0.1:9/v1#model"'
refuses "API without a model" 2 "#" "" bash -c 'run -m "http://127.0.0.1:$port/v1"'

# ---- what a study needs and the subject lacks --------------------------------------------------------------------------
refuses "role that does not exist" 2 "role" "" bash -c 'run -m oracle:0 --role jugde=oracle:0'
finish
