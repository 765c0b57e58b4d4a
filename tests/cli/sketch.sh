#!/bin/bash
# assay sketch: numbers from files and pipes, answers, saved sketches, merging, and bad input.
# rank: plain
. tests/cli/common.bash
s() { "$ASSAY" sketch -q "$@"; }
# says JSON CONDITION: what jq makes of it (which prints 1.0 as it likes).
says() { echo "$1" | jq -e "$2" > /dev/null; }

seq 1000 > "$work/a.txt"
check "a count and a range" '[[ "$(s "$work/a.txt" | head -1)" == "1000 numbers from 1 to 1000; kll,"* ]]'
s "$work/a.txt" --k 1000 --json -p .1,.5 -p .9 -r 100,250.5 --cdf 1,500,1000 > "$work/a.json" || fail "asking a file"
check "all is exact" 'jq -e "[.count, .rank_error, .quantiles[].value, .ranks[].share] == [1000, 0, 100, 500, 900, .1, .25]" "$work/a.json" > /dev/null'
check "shares of splits" 'jq -e "[.cdf[] | .up_to] == [.001, .5, 1, 1]" "$work/a.json" > /dev/null'
check "a split's mass" 'jq -e "(.cdf[1].between - 0.499 | fabs) < 1e-12 and .cdf[3].to == null" "$work/a.json" > /dev/null'
check "below, not at most" '[ "$(s "$work/a.txt" --k 1000 --exclusive -r 100 --json | jq .ranks[0].share)" = 0.099 ]'
check "a pipe" '[ "$(seq 1000 | s - --json | jq .count)" = 1000 ]'
check "separators, comments, signs" 'says "$(printf "# head\n1, -2;3e2\t+4\n\n inf -0.5" | s - --json)" ".count == 6 and .least == -2"'
check "the last number needs no end of line" 'says "$(printf 7 | s - --json)" ".most == 7"'

check "the mark of UTF-8 and carriage returns" 'says "$(printf "\xef\xbb\xbf1\r\n2\r\n" | s - --json)" ".count == 2 and .most == 2"'
check "infinities in JSON" 'says "$(printf "1 inf -inf" | s - -p 1 -r inf --cdf=-inf,0 --json)" "[.least, .most, .quantiles[0].value, .ranks[0].value, .cdf[0].to] == [\"-inf\", \"inf\", \"inf\", \"inf\", \"-inf\"]"'
check "one number" '[[ "$(printf 7 | s - | head -1)" == "1 number from 7 to 7; kll,"* ]]'
check "an empty sketch" '[[ "$(s - -o "$work/empty.sketch" < /dev/null)" == "0 numbers; kll, "* ]]'
check "an empty sketch takes in another" '[ "$(s "$work/empty.sketch" "$work/a.txt" --json | jq .count)" = 1000 ]'
check "a pipe beside a file has no known end" '! seq 5 | "$ASSAY" sketch "$work/a.txt" - 2>&1 | grep -q "%  *("'

# Binary numbers.
python3 - "$work" <<'PY'
import struct, sys
w = sys.argv[1]
x = [float(i) for i in range(1, 5001)]
open(w + "/a.f64", "wb").write(struct.pack("<5000d", *x))
open(w + "/a.f32", "wb").write(struct.pack("<5000f", *x))
open(w + "/a.u64", "wb").write(struct.pack("<5001Q", 5000, *range(1, 5001)))
open(w + "/short.u64", "wb").write(struct.pack("<5000Q", 5000, *range(1, 5000)))
open(w + "/cut.f64", "wb").write(struct.pack("<3d", 1, 2, 3)[:-3])
open(w + "/nan.f64", "wb").write(struct.pack("<9000d", *([1.0] * 8999 + [float("nan")])))
PY
for type in f64 f32 u64; do
    check "$type" 'says "$(s "$work/a.$type" --type $type --k 6000 -p .5 --json)" ".count == 5000 and .quantiles[0].value == 2500"'
done

# Saved, merged, exported.
seq 1001 2000 > "$work/b.txt"
for kind in kll cubic knots spline tdigest; do
    s "$work/a.txt" --kind $kind -o "$work/a.sketch" > /dev/null || fail "saving $kind"
    s "$work/b.txt" --kind $kind -o "$work/b.sketch" > /dev/null || fail "saving $kind"
    check "$kind merged" 's "$work/a.sketch" "$work/b.sketch" -o "$work/c.sketch" --json | jq -e ".count == 2000 and .least == 1 and .most == 2000 and .kind == \"$kind\"" > /dev/null'
    check "$kind comes back" '[ "$(s "$work/c.sketch" --json)" = "$(s "$work/a.sketch" "$work/b.sketch" --json)" ]'
done
s "$work/a.txt" -o "$work/a.kll" --format datasketches-double > /dev/null || fail "writing the other format"
check "the other format comes back" '[ "$(s "$work/a.kll" --json | jq -c .quantiles)" = "$(s "$work/a.txt" --json | jq -c .quantiles)" ]'
check "sketches and numbers together" '[ "$(s "$work/a.kll" "$work/b.txt" --json | jq .count)" = 2000 ]'

# Bad input.
printf '1\n2\nnan\n4\n' > "$work/nan.txt"
printf '1\n2 x3\n' > "$work/word.txt"
head -c 300 "$work/a.sketch" > "$work/cut.sketch"
python3 -c 'import sys; b = bytearray(open(sys.argv[1], "rb").read()); b[100] ^= 4; open(sys.argv[2], "wb").write(b)' "$work/a.sketch" "$work/bit.sketch"
head -c 300 "$work/a.kll" > "$work/cut.kll"
refuses "NaN in text" 1 "nan.txt:3: number 3 is NaN" "" "$ASSAY" sketch -q "$work/nan.txt"
refuses "NaN in binary" 1 "nan.f64: number 9000 \(at byte 71992\) is NaN" "" "$ASSAY" sketch -q "$work/nan.f64" --type f64
refuses "a word" 1 'word.txt:2: expected a number, found "x3"' "" "$ASSAY" sketch -q "$work/word.txt"
refuses "half a number" 1 "ends within a number" "" "$ASSAY" sketch -q "$work/cut.f64" --type f64
refuses "fewer keys than announced" 1 "announces 5000 keys.*holds 4999" "" "$ASSAY" sketch -q "$work/short.u64" --type u64
refuses "nothing" 1 "expected numbers, found none" "" "$ASSAY" sketch -q -
refuses "a sketch cut short" 1 "cut.sketch: not a whole sketch" "$work/x" "$ASSAY" sketch -q "$work/cut.sketch" -o "$work/x"
refuses "a flipped bit" 1 "bit.sketch: not a whole sketch: its checksum" "$work/x" "$ASSAY" sketch -q "$work/bit.sketch" -o "$work/x"
refuses "their sketch cut short" 1 "cut.kll.*DataSketches" "$work/x" "$ASSAY" sketch -q "$work/cut.kll" -o "$work/x"
refuses "kinds that do not fit" 1 "b.sketch: a sketch of the kind kll cannot take in tdigest" "" "$ASSAY" sketch -q "$work/a.kll" "$work/b.sketch"
refuses "a format that does not fit" 1 "DataSketches' format holds KLL" "$work/x" "$ASSAY" sketch -q "$work/b.sketch" -o "$work/x" --format datasketches-float
refuses "an option of another kind" 2 "--words is for the kinds knots and spline, and the kind is kll" "" "$ASSAY" sketch -q "$work/a.txt" --words 300
refuses "k of a t-digest" 2 "--k is for the kinds kll, linear and cubic" "" "$ASSAY" sketch -q "$work/a.txt" --kind tdigest --k 300
refuses "a format of nothing" 2 "expected --output beside it" "" "$ASSAY" sketch -q "$work/a.txt" --format datasketches-float
refuses "a kind that cannot be saved so" 2 "holds KLL sketches, not knots" "$work/x" "$ASSAY" sketch -q "$work/none.txt" --kind knots -o "$work/x" --format datasketches-double
refuses "another kind than the saved one" 2 "--kind knots: .*a.kll holds a sketch of the kind kll" "" "$ASSAY" sketch -q "$work/a.kll" --kind knots
refuses "another k than the saved one" 2 "a.kll holds one that is made already" "" "$ASSAY" sketch -q "$work/a.kll" --k 300
refuses "too many words" 2 "expected 64 to 4194304, found 5000000" "" "$ASSAY" sketch -q "$work/a.txt" --kind knots --words 5000000
refuses "a share above 1" 2 "a share lies between 0 and 1" "" "$ASSAY" sketch -q "$work/a.txt" -p 50
refuses "no number asked for" 2 "expected numbers separated by commas" "" "$ASSAY" sketch -q "$work/a.txt" -r 1,x
refuses "no such file" 1 "cannot read" "" "$ASSAY" sketch -q "$work/none.txt"
finish
