import { durationText } from '../../text/times.ts'

/** A stretch of time, in milliseconds since 1970. */
export interface Span {
  from: number
  to: number
}

/** A stretch in which nothing happened, drawn narrower than it was. */
interface Fold extends Span {
  /** Where it is drawn, from 0 to 1. */
  left: number
  width: number
}

/** Maps moments to places from 0 to 1; outside of its span it stops at the edges. */
export interface TimeScale extends Span {
  at(moment: number): number
  /** The moment that is drawn there. */
  moment(place: number): number
  folds: Fold[]
}

/** Shorter idle stretches are never folded. */
const shortestFoldMs = 1_000
/** An idle stretch is folded when it is longer than this part of all busy time. */
const foldedFrom = 0.3
/** Width of one fold, and of all folds together. */
const foldWidth = 0.04
const widestFolds = 0.4

/** Joins spans that overlap or touch; the result is in order. */
export const union = (spans: readonly Span[]): Span[] => {
  const joined: Span[] = []
  for (const { from, to } of [...spans].sort((one, other) => one.from - other.from)) {
    const last = joined.at(-1)
    if (last && from <= last.to) last.to = Math.max(last.to, to)
    else joined.push({ from, to })
  }
  return joined
}

/** The idle stretches of a span that are long beside the busy ones. */
const idleStretches = (span: Span, busy: readonly Span[]): Span[] => {
  const inside = union(busy)
    .filter(({ from, to }) => to >= span.from && from <= span.to)
    .map(({ from, to }) => ({ from: Math.max(from, span.from), to: Math.min(to, span.to) }))
  if (inside.length === 0) return []
  const busyMs = inside.reduce((sum, { from, to }) => sum + to - from, 0)
  const least = Math.max(shortestFoldMs, busyMs * foldedFrom)
  const edges = [{ from: span.from, to: span.from }, ...inside, { from: span.to, to: span.to }]
  return edges
    .slice(1)
    .map(({ from }, at) => ({ from: edges[at]!.to, to: from }))
    .filter(({ from, to }) => to - from > least)
}

/** Makes a scale over `span` that folds its idle stretches. `busy` needs no order. */
export const makeTimeScale = (span: Span, busy: readonly Span[]): TimeScale => {
  const to = Math.max(span.to, span.from + 1)
  const idle = idleStretches({ from: span.from, to }, busy)
  const each = idle.length === 0 ? 0 : Math.min(foldWidth, widestFolds / idle.length)
  const folded = idle.reduce((sum, one) => sum + one.to - one.from, 0)
  const perMs = (1 - each * idle.length) / Math.max(1, to - span.from - folded)
  const folds: Fold[] = []
  let place = 0
  let last = span.from
  for (const one of idle) {
    place += (one.from - last) * perMs
    folds.push({ ...one, left: place, width: each })
    place += each
    last = one.to
  }
  return {
    from: span.from,
    to,
    folds,
    at: placing(span.from, to, perMs, folds),
    moment: timing(span.from, to, perMs, folds),
  }
}

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))

const placing =
  (start: number, end: number, perMs: number, folds: readonly Fold[]) =>
  (moment: number): number => {
    const at = clamp(moment, start, end)
    let place = 0
    let last = start
    for (const one of folds) {
      if (at < one.from) break
      if (at < one.to) return one.left + ((at - one.from) / (one.to - one.from)) * one.width
      place = one.left + one.width
      last = one.to
    }
    return clamp(place + (at - last) * perMs, 0, 1)
  }

const timing =
  (start: number, end: number, perMs: number, folds: readonly Fold[]) =>
  (place: number): number => {
    const at = clamp(place, 0, 1)
    let base = 0
    let last = start
    for (const one of folds) {
      if (at < one.left) break
      if (at < one.left + one.width) return one.from + ((at - one.left) / one.width) * (one.to - one.from)
      base = one.left + one.width
      last = one.to
    }
    return Math.min(end, last + (at - base) / perMs)
  }

const niceMs = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400].map((seconds) => seconds * 1000),
)

/**
 * Round moments of a scale for its labels, at most `most`, none within a fold. The first is the beginning. `leastApart` is
 * a part of the width.
 */
export const ticksOf = (scale: TimeScale, most = 6, leastApart = 0.13): number[] => {
  const shown = scale.to - scale.from - scale.folds.reduce((sum, fold) => sum + fold.to - fold.from, 0)
  const step = niceMs.find((ms) => shown / ms <= most) ?? Math.ceil(shown / most / 86_400_000) * 86_400_000
  const ticks: number[] = [scale.from]
  let moment = scale.from + step
  while (moment <= scale.to && ticks.length <= most) {
    const fold = scale.folds.find(({ from, to }) => moment > from && moment < to)
    if (fold) moment = scale.from + Math.ceil((fold.to - scale.from) / step) * step
    else {
      ticks.push(moment)
      moment += step
    }
  }
  // The label of a tick at the right edge stands to the left of it.
  const left = (tick: number) => (scale.at(tick) > 0.9 ? scale.at(tick) - leastApart : scale.at(tick))
  const kept: number[] = []
  for (const tick of ticks) {
    const last = kept.at(-1)
    if (last === undefined || left(tick) - left(last) >= leastApart) kept.push(tick)
  }
  return kept
}

/** How long after `start` a tick is; after a fold, where that would say the same each time, how long after the fold. */
export const tickText = (scale: TimeScale, tick: number, start: number): string => {
  const fold = scale.folds.findLast(({ to }) => to < tick)
  const text = durationText((tick - start) / 1000)
  if (!fold || text !== durationText((fold.to - start) / 1000)) return text
  return `+${durationText((tick - fold.to) / 1000)}`
}
