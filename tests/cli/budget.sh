# Limits of a command that makes several runs hold for all of them together: a suite, a list of subjects, a spike series. What a
# server on this machine was asked is what was spent; a stopped command goes on under a higher limit, and ends with the same figures.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES ASSAY_SUITES; export XDG_CONFIG_HOME=$work/config HOME=$work
runs() { local code=$1 words=$2; shift 2; expect "$code" "$words" "$ASSAY" run "$@"; }

echo 'default: I do not know.' > "$work/dull.yaml"
printf 'default: I do not know.\nrules:\n  - matches: "(?s)town"\n    answers: ["The town is Ashby."]\n' > "$work/other.yaml"
# start NAME: serves NAME.yaml, and sets $at.
start() {
    "$ASSAY" serve --port 0 --name "$1" -m "script:$work/$1.yaml" > "$work/$1.out" 2> "$work/$1.err" &
    pids+=("$!")
    for _ in $(seq 300); do grep -qs '^http' "$work/$1.err" && break; sleep 0.1; done
    at=$(head -1 "$work/$1.err")
    [[ $at == http://* ]] || { echo "FAILED: serve $1 did not start: $(cat "$work/$1.err")"; exit 1; }
}
start dull; first=$at/v1#dull
start other; second=$at/v1#other
cat > "$work/prices.yaml" <<'END'
prices:
  - {model: "127.0.0.1:*", input: 10, output: 10, date: 2026-11-21, source: a test}
END
cat > "$work/mini.yaml" <<'END'
suite: mini
title: "A small suite"
studies:
  - study: sycophancy
    params: {items: 20, forms: "answer"}
  - study: competence
    params: {items: 20}
END
# spent FILE: the dollars of all runs that the stderr of a command tells of, in millionths.
spent() { sed -n 's/^run [0-9]*:.*, \$\([0-9.e-]*\).*/\1/p' "$1" | awk '{ s += $1 } END { printf "%d\n", 1e6 * s }'; }
dollars() { awk -v m="$1" -v f="$2" 'BEGIN { printf "%.6f\n", m * f / 1e6 }'; }

# A suite.
suite=("suite:$work/mini.yaml" -m "$first" -m "$second" --prices "$work/prices.yaml" --seed 2 --json)
runs 0 "" "${suite[@]}" --store "$work/free.db"
cp "$work/out" "$work/free.json"
whole=$(spent "$work/err")
[ "$(grep -c '^run [0-9]*:.*\$' "$work/err")" -eq 4 ] && [ "$whole" -gt 1000 ] || fail "not four runs that cost something: $(cat "$work/err")"
limit=$(dollars "$whole" 0.6)
runs 1 "dollars for all 4 runs together is reached" "${suite[@]}" --store "$work/cut.db" --max-cost "$limit"
grep -q -- "--max-cost goes on" "$work/err" || fail "it is not said how to go on: $(tail -2 "$work/err")"
[ "$(spent "$work/err")" -le "$(awk -v l="$limit" 'BEGIN { printf "%d", 1e6 * l + 1 }')" ] || fail "more was spent than the limit"
# A limit that each run keeps by itself is not kept by all: no run takes more than half of the whole.
"$ASSAY" list runs --store "$work/cut.db" > "$work/list"
[ "$(grep -c "finished" "$work/list")" -ge 1 ] || fail "no run was finished below the limit: $(cat "$work/list")"
runs 1 "dollars for all 4 runs together is reached" "${suite[@]}" --store "$work/cut.db" --max-cost "$limit"
runs 0 "" "${suite[@]}" --store "$work/cut.db" --max-cost "$(dollars "$whole" 4)"
cmp -s "$work/out" "$work/free.json" || fail "a suite that was stopped by its limit ends with other figures"
# What came to its end begins anew: the limit that all of it needed is enough once more.
runs 0 "" "${suite[@]}" --store "$work/cut.db" --max-cost "$(dollars "$whole" 2)"

# A list of subjects.
list=(sycophancy --items 20 --forms answer -m "$first" -m "$second" --prices "$work/prices.yaml" --seed 3 --json)
runs 0 "" "${list[@]}" --store "$work/list-free.db"
cp "$work/out" "$work/free.json"
whole=$(spent "$work/err")
runs 1 "dollars for all 2 runs together is reached" "${list[@]}" --store "$work/list.db" --max-cost "$(dollars "$whole" 0.75)"
runs 0 "" "${list[@]}" --store "$work/list.db" --max-cost "$(dollars "$whole" 4)"
cmp -s "$work/out" "$work/free.json" || fail "a list that was stopped by its limit ends with other figures"

# A spike series, in tokens.
spike=("$ASSAY" spike -m oracle:0 --set items=40 --set forms=answer --twin oracle:1 -q --store "$work/spike.db" -o "$work/spike")
runs 0 "" sycophancy --items 40 --forms answer -m oracle:0 --store "$work/one.db" # what one of its two runs takes
tokens=$(sed -n 's/.* \([0-9]*\) tokens.*/\1/p' "$work/err" | tail -1)
expect 1 "tokens for all 2 runs together is reached" "${spike[@]}" --max-tokens $((tokens * 3 / 2))
expect 0 "" "${spike[@]}" --max-tokens 2000000
grep -q "Recovery: 1.00 at 10" "$work/out" || fail "a series that was stopped by its limit reads something else: $(cat "$work/out")"
finish
