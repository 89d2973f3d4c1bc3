/** Objects as the API server has them, one of each kind, and what is read of them. */

/** In every field that is not read. */
export const SECRET = "hunter2";
export const ALLOWED = ["deployment.kubernetes.io/revision", "example.com/*"];
const annotations = {
  "deployment.kubernetes.io/revision": "3",
  "example.com/owner": "shop",
  "other.example.org/token": SECRET,
  "kubectl.kubernetes.io/last-applied-configuration": SECRET,
  "kapp.k14s.io/original": SECRET,
};
export const metadata = {
  ...{ name: "web", namespace: "shop", uid: "u-1", resourceVersion: "7" },
  creationTimestamp: "2026-11-28T09:00:00Z",
  labels: { app: "web" },
  annotations,
  managedFields: [{ fieldsV1: { "f:data": { "f:one": {} } } }],
};
export const meta = { name: "web", namespace: "shop", created_time: "2026-11-28T09:00:00Z" };
const described = {
  labels: { app: "web" },
  annotations: { "deployment.kubernetes.io/revision": "3", "example.com/owner": "shop" },
};
const container = (name: string, requests: object, limits: object) => ({
  ...{ name, image: "shop:1", args: [SECRET], env: [{ name: "A", value: SECRET }] },
  resources: { requests, limits },
});

export const cases: readonly {
  readonly word: string;
  readonly raw: object;
  readonly want: object;
}[] = [
  {
    word: "deployments",
    raw: {
      metadata,
      spec: { replicas: 3, template: { spec: { containers: [container("a", {}, {})] } } },
      status: {
        ...{ readyReplicas: 2, updatedReplicas: 1 },
        conditions: [
          {
            ...{ type: "Available", status: "True", reason: "Minimum", lastUpdateTime: "now" },
            message: `pull https://user:${SECRET}@registry/a?token=${SECRET} failed`,
          },
        ],
      },
    },
    want: {
      ...{ ...meta, ...described, replicas: 3, ready_replicas: 2, updated_replicas: 1 },
      conditions: [
        {
          ...{ type: "Available", status: "True", reason: "Minimum" },
          message: "pull https://…@registry/a?… failed",
        },
      ],
    },
  },
  {
    word: "pods",
    raw: {
      metadata: {
        ...metadata,
        labels: { "pod-template-hash": "6d8" },
        ownerReferences: [{ kind: "ReplicaSet", name: "web-app-6d8", controller: true }],
      },
      spec: {
        nodeName: "n-1",
        containers: [
          container("a", { cpu: "100m", memory: "128Mi" }, { cpu: "1" }),
          container("b", { cpu: "1", memory: "64Mi", "ephemeral-storage": "1Gi" }, { cpu: "500m" }),
        ],
      },
      status: {
        ...{ phase: "Running", podIP: "10.0.0.7", hostIP: "192.0.2.1" },
        containerStatuses: [
          {
            ...{ name: "a", ready: true, restartCount: 2, image: "shop:1" },
            state: { running: { startedAt: "now" } },
          },
          {
            ...{ name: "b", ready: false, restartCount: 1, image: "shop:1" },
            state: { terminated: { reason: "OOMKilled", message: SECRET } },
            lastState: { terminated: { message: SECRET } },
          },
        ],
      },
    },
    want: {
      ...{ ...meta, ...described, labels: { "pod-template-hash": "6d8" } },
      ...{ deployment_name: "web-app", phase: "Running", node_name: "n-1" },
      ...{ pod_ip: "10.0.0.7", host_ip: "192.0.2.1", restart_count: 3 },
      ...{ cpu_request: "1100m", cpu_limit: "1500m", memory_request: "192Mi", memory_limit: "" },
      storage_request: "1Gi",
      container_statuses: [
        { name: "a", ready: true, restart_count: 2, image: "shop:1", state: "running" },
        {
          name: "b",
          ready: false,
          restart_count: 1,
          image: "shop:1",
          state: "terminated: OOMKilled",
        },
      ],
    },
  },
  {
    word: "nodes",
    raw: {
      metadata: { ...metadata, namespace: undefined },
      spec: { providerID: SECRET },
      status: {
        conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: "now" }],
        capacity: { cpu: "4", memory: "8Gi", "ephemeral-storage": "100Gi" },
        allocatable: { cpu: "3900m" },
        nodeInfo: {
          osImage: "Debian",
          kernelVersion: "6.1",
          kubeletVersion: "v1.37.2",
          machineID: SECRET,
        },
      },
    },
    want: {
      ...{ name: "web", created_time: meta.created_time, ...described, ready: true },
      ...{ cpu_capacity: "4", memory_capacity: "8Gi", storage_capacity: "100Gi" },
      ...{ cpu_allocatable: "3900m", memory_allocatable: "", storage_allocatable: "" },
      ...{ os_image: "Debian", kernel_version: "6.1", kubelet_version: "v1.37.2" },
    },
  },
  {
    word: "services",
    raw: {
      metadata,
      spec: {
        ...{ type: "NodePort", clusterIP: "10.1.0.1", externalIPs: ["192.0.2.9"] },
        selector: { app: "web" },
        ports: [
          { name: "http", protocol: "TCP", port: 80, targetPort: "web", nodePort: 30080 },
          { protocol: "UDP", port: 53, targetPort: 5353 },
        ],
      },
    },
    want: {
      ...{ ...meta, ...described, type: "NodePort", cluster_ip: "10.1.0.1" },
      ...{ external_ips: ["192.0.2.9"], selector: { app: "web" } },
      ports: [
        { name: "http", protocol: "TCP", port: 80, target_port: "web", node_port: 30080 },
        { name: "", protocol: "UDP", port: 53, target_port: "5353" },
      ],
    },
  },
  {
    word: "ingresses",
    raw: {
      metadata,
      spec: {
        rules: [
          {
            host: "shop.example.com",
            http: {
              paths: [
                {
                  ...{ path: "/", pathType: "Prefix" },
                  backend: { service: { name: "web", port: { number: 80 } } },
                },
                {
                  ...{ path: "/b", pathType: "Exact" },
                  backend: { service: { name: "web", port: { name: "http" } } },
                },
              ],
            },
          },
          {},
        ],
        tls: [{ hosts: ["shop.example.com"], secretName: "cert" }],
      },
    },
    want: {
      ...{ ...meta, ...described, hosts: ["shop.example.com"] },
      paths: [
        { path: "/", path_type: "Prefix", service_name: "web", service_port: "80" },
        { path: "/b", path_type: "Exact", service_name: "web", service_port: "http" },
      ],
      tls: [{ hosts: ["shop.example.com"], secret_name: "cert" }],
    },
  },
  {
    word: "configmaps",
    raw: { metadata, data: { b: SECRET, a: SECRET }, binaryData: { c: SECRET } },
    want: { ...meta, ...described, data_keys: ["a", "b", "c"] },
  },
  {
    word: "secrets",
    raw: { metadata, cells: ["web", "Opaque", 1, "2d"] },
    want: {
      ...{ ...meta, labels: { app: "web" }, annotations: {} },
      ...{ type: "Opaque", data_keys: ["one"], data_count: 1 },
    },
  },
  {
    // Another manager's keys are not known, or one of ours is gone: then no names at all.
    word: "secrets",
    raw: { metadata, cells: ["web", "Opaque", 2, "2d"] },
    want: {
      ...{ ...meta, labels: { app: "web" }, annotations: {} },
      ...{ type: "Opaque", data_keys: null, data_count: 2 },
    },
  },
  {
    word: "persistent_volumes",
    raw: {
      metadata: { ...metadata, namespace: undefined },
      spec: {
        ...{ capacity: { storage: "5Gi" }, accessModes: ["ReadWriteOnce"] },
        ...{ persistentVolumeReclaimPolicy: "Retain", storageClassName: "fast" },
        ...{ volumeMode: "Filesystem", claimRef: { namespace: "shop", name: "data" } },
        csi: { driver: "csi.example.com", volumeHandle: SECRET, volumeAttributes: { a: SECRET } },
      },
      status: { phase: "Bound" },
    },
    want: {
      ...{ name: "web", created_time: meta.created_time, ...described, capacity: "5Gi" },
      ...{ access_modes: ["ReadWriteOnce"], reclaim_policy: "Retain", storage_class: "fast" },
      ...{ volume_mode: "Filesystem", status: "Bound", claim_ref: "shop/data" },
      volume_source: "csi: csi.example.com",
    },
  },
  {
    word: "persistent_volume_claims",
    raw: {
      metadata,
      spec: {
        ...{ resources: { requests: { storage: "1Gi" } }, accessModes: ["ReadWriteMany"] },
        ...{ storageClassName: "", volumeMode: "Block" },
      },
      status: { phase: "Pending" },
    },
    want: {
      ...{ ...meta, ...described, requested_size: "1Gi", access_modes: ["ReadWriteMany"] },
      ...{ storage_class: "", volume_mode: "Block", status: "Pending" },
    },
  },
  {
    word: "events",
    raw: {
      metadata,
      ...{ type: "Warning", reason: "Failed", count: 4, message: `x ${"y".repeat(500)}` },
      ...{
        firstTimestamp: "t1",
        lastTimestamp: "t2",
        source: { component: "kubelet", host: "n-1" },
      },
      involvedObject: { kind: "Pod", namespace: "shop", name: "web", uid: "u-9" },
    },
    want: {
      ...{ ...meta, type: "Warning", reason: "Failed", count: 4 },
      message: `x ${"y".repeat(253)}…`,
      ...{ first_time: "t1", last_time: "t2", source_component: "kubelet", source_host: "n-1" },
      ...{ involved_kind: "Pod", involved_namespace: "shop" },
      ...{ involved_name: "web", involved_uid: "u-9" },
    },
  },
];
