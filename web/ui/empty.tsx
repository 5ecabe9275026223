import type { ReactNode } from 'react'
import { CopyLine } from './copy.tsx'

interface EmptyProps {
  title: string
  children?: ReactNode
  /** A command that changes this, to be copied. */
  command?: string
  actions?: ReactNode
}

/** Stands where there is nothing to show, and says what to do about it. */
export const Empty = ({ title, children, command, actions }: EmptyProps) => (
  <div className="mx-auto flex max-w-120 flex-col items-start gap-3 px-6 py-12">
    <h2 className="font-semibold text-15">{title}</h2>
    {children && <div className="text-muted">{children}</div>}
    {command && <CopyLine text={command} />}
    {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
  </div>
)
