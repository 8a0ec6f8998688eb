#!/bin/bash
# `make bench`: what DejaVu costs on this machine, into results/. Usage: mk/bench.sh BUILD [PART ...]
#
#   idle       CG, FT, MG class A at 2 ranks, idle against native     results/idle.h5       (experiments/idle.yaml)
#   latency    messages of 8 bytes and 1 MiB, idle against native     results/latency.h5
#   bandwidth  checkpoints to and restarts from a RAM disk, 1 and 2   results/bandwidth.h5
#              ranks of BENCH_MIB (1024) MiB each, beside memcpy
#   stall      how long a checkpoint stops the application             results/stall.h5      (mk/bench_stall.sh, `make bench-stall`)
#   restart    how soon a restarted job computes, eager and lazy      results/restart.h5    (mk/bench_restart.sh, `make bench-restart`)
#   cost       iterations between checkpoints every 10 s, to idle     results/cost.h5       (mk/bench_cost.sh, `make bench-cost`)
#   total      iterations with checkpoints every 30 s, to native      results/total.h5      (the same)
#
# Without PART: idle, latency and bandwidth.
# BENCH_PAIRS (13), BENCH_EPOCHS (18), BENCH_RESTARTS (12): repetitions. BENCH_PAUSE (3): seconds after each of the first
# three checkpoints. BENCH_RESULTS: another directory than results.
# Tables go to standard output, progress to standard error. Exit status 1 if a measurement failed.
set -u
build=$(realpath "${1:?usage: mk/bench.sh BUILD [PART ...]}")
shift
cd "$(dirname "$0")/.." || exit 3
[ $# -eq 0 ] && set -- idle latency bandwidth
results=${BENCH_RESULTS:-results}
pairs=${BENCH_PAIRS:-13} mib=${BENCH_MIB:-1024} epochs=${BENCH_EPOCHS:-18} restarts=${BENCH_RESTARTS:-12} pause=${BENCH_PAUSE:-3}
dejavu=$build/bin/dejavu record=$build/tests/bench-record
failed=0 job_pid= disk=
work=$(mktemp -d /dev/shm/dejavu-bench.XXXXXX) || exit 3

say() { echo "bench: $*" >&2; }
failure() { say "$*" && failed=1; }
clean_up() {
    [ -n "$job_pid" ] && kill "$job_pid" 2>/dev/null && wait "$job_pid" 2>/dev/null
    rm -rf "$work" ${disk:+"$disk"}
}
trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir -p "$results" || exit 3

# In a directory of its own, so that each `make bench` measures anew; kept if a run failed.
bench_idle() {
    local output experiment=experiments/idle.yaml
    output=$(mktemp -d "${TMPDIR:-/tmp}/dejavu-idle.XXXXXX") || return 1
    if "$build/bin/dejavu-bench" run $experiment --output="$output" && "$build/bin/dejavu-bench" report "$output/idle.h5" &&
        cp "$output/idle.h5" "$results/idle.h5.tmp" && mv "$results/idle.h5.tmp" "$results/idle.h5"; then
        rm -rf "$output"
    else
        say "idle: what was measured is in $output"
        return 1
    fi
}

# One run of the ping-pong: $1 native or idle, $2 where its output goes.
pingpong() {
    local launch=(mpiexec.mpich -n 2)
    [ "$1" = idle ] && launch=("$dejavu" run -n 2 --max-restarts 0 --job "$work/pingpong" --)
    timeout 120 "${launch[@]}" "$build/tests/bench-pingpong" >"$2" </dev/null
    local status=$?
    rm -rf "$work/pingpong"
    return $status
}

bench_latency() {
    local items=() order position pair base
    for ((pair = -1; pair < pairs; pair++)); do # pair -1 warms the machine up and is left out
        order=(native idle)
        ((pair % 2)) && order=(idle native)
        position=0
        for base in "${order[@]}"; do
            pingpong "$base" "$work/latency-$pair-$base" || return 1
            ((pair >= 0)) && items+=("$pair:$position:$base:$work/latency-$pair-$base")
            position=$((position + 1))
        done
        say "latency: $((pair + 1)) of $pairs pairs"
    done
    "$record" latency "$results/latency.h5" "$build/bin" "${items[@]}"
}

# How often an event is in the job's record.
count() { cat "$work/job/events" 2>/dev/null | grep -c "^[^ ]* $1 "; }

# Until command "$@" succeeds or the job ends or two minutes are over.
wait_until() {
    local tries
    for ((tries = 0; tries < 1200; tries++)); do
        "$@" && return 0
        kill -0 "$job_pid" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}
is_running() { [ "$(count running)" -gt "$1" ]; }
has_copied() { [ "$(wc -l <"$work/copies" 2>/dev/null || echo 0)" -ge "$1" ]; }

# A process of the job that belongs to a rank, as the last `connected` lines say.
rank_process() { sed -n 's/^[^ ]* connected .*\<pid=\([0-9]*\).*/\1/p' "$work/job/events" | tail -n 1; }

# Checkpoints, then kills of a rank, each of which brings all ranks back from the last epoch.
exercise() {
    local i
    wait_until is_running 0 && wait_until has_copied $((3 * $1)) || return 1
    for ((i = 0; i < epochs; i++)); do
        timeout 120 "$dejavu" checkpoint "$work/job" >/dev/null || return 1
        # The files of the first epochs are allocated in the background.
        ((i < 3)) && sleep "$pause"
        sleep 0.5
    done
    say "bandwidth, $1 rank(s): $epochs checkpoints taken"
    for ((i = 1; i <= restarts; i++)); do
        kill -KILL "$(rank_process)" || return 1
        wait_until is_running "$i" || return 1
        sleep 0.3
    done
    say "bandwidth, $1 rank(s): $restarts times killed and restarted"
}

# $1 ranks; $2.. program. Leaves $work/job/events and $work/copies.
bandwidth_job() {
    local ranks=$1 launch=() status
    shift
    [ "$ranks" -gt 1 ] && launch=(-n "$ranks")
    rm -rf "$work/job" "$work/end"
    "$dejavu" run "${launch[@]}" --snapshot stop --max-restarts $((restarts + 1)) --job "$work/job" -- "$@" "$mib" "$work/end" \
        >"$work/copies" </dev/null 2>"$work/messages" &
    job_pid=$!
    exercise "$ranks"
    status=$?
    touch "$work/end"
    if [ $status -ne 0 ]; then
        kill "$job_pid" 2>/dev/null
    fi
    wait "$job_pid" || status=1
    job_pid=
    [ $status -eq 0 ] || cat "$work/messages" >&2
    return $status
}

bench_bandwidth() {
    local items=() run=0 ranks program need
    need=$((mib * 9)) # 2 ranks: their memory, 2 epochs kept, one spare and one being written
    if [ "$(df --output=avail -m /dev/shm | tail -n 1)" -lt $need ]; then
        say "bandwidth: needs $need MiB free in /dev/shm; set BENCH_MIB to less than $mib"
        return 1
    fi
    for ranks in 1 2; do
        program=$build/tests/bench-memory
        [ "$ranks" -eq 1 ] && program=$build/tests/bench-memory-alone
        bandwidth_job "$ranks" "$program" || return 1
        mv "$work/job/events" "$work/events-$run" && mv "$work/copies" "$work/copies-$run" || return 1
        rm -rf "$work/job"
        items+=("$run:$ranks:$work/events-$run:$work/copies-$run")
        run=$((run + 1))
    done
    "$record" bandwidth "$results/bandwidth.h5" "$build/bin" "${items[@]}"
}

. mk/bench_stall.sh
. mk/bench_cost.sh
. mk/bench_restart.sh

for part in "$@"; do
    case $part in
    idle | latency | bandwidth | stall | restart | cost | total) "bench_$part" || failure "$part: not measured" ;;
    *) failure "$part: no such part; idle, latency, bandwidth, stall, restart, cost or total" ;;
    esac
done
exit $failed
