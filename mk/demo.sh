#!/bin/bash
# `make demo`: EP, CG, FT and IS without DejaVu, attached, and with checkpoints every 200 ms (experiments/demo.yaml);
# ends with the table read back from the HDF5 file. Usage: mk/demo.sh BUILD
#
# Results go to a new directory under TMPDIR (/tmp), or to DEMO_OUTPUT, where an interrupted demo goes on.
set -u
build=$(realpath "${1:?usage: mk/demo.sh BUILD}")
cd "$(dirname "$0")/.." || exit 3
output=${DEMO_OUTPUT:-$(mktemp -d "${TMPDIR:-/tmp}/dejavu-demo.XXXXXX")} || exit 3
limit=540 # seconds; what is missing then is said and counted as a failure
experiment=experiments/demo.yaml

cat <<END
DejaVu demo. Each of EP, CG, FT and IS runs on 2 ranks:
  native                   without DejaVu
  idle                     under \`dejavu run\`, no checkpoints
  full+coordinated         under \`dejavu run --interval 200ms\`: whole images, coordinated
  incremental+coordinated  the same with images of what has changed
The programs are not changed or linked anew. Every run must pass its own verification, and end with the digest of the
native ones. It takes a few minutes and ends by itself.

END
start=$SECONDS
timeout --foreground --signal=INT --kill-after=20 $limit "$build/bin/dejavu-bench" run "$experiment" --output="$output"
status=$?
echo
"$build/bin/dejavu-bench" report "$experiment" --output="$output" || status=1
results=$(find "$output" -maxdepth 1 -name '*.h5' | head -n 1)
echo
echo "The demo took $((SECONDS - start)) s. What was measured is in ${results:-no HDF5 file: see $output}"
[ -n "$results" ] && echo "  h5ls -r $results | h5dump -d /runs/application_s $results | $build/bin/dejavu-bench report $results"
if [ $status -eq 124 ]; then
    echo "It was stopped after $limit s; DEMO_OUTPUT=$output $0 $1 goes on." >&2
fi
exit $status
