# What the end-to-end tests of dejavu-bench share; they source it with their seed. Leaves $bench, $top, $work (removed at the
# end), $failures, and the stand-ins for dejavu and the applications in place of the real ones.
seed=${1:-$((RANDOM))}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bench=${DEJAVU_BENCH:-$top/build/bin/dejavu-bench}
export DEJAVU_BENCH_BINDIR=$top/harness/tests/fake
work=$(mktemp -d "${TMPDIR:-/tmp}/dejavu-bench-e2e-XXXXXX")
export TMPDIR=$work/scratch
mkdir "$TMPDIR"
trap 'rm -rf "$work"' EXIT
RANDOM=$seed
echo "seed $seed"
failures=0

fail() { echo "FAILED: $*"; failures=$((failures + 1)); }
# expect STATUS TEXT COMMAND...: its exit status, and a text on stderr or stdout
expect() {
    local status=$1 text=$2 got
    shift 2
    "$@" >"$work/out" 2>&1
    got=$?
    [ $got = "$status" ] || fail "exit status $got instead of $status: $*: $(tail -3 "$work/out")"
    grep -qF -- "$text" "$work/out" || fail "no '$text' from: $*: $(tail -3 "$work/out")"
}
# The last thing a test does.
finish() {
    [ $failures = 0 ] && echo "all passed" || echo "$failures failed (seed $seed)"
    [ $failures = 0 ]
}
