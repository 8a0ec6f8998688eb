#!/bin/bash
# Installs the Debian packages that building, running and testing DejaVu needs, if any is missing: as root, through sudo
# if that asks nothing, or by printing the one line to run.  Usage: mk/deps.sh [check|lint|fuzz|paper]
# check: also a browser, in which reports are looked at; paper: also TeX.
set -u
packages=(build-essential pkg-config python3 gfortran mpich libmpich-dev libpapi-dev libhdf5-dev hdf5-tools
    libgsl-dev libyaml-dev libcmocka-dev libxxhash-dev liblz4-dev libzstd-dev libisal-dev python3-h5py
    python3-matplotlib netpipe-mpich2)
[ "${1:-}" = check ] && packages+=(chromium fonts-dejavu-core)
[ "${1:-}" = paper ] && packages+=(latexmk texlive-latex-base texlive-latex-recommended texlive-latex-extra
    texlive-fonts-recommended lmodern poppler-utils)
[ "${1:-}" = lint ] && packages=(clang-format clang-tidy cppcheck bear)
[ "${1:-}" = fuzz ] && packages+=(clang libclang-rt-14-dev)
missing=()
for p in "${packages[@]}"; do
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -eq 0 ] && exit 0
install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -eq 0 ]; then
    run=(env DEBIAN_FRONTEND=noninteractive)
elif sudo -n true 2>/dev/null; then
    run=(sudo env DEBIAN_FRONTEND=noninteractive)
else
    echo "dejavu: packages are missing; run this as root, then try again:" >&2
    echo "    apt-get update && ${install[*]}" >&2
    exit 3
fi
echo "dejavu: installing ${missing[*]}"
"${run[@]}" "${install[@]}" >/dev/null 2>&1 && exit 0
"${run[@]}" apt-get update >/dev/null && "${run[@]}" "${install[@]}" >/dev/null && exit 0
echo "dejavu: error: apt-get could not install: ${missing[*]}" >&2
exit 3
