#!/usr/bin/env bash
# fuzz.sh BUILD_DIR SECONDS TESTS_DIR: give each fuzzer of the build its share of the seconds. Inputs that reach
# something new are kept in BUILD_DIR/corpus for the next time; what fails is left in BUILD_DIR/findings. Two tests of
# TESTS_DIR get a share, too, with another seed each time: hostile programs beside good ones, and damaged objects. No
# sanitizer may be in them: it would take the crashes for findings.
set -euo pipefail

build=$1 seconds=$2 tests=$3
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

n_all=$((${#fuzzers[@]} + 2))
share=$((seconds / n_all))
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

seed=$(((RANDOM << 15) + RANDOM))
echo "== test_beside, $share s, seed $seed"
if TG_TEST_SECONDS=$share TG_TEST_SEED=$seed "$tests/test_beside" >"$build/findings/test_beside.log" 2>&1; then
    sed -n 's/^\([0-9]* hostile runs.*\)/  \1/p' "$build/findings/test_beside.log"
else
    failed=$((failed + 1))
    tail -n 40 "$build/findings/test_beside.log" >&2
fi

# test_damaged N SEED tries N damages of each of six kinds.
n_damages=10 n_tried=0 is_damaged=0
echo "== test_damaged, $share s, seeds from $seed"
for ((end = SECONDS + share; SECONDS < end; seed++)); do
    "$tests/test_damaged" $n_damages "$seed" >"$build/findings/test_damaged.log" 2>&1 ||
        { is_damaged=1; tail -n 40 "$build/findings/test_damaged.log" >&2; }
    n_tried=$((n_tried + 6 * n_damages))
done
echo "  objects tried: $n_tried"
failed=$((failed + is_damaged))

echo "$((n_all - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
