/**
 * Free ports for servers under test. While the process that got a port lives, no other gets it, so that it
 * stays free while its server is down between a kill and a restart. They are outside the range of outgoing
 * connections. A socket in the abstract namespace (unix(7)) claims a port against other test processes;
 * such names are per network namespace, as ports are, and end with us.
 */
import { createServer } from "node:net";

const PORT_MIN = 18_000;
const PORT_MAX = 32_000;
const ATTEMPTS_MAX = 500;

/** A port on which nothing listens now, and which is not given out again while this process lives. */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if ((await claimed(port)) && (await bindable(port, host))) return port;
  }
  throw new Error(`no free port on ${host} in ${ATTEMPTS_MAX} attempts`);
}

/** Claims of ports that were in use are kept: another program's server may return to them. */
function claimed(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const claim = createServer();
    claim.once("error", () => resolve(false));
    claim.listen({ path: `\0outrider-port-${port}` }, () => {
      claim.unref();
      resolve(true);
    });
  });
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
