/**
 * What Kafka permits us to do, without trying it: the bits of KIP-430, one per operation, at the position
 * of its code in org.apache.kafka.common.acl.AclOperation. Without an authorizer all bits are set.
 */
import type { KafkaRequest } from "./request.ts";

const CODES = {
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  CLUSTER_ACTION: 9,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
} as const;

export type Operation = keyof typeof CODES;

/** Those of `wanted` that the bits do not allow, in the same order. */
export const missingOperations = (
  bits: number,
  wanted: readonly Operation[],
): readonly Operation[] => wanted.filter((operation) => (bits & (2 ** CODES[operation])) === 0);

type Allowed = {
  readonly errorCode: number;
  readonly message: string | null;
  readonly operations: number;
};

/** DescribeCluster (API 60, version 0): what we may do to the cluster as a whole. */
export function clusterOperationsRequest(): KafkaRequest<Allowed> {
  return {
    apiKey: 60,
    apiName: "DescribeCluster",
    versions: { min: 0, max: 0 },
    flexibleFrom: 0,
    throttle: { at: "start", from: 0 },
    encode: (writer) => writer.boolean(true).noTags(),
    decode: (reader) => {
      reader.int32();
      const errorCode = reader.int16();
      const message = reader.compactNullableString();
      reader.compactString();
      reader.int32();
      reader.compactArray((broker) => {
        broker.int32();
        broker.compactString();
        broker.int32();
        broker.compactNullableString();
        broker.tags();
      });
      return { errorCode, message, operations: reader.int32() };
    },
  };
}

/** DescribeGroups (API 15, version 3), for the group's coordinator; a missing group is no error. */
export function groupOperationsRequest(
  groupId: string,
): KafkaRequest<Allowed & { readonly members: number }> {
  return {
    apiKey: 15,
    apiName: "DescribeGroups",
    versions: { min: 3, max: 3 },
    throttle: { at: "start", from: 2 },
    encode: (writer) => {
      writer.array([groupId], (item, id) => item.string(id));
      writer.boolean(true);
    },
    decode: (reader) => {
      reader.int32();
      const [group] = reader.array((row) => {
        const errorCode = row.int16();
        for (let field = 0; field < 4; field += 1) row.string();
        const members = row.array((member) => {
          for (let field = 0; field < 3; field += 1) member.string();
          member.nullableBytes();
          member.nullableBytes();
        });
        const operations = row.int32();
        return { errorCode, message: null, members: members.length, operations };
      });
      if (group === undefined) throw new RangeError("DescribeGroups answered about no group");
      return group;
    },
  };
}
