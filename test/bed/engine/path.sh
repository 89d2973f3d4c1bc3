#!/bin/bash
# path.sh BUN: prints the folder of a current containerd and Docker Engine, which is built if it is missing; one
# builder at a time. If it can't be built, it prints nothing, and the exit code is not 0.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home="$HOME/.cache/outrider/engine-29"
mkdir -p "$home"
exec 4>"$home/lock"
flock -n 4 || { echo "engine bed: waiting for another one that is making it" >&2; flock 4; }
bun=$(command -v bun || echo "${1:-}")
"$bun" "$here/setup.ts"
