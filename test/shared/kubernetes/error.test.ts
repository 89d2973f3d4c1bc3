import { describe, expect, test } from "bun:test";
import { readStatus, statusError, transportError } from "../../../shared/kubernetes/error.ts";

const ASKED = { verb: "create", resource: "jobs.batch", namespace: "workers", name: "a" } as const;
/** As an API server 1.34 words it. */
const DENIED =
  'jobs.batch is forbidden: User "system:serviceaccount:outrider:control-plane" cannot create resource "jobs" in API group "batch" in the namespace "workers"';
const QUOTA =
  'pods "a" is forbidden: exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1';
const POLICY =
  'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true';

describe("statusError()", () => {
  test.each([
    [400, "", "", "invalid", "terminal"],
    [401, "Unauthorized", "", "unauthorized", "transient"],
    [403, DENIED, "Forbidden", "forbidden", "terminal"],
    [403, QUOTA, "Forbidden", "refused", "transient"],
    [403, POLICY, "Forbidden", "refused", "terminal"],
    [404, 'namespaces "workers" not found', "NotFound", "not-found", "terminal"],
    [409, 'jobs.batch "a" already exists', "AlreadyExists", "already-exists", "transient"],
    [409, "Precondition failed: UID in precondition", "Conflict", "conflict", "transient"],
    [410, "too old resource version", "Expired", "expired", "transient"],
    [422, "Job.batch is invalid", "Invalid", "invalid", "terminal"],
    [429, "too many requests", "TooManyRequests", "unavailable", "transient"],
    [500, "etcdserver: leader changed", "InternalError", "unavailable", "transient"],
    [503, "", "", "unavailable", "transient"],
  ] as const)("takes %p %p %p for %s, %s", (httpStatus, message, reason, code, retry) => {
    expect(statusError(ASKED, httpStatus, { message, reason })).toMatchObject({ code, retry });
  });
  test("names the missing permission and the ServiceAccount that lacks it", () => {
    expect(statusError(ASKED, 403, { message: DENIED, reason: "Forbidden" }).detail).toBe(
      "ServiceAccount outrider/control-plane may not create jobs.batch in namespace workers: grant the verb by a Role",
    );
  });
  test("says a message of any length in so many characters", () => {
    const message = "x".repeat(100_000);
    expect(statusError(ASKED, 500, { message, reason: "" }).detail.length).toBeLessThan(1_000);
  });
});

describe("readStatus()", () => {
  test.each([
    [{ message: "no", reason: "Forbidden", code: 403 }, "no"],
    ["upstream connect error", "upstream connect error"],
    [undefined, ""],
  ] as const)("reads %p", (body, message) => {
    expect(readStatus(body).message).toBe(message);
  });
});

describe("transportError()", () => {
  test("tells a lapsed time from a way that is closed", () => {
    const late = new DOMException("The operation timed out.", "TimeoutError");
    expect(transportError(ASKED, "https://k", late).code).toBe("timeout");
    expect(transportError(ASKED, "https://k", new Error("ECONNREFUSED")).code).toBe("unavailable");
  });
});
