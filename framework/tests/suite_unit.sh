# Unit and conformance tests: one binary per module. They run at the top of the tree (some read its manuals and experiments)
# and write to TMPDIR only. DEJAVU_FAULTS: see unit/store_faults.c.
slots=2
[ "${DEJAVU_FAULTS:-}" = all ] && unit_limit=7200 || unit_limit=300
for binary in "$DEJAVU_BUILD"/tests/unit-* "$DEJAVU_BUILD"/tests/conformance-*; do
    [ -x "$binary" ] || continue
    case $binary in
    */unit-image-levels | */unit-image-chain | */unit-image-compact | */unit-image-manifest | */unit-store-*)
        test_case "$(basename "$binary")" $unit_limit "$top/framework/tests/in_memory.sh" "$binary"
        ;;
    *)
        test_case "$(basename "$binary")" $unit_limit sh -c 'cd "$DEJAVU_TOP" && exec "$0"' "$binary"
        ;;
    esac
done
# What the fuzzer of the image reader began with and what it has found, without the fuzzer.
test_case fuzz-image-corpus 120 "$DEJAVU_BUILD/tests/fuzz-image-corpus" replay "$DEJAVU_TOP/framework/tests/fuzz/corpus"
