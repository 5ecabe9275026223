import type { ErrorRecord } from '../../../src/model/runs/error-record.ts'
import { plainText } from '../log/plain-text.ts'
import { outlookOf, remedyOf } from '../remedy.ts'

/** An error: what happened, why, and what to do next. */
export const ErrorBox = ({ error, message }: { error: ErrorRecord | undefined; message: string }) => (
  <div className="flex flex-col gap-2">
    <p className="whitespace-pre-wrap text-bad [overflow-wrap:anywhere]">{plainText(error?.message ?? message)}</p>
    {error && remedyOf(error) !== undefined && (
      <p className="[overflow-wrap:anywhere]">
        <span className="font-medium">What to do: </span>
        {plainText(remedyOf(error) ?? '')}
      </p>
    )}
    {error?.cause && !error.message.includes(error.cause) && (
      <p className="whitespace-pre-wrap text-muted [overflow-wrap:anywhere]">Cause: {plainText(error.cause)}</p>
    )}
    {error && (
      <p className="text-12 text-muted">
        <code className="font-mono">{error.code}</code>
        {` · ${outlookOf(error)}`}
      </p>
    )}
    {error?.divergence?.diff && (
      <pre className="overflow-x-auto rounded-m border border-line bg-sunk p-2 font-mono text-12">
        {error.divergence.diff}
      </pre>
    )}
  </div>
)
