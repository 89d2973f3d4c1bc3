/** What Kafka has confirmed, as count and hash; and how often one object may be sent. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BURST, openChurnLimit, REFILL_MS } from "../../../../agent/collect/send/churn.ts";
import { openObjectIndex } from "../../../../agent/collect/send/object-index.ts";
import { addEntry, setEntry, setHashText } from "../../../../shared/protocol/object-hash.ts";

const uid = fc.constantFrom("a", "b", "c", "d");
const step = fc.record({ uid, hash: fc.option(fc.constantFrom("1", "2", "3")) });

describe("openObjectIndex()", () => {
  test("counts and hashes what a reader of the topic has, whatever came before", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const index = openObjectIndex(1);
        const reader = new Map<string, string>();
        for (const { uid: of, hash } of steps) {
          if (hash === null) {
            index.confirmGone(of);
            reader.delete(of);
          } else {
            index.confirm(of, hash);
            reader.set(of, hash);
          }
        }
        const sum = [...reader].reduce((all, [of, hash]) => addEntry(all, setEntry(of, hash)), 0n);
        expect(index.count()).toBe(reader.size);
        expect(index.setHash()).toBe(setHashText(sum));
      }),
    );
  });
});

describe("openChurnLimit()", () => {
  test("lets a burst through, then one in REFILL_MS", () => {
    const churn = openChurnLimit();
    const burst = Array.from({ length: BURST }, () => churn.take("a", 0));
    expect(burst).toEqual(burst.map(() => true));
    expect(churn.take("a", 0)).toBe(false);
    expect(churn.take("b", 0)).toBe(true);
    expect(churn.take("a", REFILL_MS - 1)).toBe(false);
    expect(churn.take("a", REFILL_MS)).toBe(true);
    expect(churn.take("a", REFILL_MS)).toBe(false);
  });
  test("forgets who owes nothing any more, and nobody else", () => {
    const churn = openChurnLimit();
    for (let taken = 0; taken < BURST; taken += 1) churn.take("a", 0);
    churn.sweep(REFILL_MS - 1);
    expect(churn.take("a", REFILL_MS - 1)).toBe(false);
    churn.sweep(BURST * REFILL_MS);
    expect(churn.take("a", BURST * REFILL_MS)).toBe(true);
  });
});
