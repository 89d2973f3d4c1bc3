/** A real PostgreSQL for tests, gone with the test process at the latest. */
import { closeSync, openSync } from "node:fs";
import { chmod, copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { type Authority, createAuthority } from "../certificate.ts";
import { until } from "../condition.ts";
import { freePort } from "../port.ts";
import { keepDirectory, killGroup, reapDirectory, signalProcess, spawnReaped } from "../reaper.ts";
import { BedUnavailable } from "../unavailable.ts";
import { postgresPrograms } from "./programs.ts";

const HOST = "127.0.0.1";
const USER = "postgres";
const PASSWORD = "bed-password";
const READY_MS = 30_000;
const STOP_MS = 20_000;
const TAIL_LINES = 40;

export type PostgresOptions = {
  /** A certificate for the name localhost alone, of an authority of its own: 127.0.0.1 is another name. */
  readonly tls?: boolean;
  /** Lines of postgresql.conf; they win over the bed's own. */
  readonly settings?: Readonly<Record<string, string>>;
};

export type PostgresBed = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The directory of its unix socket. */
  readonly socketDir: string;
  /** @throws Error without `tls` */
  readonly authority: Authority;
  /** The variables of a program that is to use this database. */
  readonly environment: (database?: string) => Readonly<Record<string, string>>;
  readonly start: () => Promise<void>;
  /** In order: sessions are ended, what was committed is written. */
  readonly shutDown: () => Promise<void>;
  /** As an immediate crash of all its processes. */
  readonly kill: () => Promise<void>;
  /** To all of its processes: SIGSTOP hangs the server, and its port stays open. */
  readonly signal: (name: "SIGSTOP" | "SIGCONT") => Promise<void>;
  readonly logTail: (lines?: number) => Promise<string>;
  readonly stop: () => Promise<void>;
};

/** @throws BedUnavailable */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresBed> {
  const programs = await postgresPrograms();
  const dir = await mkdtemp(join(tmpdir(), "outrider-pg-"));
  reapDirectory(dir);
  const data = join(dir, "data");
  const port = await freePort(HOST);
  await prepare(programs, dir, data);
  const authority = options.tls === true ? await makeTls(dir, data) : undefined;
  await Bun.write(join(data, "bed.conf"), settingsText(dir, port, options));
  await owned(join(data, "bed.conf"));
  const logPath = join(dir, "server.log");
  let child: Subprocess<"pipe", number, number> | undefined;
  const running = () => child !== undefined && child.exitCode === null && child.signalCode === null;
  const logTail = (lines = TAIL_LINES) => tailOf(logPath, lines);
  const kill = async () => {
    if (child === undefined) return;
    for (const pid of await backendsOf(child.pid)) signalProcess(pid, "SIGKILL");
    killGroup(child.pid);
    await child.exited;
  };
  const start = async () => {
    // A killed server's lock file names a pid that somebody else may have by now.
    await rm(join(data, "postmaster.pid"), { force: true });
    const own = spawnServer(programs, data, logPath);
    child = own;
    const ready = async () => {
      if (!running()) throw new Error(`postgres ended with ${own.exitCode}`);
      return await accepts(programs, port);
    };
    await until("postgres to serve", ready, { deadlineMs: READY_MS }).catch(async (cause) => {
      throw new Error(`${String(cause)}; its log:\n${await logTail()}`);
    });
  };
  await start();
  return {
    ...{ host: HOST, port, user: USER, password: PASSWORD, socketDir: dir },
    get authority() {
      if (authority === undefined) throw new Error("this PostgreSQL was started without tls");
      return authority;
    },
    environment: (database = "postgres") => ({
      ...{ DB_HOST: HOST, DB_PORT: String(port), DB_USER: USER, DB_PASSWORD: PASSWORD },
      ...{ DB_NAME: database, DB_SSL_MODE: "disable" },
    }),
    start,
    shutDown: async () => {
      if (child === undefined) return;
      // SIGINT is its "fast" shutdown.
      signalProcess(child.pid, "SIGINT");
      await Promise.race([child.exited, Bun.sleep(STOP_MS)]);
      await kill();
    },
    kill,
    signal: async (name) => {
      if (child === undefined) return;
      for (const pid of [child.pid, ...(await backendsOf(child.pid))]) signalProcess(pid, name);
    },
    logTail,
    stop: async () => {
      await kill();
      await rm(dir, { recursive: true, force: true });
      keepDirectory(dir);
    },
  };
}

const isRoot = process.getuid?.() === 0;

/** PostgreSQL refuses to run as root. */
const asOwner = (command: readonly string[]): readonly string[] =>
  isRoot
    ? ["setpriv", `--reuid=${USER}`, `--regid=${USER}`, "--clear-groups", ...command]
    : command;

async function owned(path: string): Promise<void> {
  if (isRoot) await Bun.$`chown -R ${USER}:${USER} ${path}`.quiet();
}

async function prepare(programs: string, dir: string, data: string): Promise<void> {
  if (isRoot && (await Bun.$`getent passwd ${USER}`.quiet().nothrow()).exitCode !== 0) {
    throw new BedUnavailable(`PostgreSQL does not run as root, and there is no user ${USER}`);
  }
  const passwordFile = join(dir, "password");
  await Bun.write(passwordFile, PASSWORD);
  await chmod(dir, 0o755);
  await owned(dir);
  const initdb = [
    ...[join(programs, "initdb"), "-D", data, "-U", USER, `--pwfile=${passwordFile}`],
    ...["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"],
  ];
  const run = await Bun.$`${asOwner(initdb)}`.cwd(dir).quiet().nothrow();
  if (run.exitCode !== 0) throw new Error(`initdb failed: ${run.stderr.toString()}`);
}

async function makeTls(dir: string, data: string): Promise<Authority> {
  const authority = await createAuthority(join(dir, "tls"));
  const subjectAltNames = ["DNS:localhost"];
  const { certFile, keyFile } = await authority.issue({
    ...{ name: "server", commonName: "localhost", usage: "server", subjectAltNames },
  });
  await copyFile(certFile, join(data, "server.crt"));
  await copyFile(keyFile, join(data, "server.key"));
  await chmod(join(data, "server.key"), 0o600);
  await owned(data);
  return authority;
}

function settingsText(dir: string, port: number, options: PostgresOptions): string {
  const settings = {
    ...{ listen_addresses: `'${HOST}'`, port: String(port), unix_socket_directories: `'${dir}'` },
    ...{ fsync: "off", shared_buffers: "64MB", max_connections: "60", logging_collector: "off" },
    ...(options.tls === true ? { ssl: "on" } : {}),
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join("");
}

function spawnServer(programs: string, data: string, logPath: string) {
  const log = openSync(logPath, "a");
  try {
    const server = [join(programs, "postgres"), "-D", data, "-c", `config_file=${data}/bed.conf`];
    const files = ["-c", `hba_file=${data}/pg_hba.conf`, "-c", `ident_file=${data}/pg_ident.conf`];
    const command = asOwner([...server, ...files]);
    const child = spawnReaped({ name: "postgres", command, cwd: data, output: log });
    void child.stdin.end();
    return child;
  } finally {
    closeSync(log);
  }
}

/** Each in a session of its own, so that no signal to the group reaches them. */
async function backendsOf(pid: number): Promise<readonly number[]> {
  const children = await Bun.file(`/proc/${pid}/task/${pid}/children`)
    .text()
    .catch(() => "");
  return children.trim().split(" ").filter(Boolean).map(Number);
}

async function accepts(programs: string, port: number): Promise<boolean> {
  const ready = [join(programs, "pg_isready"), "-q", "-h", HOST, "-p", String(port), "-t", "2"];
  return (await Bun.$`${ready}`.quiet().nothrow()).exitCode === 0;
}

async function tailOf(path: string, lines: number): Promise<string> {
  const file = Bun.file(path);
  if (!(await file.exists())) return "(no log)";
  return (await file.text()).trimEnd().split("\n").slice(-lines).join("\n");
}
