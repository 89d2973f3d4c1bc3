/** What the parts of the docker runtime share: the engine, and state that is only in memory. */
import type { Clock } from "../../../../shared/clock.ts";
import type { Log } from "../../../../shared/log.ts";
import type { Worker } from "../runtime.ts";
import type { ContainerSettings } from "./container.ts";
import type { Engine, Inspected } from "./engine.ts";

export type DockerContext = {
  readonly engine: Engine;
  readonly settings: ContainerSettings;
  readonly graceSeconds: number;
  readonly confirmMs: number;
  /** Whether containers of the original may be taken over. */
  readonly takeOver: boolean;
  readonly log: Log;
  readonly clock: Clock;
  /** Containers of ours between their creation and their start, by id. */
  readonly starting: Set<string>;
  /** Containers that we are stopping, by id. */
  readonly stopping: Set<string>;
  /** Since when a created container has not been started, by id. */
  readonly createdSince: Map<string, number>;
  /** Containers that died according to an event. The engine may still list them as running for a short time. */
  readonly died: Set<string>;
  /** How containers ended, where a listing alone does not show it, by id. */
  readonly exits: Map<string, NonNullable<Worker["exit"]>>;
  /** What is known about unlabelled containers, by id; only their names can change. */
  readonly strangers: Map<string, Inspected>;
};
