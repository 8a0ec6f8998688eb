#!/bin/bash
# Runs the tests of the given suites and ends with one line "N passed, N failed". Usage: mk/check.sh BUILD SUITE...
# Each test gets a directory of its own (removed afterwards unless the test fails) and a time limit, and leaves its output
# in a log that is printed if it fails. DEJAVU_SEED makes the random choices of the kill tests repeatable; DEJAVU_TESTS, an
# extended regular expression, names the tests to run (all).
set -u
build=$1
shift
top=$(cd "$(dirname "$0")/.." && pwd)
export DEJAVU_BUILD=$top/$build DEJAVU_TOP=$top
export DEJAVU_SEED=${DEJAVU_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
scratch=$(mktemp -d "${TMPDIR:-/tmp}/dejavu-check.XXXXXX")
chmod 711 "$scratch" # tests that give up root must reach their own directories
slots=1 # how many tests may run side by side; suites set it to 2 for tests that mostly wait

# run_case NAME LIMIT_SECONDS COMMAND...: in a shell of its own, which writes how it went in one piece.
run_case() {
    local name=$1 limit=$2 start=$SECONDS log=$scratch/$1.log status
    shift 2
    mkdir -p "$scratch/$name"
    (cd "$scratch/$name" && TMPDIR=$scratch/$name exec timeout -k 10 "$limit" "$@") >"$log" 2>&1 </dev/null &
    trap 'kill $!' TERM
    wait $!
    status=$?
    case $status in
    0) printf 'ok      %-40s %4ss\n' "$name" $((SECONDS - start)) && rm -rf "${scratch:?}/$name" ;;
    77) printf 'skipped %-40s %s\n' "$name" "$(tail -n 1 "$log")" ;;
    *)
        [ $status -eq 124 ] && echo "timed out after $limit s" >>"$log"
        printf 'FAILED  %-40s %4ss (exit status %s); %s\n%s\n' "$name" $((SECONDS - start)) $status "$log" \
            "$(tail -n 40 "$log" | sed 's/^/    | /')"
        ;;
    esac | tee -a "$scratch/results"
}

# test_case NAME LIMIT_SECONDS COMMAND...: exit status 0 passes, 77 is "cannot be tested here".
test_case() {
    [[ $1 =~ ${DEJAVU_TESTS:-} ]] || return 0
    while [ "$(jobs -pr | wc -l)" -ge $slots ]; do
        wait -n
    done
    run_case "$@" &
}

trap 'kill $(jobs -pr) 2>/dev/null; wait; exit 130' INT TERM
touch "$scratch/results"
echo "seed $DEJAVU_SEED (DEJAVU_SEED=$DEJAVU_SEED repeats it)"
for suite in "$@"; do
    slots=1
    . "$top/framework/tests/suite_$suite.sh"
done
wait
passed=$(grep -c '^ok ' "$scratch/results")
failed=$(grep -c '^FAILED ' "$scratch/results")
skipped=$(grep -c '^skipped ' "$scratch/results")
[ $failed -eq 0 ] && rm -rf "$scratch"
[ $skipped -gt 0 ] && echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
