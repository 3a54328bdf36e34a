#!/usr/bin/env bash
# device_times.sh [BUILD]: published device times of paged attention beside what a2a3sim predicts, as a Markdown table.
# BUILD is the build folder, `build` by default. A row is met when the prediction lies within 10 % of the published
# range. Exit 1 if one is not. `make device-times` builds first.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-build}/bin/paged_attention
[ -x "$program" ] || { echo "device_times.sh: no $program; build it with 'make build'" >&2; exit 2; }

# name | least and most published us | options. Sources: hw-native-sys/simpler, commits and pull requests in the name.
rows='
PA-1, a block a task, aicpu_build_graph (aed352609, f5afc3edf, aa1e470a4)|30026|32772|--case PA-1
PA-1, 64 blocks a task, aicpu_build_graph (aed352609, aa1e470a4)|1385.1|1421.2|--case PA-1 --blocks-per-task 64
PA-1, a block a task, host_build_graph (PR 1618)|24426.2|24426.2|--case PA-1 --runtime host_build_graph
2 tasks, host_build_graph (PR 1785)|108|108|--case zero --runtime host_build_graph
'

missed=0
echo '| workload | published us | predicted us | error |'
echo '|---|---:|---:|---:|'
while IFS='|' read -r name least most options; do
    [ -n "$name" ] || continue
    # shellcheck disable=SC2086 # options are several words
    predicted=$("$program" $options --json | sed -n 's/.*"device_us": *\([0-9.]*\).*/\1/p')
    awk -v n="$name" -v l="$least" -v m="$most" -v p="$predicted" 'BEGIN {
        error = p < l ? p / l - 1 : p > m ? p / m - 1 : 0
        difference = error ? sprintf("%+.1f %%", 100 * error) : "in range"
        printf "| %s | %s | %.1f | %s |\n", n, l == m ? l : l " to " m, p, difference
        exit error > 0.1 || error < -0.1
    }' || missed=1
done <<<"$rows"
exit $missed
