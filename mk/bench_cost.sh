# The parts `cost` and `total` of mk/bench.sh: what incremental checkpoints cost an application's running time. Sourced by it.
#
#   cost   between epochs: an interval of 10 s, ratio to idle     results/cost.h5
#   total  all in all: an interval of 30 s, ratio to native       results/total.h5
#
# Both are experiments/cost.yaml with other intervals and run lengths; images go to BENCH_DISK (${TMPDIR:-/var/tmp}).
# BENCH_CLASSES (A; "A B": both), BENCH_BLOCKS (6): how much of it. BENCH_SECONDS: about how long a run takes on the machine for which the
# iteration counts of the file were chosen (results/BENCHMARKS.md).

# The experiment with $1 times its iterations, only the classes that are wanted.
cost_experiment() {
    awk -v factor="$1" -v classes=" ${BENCH_CLASSES:-A} " '
        /--iterations, *[0-9]+/ {
            match($0, /classes: *\[[A-Z]\]/)
            class = substr($0, RSTART + RLENGTH - 2, 1)
            if (!index(classes, " " class " "))
                next
            match($0, /--iterations, *[0-9]+/)
            count = substr($0, RSTART + length("--iterations,"), RLENGTH - length("--iterations,")) + 0
            $0 = substr($0, 1, RSTART - 1) "--iterations, " int(count * factor + 0.5) substr($0, RSTART + RLENGTH)
        }
        { print }' experiments/cost.yaml
}

# $1 name, $2 interval, $3 seconds of a run, $4 what is looked for
cost_campaign() {
    local output seconds=${BENCH_SECONDS:-$3}
    output=$(mktemp -d "${BENCH_DISK:-${TMPDIR:-/var/tmp}}/dejavu-$1.XXXXXX") || return 1
    cost_experiment "$(awk -v s="$seconds" 'BEGIN { print s / 30 }')" >"$output/$1.yaml"
    if "$build/bin/dejavu-bench" run "$output/$1.yaml" --output="$output" --scratch="$output/scratch" --set "intervals=[$2]" \
        --repetitions="${BENCH_BLOCKS:-6}" && "$build/bin/dejavu-bench" report "$output/$1.h5" &&
        echo "target: $4" && cp "$output/$1.h5" "$results/$1.h5.tmp" && mv "$results/$1.h5.tmp" "$results/$1.h5"; then
        rm -rf "$output"
    else
        say "$1: what was measured is in $output"
        return 1
    fi
}

# 2 checkpoints a run; between them and after the last, memory is tracked.
bench_cost() { cost_campaign cost 10s 27 "ratio to idle of incremental+coordinated @ 10s at most 1.02"; }
# One checkpoint a run; one that came just before its end would have no time to be written.
bench_total() { cost_campaign total 30s 33 "ratio to native of incremental+coordinated @ 30s at most 1.05"; }
