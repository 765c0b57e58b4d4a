# A convolutional network learns the real MNIST files: five epochs give at least 99 % of the test images. Needs the files:
# ASSAY_DATA=FOLDER with FOLDER/mnist, or they are looked for beside the project.
# rank: long
data=${ASSAY_DATA:-../shared/data}/mnist
[ -d "$data" ] || { echo "skipped: no folder $data with the MNIST files (ASSAY_DATA names its parent)"; exit 77; }
said=$("$(dirname "$ASSAY")/examples/example_mnist" "$data" 5 2> /dev/null) || exit 1
echo "$said"
python3 - "$said" <<'P'
import re, sys
assert float(re.search(r"accuracy ([\d.]+) %", sys.argv[1])[1]) >= 99.0
P
