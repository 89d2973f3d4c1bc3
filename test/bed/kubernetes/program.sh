#!/bin/bash
# program.sh NAME [CMD...]: starts one of the cluster's programs, in a session of its own, output to
# log/NAME.log, pid in NAME.pid. Without CMD: as it was started before.
set -eu
name=$1
shift
mkdir -p "$RUN/log"
if [ $# -gt 0 ]; then printf '%s\0' "$@" >"$RUN/$name.command"; fi
mapfile -d '' -t command <"$RUN/$name.command"
setsid "${command[@]}" >>"$RUN/log/$name.log" 2>&1 </dev/null &
echo $! >"$RUN/$name.pid"
