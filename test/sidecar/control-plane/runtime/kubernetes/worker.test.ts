import { describe, expect, test } from "bun:test";
import {
  labelValue,
  workerJob,
} from "../../../../../sidecar/control-plane/runtime/kubernetes/manifest.ts";
import {
  readJob,
  readPod,
} from "../../../../../sidecar/control-plane/runtime/kubernetes/observed.ts";
import {
  listingOf,
  workerOf,
} from "../../../../../sidecar/control-plane/runtime/kubernetes/worker.ts";
import { specOf } from "../../../../contract/runtime-subject.ts";

const CREATED = "2026-01-01T00:00:00Z";
const STARTED = "2026-01-01T00:00:05Z";
const labels = {
  "app.kubernetes.io/managed-by": "outrider",
  "outrider.client-id": "af-1",
  "outrider.spec-hash": "hash",
  "batch.kubernetes.io/controller-uid": "job-1",
  "batch.kubernetes.io/job-name": "kg-graph-builder-af-1",
};
const annotations = { "outrider.fleet": "fleet-a", "outrider.name": "kg-graph-builder-af-1" };
const RELEASED = { ...annotations, "outrider.released": "true" };
const finished = { conditions: [{ type: "Failed", status: "True" }] };

const job = (status = {}, spec = {}, more = {}) =>
  readJob({
    metadata: {
      ...{ name: "kg-graph-builder-af-1", uid: "job-1", creationTimestamp: CREATED },
      ...{ labels, annotations, ...more },
    },
    spec,
    status,
  }) ?? expect.unreachable();
const pod = (status = {}, more = {}) =>
  readPod({
    metadata: {
      ...{ name: "p", uid: "pod-1", creationTimestamp: CREATED, labels, annotations },
      ...more,
    },
    status,
  }) ?? expect.unreachable();
const container = (state: object, phase = "Running") => ({
  phase,
  containerStatuses: [{ name: "worker", state }],
});
/** The kubelet sorts by name: before the worker, and running on after its end. */
const beside = (state: object) => ({
  phase: "Running",
  containerStatuses: [
    { name: "istio-proxy", state: { running: { startedAt: STARTED } } },
    { name: "worker", state },
  ],
});
const ended = (exitCode: number, reason = "Error") =>
  container({ terminated: { exitCode, reason, startedAt: STARTED } }, "Failed");
const running = container({ running: { startedAt: STARTED } });
const deletionTimestamp = STARTED;

describe("readPod() of a pod with an init container", () => {
  const fetch = (state: object) => [{ name: "fetch", state }];
  const waits = { reason: "PodInitializing" };
  const status = (state: object, phase = "Pending") => ({
    ...{ phase, initContainerStatuses: fetch(state) },
    containerStatuses: [{ name: "worker", state: { waiting: waits } }],
  });
  test.each([
    [
      "its image is not there",
      status({ waiting: { reason: "ErrImagePull", message: "no such image" } }),
      {
        kind: "waiting",
        reason: "ErrImagePull",
        message: "the init container fetch: no such image",
      },
    ],
    [
      "it is being made",
      status({ waiting: waits }),
      { kind: "waiting", reason: "PodInitializing" },
    ],
    ["it runs", status({ running: { startedAt: STARTED } }), { kind: "waiting" }],
    [
      "it failed",
      status({ terminated: { exitCode: 3, reason: "Error", startedAt: STARTED } }, "Failed"),
      {
        ...{ kind: "ended", exitCode: undefined, reason: "Error" },
        message: "the init container fetch ended with exit code 3",
      },
    ],
    [
      "it is done, and the worker runs",
      {
        ...running,
        initContainerStatuses: fetch({ terminated: { exitCode: 0, startedAt: STARTED } }),
      },
      { kind: "running" },
    ],
  ] as const)("%s", (_what, given, container) => {
    expect(pod(given).container).toMatchObject(container);
  });
});

describe("workerOf()", () => {
  test.each([
    ["no pod yet", job(), [], { state: "starting" }],
    ["a pod that waits", job(), [pod({ phase: "Pending" })], { state: "starting" }],
    ["a container that runs", job(), [pod(running)], { state: "running" }],
    ["exit code 3", job(), [pod(ended(3))], { state: "exited", exit: 3 }],
    ["exit code 0", job(), [pod(ended(0))], { state: "exited", exit: 0 }],
    ["exit code 128", job(), [pod(ended(128))], { state: "exited", exit: 128 }],
    ["SIGKILL", job(), [pod(ended(137))], { state: "exited", exit: "signal:SIGKILL" }],
    ["SIGTERM", job(), [pod(ended(143))], { state: "exited", exit: "signal:SIGTERM" }],
    ["255, which is no signal", job(), [pod(ended(255))], { state: "exited", exit: 255 }],
    [
      "an exit beside an injected container that runs on",
      job(),
      [pod(beside({ terminated: { exitCode: 3, startedAt: STARTED } }))],
      { state: "exited", exit: 3 },
    ],
    [
      "a worker that waits beside one that runs",
      job(),
      [pod(beside({ waiting: { reason: "ErrImagePull" } }))],
      { state: "starting" },
    ],
    [
      "a worker beside another",
      job(),
      [pod(beside(running.containerStatuses[0]?.state ?? {}))],
      {
        state: "running",
      },
    ],
    ["memory", job(), [pod(ended(137, "OOMKilled"))], { state: "exited", exit: "oom" }],
    [
      "an evicted pod",
      job(),
      [pod({ phase: "Failed", reason: "Evicted" })],
      { state: "exited", exit: "unknown" },
    ],
    ["no pod any more", job(finished), [], { state: "exited", exit: "unknown" }],
    ["a pod being deleted", job(), [pod(running, { deletionTimestamp })], { state: "stopping" }],
    [
      "a Job being deleted",
      job({}, {}, { deletionTimestamp }),
      [pod(ended(0))],
      { state: "stopping" },
    ],
    [
      "a start that was cut off",
      job({}, { suspend: true }),
      [],
      { state: "exited", exit: "unknown" },
    ],
  ] as const)("shows %s", (_what, seen, pods, worker) => {
    expect(workerOf(seen, pods, false)).toMatchObject({ ...worker, fleet: "fleet-a" });
  });
  test.each([
    ["which we had let begin", job({}, { suspend: true }, { annotations: RELEASED }), []],
    ["which had begun, of an older version", job({ startTime: CREATED }, { suspend: true }), []],
    ["whose pod ends for it", job({ startTime: CREATED }, { suspend: true }), [pod(ended(143))]],
  ] as const)("a Job that another suspended, %s, is no exit", (_what, seen, pods) => {
    expect(workerOf(seen, pods, false)).toMatchObject({
      ...{ state: "starting", held: "suspended by another" },
    });
  });
  test("shows a suspended Job whose start is under way as starting", () => {
    expect(workerOf(job({}, { suspend: true }), [], true)?.state).toBe("starting");
  });
  test("takes the start of the container for its own, and the Job's before", () => {
    expect(workerOf(job(), [], false)?.startedAtMs).toBe(Date.parse(CREATED));
    expect(workerOf(job(), [pod(running)], false)?.startedAtMs).toBe(Date.parse(STARTED));
  });
});

describe("listingOf()", () => {
  const none = { pods: new Map(), isStarting: () => false };
  test.each([
    ["no labels", { labels: {}, annotations: {} }],
    ["another manager", { labels: { ...labels, "app.kubernetes.io/managed-by": "Helm" } }],
    ["a client id that is none", { labels: { ...labels, "outrider.client-id": "_B" } }],
    [
      "another label than its client id",
      { annotations: { ...annotations, "outrider.client-id": "Other" } },
    ],
    ["no fleet", { annotations: { "outrider.name": "kg-graph-builder-af-1" } }],
    ["no name of its own", { annotations: { "outrider.fleet": "fleet-a" } }],
  ])("takes a Job with %s for foreign", (_what, more) => {
    const jobs = new Map([["job-1", job({}, {}, more)]]);
    const { workers, foreign } = listingOf({ ...none, jobs }, "workers");
    expect(workers).toEqual([]);
    expect(foreign.map(({ name }) => name)).toEqual(["kg-graph-builder-af-1"]);
  });
  test("takes neither a copy of a Job nor its pod for ours", () => {
    const name = "kg-graph-builder-copy";
    const [copy] = listingOf(
      { ...none, jobs: new Map([["job-2", job({}, {}, { name, uid: "job-2" })]]) },
      "workers",
    ).foreign;
    expect(copy?.name).toBe(name);
    const ofCopy = { ...labels, "batch.kubernetes.io/job-name": name };
    const metadata = { name: "p", uid: "pod-2", creationTimestamp: CREATED, annotations };
    expect(readPod({ metadata: { ...metadata, labels } })?.jobName).toBe(
      annotations["outrider.name"],
    );
    expect(readPod({ metadata: { ...metadata, labels: ofCopy } })).toBeUndefined();
  });
  test("reads what workerJob() wrote as ours", () => {
    const settings = { image: "i", memoryBytes: 1, cpuMillis: 1, serviceAccount: "s" };
    const made = workerJob(specOf("af-1"), { ...settings, secretName: undefined, graceMs: 1 }, "s");
    const metadata = { ...made.metadata, uid: "job-1", creationTimestamp: CREATED };
    expect(readJob({ ...made, metadata })?.owned?.clientId).toBe(specOf("af-1").clientId);
  });
  test("leaves out a Job that neither is ours nor holds a worker's name", () => {
    const metadata = { name: "backup", uid: "1", creationTimestamp: CREATED };
    expect(readJob({ metadata, spec: {} })).toBeUndefined();
  });
  test("shows a pod that runs on without its Job as stopping, and not one that ended", () => {
    const list = (status: object) =>
      listingOf({ ...none, jobs: new Map(), pods: new Map([["pod-1", pod(status)]]) }, "workers");
    expect(list(running).workers).toMatchObject([{ state: "stopping", instance: "job-1" }]);
    expect(list(ended(0)).workers).toEqual([]);
  });
});

describe("workerJob()", () => {
  const settings = {
    ...{ image: "image:1", memoryBytes: 256 * 2 ** 20, cpuMillis: 500, serviceAccount: "runs" },
    ...{ secretName: undefined, graceMs: 10_000 },
  };
  test("asks for memory in full and for a tenth of the CPU, and limits both", () => {
    const spec = workerJob(specOf("af-1"), settings, undefined).spec?.template.spec;
    expect(spec?.containers[0]?.resources).toEqual({
      requests: { memory: "256Mi", cpu: "50m" },
      limits: { memory: "256Mi", cpu: "500m" },
    });
  });
  test("has no secret in it, nor the name of one that is not there", () => {
    const own = JSON.stringify(workerJob(specOf("af-1"), settings, "own"));
    expect(own).not.toContain("very-secret-value");
    expect(own).toContain('"secretRef":{"name":"own"}');
    expect(JSON.stringify(workerJob(specOf("af-1"), settings, undefined))).not.toContain("envFrom");
  });
  test("waits for a secret of its own alone", () => {
    expect(workerJob(specOf("af-1"), settings, "own").spec?.suspend).toBe(true);
    const operators = { ...settings, secretName: "operators" };
    expect(workerJob(specOf("af-1"), operators, undefined).spec?.suspend).toBe(false);
  });
});

describe("labelValue()", () => {
  test.each([
    ["production", "production"],
    ["MkU3OEVBNTcwNTJENDM2Qk", "MkU3OEVBNTcwNTJENDM2Qk"],
    ["a".repeat(63), "a".repeat(63)],
    ["-begins-with-a-dash", expect.stringMatching(/^sha256-[0-9a-f]{16}$/u)],
    ["ends_", expect.stringMatching(/^sha256-[0-9a-f]{16}$/u)],
    ["a".repeat(64), expect.stringMatching(/^sha256-[0-9a-f]{16}$/u)],
    ["two words", expect.stringMatching(/^sha256-[0-9a-f]{16}$/u)],
  ])("gives for %p a label", (value, label) => {
    expect(labelValue(value)).toEqual(label);
  });
});
