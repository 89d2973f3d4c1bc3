/**
 * The Kubernetes API: @kubernetes/client-node's typed calls over our own transport, and our own watch.
 * Every call has a deadline and returns a value. Why: docs/decision/0014-kubernetes-door.md.
 */

import {
  ApiException,
  BatchV1Api,
  type Configuration,
  CoreV1Api,
  createConfiguration,
  PatchStrategy,
  type RequestContext,
  ResponseContext,
  ServerConfiguration,
  setHeaderOptions,
  type V1JobSpec,
  type V1Secret,
  wrapHttpLibrary,
} from "@kubernetes/client-node";
import * as v from "valibot";
import { parseJsonText } from "../json.ts";
import { err, ok, type Result } from "../result.ts";
import type { Credentials } from "./credentials.ts";
import {
  type Asked,
  type KubernetesError,
  readStatus,
  statusError,
  transportError,
} from "./error.ts";
import { type Informer, type InformerOptions, openInformer } from "./informer.ts";
import { CLUSTER_NAMESPACE, namespaceUid } from "./namespace-uid.ts";
import { openTransport, type Transport } from "./transport.ts";

const CALL_MS_MAX = 10_000;
/** The API does not return the newest first, so this many events are read in all. */
const EVENTS_MAX = 100;

export type Answer<T> = Promise<Result<T, KubernetesError>>;
export type KubernetesEvent = { readonly reason: string; readonly message: string };

/** Some fields of a Job, which the field manager that applies them owns from then on. */
export type JobFields = {
  readonly apiVersion: "batch/v1";
  readonly kind: "Job";
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Partial<V1JobSpec>;
};

/** An object that is created as it is, with fields that the package's types do not know yet. */
export type NamedObject = { readonly metadata?: { readonly name?: string } };

export type Kubernetes = {
  readonly server: string;
  /** Our own namespace. */
  readonly namespace: string;
  /** The uid of kube-system, which is the cluster's identity. Needs `get` on that one namespace. */
  readonly clusterUid: (signal: AbortSignal) => Answer<string>;
  /** Fails with `already-exists` if the name is taken. Returns the uid. */
  readonly createJob: (namespace: string, job: NamedObject, signal: AbortSignal) => Answer<string>;
  /** A dry run of the creation. Unknown fields are `invalid`, and nothing is created. */
  readonly tryJob: (namespace: string, job: NamedObject, signal: AbortSignal) => Answer<null>;
  /** Server-side apply by our field manager; the uid is a precondition. */
  readonly applyJob: (namespace: string, job: JobFields, signal: AbortSignal) => Answer<null>;
  /** Deletes only the Job with that uid; another one of that name is a `conflict`. */
  readonly deleteJob: (
    job: { readonly namespace: string; readonly name: string; readonly uid: string },
    propagation: "Foreground" | "Background",
    signal: AbortSignal,
  ) => Answer<null>;
  readonly createSecret: (namespace: string, secret: V1Secret, signal: AbortSignal) => Answer<null>;
  /** Recent events about one object. */
  readonly eventsOf: (
    namespace: string,
    uid: string,
    signal: AbortSignal,
  ) => Answer<readonly KubernetesEvent[]>;
  readonly informer: <T>(options: Omit<InformerOptions<T>, "transport">) => Informer<T>;
};

export type KubernetesOptions = {
  readonly credentials: Credentials;
  /** The field manager of server-side apply and of created objects. */
  readonly fieldManager: string;
  /** `program/version`. */
  readonly userAgent: string;
};

export function openKubernetes(options: KubernetesOptions): Kubernetes {
  const { credentials, fieldManager } = options;
  const transport = openTransport(credentials, options.userAgent);
  const { server, namespace: own } = credentials;
  return {
    server,
    namespace: own,
    clusterUid: (signal) => namespaceUid(transport, CLUSTER_NAMESPACE, signal),
    createJob: async (namespace, body, signal) => {
      const made = await postJob(transport, { namespace, body, query: { fieldManager } }, signal);
      return made.ok ? ok(readUid(made.value)) : made;
    },
    tryJob: async (namespace, body, signal) => {
      const query = { fieldManager, dryRun: "All", fieldValidation: "Strict" };
      return await done(postJob(transport, { namespace, body, query }, signal));
    },
    applyJob: async (namespace, body, signal) => {
      const { name } = body.metadata;
      const asked = askedJob("patch", namespace, name);
      const how = setHeaderOptions("Content-Type", PatchStrategy.ServerSideApply);
      return await done(
        call(transport, asked, signal, (configuration) =>
          new BatchV1Api(configuration).patchNamespacedJob(
            { name, namespace, body, fieldManager, force: true },
            how,
          ),
        ),
      );
    },
    deleteJob: async ({ namespace, name, uid }, propagationPolicy, signal) => {
      const body = { preconditions: { uid }, propagationPolicy };
      return await done(
        call(transport, askedJob("delete", namespace, name), signal, (configuration) =>
          new BatchV1Api(configuration).deleteNamespacedJob({ name, namespace, body }),
        ),
      );
    },
    createSecret: async (namespace, body, signal) => {
      const asked = { verb: "create", resource: "secrets", namespace, name: body.metadata?.name };
      return await done(
        call(transport, asked, signal, (configuration) =>
          new CoreV1Api(configuration).createNamespacedSecret({ namespace, body, fieldManager }),
        ),
      );
    },
    eventsOf: async (namespace, uid, signal) => {
      const asked = { verb: "list", resource: "events", namespace };
      const fieldSelector = `involvedObject.uid=${uid}`;
      const listed = await call(transport, asked, signal, (configuration) =>
        new CoreV1Api(configuration).listNamespacedEvent({
          namespace,
          fieldSelector,
          limit: EVENTS_MAX,
        }),
      );
      if (!listed.ok) return listed;
      return ok(listed.value.items.map(({ reason = "", message = "" }) => ({ reason, message })));
    },
    informer: (more) => openInformer({ ...more, transport }),
  };
}

const askedJob = (verb: string, namespace: string, name: string | undefined): Asked => ({
  verb,
  resource: "jobs.batch",
  namespace,
  name,
});

const Created = v.object({ metadata: v.object({ uid: v.optional(v.string(), "") }) });
const readUid = (value: unknown): string => {
  const read = v.safeParse(Created, value);
  return read.success ? read.output.metadata.uid : "";
};

type Post = {
  readonly namespace: string;
  readonly body: NamedObject;
  readonly query: Readonly<Record<string, string>>;
};

/** Sent as JSON: the package would drop fields that it does not know, and the server must see them. */
async function postJob(
  transport: Transport,
  { namespace, body, query }: Post,
  signal: AbortSignal,
): Answer<unknown> {
  const asked = askedJob("create", namespace, body.metadata?.name);
  const path = `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs`;
  try {
    const response = await transport.send({
      method: "POST",
      path: `${path}?${new URLSearchParams(query)}`,
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX)]),
    });
    const read = bodyOf(await response.text());
    return response.ok ? ok(read) : err(statusError(asked, response.status, readStatus(read)));
  } catch (cause) {
    return err(transportError(asked, transport.server, cause));
  }
}

const done = async (answer: Answer<unknown>): Answer<null> => {
  const result = await answer;
  return result.ok ? ok(null) : result;
};

/** One typed call with a deadline. The package's exceptions become values here. */
async function call<T>(
  transport: Transport,
  asked: Asked,
  signal: AbortSignal,
  run: (configuration: Configuration) => Promise<T>,
): Answer<T> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CALL_MS_MAX)]);
  const configuration = createConfiguration({
    baseServer: new ServerConfiguration(transport.server, {}),
    httpApi: wrapHttpLibrary({ send: (request) => send(transport, request, bounded) }),
  });
  try {
    return ok(await run(configuration));
  } catch (cause) {
    if (!(cause instanceof ApiException))
      return err(transportError(asked, transport.server, cause));
    return err(statusError(asked, cause.code, readStatus(bodyOf(cause.body))));
  }
}

async function send(
  transport: Transport,
  request: RequestContext,
  signal: AbortSignal,
): Promise<ResponseContext> {
  const url = new URL(request.getUrl());
  const body = request.getBody();
  const response = await transport.send({
    method: request.getHttpMethod(),
    path: `${url.pathname}${url.search}`,
    headers: request.getHeaders(),
    signal,
    ...(typeof body === "string" ? { body } : {}),
  });
  // Read here, so that the deadline covers the body, too.
  const bytes = Buffer.from(await response.arrayBuffer());
  return new ResponseContext(response.status, Object.fromEntries(response.headers), {
    text: () => Promise.resolve(bytes.toString("utf8")),
    binary: () => Promise.resolve(bytes),
    stream: () => null,
  });
}

/** The package gives the body of an error either as text or parsed. */
const bodyOf = (body: unknown): unknown =>
  typeof body === "string" ? (parseJsonText(body) ?? body) : body;
