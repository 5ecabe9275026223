import { shown } from './numbers.ts'
import type { Figure, Result } from './results.ts'

/** Two runs of the same code differ by so much, whatever their rounds say. */
const leastNoise = 0.1
/** A figure that was measured once says nothing about its noise: a quarter for two of them. */
const noiseOfOne = 0.125
/** From so many rounds on, the best and the worst are left out. */
const trimmedFrom = 5

/** How two results of one figure differ. `change` is relative to the old one, and positive when it got worse. */
export interface Change {
  bench: string
  name: string
  verdict: 'worse' | 'better' | 'same'
  before: string
  after: string
  change: number
  noise: number
}

/** Half of the spread of the rounds, relative to their median. */
const noiseOf = ({ rounds, measured }: Figure): number => {
  if (rounds.length < 2) return noiseOfOne
  const sorted = [...rounds].sort((a, b) => a - b)
  const kept = rounds.length < trimmedFrom ? sorted : sorted.slice(1, -1)
  const [least = 0, most = 0] = [kept[0], kept.at(-1)]
  return measured === 0 ? 0 : Math.abs((most - least) / 2 / measured)
}

/** How much worse the new value is, relative to the old one; a change from zero is infinite. */
const worsening = (before: Figure, after: Figure): number => {
  const by = after.sense === 'at most' ? after.measured - before.measured : before.measured - after.measured
  return by === 0 ? 0 : by / Math.abs(before.measured)
}

const changeOf = (bench: string, before: Figure, after: Figure): Change => {
  // Bytes are counted, not timed: they have no noise.
  const isCounted = after.unit.trim() === 'kB'
  const noise = isCounted ? 0.01 : Math.max(leastNoise, noiseOf(before) + noiseOf(after))
  const change = worsening(before, after)
  const verdict = change > noise ? 'worse' : change < -noise ? 'better' : 'same'
  const text = (figure: Figure) => `${shown(figure.measured)}${figure.unit}`
  return { bench, name: after.name, verdict, before: text(before), after: text(after), change, noise }
}

export interface Comparison {
  changes: Change[]
  /** Benchmarks that failed now, and figures that only one of the two has. */
  failed: string[]
  missing: string[]
  /** Why times should not be compared. */
  differences: string[]
}

const circumstances = ['cpu', 'cores', 'system', 'node', 'postgres', 'isQuick'] as const

/** Compares two files of results, figure by figure. */
export const compareResults = (old: readonly Result[], fresh: readonly Result[]): Comparison => {
  const found: Comparison = { changes: [], failed: [], missing: [], differences: [] }
  const differences = new Set<string>()
  for (const after of fresh) {
    const before = old.find(({ bench }) => bench === after.bench)
    if (after.error) found.failed.push(after.bench)
    if (after.skipped) found.missing.push(`${after.bench} (skipped now: ${after.skipped})`)
    if (!before || [before, after].some(({ error, skipped }) => error || skipped)) continue
    for (const one of circumstances) {
      if (before[one] !== after[one]) differences.add(`${one}: ${before[one]}, now ${after[one]}`)
    }
    const names = new Set([...before.figures, ...after.figures].map(({ name }) => name))
    for (const name of names) {
      const [one, other] = [before, after].map(({ figures }) => figures.find((figure) => figure.name === name))
      if (one && other) found.changes.push(changeOf(after.bench, one, other))
      else found.missing.push(`${after.bench}: ${name} (only in the ${one ? 'old' : 'new'} file)`)
    }
  }
  const ran = new Set(fresh.map(({ bench }) => bench))
  found.missing.push(...old.filter(({ bench }) => !ran.has(bench)).map(({ bench }) => `${bench} (not run now)`))
  found.differences = [...differences]
  return found
}
