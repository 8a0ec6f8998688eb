# The part `stall` of mk/bench.sh: how long a checkpoint stops an application. Sourced by it.
#
# bench-dirty at 2 ranks, BENCH_MIB each, BENCH_PERCENT (10) % of its pages written between epochs, incremental and full; FT class B at 2
# ranks, full and incremental; all to a RAM disk and to BENCH_DISK (${TMPDIR:-/var/tmp}). BENCH_EPOCHS checkpoints in each job, the first
# three of which are in no figure. BENCH_OPTIONS: further options of `dejavu run`. BENCH_FT_ITERATIONS (150): so many that FT runs long
# enough. BENCH_STALL ("dirty ft"): which programs. Every job is verified: bench-dirty checks its memory, FT's digest must be the native run's.

stall_iterations=${BENCH_FT_ITERATIONS:-150}
stall_percent=${BENCH_PERCENT:-10}
read -ra stall_options <<<"${BENCH_OPTIONS:-}"

stall_count() { cat "$job/events" 2>/dev/null | grep -c "^[^ ]* $1 "; }
stall_has() { [ "$(stall_count "$1")" -ge "$2" ]; }
stall_rounds() { [ "$(grep -c '^rounds rank=0 ' "$work/output" 2>/dev/null)" -ge "$1" ]; }

# One checkpoint. bench-dirty goes on with its next round as soon as it runs again, so that it writes while the epoch is written.
stall_checkpoint() {
    local status=0 resumed command
    resumed=$(($(stall_count resume) + 1))
    timeout 180 "$dejavu" checkpoint "$job" >/dev/null &
    command=$!
    wait_until stall_has resume $resumed || status=1
    printf . >>"$work/go"
    wait $command || status=1
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
        stall_checkpoint || return 1
        # Files of the first epochs are allocated in the background.
        ((i <= 3)) && sleep "$pause"
    done
    return 0
}

# $1 place, $2 program (dirty or ft), $3 capture strategy. Leaves $job/events and $work/output.
stall_job() {
    local status program=("$build/tests/bench-dirty" --mebibytes "$mib" --percent "$stall_percent" --rounds "$epochs" --go "$work/go")
    [ "$2" = ft ] && program=("$build/bin/npb-ft" --class B --iterations "$stall_iterations")
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

stall_room() { # $1 MiB, $2 directory
    local free
    free=$(df --output=avail -m "$2" | tail -n 1)
    [ "$free" -ge "$1" ] && return 0
    say "stall: needs $1 MiB free in $2, which has $free; set BENCH_MIB to less than $mib, or BENCH_STALL=dirty"
    return 1
}

bench_stall() {
    local items=() run=0 place program capture native=
    disk=$(mktemp -d "${BENCH_DISK:-${TMPDIR:-/var/tmp}}/dejavu-bench.XXXXXX") || return 1
    if [ "$(stat -f -c %T "$disk")" = tmpfs ]; then
        say "stall: $disk is on a RAM disk; set BENCH_DISK to a directory on a disk"
        return 1
    fi
    # Two epochs are kept, one is spare and one being written, of up to 2 GiB.
    stall_room $((mib * 9)) /dev/shm && stall_room $((mib * 9)) "$disk" || return 1
    if [[ " ${BENCH_STALL:-dirty ft} " = *" ft "* ]]; then
        mpiexec.mpich -n 2 "$build/bin/npb-ft" --class B --iterations "$stall_iterations" >"$work/native" </dev/null || return 1
        native=$(stall_digest "$work/native")
    fi
    for program in ${BENCH_STALL:-dirty ft}; do
        for place in ram disk; do
            for capture in incremental full; do
                say "stall: $program, $capture, $place"
                stall_job $place "$program" $capture || return 1
                if [ "$program" = ft ] && [ "$(stall_digest "$work/output")" != "$native" ]; then
                    say "stall: wrong result of FT: $(stall_digest "$work/output") instead of $native"
                    return 1
                fi
                mv "$job/events" "$work/events-$run" && mv "$work/output" "$work/output-$run" || return 1
                rm -rf "$job"
                if [ "$program" = ft ]; then
                    items+=("$run:$place,$program,$capture,2:$work/events-$run:-")
                else
                    items+=("$run:$place,$program,$capture,2:$work/events-$run:$work/output-$run")
                fi
                run=$((run + 1))
            done
        done
    done
    "$record" stall "$results/stall.h5" "$build/bin" "${items[@]}"
}
