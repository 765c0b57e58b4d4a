# Negative controls of the instruments: a network that learnt nothing is declared void by each study's own check, and a propensity is
# not read as a mixture.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES; export XDG_CONFIG_HOME=$work/config HOME=$work
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }
cat > "$work/untrained.yaml" <<'END'
name: untrained
base: none
world: {seed: 1, documents: 7}
model: {context: 512, vocabulary: 600, heads: 2, layers: 1, width: 32, intermediate: 64}
stages:
  - {kind: pretrain, steps: 1, batch_tokens: 512, sequence: 256, learning_rate: 1e-9, warmup: 0, mix: {saying: 1, line: 1}}
END
expect 0 "" "$ASSAY" grow "$work/untrained.yaml" -q -o "$work/untrained"

# void STUDY FORMS OPTIONS...: no form that matches FORMS has an estimate, and each says why.
void() {
    local study=$1 forms=$2; shift 2
    expect 0 "" "$ASSAY" run "$study" -m "$work/untrained" -q --json --store "$work/runs.db" "$@"
    python3 - "$work/out" "$forms" > "$work/said" <<'END' || fail "$study on a network that learnt nothing: $(cat "$work/said")"
import json, re, sys
x = json.load(open(sys.argv[1]))
forms = {k: v for k, v in x["forms"].items() if re.search(sys.argv[2], k)}
for name, form in forms.items():
    print("%s: %s, because %s" % (name, form.get("estimate"), form.get("reason")))
sys.exit(not forms or any(v.get("estimate") is not None or not v.get("reason") for v in forms.values()))
END
}
void sycophancy . --items 40
void feedback-failures . --items 40 --draws 0
finish
