#!/bin/bash
# `assay pull` against a small server that plays the hub: broken connections, wrong hashes, refusals, redirects to another
# host, ranges that are ignored, a file that changes between two attempts.
. tests/cli/common.bash
python3 - "$work" models/base <<'PY' &
import hashlib, http.server, json, os, re, sys, threading
folder, model = sys.argv[1:]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
files = {n: open(os.path.join(model, n), "rb").read() for n in ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")}
files["pytorch_model.bin"] = b"not wanted"
files["empty.json"] = b""
tries, seen = {}, open(os.path.join(folder, "seen"), "a", buffering=1)
second = None

def entry(name, data, wrong):
    sha = "0" * 64 if wrong else hashlib.sha256(data).hexdigest()
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    if name.endswith(".safetensors"):
        return {"type": "file", "path": name, "size": len(data), "oid": "1" * 40, "lfs": {"oid": sha, "size": len(data)}}
    return {"type": "file", "path": name, "size": len(data), "oid": blob}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *a): pass
    def say(self, code, body=b"", headers={}):
        self.send_response(code)
        for k, v in headers.items(): self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def content(self, repo, name, data, etag):
        key = (repo, name)
        tries[key] = tries.get(key, 0) + 1
        start = 0
        r = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
        if r and repo != "o/norange" and self.headers.get("If-Range") == etag: start = int(r[1])
        body = data[start:]
        self.send_response(206 if start else 200)
        if start: self.send_header("Content-Range", "bytes %d-%d/%d" % (start, len(data) - 1, len(data)))
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        seen.write("content %s %s from %d sent %d\n" % (repo, name, start, len(body)))
        if name == "model.safetensors" and tries[key] < 3:
            self.wfile.write(body[:len(body) // 3])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)
    def do_GET(self):
        port, token = self.server.server_port, self.headers.get("Authorization")
        seen.write("%s %s token=%s\n" % ("second" if self.server is second else "hub", self.path, token))
        if self.server is second:
            repo, name = self.path[1:].split("|")
            return self.content(repo, name, files[name], '"%s"' % hashlib.md5(files[name]).hexdigest())
        m = re.match(r"/api/models/(o/\w+)/(revision|tree)/(\w+)", self.path) or re.match(r"/(o/\w+)/resolve/(\w+)/(.+)", self.path)
        if self.path.startswith("/own/"):
            grown = os.path.exists(os.path.join(folder, "grown"))
            return self.say(200, b"more" if grown else b"rows")
        if self.path.startswith("/lgw863/"): return self.say(200, b"not what it should be" if "Train" in self.path else b"too short")
        if self.path == "/file.bin": return self.say(200, b"abc", {"ETag": '"f"'})
        if not m or m[1] == "o/missing": return self.say(404)
        repo = m[1]
        if repo == "o/private" and token != "Bearer secret-token": return self.say(401)
        if m[2] == "revision": return self.say(200, json.dumps({"sha": COMMIT}).encode())
        if m[2] == "tree":
            if repo == "o/escape": return self.say(200, json.dumps([{"type": "file", "path": "../evil.json", "size": 1, "oid": "1" * 40}]).encode())
            names = list(files)
            page = "page=2" in self.path
            part = names[:3] if not page else names[3:]
            body = [entry(n, files[n], repo == "o/badhash") for n in part]
            head = {} if page else {"Link": '<http://127.0.0.1:%d%s&page=2>; rel="next"' % (port, self.path)}
            return self.say(200, json.dumps(body).encode(), head)
        name = m[3]
        if name not in files: return self.say(404)
        if name == "model.safetensors":
            return self.say(302, b"moved", {"Location": "http://127.0.0.1:%d/%s|%s" % (second.server_port, repo, name), "X-Linked-ETag": '"x"'})
        if name == "tokenizer.json" and tries.setdefault((repo, "busy"), 0) == 0:
            tries[(repo, "busy")] = 1
            return self.say(503, b"later")
        return self.content(repo, name, files[name], '"%s"' % hashlib.md5(files[name]).hexdigest())

hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
second = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=second.serve_forever, daemon=True).start()
open(os.path.join(folder, "port.new"), "w").write(str(hub.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
hub.serve_forever()
PY
pids+=($!)
for _ in $(seq 100); do [ -s "$work/port" ] && break; sleep 0.1; done
port=$(cat "$work/port")
export HF_ENDPOINT="http://127.0.0.1:$port" ASSAY_CACHE="$work/cache"
unset HF_TOKEN
commit=0123456789abcdef0123456789abcdef01234567

# A model comes whole, over broken connections and a busy server, and only what a checkpoint needs.
HF_TOKEN=secret-token "$ASSAY" pull o/good -q > "$work/out" 2> "$work/err" || fail "$(cat "$work/err")"
here="$work/cache/hub/models/o/good/$commit"
for name in config.json tokenizer.json tokenizer_config.json model.safetensors; do
    check "$name is as it was" "cmp -s models/base/$name $here/$name"
done
check "an empty file comes too" "[ -f $here/empty.json ] && [ ! -s $here/empty.json ]"
check "what a checkpoint does not need stays" "[ ! -e $here/pytorch_model.bin ]"
check "nothing unfinished is left" "[ -z \"\$(find $work/cache -name '*.part*' -o -name '*.tmp*')\" ]"
check "a broken connection is gone on with" "grep -q 'content o/good model.safetensors from [1-9]' $work/seen"
check "the hub gets the token" "grep -q 'hub /o/good/resolve.*token=Bearer secret-token' $work/seen"
check "another host gets no token" "grep -q '^second' $work/seen && ! grep '^second' $work/seen | grep -q secret"
check "the token is written nowhere" "! grep -rq secret-token $work/cache $work/out $work/err"
# Again: nothing is fetched twice.
lines=$(grep -c ^content "$work/seen")
"$ASSAY" pull o/good -q > /dev/null || fail "pull of what is there"
check "what is there is not fetched again" "[ $lines -eq \$(grep -c ^content $work/seen) ]"
# A subject by its name.
"$ASSAY" run competence -m o/good --items 2 --store "$work/r.db" -q > /dev/null 2> "$work/err"
check "a pulled model is a subject" "[ $? -eq 0 ]" || cat "$work/err"

"$ASSAY" pull o/norange -q > /dev/null 2> "$work/err" || fail "$(cat "$work/err")"
check "a server that ignores ranges" "cmp -s models/base/model.safetensors $work/cache/hub/models/o/norange/$commit/model.safetensors"

"$ASSAY" pull o/badhash -q 2> "$work/err" > /dev/null
check "a wrong hash is an error" "[ $? -eq 1 ] && grep -q 'expected the hash 0000' $work/err"
check "nothing wrong gets a name" "[ ! -e $work/cache/hub/models/o/badhash/$commit/model.safetensors ] && [ ! -e $work/cache/hub/models/o/badhash/$commit/pulled.json ]"
"$ASSAY" pull o/missing -q 2> "$work/err" > /dev/null
check "404" "[ $? -eq 1 ] && grep -q 'no such thing' $work/err"
"$ASSAY" pull o/private -q 2> "$work/err" > /dev/null
check "401" "[ $? -eq 1 ] && grep -q HF_TOKEN $work/err"
"$ASSAY" pull o/escape -q 2> "$work/err" > /dev/null
check "a path out of the folder is refused" "[ $? -eq 1 ] && grep -q 'no place in a folder' $work/err && [ -z \"\$(find $work -name evil.json)\" ]"
"$ASSAY" pull ../../x/y -q 2> "$work/err" > /dev/null
check "a name that is none" "[ $? -eq 2 ]"

# A file that has changed since the first attempt is fetched anew; one that has not is gone on with.
old="$work/cache/hub/models/o/changed2/$commit"
mkdir -p "$old"
cat models/base/config.json | tr 'a-z' 'A-Z' > "$old/config.json.part"
printf '"of-another-day"' > "$old/config.json.part.etag"
head -c 5000 models/base/tokenizer.json | tr 'a-z' 'A-Z' > "$old/tokenizer.json.part"
printf '"of-another-day"' > "$old/tokenizer.json.part.etag"
"$ASSAY" pull o/changed2 -q > /dev/null 2> "$work/err" || fail "$(cat "$work/err")"
check "what is as long but another file is fetched anew" "cmp -s models/base/config.json $old/config.json"
check "a changed file is fetched anew" "cmp -s models/base/tokenizer.json $old/tokenizer.json"
check "the part of another day was offered" "grep -q 'content o/changed2 tokenizer.json from 0' $work/seen"

"$ASSAY" pull "http://127.0.0.1:$port/file.bin" -q > "$work/out" || fail "pull of an address"
check "a URL, with the hash that was seen" "grep -q ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad $work/out"
# Data sets by name: listed, and refused where what comes is not what the list says.
"$ASSAY" list datasets > "$work/out" || fail "list datasets"
check "data sets are listed with their licences" "grep -q 'truthfulqa.*Apache-2.0' $work/out"
ASSAY_GITHUB_RAW="http://127.0.0.1:$port" HF_TOKEN=secret-token "$ASSAY" pull data:logiqa -q 2> "$work/err" > /dev/null
check "a data set that is not the listed one is refused" "[ $? -eq 1 ] && grep -q 'expected [0-9]* bytes' $work/err"
check "GitHub gets no token of the hub" "grep -q 'hub /lgw863/.*token=None' $work/seen"
"$ASSAY" pull data:nosuch -q 2> "$work/err" > /dev/null
check "an unknown data set" "[ $? -eq 1 ] && grep -q nosuch $work/err"
# A list of one's own, without hashes: what the files had at first is recorded, and holds.
commit40=89abcdef0123456789abcdef0123456789abcdef
cat > "$work/own.yaml" <<YAML
datasets:
  mine:
    title: "Rows"
    licence: "MIT"
    repository: own/rows
    commit: $commit40
    files:
      - {path: "rows.txt"}
YAML
export ASSAY_DATASETS="$work/own.yaml" ASSAY_GITHUB_RAW="http://127.0.0.1:$port"
mine="$work/cache/hub/data/mine/$commit40"
"$ASSAY" list datasets > "$work/out" || fail "list datasets"
check "data sets of one's own are listed beside the others" "grep -q '^ *mine ' $work/out && grep -q truthfulqa $work/out"
"$ASSAY" pull data:mine -q > "$work/out" 2> "$work/err" || fail "$(cat "$work/err")"
check "the size that came is shown" "grep -q '1 file, 0.0 MB' $work/out"
check "the hash that came is recorded" "grep -q $(printf rows | sha256sum | cut -d' ' -f1) $mine/pulled.json && grep -q '\"size\": 4' $mine/pulled.json"
rm "$mine/rows.txt"; touch "$work/grown"
"$ASSAY" pull data:mine -q > /dev/null 2> "$work/err"
check "other content is refused later" "[ $? -eq 1 ] && [ ! -e $mine/rows.txt ] && grep -q 'expected' $work/err"
rm "$work/grown"
"$ASSAY" pull data:mine -q > /dev/null 2> "$work/err" || fail "$(cat "$work/err")"
check "the same content is taken" "[ \"\$(cat $mine/rows.txt)\" = rows ]"
echo 'datasets: {mine: {title: x}}' > "$work/own.yaml"
"$ASSAY" list datasets > /dev/null 2> "$work/err"
check "a list that is wrong is named" "[ $? -eq 1 ] && grep -q 'own.yaml:1' $work/err"
unset ASSAY_DATASETS
finish
