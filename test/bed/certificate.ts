/** A certificate authority of a test's own, by the openssl command. */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BedUnavailable } from "./unavailable.ts";

const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;
export const STORE_PASSWORD = "outrider";

export type Certificate = {
  readonly certFile: string;
  readonly keyFile: string;
  /** Key (PKCS 8) and certificate in one PEM file, which Kafka's clients accept as a keystore. */
  readonly pemFile: string;
  /** Both as PKCS 12, with STORE_PASSWORD, for Kafka's brokers. */
  readonly storeFile: string;
};

type CertificateOptions = {
  /** Names the files; unique within the authority. */
  readonly name: string;
  readonly commonName: string;
  readonly usage: "server" | "client";
  /** As openssl writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  readonly subjectAltNames?: readonly string[];
  /** Valid until yesterday. */
  readonly expired?: boolean;
};

export type Authority = {
  readonly caFile: string;
  readonly issue: (options: CertificateOptions) => Promise<Certificate>;
};

/** Creates a new authority with its files in `dir`. */
export async function createAuthority(
  dir: string,
  commonName = "outrider bed",
): Promise<Authority> {
  if (Bun.which("openssl") === null) {
    throw new BedUnavailable(
      "openssl is needed for test certificates: install the package openssl",
    );
  }
  await mkdir(dir, { recursive: true });
  const caFile = join(dir, "ca.pem");
  const caKey = join(dir, "ca.key");
  await newKey(caKey);
  await openssl(
    ["req", "-x509", "-new", "-key", caKey, "-out", caFile, "-days", String(VALID_DAYS)],
    ["-subj", `/CN=${commonName}`],
    ["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  );
  return { caFile, issue: (options) => issue(dir, { caFile, caKey }, options) };
}

async function issue(
  dir: string,
  ca: { readonly caFile: string; readonly caKey: string },
  options: CertificateOptions,
): Promise<Certificate> {
  const own = join(dir, options.name);
  await mkdir(own);
  const keyFile = join(own, "key.pem");
  const certFile = join(own, "cert.pem");
  const pemFile = join(own, "both.pem");
  const request = join(own, "request.pem");
  const config = join(own, "openssl.cnf");
  await Bun.write(config, caConfig(own, options));
  await Bun.write(join(own, "index.txt"), "");
  await newKey(keyFile);
  await openssl(
    ["req", "-new", "-key", keyFile, "-out", request],
    ["-subj", `/CN=${options.commonName}`],
  );
  const now = Date.now();
  const from = now - (options.expired ? 10 : 1) * DAY_MS;
  const to = options.expired ? now - DAY_MS : now + VALID_DAYS * DAY_MS;
  // `openssl ca`, not `x509 -days`: only this form accepts a date in the past in every version.
  await openssl(
    ["ca", "-batch", "-notext", "-config", config, "-in", request, "-out", certFile],
    ["-cert", ca.caFile, "-keyfile", ca.caKey],
    ["-startdate", asn1Time(from), "-enddate", asn1Time(to)],
  );
  const both = (await Bun.file(keyFile).text()) + (await Bun.file(certFile).text());
  await Bun.write(pemFile, both);
  await chmod(pemFile, 0o600);
  const storeFile = join(own, "store.p12");
  await openssl(
    ["pkcs12", "-export", "-in", certFile, "-inkey", keyFile, "-out", storeFile],
    ["-name", options.name, "-passout", `pass:${STORE_PASSWORD}`],
  );
  return { certFile, keyFile, pemFile, storeFile };
}

function caConfig(dir: string, { usage, subjectAltNames = [] }: CertificateOptions): string {
  return [
    "[ca]",
    "default_ca = bed",
    "[bed]",
    `database = ${join(dir, "index.txt")}`,
    `new_certs_dir = ${dir}`,
    "rand_serial = yes",
    "default_md = sha256",
    "policy = any",
    "x509_extensions = leaf",
    "[any]",
    "commonName = supplied",
    "[leaf]",
    "basicConstraints = critical,CA:FALSE",
    "keyUsage = critical,digitalSignature",
    `extendedKeyUsage = ${usage}Auth`,
    ...(subjectAltNames.length === 0 ? [] : [`subjectAltName = ${subjectAltNames.join(",")}`]),
    "",
  ].join("\n");
}

/** `YYYYMMDDHHMMSSZ` */
function asn1Time(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
}

async function newKey(file: string): Promise<void> {
  await openssl(
    ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ["-out", file],
  );
  await chmod(file, 0o600);
}

async function openssl(...parts: readonly (readonly string[])[]): Promise<void> {
  const args = parts.flat();
  const child = Bun.spawn(["openssl", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`openssl ${args[0]} failed with ${code}: ${out}${err}`.trim());
}
