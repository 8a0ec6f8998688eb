# Unit and conformance tests: one binary per module.
for binary in "$DEJAVU_BUILD"/tests/unit-* "$DEJAVU_BUILD"/tests/conformance-*; do
    [ -x "$binary" ] && test_case "$(basename "$binary")" 300 "$binary"
done
