#!/bin/bash
# network.sh CMD...  runs CMD in network, mount and pid namespaces of its own, loopback up.
#
# OUTRIDER_BOX=network says where it is; OUTRIDER_BOX_CGROUP names the cgroup (below each hierarchy's
# root) that servers in the box may make and fill. SIGTERM and SIGINT go to CMD; the exit code is CMD's.
# When CMD ends, or this script is killed, the kernel ends everything in the box, and a janitor outside
# removes the cgroup.
# /run is the box's own as well, so that no server of the machine is reached, or disturbed, by its socket.
# No package can be fetched from inside the box, so the engine is installed before.
set -u
if [ $# -eq 0 ]; then echo "usage: network.sh CMD..." >&2; exit 64; fi
bed=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$bed/docker/install.sh"
# The machine's own Docker Engine, or a current one. Where that can't be made, the file says that it is missing.
case "${BED_DOCKER:-}" in
  "") ;;
  29) engine=$("$bed/engine/path.sh" "$1") && PATH="$engine:$PATH" || export OUTRIDER_BOX_MISSING="Docker Engine 29 could not be made: see above" ;;
  *) echo "BED_DOCKER=$BED_DOCKER: the bed has 29, and by default the machine's own" >&2; exit 64 ;;
esac
export OUTRIDER_BOX=network OUTRIDER_BOX_CGROUP="outrider-box-$$"

# PID 1 of the box: no default action of a signal reaches it, so it passes them on; bash reaps.
# Job control gives CMD a group of its own, and SIGINT its meaning.
read -r -d '' INSIDE <<'INIT'
set -u
ip link set lo up && mount -t tmpfs -o mode=755 tmpfs /run || exit 70
set -m
"$@" &
cmd=$!
set +m
trap 'kill -TERM "$cmd" 2>/dev/null' TERM
trap 'kill -INT "$cmd" 2>/dev/null' INT
while wait "$cmd"; code=$?; kill -0 "$cmd" 2>/dev/null; do :; done
exit "$code"
INIT

# Its standard input ends when this script ends, in any way.
read -r -d '' JANITOR <<'JANITOR'
cat >/dev/null
for attempt in $(seq 300); do
  for top in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
    [ -d "$top" ] && find "$top" -depth -type d -exec rmdir {} \; 2>/dev/null
  done
  compgen -G "/sys/fs/cgroup/$1" >/dev/null || compgen -G "/sys/fs/cgroup/*/$1" >/dev/null || exit
  sleep 0.1
done
JANITOR
exec 3> >(exec env -i PATH="$PATH" setsid bash -c "$JANITOR" janitor "$OUTRIDER_BOX_CGROUP" >/dev/null 2>&1)

set -m
setpriv --pdeathsig KILL \
  unshare --net --mount --pid --fork --kill-child --mount-proc bash -c "$INSIDE" box "$@" 3>&- &
box=$!
set +m
init() { cat "/proc/$box/task/$box/children" 2>/dev/null; }
trap 'kill -TERM $(init) 2>/dev/null' TERM
trap 'kill -INT $(init) 2>/dev/null' INT
while wait "$box"; code=$?; kill -0 "$box" 2>/dev/null; do :; done
exit "$code"
