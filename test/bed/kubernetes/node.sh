# Sourced by cluster.sh: containerd, kubelet, kube-proxy, CoreDNS.

# A cgroup root of its own, so that two kubelets never clean up each other's pods.
make_cgroups() {
  local hierarchy file
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    for file in "/sys/fs/cgroup" "/sys/fs/cgroup/$CGROUP"; do
      for hierarchy in cpu cpuset memory pids io hugetlb; do
        echo "+$hierarchy" 2>/dev/null >"$file/cgroup.subtree_control" || true
      done
    done
    return
  fi
  for hierarchy in cpu cpuacct cpuset memory devices freezer hugetlb blkio pids systemd; do
    [ -f "/sys/fs/cgroup/$hierarchy/cgroup.procs" ] || continue
    mkdir -p "/sys/fs/cgroup/$hierarchy/$CGROUP"
  done
  for file in cpus mems; do
    [ -d "/sys/fs/cgroup/cpuset/$CGROUP" ] || continue
    cat "/sys/fs/cgroup/cpuset/cpuset.$file" >"/sys/fs/cgroup/cpuset/$CGROUP/cpuset.$file"
  done
}

# overlayfs needs a suitable lower filesystem; `native` copies instead.
snapshotter() {
  mkdir -p "$RUN/probe/lower" "$RUN/probe/upper" "$RUN/probe/work" "$RUN/probe/merged"
  local options="lowerdir=$RUN/probe/lower,upperdir=$RUN/probe/upper,workdir=$RUN/probe/work"
  if mount -t overlay -o "$options" probe "$RUN/probe/merged" 2>/dev/null; then
    umount "$RUN/probe/merged"
    echo overlayfs
  else
    echo native
  fi
}

containerd_up() {
  make_cgroups
  mkdir -p "$RUN/cni" "$RUN/kubelet"
  local shot
  shot=$(snapshotter)
  # `restrict_oom_score_adj`: without CAP_SYS_RESOURCE nobody may lower oom_score_adj, and runc
  # would die with "can't get final child PID".
  cat >"$RUN/containerd.toml" <<TOML
version = 2
root = "$RUN/containerd"
state = "$RUN/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs","io.containerd.snapshotter.v1.btrfs","io.containerd.snapshotter.v1.devmapper","io.containerd.snapshotter.v1.zfs","io.containerd.internal.v1.opt"]
[grpc]
  address = "$RUN/containerd.sock"
[ttrpc]
  address = "$RUN/containerd.sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/bed/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$RUN/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "$shot"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
TOML
  cat >"$RUN/cni/10-bed.conflist" <<JSON
{"cniVersion":"0.4.0","name":"bed","plugins":[
 {"type":"bridge","bridge":"bed-pods","isDefaultGateway":true,"ipMasq":false,"hairpinMode":true,
  "ipam":{"type":"host-local","dataDir":"$RUN/addresses","ranges":[[{"subnet":"10.98.0.0/23"}]]}}]}
JSON
  echo "$shot" >"$RUN/snapshotter"
  start containerd containerd -c "$RUN/containerd.toml"
  until_ready "containerd" containerd ctr -a "$RUN/containerd.sock" version
  for image in "$BED"/images/*.tar; do
    ctr -a "$RUN/containerd.sock" -n k8s.io images import --snapshotter "$shot" "$image"
  done
}

node_up() {
  echo "nameserver 127.0.0.1" >"$RUN/resolv.conf"
  cat >"$RUN/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-serving.crt
tlsPrivateKeyFile: $pki/kubelet-serving.key
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
readOnlyPort: 0
maxPods: 400
serializeImagePulls: false
volumePluginDir: $RUN/volume-plugins
resolvConf: $RUN/resolv.conf
clusterDNS: ["10.97.0.1"]
clusterDomain: cluster.local
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
podLogsDir: $RUN/pod-logs
nodeStatusUpdateFrequency: 5s
syncFrequency: 10s
YAML
  start kubelet "$bin/kubelet" --config="$RUN/kubelet.yaml" --kubeconfig="$pki/kubelet.kubeconfig" \
    --root-dir="$RUN/kubelet" --cert-dir="$RUN/kubelet/pki" --hostname-override=bed \
    --node-ip=10.97.0.1 --v=2
  start proxy "$bin/kube-proxy" --kubeconfig="$pki/proxy.kubeconfig" --proxy-mode=nftables \
    --hostname-override=bed --cluster-cidr=10.98.0.0/23 --conntrack-max-per-core=0 \
    --oom-score-adj=0 --metrics-bind-address=127.0.0.1:20249 --healthz-bind-address=127.0.0.1:20256
  # A plain process on the node's address, which the kubelet hands to pods.
  cat >"$RUN/Corefile" <<COREFILE
.:53 {
  bind 10.97.0.1
  errors
  kubernetes cluster.local {
    kubeconfig $pki/admin.kubeconfig bed
  }
  cache 1
}
COREFILE
  start coredns "$bin/coredns" -conf "$RUN/Corefile"
}
