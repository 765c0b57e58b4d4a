# The frame of the command line as a user meets it: exit codes, what goes to stdout and what to stderr, completion.
# rank: plain
. tests/cli/common.bash

expect 0 "" "$ASSAY"
expect 0 "" "$ASSAY" help
expect 0 "" "$ASSAY" --version
grep -q '^assay [0-9]' "$work/out" || fail "--version prints no version"
expect 2 "did you mean 'assay doctor'?" "$ASSAY" docter
expect 2 "unknown option '--nothing'" "$ASSAY" --nothing
expect 2 "is missing" "$ASSAY" completion
expect 2 "unknown option '--jsn'" "$ASSAY" doctor --jsn
expect 2 "no command 'nothing'" "$ASSAY" help nothing
for verb in $("$ASSAY" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    expect 0 "" "$ASSAY" "$verb" --help
    cp "$work/out" "$work/by-option"
    expect 0 "" "$ASSAY" help "$verb"
    cmp -s "$work/out" "$work/by-option" || fail "'assay help $verb' and 'assay $verb --help' differ"
done
cd "$work" || exit 1
expect 0 "" "$ASSAY" doctor --json
expect 0 "" "$ASSAY" doctor --graph --what decode --tokens 8 --runs 1 --threads 1 --json
grep -q '"implementation": "' "$work/out" || fail "doctor --graph names no implementation"
expect 0 "" "$ASSAY" doctor --graph --what score --tokens 8 --runs 1 --threads 1 --top 3
grep -q 'more steps' "$work/out" || fail "doctor --graph --top leaves nothing out"
expect 2 "are more than the" "$ASSAY" doctor --graph --what decode --tokens 1000000
expect 1 "bytes of memory" "$ASSAY" doctor --graph --tokens 16777216
expect 2 "--what" "$ASSAY" doctor --graph --what dream
expect 2 "--what goes with --graph" "$ASSAY" doctor --what decode
expect 2 "--row goes with --what train, found score" "$ASSAY" doctor --graph --what score --row 8
expect 2 "--sequences goes with --what decode" "$ASSAY" doctor --graph --sequences 2
expect 2 "expected 2 or more" "$ASSAY" doctor --graph --what score --tokens 1
expect 2 "--threads: expected 0 to 256, found 1024" "$ASSAY" doctor --graph --threads 1024
expect 2 "expected 0 to 16777216, found 1000000000000" "$ASSAY" doctor --graph --tokens 1000000000000
# What a message quotes cannot steer a terminal.
printf '\033[31mX\n' > "$work/colour.txt"
expect 1 'found "\x1b[31mX"' "$ASSAY" sketch -q "$work/colour.txt"
expect 1 "no such folder" "$ASSAY" doctor --graph --model nowhere
expect 1 "No space left" sh -c '"$0" doctor > /dev/full' "$ASSAY"
expect 0 "" "$ASSAY" completion bash
bash -n "$work/out" || fail "the bash completion does not parse"
(
    . "$work/out"
    COMP_WORDS=(assay doct) COMP_CWORD=1
    _assay
    [ "${COMPREPLY[*]}" = doctor ] || exit 1
    COMP_WORDS=(assay doctor --js) COMP_CWORD=2
    _assay
    [ "${COMPREPLY[*]}" = --json ]
) || fail "the bash completion completes wrongly"
finish
