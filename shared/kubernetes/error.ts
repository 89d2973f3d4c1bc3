/**
 * Errors of the API server, or of the way to it. This is the one place that decides what they mean; callers
 * look only at `code` and `retry`.
 */
import * as v from "valibot";

export type KubernetesError = {
  readonly code: /** No valid credentials. */
    | "unauthorized"
    /** A permission is missing; the detail names verb, resource, namespace and who lacks it. */
    | "forbidden"
    /** Admission refused it: a quota, Pod Security, a webhook. */
    | "refused"
    /** The object is invalid. */
    | "invalid"
    | "not-found"
    | "already-exists"
    /** The object is not the one that the caller expected: another uid, somebody else's field. */
    | "conflict"
    /** The server has forgotten that version: list again. */
    | "expired"
    | "unavailable"
    | "timeout";
  readonly retry: "transient" | "terminal";
  /** One sentence: what was tried, what happened, what to do. */
  readonly detail: string;
};

/** The request in the form of a permission: `create jobs.batch` in a namespace. */
export type Asked = {
  readonly verb: string;
  /** With its group: `jobs.batch`, `pods`. */
  readonly resource: string;
  /** Undefined for a cluster-wide resource, or all namespaces. */
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

/** Reads a body or an ERROR event; if it is no Status, its beginning is the message. */
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

/** @param httpStatus not a 2xx; for an ERROR event, the code of its Status. */
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

/** Undefined when no permission is missing, but admission refused the object. */
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

/** A quota may have room again later; what a policy forbids it will forbid again. */
const retryOfRefusal = (message: string): KubernetesError["retry"] =>
  message.includes("exceeded quota") ? "transient" : "terminal";

/** No answer: the network, TLS, a credential that could not be read, or a timeout. */
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
