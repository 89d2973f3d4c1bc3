import { describe, expect, test } from "bun:test";
import { DeadlineExceeded } from "../../../shared/deadline.ts";
import { postgresErrorOf } from "../../../shared/postgres/error.ts";

const server = (errno: string, message = "said") =>
  Object.assign(new Error(message), { code: "ERR_POSTGRES_SERVER_ERROR", errno });
const coded = (code: string, message = "said") => Object.assign(new Error(message), { code });

describe("postgresErrorOf()", () => {
  test.each([
    ["a bad value", server("22P02"), "data", "terminal"],
    ["a broken constraint", server("23505"), "data", "terminal"],
    ["a deadlock", server("40P01"), "conflict", "transient"],
    ["a shutdown", server("57P01"), "unreachable", "transient"],
    ["a start", server("57P03"), "unreachable", "transient"],
    ["a statement that took too long", server("57014"), "timeout", "transient"],
    ["a transaction that idled", server("25P03"), "timeout", "transient"],
    ["a full disk", server("53100"), "full", "transient"],
    ["too many connections", server("53300"), "busy", "transient"],
    ["a lock that was not had", server("55P03"), "busy", "transient"],
    ["a replica", server("25006"), "read-only", "transient"],
    ["a wrong password", server("28P01"), "authentication", "terminal"],
    ["no database", server("3D000"), "missing", "terminal"],
    ["no table", server("42P01"), "missing", "terminal"],
    ["no permission", server("42501"), "authorization", "terminal"],
    ["a wrong statement", server("42601"), "refused", "terminal"],
    ["a code of a later server", server("ZZ123"), "server", "transient"],
    ["a refused connection", coded("ERR_POSTGRES_CONNECTION_REFUSED"), "unreachable", "transient"],
    ["a closed connection", coded("ERR_POSTGRES_CONNECTION_CLOSED"), "unreachable", "transient"],
    ["a strange certificate", coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE"), "tls", "terminal"],
    ["a server without TLS", coded("ERR_POSTGRES_TLS_NOT_AVAILABLE"), "tls", "terminal"],
    ["silence", new DeadlineExceeded("x", 9), "timeout", "transient"],
  ])("%s", (_what, cause, code, retry) => {
    const error = postgresErrorOf(cause, "try it");
    expect<unknown>([error?.code, error?.retry]).toEqual([code, retry]);
    expect(error?.detail).toStartWith("try it: ");
  });

  test("quotes no refused value, and says what else the server said", () => {
    const message = 'invalid input syntax for type integer: "s3cr3t"';
    expect(postgresErrorOf(server("22P02", message), "try it")?.detail).not.toContain("s3cr3t");
    expect(postgresErrorOf(server("42601", "near x"), "try it")?.detail).toContain(
      "near x (42601)",
    );
  });

  test("knows nothing of a defect of ours", () => {
    expect(postgresErrorOf(new TypeError("x is undefined"), "try it")).toBeUndefined();
  });
});
