import { shareText } from '../../text/numbers.ts'
import { Icon } from '../../ui/icon.tsx'

/** Share of a limit from which a page warns. */
const warnFrom = 0.8

interface MeterProps {
  label: string
  used: number
  /** Null: there is no limit. */
  limit: number | null
  text: (value: number) => string
  /** What happens at the limit, or what to do about it, as a sentence. */
  atLimit?: string
}

/** How much of a limit is used, as figures and a bar; it warns from 80 % on. */
export const UsageMeter = ({ label, used, limit, text, atLimit }: MeterProps) => {
  const share = limit === null || limit === 0 ? 0 : used / limit
  return (
    <div>
      <p className="flex flex-wrap items-baseline gap-x-2">
        <span className="text-muted">{label}</span>
        <span className="font-medium tabular-nums">{text(used)}</span>
        <span className="text-muted">
          {limit === null ? 'no limit' : `of ${text(limit)} · ${shareText(Math.min(used, limit), limit)}`}
        </span>
      </p>
      {limit !== null && (
        <svg viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true" className="mt-1 h-1.5 w-full max-w-110">
          <rect width="100" height="2" className="fill-line" />
          <rect width={Math.min(100, share * 100)} height="2" className={share >= warnFrom ? 'fill-bad' : 'fill-run'} />
        </svg>
      )}
      {share >= warnFrom && (
        <p role="status" className="mt-1 flex items-start gap-1.5">
          <Icon name="warning" className="mt-0.5 text-bad" />
          <span>
            {share >= 1 ? 'The limit is reached.' : 'The limit is near.'} {atLimit}
          </span>
        </p>
      )}
    </div>
  )
}
