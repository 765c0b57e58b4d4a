#!/usr/bin/env bash
# Plug-ins: samples a second of a one-turn study in Python on the scripted subject, for several numbers of samples at once, and of the
# same study in C (bench_framework) beside it. ITEMS is how many samples each gets.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build/release}
items=${ITEMS:-20000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$root/src/plugin/assets/assay_plugin.py" "$work"
cd "$work"
cat > sums.py <<'P'
#!/usr/bin/env python3
from assay_plugin import Study

study = Study("sums", counts="good", params=[{"name": "items", "type": "int", "min": 1, "default": 1000, "help": "sums"}])

@study.items
def items(params, random):
    return list(range(params["items"]))

@study.sample
def sample(item, ask):
    reply = ask(f"What is {item} plus {item % 97}? Answer with the number alone.", max_tokens=16)
    right = reply.text == str(item + item % 97)
    return {"group": "sums", "id": f"sum-{item}", "answered": reply.text, "verdict": "good" if right else "bad"}

study.main()
P
cat > sums.yaml <<'Y'
default: I do not know.
rules:
  - matches: 'What is (\d+) plus (\d+)\?'
    answer: $1 and $2
Y
sed 's/^def sample/async def sample/; s/reply = ask(/reply = await ask(/' sums.py > coroutines.py
chmod +x sums.py coroutines.py
"$build/bench/bench_framework" "$items"
for program in sums coroutines; do
    for n in 1 16 64 256; do
        start=$(date +%s.%N)
        "$build/assay" run ./$program.py -m script:sums.yaml --items "$items" --in-flight $n --store "$program-$n.db" -q --json > "$n.json"
        end=$(date +%s.%N)
        cmp 1.json "$n.json"
        awk -v p=$program -v n=$n -v items="$items" -v s="$start" -v e="$end" \
            'BEGIN { printf "{\"what\": \"plug-in in Python, %s\", \"in_flight\": %d, \"samples\": %d, \"seconds\": %.3f, \"samples_per_second\": %.0f}\n", p, n, items, e - s, items / (e - s) }'
    done
done
