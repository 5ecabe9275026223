import { isCarriedOver, type Run, type RunStep, stepsInOrder } from '../../data/run.ts'
import { type Stretch, stretchesOf } from './stretches.ts'
import { makeTimeScale, type Span, type TimeScale } from './time-scale.ts'

/** The steps of a run over time. */
export interface Lanes {
  /** Stretches of each step, by its key. */
  stretches: ReadonlyMap<string, readonly Stretch[]>
  busy: (Span & { failed?: boolean })[]
  /** From the beginning of the run to its end, or to now. */
  scale: TimeScale
}

/** Lays the steps of a run out over time. */
export const lanesOf = (run: Run, now: number): Lanes => {
  const stretches = new Map<string, Stretch[]>()
  const busy: Lanes['busy'] = []
  let to = run.ended === null ? now : Date.parse(run.ended)
  for (const step of stepsInOrder(run)) {
    const of = isCarriedOver(run, step) ? [] : stretchesOf(step, now)
    stretches.set(step.key, of)
    for (const one of of) {
      to = Math.max(to, one.to)
      if (one.kind === 'execute' || one.kind === 'failed-try') busy.push(busySpan(one, step))
    }
  }
  const from = Date.parse(run.started ?? run.created)
  return { stretches, busy, scale: makeTimeScale({ from, to: Math.max(to, from) }, busy) }
}

const busySpan = ({ from, to, kind }: Stretch, { status }: RunStep) => ({
  from,
  to,
  failed: kind === 'failed-try' || status === 'failed',
})

/** A scale over a part of the run, from the places of its beginning and end on the whole scale. */
export const scaleOfPart = ({ scale, busy }: Lanes, { from, to }: Span): TimeScale =>
  from === 0 && to === 1 ? scale : makeTimeScale({ from: scale.moment(from), to: scale.moment(to) }, busy)

/** Joins the stretches of many steps for the row of a group, so that it draws at most `most`. */
export const joinedStretches = (steps: readonly RunStep[], { stretches }: Lanes, most = 60): Stretch[] => {
  const all = steps.flatMap(({ key }) => [...(stretches.get(key) ?? [])])
  if (all.length <= most) return all
  const first = Math.min(...all.map(({ from }) => from))
  const last = Math.max(...all.map(({ to }) => to))
  const size = Math.max(1, (last - first) / most)
  const joined = new Map<number, Stretch>()
  for (const one of all) {
    const at = Math.floor((one.from - first) / size)
    const known = joined.get(at)
    joined.set(at, known ? { ...known, to: Math.max(known.to, one.to) } : one)
  }
  return [...joined.values()]
}
