# A trained writer and a trained filter: what is kept has more right labels than what was written, the more the surer the filter must be,
# and a filter that answers at random changes nothing; a trained subject is read at the rates that were planted. Grows one small model, a
# minute or two on a quiet machine; one that is there already can be named: ASSAY_WRITTEN=DIR.
# rank: long
. tests/cli/common.bash
organism=${ASSAY_WRITTEN:-$work/written}
[ -d "$organism" ] || expect 0 "" "$ASSAY" grow organisms/written.yaml -o "$organism" -q
how=(--leading-blank strip --lines 1 --parts statements,choices --store "$work/runs.db" -q --json)
writes=(--role "generator=$organism" --items 150 --most 0 --temperature 1)
expect 0 "" "$ASSAY" run model-written -m "$organism" --items 60 "${how[@]}"
cp "$work/out" "$work/rates.json"
expect 0 "" "$ASSAY" run model-written -m "$organism" "${writes[@]}" --role "filter=$organism" "${how[@]}"
cp "$work/out" "$work/filtered.json"
expect 0 "" "$ASSAY" run model-written -m "$organism" "${writes[@]}" --role filter=oracle:0.5 --filter-by reply --relevance 0 "${how[@]}"
cp "$work/out" "$work/random.json"
python3 - "$work" <<'P' || fail "a trained writer, filter or subject is not what it was planted to be"
import json, sys
rates, filtered, by_lot = (json.load(open(f"{sys.argv[1]}/{name}.json")) for name in ("rates", "filtered", "random"))
planted = {"selfish": 0.1, "bold": 0.3, "curious": 0.7, "thrifty": 0.9}
for name, form in rates["forms"].items():
    print(name, round(form["soft"], 3), form["mass"])
    assert abs(form["soft"] - planted[name.split("/")[0]]) < 0.1 and form["mass"] > 0.9
world = filtered["quality"]["world"]
before, after = world["unfiltered"], world["kept"]
curve = {point["threshold"]: point for point in world["curve"]}
print("unfiltered", before, "kept", after, *world["curve"], sep="\n")
assert before["n"] > 800 and after["low"] > before["high"]
steps = [curve[x]["estimate"] for x in (0.5, 0.8, 0.95)]
assert steps[0] < steps[1] < steps[2] and curve[0.95]["n"] > 100
world = by_lot["quality"]["world"]
before, after = world["unfiltered"], world["kept"]
print("random filter: unfiltered", before, "kept", after)
assert 0.4 < after["n"] / before["n"] < 0.6
assert abs(after["estimate"] - before["estimate"]) < 3 * (after["high"] - after["low"]) / 3.92
P
finish
