#!/bin/bash
# All analyses of a campaign into one directory: statistics, then its costs at scale, then its runs with faults against the
# simulator. Usage: analysis/all.sh BUILD CAMPAIGN.h5 DIR
set -u
stats=$1/bin/dejavu-stats campaign=$2 directory=$3
mkdir -p "$directory" || exit 3
"$stats" analyse "$campaign" -o "$directory" || exit
# --partial: also as if only failed ranks rolled back. --memory: nodes of such machines hold far more than a test run, and the
# models of the costs say what that takes. Status 4: the campaign has nothing that this verb could use.
"$stats" simulate --partial --memory 64G "$campaign" -o "$directory" || [ $? -eq 4 ] || exit 3
"$stats" validate "$campaign" -o "$directory" || [ $? -eq 4 ] || exit 3
