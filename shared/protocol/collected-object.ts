/**
 * What is collected of an object, kind by kind: the original collector's fields, without values of
 * ConfigMaps and Secrets. These are the `object` of a record; a reader keeps fields that it does not know.
 *
 * Quantities and times are text as Kubernetes writes them. Where Kubernetes says nothing, a text is
 * empty, a number 0, a list empty: as the original's records have it. What is left out is said so.
 */

export type TextMap = Readonly<Record<string, string>>;

/** Of every object. */
export type ObjectMeta = {
  readonly name: string;
  /** Left out where the object lies in none. */
  readonly namespace?: string;
  /** RFC 3339. */
  readonly created_time: string;
};
type Described = ObjectMeta & { readonly labels: TextMap; readonly annotations: TextMap };

export type CollectedDeployment = Described & {
  readonly replicas: number;
  readonly ready_replicas: number;
  readonly updated_replicas: number;
  readonly conditions: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
  }[];
};

export type CollectedContainer = {
  readonly name: string;
  readonly ready: boolean;
  readonly restart_count: number;
  readonly image: string;
  /** `running`, `waiting: <reason>`, `terminated: <reason>`, or empty. */
  readonly state: string;
};

export type CollectedPod = Described & {
  /** Of the Deployment whose ReplicaSet owns it; else of the workload that owns it, or empty. */
  readonly deployment_name: string;
  readonly phase: string;
  readonly node_name: string;
  readonly pod_ip: string;
  readonly host_ip: string;
  readonly restart_count: number;
  /** Sums over its containers. */
  readonly cpu_request: string;
  readonly cpu_limit: string;
  readonly memory_request: string;
  readonly memory_limit: string;
  readonly storage_request: string;
  readonly container_statuses: readonly CollectedContainer[];
};

export type CollectedNode = Described & {
  readonly ready: boolean;
  readonly cpu_capacity: string;
  readonly memory_capacity: string;
  readonly storage_capacity: string;
  readonly cpu_allocatable: string;
  readonly memory_allocatable: string;
  readonly storage_allocatable: string;
  readonly os_image: string;
  readonly kernel_version: string;
  readonly kubelet_version: string;
};

export type CollectedService = Described & {
  readonly type: string;
  readonly cluster_ip: string;
  readonly external_ips: readonly string[];
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: string;
    readonly port: number;
    readonly target_port: string;
    readonly node_port?: number;
  }[];
  readonly selector: TextMap;
};

export type CollectedIngress = Described & {
  readonly hosts: readonly string[];
  readonly paths: readonly {
    readonly path: string;
    readonly path_type: string;
    readonly service_name: string;
    /** A number or a port's name. */
    readonly service_port: string;
  }[];
  readonly tls: readonly { readonly hosts: readonly string[]; readonly secret_name: string }[];
};

export type CollectedConfigMap = Described & { readonly data_keys: readonly string[] };

export type CollectedSecret = Described & {
  readonly type: string;
  /** Null where the names are not known without asking for the values. */
  readonly data_keys: readonly string[] | null;
  readonly data_count: number;
};

export type CollectedVolume = Described & {
  readonly capacity: string;
  readonly access_modes: readonly string[];
  readonly reclaim_policy: string;
  readonly storage_class: string;
  readonly volume_mode: string;
  readonly status: string;
  /** `<namespace>/<name>` of the claim. */
  readonly claim_ref?: string;
  /** `csi: <driver>`, `nfs`, `hostPath`: what kind of volume, not where. */
  readonly volume_source: string;
};

export type CollectedVolumeClaim = Described & {
  readonly requested_size: string;
  readonly access_modes: readonly string[];
  readonly storage_class?: string;
  readonly volume_mode: string;
  readonly status: string;
  readonly volume_name?: string;
};

/** A custom resource: what the configuration allows, each field by its path. */
export type CollectedCustomResource = Described & {
  readonly api_version: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

/** In `cluster-events`. */
export type CollectedEvent = ObjectMeta & {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count: number;
  readonly first_time: string;
  readonly last_time: string;
  readonly involved_kind: string;
  readonly involved_namespace: string;
  readonly involved_name: string;
  readonly involved_uid: string;
  readonly source_component: string;
  readonly source_host: string;
};

export type CollectedObject =
  | CollectedDeployment
  | CollectedPod
  | CollectedNode
  | CollectedService
  | CollectedIngress
  | CollectedConfigMap
  | CollectedSecret
  | CollectedVolume
  | CollectedVolumeClaim
  | CollectedCustomResource
  | CollectedEvent
  /** Of one that was too large. */
  | ObjectMeta;
