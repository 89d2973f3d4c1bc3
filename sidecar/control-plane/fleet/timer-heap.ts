/**
 * Deadlines in a binary heap, so that the cost of a round depends on what is due, not on the size of the
 * fleet. Obsolete entries are not removed: the caller checks whether an entry is still valid.
 */

export type TimerHeap<T> = {
  readonly add: (atMs: number, item: T) => void;
  /** Removes and returns the items due at `nowMs` (at or before it), earliest first. */
  readonly take: (nowMs: number) => readonly T[];
  readonly nextMs: () => number | undefined;
  readonly size: () => number;
};

type Entry<T> = { readonly atMs: number; readonly item: T };

export function createTimerHeap<T>(): TimerHeap<T> {
  const heap: Entry<T>[] = [];

  const rise = (start: number, entry: Entry<T>): void => {
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

  const recorder = (entry: Entry<T>): void => {
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

  const pop = (): Entry<T> | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first !== undefined && last !== undefined && heap.length > 0) recorder(last);
    return first;
  };

  return {
    add: (atMs, item) => rise(heap.length, { atMs, item }),
    take: (nowMs) => {
      const due: T[] = [];
      while (heap[0] !== undefined && heap[0].atMs <= nowMs) {
        const entry = pop();
        if (entry !== undefined) due.push(entry.item);
      }
      return due;
    },
    nextMs: () => heap[0]?.atMs,
    size: () => heap.length,
  };
}

function smallerChild<T>(heap: readonly Entry<T>[], index: number): number | undefined {
  const left = 2 * index + 1;
  const leftEntry = heap[left];
  const rightEntry = heap[left + 1];
  if (leftEntry === undefined) return undefined;
  return rightEntry !== undefined && rightEntry.atMs < leftEntry.atMs ? left + 1 : left;
}
