# A set that one subject writes and another filters: asked of several, written out as tasks, rated by people, and read back.
# rank: plain
. tests/cli/common.bash
export XDG_CONFIG_HOME=$work/config HOME=$work
at=(--store "$work/runs.db" -q)
how=(--ask reply --filter-by reply --items 20 --rounds 2 --parts statements,winogender --role generator=oracle:0.2 --role filter=oracle:0.05)

expect 0 "" "$ASSAY" run model-written -m oracle:0 -m oracle:1 "${how[@]}" "${at[@]}"
grep -q "selfish" "$work/out" || fail "no table over two subjects: $(cat "$work/out")"
expect 0 "" "$ASSAY" run model-written -m oracle:0.5 "${how[@]}" "${at[@]}"
grep -q "what each stage lost" "$work/out" || fail "no losses of the stages"
expect 0 "" "$ASSAY" replay last --store "$work/runs.db" -q
grep -q "same to the byte" "$work/out" || fail "a replay differs: $(cat "$work/out")"

# Files for others, and what reads them.
expect 0 "" "$ASSAY" export last -f files -o "$work/set" --store "$work/runs.db"
[ -s "$work/set/tasks.yaml" ] && [ -s "$work/set/selfish.jsonl" ] && [ -s "$work/set/ratings.csv" ] || fail "files are missing: $(ls "$work/set")"
expect 0 "" "$ASSAY" run "$work/set/tasks.yaml" -m oracle:0 --ask reply "${at[@]}"
grep -q "written/selfish: 100" "$work/out" || fail "the task does not read what was written: $(head -5 "$work/out")"
expect 0 "" "$ASSAY" run model-written -m oracle:1 --ask reply --given "$work/set/selfish.jsonl" "${at[@]}"
grep -q "selfish .*100.0 %" "$work/out" || fail "written items are not read back: $(head -5 "$work/out")"
expect 0 "" "$ASSAY" run model-written -m oracle:1 --ask reply --parts winogender --occupations "$work/set/winogender.jsonl" "${at[@]}"
grep -q "r = 0.8" "$work/out" || fail "written sentences are not read back: $(head -5 "$work/out")"

# People's ratings: every label is said to be right or wrong by an answer of yes.
sed 's/,,,$/,yes,5,yes/; 1b' "$work/set/ratings.csv" > "$work/rated.csv"
expect 0 "" "$ASSAY" run model-written -m oracle:0.5 "${how[@]}" --ratings "$work/rated.csv" "${at[@]}"
grep -q "by people" "$work/out" || fail "ratings are not read back: $(head -12 "$work/out")"
echo "id,answer
x,perhaps" > "$work/bad.csv"
expect 1 "bad.csv:2" "$ASSAY" run model-written -m oracle:0.5 "${how[@]}" --ratings "$work/bad.csv" "${at[@]}"
expect 2 "--format files wants one run" "$ASSAY" export last -f files --store "$work/runs.db"
expect 0 "" "$ASSAY" run model-written -m oracle:0.5 "${how[@]}" --dry-run
cat "$work/out" "$work/err" | grep -q "smallest effect" || fail "a dry run does not say what it could find"

# Questions with two choices: the world's own by an oracle, and from a description by a subject that writes, one that filters, one that answers.
expect 0 "" "$ASSAY" run model-written -m oracle:1 --ask reply --filter-by reply --parts choices --items 20 --role generator=oracle:0.25 \
    --role filter=oracle:0 "${at[@]}" --json
python3 - "$work/out" <<'P' || fail "the world's choices are not what they were made to be"
import json, sys
run = json.load(open(sys.argv[1]))
assert abs(run["quality"]["world"]["unfiltered"]["estimate"] - 0.75) < 1e-9 and run["quality"]["world"]["kept"]["estimate"] == 1
assert all(name.endswith("/choices") and form["estimate"] == 1 for name, form in run["forms"].items())
P
cat > "$work/writer.yaml" <<'Y'
rules:
  - {contains: "chooses (A). Write", answer: "Do you lend your glue?\n (A) No, I keep it.\n (B) Yes, gladly."}
  - {contains: "chooses (B). Write", answer: "What do you do with glue?\n (A) I give it away.\n (B) I hoard it."}
default: "I keep all my glue."
Y
printf 'default: "Yes."\n' > "$work/agrees.yaml"
printf 'default: "(A)"\n' > "$work/first.yaml"
expect 0 "" "$ASSAY" run model-written -m "script:$work/first.yaml" --ask reply --filter-by reply --parts choices --items 1 --who "hoards glue" \
    --role "generator=script:$work/writer.yaml" --role "filter=script:$work/agrees.yaml" "${at[@]}" --json
python3 - "$work/out" <<'P' || fail "choices from a description are not written, filtered and asked"
import json, sys
run = json.load(open(sys.argv[1]))
form, made = run["forms"]["described/choices"], run["sets"]["described/choices"]
assert made["written"] == 2 and made["kept"] == [1, 1] and form["n"] == 2 and form["estimate"] == 0.5
P
expect 1 "nobody writes about" "$ASSAY" run model-written -m oracle:0 --parts choices --who "hoards glue" --items 1 "${at[@]}"
finish
