#!/usr/bin/env bash
# debian.sh: build the Debian packages out of a copy of the source tree, unpack them into a clean root, and run the
# flagship, a program of one's own and the Python API from there. Exit code 77: dpkg-buildpackage or debhelper is
# lacking.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
command -v dpkg-buildpackage >/dev/null && command -v dh >/dev/null && command -v dh_python3 >/dev/null || {
    echo "skipped: dpkg-dev, debhelper or dh-python is not installed: run tools/install_deps.sh package"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset TILEGRAPH_LIB PYTHONPATH

mkdir "$work/tilegraph"
git -C "$root" ls-files -z --cached --others --exclude-standard |
    (cd "$root" && xargs -0 cp --parents -t "$work/tilegraph")
(cd "$work/tilegraph" && DEB_BUILD_OPTIONS="parallel=${JOBS:-2}" dpkg-buildpackage -us -uc -d) >"$work/log" 2>&1 || {
    tail -n 40 "$work/log" >&2
    echo "FAILED: dpkg-buildpackage" >&2
    exit 1
}
ls "$work"/*.dsc "$work"/*.deb >/dev/null
for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done

export XDG_CACHE_HOME=$work/cache
bin=$work/root/usr/bin
version=$(dpkg-parsechangelog -l "$root/debian/changelog" -S Version)
[ "$("$bin/tilegraph" --version)" = "tilegraph $version" ] || { echo "FAILED: tilegraph --version" >&2; exit 1; }
"$bin/tilegraph" info
for check in "" --check; do
    "$bin/paged_attention" --case Case2 $check >"$work/out" || { cat "$work/out"; exit 1; }
done
PA_CASE=Case2 "$bin/tilegraph" run "$work/root/usr/share/tilegraph/examples/aicpu_build_graph/paged_attention"
"$bin/tilegraph" new "$work/mine" && "$bin/tilegraph" run "$work/mine" -q
python=$("$root/tools/find_python.sh" numpy)
PYTHONPATH=$work/root/usr/lib/python3/dist-packages "$python" -c '
import tilegraph
with tilegraph.open("cpu") as device:
    print(device.workers, "workers, tiles in", device.isa)'
echo "the Debian packages are as they should be"
