import { memo } from 'react'
import type { RunStep } from '../../data/run.ts'
import { durationText } from '../../text/times.ts'
import type { TimeScale } from './time-scale.ts'

/** `wait`: ready but not begun, or between two tries. `rest`: the step itself waits, for a time or a person. */
type StretchKind = 'wait' | 'execute' | 'failed-try' | 'rest'

/** A stretch of a step's bar. */
export interface Stretch {
  kind: StretchKind
  /** Milliseconds since 1970. */
  from: number
  to: number
  /** Number of the try, where the stretch is one. */
  attempt?: number
}

type Timed = Pick<RunStep, 'activity' | 'status' | 'created' | 'ended' | 'attempt' | 'ready_at' | 'attempts' | 'wait'>

/** Activities whose steps occupy nobody while they are open. */
const resting: ReadonlySet<string> = new Set(['sleep', 'wait_for_approval', 'wait_for_event'])

const restsFor: ReadonlySet<string> = new Set(['time', 'approval', 'event', 'sandbox'])

/** Whether nobody works on a step. */
const isResting = ({ activity, wait }: Pick<RunStep, 'activity' | 'wait'>): boolean =>
  resting.has(activity) || (wait !== undefined && restsFor.has(wait.for))

/** Cuts a step into stretches, oldest first. A skipped step has none; an open one ends at `now`. */
export const stretchesOf = (step: Timed, now: number): Stretch[] => {
  if (step.status === 'skipped' || step.status === 'pending') return []
  const begun = Date.parse(step.created)
  const ended = Math.max(begun, step.ended === null ? now : Date.parse(step.ended))
  const ready = step.ready_at ? Date.parse(step.ready_at) : begun
  const queued: Stretch[] = ready < begun ? [{ kind: 'wait', from: ready, to: begun }] : []
  if (isResting(step)) return [...queued, { kind: 'rest', from: begun, to: ended }]
  return [...queued, ...tries(step, begun, ended)]
}

const tries = (step: Timed, begun: number, ended: number): Stretch[] => {
  const attempts = step.attempts ?? []
  const isPausing = step.wait?.for === 'retry'
  if (attempts.length < 2 && !isPausing) return [{ kind: 'execute', from: begun, to: ended, attempt: step.attempt }]
  const found: Stretch[] = []
  let last = begun
  for (const [at, one] of attempts.entries()) {
    const from = Date.parse(one.started)
    const isLast = at === attempts.length - 1 && !isPausing
    const to = isLast ? ended : Date.parse(one.ended ?? attempts[at + 1]?.started ?? one.started)
    if (from > last) found.push({ kind: 'wait', from: last, to: from })
    found.push({ kind: isLast ? 'execute' : 'failed-try', from, to: Math.max(from, to), attempt: one.n })
    last = Math.max(from, to)
  }
  if (isPausing && ended > last) found.push({ kind: 'wait', from: last, to: ended })
  return found
}

/** First and last moment of a list of stretches; undefined for none. */
export const extentOf = (stretches: readonly Stretch[]): { from: number; to: number } | undefined => {
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (const one of stretches) {
    from = Math.min(from, one.from)
    to = Math.max(to, one.to)
  }
  return from <= to ? { from, to } : undefined
}

const names: Record<StretchKind, string> = {
  wait: 'waited',
  execute: 'executed',
  'failed-try': 'failed try',
  rest: 'waits',
}

const striped = 'bg-[repeating-linear-gradient(135deg,currentColor_0_2px,transparent_2px_5px)]'

/** Height and fill say the kind; the colour says the state. */
const looks: Record<StretchKind, string> = {
  wait: `top-[12px] h-1 text-edge ${striped}`,
  execute: 'top-[9px] h-2.5 bg-current',
  'failed-try': 'top-[9px] h-2.5 bg-bad',
  rest: `top-[9px] h-2.5 border border-current ${striped}`,
}

const colours: Record<string, string> = {
  completed: 'text-ok',
  partial: 'text-ok',
  failed: 'text-bad',
  running: 'text-run',
  cancelled: 'text-idle',
}

interface BarProps {
  stretches: readonly Stretch[]
  scale: TimeScale
  status: string
  /** Share of the child runs of the step that failed. */
  failed?: number
}

/** The end of a bar, as long as the share that failed, and long enough to be seen. */
const failedEnd = (share: number): string =>
  `linear-gradient(to left, var(--color-bad) max(4px, ${share * 100}%), currentColor 0)`

/** The stretches of a step on the scale of the timeline. */
export const Bar = memo(({ stretches, scale, status, failed = 0 }: BarProps) => (
  <div className={`absolute inset-y-0 inset-x-1 overflow-hidden ${colours[status] ?? 'text-idle'}`}>
    {stretches.map((one) => {
      if (one.to < scale.from || one.from > scale.to) return null
      const left = scale.at(one.from)
      const width = scale.at(one.to) - left
      return (
        <span
          key={`${one.kind}${one.from}`}
          title={`${names[one.kind]} ${durationText((one.to - one.from) / 1000)}`}
          className={`absolute min-w-[3px] rounded-[2px] ${looks[one.kind]}`}
          style={{
            left: `min(${left * 100}%, calc(100% - 3px))`,
            width: `${width * 100}%`,
            ...(failed > 0 && one.kind === 'execute' ? { backgroundImage: failedEnd(failed) } : {}),
          }}
        />
      )
    })}
  </div>
))
