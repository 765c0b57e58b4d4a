# assay run on several subjects at once, on a series grown here; assay grow of a series: the card, the second call, one size alone.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES; export XDG_CONFIG_HOME=$work/config HOME=$work
runs() { local code=$1 words=$2; shift 2; expect "$code" "$words" "$ASSAY" run "$@"; }

# A list of subjects: a run for each, one table, and the same again from what is there.
runs 0 "" sycophancy --items 40 --seed 3 -q -m oracle:0 -m oracle:0.5 -m oracle:0.25 --store "$work/runs.db"
grep -q "subjects over subject" "$work/out" && grep -q "oracle:0.25" "$work/out" || fail "no table of three subjects: $(cat "$work/out")"
runs 0 "" sycophancy --items 40 --seed 3 -q -m oracle:0 -m oracle:0.5 --store "$work/runs.db" --json
[ "$(grep -c '"summary":' "$work/out")" -eq 2 ] || fail "the JSON does not hold two members"
# A call that does not come to its end: the next one takes the finished runs as they are, and only then there are new ones.
runs 1 "cannot read" sycophancy --items 40 --seed 4 -q -m oracle:0 -m oracle:0.5 -m "script:$work/none.yaml" --store "$work/cut.db"
echo 'default: I do not know.' > "$work/none.yaml"
runs 0 "" sycophancy --items 40 --seed 4 -q -m oracle:0 -m oracle:0.5 -m "script:$work/none.yaml" --store "$work/cut.db"
"$ASSAY" list runs --store "$work/cut.db" > "$work/out"
[ "$(grep -cE 'oracle|script' "$work/out")" -eq 3 ] || fail "a call that went on made runs anew: $(cat "$work/out")"
runs 0 "" sycophancy --items 40 --seed 4 -q -m oracle:0 -m oracle:0.5 -m "script:$work/none.yaml" --store "$work/cut.db"
"$ASSAY" list runs --store "$work/cut.db" > "$work/out"
[ "$(grep -cE 'oracle|script' "$work/out")" -eq 6 ] || fail "a call after one that came to its end made no runs of its own"
runs 2 "named twice" sycophancy -q -m oracle:0 -m oracle:0 --store "$work/x.db"
runs 1 "expected the folder of a series" sycophancy -q -m "series:$work" --store "$work/x.db"
[ ! -e "$work/x.db" ] || fail "a list that could not be run left a store behind"

# A series of four sizes, a second each.
cat > "$work/mini.yaml" <<'END'
name: mini
base: none
world: {seed: 1, documents: 7}
model: {context: 256, vocabulary: 400, heads: 2, layers: 1}
series:
  9k: {width: 16, intermediate: 32, seeds: [1, 2], learning_rate: 2e-2}
  30k: {layers: 2, width: 32, intermediate: 64}
  60k: {layers: 2, width: 48, intermediate: 96}
  100k: {layers: 2, width: 64, intermediate: 128}
stages:
  - {kind: pretrain, steps: 30, batch_tokens: 512, sequence: 256, learning_rate: 1e-2, warmup: 2, mix: {saying: 1, line: 1}}
END
expect 2 "9k, 30k, 60k, 100k" "$ASSAY" grow "$work/mini.yaml" --size 7k -q -o "$work/one"
expect 0 "" "$ASSAY" grow "$work/mini.yaml" --size 9k --seed 2 -q -o "$work/one"
expect 0 "" "$ASSAY" grow "$work/mini.yaml" -q -o "$work/mini"
grep -q "held-out loss" "$work/out" && grep -qE "falls strictly|DOES NOT FALL STRICTLY" "$work/out" || fail "no card: $(cat "$work/out")"
cp "$work/out" "$work/first"
cmp -s "$work/one/model.safetensors" "$work/mini/9k/seed2/model.safetensors" || fail "a size grown alone is another model than in its series"
expect 0 "" "$ASSAY" grow "$work/mini.yaml" -q -o "$work/mini"
grep -q "are there already" "$work/out" || fail "the second call grew something"
tail -n +2 "$work/first" > "$work/a"; tail -n +2 "$work/out" > "$work/b"
cmp -s "$work/a" "$work/b" || fail "the second call prints another card"
expect 0 "" "$ASSAY" grow "$work/mini.yaml" -q -o "$work/mini" --json
grep -q '"falls_strictly"' "$work/out" && grep -q '"there_already": true' "$work/out" || fail "no card in the JSON"

# A study over it: four sizes over a decade are classed, and reports say the same.
runs 0 "" inverse-scaling --traps memo --items 60 -q -m "series:$work/mini" --store "$work/scale.db"
grep -q "Trends over size" "$work/out" && grep -qE "memo-0 +accuracy +(standard|inverse|U-shaped|inverted-U|flat|unclear) " "$work/out" ||
    fail "no trend: $(cat "$work/out")"
grep "memo-0  *accuracy" "$work/out" > "$work/trend"
runs 0 "" inverse-scaling --traps memo --items 60 -q -m "series:$work/mini@size=9k|30k" --store "$work/scale.db" --json
grep -q '"class": "unclassed"' "$work/out" || fail "two sizes were classed"
"$ASSAY" export 1 2 3 4 5 --store "$work/scale.db" > "$work/out"
grep -qF "$(cat "$work/trend")" "$work/out" || fail "the export has another trend: $(cat "$work/out")"
"$ASSAY" export 1 2 3 4 5 --store "$work/scale.db" --format html -o "$work/page.html" || fail "no page of a series"
grep -q 'Trends over size' "$work/page.html" || fail "no trend in the page"
finish
