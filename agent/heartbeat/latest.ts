/** A slot for one item: a late reader finds the newest one, and the writer never waits. */

export type Latest<T> = {
  /** Puts an item in. Returns the older one that it replaced and that is lost. */
  readonly put: (item: T) => T | undefined;
  readonly take: () => T | undefined;
  /** Puts back what could not be used; true when it is lost, because there is a newer one. */
  readonly putBack: (item: T) => boolean;
  /** Resolves when there is an item, or when the signal aborts. */
  readonly filled: (signal: AbortSignal) => Promise<void>;
};

export function openLatest<T>(): Latest<T> {
  let slot: { readonly item: T } | undefined;
  let wake = () => {};
  const put = (item: T): T | undefined => {
    const older = slot?.item;
    slot = { item };
    wake();
    return older;
  };
  return {
    put,
    take: () => {
      const item = slot?.item;
      slot = undefined;
      return item;
    },
    putBack: (item) => {
      if (slot !== undefined) return true;
      put(item);
      return false;
    },
    filled: (signal) =>
      new Promise((resolve) => {
        const end = () => {
          signal.removeEventListener("abort", end);
          wake = () => {};
          resolve();
        };
        if (slot !== undefined || signal.aborted) return resolve();
        wake = end;
        signal.addEventListener("abort", end);
      }),
  };
}
