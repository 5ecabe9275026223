import { AppError } from '../../src/lib/errors.ts'
import { Button } from '../ui/button.tsx'
import { Icon } from '../ui/icon.tsx'

/** What went wrong, and what to do about it. */
export const Problem = ({ error, onRetry }: { error: unknown; onRetry?: () => void }) => {
  const hint = error instanceof AppError ? error.hint : undefined
  return (
    <div role="alert" className="m-4 flex max-w-180 gap-3 rounded-l border border-line p-3">
      <Icon name="warning" className="mt-0.5 text-bad" />
      <div className="min-w-0 flex-1">
        <p className="break-words text-bad">{errorText(error)}</p>
        {hint && <p className="mt-1 break-words text-muted">{hint}</p>}
      </div>
      {onRetry && <Button onClick={onRetry}>Try again</Button>}
    </div>
  )
}

/** The message of anything thrown. */
export const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error))
