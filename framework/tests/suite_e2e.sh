# End to end, single processes: bad input, damage, hazards under kills, programs that are not ours.
# DEJAVU_HAZARD_RUNS: how often each hazard program is run and killed.
e2e=$top/framework/tests/e2e
tests=$DEJAVU_BUILD/tests
hazard_runs=${DEJAVU_HAZARD_RUNS:-2}

slots=2 # single processes, which sleep most of the time

for name in missing-program not-executable static-program script not-elf wrong-strategy wrong-option bad-interval wrong-verb \
    job-is-no-directory unwritable-job foreign-job running-already used-already not-running no-epochs wrong-epoch closed-streams; do
    test_case "bad-input-$name" 120 "$e2e/bad_input.py" $name
done
for name in truncated-image image-without-footer empty-image flipped-header flipped-data flipped-footer missing-image \
    exchanged-image flipped-manifest truncated-manifest empty-manifest nothing-whole damaged-epoch-asked-for damaged-job-file \
    changed-program other-program other-rank-count moved-job full-disk file-size-limit; do
    test_case "damage-$name" 180 "$e2e/damage.py" $name
done
for name in calls calls-guarded again chain damaged-image damaged-image-at-the-end unknown-way; do
    test_case "lazy-$name" 120 "$e2e/lazy.py" $name
done
for name in thread child socket timer guard; do
    test_case "refused-$name" 120 "$e2e/refused.py" $name
done

# hazard NAME [ROUNDS]: two kills a run, checkpoints often.
hazard() {
    local name=$1
    shift
    if [ ! -x "$tests/hazard-$name" ]; then
        test_case "hazard-$name" 10 sh -c 'echo "not built (no compiler for it)"; exit 77'
        return
    fi
    test_case "hazard-$name" $((60 + 60 * hazard_runs)) "$e2e/kill.py" --ranks 0 --runs "$hazard_runs" --kills 2 \
        --interval 0.1:0.3 --commits 1 --limit 60 -- "$tests/hazard-$name" "$@"
}
for name in compute vector altstack masks append reading unnamed duplicates filemaps heap stack surroundings libraries clocks \
    fixed identity pipes locks locals closing coroutines generated commands exceptions advice \
    kernelwrites faults; do
    hazard $name
done
hazard sleeping 36
test_case hazard-sleeping-often $((60 + 60 * hazard_runs)) "$e2e/kill.py" --ranks 0 --runs "$hazard_runs" --kills 2 \
    --interval 0.03:0.05 --commits 1 --limit 60 -- "$tests/hazard-sleeping" 36
hazard churn 3000
test_case hazard-stepping $((60 + 60 * hazard_runs)) "$e2e/kill.py" --ranks 0 --runs "$hazard_runs" --kills 4 --when checkpoint \
    --interval 0.05:0.15 --commits 1 --limit 60 -- "$tests/hazard-stepping" 60

# Tracker mprotect: what it reports is taken as it is, and compared with a full image of the same instant.
for name in kernelwrites faults coroutines altstack masks heap commands; do
    test_case "mprotect-$name" $((60 + 90 * hazard_runs)) env DEJAVU_CAPTURE=incremental \
        DEJAVU_CAPTURE_OPTIONS=tracker=mprotect,adaptive=no,contents=no DEJAVU_ORACLE=yes "$e2e/kill.py" --ranks 0 \
        --runs "$hazard_runs" --kills 2 --interval 0.1:0.3 --commits 1 --limit 60 -- "$tests/hazard-$name"
done
hazard ticker 240

# Restored from mapped images, captured from them, and restored again.
for capture in full incremental; do
    for name in advice churn heap filemaps; do
        test_case "lazy-$capture-$name" $((60 + 60 * hazard_runs)) env DEJAVU_RESTORE=lazy DEJAVU_CAPTURE=$capture "$e2e/kill.py" \
            --ranks 0 --runs "$hazard_runs" --kills 2 --interval 0.1:0.3 --commits 1 --limit 60 -- "$tests/hazard-$name"
    done
done

# A commit that fails, or is killed, at its system calls in turn (DEJAVU_FAULTS: see store.py).
test_case store-commit $([ "${DEJAVU_FAULTS:-}" = all ] && echo 1200 || echo 120) "$e2e/store.py" commit

# The store: lost nodes, chains compacted. With MPI programs, whose ranks use all processors.
slots=1
for what in partner rs beyond compact; do
    test_case "store-$what" 240 "$e2e/store.py" "$what"
done

# Incremental checkpoints: compared with full images of the same instant (make check-oracle does that at length), killed,
# damaged, asked for too often; and what they cost in bytes.
test_case oracle-wp 180 "$e2e/incremental.py" oracle --trackers wp --apps churn,mg-W --epochs 4
test_case oracle-hash 180 "$e2e/incremental.py" oracle --trackers hash --apps churn,is --epochs 4
test_case oracle-mprotect 180 "$e2e/incremental.py" oracle --trackers mprotect --apps churn,cg,ft --epochs 4
test_case oracle-mpi 180 "$e2e/incremental.py" oracle --trackers wp,mprotect --snapshots copy,fork --apps mpi-churn --epochs 4
for name in ancestor-flipped ancestor-flipped-lazy ancestor-truncated ancestor-lost ancestor-exchanged newest-flipped full-disk \
    writer-killed coalescing bytes-written bytes-written-mpi least-state restore-eager restore-lazy restore-lazy-packed \
    restored-memory forkless forkless-half forkless-half-guarded; do
    test_case "incremental-$name" 180 "$e2e/incremental.py" $name
done
slots=2
# incremental NAME [KILL.PY'S OPTIONS] -- PROGRAM...: every run draws its tracker, codec, chain length ...
incremental() {
    local name=$1
    shift
    test_case "incremental-$name" $((60 + 90 * hazard_runs)) "$e2e/kill.py" --ranks 0 --runs "$hazard_runs" --kills 3 \
        --incremental --interval 0.05:0.2 --limit 90 "$@"
}
incremental kill-churn --commits 5 -- "$tests/hazard-churn" 6000
incremental kill-in-write --when writing --commits 5 -- "$tests/hazard-churn" 6000 2 64
incremental kill-writer --when writing --victim writer -- "$tests/hazard-churn" 6000 3 96
for name in heap filemaps vector reading; do
    incremental kill-$name -- "$tests/hazard-$name"
done

# Programs that are not ours.
test_case program-python 180 "$e2e/kill.py" --ranks 0 --runs "$hazard_runs" --kills 2 --interval 0.1:0.3 -- /usr/bin/python3 \
    "$e2e/programs/words.py"
test_case program-perl 180 "$e2e/kill.py" --ranks 0 --runs "$hazard_runs" --kills 2 --interval 0.1:0.3 -- /usr/bin/perl \
    "$e2e/programs/words.pl"
test_case ordinary-user 180 "$e2e/ordinary_user.sh" "$e2e/kill.py" --ranks 0 --runs 2 --kills 2 --interval 0.1:0.3 -- \
    "$tests/hazard-append"
test_case supervisor-killed 180 "$e2e/kill.py" --ranks 0 --runs 2 --victim supervisor --interval 0.1:0.3 -- \
    "$tests/hazard-append"

slots=1
# The harness: faults, interruption, resume, damaged records, the schema seen by h5py.
test_case harness 300 env DEJAVU_BENCH="$DEJAVU_BUILD/bin/dejavu-bench" "$top/harness/tests/e2e_bench.sh" "$DEJAVU_SEED"
# Campaigns: includes, sweeps, filters, drawn faults, merging, SIGKILL at random moments, a full disk.
test_case harness-campaigns 300 env DEJAVU_BENCH="$DEJAVU_BUILD/bin/dejavu-bench" "$top/harness/tests/e2e_campaigns.sh" "$DEJAVU_SEED"

# Reports of campaigns: the page itself, how a browser shows it (skipped without one); the paper (its PDF where TeX is).
test_case report 300 "$top/analysis/tests/test_report.py"
test_case report-browser 300 "$top/analysis/tests/test_browser.py"
test_case paper 300 "$top/paper/test_paper.py"
# dejavu-stats: four formats that agree, numbers held against numpy, bad input.
test_case analysis 300 "$top/analysis/stats/e2e_stats.py"
