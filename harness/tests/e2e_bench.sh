#!/bin/bash
# dejavu-bench end to end, with stand-ins for dejavu and the applications, so that what is tested is the harness alone:
# a whole campaign with faults, Ctrl-C and resume, failures of every kind, exit statuses.
#
#     e2e_bench.sh [SEED]         run from the top of the tree after `make all`
set -u
. "$(dirname "$0")/e2e_common.sh"
check_file() { /usr/bin/python3 "$top/harness/tests/check_schema.py" "$1" "$2" "$top/results/README.md" || fail "schema of $1"; }
experiment() { cat >"$work/$1.yaml"; }

experiment whole <<'YAML'
description: ünicode # and a comment
applications: [ep, {name: cg, ranks: 2}]
ranks: [1, 2]
strategies: [full+coordinated]
intervals: [50ms]
faults: [none, {kill: rank 1, after-epoch: 1}, {kill: all, at: 0..100ms}, {kill: mpiexec, at: 50ms}]
repetitions: 2
timeout: 20s
YAML
export FAKE_SECONDS=0.3
expect 0 "ep.S.2 full+coordinated @ 50ms, kill rank 1 after epoch 1" "$bench" plan "$work/whole.yaml"
expect 0 "51 runs, 0 failed" env FAKE_SECONDS=0.3 "$bench" run "$work/whole.yaml" -o "$work/whole"
check_file "$work/whole/whole.h5" "$work/whole.yaml"
expect 0 "RESTARTS" "$bench" report "$work/whole/whole.h5"
expect 0 "there is no rank 1 among 1" "$bench" report "$work/whole/whole.h5"
expect 0 "51 planned, 51 ok, 0 failed, 0 left" "$bench" status "$work/whole.yaml" -o "$work/whole"
expect 4 "nothing to do" "$bench" run "$work/whole.yaml" -o "$work/whole"
[ -z "$(ls "$TMPDIR")" ] || fail "left in scratch: $(ls "$TMPDIR")"
h5ls "$work/whole/whole.h5/runs" | grep -q "wall_s *Dataset {51}" || fail "h5ls does not show /runs/wall_s"

experiment killed <<'YAML'
applications: [ep]
strategies: [full+coordinated]
repetitions: 9
warmup: 1
YAML

# Ctrl-C: the run is given up, the command that resumes is printed.
export FAKE_SECONDS=0.5
setsid "$bench" run "$work/killed.yaml" -o "$work/stopped" --set 'repetitions=1' 2>"$work/err" &
bench_pid=$!
sleep 1.2
kill -INT $bench_pid
wait $bench_pid
[ $? = 1 ] || fail "exit status after Ctrl-C"
grep -qF "go on with: dejavu-bench run $work/killed.yaml -o $work/stopped --set repetitions=1" "$work/err" || fail "no resume command: $(tail -1 "$work/err")"
expect 0 "6 runs, 0 failed" "$bench" run "$work/killed.yaml" -o "$work/stopped" --set repetitions=1
expect 2 "begun by: dejavu-bench run" "$bench" run "$work/killed.yaml" -o "$work/stopped" --seed 9
"$bench" run "$work/killed.yaml" -o "$work/busy" 2>/dev/null &
bench_pid=$!
sleep 0.5
expect 2 "running already" "$bench" run "$work/killed.yaml" -o "$work/busy"
kill -TERM $bench_pid
wait $bench_pid

# Failures are failures, each with its reason.
experiment failing <<'YAML'
applications: [ep]
strategies:
  - {name: wrong, capture: full, protocol: coordinated, options: [--wrong]}
  - {name: hangs, capture: full, protocol: coordinated, options: [--hang]}
  - {name: refuses, capture: full, protocol: coordinated, options: [--no-such]}
repetitions: 1
warmup: 0
timeout: 1s
keep: never
YAML
export FAKE_SECONDS=0.05
expect 1 "5 runs, 3 failed" "$bench" run "$work/failing.yaml" -o "$work/failing"
expect 0 "wrong result: digest bad instead of 00ff" "$bench" report "$work/failing.yaml" -o "$work/failing"
expect 0 "not done after 1 s" "$bench" report "$work/failing.yaml" -o "$work/failing"
expect 0 "exit status 2: dejavu: error: unknown option --no-such" "$bench" report "$work/failing.yaml" -o "$work/failing"
check_file "$work/failing/failing.h5" "$work/failing.yaml"

# Usage and environment.
expect 2 "did you mean 'report'" "$bench" reprot x.yaml
expect 2 "which experiment" "$bench" run
expect 2 "cannot open /no/such.yaml" "$bench" plan /no/such.yaml
expect 2 "no campaign in" "$bench" status "$work/whole.yaml" -o "$work/nowhere"
echo no >"$work/bad.h5"
expect 1 "is not an HDF5 file" "$bench" report "$work/bad.h5"
expect 3 "no program npb-ep in /no/bin" env DEJAVU_BENCH_BINDIR=/no/bin "$bench" plan "$work/whole.yaml"
expect 3 "is not MPICH's launcher" "$bench" run "$work/failing.yaml" -o "$work/x" --set mpiexec=echo
expect 3 "cannot make directory" "$bench" run "$work/failing.yaml" -o /proc/x
cp "$work/failing/runs/000001/record" "$work/record"
sed -i 's/wall_s=[0-9.]*/wall_s=0.001/' "$work/failing/runs/000001/record"
expect 1 "is not what the journal recorded" "$bench" report "$work/failing.yaml" -o "$work/failing"

finish
