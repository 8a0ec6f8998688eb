#!/bin/bash
# `make paper`: paper/dejavu.pdf from measurements alone. Usage: paper/build.sh BUILD [CAMPAIGN.h5]
#
# Without CAMPAIGN it is results/paper.h5, else results/paper/paper.h5 (where experiments/paper.yaml leaves it).
# The other campaigns in results/ become a table. Everything between is in BUILD/paper. Exit status 3: something is missing.
set -eu
build=$(realpath "${1:?usage: paper/build.sh BUILD [CAMPAIGN.h5]}")
campaign=${2:-}
cd "$(dirname "$0")/.."
work=$build/paper stats=$build/bin/dejavu-stats

stop() { echo "paper: error: $*" >&2 && exit 3; }

if [ -z "$campaign" ]; then
    for campaign in results/paper.h5 results/paper/paper.h5; do
        [ -e "$campaign" ] && break
    done
fi
[ -r "$campaign" ] || stop "cannot read $campaign; make it by build/bin/dejavu-bench run experiments/paper.yaml," \
    "or name another campaign: make paper PAPER=FILE.h5"
for tool in latexmk pdflatex; do
    command -v $tool >/dev/null || stop "$tool is not installed: mk/deps.sh paper"
done

more=()
for file in results/*.h5; do
    [ "$file" -ef "$campaign" ] || ! h5ls "$file/runs" >/dev/null 2>&1 || more+=("$file")
done

rm -rf "$work"
mkdir -p "$work"
analysis/all.sh "$build" "$campaign" "$work/analysis"
options=(--analysis "$work/analysis")
if [ ${#more[@]} -gt 0 ]; then
    "$stats" analyse "${more[@]}" -o "$work/more"
    options+=(--more "$work/more")
fi
paper/generate.py "$campaign" "${options[@]}" --results results -o "$work/generated"

# latexmk writes its messages to the log as well; they are shown only if it fails.
if ! (cd paper && max_print_line=1000 TEXINPUTS=.:$work/generated: latexmk -pdf -interaction=nonstopmode -halt-on-error \
    -outdir="$work/tex" dejavu.tex) >"$work/latexmk.log" 2>&1; then
    grep -hA 3 '^!' "$work/latexmk.log" >&2 || tail -n 20 "$work/latexmk.log" >&2
    stop "LaTeX failed; all of its output is in $work/latexmk.log"
fi
if grep -E '(Reference|Citation).*undefined' "$work/tex/dejavu.log" >&2; then
    stop "references lead nowhere"
fi
cp "$work/tex/dejavu.pdf" paper/dejavu.pdf
echo "paper/dejavu.pdf, from $campaign"
