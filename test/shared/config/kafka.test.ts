/** The Kafka variables: the rules across them, and what the door is given. */
import { describe, expect, test } from "bun:test";
import { CONNECTION_CHECKS, KAFKA_TABLE, kafkaSettings } from "../../../shared/config/kafka.ts";
import { parseEnvironment, problemText } from "../../../shared/config/table.ts";
import { fixedHost } from "./fixed-host.ts";

const pem = (kind: string) => `-----BEGIN ${kind}-----\nAAAA\n-----END ${kind}-----\n`;
const host = fixedHost({
  "/password": "from a file\n",
  "/ca": `# ours\n${pem("CERTIFICATE")}${pem("CERTIFICATE")}`,
  "/c": pem("CERTIFICATE"),
  "/k": pem("EC PRIVATE KEY"),
  "/cut": "-----BEGIN CERTIFICATE-----\nAAAA\n",
  "/empty": "",
});
const read = (environment: Record<string, string>) =>
  parseEnvironment(KAFKA_TABLE, CONNECTION_CHECKS, environment, host);

describe("the Kafka variables", () => {
  const SASL = { SASL_ENABLED: "true", SASL_USERNAME: "u", SASL_PASSWORD: "p" };
  const wrong: readonly [Record<string, string>, string][] = [
    [{ ...SASL, SASL_USERNAME: "" }, "SASL_USERNAME: is required when SASL_ENABLED"],
    [{ ...SASL, SASL_PASSWORD: "" }, "SASL_PASSWORD: is required when SASL_ENABLED"],
    [
      { ...SASL, SASL_MECHANISM: "GSSAPI" },
      'SASL_MECHANISM="GSSAPI": unsupported SASL mechanism: GSSAPI (supported: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)',
    ],
    [{ TLS_CERT_FILE: "/c" }, "TLS_KEY_FILE: is required when TLS_CERT_FILE is set"],
    [{ TLS_KEY_FILE: "/k" }, "TLS_CERT_FILE: is required when TLS_KEY_FILE is set"],
    [
      { KAFKA_BROKERS: "a:9092,b:x" },
      'KAFKA_BROKERS="a:9092,b:x": has an entry that is no host:port (allowed: host:port, an IPv6 host in brackets; several separated by commas)',
    ],
  ];
  test.each(["::1", "kafka:9092,fd00::1", "fd00::1:9092"])(
    "IPv6 without brackets (%s) is refused: what of it is the port?",
    (brokers) => {
      const config = read({ KAFKA_BROKERS: brokers });
      const [line = ""] = config.ok ? [] : config.error.map(problemText);
      expect(line).toContain("write [::1]:9092");
    },
  );
  test("IPv6 in brackets is taken, with a port and without", () => {
    const config = read({ KAFKA_BROKERS: "[::1]:19092, [fd00::1]" });
    expect(config.ok && kafkaSettings(config.value, "us").brokers).toEqual([
      "[::1]:19092",
      "[fd00::1]",
    ]);
  });
  test.each(wrong)("%p is refused", (environment, message) => {
    const config = read(environment);
    expect(config.ok ? [] : config.error.map(problemText)).toEqual([message]);
  });
  test("a reference that nobody resolved is refused, whoever wrote it, and not shown", () => {
    const config = read({ ...SASL, SASL_PASSWORD: "cpln://secret/kafka.admin" });
    const [line = ""] = config.ok ? [] : config.error.map(problemText);
    expect(line).toMatch(
      /^SASL_PASSWORD: still begins with cpln:\/\/secret\/: Control Plane resolves/u,
    );
    expect(line).not.toContain("kafka.admin");
  });
  test.each(["scram-sha-512", "Scram-Sha-512", "SCRAM-SHA-512"])("%s is SCRAM-SHA-512", (name) => {
    const config = read({ ...SASL, SASL_MECHANISM: name });
    const sasl = config.ok ? kafkaSettings(config.value, "us").sasl : undefined;
    expect(sasl?.mechanism).toBe("SCRAM-SHA-512");
  });
  test.each([{ SASL_MECHANISM: "GSSAPI" }, { SASL_PASSWORD: "cpln://secret/kafka.admin" }])(
    "%p is not judged while SASL is off",
    (environment) => {
      for (const more of [{}, { SASL_ENABLED: "false" }]) {
        const config = read({ ...environment, ...more });
        expect(config.ok && kafkaSettings(config.value, "us").sasl).toBeUndefined();
      }
    },
  );
  test.each([
    ["WARNING", "warn"],
    ["trace", "debug"],
    ["Error", "error"],
    ["INFO+2", "warn"],
    ["warn-4", "info"],
    ["DEBUG-4", "debug"],
    ["ERROR+8", "error"],
  ])("LOG_LEVEL=%s is %s", (level, want) => {
    const config = read({ LOG_LEVEL: level });
    expect<unknown>(config.ok && config.value.logLevel).toBe(want);
  });
  test("the log is JSON, but text on a terminal", () => {
    const onTerminal = parseEnvironment(KAFKA_TABLE, [], {}, fixedHost({}, { terminal: true }));
    expect(onTerminal.ok && onTerminal.value.logFormat).toBe("text");
    const piped = read({});
    expect(piped.ok && piped.value.logFormat).toBe("json");
  });
});

describe("the TLS files", () => {
  const problems = (environment: Record<string, string>) => {
    const config = read(environment);
    return config.ok ? [] : config.error.map(problemText);
  };
  test("that cannot be read or hold no PEM are named, with all else that is wrong", () => {
    const wrong = {
      KAFKA_BROKERS: "a:x",
      TLS_CA_FILE: "/gone",
      TLS_CERT_FILE: "/k",
      TLS_KEY_FILE: "/c",
    };
    const [brokers, ...files] = problems(wrong);
    expect(brokers).toStartWith("KAFKA_BROKERS=");
    expect(files).toEqual([
      'TLS_CA_FILE="/gone": the file /gone cannot be read',
      'TLS_CERT_FILE="/k": the file has no certificate in PEM',
      'TLS_KEY_FILE="/c": the file has no private key in PEM',
    ]);
  });
  test.each(["/cut", "/empty", "/password", "/k"])("%s holds no authority", (file) => {
    expect(problems({ TLS_CA_FILE: file })).toHaveLength(1);
  });
  test.each(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"])("a key may be a %s", (kind) => {
    const files = fixedHost({ "/c": pem("CERTIFICATE"), "/k": pem("EC PARAMETERS") + pem(kind) });
    const given = { TLS_CERT_FILE: "/c", TLS_KEY_FILE: "/k" };
    expect(parseEnvironment(KAFKA_TABLE, CONNECTION_CHECKS, given, files).ok).toBe(true);
  });
  test("are not read when TLS is switched off", () => {
    expect(problems({ TLS_CA_FILE: "/gone", TLS_ENABLED: "false" })).toEqual([]);
  });
  test("are judged also when TLS_ENABLED is wrong", () => {
    expect(problems({ TLS_CA_FILE: "/gone", TLS_ENABLED: "maybe" })).toHaveLength(2);
  });
});

describe("kafkaSettings()", () => {
  const settings = (environment: Record<string, string>) => {
    const config = read(environment);
    if (!config.ok) throw new Error(config.error.map(problemText).join("\n"));
    return kafkaSettings(config.value, "me");
  };
  test("is the seed's default", () => {
    expect(settings({})).toEqual({ clientId: "me", brokers: ["kafka:9092"] });
  });
  test("splits and trims the brokers", () => {
    expect(settings({ KAFKA_BROKERS: "a:1, b ,,[::1]:3" }).brokers).toEqual([
      "a:1",
      "b",
      "[::1]:3",
    ]);
  });
  test("asks for the password at each use", () => {
    const { sasl } = settings({
      SASL_ENABLED: "1",
      SASL_MECHANISM: "SCRAM-SHA-512",
      SASL_USERNAME: "u",
      SASL_PASSWORD_FILE: "/password",
    });
    expect([sasl?.mechanism, sasl?.username]).toEqual(["SCRAM-SHA-512", "u"]);
    expect(sasl?.password()).toBe("from a file");
  });
  test("speaks TLS when told to, or when a TLS file is given", () => {
    expect(settings({ TLS_ENABLED: "true" }).tls).toEqual({});
    const files = { TLS_CA_FILE: "/ca", TLS_CERT_FILE: "/c", TLS_KEY_FILE: "/k" };
    const tls = { caFile: "/ca", certFile: "/c", keyFile: "/k", serverName: "n" };
    expect(settings({ ...files, TLS_SERVER_NAME: "n" }).tls).toEqual(tls);
    expect(settings({ ...files, TLS_ENABLED: "false" }).tls).toBeUndefined();
  });
});
