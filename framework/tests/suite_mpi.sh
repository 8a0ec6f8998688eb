# MPI programs: ours and others', attached, with checkpoints, and killed at random moments.
# DEJAVU_KILL_RUNS=100 runs the full campaign: that many runs of CG class S, a fifth of it of each of the others on 2 ranks, a
# tenth on 4. Without it there are a few of each, so that `make check` stays short.
e2e=$top/framework/tests/e2e
bin=$DEJAVU_BUILD/bin
tests=$DEJAVU_BUILD/tests
few=$((${DEJAVU_KILL_RUNS:-10} / 5))
[ $few -gt 0 ] || few=1
half=$(((few + 1) / 2)) # of what takes long: four ranks on a host with fewer processors

# kills NAME RUNS RANKS OPTIONS -- PROGRAM...: four ranks share this host's processors, so they get more time.
kills() {
    local name=$1 runs=$2 ranks=$3
    shift 3
    test_case "$name-$ranks" $((180 + runs * 60 * ranks / 2)) "$e2e/kill.py" --runs "$runs" --ranks "$ranks" --limit 180 "$@"
}

test_case symbols 60 "$top/framework/tests/symbols.sh" "$DEJAVU_BUILD/lib/dejavu/libmpich.so.12"
test_case rebuild 300 "$top/framework/tests/mpi/rebuild.sh" "$DEJAVU_BUILD"

# The applications by themselves.
test_case npb 600 "$top/apps/npb/test.sh" "$bin"
test_case synthetic 120 "$top/apps/synthetic/test.sh" "$bin"

# Any moment.
kills kill-cg-S "${DEJAVU_KILL_RUNS:-6}" 2 -- "$bin/npb-cg" --class S
kills kill-cg-S "${DEJAVU_KILL_RUNS:-2}" 4 -- "$bin/npb-cg" --class S
kills kill-cg-W $few 2 --kills 2 -- "$bin/npb-cg" --class W
# The same, long enough for many checkpoints.
kills kill-cg-long $few 2 --kills 3 --interval 0.05:0.2 -- "$bin/npb-cg" --class W --iterations 900
kills kill-mg-long $few 2 --kills 3 --interval 0.05:0.2 -- "$bin/npb-mg" --class W --iterations 250
kills kill-ft-long $few 2 --kills 3 --interval 0.05:0.2 -- "$bin/npb-ft" --class W --iterations 150
kills kill-is-long $few 2 --kills 3 --interval 0.05:0.2 -- "$bin/npb-is" --class W --iterations 1500
kills kill-lu-W $few 2 --interval 0.05:0.2 -- "$bin/npb-lu" --class W
for benchmark in mg ft is; do
    kills kill-$benchmark-W $few 2 -- "$bin/npb-$benchmark" --class W
    kills kill-$benchmark-W $half 4 -- "$bin/npb-$benchmark" --class W
done
kills kill-bt-S $few 4 -- "$bin/npb-bt" --class S
kills kill-sp-S $few 4 --incremental -- "$bin/npb-sp" --class S
kills kill-heatf $few 2 -- "$tests/heatf"
kills kill-heatf $half 4 -- "$tests/heatf" 500

# During a checkpoint, during a restart, a restarted job again and again, the supervisor.
kills kill-in-checkpoint $((few * 2)) 2 --when checkpoint --interval 0.05:0.15 -- "$bin/npb-cg" --class W --iterations 900
kills kill-in-restart $few 2 --when restart --kills 3 --interval 0.05:0.15 -- "$bin/npb-mg" --class W --iterations 250
kills kill-five-times $few 2 --kills 5 --interval 0.05:0.2 -- "$bin/npb-cg" --class W --iterations 1500
kills kill-supervisor $few 2 --victim supervisor --interval 0.05:0.2 -- "$bin/npb-cg" --class W --iterations 900

# Chains of incremental images, each run with a tracker, codec, chain length ... of its own.
for benchmark in cg ft; do
    kills kill-incremental-$benchmark $few 2 --incremental --kills 2 --interval 0.05:0.2 -- "$bin/npb-$benchmark" --class W \
        --iterations $([ $benchmark = cg ] && echo 500 || echo 100)
done
kills kill-incremental-synthetic $few 2 --incremental --kills 2 --interval 0.05:0.2 -- "$bin/synthetic" --footprint 16M \
    --iterations 1500 --order scattered --dirty 5% --move 3
kills kill-incremental-in-write $few 2 --incremental --when writing --kills 3 --interval 0.05:0.15 -- "$bin/npb-mg" --class W \
    --iterations 150
kills kill-incremental-churn $few 2 --incremental --kills 2 --interval 0.05:0.2 -- "$tests/hazard-mpi-churn" 1500 1 24
kills kill-incremental-messages $few 2 --incremental --kills 2 --interval 0.05:0.3 -- "$tests/mpi-messages"

# MPI in all its forms.
for program in messages collectives; do
    kills kill-$program $few 2 --kills 2 --interval 0.05:0.3 -- "$tests/mpi-$program"
    kills kill-$program $half 4 --interval 0.1:0.3 -- "$tests/mpi-$program"
done
kills kill-objects $few 2 --kills 2 --interval 0.05:0.3 --result '^objects: ok' -- "$tests/mpi-objects" 2
for program in phases imbalance ticking; do
    kills kill-$program $few 2 --kills 2 --interval 0.1:0.4 -- "$tests/hazard-mpi-$program"
done
kills kill-phases $half 4 -- "$tests/hazard-mpi-phases"

# Tracker mprotect: the kernel and other ranks write into protected buffers.
for program in mpi-messages mpi-collectives hazard-mpi-churn; do
    test_case "mprotect-$program" $((180 + few * 60)) env DEJAVU_CAPTURE=incremental \
        DEJAVU_CAPTURE_OPTIONS=tracker=mprotect,adaptive=no,contents=no DEJAVU_ORACLE=yes "$e2e/kill.py" --runs "$few" \
        --ranks 2 --limit 180 --kills 2 --interval 0.05:0.3 -- "$tests/$program"
done

# What is not supported yet.
for kind in window file; do
    test_case "refused-$kind" 120 "$e2e/refused.py" $kind
done

# Not ours.
test_case netpipe-kill 240 "$e2e/netpipe.py" kill
test_case netpipe-integrity 180 "$e2e/netpipe.py" integrity
