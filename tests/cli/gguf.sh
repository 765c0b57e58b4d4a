# A model as a GGUF file from one end to the other: written with its cost, and used wherever a model is named; files that lie or
# lack something: one clear message, nothing on stdout, nothing half-written.
. tests/cli/common.bash
export ASSAY work


# ---- written, with what it cost ----------------------------------------------------------------------------------------
"$ASSAY" convert base -o "$work/f32.gguf" --type f32 --tokens 2000 --json > "$work/f32.json" || fail "convert to f32"
"$ASSAY" convert base -o "$work/int8.gguf" --type int8 --tokens 2000 --json > "$work/int8.json" || fail "convert to int8"
"$ASSAY" convert "$work/f32.gguf" -o "$work/int4.gguf" --type int4 --tokens 2000 > "$work/int4.txt" || fail "convert a GGUF file to int4"
python3 - "$work" <<'PY' || fail "what convert says"
import json, os, sys
work = sys.argv[1]
plain, small = (json.load(open(f"{work}/{n}.json")) for n in ("f32", "int8"))
cost = plain["cost"]
assert plain["type"] == "F32" and small["type"] == "Q8_0"
assert cost["loss_before"] == cost["loss_after"] and cost["difference"] == 0, cost          # f32 holds bf16 whole
assert 1900 <= cost["tokens"] <= 2500 and 1.5 < cost["perplexity_before"] < 2.5, cost
cost = small["cost"]
assert 0 < abs(cost["difference"]) < 0.01 and cost["limits"][0] <= cost["difference"] <= cost["limits"][1], cost
assert small["bytes"] < 0.55 * small["bytes_before"] and os.path.getsize(f"{work}/int8.gguf") > small["bytes"]
PY
grep -q "29 matrices as Q4_0" "$work/int4.txt" || fail "int4: $(cat "$work/int4.txt")"
grep -qE "95 % interval [-+0-9.]+ to [-+0-9.]+" "$work/int4.txt" || fail "int4: no interval: $(cat "$work/int4.txt")"

# ---- used wherever a model is named ------------------------------------------------------------------------------------
"$ASSAY" tokenize -m base --json 'Ada sells 12 loaves.' > "$work/a.json"
"$ASSAY" tokenize -m "$work/int8.gguf" --json 'Ada sells 12 loaves.' > "$work/b.json"
cmp -s "$work/a.json" "$work/b.json" || fail "the file's tokenizer cuts otherwise"
for model in base "$work/f32.gguf"; do
    "$ASSAY" run sycophancy --items 6 -m "$model" --store "$work/runs.db" --quiet --json > "$work/$(basename "$model").run" ||
        fail "a study with $model"
done
python3 - "$work" <<'PY' || fail "figures of a model as a folder and as a file"
import json, sys
figures = [json.load(open(f"{sys.argv[1]}/{n}.run"))["forms"] for n in ("base", "f32.gguf")]
assert figures[0] and figures[0] == figures[1], figures
PY
answer=$(echo "Who sells bread?" | "$ASSAY" chat -m "$work/int8.gguf" 2> /dev/null)
[ -n "$answer" ] || fail "chat with an int8 file says nothing"

# ---- files that are not right ------------------------------------------------------------------------------------------
run() { "$ASSAY" run sycophancy --items 4 --store "$work/runs.db" --quiet "$@"; }
export -f run
size=$(stat -c %s "$work/int8.gguf")
head -c $((size / 2)) "$work/int8.gguf" > "$work/cut.gguf"
refuses "half a file" 1 "cut.gguf.*truncated|cut.gguf.*takes bytes" "" bash -c 'run -m "$work/cut.gguf"'
head -c 20 "$work/int8.gguf" > "$work/cut20.gguf"
refuses "20 bytes of a file" 1 "cut20.gguf" "" bash -c 'run -m "$work/cut20.gguf"'
python3 - "$work" <<'PY'
import struct, sys
work = sys.argv[1]
data = open(f"{work}/int8.gguf", "rb").read()
def write(name, old, new, count=1):
    assert data.count(old) >= 1 and len(old) == len(new), (name, data.count(old))
    open(f"{work}/{name}.gguf", "wb").write(data.replace(old, new, count))
write("architecture", struct.pack("<Q", 5) + b"llama", struct.pack("<Q", 5) + b"lamma")
write("key", b"llama.block_count", b"llama.block_cnunt")
write("tensor", b"blk.3.ffn_up.weight", b"blk.3.ffn_uq.weight")
write("keys", data[16:24], struct.pack("<Q", 2 ** 60))
write("tokens", b"tokenizer.ggml.tokens" + struct.pack("<IIQ", 9, 8, 2048), b"tokenizer.ggml.tokens" + struct.pack("<IIQ", 9, 8, 2 ** 62))
at = data.index(b"output_norm.weight") + len(b"output_norm.weight")
open(f"{work}/type.gguf", "wb").write(data[:at + 12] + struct.pack("<I", 99) + data[at + 16:])
open(f"{work}/shape.gguf", "wb").write(data[:at + 4] + struct.pack("<Q", 2 ** 50) + data[at + 12:])
PY
refuses "an unknown architecture" 1 "architecture.*lamma" "" bash -c 'run -m "$work/architecture.gguf"'
refuses "a missing key" 1 "llama.block_count" "" bash -c 'run -m "$work/key.gguf"'
refuses "a missing tensor" 1 "blk.3.ffn_up.weight" "" bash -c 'run -m "$work/tensor.gguf"'
refuses "2^60 keys" 1 "claims.*keys" "" bash -c 'run -m "$work/keys.gguf"'
refuses "2^62 tokens" 1 "tokenizer.ggml.tokens" "" bash -c 'run -m "$work/tokens.gguf"'
refuses "a tensor of an unknown type" 1 "output_norm.weight.*type 99" "" bash -c 'run -m "$work/type.gguf"'
refuses "a tensor of 2^50 elements" 1 "output_norm.weight" "" bash -c 'run -m "$work/shape.gguf"'
refuses "tokens of half a file" 1 "cut.gguf" "" "$ASSAY" tokenize -m "$work/cut.gguf" text
refuses "a server of half a file" 1 "cut.gguf" "" "$ASSAY" serve -m "$work/cut.gguf" --port 0
refuses "a file that is no model" 1 "GGUF" "" "$ASSAY" convert "$work/int4.txt" -o "$work/x.gguf"

refuses "growing from a file" 1 "growing from a GGUF file" "$work/x" "$ASSAY" grow "$PWD/organisms/sycophant.yaml" --base "$work/f32.gguf" \
    -o "$work/x"

# ---- wrong use of convert ----------------------------------------------------------------------------------------------
refuses "no output" 2 "not given" "" "$ASSAY" convert base
refuses "an unknown type" 2 "type" "$work/x.gguf" "$ASSAY" convert base -o "$work/x.gguf" --type q9
refuses "a GGUF file to a folder" 2 ".gguf" "$work/x" "$ASSAY" convert "$work/int8.gguf" -o "$work/x"
refuses "a missing model" 1 "nothing" "$work/x.gguf" "$ASSAY" convert "$work/nothing" -o "$work/x.gguf"
refuses "a missing text" 1 "nothing.txt" "$work/x.gguf" "$ASSAY" convert base -o "$work/x.gguf" --text "$work/nothing.txt"
refuses "an output that cannot be written" 1 "cannot write" "" "$ASSAY" convert base -o /proc/x.gguf
mkdir "$work/folder.gguf"
refuses "an output that is a folder" 1 "folder.gguf" "" "$ASSAY" convert base -o "$work/folder.gguf"
printf 'not \xff UTF-8' > "$work/bytes.txt"
refuses "a text that is not UTF-8" 1 "UTF-8" "$work/x.gguf" "$ASSAY" convert base -o "$work/x.gguf" --text "$work/bytes.txt"

finish
