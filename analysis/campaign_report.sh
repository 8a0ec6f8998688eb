#!/bin/bash
# `make report` and `make figures`: analyses a campaign and makes its HTML page or its pictures.
# Usage: analysis/campaign_report.sh BUILD report|figures CAMPAIGN.h5
# Results are BUILD/report/NAME.html and BUILD/figures/NAME/*.svg; the analysis is BUILD/analysis/NAME.
set -eu
build=$1 what=$2 campaign=$3
here=$(dirname "$0")
if [ ! -r "$campaign" ]; then
    echo "$what: error: cannot read '$campaign'; say which campaign: make $what CAMPAIGN=FILE.h5" >&2
    exit 3
fi
name=$(basename "$campaign" .h5)
mkdir -p "$build/report" "$build/figures"
"$here/all.sh" "$build" "$campaign" "$build/analysis/$name"
options=("$campaign" --analysis "$build/analysis/$name")
case $what in
report) "$here/report.py" "${options[@]}" -o "$build/report/$name.html" && echo "$build/report/$name.html" ;;
figures) "$here/figures.py" "${options[@]}" -o "$build/figures/$name" ;;
esac
