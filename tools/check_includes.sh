#!/usr/bin/env bash
# check_includes.sh [ROOT]: every #include of src/, examples/ and include/ is an arrow of the table below.
set -euo pipefail

# Who may include whom. Everyone may include headers of the own room, the public headers and the system's; the public
# headers include the C standard library and each other. Those of include/pto also include the C++ standard library.
# The lowest room is first: `make shape` refuses a row that names a later one.
#
#   room          may include
arrows='
    base
    os            base
    helper        os
    graph         base
    tile          base
    memory        base
    finding       base
    machine       base memory
    trace         base machine
    arrays        base machine memory tile
    machine/sim   base machine memory os tile
    machine/cpu   base machine memory os tile trace
    check/memory  base finding os
    check         base check/memory finding
    check/core    base check check/memory finding tile
    check/observe base check check/core check/memory machine tile
    launch        base machine os
    orchestrate   base graph launch machine os
    aicore        base launch machine tile
    aicpu         base graph launch machine orchestrate os
    worker        base graph launch machine orchestrate os
    host          arrays base check check/memory check/observe finding graph launch machine orchestrate os trace
    attention     base
    ranks
    examples
'
# cstring is string.h as C++ has it: access.h has to come after it there.
c_library='assert complex cstring ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign
    stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype'

root=$(cd "${1:-$(dirname "$0")/..}" && pwd)
cd "$root"

# The room of a file given by its path under the root: src/machine and src/check have rooms inside, the other folders
# are rooms.
room_of() {
    case $1 in
        include/pto/*) echo pto ;;
        include/*) echo public ;;
        examples/*) echo examples ;;
        src/machine/*/* | src/check/*/*) dirname "${1#src/}" ;;
        src/*/*) echo "${1#src/}" | cut -d/ -f1 ;;
        *) echo none ;;
    esac
}

# The path under the root of the header that file $1 includes as "$2"; empty if there is none.
resolve() {
    local folder path
    for folder in "$(dirname "$1")" src examples/common; do
        path=$folder/$2
        [ -f "$path" ] && realpath --relative-to=. "$path" && return
    done
    return 0
}

# May room $1 include from room $2?
allowed() {
    [ "$1" = "$2" ] && return
    awk -v from="$1" -v to="$2" '$1 == from { for (i = 2; i <= NF; i++) if ($i == to) ok = 1 } END { exit !ok }' \
        <<<"$arrows"
}

n_includes=0
n_wrong=0
wrong() {
    echo "$*" >&2
    n_wrong=$((n_wrong + 1))
}

check_include() { # FILE:LINE:#include ... -> one verdict
    local file=${1%%:*} rest=${1#*:}
    local line=${rest%%:*} text=${rest#*:}
    local room name path
    room=$(room_of "$file")
    n_includes=$((n_includes + 1))
    if [[ $text =~ \<([^>]+)\> ]]; then
        name=${BASH_REMATCH[1]}
        if [ "$room" = public ]; then
            [[ $name == tilegraph/* || " "$(echo $c_library)" " == *" ${name%.h} "* ]] ||
                wrong "$file:$line: a public header includes <$name>: only the C library and <tilegraph/...> are" \
                    "allowed"
        elif [ "$room" = pto ]; then
            [[ $name == tilegraph/* || $name == pto/* || $name =~ ^[a-z_]+(\.h)?$ ]] ||
                wrong "$file:$line: <$name> is neither <tilegraph/...>, <pto/...> nor of a standard library"
        fi
    elif [[ $text =~ \"([^\"]+)\" ]]; then
        name=${BASH_REMATCH[1]}
        path=$(resolve "$file" "$name")
        if [ -z "$path" ]; then
            wrong "$file:$line: \"$name\" is not in the folder of the file, in src/ or in examples/common/"
        elif ! allowed "$room" "$(room_of "$path")"; then
            wrong "$file:$line: $room includes \"$name\" of $(room_of "$path"): the table in $0 has no such arrow"
        fi
    fi
}

while IFS= read -r row; do
    check_include "$row"
done < <(grep -rnE --include='*.[chS]' --include='*.hpp' --include='*.inc' \
    '^[[:space:]]*#[[:space:]]*include' include src examples)

[ "$n_includes" -gt 0 ] || wrong "no #include found under $root"
echo "$n_includes includes, $n_wrong against the table"
[ "$n_wrong" -eq 0 ]
