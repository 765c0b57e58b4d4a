# What the scripts beside this file share; they run in the root of the sources and begin with `. tests/cli/common.bash`.
# A folder $work of one's own that goes away at the end, as do the processes in the array $pids; failures that are counted.
set -u
work=$(mktemp -d)
pids=()
trap 'for p in "${pids[@]}"; do kill "$p" 2> /dev/null; done; rm -rf "$work"' EXIT
export NO_PROXY='*' no_proxy='*' # the servers of tests are on this machine
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
# check WHAT CONDITION: evaluates the condition.
check() { eval "$2" || fail "$1"; }
# expect CODE WORDS COMMAND...: exits with CODE and says WORDS on stderr; nothing on stdout unless CODE is 0.
expect() {
    local code=$1 words=$2; shift 2
    "$@" > "$work/out" 2> "$work/err"; local got=$?
    [ "$got" -eq "$code" ] || fail "$* exits with $got, expected $code: $(tail -2 "$work/err")"
    [ "$code" -eq 0 ] || [ ! -s "$work/out" ] || fail "$* failed and yet wrote to stdout"
    grep -qF -- "$words" "$work/err" || [ -z "$words" ] || fail "$*: no '$words' on stderr: $(cat "$work/err")"
}
# refuses NAME CODE WORDS FORBIDDEN COMMAND...: exits with CODE, nothing on stdout, one message, like the expression WORDS,
# on stderr, and neither the file FORBIDDEN nor a temporary one is left behind.
refuses() {
    local name=$1 code=$2 words=$3 forbidden=$4
    shift 4
    timeout 60 "$@" > "$work/out" 2> "$work/err" < /dev/null
    local got=$?
    [ "$got" -eq "$code" ] || fail "$name: exit code $got, expected $code: $(head -c 400 "$work/err")"
    [ ! -s "$work/out" ] || fail "$name: wrote to stdout: $(head -c 200 "$work/out")"
    grep -qiE -- "$words" "$work/err" || fail "$name: nothing like '$words' on stderr: $(head -c 600 "$work/err")"
    [ "$(grep -c '^assay' "$work/err")" -eq 1 ] || fail "$name: not exactly one message: $(head -c 600 "$work/err")"
    [ -z "$forbidden" ] || [ ! -e "$forbidden" ] || fail "$name: left $forbidden behind"
    [ -z "$forbidden" ] || [ -z "$(find "$work" -name '*.tmp-*' -print -quit)" ] || fail "$name: left a temporary file behind"
}
# The last line of a script.
finish() {
    [ "$failures" -eq 0 ] && echo "all as it should be"
    exit $((failures > 0))
}
