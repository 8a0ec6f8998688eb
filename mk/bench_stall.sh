# The part `stall` of mk/bench.sh: how long a checkpoint stops an application. Sourced by it.
#
# bench-dirty at 2 ranks, BENCH_MIB each, BENCH_PERCENT (10) % of its pages written between epochs, incremental and full; FT class B at 2
# ranks, full and incremental; all to a RAM disk and to BENCH_DISK (${TMPDIR:-/var/tmp}). BENCH_EPOCHS checkpoints in each job, the first
# three of which are in no figure. BENCH_OPTIONS: further options of `dejavu run`. BENCH_FT_ITERATIONS (300): so many that FT runs long
# enough. BENCH_FT_CLASS (B). BENCH_STALL ("dirty ft"): which programs. Every job is verified: bench-dirty checks its memory, and a
# program's digest must be the same after all jobs, FT's that of the native run.

stall_iterations=${BENCH_FT_ITERATIONS:-300}
stall_class=${BENCH_FT_CLASS:-B}
stall_percent=${BENCH_PERCENT:-10}
stall_programs=${BENCH_STALL:-dirty ft}
read -ra stall_options <<<"${BENCH_OPTIONS:-}"

stall_count() { cat "$job/events" 2>/dev/null | grep -c "^[^ ]* $1 "; }
stall_has() { [ "$(stall_count "$1")" -ge "$2" ]; }
stall_rounds() { [ "$(grep -c '^rounds rank=0 ' "$work/output" 2>/dev/null)" -ge "$1" ]; }

# One checkpoint. bench-dirty goes on with its next round as soon as it runs again, so that it writes while the epoch is written; after
# its last ($1) it may only end when that is committed.
stall_checkpoint() {
    local status=0 resumed command
    resumed=$(($(stall_count resume) + 1))
    timeout 180 "$dejavu" checkpoint "$job" >/dev/null &
    command=$!
    wait_until stall_has resume $resumed || status=1
    [ "$1" = "$epochs" ] || printf . >>"$work/go"
    wait $command || status=1
    [ "$1" = "$epochs" ] && printf . >>"$work/go"
    return $status
}

stall_exercise() {
    local i
    wait_until stall_has running 1 || return 1
    for ((i = 1; i <= epochs; i++)); do
        if [ "$1" = dirty ]; then
            wait_until stall_rounds "$i" || return 1
        else
            sleep 1
        fi
        stall_checkpoint "$i" || return 1
        # Files of the first epochs are allocated in the background.
        ((i <= 3)) && sleep "$pause"
    done
    return 0
}

# $1 place, $2 program (dirty or ft), $3 capture strategy. Leaves $job/events and $work/output.
stall_job() {
    local status program=("$build/tests/bench-dirty" --mebibytes "$mib" --percent "$stall_percent" --rounds "$epochs" --go "$work/go")
    [ "$2" = ft ] && program=("$build/bin/npb-ft" --class "$stall_class" --iterations "$stall_iterations")
    job=$work/job
    [ "$1" = disk ] && job=$disk/job
    rm -rf "$job" "$work/go"
    : >"$work/output"
    "$dejavu" run -n 2 --capture "$3" --max-restarts 0 --job "$job" "${stall_options[@]}" -- "${program[@]}" \
        >"$work/output" </dev/null 2>"$work/messages" &
    job_pid=$!
    stall_exercise "$2"
    status=$?
    [ $status -eq 0 ] || kill "$job_pid" 2>/dev/null
    wait "$job_pid" || status=1
    job_pid=
    if [ $status -ne 0 ]; then
        tail -n 20 "$work/messages" >&2
        [ "$2" = ft ] && ! stall_has committed "$epochs" && say "stall: FT may have ended too early; set BENCH_FT_ITERATIONS to more than $stall_iterations"
    fi
    return $status
}

stall_digest() { sed -n 's/^DIGEST \([0-9a-f]*\)$/\1/p' "$1"; }

stall_room() { # $1 directory. Two epochs are kept, one is spare and one being written, of 2 ranks' memory.
    local free need=$((mib * 9))
    [[ " $stall_programs " = *" ft "* ]] && ((need < 9216)) && [ "$stall_class" = B ] && need=9216
    free=$(df --output=avail -m "$1" | tail -n 1)
    [ "$free" -ge $need ] && return 0
    say "stall: needs $need MiB free in $1, which has $free; set BENCH_MIB to less than $mib, or BENCH_STALL=dirty"
    return 1
}

# $1 run, $2 place, $3 program, $4 capture strategy. Adds to items.
stall_measure() {
    local digest
    say "stall: $3, $4, $2"
    stall_job "$2" "$3" "$4" || return 1
    digest=$(stall_digest "$work/output")
    if [ -z "$digest" ] || { [ -n "$wanted" ] && [ "$digest" != "$wanted" ]; }; then
        say "stall: wrong result of $3: digest '$digest' instead of '$wanted'"
        return 1
    fi
    wanted=$digest
    mv "$job/events" "$work/events-$1" || return 1
    rm -rf "$job"
    if grep '^rounds ' "$work/output" >"$work/output-$1"; then
        items+=("$1:$2,$3,$4,2:$work/events-$1:$work/output-$1")
    else
        items+=("$1:$2,$3,$4,2:$work/events-$1:-")
    fi
}

bench_stall() {
    local items=() run=0 place program capture wanted
    disk=$(mktemp -d "${BENCH_DISK:-${TMPDIR:-/var/tmp}}/dejavu-bench.XXXXXX") || return 1
    if [ "$(stat -f -c %T "$disk")" = tmpfs ]; then
        say "stall: $disk is on a RAM disk; set BENCH_DISK to a directory on a disk"
        return 1
    fi
    stall_room /dev/shm && stall_room "$disk" || return 1
    for program in $stall_programs; do
        wanted=
        if [ "$program" = ft ]; then
            mpiexec.mpich -n 2 "$build/bin/npb-ft" --class "$stall_class" --iterations "$stall_iterations" >"$work/native" </dev/null || return 1
            wanted=$(stall_digest "$work/native")
        fi
        for place in ram disk; do
            for capture in incremental full; do
                stall_measure $run $place "$program" $capture || return 1
                run=$((run + 1))
            done
        done
    done
    "$record" stall "$results/stall.h5" "$build/bin" "${items[@]}"
}
