/** Stands before a broker, and cuts all connections to it at a moment that a test chooses. */
import { connect, createServer, type Socket } from "node:net";

/** Passes on to the broker on `port`; once armed, the next bytes from us end all connections there are. */
export async function openCutter(port: number) {
  const pairs = new Set<readonly [Socket, Socket]>();
  let armed = false;
  const endAll = () => {
    armed = false;
    for (const [near, far] of pairs) {
      far.destroy();
      near.resetAndDestroy();
    }
  };
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    const pair = [near, far] as const;
    pairs.add(pair);
    for (const socket of pair) socket.on("error", () => {});
    near.on("close", () => {
      pairs.delete(pair);
      far.destroy();
    });
    far.on("close", () => near.destroy()).on("data", (bytes) => near.write(bytes));
    near.on("data", (bytes) => (armed ? endAll() : far.write(bytes)));
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const bound = server.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : 0,
    arm: () => {
      armed = true;
    },
    close: () => {
      endAll();
      server.close();
    },
  };
}
