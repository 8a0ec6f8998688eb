# Unit and conformance tests: one binary per module. They run at the top of the tree (some read its manuals and experiments)
# and write to TMPDIR only.
for binary in "$DEJAVU_BUILD"/tests/unit-* "$DEJAVU_BUILD"/tests/conformance-*; do
    [ -x "$binary" ] && test_case "$(basename "$binary")" 300 sh -c 'cd "$DEJAVU_TOP" && exec "$0"' "$binary"
done
# What the fuzzer of the image reader began with and what it has found, without the fuzzer.
test_case fuzz-image-corpus 120 "$DEJAVU_BUILD/tests/fuzz-image-corpus" replay "$DEJAVU_TOP/framework/tests/fuzz/corpus"
