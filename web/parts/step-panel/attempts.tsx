import type { StepAttempt } from '../../../src/model/runs/step-attempts.ts'
import { durationText } from '../../text/duration.ts'
import { clockText } from '../../text/moment.ts'
import { ErrorBox } from './error-box.tsx'

/** Each try of a step, with what went wrong. */
export const Attempts = ({ attempts }: { attempts: readonly StepAttempt[] }) => (
  <ol className="flex flex-col">
    {attempts.map(({ n, started, ended, error_detail: error }) => (
      <li key={n} className="flex flex-col gap-1 border-line border-b py-2 last:border-0">
        <p className="flex items-baseline gap-3">
          <span className="font-medium">Attempt {n}</span>
          <span className="text-12 text-muted">
            {clockText(started)} ·{' '}
            {ended === null ? 'did not end' : durationText((Date.parse(ended) - Date.parse(started)) / 1000)}
          </span>
        </p>
        {error ? <ErrorBox error={error} message="" /> : ended !== null && <p className="text-muted">It completed.</p>}
      </li>
    ))}
  </ol>
)
