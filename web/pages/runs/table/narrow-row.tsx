import { memo } from 'react'
import { plainText } from '../../../parts/log/plain-text.ts'
import { jobOfRun } from '../../../parts/run-origin.ts'
import { errorColour, statusOfRun } from '../../../parts/status-of-run.ts'
import { agoText } from '../../../text/ago.ts'
import { durationText } from '../../../text/duration.ts'
import { StatusMark, statusWord } from '../../../ui/status.tsx'
import { Cost, hasCost, Steps } from './cells.tsx'
import { type RowProps, rowClass, secondsOf } from './row.tsx'

/** One run on a phone: two lines. */
export const NarrowRow = memo((props: RowProps) => {
  const { run, id, index, top, height, hasTask, isActive, isSelected, now } = props
  const status = statusOfRun(run)
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the table has the keys
    <div
      role="row"
      id={id}
      tabIndex={-1}
      aria-rowindex={index + 2}
      aria-selected={isSelected}
      className={rowClass(isActive, isSelected)}
      style={{ transform: `translateY(${top}px)`, height }}
      onClick={() => props.onPick(run)}
    >
      <div role="gridcell" className="flex h-full items-center gap-3 px-4">
        <StatusMark of={status} label={statusWord(status)} />
        <div className="min-w-0 flex-1">
          <p className="flex items-baseline gap-2">
            <span className="font-mono text-12">{run.trajectory_id}</span>
            {!hasTask && (
              <span className="truncate text-12 text-muted">
                {jobOfRun(run)?.text ?? plainText(run.input_preview ?? '')}
              </span>
            )}
            {hasTask && <span className="truncate">{run.task}</span>}
            <span className="ml-auto shrink-0 text-12 text-muted">{agoText(run.created, now)}</span>
          </p>
          {run.error === null ? (
            <p className="flex gap-2 text-12 text-muted">
              <span>
                <Steps run={run} /> steps
              </span>
              <span>{durationText(secondsOf(run, now))}</span>
              {hasCost(run) && <Cost run={run} />}
            </p>
          ) : (
            <p className={`truncate text-12 ${errorColour(run)}`}>{plainText(run.error)}</p>
          )}
        </div>
      </div>
    </div>
  )
})
NarrowRow.displayName = 'NarrowRow'
