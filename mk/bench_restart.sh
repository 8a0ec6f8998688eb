# The part `restart` of mk/bench.sh: how soon a restarted job computes. Sourced by it.
#
# FT class B and CG class B at 2 ranks, images on a RAM disk: one checkpoint of each, then BENCH_RESTARTS restarts eager and as many lazy, in
# turn, each of which runs for BENCH_HOLD (0.3) seconds and is stopped. A time runs from just before `dejavu restart` is started to the
# moment at which its supervisor knows that all ranks run. BENCH_RESTART ("ft cg"): which programs. A first restart of each kind is in no
# figure: it warms the machine up.

restart_hold=${BENCH_HOLD:-0.3}

restart_is_running() { grep -q "^[^ ]* running " "$work/job/events" 2>/dev/null; }

# $1 program. Leaves $work/job with one epoch.
restart_prepare() {
    local status=0
    rm -rf "$work/job"
    "$dejavu" run -n 2 --max-restarts 0 --job "$work/job" -- "$build/bin/npb-$1" --class B --iterations 1000000 \
        >/dev/null </dev/null 2>"$work/messages" &
    job_pid=$!
    wait_until restart_is_running || return 1
    sleep "${BENCH_BEGIN:-8}"
    timeout 180 "$dejavu" checkpoint "$work/job" >/dev/null || status=1
    timeout 60 "$dejavu" stop --no-checkpoint "$work/job" 2>/dev/null || status=1
    wait "$job_pid"
    job_pid=
    return $status
}

# Nanoseconds of the epoch, of the moment that the first line of the kind $1 tells of.
restart_moment() {
    awk -v kind="$1" '$2 == "start" { sub("unix_ns=", "", $3); base = $3; offset = $1 }
        $2 == kind { printf "%s %.0f\n", base, ($1 - offset) * 1e9; exit }' "$work/job/events"
}

# $1 eager or lazy, $2 where the events go. Prints how many nanoseconds it took.
restart_once() {
    local invoked base offset tries
    : >"$work/job/events"
    invoked=$(date +%s%N)
    "$dejavu" restart --restore "$1" --max-restarts 0 "$work/job" >/dev/null </dev/null 2>"$work/messages" &
    job_pid=$!
    for ((tries = 0; tries < 6000; tries++)); do
        restart_is_running && break
        kill -0 "$job_pid" 2>/dev/null || break
        sleep 0.02
    done
    sleep "$restart_hold"
    timeout 60 "$dejavu" stop --no-checkpoint "$work/job" 2>/dev/null
    wait "$job_pid"
    job_pid=
    read -r base offset < <(restart_moment running)
    [ -n "${offset:-}" ] || return 1
    cp "$work/job/events" "$2"
    echo $((base + offset - invoked))
}

bench_restart() {
    local items=() run=0 program how order i took
    for program in ${BENCH_RESTART:-ft cg}; do
        restart_prepare "$program" || return 1
        for ((i = -1; i < restarts; i++)); do
            order=(eager lazy)
            ((i % 2)) && order=(lazy eager)
            for how in "${order[@]}"; do
                took=$(restart_once "$how" "$work/events-$run") || {
                    cat "$work/messages" >&2
                    return 1
                }
                ((i < 0)) && continue
                items+=("$run:$program,$how,2,$took:$work/events-$run:-")
                run=$((run + 1))
            done
        done
        say "restart, $program: $restarts times eager, $restarts times lazy"
    done
    rm -rf "$work/job"
    "$record" restart "$results/restart.h5" "$build/bin" "${items[@]}"
}
