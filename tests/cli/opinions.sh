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

# A translator in a process of its own (an agent of a plug-in): it translates, goes wrong in a way of each kind, and what it made is
# exported, checked by hand, and asked again without it.
cp examples/plugins/assay_plugin.py "$work"
cat > "$work/translator.py" <<'A'
#!/usr/bin/env python3
import re
from assay_plugin import Agent

words = {"Is it good?": "Eto khorosho?", "Is it far?": "Eto daleko?", "Is it new?": "Eto novo?", "Is it safe?": "Is it safe?", "Good": "khorosho",
         "Bad": "plokho", "Don't know": "ne znayu", "Near": "blizko", "Far": "daleko", "Yes": "da", "No": "net"}
back = {there: here for here, there in words.items()}
agent = Agent("translator", seeds=True)

@agent.answer
def answer(messages, ask):
    text = messages[-1]["content"]
    question = re.search(r"^Q: (.*)$", text, re.M).group(1)
    options = re.findall(r"^\d+\. (.*)$", text, re.M)
    if question == "Is it cheap?":
        return "I would rather not."
    if question == "Eto novo?":
        options = options[:-1]                   # one is lost on the way back
    table = back if "into English" in text else words
    return "\n".join([f"Q: {table[question]}"] + [f"{i}. {table[option]}" for i, option in enumerate(options, 1)])

agent.main()
A
chmod +x "$work/translator.py"
cat > "$work/five.csv" <<'C'
question,selections,options,source
"Is it good?","defaultdict(<class 'list'>, {'Spain': [0.5, 0.3, 0.2], 'Russia': [10, 80, 10]})","['Good', 'Bad', ""Don't know""]",GAS
"Is it far?","{'Spain': [0.9, 0.1], 'Russia': [0.2, 0.8]}","['Near', 'Far']",WVS
"Is it cheap?","{'Spain': [0.9, 0.1], 'Russia': [0.2, 0.8]}","['Yes', 'No']",WVS
"Is it new?","{'Spain': [0.9, 0.1], 'Russia': [0.2, 0.8]}","['Yes', 'No']",WVS
"Is it safe?","{'Spain': [0.9, 0.1], 'Russia': [0.2, 0.8]}","['Yes', 'No']",WVS
C
ways="--data $work/five.csv --conditions default,language --languages Russian"
expect 0 "" "$ASSAY" run global-opinions -m base --role "translator=plugin:$work/translator.py" $ways $small --json
python3 - "$work/out" <<'P' || fail "translations by a process are not counted as they should be"
import json, sys
run = json.load(open(sys.argv[1]))["conditions"]["language:Russian"]
assert run["questions"] == 2 and run["untranslated"] == 3, run
assert sorted(run["translations"]["problems"]) == ['the translation has no question behind "Q:"', "the translation is the original", "what came back has too few options"]
P
expect 0 "" "$ASSAY" replay last --store "$db" -q --json
grep -q '"equal": 5' "$work/out" || fail "the replay of a survey differs: $(head -4 "$work/out")"
expect 0 "" "$ASSAY" export last -f files -o "$work/files" --store "$db"
grep -q "translations.html: the same as a page" "$work/out" || fail "export names no page of translations: $(cat "$work/out")"
python3 - "$work/files" "$work/checked.csv" <<'P' || fail "the exported tables are wrong"
import csv, json, sys
read = lambda name: list(csv.DictReader(open(f"{sys.argv[1]}/{name}", newline="")))
rows, answers, countries = read("translations.csv"), read("answers.csv"), read("countries.csv")
assert len(rows) == 5 and rows[0]["translated_options"] == "khorosho\nplokho\nne znayu" and rows[0]["back"] == "Is it good?", rows[0]
assert len(answers) == 5 * 2 + 2 * 2 and len(countries) == 4
for row in answers:
    mine, theirs = json.loads(row["subject_shares"]), json.loads(row["country_shares"])
    assert len(mine) == len(theirs) == int(row["options"]) and abs(sum(mine) - 1) < 1e-4 and 0 <= float(row["similarity"]) <= 1
spain = [r for r in countries if r["country"] == "Spain" and r["condition"] == "default"][0]
assert abs(float(spain["similarity"]) - sum(float(r["similarity"]) for r in answers if r["country"] == "Spain" and r["condition"] == "default") / 5) < 1e-9
page = open(f"{sys.argv[1]}/translations.html").read()
assert page.count("<article") == 5 and "Eto daleko?" in page
for row, verdict in zip(rows, ["accept", "reject", "", "edit", ""]):
    row["verdict"], row["checker"] = verdict, "ann"
    if verdict == "edit":
        row["translated_options"] = "da\nnet"
with open(sys.argv[2], "w", newline="") as out:
    table = csv.DictWriter(out, rows[0].keys())
    table.writeheader()
    table.writerows(rows)
P
expect 0 "" "$ASSAY" run global-opinions -m base --translations "$work/checked.csv" $ways $small --json
python3 - "$work/out" <<'P' || fail "checked translations are not asked as they should be"
import json, sys
t = json.load(open(sys.argv[1]))["conditions"]["language:Russian"]["translations"]
assert t["checked"] and t["usable"] == 2 and t["verdicts"] == {"accept": 1, "reject": 1, "edit": 1} and t["checkers"] == {"ann": 5}, t
P

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
