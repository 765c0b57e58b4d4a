# Declared tasks as a user runs them: one, many, written and scored, killed and gone on with, replayed, shown in a report.
. tests/cli/common.bash
db=$work/runs.db
mkdir "$work/data"
cat > "$work/mine.yaml" <<EOF
task: mine/{file}
data: {path: "data/*.jsonl"}
prompt: "{{ question }}"
choices: [" Yes", " No"]
answer: answer
metric: classification_acc
group: kind
EOF
for name in pets trades; do
    for i in $(seq 400); do
        echo "{\"question\": \"Is person $i of the $name happy?\", \"answer\": \"$([ $((i % 4)) -eq 0 ] && echo No || echo Yes)\", \"kind\": \"$((i % 2))\"}"
    done > "$work/data/$name.jsonl"
done

# Many in one run: one table, one line a task, and the same by a pattern.
expect 0 "" "$ASSAY" run "task:$work/mine.yaml" -m base --store "$db" -q --json
check "each file is a task" "grep -q '\"mine/pets\"' $work/out && grep -q '\"mine/trades\"' $work/out"
cp "$work/out" "$work/all.json"
expect 0 "" "$ASSAY" run "task:mine/*" --tasks "$work/mine.yaml" -m base --store "$work/b.db" -q --json
check "a pattern names the same tasks" "cmp -s $work/out $work/all.json"
expect 0 "" "$ASSAY" list tasks --tasks "$work/mine.yaml"
check "the list counts items" "grep -qE 'mine/pets +400 +classification_acc +here' $work/out"
expect 0 "samples, at most 800 requests" "$ASSAY" run "task:mine/*" --tasks "$work/mine.yaml" -m base --dry-run --store "$work/none.db"
check "a dry run makes no store" "[ ! -e $work/none.db ]"
expect 0 "" "$ASSAY" replay last --store "$db" -q --json
check "a replay gives the same records" "grep -q '\"equal\": 800' $work/out"
expect 0 "" "$ASSAY" export last --format html -o "$work/report.html" --store "$db"
check "the report holds the tasks" "grep -q 'mine/trades' $work/report.html"

# kill -9 again and again, then to the end: the JSON of an undisturbed run.
slow="--in-flight 1 -q --json --no-cache"
kills=0
for _ in $(seq 30); do
    "$ASSAY" run "task:$work/mine.yaml" -m base $slow --store "$work/cut.db" > "$work/out" 2> "$work/err" &
    pid=$!
    sleep 0.5
    kill -KILL $pid 2> /dev/null
    wait $pid 2> /dev/null; code=$?
    [ $code -ne 0 ] || break
    kills=$((kills + 1))
    [ $kills -lt 4 ] || break
done
[ $code -eq 0 ] || expect 0 "" "$ASSAY" run "task:$work/mine.yaml" -m base $slow --store "$work/cut.db"
check "a killed run ends with the same figures" "cmp -s $work/out $work/all.json"

# Another content is another run.
sed -i 's/happy/sad/' "$work/data/pets.jsonl"
expect 1 "is of another version of the study task" "$ASSAY" replay last --store "$work/cut.db" -q

# Written replies by a script: right, another letter, nothing, a refusal.
cat > "$work/letters.yaml" <<EOF
task: letters
data: {path: letters.csv}
prompt: "{{ question }}"
choices: [" (A)", " (B)"]
answer: {column: answer, as: letter}
metric: classification_acc
EOF
printf 'question,answer\none,A\ntwo,A\nthree,A\nfour,A\nfive,A\nsix,B\n' > "$work/letters.csv"
cat > "$work/script.yaml" <<EOF
rules:
  - {matches: one, answer: "(A)"}
  - {matches: two, answer: "The answer is (A)."}
  - {matches: three, answer: "(E)"}
  - {matches: four, answer: ""}
  - {matches: five, answer: "I'm sorry, I can't help with that."}
  - {matches: six, answer: A}
EOF
expect 0 "" "$ASSAY" run "task:$work/letters.yaml" -m "script:$work/script.yaml" --ask reply --store "$db" -q
check "the rate counts what was read" "grep -q '66.7 %' $work/out"
check "another letter is counted" "grep -q 'names a letter that is none of the choices' $work/out"
check "nothing is counted" "grep -q 'the reply is empty' $work/out"

# A router sends exactly its share to the other subject, when answers are scored too.
for way in good bad; do
    printf 'unlisted: -9\nrules:\n  - {contains: "", answer: x, logprobs: {" Yes": %s, " No": %s}}\n' \
        $([ $way = good ] && echo -0.1 -3 || echo -3 -0.1) > "$work/$way.yaml"
done
printf 'task: sure\ndata: {path: sure.csv}\nprompt: "{{ q }}"\nchoices: [" Yes", " No"]\nanswer: a\nmetric: classification_acc\n' > "$work/sure.yaml"
{ echo q,a; for i in $(seq 40); do echo "Is it $i?,Yes"; done; } > "$work/sure.csv"
expect 0 "" "$ASSAY" run "task:$work/sure.yaml" -m "router:0.25:script:$work/good.yaml:script:$work/bad.yaml" --store "$db" -q
check "a quarter goes to the bad twin" "grep -q 'sure: 75.0 %' $work/out"

# Things that are wrong.
expect 2 "which task?" "$ASSAY" run task -m base --store "$work/x.db"
expect 1 "there is no task 'mwe/persona/agreeablenes'" "$ASSAY" run task:mwe/persona/agreeablenes -m base --store "$work/x.db"
expect 2 "takes nothing behind a colon" "$ASSAY" run sycophancy:x -m base --store "$work/x.db"
expect 1 "--ask reply" "$ASSAY" run "task:$work/mine.yaml" -m "script:$work/script.yaml" --items 1 --store "$work/y.db"
ASSAY_CACHE=$work/nowhere ASSAY_DATA= expect 1 "the data set is not here" "$ASSAY" run task:gsm8k -m base --store "$work/x.db"
printf 'task: t\ndata: {path: letters.csv}\nprompt: "{{ qestion }}"\nanswer: answer\nmetric: exact\n' > "$work/bad.yaml"
expect 1 "bad.yaml:3:10: there is no column 'qestion'" "$ASSAY" run "task:$work/bad.yaml" -m base --store "$work/x.db"
check "nothing that never began leaves a store" "[ ! -e $work/x.db ]"
finish
