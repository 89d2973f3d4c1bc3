/** The API of ingest on a real database: lists, moments, pages, differences, proof, tokens, retention. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { until } from "../bed/condition.ts";
import { type Ingest, onScene, type Scene, type Servers, startServers } from "./ingest-stage.ts";

const LIMIT_MS = 90_000;
const SOON = { deadlineMs: 20_000 };

let servers: Servers;
beforeAll(async () => {
  servers = await startServers();
}, LIMIT_MS);
afterAll(() => servers.stop());

const Page = v.looseObject({
  data: v.array(v.looseObject({})),
  count: v.number(),
  next: v.optional(v.string()),
  verified: v.optional(v.boolean()),
});
const page = async (store: Ingest, path: string) => {
  const { status, body } = await store.get(path);
  expect([path, status]).toEqual([path, 200]);
  return v.parse(Page, body);
};
const names = ({ data }: v.InferOutput<typeof Page>) => data.map((row) => row["name"]);

/** The database's own time, which is the broker's here. */
const now = async ({ rows }: Scene): Promise<string> => {
  const [row] = await rows(
    "select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as now",
  );
  return String(row?.["now"]);
};

test(
  "lists, one moment, pages, differences, proof and snapshots",
  async () => {
    await onScene(servers, async (scene) => {
      const { ingest, reporter, equals } = scene;
      const store = await ingest();
      const one = reporter("af-1");
      const two = reporter("af-2");
      for (const each of [one, two]) {
        await each.begin();
        await each.scope(["pods"]);
        await each.put("pods", {
          a: { name: "a", namespace: "shop", phase: "Running" },
          b: { name: "b", namespace: "till", phase: "Running" },
        });
        await each.fullPass("pods");
      }
      await equals(one);
      await equals(two);
      await until(
        "the marks",
        async () => (await page(store, "/api/v1/pods")).verified === true,
        SOON,
      );
      const before = await now(scene);
      await Bun.sleep(5);
      await one.put("pods", {
        b: { name: "b", namespace: "till", phase: "Failed" },
        c: { name: "c", namespace: "shop" },
      });
      await one.remove("pods", ["a"]);
      await equals(one);

      expect((await page(store, "/api/v1/pods")).count).toBe(4);
      expect(names(await page(store, "/api/v1/pods?client_id=af-1"))).toEqual(["b", "c"]);
      expect(names(await page(store, "/api/v1/pods?namespace=till&client_id=af-2"))).toEqual(["b"]);
      expect(names(await page(store, `/api/v1/pods?client_id=af-1&as_of=${before}`))).toEqual([
        "a",
        "b",
      ]);
      expect((await page(store, "/api/v1/persistent-volumes")).count).toBe(0);
      // The same in pages of one.
      const paged: unknown[] = [];
      for (let next = ""; ; ) {
        const found = await page(
          store,
          `/api/v1/pods?limit=1&next=${next}`.replace(/&next=$/u, ""),
        );
        paged.push(
          ...found.data.map(({ client_id, name }) => `${String(client_id)}/${String(name)}`),
        );
        if (found.next === undefined) break;
        next = found.next;
      }
      expect(paged).toEqual(["af-1/b", "af-1/c", "af-2/a", "af-2/b"]);

      const diff = await page(store, `/api/v1/clusters/af-1/diff?from=${before}`);
      expect(diff.data.map(({ name, change }) => [name, change])).toEqual([
        ...[
          ["a", "removed"],
          ["b", "changed"],
          ["c", "added"],
        ],
      ]);
      expect(diff.data[1]).toMatchObject({
        before: { phase: "Running" },
        after: { phase: "Failed" },
      });

      await one.mark("pods");
      const { body } = await store.get("/api/v1/clusters/af-1/proof");
      expect(body).toMatchObject({ client_id: "af-1", data: [{ kind: "pods", count: 2 }] });
      const hashes = await page(store, "/api/v1/clusters/af-1/proof?kind=pods");
      expect(hashes.data.map(({ uid, intact }) => [uid, intact])).toEqual([
        ["b", true],
        ["c", true],
      ]);
      expect(
        (await page(store, "/api/v1/clusters")).data.map(({ client_id }) => client_id),
      ).toEqual(["af-1", "af-2"]);
      expect((await store.get("/api/v1/stats")).body).toMatchObject({
        clusters: 2,
        objects: { pods: 4 },
      });

      for (const [path, status] of [
        ["/api/v1/pods?limit=0", 400],
        ["/api/v1/pods?limit=1001", 400],
        ["/api/v1/pods?as_of=yesterday", 400],
        ["/api/v1/pods?next=x", 400],
        ["/api/v1/clusters/af-9", 404],
        ["/api/v1/clusters/af-9/diff", 400],
        ["/api/v1/snapshots/x", 400],
        ["/api/v1/snapshots/99999", 404],
        ["/api/v1/nothing", 404],
      ] as const) {
        expect([path, (await store.get(path)).status]).toEqual([path, status]);
      }
      // Every path of the document is one.
      const Document = v.object({ paths: v.record(v.string(), v.unknown()) });
      const { paths } = v.parse(Document, (await store.get("/openapi.json")).body);
      for (const path of Object.keys(paths)) {
        const asked = path
          .replace("/snapshots/{id}", "/snapshots/99")
          .replace("{id}", "af-1")
          .replace("{kind}", "pods");
        expect([asked, (await store.get(`${asked}?from=${before}`)).status]).toEqual([
          asked,
          path.includes("snapshots/") ? 404 : 200,
        ]);
      }
    });
  },
  LIMIT_MS,
);

test(
  "tokens bind to clusters; old history goes, and what needs it is gone; snapshots are noted",
  async () => {
    await onScene(servers, async (scene) => {
      const { ingest, reporter, equals, rows } = scene;
      const one = reporter("af-1");
      const two = reporter("af-2");
      for (const each of [one, two]) {
        await each.begin();
        await each.put("pods", { a: { name: "a", phase: "Running" } });
      }
      const first = await ingest();
      await equals(one);
      await equals(two);
      const before = await now(scene);
      await Bun.sleep(5);
      await one.put("pods", { a: { name: "a", phase: "Failed" } });
      await equals(one);
      await first.process.stop();

      const tokens = join(tmpdir(), `tokens-${process.pid}`);
      await Bun.write(tokens, "# ours\nalpha af-1\nomega *\n");
      const store = await ingest({
        ...{ CONSUMER_SERVER_HOST: "0.0.0.0", API_TOKENS_FILE: tokens },
        ...{ RETENTION_MAX_AGE: "1s", RETENTION_CLEANUP_INTERVAL: "1s" },
      });
      const as = async (token: string, path: string) =>
        await store.get(path, token === "" ? {} : { authorization: `Bearer ${token}` });
      const count = async (token: string, path: string) => {
        const { status, body } = await as(token, path);
        return status === 200 ? v.parse(Page, body).count : status;
      };
      expect(await count("", "/api/v1/pods")).toBe(401);
      expect(await count("alph", "/api/v1/pods")).toBe(401);
      expect(await count("alpha", "/api/v1/pods")).toBe(1);
      expect(await count("omega", "/api/v1/pods")).toBe(2);
      expect(await count("alpha", "/api/v1/clusters")).toBe(1);
      expect(await count("alpha", "/api/v1/clusters/af-2")).toBe(404);
      expect(await count("alpha", "/api/v1/clusters/af-2/proof")).toBe(404);
      expect((await store.get("/ready")).status).toBe(200);
      await Bun.write(tokens, "beta af-2\n");
      expect(await count("alpha", "/api/v1/pods")).toBe(401);
      expect(await count("beta", "/api/v1/pods")).toBe(1);

      await until(
        "the history to go",
        async () => (await rows("select from cluster_info.object_history")).length === 0,
        SOON,
      );
      expect(await count("beta", `/api/v1/pods?as_of=${before}`)).toBe(410);
      expect((await as("beta", `/api/v1/clusters/af-2/diff?from=${before}`)).status).toBe(410);
    });
  },
  LIMIT_MS,
);
