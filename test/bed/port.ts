/**
 * Free ports for servers under test, outside the range that outgoing connections take theirs from:
 * a port stays free while its server is down between a kill and a restart.
 */
import { createServer } from "node:net";

const PORT_MIN = 18_000;
const PORT_MAX = 32_000;
const ATTEMPTS_MAX = 500;

const handedOut = new Set<number>();

/** A port that nothing listens on now. The same process never gets it twice. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (handedOut.has(port)) continue;
    if (await bindable(port, host)) {
      handedOut.add(port);
      return port;
    }
  }
  throw new Error(`no free port on ${host} in ${ATTEMPTS_MAX} attempts`);
}

function bindable(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Whether something accepts a TCP connection there, within a second. */
export function accepts(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => resolve(false), 1000);
    const settle = (answer: boolean) => {
      clearTimeout(deadline);
      resolve(answer);
    };
    Bun.connect({
      hostname: host,
      port,
      socket: {
        data: () => undefined,
        open: (socket) => {
          socket.end();
          settle(true);
        },
      },
    }).catch(() => settle(false));
  });
}
