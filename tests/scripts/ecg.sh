# The contrastive network of examples/ecg.c on the real records, a few steps of it: it runs whole, and its loss falls. Needs the files:
# ASSAY_DATA=FOLDER with FOLDER/ecg-wfdb-samples and FOLDER/ecg5000-train, or they are looked for beside the project.
# rank: plain
set -u
data=${ASSAY_DATA:-../shared/data}
program=$(dirname "$ASSAY")/examples/example_ecg
[ -x "$program" ] || { echo "skipped: no $program"; exit 77; }
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT
wrong=$("$program" "$folder" - 1 2>&1) && { echo "an empty folder was read"; exit 1; }
case $wrong in *"holds no WFDB record"*) ;; *) echo "expected that there is no record: $wrong"; exit 1 ;; esac
printf '1 2 3\n' > "$folder/beats.txt"
for need in "$data/ecg-wfdb-samples/100.hea" "$data/ecg5000-train/ECG5000_TRAIN.txt.gz"; do
    [ -e "$need" ] || { echo "skipped: no $need (ASSAY_DATA names the folder of data)"; exit 77; }
done
wrong=$("$program" "$data/ecg-wfdb-samples" "$folder/beats.txt" 1 2>&1) && { echo "a line of three numbers was read"; exit 1; }
case $wrong in *"line 1: expected a class"*) ;; *) echo "expected the line that is wrong: $wrong"; exit 1 ;; esac
said=$("$program" "$data/ecg-wfdb-samples" "$data/ecg5000-train/ECG5000_TRAIN.txt.gz" 15 1 1 2 2> /dev/null) || exit 1
echo "$said"
python3 - "$said" << 'P'
import math, re, sys
# 256 views: 5.54 is what a network has that tells nothing apart.
assert float(re.search(r"seed 1: loss ([\d.]+)", sys.argv[1])[1]) < math.log(255) - .3
found = re.findall(r"(leads|beats|ECG5000): (\d+) classes", sys.argv[1])
assert [f[0] for f in found] == ["leads", "beats", "ECG5000"] and found[1][1] == "2" and found[2][1] == "3", found
areas = [float(x) for x in re.findall(r"\)    ([\d.]+) \(", sys.argv[1])]
assert len(areas) == 11 and all(.4 < x <= 1 for x in areas), areas
P
