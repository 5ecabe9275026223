import { useQuery } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { useNarrow } from '../../data/browser.ts'
import { useStored } from '../../data/stored.ts'
import { setTheme } from '../../data/theme.ts'
import { PageLink } from '../../parts/page-link.tsx'
import { errorText } from '../../parts/problem.tsx'
import { IconButton } from '../../ui/button.tsx'
import { useCurrentInView } from '../../ui/current-in-view.ts'
import { TextField } from '../../ui/field.tsx'
import { docGroupsQuery, docSearchQuery } from './queries.ts'

interface Match {
  page: string
  anchor: string | null
}

const matchHref = ({ page, anchor }: Match): string =>
  `${page === 'README' ? '/docs' : `/docs/${page}`}${anchor === null ? '' : `#${anchor}`}`

/** Searches all pages while somebody types; Enter opens the first match. */
const DocSearch = ({ className = '' }: { className?: string }) => {
  const [q, setQ] = useState('')
  const router = useRouter()
  const id = useId()
  const { data, error } = useQuery(docSearchQuery(q))
  const matches = q.trim() === '' ? undefined : data?.matches
  const first = matches?.[0]
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') setQ('')
    if (event.key !== 'Enter' || !first) return
    setQ('')
    void router.navigate({ href: matchHref(first) })
  }
  return (
    <div className={`relative w-80 max-w-full ${className}`}>
      <TextField
        label="Search the documentation"
        hidesLabel
        type="search"
        placeholder="Search the documentation"
        value={q}
        aria-controls={id}
        onChange={(event) => setQ(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <div
        id={id}
        role="region"
        aria-label="Found sections"
        aria-live="polite"
        className={`absolute right-0 z-20 mt-1 max-h-[70vh] overflow-auto max-md:left-0 md:w-120 rounded-l border border-line bg-raised p-1 shadow-float ${matches || error ? '' : 'hidden'}`}
      >
        {error && <p className="p-2 text-bad [overflow-wrap:anywhere]">{errorText(error)}</p>}
        {matches?.length === 0 && <p className="p-2 text-muted">No section has all of these words.</p>}
        {matches?.map((match) => (
          <PageLink
            key={matchHref(match)}
            href={matchHref(match)}
            onClick={() => setQ('')}
            className="block rounded-m px-2 py-1.5 hover:bg-sunk focus:bg-selection"
          >
            <span className="font-medium">{match.title}</span>
            {match.heading !== null && <span className="text-muted"> · {match.heading}</span>}
            <span className="block truncate text-12 text-muted">{match.excerpt}</span>
          </PageLink>
        ))}
      </div>
    </div>
  )
}

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

/** The list of pages. On a phone it is folded, so that the page has the screen. */
const Pages = ({ current, isNarrow }: { current: string; isNarrow: boolean }) => {
  const { data } = useQuery(docGroupsQuery)
  const nav = useCurrentInView<HTMLElement>(data)
  const entries = (
    <>
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
    </>
  )
  if (!isNarrow) {
    return (
      <nav
        ref={nav}
        aria-label="Pages"
        className="flex w-64 shrink-0 flex-col overflow-auto border-line border-r px-3 py-3"
      >
        {entries}
      </nav>
    )
  }
  return (
    <details className="max-h-2/3 shrink-0 overflow-auto border-line border-b">
      <summary className="px-4 py-2 text-muted">All pages</summary>
      <nav aria-label="Pages" className="flex flex-col px-2 pb-3">
        {entries}
      </nav>
    </details>
  )
}

/** What stands around every page of the documentation: the search, the theme, and the list of pages. */
export const DocsFrame = ({ current, children }: { current: string; children: ReactNode }) => {
  const isNarrow = useNarrow()
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
        <DocSearch className="max-md:order-last max-md:w-full" />
        <ThemeButton />
        <PageLink href="/" className="text-muted hover:text-text">
          To the server
        </PageLink>
      </header>
      <div className="flex min-h-0 flex-1 max-md:flex-col">
        <Pages key={`${isNarrow} ${current}`} current={current} isNarrow={isNarrow} />
        <main id="page" ref={main} tabIndex={-1} className="min-h-0 min-w-0 flex-1 overflow-auto px-4 py-6 md:px-10">
          {children}
        </main>
      </div>
    </div>
  )
}
