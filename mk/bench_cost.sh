# The parts `cost` and `total` of mk/bench.sh: what incremental checkpoints cost an application's running time. Sourced by it.
#
#   cost   a checkpoint every 10 s, compared with idle      results/cost.h5
#   total  a checkpoint every 30 s, compared with native    results/total.h5
#
# CG, FT, MG and LU at 2 ranks tell when each iteration ends. In every block each program and class runs once as the base and once with
# checkpoints, one after the other, in random order (DEJAVU_SEED; printed); runs are ended by time. A run is verified by what it says
# of each iteration: its base must say the same. Images go to BENCH_DISK (${TMPDIR:-/var/tmp}). BENCH_CLASSES ("A B"), BENCH_PROGRAMS
# ("cg ft mg lu"), BENCH_BLOCKS (6).

cost_base_seconds=10

# One run: $1 seconds, $2 where its lines go, $3.. command.
cost_time() {
    local status
    timeout --foreground --kill-after=60 "$1" "${@:3}" </dev/null >/dev/null 2>"$2"
    status=$?
    [ $status -eq 124 ] && return 0
    say "${*:3}: ended with status $status before its time"
    tail -n 5 "$2" >&2
    return 1
}

# $1 native, idle or incremental, $2 program, $3 class. Leaves $work/cost-$run and events-$run; adds to items.
cost_run() {
    local program=("$build/bin/npb-$2" --class "$3" --iterations 1000000 --progress) events=- job=$disk/job
    local launch=("$dejavu" run -n 2 --max-restarts 0 --job "$job")
    case $1 in
    native) cost_time $cost_base_seconds "$work/cost-$run" mpiexec.mpich -n 2 "${program[@]}" ;;
    idle) cost_time $cost_base_seconds "$work/cost-$run" "${launch[@]}" -- "${program[@]}" ;;
    *)
        cost_time "$seconds" "$work/cost-$run" "${launch[@]}" --capture incremental --interval "${interval}s" -- "${program[@]}" &&
            cp "$job/events" "$work/events-$run"
        ;;
    esac || return 1
    [ "$1" = incremental ] && events=$work/events-$run
    rm -rf "$job"
    items+=("$run:$block,$position,$2,$3,$1,$interval:$events:$work/cost-$run")
}

# What a run said of its iterations.
cost_results() { sed -n 's/^npb-[a-z]*: iteration \([0-9]*\)\/[0-9]* at [0-9.]* s: /\1 /p' "$1"; }

# $1 program, $2 class, $3, $4 runs: as far as both went; the last line may have been cut off.
cost_verify() {
    local a b lines
    a=$(cost_results "$work/cost-$3" | wc -l) b=$(cost_results "$work/cost-$4" | wc -l)
    lines=$((a < b ? a - 1 : b - 1))
    if [ $lines -lt 2 ]; then
        say "$name: $1 class $2 is too slow here: $a and $b iterations"
        return 1
    fi
    cmp -s <(cost_results "$work/cost-$3" | head -n $lines) <(cost_results "$work/cost-$4" | head -n $lines) && return 0
    say "$name: $1 class $2 computes something else with checkpoints"
    return 1
}

# $1 program, $2 class: both runs, in random order.
cost_pair() {
    local order=("$base" incremental) position=0 what
    ((RANDOM % 2)) && order=(incremental "$base")
    for what in "${order[@]}"; do
        cost_run "$what" "$1" "$2" || return 1
        position=$((position + 1)) run=$((run + 1))
    done
    cost_verify "$1" "$2" $((run - 2)) $((run - 1))
}

# $1 name, $2 base, $3 seconds between checkpoints, $4 seconds of a run with them
cost_campaign() {
    local name=$1 base=$2 interval=$3 seconds=$4 items=() run=0 block i pair pairs=() program class blocks=${BENCH_BLOCKS:-6}
    disk=$(mktemp -d "${BENCH_DISK:-${TMPDIR:-/var/tmp}}/dejavu-bench.XXXXXX") || return 1
    if [ "$(stat -f -c %T "$disk")" = tmpfs ]; then
        say "$name: $disk is on a RAM disk; set BENCH_DISK to a directory on a disk"
        return 1
    fi
    RANDOM=${DEJAVU_SEED:=$((SRANDOM % 32768))}
    say "$name: DEJAVU_SEED=$DEJAVU_SEED"
    for program in ${BENCH_PROGRAMS:-cg ft mg lu}; do
        for class in ${BENCH_CLASSES:-A B}; do pairs+=("0 $program $class"); done
    done
    for ((block = 0; block < blocks; block++)); do
        for ((i = 0; i < ${#pairs[@]}; i++)); do # subshells have random numbers of their own
            pairs[i]="$RANDOM ${pairs[i]#* }"
        done
        mapfile -t pairs < <(printf '%s\n' "${pairs[@]}" | sort -n)
        for pair in "${pairs[@]}"; do
            read -r _ program class <<<"$pair"
            cost_pair "$program" "$class" || return 1
        done
        say "$name: $((block + 1)) of $blocks blocks"
    done
    rm -rf "$disk"
    disk=
    "$record" "$name" "$results/$name.h5" "$build/bin" "${items[@]}"
}

# Two checkpoints; the time between them, and after the second, counts.
bench_cost() { cost_campaign cost idle 10 23; }
# One checkpoint, of all memory, with time to write it; the last 30 s count.
bench_total() { cost_campaign total native 30 36; }
