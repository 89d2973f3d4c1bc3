/**
 * The values that the original's chart has in its values file, its README and its examples (seed 002 and
 * srikarm/k8s-cluster-info-collector), with what becomes of each. Pure.
 */
import { EXTERNAL_DATABASE, merged, NAMED, placed, type Row } from "./chart-values.ts";
import { KAFKA_ROWS, POSTGRESQL_ROWS } from "./collector-server-values.ts";

const OTHER_DATABASE = { ...NAMED, ...EXTERNAL_DATABASE };
const DEPLOYED = { collector: { mode: "deployment" } };
const FIXED = { consumer: { autoscaling: { enabled: false } } };
const MANY = { kafka: { numPartitions: 30 } };
const INGRESS = { ingress: { enabled: true, hosts: [{ host: "a.example" }] } };
const MONITORED = { monitoring: { serviceMonitor: { enabled: true } } };
const RULED = { monitoring: { prometheusRule: { enabled: true } } };

const IMAGES: readonly Row[] = [
  { path: "global.imageRegistry", value: "r.example", shows: "r.example/apache/kafka" },
  { path: "global.imagePullSecrets", value: ["pull"], shows: '"name":"pull"' },
  { path: "global.imagePullSecrets", value: [{ name: "pull" }], shows: '"name":"pull"' },
  ...["image", "consumerImage", "collector.image", "consumer.image"].flatMap((image): Row[] => [
    { path: `${image}.registry`, value: "docker.io", shows: "docker.io/outrider-" },
    { path: `${image}.repository`, value: "team/own", shows: "team/own:" },
    { path: `${image}.tag`, value: "9.9.9", shows: ":9.9.9" },
    { path: `${image}.tag`, value: "latest", refused: "Name a version" },
    { path: `${image}.pullPolicy`, value: "Always", shows: "Always" },
  ]),
  { path: "image.repository", value: "cluster-info-collector", refused: "outrider-agent" },
  { path: "consumerImage.repository", value: "cluster-info-consumer", refused: "outrider-sidecar" },
];

const ACCOUNTS: readonly Row[] = [
  { path: "serviceAccount.create", value: false, shows: '"serviceAccountName":"default"' },
  { path: "serviceAccount.name", value: "own", shows: '"serviceAccountName":"own"' },
  { path: "serviceAccount.annotations", value: { a: "b" }, shows: '"a":"b"' },
  { path: "rbac.create", value: false, shows: "ClusterRoleBinding" },
  { path: "nameOverride", value: "other", shows: "edge-other" },
  { path: "fullnameOverride", value: "other", shows: '"other-consumer"' },
  {
    path: "podSecurityContext",
    value: { runAsNonRoot: true, runAsUser: 1001, fsGroup: 1001 },
    shows: '"runAsUser":1001',
  },
  {
    path: "securityContext",
    value: { runAsNonRoot: true, runAsUser: 1001, fsGroup: 1001 },
    shows: '"runAsUser":1001',
  },
];

const WORKLOADS: readonly Row[] = [
  { path: "collector.enabled", value: false, shows: "CronJob" },
  { path: "collector.mode", value: "deployment", shows: '"watch"' },
  { path: "collector.mode", value: "cronjob", same: true },
  { path: "collector.mode", value: "both", refused: "cronjob" },
  { path: "collector.schedule", value: "*/5 * * * *", shows: "*/5 * * * *" },
  { path: "collector.replicaCount", value: 1, beside: DEPLOYED, same: true },
  { path: "collector.replicaCount", value: 2, beside: DEPLOYED, refused: "one agent speaks" },
  ...placed("collector"),
  { path: "consumer.enabled", value: false, shows: "CONSUMER_SERVER_PORT" },
  { path: "consumer.replicaCount", value: 5, beside: FIXED, shows: '"replicas":5' },
  { path: "consumer.replicas", value: 5, beside: FIXED, shows: '"replicas":5' },
  {
    path: "consumer.replicas",
    value: 5,
    beside: merged(FIXED, { consumer: { replicaCount: 4 } }),
    refused: "twice",
  },
  { path: "consumer.server.enabled", value: true, same: true },
  { path: "consumer.server.enabled", value: false, refused: "probes" },
  { path: "consumer.server.port", value: 9083, shows: "9083" },
  { path: "consumer.autoscaling.enabled", value: false, shows: "HorizontalPodAutoscaler" },
  { path: "consumer.autoscaling.minReplicas", value: 3, shows: '"minReplicas":3' },
  { path: "consumer.autoscaling.minReplicas", value: 11, refused: "the minimum is the greater" },
  { path: "consumer.autoscaling.maxReplicas", value: 20, beside: MANY, shows: '"maxReplicas":20' },
  { path: "consumer.autoscaling.maxReplicas", value: 2, shows: '"maxReplicas":2' },
  {
    path: "consumer.autoscaling.targetCPUUtilizationPercentage",
    value: 60,
    shows: '"averageUtilization":60',
  },
  ...placed("consumer"),
];

const CONFIG: readonly Row[] = [
  { path: "config.logLevel", value: "debug", shows: '"LOG_LEVEL","value":"debug"' },
  { path: "config.logFormat", value: "text", shows: '"LOG_FORMAT","value":"text"' },
  { path: "config.kafka.enabled", value: true, same: true },
  { path: "config.kafka.enabled", value: false, refused: "kafka.enabled=true brings" },
  { path: "config.kafka.topic", value: "mine", shows: '"KAFKA_TOPIC","value":"mine"' },
  { path: "config.kafka.partition", value: 0, same: true },
  { path: "config.kafka.partition", value: 2, refused: "client id" },
  {
    path: "config.database.sslMode",
    value: "verify-full",
    beside: OTHER_DATABASE,
    shows: "verify-full",
  },
  { path: "config.database.sslMode", value: "disable", same: true },
  { path: "config.database.sslMode", value: "require", refused: "has no TLS" },
  { path: "config.metrics.enabled", value: true, same: true },
  { path: "config.metrics.enabled", value: false, refused: "monitoring.serviceMonitor" },
  { path: "config.metrics.port", value: 9090, beside: DEPLOYED, shows: "9090" },
  { path: "config.api.enabled", value: false, shows: "API_ADDRESS" },
  { path: "config.api.port", value: 9091, shows: '"API_ADDRESS","value":":9091"' },
  { path: "config.api.port", value: 8083, refused: "consumer.server.port" },
  { path: "config.api.prefix", value: "/api/v1", same: true },
  { path: "config.api.prefix", value: "/v1", refused: "Ingress rewrite" },
  { path: "config.alerting.enabled", value: false, same: true },
  { path: "config.alerting.enabled", value: true, refused: "monitoring.prometheusRule" },
  { path: "config.alerting.alertmanagerURL", value: "http://alertmanager:9093", same: true },
  {
    path: "alerting",
    value: { enabled: true, alertmanagerUrl: "http://a:9093" },
    refused: "monitoring.prometheusRule",
  },
  { path: "alerting.collectionFailures", value: true, refused: "no such feature" },
  { path: "config.streaming.enabled", value: false, same: true },
  { path: "config.streaming.enabled", value: true, refused: "consumer group of your own" },
  { path: "config.streaming.port", value: 8082, same: true },
  { path: "streaming.enabled", value: true, refused: "consumer group of your own" },
  { path: "streaming.port", value: 8082, refused: "no such feature" },
  { path: "api.enabled", value: true, refused: "config.api" },
  { path: "metrics.enabled", value: true, refused: "config.metrics" },
  { path: "retention.enabled", value: true, refused: "config.retention" },
  { path: "config.retention.enabled", value: false, shows: "RETENTION_ENABLED" },
  { path: "config.retention.maxAge", value: "24h", shows: '"RETENTION_MAX_AGE","value":"24h"' },
  { path: "config.retention.maxSnapshots", value: 7, shows: "RETENTION_MAX_SNAPSHOTS" },
  { path: "config.retention.cleanupInterval", value: "1h", shows: "RETENTION_CLEANUP_INTERVAL" },
  { path: "config.retention.deleteBatchSize", value: 9, shows: "RETENTION_DELETE_BATCH_SIZE" },
];

const NETWORK: readonly Row[] = [
  { path: "service.type", value: "NodePort", shows: "NodePort" },
  { path: "service.ports.metrics", value: 9100, beside: DEPLOYED, shows: "9100" },
  { path: "service.ports.api", value: 9101, shows: "9101" },
  { path: "service.ports.consumer", value: 9102, shows: "9102" },
  { path: "service.ports.streaming", value: 8082, same: true },
  { path: "ingress.enabled", value: true, refused: "ingress.hosts" },
  {
    path: "ingress.enabled",
    value: true,
    beside: merged(
      { config: { api: { enabled: false } } },
      { ingress: { hosts: [{ host: "a" }] } },
    ),
    refused: "config.api.enabled",
  },
  { path: "ingress.className", value: "nginx", beside: INGRESS, shows: "nginx" },
  { path: "ingress.annotations", value: { a: "b" }, beside: INGRESS, shows: '"a":"b"' },
  { path: "ingress.hosts", value: [{ host: "b.example" }], beside: INGRESS, shows: "b.example" },
  {
    path: "ingress.hosts",
    value: [{ host: "b.example", paths: [{ path: "/x", pathType: "Exact" }] }],
    beside: INGRESS,
    shows: "Exact",
  },
  {
    path: "ingress.tls",
    value: [{ secretName: "tls", hosts: ["a.example"] }],
    beside: INGRESS,
    shows: '"secretName":"tls"',
  },
  { path: "monitoring.enabled", value: false, beside: MONITORED, shows: "ServiceMonitor" },
  { path: "monitoring.serviceMonitor.enabled", value: true, shows: "ServiceMonitor" },
  {
    path: "monitoring.serviceMonitor.namespace",
    value: "other",
    beside: MONITORED,
    shows: '"namespace":"other"',
  },
  {
    path: "monitoring.serviceMonitor.labels",
    value: { prometheus: "monitoring" },
    beside: MONITORED,
    shows: '"prometheus":"monitoring"',
  },
  {
    path: "monitoring.serviceMonitor.interval",
    value: "15s",
    beside: MONITORED,
    shows: '"interval":"15s"',
  },
  { path: "monitoring.enabled", value: false, beside: RULED, shows: "PrometheusRule" },
];

export const ROWS: readonly Row[] = [
  ...[IMAGES, ACCOUNTS, WORKLOADS, CONFIG, NETWORK, POSTGRESQL_ROWS, KAFKA_ROWS].flat(),
];
