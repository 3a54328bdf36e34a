#!/usr/bin/env bash
# configure.sh PRESET [ARG]...: `cmake --preset`, for ninja where it is installed and CMAKE_GENERATOR is not set. CMake
# refuses a build folder that was configured in another place; one that came with a copied or moved tree is configured,
# and compiled, anew.
set -euo pipefail

preset=$1
folder=build
[ "$preset" = release ] || folder=build/$preset
home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt" 2>/dev/null || true)
if [ -n "$home" ] && [ "$(realpath -m "$home")" != "$(pwd -P)" ]; then
    echo "$folder was configured in $home: it is configured and compiled anew" >&2
    rm -f "$folder/CMakeCache.txt"
    find "$folder" -name CMakeFiles -type d -prune -exec rm -rf {} + # objects name files of the other place
fi
! command -v ninja >/dev/null || export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}" # a folder keeps what it has
exec cmake --preset "$@"
