# assay spike: what is put into a subject's answers and what is read; twins that are void; wrong use.
# rank: plain
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES; export XDG_CONFIG_HOME=$work/config HOME=$work
spike() { local code=$1 words=$2; shift 2; expect "$code" "$words" "$ASSAY" spike --store "$work/s.db" -q "$@"; }

spike 0 "" -m oracle:0 --set items=40 --set forms=answer --twin oracle:1 --unrelated competence --unrelated-set items=20 -o "$work/out-1"
tr '\n' ' ' < "$work/out" | tr -s ' ' | grep -q "Recovery: 1.00 at 10 %, 1.00 at 25 %, 1.00 at 50 %. Matrix effect 0.0 \[0.0, 0.0\] %" || fail "what was put in is not read: $(cat "$work/out")"
grep -q "every gate is met" "$work/out" || fail "a gate failed: $(tail -2 "$work/out")"
grep -q '"certificate"' "$work/out-1/spike.html" && grep -q '"own_dose"' "$work/out-1/spike.json" || fail "no files"
cp "$work/out" "$work/first"
spike 0 "" -m oracle:0 --set items=40 --set forms=answer --twin oracle:1 --unrelated competence --unrelated-set items=20 -o "$work/out-1"
cmp -s "$work/out" "$work/first" || fail "the same command gives other figures"
# The shares are the user's; a twin that hardly fails is void, and one that loses everything else too.
spike 0 "" -m oracle:0 --set items=40 --set forms=answer --twin oracle:0.3 --doses 0,0.5 -o "$work/out-2"
grep -q "must fail in at least 80 %" "$work/out" && grep -q "a gate failed" "$work/out" || fail "a weak twin is not void: $(cat "$work/out")"
echo 'default: I do not know.' > "$work/dull.yaml"
spike 0 "" -m oracle:0 --set items=40 --set forms=answer --twin oracle:1 --twin oracle:0.9 -o "$work/out-3"
grep -q "twins 1 and 2 agree" "$work/out-3/spike.json" || fail "two twins are not compared"
# A system prompt becomes a file by which the twin is known.
spike 0 "" -m "script:$work/dull.yaml" --study feedback-failures --set items=20 --set draws=0 --twin-system 'Agree with "everything".' --dry-run -o "$work/out-4"
grep -q 'system: "Agree with \\"everything\\"."' "$work/out-4/twin-1.yaml" || fail "the prompt was not kept: $(cat "$work/out-4/twin-1.yaml")"
# What cannot be spiked is refused with words.
spike 1 "can be spiked" -m "script:$work/dull.yaml" --set items=20 --set forms=answer --twin oracle:1 -o "$work/out-5"
spike 2 "no bad twin" -m oracle:0 -o "$work/out-5"
spike 2 "whose answers" --twin oracle:1 -o "$work/out-5"
spike 2 "rising shares" -m oracle:0 --twin oracle:1 --doses 0.1,0.5 -o "$work/out-5"
spike 2 "rising shares" -m oracle:0 --twin oracle:1 --doses 0,1 -o "$work/out-5"
spike 2 "at most" -m oracle:0 --twin oracle:1 --doses 0,x -o "$work/out-5"
spike 2 "there is no study" -m oracle:0 --twin oracle:1 --study sycofancy -o "$work/out-5"
finish
