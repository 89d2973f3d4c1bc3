/**
 * What the API server, or the way to it, answered instead of what was asked. One place decides what it
 * means; callers look at `code` and `retry` alone.
 */
import * as v from "valibot";

export type KubernetesError = {
  readonly code: /** No valid credentials. */
    | "unauthorized"
    /** A permission is missing; the detail names verb, resource, namespace and who lacks it. */
    | "forbidden"
    /** Admission said no: a quota, Pod Security, a webhook. */
    | "refused"
    /** The object is no valid one. */
    | "invalid"
    | "not-found"
    | "already-exists"
    /** It is not what the caller took it for: another uid, somebody else's field. */
    | "conflict"
    /** That history is forgotten: list again. */
    | "expired"
    | "unavailable"
    | "timeout";
  readonly retry: "transient" | "terminal";
  /** One sentence: what was tried, what came of it, what to do. */
  readonly detail: string;
};

/** What was asked for, as permissions are written: `create jobs.batch` in a namespace. */
export type Asked = {
  readonly verb: string;
  /** With its group: `jobs.batch`, `pods`. */
  readonly resource: string;
  /** Undefined for what lies in no namespace, or in all. */
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
};

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
const ApiStatus = v.object({
  message: v.optional(v.string(), ""),
  reason: v.optional(v.string(), ""),
  code: v.optional(v.number()),
});
export type ApiStatus = v.InferOutput<typeof ApiStatus>;

const MESSAGE_CHARS_MAX = 600;
const DENIED = /User "(?<user>[^"]+)" cannot (?<verb>\S+) resource "(?<resource>[^"]+)"/u;
const SERVICE_ACCOUNT = /^system:serviceaccount:(?<namespace>[^:]+):(?<name>.+)$/u;

/** Of a body or an ERROR event; what is no Status gives its beginning as the message. */
export function readStatus(value: unknown): ApiStatus {
  const read = v.safeParse(ApiStatus, value);
  if (read.success) return read.output;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return { message: (text ?? "").slice(0, MESSAGE_CHARS_MAX), reason: "" };
}

function askedText({ verb, resource, namespace, name }: Asked): string {
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  return `${verb} ${resource}${name === undefined ? "" : ` ${name}`}${where}`;
}

/** @param httpStatus not a 2xx; of an ERROR event, the status's own code. */
export function statusError(asked: Asked, httpStatus: number, status: ApiStatus): KubernetesError {
  const message = status.message.slice(0, MESSAGE_CHARS_MAX) || `HTTP ${httpStatus}`;
  const failed = (
    code: KubernetesError["code"],
    retry: KubernetesError["retry"],
    hint = "",
  ): KubernetesError => ({
    code,
    retry,
    detail: `${askedText(asked)}: ${message}${hint === "" ? "" : `; ${hint}`}`,
  });
  switch (httpStatus) {
    case 400:
    case 422:
      return failed("invalid", "terminal");
    case 401:
      return failed("unauthorized", "transient", "look at the token or certificate of KUBECONFIG");
    case 403:
      return forbidden(asked, message) ?? failed("refused", retryOfRefusal(message));
    case 404:
      return failed("not-found", "terminal");
    case 409:
      return status.reason === "AlreadyExists"
        ? failed("already-exists", "transient")
        : failed("conflict", "transient");
    case 410:
      return failed("expired", "transient");
    default:
      return httpStatus === 429 || httpStatus >= 500
        ? failed("unavailable", "transient", "tried again later")
        : failed("invalid", "terminal");
  }
}

/** Undefined when it is no missing permission, but what admission thinks of the object. */
function forbidden(asked: Asked, message: string): KubernetesError | undefined {
  const user = DENIED.exec(message)?.groups?.["user"];
  if (user === undefined) return undefined;
  const account = SERVICE_ACCOUNT.exec(user)?.groups;
  const who =
    account === undefined
      ? `user ${user}`
      : `ServiceAccount ${account["namespace"]}/${account["name"]}`;
  const { verb, resource, namespace } = asked;
  const role = namespace === undefined ? "ClusterRole" : "Role";
  const detail = `${who} may not ${askedText({ verb, resource, namespace })}: grant the verb by a ${role}`;
  return { code: "forbidden", retry: "terminal", detail };
}

/** Room in a quota comes back by itself; what a policy forbids it will forbid again. */
const retryOfRefusal = (message: string): KubernetesError["retry"] =>
  message.includes("exceeded quota") ? "transient" : "terminal";

/** No answer: the network, TLS, a credential that could not be read, or the time. */
export function transportError(asked: Asked, server: string, cause: unknown): KubernetesError {
  const name = cause instanceof Error ? cause.name : "";
  if (name === "TimeoutError" || name === "AbortError") {
    const detail = `${askedText(asked)}: ${server} did not answer in time; tried again later`;
    return { code: "timeout", retry: "transient", detail };
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  const detail = `${askedText(asked)}: ${server} cannot be asked: ${reason}`;
  return { code: "unavailable", retry: "transient", detail };
}
