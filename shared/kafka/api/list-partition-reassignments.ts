/**
 * ListPartitionReassignments (API 46, version 0: KIP-455). A broker forwards it to the active controller;
 * with ZooKeeper only the controller answers, and the others say 41 NOT_CONTROLLER.
 */

import type { KafkaRequest } from "./request.ts";

export type Reassignment = {
  readonly topic: string;
  readonly partition: number;
  /**
   * Replicas that are being added: they are among the partition's replicas, but not in its ISR until they
   * have caught up.
   */
  readonly adding: readonly number[];
};

export type Reassignments = {
  /** 0, or such as 31 CLUSTER_AUTHORIZATION_FAILED, 41 NOT_CONTROLLER: then `rows` is meaningless. */
  readonly errorCode: number;
  readonly message: string | null;
  readonly rows: readonly Reassignment[];
};

/** How long the controller may take. */
const TIMEOUT_MS = 5000;
const ALL = 0;

/** For all topics. Needs DESCRIBE on the cluster. */
export function reassignmentsRequest(): KafkaRequest<Reassignments> {
  return {
    apiKey: 46,
    apiName: "ListPartitionReassignments",
    versions: { min: 0, max: 0 },
    flexibleFrom: 0,
    throttle: { at: "start", from: 0 },
    encode: (writer) => {
      writer.int32(TIMEOUT_MS).uvarint(ALL).noTags();
    },
    decode: (reader) => {
      reader.int32();
      const errorCode = reader.int16();
      const message = reader.compactNullableString();
      const rows = reader.compactArray((topic) => {
        const name = topic.compactString();
        const partitions = topic.compactArray((row) => {
          const partition = row.int32();
          row.compactArray((replica) => replica.int32());
          const adding = row.compactArray((replica) => replica.int32());
          row.compactArray((replica) => replica.int32());
          row.tags();
          return { topic: name, partition, adding };
        });
        topic.tags();
        return partitions;
      });
      return { errorCode, message, rows: rows.flat() };
    },
  };
}
