#!/bin/bash
# The synthetic application verifies whatever its factors are, gives the same digest twice, reproduces by --iterations what
# ran by --seconds, and refuses what it must. Usage: apps/synthetic/test.sh [folder of the program, default build/bin]
set -u
cd "$(dirname "$0")/../.." || exit 1
program=${1:-build/bin}/synthetic
mpiexec=${MPIEXEC:-mpiexec.mpich}
passed=0 failed=0

fail() { # what [output]
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$1"
    [ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/     /'
}

# Runs it; prints all it said, and fails unless it verified and ended with a digest.
run() { # ranks options...
    local ranks=$1 output
    shift
    output=$("$mpiexec" -n "$ranks" "$program" "$@" 2>&1)
    printf '%s\n' "$output"
    grep -Eq '^ Verification +=  *SUCCESSFUL$' <<<"$output" && tail -n 1 <<<"$output" | grep -Eqx 'DIGEST [0-9a-f]{16}'
}

digest() { tail -n 1 <<<"$1"; }

check_run() { # ranks options...
    local first second
    first=$(run "$@") || { fail "ranks and options $*: not verified" "$first"; return; }
    second=$(run "$@") || { fail "ranks and options $*: second run not verified" "$second"; return; }
    if [ "$(digest "$first")" = "$(digest "$second")" ]; then
        passed=$((passed + 1))
    else
        fail "ranks and options $*: two runs, two digests: $(digest "$first"), $(digest "$second")"
    fi
}

check_seconds() {
    local timed counted steps
    timed=$(run 2 --footprint 4M --seconds 0.5) || { fail "--seconds: not verified" "$timed"; return; }
    steps=$(sed -n 's/^ Iterations *= *//p' <<<"$timed")
    counted=$(run 2 --footprint 4M --iterations "$steps") || { fail "--iterations $steps: not verified" "$counted"; return; }
    if [ "$(digest "$timed")" = "$(digest "$counted")" ]; then
        passed=$((passed + 1))
    else
        fail "--seconds 0.5 and its $steps steps by --iterations: two digests"
    fi
}

# Exit status 2 and one line that contains the text.
check_refusal() { # text options...
    local text=$1 output status
    shift
    output=$("$mpiexec" -n 2 "$program" "$@" 2>&1)
    status=$?
    if [ $status -eq 2 ] && [ "$(wc -l <<<"$output")" -eq 1 ] && grep -Fq -- "$text" <<<"$output"; then
        passed=$((passed + 1))
    else
        fail "options $*: status $status, expected a refusal with '$text'" "$output"
    fi
}

small=(--footprint 1M --iterations 40)
check_run 1 "${small[@]}"
check_run 2 "${small[@]}" --order scattered --dirty 30% --move 7 --message 1000 --collective 3
check_run 3 "${small[@]}" --order clustered --dirty 0.5 --move 200 --message 1M --collective 0 --compute 0
check_run 4 "${small[@]}" --order scattered --dirty 100% --message 0
check_run 2 --footprint 4K --iterations 40 --dirty 0 --message 4K
check_seconds
check_refusal "bad footprint '1Q'" --footprint 1Q
check_refusal "bad footprint '100'" --footprint 100
check_refusal "bad dirty part '110%'" --dirty 110%
check_refusal "bad order 'random'" --order random
check_refusal "at most the footprint" --footprint 1M --message 2M
check_refusal "unexpected argument 'now'" now

echo "synthetic: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
