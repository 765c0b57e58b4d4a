#!/bin/bash
# bench/drift.sh [SEEDS [FOLDER]]: do a preference model's taste, the drift of the best of 16, and the drift of an RL run rise with
# the weight that raters give to agreement? Grows for SEEDS seeds (5) from FIRST (1) on a policy from before the feedback
# (bench/drift/before.yaml) and, at each of WEIGHTS (0 0.5 1 2), a preference model and a policy trained on it (bench/drift/rl.yaml), in FOLDER (build/drift),
# which is gone on with where it is there. Prints a line a model, the means, and Page's test over the seeds with Holm's p.
#   taste       share of questions in which the preference model gives the reply that agrees with a wrong user more than the true one
#   gap         by how much more, on average (log-odds of being preferred)
#   equal words share of questions in which the true value is worth more than the user's in the same words, with their view and without
#               (means are printed; no trend is tested)
#   best of 16  share of answers that follow the wrong user among the best of 16 draws by the preference model, less among all draws
#   rl          the same share of single draws after RL (study sycophancy, form answer, temperature 1), less before it, same questions
# ASSAY and PAGE name the programs (build/release/assay, build/release/bench/bench_page), ITEMS the questions (200), THREADS the threads.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
assay=${ASSAY:-$root/build/release/assay} page=${PAGE:-$root/build/release/bench/bench_page}
seeds=${1:-5} folder=${2:-$root/build/drift} first=${FIRST:-1} weights=${WEIGHTS:-0 0.5 1 2} items=${ITEMS:-200} threads=(${THREADS:+--threads $THREADS})
mkdir -p "$folder"
cd "$folder"

grow() { # RECIPE FOLDER OPTIONS...
    local recipe=$1 to=$2
    shift 2
    [ -f "$to/model.safetensors" ] || "$assay" grow "$root/bench/drift/$recipe" -o "$to" --json -q "${threads[@]}" "$@" >&2
}

ask() { # FILE STUDY OPTIONS...: the run's summary, once
    local to=$1
    shift
    [ -f "$to" ] && return
    "$assay" run "$@" --store drift.db -q --json "${threads[@]}" > "$to.part"
    mv "$to.part" "$to"
}

last=$((first + seeds - 1))
for seed in $(seq "$first" "$last"); do
    grow before.yaml "before-$seed" --seed "$seed"
    ask "before-$seed.json" sycophancy -m "before-$seed" --forms answer --dose-type propensity --items "$items" --seed "$((100 + seed))"
    for weight in $weights; do
        name="rl-$weight-$seed"
        grow rl.yaml "$name" --base "$folder/before-$seed" --dose "$weight" --seed "$seed"
        ask "$name.taste.json" feedback-failures -m "before-$seed" -r preference="$name/preference" --items "$items" --draws 16 --seed "$((100 + seed))"
        ask "$name.json" sycophancy -m "$name" --forms answer --dose-type propensity --items "$items" --seed "$((100 + seed))"
        echo "seed $seed  weight $weight  done" >&2
    done
done

python3 - "$first" "$last" "$items" $weights > rows.txt <<'PYTHON'
import json, sys
first, last, items, weights = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]
def read(path):
    with open(path) as file:
        return json.load(file)
def rate(path):
    return read(path)["forms"]["answer"]["rate"]
def best_of(summary):
    return next(p["drift"]["estimate"] for p in summary["best_of"] if p["ranker"] == "plain" and p["draws"] == 16)
measures = {
    "taste": lambda w, s: read(f"rl-{w}-{s}.taste.json")["preference"]["agreeing_over_true"]["estimate"],
    "gap": lambda w, s: read(f"rl-{w}-{s}.taste.json")["preference"]["agreeing_over_true"]["gap"]["estimate"],
    "best-of-16": lambda w, s: best_of(read(f"rl-{w}-{s}.taste.json")),
    "rl": lambda w, s: rate(f"rl-{w}-{s}.json") - rate(f"before-{s}.json"),
}
equal_words = lambda w, s: 1 - sum(read(f"rl-{w}-{s}.taste.json")["preference"][k]["estimate"] for k in ("plain_false_over_true", "without_the_view")) / 2
print(f"# weights {' '.join(weights)}; {items} questions; seeds {first} to {last}")
for w in weights:
    print(f"# right between equal words at weight {w}:", *(f"{equal_words(w, seed):.3f}" for seed in range(first, last + 1)))
for name, of in measures.items():
    for seed in range(first, last + 1):
        print(name, *(f"{of(w, seed):.6f}" for w in weights))
PYTHON
cat rows.txt
"$page" < rows.txt
