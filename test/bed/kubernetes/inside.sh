#!/bin/bash
# inside.sh CMD...: PID 1 of a box. Starts the cluster, then CMD. No default action of a signal reaches
# PID 1, so it passes them on; bash reaps.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export KUBECONFIG=$BED/pki/admin.kubeconfig PATH=$BED/bin:$PATH
# The files of kubectl and helm are removed with the box, too.
export KUBECACHEDIR=$RUN/kubectl HELM_CACHE_HOME=$RUN/helm/cache HELM_CONFIG_HOME=$RUN/helm/config
export HELM_DATA_HOME=$RUN/helm/data

# What the node's programs write below /var and /run is removed with the box.
mkdir "$RUN/scratch" && mount -t tmpfs -o size=64m scratch "$RUN/scratch" || exit 70
for top in var run; do
  mkdir -p "$RUN/scratch/$top/upper" "$RUN/scratch/$top/work"
  mount -t overlay -o "lowerdir=/$top,upperdir=$RUN/scratch/$top/upper,workdir=$RUN/scratch/$top/work" \
    "box-$top" "/$top" || mount -t tmpfs "box-$top" "/$top" || exit 70
done
# The kubelet would set these for the whole machine; here they already have the wanted values.
while read -r name value; do
  [ -e "/proc/sys/$name" ] || continue
  echo "$value" >"$RUN/scratch/${name//\//-}"
  mount --bind "$RUN/scratch/${name//\//-}" "/proc/sys/$name" || exit 70
done <<'SYSCTLS'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
SYSCTLS
# The machine's resolver cannot be reached. Lookups of the name of an address, as Kafka makes for its own at
# each SASL login, are answered from a file, or refused at once instead of seconds later.
printf '127.0.0.1 localhost\n10.97.0.1 bed\n' >"$RUN/scratch/hosts"
echo "nameserver 127.0.0.1" >"$RUN/scratch/resolv.conf"
for file in hosts resolv.conf; do
  mount --bind "$RUN/scratch/$file" "/etc/$file" || exit 70
done

if ! bash "$here/cluster.sh" >"$RUN/cluster.log" 2>&1; then
  echo "kubernetes bed: the cluster did not start" >&2
  tail -n 40 "$RUN/cluster.log" >&2
  exit 70
fi
set -m
"$@" &
cmd=$!
set +m
trap 'kill -TERM "$cmd" 2>/dev/null' TERM
trap 'kill -INT "$cmd" 2>/dev/null' INT
while wait "$cmd"; code=$?; kill -0 "$cmd" 2>/dev/null; do :; done
exit "$code"
