# The study global-opinions as a user types it: doses on the town, killed and gone on with, replayed, real data where it is there, the
# report with its map, replies that say nothing, and what is wrong.
# rank: model
. tests/cli/common.bash
db=$work/runs.db
small="--store $db -q"
unset ASSAY_DATA

expect 0 "" "$ASSAY" run global-opinions -m oracle:0.25 --conditions default $small --json
python3 - "$work/out" <<'P' || fail "a planted share of .25 does not read as .25"
import json, sys
run = json.load(open(sys.argv[1]))
share = run["forms"]["share"]
assert share["nation"] == "Norland" and abs(share["estimate"] - 0.25) < 0.04, share
assert run["conditions"]["default"]["draws"] == 12000 and run["conditions"]["default"]["draw_error"] > 0
P
expect 0 "" "$ASSAY" replay 1 --store "$db" -q --json
grep -q '"compared": 120' "$work/out" && grep -q '"equal": 120' "$work/out" || fail "the replay differs: $(head -4 "$work/out")"
expect 0 "smallest effect found with power .80" "$ASSAY" run global-opinions -m base --dry-run --store "$work/dry.db"
expect 0 "at most 12000 requests" "$ASSAY" run global-opinions -m oracle:0 --conditions default --answers draws --dry-run --store "$work/dry.db"

# Killed again and again, then to the end: the JSON of an undisturbed run.
long="--conditions default --draws 2000 --in-flight 1 -q --json"
expect 0 "" "$ASSAY" run global-opinions -m oracle:0.5 $long --store "$work/calm.db"
cp "$work/out" "$work/calm.json"
for pause in 0.5 0.4 0.3 0.2; do
    "$ASSAY" run global-opinions -m oracle:0.5 $long --store "$work/cut.db" > "$work/out" 2> "$work/err" &
    pid=$!
    sleep $pause
    kill -KILL $pid 2> /dev/null
    wait $pid 2> /dev/null
done
expect 0 "" "$ASSAY" run global-opinions -m oracle:0.5 $long --store "$work/cut.db"
cmp -s "$work/out" "$work/calm.json" || fail "a killed run ends with other figures"

# Surveys in the published form, under every way to ask.
cat > "$work/opinions.csv" <<'C'
question,selections,options,source
"Is it good?","defaultdict(<class 'list'>, {'Spain': [0.5, 0.3, 0.2], 'Russia': [10, 80, 10], 'Mali (Non-national sample)': [1, 0, 0]})","['Good', 'Bad', ""Don't know""]",GAS
"Is it far?","defaultdict(<class 'list'>, {'Spain': [0.9, 0.1], 'Northern Ireland': [0.2, 0.8]})","['Near', 'Far']",WVS
C
cat > "$work/translator.yaml" <<'Y'
rules:
  - contains: into English
    answer: "Q: Is it so?\n1. one\n2. two\n3. three"
  - contains: Is it good?
    answer: "Q: Eto khorosho?\n1. da\n2. net\n3. ne znaju"
  - contains: Is it far?
    answer: No.
Y
ways="--data $work/opinions.csv --conditions default,country,language --countries Russia --languages Russian"
expect 0 "" "$ASSAY" run global-opinions -m base --role "translator=script:$work/translator.yaml" $ways $small --json
python3 - "$work/out" <<'P' || fail "a survey in another language is not counted as it should be"
import json, sys
run = json.load(open(sys.argv[1]))
assert run["data"]["rows"] == 5 and run["data"]["non_national"] == 1 and run["data"]["kept"] == 4, run["data"]
assert run["conditions"]["language:Russian"]["untranslated"] == 1 and run["conditions"]["country:Russia"]["questions"] == 2
P
expect 0 "" "$ASSAY" export last --format html -o "$work/report.html" --store "$db"
grep -q '"kind": *"map"' "$work/report.html" && grep -q "Northern Ireland" "$work/report.html" || fail "the report has no map"
expect 1 "the condition language needs a translator" "$ASSAY" run global-opinions -m base $ways $small

# Replies that say nothing: no figure, and why.
printf 'default: "I cannot answer that."\n' > "$work/shy.yaml"
expect 0 "" "$ASSAY" run global-opinions -m "script:$work/shy.yaml" --data "$work/opinions.csv" --conditions default --draws 5 $small
grep -q "no question could be read" "$work/out" && grep -q "declines to answer" "$work/out" || fail "refusals are not shown: $(head -5 "$work/out")"
expect 1 "answers draws reads the options from drawn replies" "$ASSAY" run global-opinions -m oracle:0 --answers logprobs $small

if [ -d ../shared/data/global-opinions ]; then
    expect 0 "" "$ASSAY" run global-opinions -m base --data ../shared/data --items 40 $small --json
    grep -q '"rows": 4633' "$work/out" || fail "the shared file is not read whole"
fi

expect 2 "default is what the others are compared with" "$ASSAY" run global-opinions -m oracle:0 --conditions country $small
expect 2 "Atlantis" "$ASSAY" run global-opinions -m oracle:0 --countries Atlantis $small
expect 1 "none.csv" "$ASSAY" run global-opinions -m oracle:0 --data "$work/none.csv" $small
echo 'question,selections,options' > "$work/bad.csv"; echo 'a,{,[]' >> "$work/bad.csv"
expect 1 "bad.csv:2:" "$ASSAY" run global-opinions -m oracle:0 --data "$work/bad.csv" $small
expect 2 "Norlond" "$ASSAY" run global-opinions -m oracle:0 --countries Norlond $small
finish
