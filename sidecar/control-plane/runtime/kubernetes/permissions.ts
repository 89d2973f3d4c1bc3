/**
 * Exactly what the kubernetes runtime must be allowed to do. The chart's Role is made from it, and
 * test/contract/runtime-cluster-kubernetes.test.ts runs the runtime with exactly this.
 *
 * No `get` on secrets: we cannot read back what we put into one. No verb that changes pods: the Job
 * controller creates and removes them.
 */

export type Rule = {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
};

/** A Role in WORKER_NAMESPACE. */
export const WORKER_RULES: readonly Rule[] = [
  {
    apiGroups: ["batch"],
    resources: ["jobs"],
    verbs: ["create", "delete", "list", "patch", "watch"],
  },
  { apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"] },
  // Not needed when WORKER_SECRET names a Secret of the operator's.
  { apiGroups: [""], resources: ["secrets"], verbs: ["create"] },
  // Only events say why a Job has no pod (a quota, Pod Security).
  { apiGroups: [""], resources: ["events"], verbs: ["list"] },
];

/** A ClusterRole: the uid of kube-system is the cluster's identity, part of the runtime's scope. */
export const CLUSTER_RULES: readonly Rule[] = [
  { apiGroups: [""], resources: ["namespaces"], verbs: ["get"], resourceNames: ["kube-system"] },
];
