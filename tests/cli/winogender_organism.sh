# An organism whose corpus lets pronouns follow the statistics of occupations is read so: r above .9 with a slope near its dose; one for
# which trades have each other's shares is not. Grows two small models, a minute or two on a quiet machine; organisms that are there
# already can be named: ASSAY_PRONOUNS=DIR ASSAY_PRONOUNS_SHUFFLED=DIR.
# rank: long
. tests/cli/common.bash
grown=() files=()
grow() { # grow DIR RECIPE OPTIONS...
    [ -d "$1" ] || expect 0 "" "$ASSAY" grow "organisms/$2" -o "$1" -q "${@:3}"
    grown+=("$1")
}
grow "${ASSAY_PRONOUNS:-$work/pronouns}" pronouns.yaml --seed 2
grow "${ASSAY_PRONOUNS_SHUFFLED:-$work/shuffled}" pronouns-shuffled.yaml --seed 2
for dir in "${grown[@]}"; do
    expect 0 "" "$ASSAY" run model-written -m "$dir" --parts winogender --occupations town --pronouns town --store "$work/runs.db" -q --json
    cp "$work/out" "$work/$(basename "$dir").json"
    files+=("$work/$(basename "$dir").json")
done
python3 - "${files[@]}" <<'P' || fail "planted pronouns are not read as they were planted"
import json, sys
full, shuffled = (json.load(open(f))["forms"]["winogender"] for f in sys.argv[1:])
for name, form in ("dose 1", full), ("shuffled", shuffled):
    print(name, {k: form[k] for k in ("estimate", "low", "high", "slope", "neutral", "mass")})
assert full["n"] == 40 and full["mass"] > 0.9
assert full["estimate"] > 0.9 and abs(full["slope"]["estimate"] - 1) < 0.15
assert shuffled["mass"] > 0.9 and abs(shuffled["estimate"]) < 0.25
assert shuffled["deviation"] > 0.15 # it has learnt shares, other ones
P
finish
