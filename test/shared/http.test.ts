/** The HTTP door on a real socket: limits, 404 and 405, failures, closing. */

import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { BUILD } from "../../shared/build-info.ts";
import { sleep } from "../../shared/clock.ts";
import { type App, type HttpLimits, type HttpServer, openApp, serve } from "../../shared/http.ts";
import { openLog } from "../../shared/log.ts";
import { clockOf } from "../clock.ts";

const lines: string[] = [];
const log = openLog({
  level: "debug",
  format: "json",
  write: (line) => lines.push(line),
  clock: clockOf({ nowMs: () => 0 }),
});
const servers: HttpServer[] = [];
const LIMITS = { requestMs: 200, bodyBytesMax: 1000, headerBytesMax: 1000 };

function open(routes: (app: App) => void, limits: Partial<HttpLimits> = LIMITS): HttpServer {
  const server = serve({ port: 0, hostname: "127.0.0.1", routes, build: BUILD, log, limits });
  if (!server.ok) throw new Error(server.error.detail);
  servers.push(server.value);
  return server.value;
}

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close(0)));
  lines.length = 0;
});

const routes = (app: App) => {
  app.get("/things/:id", (c) => c.json({ id: c.req.param("id") }));
  app.post("/things/:id", async (c) => c.text(String((await c.req.text()).length)));
  app.get("/slow", async (c) => {
    await sleep(2000, c.req.raw.signal);
    return c.text("late");
  });
  app.get("/broken", () => {
    throw new Error("the database says hunter2");
  });
};

describe("serve()", () => {
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`${open(routes).url}${path}`, init);
    return [response.status, await response.text()];
  };

  test("answers a route, by HEAD too", async () => {
    expect(await ask("/things/7")).toEqual([200, '{"id":"7"}']);
    expect(await ask("/things/7", { method: "HEAD" })).toEqual([200, ""]);
  });
  test.each(["/things/7/", "/things//7", "//things///7//"])(
    "answers it as %p, too",
    async (path) => {
      expect(await ask(path)).toEqual([200, '{"id":"7"}']);
    },
  );
  test("answers /about with four strings", async () => {
    const about = { version: "dev", timestamp: "dev", epoch: "0", build: "dev" };
    expect(await ask("/about")).toEqual([200, JSON.stringify(about)]);
  });
  test("answers an unknown path with 404", async () => {
    expect(await ask("/nothing")).toEqual([404, '{"error":"no such path: /nothing"}']);
  });
  test("answers a known path by another method with 405 and Allow", async () => {
    const response = await fetch(`${open(routes).url}/things/7`, { method: "DELETE" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
    expect(await response.json()).toEqual({ error: "DELETE is not allowed here" });
  });
  test("takes a body at its limit, and answers one past it with 413", async () => {
    const post = (bytes: number) => ask("/things/7", { method: "POST", body: "x".repeat(bytes) });
    expect(await post(1000)).toEqual([200, "1000"]);
    expect((await post(1001))[0]).toBe(413);
  });
  test("cuts a body of unknown length at the limit", async () => {
    let chunks = 0;
    const body = new ReadableStream({
      pull: (controller) => {
        chunks += 1;
        if (chunks > 4) controller.close();
        else controller.enqueue(new Uint8Array(400));
      },
    });
    expect((await ask("/things/7", { method: "POST", body }))[0]).toBe(413);
  });
  test("answers a header past its limit with 431", async () => {
    expect((await ask("/things/7", { headers: { x: "y".repeat(1000) } }))[0]).toBe(431);
  });
  test("answers 503 when a route takes too long", async () => {
    expect(await ask("/slow")).toEqual([503, '{"error":"no answer within 200 ms"}']);
  });
  test("keeps what went wrong in a route for the log", async () => {
    expect(await ask("/broken")).toEqual([500, '{"error":"internal error"}']);
    expect(lines.join()).toContain("the database says hunter2");
  });
  test("says which port is in use", () => {
    const { port } = open(routes);
    const second = serve({ port, hostname: "127.0.0.1", routes, build: BUILD, log });
    expect(second).toEqual({
      ok: false,
      error: {
        code: "port-in-use",
        detail: `cannot listen on 127.0.0.1:${port}: the port is in use`,
      },
    });
  });
});

describe("close()", () => {
  const hanging = (ms: number) => (app: App) => {
    app.get("/", async (c) => {
      await sleep(ms);
      return c.text("done");
    });
  };
  test("lets a running request finish", async () => {
    const server = open(hanging(100), { requestMs: 10_000 });
    const answer = fetch(server.url).then((response) => response.text());
    await sleep(30);
    await server.close(5000);
    expect(await answer).toBe("done");
    expect(await fetch(server.url).then(String, () => "refused")).toBe("refused");
  });
  test("cuts a request that outlasts the grace", async () => {
    const server = open(hanging(60_000), { requestMs: 120_000 });
    const answer = fetch(server.url).then(String, () => "cut");
    await sleep(30);
    await server.close(20);
    expect(await answer).toBe("cut");
  });
});

test("openApp() has the same routes without a server", async () => {
  const app = openApp({ routes, build: BUILD, log });
  expect((await app.request("/things/7")).status).toBe(200);
  expect((await app.request("/things/7", { method: "PUT" })).status).toBe(405);
  expect((await app.request("/broken")).status).toBe(500);
});

describe("a request without a Host that can be read", () => {
  const ask = async (request: string) => {
    const { port } = open(routes);
    const ended = Promise.withResolvers<void>();
    let answer = "";
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(request));
    socket.on("data", (bytes) => {
      answer += String(bytes);
      if (answer.includes("}")) ended.resolve();
    });
    socket.on("close", () => ended.resolve());
    await ended.promise;
    socket.destroy();
    return [answer.split(" ")[1], answer.split("\r\n\r\n")[1]];
  };

  test.each([
    ["GET /things/7 HTTP/1.0\r\n\r\n", "200", '{"id":"7"}'],
    ["GET /things/%37?x=1 HTTP/1.0\r\n\r\n", "200", '{"id":"7"}'],
    ["GET //things/7 HTTP/1.0\r\n\r\n", "200", '{"id":"7"}'],
    ["GET /things/7 HTTP/1.1\r\nHost: a b\r\n\r\n", "200", '{"id":"7"}'],
    [
      "GET //[x HTTP/1.1\r\nHost: [\r\n\r\n",
      "400",
      '{"error":"the request\'s target cannot be read"}',
    ],
  ])("%p is answered with %s", async (request, status, body) => {
    expect(await ask(request)).toEqual([status, body]);
    expect(lines).toEqual([]);
  });
});
