/** Which of several agents collects for a client id. */
import { describe, expect, test } from "bun:test";
import {
  type Claim,
  claimNote,
  isFree,
  isSuperseded,
  nextSeen,
  readClaim,
} from "../../../../agent/collect/send/claim.ts";
import { openClaimKeeper, standBy } from "../../../../agent/collect/send/claim-keeper.ts";
import type { ClaimNotes } from "../../../../agent/collect/send/claim-note.ts";
import { systemClock } from "../../../../shared/clock.ts";
import { openLog } from "../../../../shared/log.ts";
import { err, ok } from "../../../../shared/result.ts";

const claim = (began: number, more: Partial<Claim> = {}): Claim => ({
  ...{ began, topicId: "t-1", life: `${began}`.padStart(16, "0"), turn: 1, state: "collects" },
  ...more,
});
const log = openLog({
  ...{ level: "error", format: "json", secrets: () => [], clock: systemClock },
  write: () => undefined,
});
const { signal } = new AbortController();

describe("readClaim()", () => {
  test("reads what claimNote() wrote, and nothing else", () => {
    for (const state of ["collects", "ended"] as const) {
      const one = claim(7, { state, turn: 12 });
      expect(readClaim(7, claimNote(one))).toEqual(one);
    }
    for (const note of ["", "hello", `${claimNote(claim(7))} more`, "0 1 collects t"]) {
      expect(readClaim(7, note)).toBeUndefined();
    }
  });
});

describe("isSuperseded()", () => {
  const own = claim(10);
  const rows: readonly (readonly [string, Claim | undefined, boolean])[] = [
    ["nobody", undefined, false],
    ["ourselves", claim(10, { turn: 99 }), false],
    ["a later life", claim(11), true],
    ["a later life that has ended", claim(11, { state: "ended" }), true],
    ["an earlier life, whose note crossed ours", claim(9), false],
    ["a life in the topic before it was made again", claim(900, { topicId: "t-0" }), false],
  ];
  test.each(rows)("by %s", (_who, found, want) => expect(isSuperseded(own, found)).toBe(want));
});

describe("isFree()", () => {
  test("when the other has ended, or its turn has not changed for a minute of our time", () => {
    const first = nextSeen(undefined, claim(11), 1000);
    const same = nextSeen(first, claim(11), 40_000);
    expect(isFree(same, 60_999)).toBe(false);
    expect(isFree(same, 61_000)).toBe(true);
    expect(isFree(nextSeen(same, claim(11, { turn: 2 }), 60_000), 61_000)).toBe(false);
    expect(isFree(nextSeen(same, claim(12), 60_000), 61_000)).toBe(false);
    expect(isFree(nextSeen(same, claim(11, { state: "ended", turn: 2 }), 60_000), 60_000)).toBe(
      true,
    );
  });
});

/** Kafka's one place for the note. */
function place(): ClaimNotes & { now: Claim | undefined } {
  const notes: ClaimNotes & { now: Claim | undefined } = {
    now: undefined,
    read: () => Promise.resolve(ok(notes.now)),
    write: (written) => {
      notes.now = written;
      return Promise.resolve(ok(null));
    },
  };
  return notes;
}

describe("openClaimKeeper()", () => {
  test("of two agents the one that began last goes on, whatever notes cross", async () => {
    const notes = place();
    const [first, second] = [claim(1), claim(2)].map((own) => openClaimKeeper(notes, own, log));
    expect(await first?.keep(signal)).toBeUndefined();
    expect(await second?.keep(signal)).toBeUndefined();
    expect((await first?.keep(signal))?.began).toBe(2);
    // The first wrote while the second did: the second writes again.
    notes.now = claim(1, { turn: 9 });
    expect(await second?.keep(signal)).toBeUndefined();
    expect((await first?.keep(signal))?.began).toBe(2);
  });

  test("says that it ended, but not for another life", async () => {
    const notes = place();
    const own = openClaimKeeper(notes, claim(1), log);
    await own.keep(signal);
    await own.end();
    expect(notes.now?.state).toBe("ended");
    notes.now = claim(2);
    await own.end();
    expect(notes.now).toEqual(claim(2));
  });

  test("goes on where nothing can be read or written", async () => {
    const denied = { code: "authorization", retry: "terminal", detail: "denied" } as const;
    const refuse = () => Promise.resolve(err(denied));
    const own = openClaimKeeper({ read: refuse, write: refuse }, claim(1), log);
    expect(await own.keep(signal)).toBeUndefined();
    await own.end();
  });
});

describe("standBy()", () => {
  test("lasts until the other has ended, and as long as nobody can be asked", async () => {
    const notes = place();
    notes.now = claim(2);
    let turns = 0;
    let nowMs = 0;
    const away = { code: "unreachable", retry: "transient", detail: "away" } as const;
    const clock = {
      ...systemClock,
      monotonicMs: () => nowMs,
      sleep: () => {
        turns += 1;
        nowMs += 50_000;
        if (turns === 6) notes.now = claim(2, { state: "ended" });
        return Promise.resolve();
      },
    };
    const flaky: ClaimNotes = {
      ...notes,
      read: () => Promise.resolve(turns < 6 ? err(away) : ok(notes.now)),
    };
    await standBy(flaky, claim(2), clock, signal);
    expect(turns).toBe(6);
  });
});
