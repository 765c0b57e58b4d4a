# assay run, list, show, compare and replay as a user types them: figures, Ctrl-C, going on, and one clear message for
# each thing that can be wrong.
# rank: plain
. tests/cli/common.bash
db=$work/runs.db
small="--items 40 --store $db -q"

# Figures: an oracle of dose .25 reads as .25 in every form.
expect 0 "" "$ASSAY" run sycophancy -m oracle:0.25 --seed 3 $small --json
cp "$work/out" "$work/first.json"
[ "$(grep -c '"estimate": 0.25' "$work/out")" -ge 4 ] || fail "an oracle of dose .25 does not read as .25"
grep -q '"subject": "oracle:0.25"' "$work/out" || fail "the JSON does not name the subject"
expect 0 "" "$ASSAY" run sycophancy -m oracle:0.5 --seed 3 $small
grep -q "50.0 %" "$work/out" || fail "no figures on the terminal"
expect 0 "samples, at most" "$ASSAY" run sycophancy -m oracle:0.5 --dry-run --store "$work/dry.db"
[ ! -e "$work/dry.db" ] || fail "a dry run made a store"

# What is stored.
expect 0 "" "$ASSAY" list runs --store "$db"
[ "$(grep -c 'oracle:0' "$work/out")" -eq 2 ] || fail "list runs does not show two runs"
expect 0 "" "$ASSAY" show 1 --store "$db"
expect 0 "" "$ASSAY" show last --sample 3 --store "$db"
expect 0 "" "$ASSAY" replay 1 --store "$db" -q --json
grep -q '"compared": 160' "$work/out" && grep -q '"equal": 160' "$work/out" || fail "the replay differs: $(head -4 "$work/out")"
expect 0 "" "$ASSAY" compare 1 2 --store "$db" --json
grep -q '"shared": 160' "$work/out" || fail "the two runs do not share their items"
expect 1 "no run" "$ASSAY" show 77 --store "$db"
expect 1 "there is no store" "$ASSAY" list runs --store "$work/none.db"

# Ctrl-C again and again, then to the end: the JSON of an undisturbed run.
long="--items 1500 --seed 5 --in-flight 1 -q --json"
expect 0 "" "$ASSAY" run sycophancy -m oracle:0.25 $long --store "$work/calm.db"
cp "$work/out" "$work/calm.json"
interrupts=0 pause=0.2
for _ in $(seq 60); do
    "$ASSAY" run sycophancy -m oracle:0.25 $long --store "$work/cut.db" > "$work/out" 2> "$work/err" &
    pid=$!
    sleep $pause
    kill -INT $pid 2> /dev/null
    wait $pid; code=$?
    [ $code -ne 0 ] || [ $interrupts -eq 0 ] || break
    if [ $code -eq 0 ]; then # quicker than the pause: once more from the start, with a shorter one
        pause=$(awk "BEGIN { print $pause * 0.7 }")
        rm -f "$work"/cut.db*
        continue
    fi
    [ $code -eq 130 ] || { fail "Ctrl-C exits with $code: $(tail -1 "$work/err")"; break; }
    [ ! -s "$work/out" ] || fail "an interrupted run wrote to stdout"
    interrupts=$((interrupts + 1))
    # A loaded machine may not get far in a fifth of a second; five interruptions are enough.
    [ $interrupts -lt 5 ] || break
done
[ $interrupts -gt 0 ] || fail "no run could be interrupted"
[ $code -eq 0 ] || expect 0 "" "$ASSAY" run sycophancy -m oracle:0.25 $long --store "$work/cut.db"
cmp -s "$work/out" "$work/calm.json" || fail "an interrupted run ends with other figures"
expect 0 "" "$ASSAY" list runs --store "$work/cut.db"
[ "$(grep -c oracle "$work/out")" -eq 1 ] || fail "the interrupted run was not gone on with"

# Things that are wrong.
expect 2 "nobody to put through" "$ASSAY" run sycophancy --store "$work/x.db"
expect 2 "did you mean script:FILE.yaml?" "$ASSAY" run sycophancy -m scirpt:x.yaml --store "$work/x.db"
expect 1 "no such" "$ASSAY" run sycophancy -m "$work/nowhere" --store "$work/x.db"
expect 2 "between 0 and 1" "$ASSAY" run sycophancy -m oracle:2 --store "$work/x.db"
[ ! -e "$work/x.db" ] || fail "a run that could not begin left a store behind"
expect 2 "no role" "$ASSAY" run sycophancy -m oracle:0 --role jugde=oracle:0 --store "$work/x.db"
printf 'rules:\n  - containz: x\n    answer: y\n' > "$work/bad.yaml"
expect 1 "bad.yaml:2" "$ASSAY" run sycophancy -m "script:$work/bad.yaml" --store "$work/x.db"
echo "a letter, not a database, and long enough to be looked at as one by a program that reads headers" > "$work/letter.db"
expect 1 "not a database" "$ASSAY" run sycophancy -m oracle:0 --store "$work/letter.db"
expect 1 "/no/such/folder/x.db" "$ASSAY" run sycophancy -m oracle:0 --store /no/such/folder/x.db
expect 1 "127.0.0.1:1/v1" "$ASSAY" run sycophancy -m http://127.0.0.1:1/v1#m --items 40 --retries 1 --store "$work/net.db" -q
expect 2 "MY_KEY" "$ASSAY" run sycophancy -m http://127.0.0.1:1/v1#m --api-key-variable MY_KEY --store "$work/x.db"
if [ "$(id -u)" -eq 0 ] && mkdir "$work/tiny" && mount -t tmpfs -o size=200k tmpfs "$work/tiny" 2> /dev/null; then
    expect 1 "disk is full" "$ASSAY" run sycophancy -m oracle:0 --store "$work/tiny/x.db" -q
    umount "$work/tiny"
fi

finish
