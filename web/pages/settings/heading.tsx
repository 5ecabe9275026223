import type { ReactNode } from 'react'

interface HeadingProps {
  title: string
  /** One or two sentences: what it is for. */
  children: ReactNode
  actions?: ReactNode
}

/** Stands above each part of the settings. */
export const SettingsHeading = ({ title, children, actions }: HeadingProps) => (
  <header className="flex flex-wrap items-start gap-x-6 gap-y-3">
    <div className="min-w-60 flex-1 max-sm:basis-full">
      <h1 className="font-semibold text-20">{title}</h1>
      <p className="mt-1 max-w-150 text-muted">{children}</p>
    </div>
    {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
  </header>
)
