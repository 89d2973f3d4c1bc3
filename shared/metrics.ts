/**
 * The only file that uses prom-client: a registry of our own, and metrics with bounded label sets. A
 * label either has a closed list of values, all of them exposed from the start (0 included), or a
 * bound on how many values it may take; beyond it everything counts as `_other`.
 */
import * as prom from "prom-client";

/** Either all possible values, or how many different ones are kept. */
export type LabelBound = readonly string[] | { readonly valuesMax: number };
export type LabelBounds = Readonly<Record<string, LabelBound>>;

type ValueOf<B extends LabelBound> = B extends readonly (infer V extends string)[] ? V : string;
export type LabelValues<B extends LabelBounds> = { readonly [N in keyof B]: ValueOf<B[N]> };
/** Without labels there is no argument. */
type LabelArgument<B extends LabelBounds> = [keyof B] extends [never] ? [] : [LabelValues<B>];

type About<B extends LabelBounds> = {
  readonly name: string;
  readonly help: string;
  readonly labels?: B;
};

export type Counter<B extends LabelBounds> = {
  add(amount: number, ...labels: LabelArgument<B>): void;
};
export type Gauge<B extends LabelBounds> = {
  set(value: number, ...labels: LabelArgument<B>): void;
  /** Removes one series from the text until it is set again: unknown is not 0. */
  unset(...labels: LabelArgument<B>): void;
  /** Removes all series, so that a thing that is gone is not shown for ever. */
  clear(): void;
};
export type Histogram<B extends LabelBounds> = {
  observe(value: number, ...labels: LabelArgument<B>): void;
};

export type Metrics = {
  // biome-ignore lint/complexity/noBannedTypes: the empty set of labels
  counter<const B extends LabelBounds = {}>(about: About<B>): Counter<B>;
  // biome-ignore lint/complexity/noBannedTypes: the empty set of labels
  gauge<const B extends LabelBounds = {}>(about: About<B>): Gauge<B>;
  /** `buckets` are ascending upper bounds, in the unit at the end of the name. */
  // biome-ignore lint/complexity/noBannedTypes: the empty set of labels
  histogram<const B extends LabelBounds = {}>(
    about: About<B> & { readonly buckets: readonly number[] },
  ): Histogram<B>;
  /** Called before each rendering: for gauges whose value is an age or a size. */
  beforeText(refresh: () => void): void;
  /** Prometheus' text format. */
  text(): Promise<string>;
  readonly contentType: string;
};

const OTHER = "_other";

export function openMetrics(): Metrics {
  const registry = new prom.Registry();
  const refreshes: (() => void)[] = [];
  const base = (about: About<LabelBounds>) => ({
    name: about.name,
    help: about.help,
    labelNames: Object.keys(about.labels ?? {}),
    registers: [registry],
  });
  const metrics: Metrics = {
    counter(about) {
      const metric = new prom.Counter(base(about));
      const bounded = openBounds(about.labels);
      for (const labels of allClosed(about.labels)) metric.inc(labels, 0);
      return { add: (amount, ...[labels]) => metric.inc(bounded(labels), amount) };
    },
    gauge(about) {
      const metric = new prom.Gauge(base(about));
      const bounded = openBounds(about.labels);
      const zero = () => {
        for (const labels of allClosed(about.labels)) metric.set(labels, 0);
      };
      zero();
      return {
        set: (value, ...[labels]) => metric.set(bounded(labels), value),
        unset: (...[labels]) => metric.remove(bounded(labels)),
        clear: () => {
          metric.reset();
          zero();
        },
      };
    },
    histogram(about) {
      if (about.labels === undefined) {
        const metric = new PlainHistogram({ ...base(about), buckets: [...about.buckets] });
        return { observe: (value, ..._labels) => metric.count(value) };
      }
      const metric = new prom.Histogram({ ...base(about), buckets: [...about.buckets] });
      const bounded = openBounds(about.labels);
      for (const labels of allClosed(about.labels)) metric.zero(labels);
      return { observe: (value, ...[labels]) => metric.observe(bounded(labels), value) };
    },
    beforeText: (refresh) => {
      refreshes.push(refresh);
    },
    text: () => {
      for (const refresh of refreshes) refresh();
      return registry.metrics();
    },
    contentType: registry.contentType,
  };
  return metrics;
}

/**
 * A histogram without labels that counts in an array. Each heartbeat is observed twice, and prom-client's
 * own `observe` (it hashes labels and looks up an object) costs half as much as folding a heartbeat.
 */
class PlainHistogram extends prom.Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  readonly #about: { readonly name: string; readonly help: string };
  #sum = 0;

  constructor(options: prom.HistogramConfiguration<string> & { readonly buckets: number[] }) {
    super(options);
    this.#bounds = options.buckets;
    this.#counts = new Float64Array(options.buckets.length + 1);
    this.#about = { name: options.name, help: options.help };
  }

  count(value: number): void {
    const bounds = this.#bounds;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] ?? 0)) index += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#sum += value;
  }

  /** The form that prom-client's registry renders. */
  getForPromString() {
    const { name } = this.#about;
    let below = 0;
    const buckets = [...this.#counts].map((counted, index) => {
      below += counted;
      const le = this.#bounds[index] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { le }, value: below };
    });
    const values = [
      ...buckets,
      { metricName: `${name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${name}_count`, labels: {}, value: below },
    ];
    return { ...this.#about, type: "histogram", values, aggregator: "sum" };
  }
}

type Labels = Readonly<Record<string, string>>;

/** Every combination of the closed lists; none when a label is open. */
function allClosed(bounds: LabelBounds = {}): Record<string, string>[] {
  let sets: Record<string, string>[] = [{}];
  for (const [name, bound] of Object.entries(bounds)) {
    const values = "valuesMax" in bound ? [] : bound;
    sets = sets.flatMap((set) => values.map((value) => ({ ...set, [name]: value })));
  }
  return sets;
}

/** Replaces values beyond a label's bound, or outside its list, with `_other`. */
function openBounds(bounds: LabelBounds = {}): (labels: Labels | undefined) => Labels {
  const seen = new Map<string, Set<string>>(
    Object.entries(bounds).map(([name, bound]) => [
      name,
      new Set("valuesMax" in bound ? [] : bound),
    ]),
  );
  const keep = (name: string, value: string): string => {
    const known = seen.get(name);
    const bound = bounds[name];
    if (known === undefined || bound === undefined) return OTHER;
    if (known.has(value)) return value;
    if (!("valuesMax" in bound) || known.size >= bound.valuesMax) return OTHER;
    known.add(value);
    return value;
  };
  return (labels = {}) =>
    Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, keep(name, value)]));
}
