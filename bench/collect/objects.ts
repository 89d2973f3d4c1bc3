/** Objects as a cluster has them: pods of some 5 kB, ConfigMaps of some 2 kB. */

const ENVIRONMENT = Array.from({ length: 30 }, (_, number) => ({
  name: `SETTING_${number}`,
  value: `value-of-setting-${number}-${"x".repeat(60)}`,
}));

export const podOf = (number: number) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: {
    name: `pod-${number}`,
    labels: { app: `app-${number % 200}`, "pod-template-hash": "6d8f7c9b5d", tier: "web" },
    annotations: { "example.com/configuration-hash": "a".repeat(64) },
  },
  spec: {
    containers: ["main", "proxy"].map((name) => ({
      name,
      image: `registry.example.com/team/app-${number % 200}:1.2.3`,
      env: ENVIRONMENT.slice(0, name === "main" ? 30 : 5),
      resources: { requests: { cpu: "100m", memory: "128Mi" }, limits: { memory: "256Mi" } },
    })),
  },
});

export const configMapOf = (number: number) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name: `map-${number}`, labels: { app: `app-${number % 200}` } },
  data: { "settings.yaml": "s".repeat(1500), "more.yaml": `n: ${number}` },
});
