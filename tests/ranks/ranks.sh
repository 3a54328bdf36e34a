#!/usr/bin/env bash
# ranks.sh PROGRAM MPIRUN: attention over keys that 1, 2 and 4 ranks hold; a rank that dies.
set -euo pipefail

program=$1 mpirun=$2
run() { # RANKS WORDS... -> what the ranks print
    local n=$1
    shift
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 120 "$mpirun" --oversubscribe --bind-to none \
        --enable-recovery -np "$n" "$program" "$@"
}

for n in 1 2 4; do
    merged=$(run "$n" | grep -c ": merged" || true)
    [ "$merged" = "$n" ] || { echo "$merged of $n ranks merged" >&2; exit 1; }
done

for dying in 0 2; do
    said=$(run 3 die $dying 2>/dev/null || true)
    line="TG_ERR_CANCELLED, rank $dying has ended, output unchanged, then TG_ERR_CANCELLED"
    told=$(grep -c "$line" <<<"$said" || true)
    [ "$told" = 2 ] || { printf 'rank %s died, and the others say:\n%s\n' "$dying" "$said" >&2; exit 1; }
done
echo "1, 2 and 4 ranks merged; 2 ranks noticed the end of a third one"
