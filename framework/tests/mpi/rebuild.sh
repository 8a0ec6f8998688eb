#!/bin/sh
# Virtual objects: verified natively (the test programs are right), over DejaVu's library attached, and with the library
# that re-creates all real objects between rounds of verification. Needs `make tests`.
# usage: rebuild.sh [BUILD]
set -eu
build=${1:-${DEJAVU_BUILD:-build}}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# dejavu-rank takes the library from ../lib/dejavu beside itself.
mkdir -p "$work/bin" "$work/lib"
cp "$build/bin/dejavu-rank" "$work/bin/"
cp -r "$build/tests/rebuild/lib/dejavu" "$work/lib/"

# try RANKS WORDS COMMAND...: the output must hold the words
try()
{
    ranks=$1 words=$2
    shift 2
    if ! timeout 120 mpiexec.mpich -n "$ranks" "$@" > "$work/out" 2>&1 || ! grep -q "$words" "$work/out"; then
        echo "rebuild: failed: mpiexec.mpich -n $ranks $*" >&2
        head -40 "$work/out" >&2
        exit 1
    fi
}

for ranks in 1 2 3 4; do
    try $ranks "objects: ok (.*, 0 rebuilds)" "$build/tests/mpi-objects"
    try $ranks "objects: ok (.*, 0 rebuilds)" "$build/bin/dejavu-rank" -- "$build/tests/mpi-objects"
    try $ranks "objects: ok (5 rounds, 5 rebuilds)" "$work/bin/dejavu-rank" -- "$build/tests/mpi-objects"
    try $ranks "fortran: ok" "$build/bin/dejavu-rank" -- "$build/tests/mpi-fortran"
done
for ranks in 2 4; do
    try $ranks "passing: ok" "$build/tests/mpi-passing"
    try $ranks "passing: ok" "$build/bin/dejavu-rank" -- "$build/tests/mpi-passing"
    try $ranks "passing: ok" "$work/bin/dejavu-rank" -- "$build/tests/mpi-passing"
done
echo "rebuild: ok"
