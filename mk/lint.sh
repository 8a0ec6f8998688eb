#!/bin/bash
# clang-format, layering rules, file lengths, cppcheck, clang-tidy; all findings, then one line. Usage: mk/lint.sh BUILD
set -u
build=$1
cd "$(dirname "$0")/.." || exit 3
bad=0
problem() { echo "lint: $*" && bad=$((bad + 1)); }

mapfile -t sources < <(git ls-files '*.c' '*.h')
clang-format --dry-run -Werror "${sources[@]}" 2>/tmp/dejavu-format.$$ || problem "clang-format (make format): $(grep -c 'error:' /tmp/dejavu-format.$$) places"
rm -f /tmp/dejavu-format.$$

# Layering: arrows go one way.
while read -r what pattern where; do
    hits=$(git grep -nE "$pattern" -- $where ':!*.md' | head -n 5)
    [ -n "$hits" ] && problem "layering, $what:"$'\n'"$hits"
done <<'RULES'
gate-depends-on-nothing ^#include."(common|image|store|control|capture|rank|mpi)/ framework/gate
strategies-include-public-headers-only ^#include."(gate|common|image|store|control|capture|rank|mpi)/ strategies/capture strategies/protocol
harness-includes-public-headers-only ^#include."(gate|image|store|control|capture|rank|mpi)/ harness
the-upper-half-includes-no-lower-half ^#include."(image|store|control|capture|rank)/ framework/mpi
the-image-layer-knows-no-store-and-no-rank ^#include."(store|control|capture|rank|mpi)/ framework/image
the-store-knows-no-rank ^#include."(control|capture|rank|mpi)/ framework/store
applications-know-nothing-of-dejavu ^#include.*(dejavu/|gate/|framework/) apps/npb apps/common apps/synthetic
RULES
git grep -nE '"(full|incremental|coordinated|message_logged|message-logged)"' -- framework/gate framework/capture framework/image framework/store framework/mpi framework/control && problem "layering: the core names a strategy"

# Function bodies and files that scroll.
while read -r lines file; do
    [ "$lines" -gt 800 ] && problem "$file has $lines lines"
done < <(wc -l "${sources[@]}" | grep -v ' total$')

cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem --suppress=unknownMacro --suppress=preprocessorErrorDirective \
    --suppress=nullPointerRedundantCheck --suppress=normalCheckLevelMaxBranches -D_GNU_SOURCE -D__x86_64__ -Iframework/include -Iframework \
    -I"$build/gen" -j2 framework strategies apps harness analysis 2>/tmp/dejavu-cppcheck.$$ || { cat /tmp/dejavu-cppcheck.$$ && problem cppcheck; }
rm -f /tmp/dejavu-cppcheck.$$

flags=(-std=gnu11 -D_GNU_SOURCE -Iframework/include -Iframework -Iharness -I. -Iapps -Iapps/common -Ianalysis -I"$build/gen"
    -isystem /usr/include/x86_64-linux-gnu/mpich $(pkg-config --cflags hdf5) -DHAVE_VISIBILITY=1)
git ls-files 'framework/*.c' 'strategies/*.c' 'harness/*.c' 'analysis/*.c' 'apps/*.c' | grep -vE "/tests/|^apps/hazards/" |
    xargs -P 2 -n 1 sh -c 'clang-tidy --quiet "$@" -- '"${flags[*]@Q}"' 2>/dev/null' sh >/tmp/dejavu-tidy.$$ || { grep -E 'error:|warning:' /tmp/dejavu-tidy.$$ | sort -u | head -n 60 && problem clang-tidy; }
rm -f /tmp/dejavu-tidy.$$

[ $bad -eq 0 ] && echo "lint: clean" || { echo "lint: $bad kinds of problems" && exit 1; }
