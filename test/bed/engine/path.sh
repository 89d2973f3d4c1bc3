#!/bin/bash
# path.sh BUN: prints the folder of a current containerd and Docker Engine, which is made where it is missing; one
# builder at a time. What it prints is empty, and the exit code not 0, where it can't be made.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home="$HOME/.cache/outrider/engine-29"
mkdir -p "$home"
exec 4>"$home/lock"
flock -n 4 || { echo "engine bed: waiting for another one that is making it" >&2; flock 4; }
bun=$(command -v bun || echo "${1:-}")
"$bun" "$here/setup.ts"
