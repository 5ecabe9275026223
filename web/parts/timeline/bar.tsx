import { memo } from 'react'
import { durationText } from '../../text/duration.ts'
import type { Stretch, StretchKind } from './stretches.ts'
import type { TimeScale } from './time-scale.ts'

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
