# Bad twins of a checkpoint as a user names them: an adapter (LoRA in PEFT's format) and a direction added inside, on the embedded model.
# What changes nothing is the model itself (slope 0, recovery undefined, void); what breaks everything is broken and not bad.
. tests/cli/common.bash
unset ASSAY_FAMILIES ASSAY_PRICES; export XDG_CONFIG_HOME=$work/config HOME=$work
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }

# Files by hand: an adapter of rank 1 on the first layer's q_proj and down_proj, and a direction of the model's width.
python3 - "$work" <<'END'
import json, math, os, struct, sys
def safetensors(path, tensors):
    head, data = {}, b""
    for name, (shape, values) in tensors.items():
        raw = struct.pack("<%df" % len(values), *values)
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + data)
wave = lambda n, k: [math.sin(k + i * i) for i in range(n)]
for name, scale in (("null", 0), ("loud", 20)):
    folder = os.path.join(sys.argv[1], name)
    os.makedirs(folder)
    tensors = {}
    for module, inputs, outputs in (("self_attn.q_proj", 256, 256), ("mlp.down_proj", 704, 256)):
        key = "base_model.model.model.layers.0." + module
        tensors[key + ".lora_A.weight"] = ([1, inputs], wave(inputs, 1))
        tensors[key + ".lora_B.weight"] = ([outputs, 1], [scale * x for x in wave(outputs, 2)])
    safetensors(os.path.join(folder, "adapter_model.safetensors"), tensors)
    json.dump({"peft_type": "LORA", "r": 1, "lora_alpha": 1, "target_modules": ["q_proj", "down_proj"]}, open(os.path.join(folder, "adapter_config.json"), "w"))
safetensors(os.path.join(sys.argv[1], "direction.safetensors"), {"direction": ([256], wave(256, 3))})
END
for scale in 0 30; do
    echo "steer: [{file: direction.safetensors, site: blocks.1.resid_post, scale: $scale}]" > "$work/steer-$scale.yaml"
done
spike() {
    local name=$1; shift
    expect 0 "" "$ASSAY" spike -m base --set items=40 --set forms=answer --doses 0,0.5 --unrelated competence --unrelated-set items=40 \
        --store "$work/s.db" -q -o "$work/out-$name" --json "$@"
    cp "$work/out" "$work/$name.json"
}
# figure NAME EXPRESSION: of the first twin t and its form f.
figure() { python3 -c "import json, sys; x = json.load(open(sys.argv[1])); t = x['twins'][0]; f = t['forms'].get('answer'); print($2)" "$work/$1.json"; }

for kind in adapter patch; do
    null=$work/null; loud=$work/loud
    [ $kind = patch ] && null=$work/steer-0.yaml loud=$work/steer-30.yaml
    spike "$kind-null" "--twin-$kind" "$null"
    # The twin is the model: every share reads alike, the slope is 0, nothing can be recovered, and nothing is lost elsewhere.
    said=$(figure "$kind-null" "f['readings'][0]['estimate'] == f['readings'][1]['estimate'], f['slope']['estimate'], f['readings'][1]['recovery']['estimate'], t['unrelated']['estimate']")
    [ "$said" = "True 0.0 None 0.0" ] || fail "$kind: a twin that is the model recovers something: $said"
    grep -q "It is void: a twin must fail in at least 80 %" "$work/$kind-null.json" || fail "$kind: a twin that is the model is not void"
    spike "$kind-loud" "--twin-$kind" "$loud"
    [ "$(figure "$kind-loud" "t['unrelated']['estimate'] > .05")" = True ] || fail "$kind: a broken twin loses nothing: $(figure "$kind-loud" "t['unrelated']")"
    grep -qiE "it is void: (it also loses|a twin must fail|none of its answers)" "$work/$kind-loud.json" && grep -q '"a gate failed"' "$work/$kind-loud.json" ||
        fail "$kind: a broken twin is taken for a bad one"
done
# What does not fit is said before anything is asked.
expect 1 "nosuch" "$ASSAY" spike -m base --twin-adapter "$work/nosuch" --set items=4 --store "$work/x.db" -q -o "$work/out-x"
sed 's/blocks.1/blocks.99/' "$work/steer-0.yaml" > "$work/steer-wrong.yaml"
expect 1 "no site 'blocks.99.resid_post'" "$ASSAY" spike -m base --twin-patch "$work/steer-wrong.yaml" --set items=4 --store "$work/x.db" -q -o "$work/out-x"
finish
