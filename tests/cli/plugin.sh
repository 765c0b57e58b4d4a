# Plug-ins as a user meets them: a study in Python is run, limited, shown and reported like one of the catalogue.
# rank: plain
. tests/cli/common.bash
case $ASSAY in /*) ;; *) ASSAY=$PWD/$ASSAY ;; esac
python3 -c 'import json' 2> /dev/null || { echo "skipped: there is no python3"; exit 77; }
study=examples/plugins/order.py
db=$work/runs.db
cat > "$work/first.yaml" <<'Y'
rules:
  - matches: 'Ada (\w+ \w+) or (\w+ \w+)\?'
    answers: ['It is $1.', 'It is $2.']
Y
subject="-m script:$work/first.yaml"

# Help and checks come from what the plug-in declares.
expect 0 "" "$ASSAY" run ./$study --help
grep -q "pairs of questions (1 to 100000; default 100)" "$work/out" || fail "help does not show the parameter"
expect 2 "expected 1 to 100000" "$ASSAY" run ./$study $subject --items 0 --store "$db"
expect 2 "did you mean '--items'" "$ASSAY" run ./$study $subject --itmes 5 --store "$db"
expect 2 "make it executable" "$ASSAY" run ./README.md $subject --store "$db"
expect 1 "cannot find the plug-in" "$ASSAY" run ./none.py $subject --store "$db"
expect 2 "a task is named by task:mwe/persona" "$ASSAY" run mwe/persona $subject --store "$db"
expect 2 "a plug-in is named by its path: ./README.md" "$ASSAY" run README.md $subject --store "$db"
[ ! -e "$db" ] || fail "a run that never began made a store"

# The same figures for any number of samples at once, and by any of its names.
for n in 1 7 64; do
    expect 0 "" "$ASSAY" run ./$study $subject --items 300 --in-flight $n --store "$work/$n.db" -q --json
    cp "$work/out" "$work/$n.json"
    cmp -s "$work/1.json" "$work/$n.json" || fail "--in-flight $n gives other figures"
done
grep -q '"n": 300' "$work/1.json" || fail "not 300 samples"
expect 0 "" "$ASSAY" run plugin:$study $subject --items 300 --store "$db" -q --json
cmp -s "$work/1.json" "$work/out" || fail "plugin:PATH gives other figures"
ASSAY_PLUGINS=/nonexistent:examples/plugins expect 0 "" "$ASSAY" run order $subject --items 300 --store "$work/named.db" -q --json
cmp -s "$work/1.json" "$work/out" || fail "the name in ASSAY_PLUGINS gives other figures"
expect 0 "" "$ASSAY" list runs --store "$db"
grep -q "order.*finished *300" "$work/out" || fail "list runs does not show the run"

# An edited plug-in is another run.
cp examples/plugins/*.py "$work"
expect 0 "" "$ASSAY" run "$work/order.py" $subject --items 20 --store "$work/edit.db" -q
echo "# edited" >> "$work/order.py"
expect 0 "run 2" "$ASSAY" run "$work/order.py" $subject --items 20 --store "$work/edit.db"

# What is listed, shown, replayed and reported.
ASSAY_PLUGINS=examples/plugins expect 0 "" "$ASSAY" list studies
grep -q "order .*Does an answer change" "$work/out" || fail "list studies does not show the plug-in"
grep -q "sycophancy" "$work/out" || fail "list studies shows the plug-ins alone"
expect 0 "" "$ASSAY" replay last --store "$db" -q --json
grep -q '"equal": 300' "$work/out" || fail "the replay differs: $(head -4 "$work/out")"
expect 0 "" "$ASSAY" export last --store "$db" -f html -o "$work/report.html"
grep -q "Does an answer change with the order of two options" "$work/report.html" || fail "the report has no title"
expect 1 "another version of the study" "$ASSAY" replay 1 --store "$work/edit.db" -q
mv "$work/order.py" "$work/moved.py"
expect 1 "says where it is now" "$ASSAY" replay 2 --store "$work/edit.db" -q
expect 0 "" "$ASSAY" replay 2 --store "$work/edit.db" -q --study "$work/moved.py"

expect 0 "20 samples" "$ASSAY" run ./$study $subject --items 20 --dry-run

# Starts: written once, never over anything, and they run.
here=$PWD
mkdir "$work/new"; cd "$work/new"
for kind in study scorer tool agent; do expect 0 "" "$ASSAY" new $kind my-$kind; done
expect 0 "at most 100 requests" "$ASSAY" run ./my-study.py -m base --items 50 --dry-run
grep -q "smallest effect found with power .80: 0.198" "$work/err" || fail "the plan names no effect: $(cat "$work/err")"
[ "$(wc -l < my-study.py)" -le 25 ] || fail "the study that is written has more than 25 lines"
expect 2 "is not written over" "$ASSAY" new study my-study
expect 2 "small letters" "$ASSAY" new study "My study"
expect 2 "there is no src/studies/catalogue.c here" "$ASSAY" new study other --lang c
expect 2 "there is no start of a tool in c" "$ASSAY" new tool other --lang c
cat > mia.yaml <<'Y'
rules:
  - matches: 'of Mia (\w+) or (\w+)'
    answers: [It is $1., It is $2.]
Y
expect 0 "" "$ASSAY" run ./my-study.py -m script:mia.yaml --items 50 --json -q
grep -q '"estimate": 1.0' "$work/out" || fail "whoever takes the first option does not read as 1: $(grep estimate "$work/out")"
expect 0 "" "$ASSAY" run ./my-study.py -m 'plugin:./my-agent.py?times=3,script:mia.yaml' --items 50 --json -q
grep -q '"n": 50' "$work/out" || fail "the agent did not answer 50 samples"
expect 2 "did you mean 'times'" "$ASSAY" run ./my-study.py -m 'plugin:./my-agent.py?tims=3,script:mia.yaml' -q
expect 1 "nobody stands beneath the agent" "$ASSAY" run ./my-study.py -m plugin:./my-agent.py --items 3 -q
expect 2 "a tool needs a subject" "$ASSAY" run ./my-study.py -m plugin:./my-tool.py --items 3 -q
expect 1 "can call tools" "$ASSAY" run ./my-study.py -m plugin:./my-tool.py,script:mia.yaml --items 3 -q
expect 2 "a study stands behind the verb" "$ASSAY" run ./my-study.py -m plugin:./my-study.py --items 3 -q
expect 2 "is a scorer, and this needs a study" "$ASSAY" run ./my-scorer.py -m script:mia.yaml -q

expect 2 "nobody knows the price" "$ASSAY" run ./my-study.py -m plugin:./my-agent.py,openai:some --max-cost 1 -q
expect 0 "" "$ASSAY" run ./my-study.py -m script:mia.yaml -m plugin:./my-agent.py,script:mia.yaml --items 30 -q --json
[ "$(grep -c '"estimate": ' "$work/out")" -ge 2 ] || fail "two subjects do not give two figures"
expect 1 "limit" "$ASSAY" run ./my-study.py -m plugin:./my-agent.py,script:mia.yaml --items 400 --max-tokens 2000 --store limit.db -q

# A task whose metric is a scorer of one's own.
printf '{"q": "1"}\n{"q": "2"}\n{"q": "3"}\n{"q": "4"}\n' > rows.jsonl
cat > task.yaml <<'Y'
task: manners
data: {path: rows.jsonl}
prompt: "Say {{ q }}"
metric: scorer
scorer: ./my-scorer.py
Y
printf 'rules:\n  - contains: Say 1\n    answer: Thank you, one.\ndefault: no\n' > say.yaml
expect 0 "" "$ASSAY" run task:./task.yaml -m script:say.yaml --json -q
grep -q '"estimate": 0.25' "$work/out" || fail "one polite answer of four does not read as .25: $(grep estimate "$work/out")"
sed -i 's|my-scorer.py|my-scorer.py?words=no|' task.yaml
expect 0 "" "$ASSAY" run task:./task.yaml -m script:say.yaml --json -q
grep -q '"estimate": 0.75' "$work/out" || fail "the scorer's parameter is not passed on: $(grep estimate "$work/out")"
sed -i 's|my-scorer.py.*|my-study.py|' task.yaml
expect 2 "is a study, and this needs a scorer" "$ASSAY" run task:./task.yaml -m script:say.yaml -q
sed -i '/^scorer: /d' task.yaml
expect 1 "the path of a plug-in that judges replies" "$ASSAY" run task:./task.yaml -m script:say.yaml -q

# Everything a study can say: two roles, scores, a summary and pictures of its own, an exception, prints, a question that fails.
cat > wide.py <<'P'
#!/usr/bin/env python3
from assay_plugin import AskError, Study

study = Study("wide", roles=[{"name": "subject", "needs": ["generate", "score"]}, {"name": "judge", "help": "who says"}])

@study.items
def items(params, random):
    return [{"n": n} for n in range(40)]

@study.sample
def sample(item, ask, params):
    print("this goes to standard error")
    if item["n"] == 3:
        raise ValueError("three is too many")
    try:
        ask("broken")
    except AskError as problem:
        words = str(problem)
    picked = ask.score([{"role": "user", "content": "pick one"}], ["left", "right"])
    said = ask("is it left?", role="judge")
    return {"words": words, "left": picked[0]["logprob"], "judged": said.text, "draw": ask.random.random(), "value": item["n"]}

@study.summary
def summary(records, params):
    there = [r for r in records if r]
    return {"summary": {"n": len(there), "left": sum(r["left"] for r in there) / len(there), "judged": there[0]["judged"],
                        "draws": sum(r["draw"] for r in there), "words": there[0]["words"]},
            "figures": {"findings": [f"{len(there)} came."], "tables": [], "charts": []}}

study.main()
P
chmod +x wide.py
cat > wide.yaml <<'Y'
rules:
  - contains: pick one
    answer: left
    logprobs: {left: -0.5, right: -1.5}
  - contains: broken
    fails: the line is dead
  - contains: is it left
    answer: it is
Y
expect 2 "needs somebody in the role judge" "$ASSAY" run ./wide.py -m script:wide.yaml -q
for n in 1 32; do
    expect 0 "three is too many (wide.py:14)" "$ASSAY" run ./wide.py -m script:wide.yaml -r judge=script:wide.yaml --in-flight $n --store wide-$n.db --json
    grep -q "note: this goes to standard error" "$work/err" || fail "what a plug-in prints is not shown"
    cp "$work/out" wide-$n.json
done
cmp -s wide-1.json wide-32.json || fail "a study with its own summary gives other figures for --in-flight 32"
grep -q '"n": 39' wide-1.json && grep -q '"left": -0.5' wide-1.json && grep -q '"judged": "it is"' wide-1.json &&
    grep -q 'the line is dead' wide-1.json && grep -q '39 came' wide-1.json || fail "the summary is not what the study made: $(cat wide-1.json)"

# Ctrl-C while the items are made.
printf '#!/usr/bin/env python3\nimport time\nfrom assay_plugin import Study\nstudy = Study("slow")\n@study.items\ndef items(params, random):\n    time.sleep(600)\nstudy.main()\n' > slow.py
chmod +x slow.py
"$ASSAY" run ./slow.py -m script:mia.yaml -q > "$work/out" 2> "$work/err" & pid=$!
sleep 2; kill -INT $pid
for _ in $(seq 100); do kill -0 $pid 2> /dev/null || break; sleep 0.1; done
kill -0 $pid 2> /dev/null && { fail "Ctrl-C is not heard while items are made"; kill -9 $pid; }
wait $pid; [ $? -eq 130 ] || fail "an interrupted run does not exit with 130: $(cat "$work/err")"

# The start in C goes into a tree, and compiles there as it stands.
mkdir -p tree/src/studies; touch tree/src/studies/catalogue.c; cd tree
expect 0 "" "$ASSAY" new study my-order --lang c
grep -q "X(my_order)" "$work/out" || fail "the steps do not name the line of the catalogue"
${CC:-cc} -std=c17 -D_GNU_SOURCE -Wall -Wextra -Wconversion -Werror -fsyntax-only -include "$here/src/core/banned.h" -I"$here/src" src/studies/my-order/my-order.c ||
    fail "the start in C does not compile"
expect 2 "is not written over" "$ASSAY" new study my-order --lang c
cd "$here"
finish
