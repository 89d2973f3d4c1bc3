#!/bin/bash
# box.sh CMD...  runs CMD beside a whole one-node Kubernetes, in network, mount and pid namespaces of
# its own; all of it ends with CMD.
#
# BED_KUBERNETES is its version, by default that in the file `newest`. MODE=node (default) is all of it;
# MODE=cp leaves out the node, MODE=api the controllers, too. CMD finds KUBECONFIG (cluster-admin), kubectl
# on its PATH, OUTRIDER_BOX=kubernetes, and the cluster's files in OUTRIDER_BOX_DIR. SIGTERM and SIGINT go
# to CMD; the exit code is CMD's. When CMD ends, or this script is killed, the kernel ends everything in the
# box, and a janitor outside removes files and cgroups. If no box can be created, CMD runs without one, and
# OUTRIDER_BOX_MISSING says why; its tests print that.
set -u
if [ $# -eq 0 ]; then echo "usage: box.sh CMD..." >&2; exit 64; fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BED_KUBERNETES="${BED_KUBERNETES:-$(cat "$here/newest")}"
export BED="$HOME/.cache/outrider/kubernetes-$BED_KUBERNETES"
bun=$(command -v bun || echo "$1")

mkdir -p "$BED"
exec 4>"$BED/lock"
flock -n 4 || { echo "kubernetes bed: waiting for another one that is making it" >&2; flock 4; }
if ! why=$("$bun" "$here/setup.ts"); then
  export OUTRIDER_BOX_MISSING="${why:-the Kubernetes bed could not be made; see above}"
  exec "$@" 4>&-
fi
exec 4>&-

run=$(mktemp -d "${TMPDIR:-/tmp}/outrider-kubernetes-XXXXXX")
export RUN=$run CGROUP="outrider-kubernetes-$$" MODE=${MODE:-node}
export OUTRIDER_BOX=kubernetes OUTRIDER_BOX_DIR=$run OUTRIDER_BOX_CGROUP=$CGROUP

# Its standard input ends when this script ends, in any way.
read -r -d '' JANITOR <<'JANITOR'
cat >/dev/null
for attempt in $(seq 100); do
  for top in /sys/fs/cgroup/"$1" /sys/fs/cgroup/*/"$1"; do
    [ -d "$top" ] && find "$top" -depth -type d -exec rmdir {} \; 2>/dev/null
  done
  rm -rf -- "$2" 2>/dev/null
  [ -e "$2" ] || compgen -G "/sys/fs/cgroup/$1" >/dev/null || compgen -G "/sys/fs/cgroup/*/$1" >/dev/null || exit
  sleep 0.1
done
JANITOR
exec 3> >(exec setsid bash -c "$JANITOR" janitor "$CGROUP" "$run" >/dev/null 2>&1)
janitor=$!

set -m
setpriv --pdeathsig KILL \
  unshare --net --mount --pid --fork --kill-child --mount-proc bash "$here/inside.sh" "$@" 3>&- &
box=$!
set +m
init() { cat "/proc/$box/task/$box/children" 2>/dev/null; }
trap 'kill -TERM $(init) 2>/dev/null' TERM
trap 'kill -INT $(init) 2>/dev/null' INT
while wait "$box"; code=$?; kill -0 "$box" 2>/dev/null; do :; done
exec 3>&-
while kill -0 "$janitor" 2>/dev/null; do sleep 0.02; done
exit "$code"
