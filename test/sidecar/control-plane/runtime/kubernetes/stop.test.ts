/** Stopping on an API server that is played, for what changes between a listing and the deletion. */

import { afterEach, expect, test } from "bun:test";
import { openKubernetes } from "../../../../../shared/kubernetes/kubernetes.ts";
import { workerJob } from "../../../../../sidecar/control-plane/runtime/kubernetes/manifest.ts";
import { kubernetesRuntime } from "../../../../../sidecar/control-plane/runtime/kubernetes/runtime.ts";
import { until } from "../../../../bed/condition.ts";
import { clockOf } from "../../../../clock.ts";
import { codeOf, listOf, silentLog, specOf, value } from "../../../../contract/runtime-subject.ts";

const PATIENCE = { deadlineMs: 10_000, intervalMs: 5 } as const;
const SETTINGS = {
  ...{ image: "i", memoryBytes: 1, cpuMillis: 1, serviceAccount: "s" },
  ...{ secretName: undefined, graceMs: 1 },
};
const spec = specOf("af-1");
const ended = new AbortController();
const signal = ended.signal;
const closes: (() => Promise<void>)[] = [];
afterEach(async () => {
  ended.abort();
  for (const close of closes) await close();
});

/** One Job, as it was made; `change` tells the watch of another state of it. */
function playServer() {
  const deleted: string[] = [];
  const made = workerJob(spec, SETTINGS, undefined);
  const metadata = { ...made.metadata, uid: "job-1", creationTimestamp: "2026-01-01T00:00:00Z" };
  let tell = (_line: object): void => undefined;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    fetch: (request) => {
      const { pathname } = new URL(request.url);
      if (request.method === "DELETE") {
        deleted.push(pathname);
        return Response.json({ kind: "Status", message: "not found" }, { status: 404 });
      }
      if (pathname.endsWith("/kube-system")) return Response.json({ metadata: { uid: "cluster" } });
      const encoder = new TextEncoder();
      const lines = new ReadableStream<Uint8Array>({
        start: (stream) => {
          const send = (line: object) =>
            stream.enqueue(encoder.encode(`${JSON.stringify(line)}\n`));
          if (pathname.endsWith("/jobs")) {
            send({
              type: "ADDED",
              object: { ...made, metadata: { ...metadata, resourceVersion: "1" } },
            });
            tell = send;
          }
          const annotations = { "k8s.io/initial-events-end": "true" };
          send({ type: "BOOKMARK", object: { metadata: { annotations, resourceVersion: "2" } } });
        },
      });
      return new Response(lines);
    },
  });
  closes.push(() => server.stop(true));
  return {
    deleted,
    url: `http://127.0.0.1:${server.port}`,
    change: (more: object) =>
      tell({
        type: "MODIFIED",
        object: { ...made, metadata: { ...metadata, ...more, resourceVersion: "3" } },
      }),
  };
}

test("stop() leaves a Job alone that is not ours any more", async () => {
  const played = playServer();
  const access = { headers: {}, tls: { rejectUnauthorized: true } };
  const credentials = {
    ...{ server: played.url, namespace: "workers", source: "a test" },
    access: () => Promise.resolve(access),
  };
  const kubernetes = openKubernetes({ credentials, fieldManager: "outrider", userAgent: "test" });
  const runtime = value(
    await kubernetesRuntime({
      ...{
        ...SETTINGS,
        kubernetes,
        namespace: "workers",
        log: silentLog,
        clock: clockOf({ random: () => 0 }),
        signal,
      },
    }),
  );
  const [worker] = (await listOf(runtime)).workers;
  if (worker === undefined) throw new Error("it is not listed");
  played.change({ annotations: { "outrider.fleet": spec.fleet, "outrider.name": "another" } });
  await until(
    "the change to be seen",
    async () => (await listOf(runtime)).foreign.length === 1,
    PATIENCE,
  );
  expect(codeOf(await runtime.stop(worker, signal))).toBe("not-found");
  expect(played.deleted).toEqual([]);
});
