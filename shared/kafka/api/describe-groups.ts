/** DescribeGroups (API 15, versions 0 to 4): the members of a group. */
import type { KafkaRequest } from "./request.ts";

export type GroupMember = {
  readonly memberId: string;
  /** The client's own name, such as its `client.id`. */
  readonly clientId: string;
  /** Its address, as the broker sees it. */
  readonly host: string;
};

export type DescribedGroup = {
  readonly errorCode: number;
  /** `Dead` if there is no such group. */
  readonly state: string;
  readonly members: readonly GroupMember[];
};

export function describeGroupRequest(groupId: string): KafkaRequest<DescribedGroup> {
  return {
    apiKey: 15,
    apiName: "DescribeGroups",
    versions: { min: 0, max: 4 },
    throttle: { at: "start", from: 2 },
    encode: (writer, version) => {
      writer.array([groupId], (item, id) => item.string(id));
      if (version >= 3) writer.boolean(false);
    },
    decode: (reader, version) => {
      if (version >= 1) reader.int32();
      const [group] = reader.array((row) => {
        const errorCode = row.int16();
        row.string();
        const state = row.string();
        row.string();
        row.string();
        const members = row.array((member) => {
          const memberId = member.string();
          if (version >= 4) member.nullableString();
          const clientId = member.string();
          const host = member.string();
          member.nullableBytes();
          member.nullableBytes();
          return { memberId, clientId, host };
        });
        if (version >= 3) row.int32();
        return { errorCode, state, members };
      });
      if (group === undefined) throw new RangeError("DescribeGroups answered without our group");
      return group;
    },
  };
}
