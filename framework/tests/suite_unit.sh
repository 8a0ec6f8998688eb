# Unit and conformance tests: one binary per module. They run at the top of the tree (some read its manuals and experiments)
# and write to TMPDIR only.
for binary in "$DEJAVU_BUILD"/tests/unit-* "$DEJAVU_BUILD"/tests/conformance-*; do
    [ -x "$binary" ] && test_case "$(basename "$binary")" 300 sh -c 'cd "$DEJAVU_TOP" && exec "$0"' "$binary"
done
