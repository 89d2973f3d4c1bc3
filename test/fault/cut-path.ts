/**
 * A path to a Kafka that can be cut: brokers get one more listener, whose advertised address is that
 * of a TCP proxy, so that every connection of a client that comes in there goes through it.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Broker } from "../bed/kafka/broker.ts";
import type { KafkaBed } from "../bed/kafka/kafka.ts";
import { freePort } from "../bed/port.ts";

const HOST = "127.0.0.1";

export type CutPath = {
  /** For clients that shall go this way. */
  readonly bootstrap: string;
  /** Ends all connections and refuses new ones. */
  readonly cut: () => void;
  readonly mend: () => void;
  readonly close: () => Promise<void>;
};

/** Restarts every broker with the listener. */
export async function openCutPath(kafka: KafkaBed): Promise<CutPath> {
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const addresses: string[] = [];
  let isCut = false;
  for (const broker of kafka.brokers) {
    const [behind, front] = [await freePort(HOST), await freePort(HOST)];
    await addListener(broker, behind, front);
    servers.push(await listen(front, (client) => pass(client, behind, sockets, () => isCut)));
    addresses.push(`${HOST}:${front}`);
  }
  return {
    bootstrap: addresses.join(","),
    cut: () => {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend: () => {
      isCut = false;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map((each) => new Promise((done) => each.close(done))));
    },
  };
}

async function addListener(broker: Broker, behind: number, front: number): Promise<void> {
  const path = join(broker.dir, "server.properties");
  const text = await Bun.file(path).text();
  const added = text
    .replace(/^listeners=/mu, `listeners=AGENTS://${HOST}:${behind},`)
    .replace(/^advertised\.listeners=/mu, `advertised.listeners=AGENTS://${HOST}:${front},`)
    .replace(
      /^listener\.security\.protocol\.map=/mu,
      "listener.security.protocol.map=AGENTS:PLAINTEXT,",
    );
  await broker.stop();
  await Bun.write(path, added);
  await broker.start();
}

function pass(client: Socket, port: number, sockets: Set<Socket>, isCut: () => boolean): void {
  if (isCut()) {
    client.destroy();
    return;
  }
  const server = connect({ host: HOST, port });
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    sockets.add(one);
    one.on("error", () => other.destroy());
    one.on("close", () => {
      sockets.delete(one);
      other.destroy();
    });
    one.pipe(other);
  }
}

function listen(port: number, onClient: (client: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onClient);
    server.once("error", reject);
    server.listen({ port, host: HOST }, () => resolve(server));
  });
}
