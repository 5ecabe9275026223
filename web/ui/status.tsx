const looks = {
  completed: { colour: 'text-ok', path: 'M3 8.5l3.2 3.2L13 4.8', text: 'Completed' },
  /** Completed, though runs that it started failed. */
  partial: { colour: 'text-bad', path: 'M8 2.5v6.5M8 12.6v.01', text: 'Completed' },
  failed: { colour: 'text-bad', path: 'M4 4l8 8M12 4l-8 8', text: 'Failed' },
  running: { colour: 'text-run', path: 'M8 2.5a5.5 5.5 0 1 0 .01 0M8 2.5V8h5.5', text: 'Running' },
  waiting: { colour: 'text-wait', path: 'M5.5 3.5v9M10.5 3.5v9', text: 'Waiting' },
  pending: { colour: 'text-idle', path: 'M8 2.5a5.5 5.5 0 1 0 .01 0M8 5v3l2 1.5', text: 'Pending' },
  cancelled: { colour: 'text-idle', path: 'M3 8h10', text: 'Cancelled' },
  stopped: { colour: 'text-wait', path: 'M4.5 4.5h7v7h-7z', text: 'Stopped' },
  skipped: { colour: 'text-idle', path: 'M3 4.5l4 3.5-4 3.5M8 4.5l4 3.5-4 3.5M13.5 4v8', text: 'Skipped' },
  archived: { colour: 'text-idle', path: 'M2.5 3.5h11v3h-11zM3.5 6.5v6.5h9V6.5M6.5 9.5h3', text: 'Archived' },
} as const

export type StatusName = keyof typeof looks

const isStatusName = (text: string): text is StatusName => Object.hasOwn(looks, text)

/** The word for a state. */
export const statusWord = (of: string): string => (isStatusName(of) ? looks[of].text : of)

/** The shape and the colour of a state: either says it alone. The shape of a running one is filled by a quarter. */
export const StatusMark = ({ of, label, className = '' }: { of: string; label?: string; className?: string }) => {
  const look = isStatusName(of) ? looks[of] : looks.pending
  return (
    <svg
      viewBox="0 0 16 16"
      className={`${/\bsize-/.test(className) ? '' : 'size-3.5'} shrink-0 fill-none stroke-current ${look.colour} ${className}`}
      strokeWidth={2}
      strokeLinecap="round"
      strokeLinejoin="round"
      role="img"
      aria-label={label}
      aria-hidden={label === undefined}
    >
      <path d={look.path} />
      {of === 'running' && <path d="M8 2.5A5.5 5.5 0 0 1 13.5 8H8z" className="fill-current stroke-none" />}
    </svg>
  )
}

/** A state: its mark, and the word in the colour of text. Without the word the mark carries it for screen readers. */
export const Status = ({ of, hidesText = false }: { of: string; hidesText?: boolean }) =>
  hidesText ? (
    <StatusMark of={of} label={statusWord(of)} />
  ) : (
    <span className="inline-flex min-w-0 items-center gap-1.5">
      <StatusMark of={of} />
      <span className="truncate">{statusWord(of)}</span>
    </span>
  )
