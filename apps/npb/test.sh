#!/bin/bash
# The NAS Parallel Benchmarks verify, and give the same digest twice: class S on 1, 2 and 4 ranks, class W on 2
# (BT and SP, which need squares: S on 1 and 4; W on 4, once); and they refuse what they must. Usage: apps/npb/test.sh [folder of the programs, default build/bin]
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${1:-build/bin}
mpiexec=${MPIEXEC:-mpiexec.mpich}
benchmarks=(ep cg mg ft is lu)
squares=(bt sp)
passed=0 failed=0

pass() { passed=$((passed + 1)); }

# fail WHAT [OUTPUT]
fail() {
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$1"
    [ -z "${2-}" ] || printf '%s\n' "$2" | sed 's/^/     /'
}

# Runs a benchmark; prints its digest, or what it said when it did not verify.
digest_of() { # benchmark class ranks
    local output
    output=$("$mpiexec" -n "$3" "$bin/npb-$1" --class "$2" 2>&1) &&
        grep -Eq '^ Verification +=  *SUCCESSFUL$' <<<"$output" &&
        tail -n 1 <<<"$output" | grep -Ex 'DIGEST [0-9a-f]{16}' && return 0
    printf '%s\n' "$output"
    return 1
}

check_run() { # benchmark class ranks
    local what="npb-$1 class $2 on $3 ranks" first second
    first=$(digest_of "$@") || { fail "$what: not verified" "$first"; return; }
    second=$(digest_of "$@") || { fail "$what: second run not verified" "$second"; return; }
    if [ "$first" = "$second" ]; then
        pass
    else
        fail "$what: two runs, two digests: $first, $second"
    fi
}

check_verifies() { # benchmark class ranks
    local output
    output=$(digest_of "$@") && pass || fail "npb-$1 class $2 on $3 ranks: not verified" "$output"
}

# Exit status 2 and one line that contains the text.
check_refusal() { # text benchmark ranks options...
    local text=$1 benchmark=$2 ranks=$3 output status
    shift 3
    output=$("$mpiexec" -n "$ranks" "$bin/npb-$benchmark" "$@" 2>&1)
    status=$?
    if [ $status -eq 2 ] && [ "$(wc -l <<<"$output")" -eq 1 ] && grep -Fq -- "$text" <<<"$output"; then
        pass
    else
        fail "npb-$benchmark $* on $ranks ranks: status $status, expected a refusal with '$text'" "$output"
    fi
}

for benchmark in "${benchmarks[@]}"; do
    for ranks in 1 2 4; do
        check_run "$benchmark" S "$ranks"
    done
    check_run "$benchmark" W 2
    check_refusal "unknown class 'Q'" "$benchmark" 2 --class Q
    [ "$benchmark" = ep ] || check_refusal "power of two" "$benchmark" 3
done

for benchmark in "${squares[@]}"; do
    for ranks in 1 4; do
        check_run "$benchmark" S "$ranks"
    done
    check_verifies "$benchmark" W 4
    check_refusal "unknown class 'Q'" "$benchmark" 4 --class Q
    check_refusal "a square" "$benchmark" 2
done

echo "npb: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
