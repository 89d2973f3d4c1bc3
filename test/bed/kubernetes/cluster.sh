#!/bin/bash
# cluster.sh: starts etcd and the API server (MODE=api), controllers and scheduler (cp), a node (node).
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=$BED/bin
pki=$BED/pki
server=https://127.0.0.1:16443
start() { bash "$here/program.sh" "$@"; }
since=$(date +%s%N)
say() { echo "$((($(date +%s%N) - since) / 1000000)) ms: $*"; }
# until_ready WHAT PROGRAM CMD...: waits for CMD to succeed, while PROGRAM runs.
until_ready() {
  local what=$1 program=$2
  shift 2
  for _ in $(seq 900); do
    if "$@" >/dev/null 2>&1; then say "$what"; return; fi
    kill -0 "$(cat "$RUN/$program.pid")" 2>/dev/null || { say "$program died"; tail -n 20 "$RUN/log/$program.log"; exit 1; }
    sleep 0.1
  done
  say "gave up waiting: $what"
  tail -n 20 "$RUN/log/$program.log"
  exit 1
}

# Not every kernel has `dummy` links; one end of a veth pair does as well.
ip link set lo up
ip link add bed0 type veth peer name bed1
ip link set bed1 up
ip addr add 10.97.0.1/24 dev bed0
ip link set bed0 up
ip route add default dev bed0
sysctl -qw net.ipv4.ip_forward=1

peer=http://127.0.0.1:12380
start etcd "$bin/etcd" --name bed --data-dir "$RUN/etcd" --unsafe-no-fsync --log-level warn \
  --listen-client-urls http://127.0.0.1:12379 --advertise-client-urls http://127.0.0.1:12379 \
  --listen-peer-urls $peer --initial-advertise-peer-urls $peer --initial-cluster bed=$peer
start apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 \
  --bind-address=0.0.0.0 --secure-port=16443 --advertise-address=10.97.0.1 \
  --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=Node,RBAC --allow-privileged=true \
  --enable-admission-plugins=NodeRestriction --event-ttl=1h --profiling=false \
  --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
  --client-ca-file="$pki/ca.crt" --service-account-issuer=https://kubernetes.default.svc \
  --service-account-key-file="$pki/service-account.pub" \
  --service-account-signing-key-file="$pki/service-account.key" \
  --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
  --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --requestheader-client-ca-file="$pki/ca.crt" --requestheader-allowed-names=front-proxy \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key"
[ "$MODE" = node ] && source "$here/node.sh" && containerd_up
until_ready "API server" apiserver curl -sf --cacert "$pki/ca.crt" --cert "$pki/admin.crt" \
  --key "$pki/admin.key" "$server/readyz"
[ "$MODE" = api ] && exit 0

# Controllers under accounts of their own, as in production; production's rate limits would slow tests down.
start controllers "$bin/kube-controller-manager" --kubeconfig="$pki/controllers.kubeconfig" \
  --authentication-kubeconfig="$pki/controllers.kubeconfig" \
  --authorization-kubeconfig="$pki/controllers.kubeconfig" --bind-address=127.0.0.1 \
  --secure-port=20257 --leader-elect=false --use-service-account-credentials=true \
  --service-account-private-key-file="$pki/service-account.key" --root-ca-file="$pki/ca.crt" \
  --allocate-node-cidrs=false --service-cluster-ip-range=10.96.0.0/16 \
  --kube-api-qps=500 --kube-api-burst=1000
start scheduler "$bin/kube-scheduler" --kubeconfig="$pki/scheduler.kubeconfig" \
  --authentication-kubeconfig="$pki/scheduler.kubeconfig" \
  --authorization-kubeconfig="$pki/scheduler.kubeconfig" --bind-address=127.0.0.1 \
  --secure-port=20259 --leader-elect=false
[ "$MODE" = node ] && node_up
until_ready "controllers" controllers kubectl get serviceaccount default -n default
[ "$MODE" = node ] || exit 0
node_ready() { kubectl get node bed -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' | grep -q True; }
until_ready "node" kubelet node_ready
