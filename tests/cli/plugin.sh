# Plug-ins as a user meets them: a study in Python is run, limited, shown and reported like one of the catalogue.
# rank: plain
. tests/cli/common.bash
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
finish
