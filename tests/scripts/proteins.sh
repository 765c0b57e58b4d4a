# The graph network of examples/proteins.c on graphs whose answer is known. Links within groups: who the neighbours are tells nearly all.
# Links at random: nothing tells anything, unless a network can see the links that it is asked for.
# Then the real files, where they are: ASSAY_DATA=FOLDER with FOLDER/ppi-species, or beside the project.
# rank: plain
set -u
program=$(dirname "$ASSAY")/examples/example_proteins
[ -x "$program" ] || { echo "skipped: no $program"; exit 77; }
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
python3 - "$folder" << 'P'
import random, sys
random.seed(7)
count, group = 300, 15
def write(name, links):
    links = {(min(p), max(p)) for p in links}
    others = set()
    while len(others) < len(links):
        a, b = random.randrange(count), random.randrange(count)
        if a != b and (min(a, b), max(a, b)) not in links:
            others.add((min(a, b), max(a, b)))
    with open(f"{sys.argv[1]}/{name}-network-neg1x.tsv", "w") as f:
        rows = [(a, b, 1) for a, b in links] + [(a, b, 0) for a, b in others]
        random.shuffle(rows)
        for a, b, linked in rows:
            f.write(f"{a}\t{b}\t{linked}\n" if random.random() < .5 else f"{b}\t{a}\t{linked}\n")
        a, b, linked = rows[0]
        f.write(f"{b}\t{a}\t{linked}\n{a}\t{a}\t1\n")  # once more the other way round, and a protein with itself
    with open(f"{sys.argv[1]}/{name}-sequences.txt", "w") as f:
        for _ in range(count):
            f.write("".join(random.choice("ACDEFGHIKLMNPQRSTVWY") for _ in range(150)) + "\n")
pairs = [(a, b) for a in range(count) for b in range(a)]
write("groups", [p for p in pairs if p[0] % (count // group) == p[1] % (count // group) and random.random() < .6])
write("nothing", random.sample(pairs, 1300))
P
said=$("$program" "$folder" 100 1 2 2 2> /dev/null) || exit 1
echo "$said"
python3 - "$said" << 'P' || exit 1
import re, sys
found = re.findall(r"(\w+): 300 proteins \(sequences\), (\d+) links, (\d+) non-links; (\d+) lines", sys.argv[1])
assert [f[0] for f in found] == ["groups", "nothing"], found
assert all(f[1] == f[2] and f[3] in ("2", "3") for f in found), found  # the pair twice, and the one with itself
areas = [[float(x) for x in line] for line in re.findall(r"degrees ([\d.]+) .*?messages ([\d.]+) .*?graph ([\d.]+) ", sys.argv[1])]
groups, shuffled, nothing, nothing_shuffled = areas
assert min(shuffled[2], groups[2]) > .95 and max(shuffled[1], groups[1]) < .9 and abs(shuffled[0] - .5) < .1, areas
assert all(abs(x - .5) < .1 for x in nothing + nothing_shuffled), areas
P
printf '0\t1\t1\n1\tx\t0\n' > "$folder/groups-network-neg1x.tsv"
wrong=$("$program" "$folder" 1 1 1 1 groups 2>&1) && { echo "a broken file was read"; exit 1; }
case $wrong in *"line 2: expected two ids"*) ;; *) echo "expected the line that is wrong: $wrong"; exit 1 ;; esac
data=${ASSAY_DATA:-../shared/data}/ppi-species
[ -e "$data/ecoli-network-neg1x.tsv.gz" ] || { echo "the real files are not there: $data"; exit 0; }
said=$("$program" "$data" 60 1 1 2 ecoli 2> /dev/null) || exit 1
echo "$said"
python3 - "$said" << 'P'
import re, sys
assert "1832 proteins (sequences), 5917 links, 6954 non-links; 1037 lines" in sys.argv[1]  # 6,954 links, of which 1,037 stand there twice
areas = [[float(x) for x in line] for line in re.findall(r"degrees ([\d.]+) .*?messages ([\d.]+) .*?graph ([\d.]+) ", sys.argv[1])]
assert areas[0][2] > .8 and areas[1][2] > areas[1][1] + .03, areas
P
