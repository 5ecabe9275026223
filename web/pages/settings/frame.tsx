import { type ReactNode, Suspense } from 'react'
import { PageLink } from '../../parts/page-link.tsx'
import { shareText } from '../../text/numbers.ts'
import { CopyLine } from '../../ui/copy.tsx'
import { useCurrentInView } from '../../ui/current-in-view.ts'
import { Icon } from '../../ui/icon.tsx'
/** The collection that a page of settings is about. */
export interface CollectionPlace {
  collection: string
}

interface FrameProps {
  label: string
  sections: readonly { href: string; text: string; isCurrent: boolean }[]
  children: ReactNode
}

/** The parts of settings beside the one that is shown; on a phone they stand in a row above it. */
export const SettingsFrame = ({ label, sections, children }: FrameProps) => {
  const nav = useCurrentInView<HTMLElement>(sections.find(({ isCurrent }) => isCurrent)?.href)
  return (
    <div className="flex min-h-0 flex-1 max-md:flex-col">
      <nav
        ref={nav}
        aria-label={label}
        className="flex shrink-0 gap-1 overflow-auto border-line px-3 py-2 max-md:border-b md:w-48 md:flex-col md:border-r md:py-4"
      >
        {sections.map(({ href, text, isCurrent }) => (
          <PageLink
            key={href}
            href={href}
            aria-current={isCurrent ? 'page' : undefined}
            className={`whitespace-nowrap rounded-m px-2 py-1 ${isCurrent ? 'bg-selection font-medium' : 'text-muted hover:bg-sunk hover:text-text'}`}
          >
            {text}
          </PageLink>
        ))}
      </nav>
      <main data-scroll-restoration-id="page" className="min-h-0 min-w-0 flex-1 overflow-auto">
        <div className="flex max-w-240 flex-col gap-6 px-4 py-6 md:px-8">
          <Suspense>{children}</Suspense>
        </div>
      </main>
    </div>
  )
}

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

/** The commands that do the same as a part of the settings. */
export const CommandLines = ({ lines }: { lines: readonly string[] }) => (
  <section className="mt-2 flex flex-col items-start gap-2 border-line border-t pt-4">
    <h2 className="font-medium text-12 text-muted">On the command line</h2>
    {lines.map((line) => (
      <CopyLine key={line} text={line} />
    ))}
  </section>
)

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
