#!/usr/bin/env bash
# hosts.sh PROGRAM MPIRUN: ranks.sh's checks over two hosts: network and UTS namespaces that one cable connects. The
# ranks of a host reach those of the other by TCP alone. Exit code 77: no namespaces here.
set -euo pipefail

program=$1 mpirun=$2
near=tgn$$ far=tgf$$ # the two hosts
folder=$(mktemp -d)
clean_up() {
    for host in "$near" "$far"; do
        ip netns pids "$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns del "$host" 2>/dev/null || true
    done
    rm -rf "$folder"
}
trap clean_up EXIT
skip() { echo "skipped: $1" >&2; exit 77; }

command -v ip >/dev/null || skip "the command ip (iproute2) is missing"
command -v unshare >/dev/null || skip "the command unshare (util-linux) is missing"
made=$(ip netns add "$near" 2>&1 && ip netns add "$far" 2>&1) || skip "network namespaces are not allowed: $made"
made=$(ip link add "$near" netns "$near" type veth peer name "$far" netns "$far" 2>&1) ||
    skip "a cable between namespaces is not allowed: $made"
made=$(unshare --uts true 2>&1) || skip "UTS namespaces are not allowed: $made"
ip -n "$near" addr add 10.77.0.1/24 dev "$near"
ip -n "$far" addr add 10.77.0.2/24 dev "$far"
for host in "$near" "$far"; do
    ip -n "$host" link set lo up
    ip -n "$host" link set "$host" up
done

# What mpirun starts its daemon on the other host with, in place of ssh: AGENT HOST COMMAND...
cat >"$folder/agent" <<END
#!/usr/bin/env bash
shift
exec ip netns exec $far unshare --uts bash -c 'hostname far; eval "\$1"' agent "\$*"
END
chmod +x "$folder/agent"

run() { # RANKS WORDS... -> what the ranks print; half of the ranks are on each host
    local n=$1
    shift
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 60 ip netns exec "$near" unshare --uts \
        bash -c 'hostname near; exec "$@"' run "$mpirun" --mca plm rsh --mca plm_rsh_agent "$folder/agent" \
        --mca oob_tcp_if_include 10.77.0.0/24 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
        --host "near:$((n / 2)),10.77.0.2:$((n - n / 2))" --oversubscribe --bind-to none --enable-recovery \
        -np "$n" "$program" "$@"
}

for n in 2 4; do
    said=$(run "$n") || { printf '%s ranks on 2 hosts:\n%s\n' "$n" "$said" >&2; exit 1; }
    merged=$(grep -c ": merged" <<<"$said" || true)
    hosts=$(grep -o ' on [a-z]*: merged' <<<"$said" | sort -u | wc -l)
    [ "$merged" = "$n" ] && [ "$hosts" = 2 ] ||
        { printf '%s of %s ranks merged, on %s hosts:\n%s\n' "$merged" "$n" "$hosts" "$said" >&2; exit 1; }
done

# Rank 2 is on the other host than ranks 0 and 1.
for dying in 0 3; do
    said=$(run 4 die $dying 2>/dev/null || true)
    line="TG_ERR_CANCELLED, rank $dying has ended, output unchanged, then TG_ERR_CANCELLED"
    told=$(grep -c "$line" <<<"$said" || true)
    [ "$told" = 3 ] || { printf 'rank %s died, and the others say:\n%s\n' "$dying" "$said" >&2; exit 1; }
done
echo "2 and 4 ranks on 2 hosts merged; 3 ranks noticed the end of a fourth one"
