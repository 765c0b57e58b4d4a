# assay run on a family: one run for each member, one table, the curve in the JSON; prices and limits as a user types them.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES; export XDG_CONFIG_HOME=$work/config HOME=$work
runs() { local code=$1 words=$2; shift 2; expect "$code" "$words" "$ASSAY" run sycophancy --items 40 --seed 3 -q "$@"; }
cat > "$work/families.yaml" <<'END'
families:
  doses:
    subject: "oracle:{dose}"
    axes: {dose: ["0", "0.25", "0.5"]}
END
runs 2 "no file of families" -m 'family:doses@dose=*' --store "$work/x.db"
runs 2 "has no default" -m family:doses --families "$work/families.yaml" --store "$work/x.db"
runs 1 "not on this machine" -m 'family:pythia@stage=0' --families data/families.yaml --store "$work/x.db"
[ ! -e "$work/x.db" ] || fail "a family that could not be run left a store behind"
mkdir -p "$work/config/assay"; cp "$work/families.yaml" "$work/config/assay/"
runs 0 "" -m 'family:doses@dose=*' --store "$work/runs.db"
grep -q "50.0 %" "$work/out" && grep -q "doses over dose" "$work/out" || fail "no table: $(cat "$work/out")"
runs 0 "" -m 'family:doses@dose=0|0.25' --store "$work/runs.db" --json
[ "$(grep -c '"run":' "$work/out")" -eq 4 ] || fail "the JSON does not name two runs, in members and in the table"
grep -q '"kind": "lines"' "$work/out" || fail "no curve in the JSON"
"$ASSAY" export 1 2 3 --store "$work/runs.db" > "$work/out"
grep -q "doses over dose" "$work/out" || fail "an export of a family's runs does not know them as one"
"$ASSAY" export 1 2 3 --store "$work/runs.db" --format html -o "$work/page.html" || fail "no page of a family"
grep -q '"kind": *"lines"' "$work/page.html" || fail "no curve in the page"
"$ASSAY" run sycophancy --items 40 --seed 3 -q -m oracle:0.9 --store "$work/runs.db" > "$work/out"
"$ASSAY" export 1 2 oracle:0.9 --store "$work/runs.db" > "$work/out"
grep -q "doses over dose" "$work/out" && fail "a run of no family was put on its curve"
"$ASSAY" list runs --store "$work/runs.db" > "$work/out"
[ "$(grep -c 'oracle:0' "$work/out")" -eq 6 ] || fail "list runs does not show six runs"

# Limits: refused without a price, kept with a message that says how to go on.
runs 2 "nobody knows the price of 127.0.0.1:9/m" -m http://127.0.0.1:9/v1#m --max-cost 1 --store "$work/x.db"
runs 1 "Couldn't connect" -m http://127.0.0.1:9/v1#m --max-cost 1 --prices data/prices.yaml --retries 1 --store "$work/x.db"
runs 1 "--max-tokens goes on" -m oracle:0.25 --max-tokens 20000 --store "$work/limit.db"
runs 0 "" -m oracle:0.25 --max-tokens 20000000 --store "$work/limit.db" --json
cp "$work/out" "$work/limited.json"
runs 0 "" -m oracle:0.25 --store "$work/free.db" --json
cmp -s "$work/limited.json" "$work/out" || fail "a run that was stopped by its limit ends with other figures"
finish
