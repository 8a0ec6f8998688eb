#!/bin/bash
# Run a test with a TMPDIR in memory, if there is room for it: one that makes files durable thousands of times would only wait
# for the disk. usage: in_memory.sh COMMAND...
room_kib=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)
if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ "${room_kib:-0}" -gt 524288 ]; then
    TMPDIR=$(mktemp -d /dev/shm/dejavu-check.XXXXXX) || exit 1
    export TMPDIR
    trap 'rm -rf "$TMPDIR"' EXIT
    trap 'kill $!; exit 143' TERM
fi
"$@" &
wait $!
