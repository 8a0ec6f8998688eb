#!/bin/bash
# Runs a command as an ordinary user in a directory of his own, if we are root. usage: ordinary_user.sh COMMAND...
set -u
[ "$(id -u)" -eq 0 ] || exec "$@"
command -v setpriv >/dev/null || { echo "setpriv is needed to become an ordinary user"; exit 77; }
user=(setpriv --reuid=65534 --regid=65534 --clear-groups --)
"${user[@]}" test -x "$1" -a -x "$DEJAVU_BUILD/bin/dejavu" || { echo "an ordinary user cannot reach $DEJAVU_BUILD"; exit 77; }
own=$(mktemp -d /tmp/dejavu-user.XXXXXX)
trap 'rm -rf "$own"' EXIT
chown 65534:65534 "$own"
cd "$own" || exit 1
TMPDIR=$own HOME=$own "${user[@]}" "$@"
