import type { JsonObject } from '../lib/json/json-object.ts'
import { nanos, otlpAttributes } from './run-spans.ts'

/** A value of a metric, with its labels. Buckets, sum and count of a histogram are values with names of their own. */
interface MetricValue {
  name: string
  labels: Readonly<Record<string, string>>
  value: number
}

/** A metric with all of its values, as Prometheus has them. */
export interface MetricFamily {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram'
  values: readonly MetricValue[]
}

interface Times {
  /** When counters of this process were 0. Milliseconds since 1970. */
  startMs: number
  atMs: number
}

/** Each export has the sums since the start, so that a lost one takes nothing with it. */
const cumulative = 2

const timesOf = ({ startMs, atMs }: Times) => ({ startTimeUnixNano: nanos(startMs), timeUnixNano: nanos(atMs) })

const numberPoints = ({ values }: MetricFamily, times: Times): JsonObject[] =>
  values.map(({ labels, value }) => ({
    attributes: otlpAttributes(labels),
    ...timesOf(times),
    asDouble: value,
  }))

interface Histogram {
  labels: Readonly<Record<string, string>>
  bounds: number[]
  /** For each bound, and last for no bound: how many values were not above it. */
  counts: number[]
  sum: number
}

/** Groups the values of a histogram, which has its buckets in the order of their bounds. */
const histogramsIn = ({ name, values }: MetricFamily): Histogram[] => {
  const found = new Map<string, Histogram>()
  for (const { name: part, labels: all, value } of values) {
    const { le, ...labels } = all
    const key = JSON.stringify(Object.entries(labels).sort())
    const histogram = found.get(key) ?? { labels, bounds: [], counts: [], sum: 0 }
    found.set(key, histogram)
    if (part === `${name}_sum`) histogram.sum = value
    if (part !== `${name}_bucket`) continue
    histogram.counts.push(value)
    if (le !== '+Inf') histogram.bounds.push(Number(le))
  }
  return [...found.values()]
}

/** Prometheus counts what is below a bound, OTLP what is between two. */
const histogramPoints = (family: MetricFamily, times: Times): JsonObject[] =>
  histogramsIn(family).map(({ labels, bounds, counts, sum }) => ({
    attributes: otlpAttributes(labels),
    ...timesOf(times),
    count: String(counts.at(-1) ?? 0),
    sum,
    bucketCounts: counts.map((count, at) => String(count - (counts[at - 1] ?? 0))),
    explicitBounds: bounds,
  }))

const dataOf = (family: MetricFamily, times: Times): JsonObject => {
  if (family.type === 'gauge') return { gauge: { dataPoints: numberPoints(family, times) } }
  const aggregationTemporality = cumulative
  return family.type === 'counter'
    ? { sum: { dataPoints: numberPoints(family, times), aggregationTemporality, isMonotonic: true } }
    : { histogram: { dataPoints: histogramPoints(family, times), aggregationTemporality } }
}

/**
 * Writes metrics as OTLP has them in JSON. Names and labels stay those of Prometheus, without units beside them, so that a
 * backend that translates names to those of Prometheus gets the same ones.
 */
export const otlpMetrics = (families: readonly MetricFamily[], times: Times): JsonObject[] =>
  families
    .filter(({ values }) => values.length > 0)
    .map((family) => ({ name: family.name, description: family.help, ...dataOf(family, times) }))
