/** What the parts of the docker runtime share: the engine, and what only memory knows. */
import type { Log } from "../../../../shared/log.ts";
import type { Worker } from "../runtime.ts";
import type { ContainerSettings } from "./container.ts";
import type { Engine, Inspected } from "./engine.ts";

export type DockerContext = {
  readonly engine: Engine;
  readonly settings: ContainerSettings;
  readonly graceSeconds: number;
  readonly confirmMs: number;
  /** May containers of the original be taken over? */
  readonly takeOver: boolean;
  readonly log: Log;
  /** Monotonic time in ms. */
  readonly monotonicMs: () => number;
  readonly random: () => number;
  /** Containers of ours between their creation and their start, by id. */
  readonly starting: Set<string>;
  /** Containers that a stop of ours is under way for, by id. */
  readonly stopping: Set<string>;
  /** Since when a container has been created and not started by anybody, by id. */
  readonly createdSince: Map<string, number>;
  /** Containers that an event called dead. The engine lists them as running for a moment more. */
  readonly died: Set<string>;
  /** How containers ended that no listing can tell by itself, by id. */
  readonly exits: Map<string, NonNullable<Worker["exit"]>>;
  /** What is known of unlabelled containers; all but the name does not change. By id. */
  readonly strangers: Map<string, Inspected>;
};
