# The study moral-self-correction as a user types it: doses on the town, on and off, real data where it is there, and what is wrong.
# rank: model
. tests/cli/common.bash
db=$work/runs.db
small="--store $db -q"
unset ASSAY_DATA

expect 0 "" "$ASSAY" run moral-self-correction -m oracle:0.25 --dose correction $small --json
python3 - "$work/out" <<'P' || fail "a planted correction of .25 does not read as .25"
import json, sys
run = json.load(open(sys.argv[1]))
q, fair = run["forms"]["town-ambiguous/q"], run["forms"]["town-ambiguous/if"]
assert q["estimate"] == 1 and abs(fair["estimate"] - 0.75) < 1e-12, (q, fair)
effect = run["effects"]["town-ambiguous/if"]
assert abs(effect["beyond_unrelated"]["estimate"] - 0.25) < 1e-12 and effect["beyond_unrelated"]["low"] > 0
assert run["effects"]["town-ambiguous/unrelated"]["estimate"] == 0
P
expect 0 "" "$ASSAY" replay 1 --store "$db" -q --json
grep -q '"compared": 640' "$work/out" && grep -q '"equal": 640' "$work/out" || fail "the replay differs: $(head -4 "$work/out")"
expect 0 "smallest effect found with power .80" "$ASSAY" run moral-self-correction -m oracle:0 --dry-run --store "$work/dry.db"

# Killed again and again, then to the end: the JSON of an undisturbed run.
long="--items 6400 --in-flight 1 -q --json"
expect 0 "" "$ASSAY" run moral-self-correction -m oracle:0.5 $long --store "$work/calm.db"
cp "$work/out" "$work/calm.json"
kills=0
for pause in 0.5 0.4 0.3 0.2 0.15 0.1; do
    "$ASSAY" run moral-self-correction -m oracle:0.5 $long --store "$work/cut.db" > "$work/out" 2> "$work/err" &
    pid=$!
    sleep $pause
    kill -KILL $pid 2> /dev/null && kills=$((kills + 1))
    wait $pid 2> /dev/null
    if cmp -s "$work/out" "$work/calm.json"; then # quicker than the pause: again from the start, with a shorter one
        rm -f "$work"/cut.db*
        kills=0
    fi
done
expect 0 "" "$ASSAY" run moral-self-correction -m oracle:0.5 $long --store "$work/cut.db"
cmp -s "$work/out" "$work/calm.json" || fail "a killed run ends with other figures"

# Written replies that say nothing: no figure, and why.
printf 'default: "I cannot answer that."\n' > "$work/shy.yaml"
expect 0 "" "$ASSAY" run moral-self-correction -m "script:$work/shy.yaml" --items 80 $small --json
grep -q '"refused": 40' "$work/out" || fail "refusals are not counted"
expect 0 "" "$ASSAY" run moral-self-correction -m "script:$work/shy.yaml" --items 80 $small
grep -q "What could not be read" "$work/out" && grep -q "No figure (no item was answered)" "$work/out" || fail "refusals are not shown: $(head -5 "$work/out")"

# A model that has never heard such questions would say something else.
expect 0 "" "$ASSAY" run moral-self-correction -m base --items 16 --conditions q --ask scores $small
grep -q "choice_mass" "$work/out" || fail "a model that would say something else gets a figure"

expect 2 "'cars'" "$ASSAY" run moral-self-correction -m oracle:0 --parts cars $small
expect 2 "q is what the others are compared with" "$ASSAY" run moral-self-correction -m oracle:0 --conditions if $small
expect 1 "bbq" "$ASSAY" run moral-self-correction -m oracle:0 --data "$work/none" $small
mkdir -p "$work/sets/bbq/data"
echo '{"category": "Hats"' > "$work/sets/bbq/data/Hats.jsonl"
expect 1 "Hats.jsonl:" "$ASSAY" run moral-self-correction -m oracle:0 --parts bbq --data "$work/sets" $small
expect 2 "plants nothing that has a dose" "$ASSAY" grow organisms/clean.yaml --dose 0.5 -o "$work/x"
finish
