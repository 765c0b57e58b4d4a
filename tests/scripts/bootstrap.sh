# scripts/bootstrap on a machine of our own making: a PATH that holds what the script itself needs, and stand-ins for
# apt-get, sudo, id, pkg-config and the compilers. Nothing is installed.
# rank: plain
set -u
script=$PWD/scripts/bootstrap
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
failures=0
fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

stand_in() { # NAME, body on stdin
    { echo '#!/bin/bash'; cat; } > "$work/bin/$1"
    chmod +x "$work/bin/$1"
}

# A machine where all is there, with root.
fresh() {
    rm -rf "$work/bin"; mkdir "$work/bin"; : > "$work/calls"
    local name
    for name in bash env sed head tail mktemp rm cat; do ln -s "$(command -v $name)" "$work/bin/$name"; done
    for name in make cmake ninja python3; do stand_in $name <<< 'exit 0'; done
    stand_in gcc <<< 'cat > /dev/null'
    stand_in pkg-config <<< "[ ! -e '$work/no-'\"\$2\" ]"
    stand_in id <<< 'echo 0'
    stand_in apt-get <<< "echo \"apt-get \$*\" >> '$work/calls'"
    stand_in apt-cache <<< 'echo "  Depends: clang-19"'
    rm -f "$work"/no-*
}
gone() { rm "$work/bin/$1"; }

# run CODE ARGUMENTS...: no terminal on stdin.
run() {
    local code=$1; shift
    PATH=$work/bin bash "$script" "$@" < /dev/null > "$work/out" 2> "$work/err"; local got=$?
    [ $got -eq "$code" ] || fail "$name: exits with $got, expected $code: $(cat "$work/err")"
    [ ! -s "$work/out" ] || fail "$name: something on stdout"
}
says() { grep -qF -- "$1" "$work/err" || fail "$name: no '$1' in: $(cat "$work/err")"; }
called() { [ "$(cat "$work/calls")" = "$1" ] || fail "$name: expected the calls '$1', found '$(cat "$work/calls")'"; }

name="all there"; fresh
run 0; called ""; [ ! -s "$work/err" ] || fail "$name: it speaks"

name="root installs what is missing, and that alone"; fresh
gone cmake; touch "$work/no-cmocka"
run 0; says "installing cmake libcmocka-dev"
called "apt-get update
apt-get install -y --no-install-recommends cmake libcmocka-dev"

name="a header is missing"; fresh
stand_in gcc <<< '! grep -q dnnl'; ln -s "$(command -v grep)" "$work/bin/grep"
run 0; says "installing libdnnl-dev"

name="sudo without a password"; fresh
gone ninja; stand_in id <<< 'echo 1000'
stand_in sudo <<< "[ \"\$1\" = -n ] && exit 0; echo \"sudo \$1\" >> '$work/calls'; exec \"\$@\""
run 0; says "installing ninja-build"
called "sudo apt-get
apt-get update
sudo env
apt-get install -y --no-install-recommends ninja-build"

ask="apt-get update && apt-get install -y --no-install-recommends ninja-build"
name="no root, no sudo"; fresh
gone ninja; stand_in id <<< 'echo 1000'
run 1; says "$ask"; called ""

name="sudo wants a password and nobody is there to type it"; fresh
gone ninja; stand_in id <<< 'echo 1000'; stand_in sudo <<< 'exit 1'
run 1; says "$ask"; called ""

name="another system"; fresh
gone make; gone apt-get
run 1; says "missing: make"; says "no apt-get"

name="apt-get fails"; fresh
gone make; stand_in apt-get <<< 'echo "E: no room on the disk"; exit 100'
run 1; says "E: no room on the disk"; says "apt-get failed"

name="the run-time of the sanitizers"; fresh
mkdir -p "$work/clang/lib/linux"; stand_in clang <<< "echo '$work/clang'"
run 0 --sanitize; says "installing libclang-rt-19-dev"
: > "$work/calls"; touch "$work/clang/lib/linux/libclang_rt.asan-x86_64.a"
run 0 --sanitize; called ""
rm "$work/clang/lib/linux/libclang_rt.asan-x86_64.a"
run 0; called ""

[ $failures -eq 0 ] && echo "all good"
exit $((failures > 0))
