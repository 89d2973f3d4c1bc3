/**
 * Deadlines in a binary heap, so that the cost of a round depends on what is due, not on the size of the
 * fleet. Obsolete entries are not removed: the caller checks whether an entry is still valid.
 */

/** When an item is due. It is the heap's own entry: there is one for each cluster. */
export type Timed = { readonly atMs: number };

export type TimerHeap<T extends Timed> = {
  readonly add: (item: T) => void;
  /** Removes and returns the items due at `nowMs` (at or before it), earliest first. */
  readonly take: (nowMs: number) => readonly T[];
  readonly nextMs: () => number | undefined;
  readonly size: () => number;
};

export function createTimerHeap<T extends Timed>(): TimerHeap<T> {
  const heap: T[] = [];

  const rise = (start: number, entry: T): void => {
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.atMs <= entry.atMs) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  };

  const sink = (entry: T): void => {
    let index = 0;
    for (;;) {
      const child = smallerChild(heap, index);
      const below = child === undefined ? undefined : heap[child];
      if (child === undefined || below === undefined || below.atMs >= entry.atMs) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = entry;
  };

  const pop = (): T | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first !== undefined && last !== undefined && heap.length > 0) sink(last);
    return first;
  };

  return {
    add: (item) => rise(heap.length, item),
    take: (nowMs) => {
      const due: T[] = [];
      while (heap[0] !== undefined && heap[0].atMs <= nowMs) {
        const entry = pop();
        if (entry !== undefined) due.push(entry);
      }
      return due;
    },
    nextMs: () => heap[0]?.atMs,
    size: () => heap.length,
  };
}

function smallerChild(heap: readonly Timed[], index: number): number | undefined {
  const left = 2 * index + 1;
  const leftEntry = heap[left];
  const rightEntry = heap[left + 1];
  if (leftEntry === undefined) return undefined;
  return rightEntry !== undefined && rightEntry.atMs < leftEntry.atMs ? left + 1 : left;
}
