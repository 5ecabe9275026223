import type { SystemCheck } from '../../../../src/model/system.ts'
import { Icon } from '../../../ui/icon.tsx'
/** Names and figures, one a line. */
export const Facts = ({ rows }: { rows: readonly (readonly [name: string, value: string])[] }) => (
  <dl className="grid max-w-110 grid-cols-[1fr_auto] gap-x-6 gap-y-1">
    {rows.map(([name, value]) => (
      <div key={name} className="contents">
        <dt className="text-muted">{name}</dt>
        <dd className="text-right tabular-nums">{value}</dd>
      </div>
    ))}
  </dl>
)

const looks = {
  ok: { icon: 'tick', className: 'text-ok', text: 'Well' },
  warning: { icon: 'warning', className: 'text-wait', text: 'Warning' },
  failed: { icon: 'cross', className: 'text-bad', text: 'Failed' },
} as const

/** Checks, each with what to do where it is not well. */
export const CheckList = ({ checks, label }: { checks: readonly SystemCheck[]; label: string }) => (
  <ul aria-label={label} className="divide-y divide-line border-line border-y">
    {checks.map(({ name, state, found, remedy }) => (
      <li key={name} className="flex gap-3 py-2">
        <Icon name={looks[state].icon} label={looks[state].text} className={`mt-0.5 ${looks[state].className}`} />
        <span className="w-24 shrink-0 font-medium">{name}</span>
        <div className="min-w-0 flex-1">
          <p className="break-words">{found}</p>
          {remedy && <p className="break-words text-muted">{remedy}</p>}
        </div>
      </li>
    ))}
  </ul>
)
