import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useEffect, useRef } from 'react'
import { useStored } from '../../data/stored.ts'
import { setTheme } from '../../data/theme.ts'
import { PageLink } from '../../parts/page-link.tsx'
import { IconButton } from '../../ui/button.tsx'
import { docGroupsQuery } from './queries.ts'
import { DocSearch } from './search-box.tsx'

const nextTheme = { system: 'dark', dark: 'light', light: 'system' } as const
const themeTexts = { system: 'Theme of the device', dark: 'Dark', light: 'Light' } as const
const themeIcons = { system: 'screen', dark: 'moon', light: 'sun' } as const

const ThemeButton = () => {
  const stored = useStored('theme')
  const theme = stored === 'dark' || stored === 'light' ? stored : 'system'
  return (
    <IconButton
      icon={themeIcons[theme]}
      label={`Theme: ${themeTexts[theme]}. Change it`}
      onClick={() => setTheme(nextTheme[theme])}
    />
  )
}

const Entry = ({ href, text, isCurrent }: { href: string; text: string; isCurrent: boolean }) => (
  <PageLink
    href={href}
    aria-current={isCurrent ? 'page' : undefined}
    className={`rounded-m px-2 py-0.5 ${isCurrent ? 'bg-selection font-medium' : 'text-muted hover:bg-sunk hover:text-text'}`}
  >
    {text}
  </PageLink>
)

/** What stands around every page of the documentation: the search, the theme, and the list of pages. */
export const DocsFrame = ({ current, children }: { current: string; children: ReactNode }) => {
  const { data } = useQuery(docGroupsQuery)
  const main = useRef<HTMLElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another page begins at its top
  useEffect(() => {
    if (location.hash === '') main.current?.scrollTo(0, 0)
  }, [current])
  return (
    <div className="flex h-full flex-col">
      <a href="#page" className="sr-only focus:not-sr-only focus:absolute focus:z-50 focus:bg-raised focus:p-2">
        Skip to the page
      </a>
      <header className="flex min-h-12 shrink-0 flex-wrap items-center gap-3 border-line border-b px-4 py-1.5">
        <PageLink href="/docs" className="font-semibold text-15">
          Jetty documentation
        </PageLink>
        <span className="flex-1" />
        <DocSearch />
        <ThemeButton />
        <PageLink href="/" className="text-muted hover:text-text">
          To the server
        </PageLink>
      </header>
      <div className="flex min-h-0 flex-1 max-md:flex-col">
        <nav
          aria-label="Pages"
          className="flex shrink-0 flex-col overflow-auto border-line px-3 py-3 max-md:max-h-40 max-md:border-b md:w-64 md:border-r"
        >
          <Entry href="/docs" text="All questions" isCurrent={current === 'README'} />
          <Entry href="/docs/api" text="API: try each call" isCurrent={current === 'api'} />
          {data?.groups.map(({ title, pages }) => (
            <section key={title} className="mt-3 flex flex-col">
              <h2 className="px-2 pb-0.5 font-medium text-12 text-faint">{title}</h2>
              {pages.map(({ page, title: text }) => (
                <Entry key={page} href={`/docs/${page}`} text={text} isCurrent={page === current} />
              ))}
            </section>
          ))}
        </nav>
        <main id="page" ref={main} tabIndex={-1} className="min-h-0 min-w-0 flex-1 overflow-auto px-4 py-6 md:px-10">
          {children}
        </main>
      </div>
    </div>
  )
}
