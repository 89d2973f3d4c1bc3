/** A path to PostgreSQL on which the answer to a COMMIT gets lost: the server has committed, the client sees a cut connection. */
import { connect, createServer, type Socket } from "node:net";
import { freePort } from "../bed/port.ts";

const HOST = "127.0.0.1";
/** A simple query or a parse message of that text, as Bun's client sends it. */
const COMMIT = /commit/iu;

export type LostAnswers = {
  readonly port: number;
  /** So many more answers to a COMMIT get lost. */
  readonly lose: (count: number) => void;
  readonly lost: () => number;
  readonly close: () => void;
};

export async function openLostAnswers(serverPort: number): Promise<LostAnswers> {
  const port = await freePort(HOST);
  const sockets = new Set<Socket>();
  let toLose = 0;
  let lost = 0;
  const server = createServer((client) => {
    const upstream = connect({ host: HOST, port: serverPort });
    let isDeaf = false;
    for (const [one, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    client.on("data", (bytes) => {
      if (toLose > 0 && COMMIT.test(bytes.toString("latin1"))) {
        toLose -= 1;
        isDeaf = true;
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      if (!isDeaf) client.write(bytes);
      else {
        // The server's answer is here: it has committed.
        lost += 1;
        client.destroy();
      }
    });
  });
  await new Promise<void>((done) => server.listen(port, HOST, done));
  return {
    port,
    lose: (count) => {
      toLose = count;
    },
    lost: () => lost,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
