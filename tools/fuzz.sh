#!/usr/bin/env bash
# fuzz.sh BUILD_DIR SECONDS: give each fuzzer of the build its share of the seconds. Inputs that reach something new are
# kept in BUILD_DIR/corpus for the next time; what fails is left in BUILD_DIR/findings.
set -euo pipefail

build=$1 seconds=$2
root=$(cd "$(dirname "$0")/.." && pwd)

if ! [[ $seconds =~ ^[1-9][0-9]{0,5}$ ]]; then
    echo "fuzz: SECONDS is '$seconds': give a number from 1 to 999999" >&2
    exit 2
fi
shopt -s nullglob
fuzzers=("$build"/tests/fuzz/fuzz_*)
if [ ${#fuzzers[@]} -eq 0 ]; then
    echo "fuzz: no fuzzer in $build/tests/fuzz" >&2
    exit 2
fi

share=$((seconds / ${#fuzzers[@]}))
[ "$share" -gt 0 ] || share=1
mkdir -p "$build/findings"
failed=0
for fuzzer in "${fuzzers[@]}"; do
    name=$(basename "$fuzzer")
    corpus=$build/corpus/$name
    mkdir -p "$corpus"
    echo "== $name, $share s"
    folders=("$corpus")
    [ ! -d "$root/tests/fuzz/corpus/$name" ] || folders+=("$root/tests/fuzz/corpus/$name")
    "$fuzzer" -max_total_time="$share" -timeout=20 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="$build/findings/$name-" "${folders[@]}" 2>"$build/findings/$name.log" ||
        { failed=$((failed + 1)); tail -n 40 "$build/findings/$name.log" >&2; continue; }
    sed -n 's/^stat::number_of_executed_units: */  inputs tried: /p' "$build/findings/$name.log"
done
echo "$((${#fuzzers[@]} - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
