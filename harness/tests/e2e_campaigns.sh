#!/bin/bash
# dejavu-bench end to end, what campaigns are made of: includes, profiles, sweeps, filters, drawn faults, an external system;
# what is read from results: show, compare, merge, metrics; and what a full disk or a half-written file may not destroy.
#
#     e2e_campaigns.sh [SEED]         run from the top of the tree after `make all`
set -u
. "$(dirname "$0")/e2e_common.sh"
export FAKE_SECONDS=0.1 PATH=$top/harness/tests/fake:$PATH # criu's stand-in
look() { "$top/harness/tests/campaign.py" "$@" || fail "campaign.py $*"; }

# A campaign in parts: what a filter leaves out is listed, and made later.
cat >"$work/base.yaml" <<'YAML'
ranks: [1]
timeout: 20s
profiles: {quick: {repetitions: 1, warmup: 0}}
YAML
cat >"$work/parts.yaml" <<'YAML'
include: base.yaml
applications:
  - ep
  - {name: cg, ranks: 2, arguments: [--class, "{class}", --step, "{step}"]}
sweep: {step: [1, 2]}
strategies: [full+coordinated, criu, dmtcp]
intervals: [50ms]
YAML
parts() { "$bench" "$1" "$work/parts.yaml" --profile quick -o "$work/parts" "${@:2}"; }
expect 2 "no campaign in $work/parts" parts run --resume
[ ! -e "$work/parts" ] || fail "--resume made a directory"
expect 0 "left out  ep.S.1 full+coordinated @ 50ms: by --filter strategy=criu" parts plan --filter strategy=criu
expect 0 "left out  ep.S.1 dmtcp: dmtcp_launch is not installed" parts plan
expect 0 "left out  cg[step=1].S.2 criu: criu checkpoints one process here" parts plan
expect 0 "left out  ep.S.1 criu: criu check: Error: vdso" env FAKE_CRIU_FAILS=vdso "$bench" plan "$work/parts.yaml"
expect 0 "unknown" parts plan --set 'applications=[{name: x, program: /bin/true, digest: stdout}]' --set 'sweep={}'
expect 2 "did you mean 'strategy'" parts run --filter strategi=criu
expect 0 "7 of 10 runs are left out by --filter strategy=criu" parts run --filter strategy=criu --metrics "$work/metrics.prom"
grep -qxF 'dejavu_bench_runs{campaign="parts",state="left"} 7' "$work/metrics.prom" || fail "metrics: $(cat "$work/metrics.prom")"
expect 0 "parts: 10 planned, 3 ok, 0 failed, 7 left" parts status --summary
expect 0 "1 of 1 runs left out by --filter strategy=criu" "$bench" report "$work/parts/parts.h5"
expect 0 "(3 of 10 cells from earlier results" parts plan --results "$work/parts/parts.h5" --filter strategy=criu
expect 0 "10 runs, 0 failed" parts run --resume
expect 4 "nothing to do" parts run --resume
"$bench" report "$work/parts/parts.h5" | grep -q "left out by --filter" && fail "still left out"
run=$(parts plan | awk '/cg\[step=2\].S.2 full/ && $1 ~ /^[0-9]+$/ {print $1}')
expect 0 "parameters     step=2" "$bench" show "$work/parts/parts.h5" "$run"
expect 0 "npb-cg --class S --step 2" "$bench" show "$work/parts/parts.h5" "$run"
expect 0 "cd \$(mktemp -d) && " "$bench" show "$work/parts/parts.h5" "$run"
expect 2 "option --filter belongs to: run plan" "$bench" report "$work/parts/parts.h5" --filter strategy=criu
expect 2 "is not in" "$bench" show "$work/parts/parts.h5" 99
expect 0 "cg[step=1].S.2 full+coordinated @ 50ms" "$bench" compare "$work/parts/parts.h5" native full+coordinated
expect 2 "there is no strategy 'nativ'" "$bench" compare "$work/parts/parts.h5" nativ idle

# Drawn faults, several in a run, of DejaVu and of an external system.
cat >"$work/drawn.yaml" <<'YAML'
applications: [ep]
ranks: [1]
strategies: [full+coordinated, criu]
intervals: [50ms]
faults:
  - {kill: rank any, distribution: exponential, mtbf: 100ms, most: 2}
  - {kill: all, at: [100ms, 10s]}
repetitions: 3
warmup: 0
YAML
FAKE_SECONDS=0.4 expect 0 "18 runs, 0 failed" "$bench" run "$work/drawn.yaml" -o "$work/drawn" --set pin=cores
look faults "$work/drawn/drawn.h5"
expect 0 "kill rank any exponential mtbf 100ms most 2" "$bench" report "$work/drawn/drawn.h5"

# Merged: nothing lost, keys unique.
expect 0 "28 runs of 2 files" "$bench" merge -o "$work/both.h5" "$work/parts/parts.h5" "$work/drawn/drawn.h5"
look merged "$work/both.h5" "$work/parts/parts.h5" "$work/drawn/drawn.h5"
expect 0 "parts, drawn: merged campaigns" "$bench" report "$work/both.h5"
expect 2 "is there already" "$bench" merge -o "$work/both.h5" "$work/parts/parts.h5"
expect 2 "name each campaign once" "$bench" merge -o "$work/twice.h5" "$work/both.h5" "$work/drawn/drawn.h5"
expect 0 "1/1" "$bench" compare "$work/both.h5" "$work/parts/parts.h5"
h5dump -n "$work/both.h5" >/dev/null || fail "h5dump"

# Killed at any moment and resumed: the runs of a campaign that was not interrupted, and none twice; no process is left.
cat >"$work/set.yaml" <<'YAML'
applications: [ep, cg]
ranks: [1]
strategies: [full+coordinated]
repetitions: 2
YAML
export FAKE_SECONDS=0.08
expect 0 "18 runs, 0 failed" "$bench" run "$work/set.yaml" -o "$work/whole"
kills=0
for ((i = 0; i < 16; i++)); do
    "$bench" run "$work/set.yaml" -o "$work/killed" 2>"$work/err" &
    bench_pid=$!
    sleep "0.$(printf %03d $((RANDOM % 900)))"
    kill -KILL $bench_pid 2>/dev/null && kills=$((kills + 1))
    wait $bench_pid 2>/dev/null
    [ "$(grep -c ' done run=' "$work/killed/journal" 2>/dev/null)" = 18 ] && break
done
"$bench" run "$work/set.yaml" -o "$work/killed" 2>"$work/err"
case $? in 0 | 4) ;; *) fail "not completed after $kills kills: $(tail -1 "$work/err")" ;; esac
[ "$(grep -c ' done run=' "$work/killed/journal")" = 18 ] || fail "runs are lost or done twice"
look same "$work/whole/set.h5" "$work/killed/set.h5"
[ -z "$(ls "$TMPDIR")" ] || fail "left in scratch: $(ls "$TMPDIR")"
grep -lsz "^DEJAVU_BENCH_RUN=" /proc/[0-9]*/environ 2>/dev/null | while read -r environ; do
    { tr '\0' '\n' <"$environ" | grep -qF "TMPDIR=$TMPDIR"; } 2>/dev/null && echo "$environ"
done >"$work/left"
[ -s "$work/left" ] && fail "processes are left: $(cat "$work/left")"
echo "$kills kills survived"

# A half-written HDF5 file, as a crash of the host may leave it: made anew from the records.
echo torn >"$work/whole/set.h5.tmp"
truncate -s 3000 "$work/whole/set.h5"
expect 1 "made anew from its records by: dejavu-bench report EXPERIMENT.yaml" "$bench" report "$work/whole/set.h5"
expect 0 "18 of 18 runs" "$bench" report "$work/set.yaml" -o "$work/whole"
look same "$work/whole/set.h5" "$work/killed/set.h5"

# A full disk: said, and nothing lost.
cat >"$work/full.sh" <<'SH'
mkdir "$1/small" && mount -t tmpfs -o size=256k none "$1/small" || exit 77
head -c 220000 /dev/zero >"$1/small/filler"
"$2" run "$1/set.yaml" -o "$1/small/out"
status=$?
rm "$1/small/filler" && mount -o remount,size=20m "$1/small" || exit 77
"$2" run "$1/set.yaml" -o "$1/small/out" --resume && cp "$1/small/out/set.h5" "$1/full.h5" && echo "status $status"
SH
namespace=(unshare --mount)
[ "$(id -u)" = 0 ] || namespace=(unshare --map-root-user --mount)
"${namespace[@]}" bash "$work/full.sh" "$work" "$bench" >"$work/out" 2>&1
case $? in
0)
    grep -q "^status 3" "$work/out" || fail "exit status on a full disk: $(cat "$work/out")"
    grep -q "small/out/.*No space left on device" "$work/out" || fail "a full disk is not named: $(cat "$work/out")"
    grep -qF "go on with: dejavu-bench run" "$work/out" || fail "no way on: $(cat "$work/out")"
    look same "$work/whole/set.h5" "$work/full.h5"
    ;;
77) echo "full disk: cannot be tested here (no mount namespace)" ;;
*) fail "full disk: $(cat "$work/out")" ;;
esac

# Settings that cannot be had.
printf 'applications: [cg]\nranks: [3]\n' >"$work/three.yaml"
expect 2 "three.yaml:2: nothing to run; first cell left out: cg.S.3: cg needs a power of two" "$bench" plan "$work/three.yaml"
expect 2 "unknown launcher 'slurn'; known: local" "$bench" run "$work/set.yaml" -o "$work/x" --set launcher=slurn
expect 3 "set.yaml:1:16: application 'ep': no program npb-ep in $work" env PATH=/usr/bin:/bin DEJAVU_BENCH_BINDIR="$work" "$bench" \
    plan "$work/set.yaml"
if [ "$(id -u)" != 0 ]; then
    expect 3 "cache: drop: cannot write /proc/sys/vm/drop_caches" "$bench" run "$work/set.yaml" -o "$work/x" --set cache=drop
fi

finish
