import type { ReactNode } from 'react'

/** A short text in a frame, such as a label of a run. */
export const Badge = ({
  children,
  title,
  isStrong = false,
}: {
  children: ReactNode
  title?: string
  isStrong?: boolean
}) => (
  <span
    title={title}
    className={`inline-flex h-5 min-w-0 max-w-40 items-center gap-1 rounded-s border border-line px-1.5 text-12 ${isStrong ? 'bg-selection text-text' : 'text-muted'}`}
  >
    <span className="truncate">{children}</span>
  </span>
)
