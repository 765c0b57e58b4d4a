# Trained networks of other programs read the MNIST test images as well as they should: the safetensors file as its source says, the ONNX
# files as onnxruntime 1.31 reads them. Needs the files: ASSAY_DATA=FOLDER, or they are looked for beside the project.
# rank: plain
data=${ASSAY_DATA:-../shared/data}
program=$(dirname "$ASSAY")/examples/example_mnist_networks
for need in "$data/mnist" "$data/vision-checkpoints" "$program"; do
    [ -e "$need" ] || { echo "skipped: no $need (ASSAY_DATA names the folder of data)"; exit 77; }
done
said=$("$program" "$data/mnist" "$data"/vision-checkpoints/mnist-{net.safetensors,lg.onnx,sm.onnx}) || exit 1
echo "$said"
for share in "net.safetensors: 90.97 %" "lg.onnx: 90.32 %" "sm.onnx: 83.21 %"; do
    case $said in *"$share"*) ;; *) echo "expected $share"; exit 1 ;; esac
done
