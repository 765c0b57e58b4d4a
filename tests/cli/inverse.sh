# The study inverse-scaling as a user types it: planted trends over sizes are classed, a ladder without one is flat, one model twice
# differs by nothing, and a model of random weights is at chance.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES; export XDG_CONFIG_HOME=$work/config HOME=$work
cat > "$work/families.yaml" <<'END'
families:
  falling:
    subject: "oracle:{size},scores"
    axes: {size: {"100000": "0.1", "300000": "0.2", "1000000": "0.3", "3000000": "0.4", "10000000": "0.5"}}
  rising:
    subject: "oracle:{size},scores"
    axes: {size: {"100000": "0.5", "300000": "0.4", "1000000": "0.3", "3000000": "0.2", "10000000": "0.1"}}
  turning:
    subject: "oracle:{size},scores"
    axes: {size: {"100000": "0.1", "300000": "0.3", "1000000": "0.5", "3000000": "0.3", "10000000": "0.1"}}
  same:
    subject: "oracle:{size},scores"
    axes: {size: {"100000": "0.25", "300000": "0.25", "1000000": "0.25", "3000000": "0.25", "10000000": "0.25"}}
END
# ladder NAME CLASS EFFECT: what a trend of accuracies over the sizes is classed as, and its planted effect, in every cell that counts.
ladder() {
    expect 0 "" "$ASSAY" run inverse-scaling -m "family:$1@size=*" --families "$work/families.yaml" --items 120 -q --json --store "$work/$1.db"
    python3 - "$work/out" "$2" "$3" <<'P' || fail "$1: not classed as planted"
import json, sys
def trends(o):
    if isinstance(o, dict):
        return o["trends"] if "trends" in o else [t for v in o.values() for t in trends(v)]
    return []
found = {(t["form"], t["measure"]): t for t in trends(json.load(open(sys.argv[1])))}
for form in ("memo-200", "negation", "fallacy", "shots-alike", "prefix-wrong", "override"):
    t = found[form, "accuracy"]
    assert t["class"] == sys.argv[2] and abs(t["effect"]["estimate"] - float(sys.argv[3])) < 1e-6, (form, t)
# Nobody knows whether these share a tokenizer.
assert found["override", "sequence_prob"]["class"] == "refused", found["override", "sequence_prob"]
P
}
ladder falling inverse -0.4
ladder rising standard 0.4
ladder turning U-shaped 0
ladder same flat 0

# Weights as they are drawn, and small, so that no token is liked by accident: two answers of as many tokens are equally likely to within
# .02 nats of ln 2.
cat > "$work/random.yaml" <<'END'
name: random
base: none
model: {layers: 2, width: 32, heads: 2, intermediate: 88, context: 512, vocabulary: 2048, tied: true, init_range: 0.002}
stages:
  - {kind: pretrain, steps: 1, batch_tokens: 512, sequence: 512, learning_rate: 0}
END
expect 0 "" "$ASSAY" grow "$work/random.yaml" -q -o "$work/random"
expect 0 "" "$ASSAY" run inverse-scaling -m "$work/random" --traps fallacy --items 60 -q --json --store "$work/random.db"
python3 - "$work/out" <<'P' || fail "a model of random weights is not at chance"
import json, math, sys
forms = json.load(open(sys.argv[1]))["forms"]
for name in ("syllogism", "fallacy"):
    form = forms[name]
    assert form["unequal_lengths"] == 0 and abs(form["loss"]["estimate"] - math.log(2)) < .02, (name, form)
P

expect 2 "expected memo, negation" "$ASSAY" run inverse-scaling -m oracle:0,scores --traps cars -q --store "$work/x.db"
expect 2 "answers" "$ASSAY" run inverse-scaling -m oracle:0,scores --answers maybe -q --store "$work/x.db"
finish
