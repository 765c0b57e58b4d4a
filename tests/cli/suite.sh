# assay run suite:NAME: several studies and subjects, one report; what is left out, what goes on after a stop, what wrong use says.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES ASSAY_SUITES; export XDG_CONFIG_HOME=$work/config HOME=$work
runs() { local code=$1 words=$2; shift 2; expect "$code" "$words" "$ASSAY" run "$@"; }

cat > "$work/mini.yaml" <<'END'
suite: mini
title: "A small suite"
studies:
  - study: sycophancy
    params: {items: 40, forms: "answer,feedback"}
  - study: feedback-failures
    params: {items: 40, draws: 0}
  - study: inverse-scaling
    params: {items: 10}
  - study: not-yet-written
    optional: true
END
"$ASSAY" list suites > "$work/out"
grep -q "behaviours.*sycophancy, feedback-failures" "$work/out" || fail "the suite inside the program is not listed: $(cat "$work/out")"
mkdir "$work/own"; cp "$work/mini.yaml" "$work/own/"
ASSAY_SUITES=$work/own "$ASSAY" list suites --json > "$work/out"; grep -q '"suite": "mini"' "$work/out" || fail "the user's own suite is not listed"

# Two studies on two subjects: what is planted is found on the one and not on the other; what an oracle cannot do is left out.
runs 0 "part 6 of 6" "suite:$work/mini.yaml" -m oracle:0 -m oracle:0.5 --store "$work/a.db" --html "$work/page.html"
grep -qE "^- 3 of 6 failures tested for were found" "$work/out" || fail "no sum of what was found: $(head -5 "$work/out")"
tr '\n' ' ' < "$work/out" | tr -s ' ' | grep -q "oracle:0 0.0 % \[.*\], not found; oracle:0.5 .*, found" || fail "no comparison of subjects: $(cat "$work/out")"
grep -q "Left out: inverse-scaling on oracle:0" "$work/out" && grep -q "Left out: not-yet-written" "$work/out" || fail "nothing is said of what was left out"
grep -q '"sections"' "$work/page.html" && grep -q "A small suite" "$work/page.html" || fail "no page"
runs 0 "" "suite:$work/mini.yaml" -q -m oracle:0 -m oracle:0.5 --store "$work/a.db" --json
grep -q '"claims"' "$work/out" && grep -q '"p_holm"' "$work/out" && grep -q '"left_out"' "$work/out" || fail "the JSON lacks a part"
[ "$(grep -c '"summary":' "$work/out")" -eq 4 ] || fail "the JSON does not hold four runs"

# The newest call can be written and replayed as a whole; loose runs of several studies make a report too.
"$ASSAY" export suite:mini --store "$work/a.db" > "$work/text" || fail "the suite cannot be exported"
grep -q "A small suite: 2 subjects" "$work/text" && grep -q "Left out: inverse-scaling" "$work/text" || fail "the export has lost something: $(head -3 "$work/text")"
"$ASSAY" export 1 2 --store "$work/a.db" --format html -o "$work/two.html" && grep -q '"sections"' "$work/two.html" || fail "no page of two studies"
expect 0 "" "$ASSAY" replay suite:mini --store "$work/a.db" -q
[ "$(grep -c 'records are the same to the byte' "$work/out")" -eq 4 ] || fail "the whole was not replayed: $(cat "$work/out")"
expect 1 "no call of the suite 'behaviours'" "$ASSAY" export suite:behaviours --store "$work/a.db"

# A call that does not come to its end (its second subject is not there) is gone on with.
echo 'default: I do not know.' > "$work/there.yaml"
runs 1 "cannot read" "suite:$work/mini.yaml" -q -m oracle:0 -m "script:$work/none.yaml" --store "$work/cut.db"
cp "$work/there.yaml" "$work/none.yaml"
runs 0 "" "suite:$work/mini.yaml" -q -m oracle:0 -m "script:$work/none.yaml" --store "$work/cut.db"
"$ASSAY" list runs --store "$work/cut.db" > "$work/list"
[ "$(grep -cE 'oracle|script' "$work/list")" -eq 4 ] || fail "a suite that went on made runs anew: $(cat "$work/list")"

# Parts and parameters from the command line, and a look before anything is asked.
runs 0 "all 4 runs: at most" "suite:$work/mini.yaml" -m oracle:0 -m oracle:0.5 --only sycophancy,feedback-failures --dry-run --store "$work/x.db"
[ ! -e "$work/x.db" ] || fail "a look left a store behind"
runs 0 "sycophancy on oracle:0: 20 samples" "suite:$work/mini.yaml" -m oracle:0 --only sycophancy --set sycophancy.items=10 --dry-run --store "$work/x.db"
runs 2 "no part 'sycofancy'" "suite:$work/mini.yaml" -q -m oracle:0 --only sycofancy --store "$work/x.db"
runs 2 "expected PART.PARAMETER=VALUE" "suite:$work/mini.yaml" -q -m oracle:0 --set items=3 --store "$work/x.db"
runs 2 "itms" "suite:$work/mini.yaml" -q -m oracle:0 --set sycophancy.itms=3 --store "$work/x.db"
runs 2 'has a role "juge"' "suite:$work/mini.yaml" -q -m oracle:0 --role juge=oracle:0 --store "$work/x.db"
runs 2 "nobody to put through" "suite:$work/mini.yaml" -q --store "$work/x.db"
runs 2 "there is no suite called 'behavours'" suite:behavours -q -m oracle:0 --store "$work/x.db"
runs 1 "nothing of the suite mini could be asked" "suite:$work/mini.yaml" -q -m oracle:0 --only inverse-scaling --store "$work/x.db"
sed 's/params: {items: 10}/params: {itmes: 10}/' "$work/mini.yaml" > "$work/bad.yaml"
runs 2 "bad.yaml:8" "suite:$work/bad.yaml" -q -m oracle:0 --store "$work/x.db"
sed 's/study: feedback-failures/study: sycophancy/' "$work/mini.yaml" > "$work/bad.yaml"
runs 1 "two parts are called" "suite:$work/bad.yaml" -q -m oracle:0 --store "$work/x.db"
[ ! -e "$work/x.db" ] || fail "wrong use left a store behind"
"$ASSAY" run suite:behaviours --help > "$work/out"; grep -q -- "--only PARTS" "$work/out" || fail "no help of a suite"
finish
