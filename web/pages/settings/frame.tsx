import { type ReactNode, Suspense } from 'react'
import { PageLink } from '../../parts/page-link.tsx'
import { useCurrentInView } from '../../ui/current-in-view.ts'

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
