#!/bin/sh
# DejaVu's libmpich.so.12 exports the same symbols, of the same kinds, as the real one, and depends on libc only.
# usage: symbols.sh [OURS [REAL]]
set -eu
ours=${1:-${DEJAVU_BUILD:-build}/lib/dejavu/libmpich.so.12}
real=${2:-/usr/lib/x86_64-linux-gnu/libmpich.so.12}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Name and kind; read-only data that needs relocation (D) is what a plain constant (R) may become in another link.
symbols() { nm -D --defined-only "$1" | awk '{ print $3, $2 }' | sort; }
symbols "$real" > "$work/real"
symbols "$ours" > "$work/ours"
if ! diff "$work/real" "$work/ours" > "$work/difference"; then
    echo "symbols: $ours differs from $real (< missing, > too much):" >&2
    head -50 "$work/difference" >&2
    exit 1
fi

soname=$(readelf -d "$ours" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = libmpich.so.12 ] || { echo "symbols: SONAME is '$soname', not libmpich.so.12" >&2; exit 1; }
readelf -d "$ours" | grep -q 'BIND_NOW\|FLAGS_1.*NOW' || { echo "symbols: not linked with -z now" >&2; exit 1; }
needed=$(readelf -d "$ours" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -v '^libc\.so\.6$\|^ld-linux' || true)
[ -z "$needed" ] || { echo "symbols: needs more than libc: $needed" >&2; exit 1; }
echo "symbols: $(wc -l < "$work/ours") symbols, equal to those of $real"
