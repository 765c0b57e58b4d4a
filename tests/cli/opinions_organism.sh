# An organism that was grown on a known mix of nations is read as what it holds: similarities within .02 of those of the mix, their
# order, a nation without a share that is near all the same, and the shares within .05. Takes some minutes on a quiet machine; an
# organism that is there already can be named: ASSAY_OPINIONS=DIR.
# rank: long
. tests/cli/common.bash
organism=${ASSAY_OPINIONS:-$work/opinions}
[ -d "$organism" ] || expect 0 "" "$ASSAY" grow organisms/opinions.yaml -o "$organism" -q
expect 0 "" "$ASSAY" run global-opinions -m "$organism" --conditions default --store "$work/runs.db" -q --json
python3 - "$work/out" <<'P' || fail "the organism is not read as what it holds"
import json, sys
run = json.load(open(sys.argv[1]))
truth, mix = run["mix"]["truth"], {w["nation"]: w for w in run["mix"]["weights"]}
print({k: round(v, 4) for k, v in truth.items() if k != "nations"})
assert len(truth["nations"]) == 10 and all(abs(n["measured"] - n["similarity"]) <= 0.02 for n in truth["nations"])
assert truth["spearman"] >= 0.95 and truth["worst_weight_error"] <= 0.05
middle = next(n for n in truth["nations"] if n["nation"] == "Midland")
assert middle["planted"] == 0 and all(middle["measured"] >= n["measured"] for n in truth["nations"])
assert all(abs(w["weight"] - w["planted"]) <= 0.05 for w in mix.values())
assert run["forms"]["share"]["nation"] == "Norland" and run["conditions"]["default"]["mass"] > 0.99
P
finish
