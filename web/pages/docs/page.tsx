import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { type ComponentProps, type ReactNode, Suspense, useEffect, useMemo } from 'react'
import { type MarkdownHeading, markdownHeadings } from '../../../src/lib/text/markdown.ts'
import { useTitle } from '../../data/browser.ts'
import { lazyPart } from '../../data/server-away.ts'
import { PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { CopyButton } from '../../ui/copy.tsx'
import { DocsFrame } from './frame.tsx'
import { docPageQuery } from './queries.ts'

/** Pages that the documentation has: guides, and those of two folders. */
const pagePattern = /^(?:(?:reference|decisions)\/)?[\w.-]+$/

const folded = (path: string): string | undefined => {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '..' && parts.pop() === undefined) return undefined
    if (part !== '..' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/**
 * Where a link of a page leads: another page, or another site. Undefined for files that the server does not have, such as
 * source code. `page` is the page that the link stands on.
 */
export const docHref = (page: string, href: string): { href: string; isPage: boolean } | undefined => {
  if (/^(https?|mailto):/.test(href)) return { href, isPage: false }
  if (href.startsWith('#')) return { href, isPage: true }
  const [path = '', anchor] = href.split('#')
  const target = folded(`${page.slice(0, page.lastIndexOf('/') + 1)}${path}`)
  const name = target?.replace(/\.md$/, '')
  const fragment = anchor === undefined ? '' : `#${anchor}`
  if (target === undefined || !target.endsWith('.md') || name === undefined || !pagePattern.test(name)) return undefined
  return { href: name === 'README' ? `/docs${fragment}` : `/docs/${name}${fragment}`, isPage: true }
}

/** Address of a drawing of a page; undefined for every other image. */
export const drawingHref = (page: string, source: string): string | undefined => {
  const target = folded(`${page.slice(0, page.lastIndexOf('/') + 1)}${source}`)
  return target !== undefined && /^drawings\/[\w-]+\.svg$/.test(target) ? `/docs/${target}` : undefined
}

/** The id that the fragment of an address names; a fragment that is wrongly encoded names itself. */
export const fragmentOf = (hash: string): string => {
  const text = hash.slice(1)
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

const Markdown = lazyPart(() => import('../../parts/text-view/markdown.tsx'))
type Components = NonNullable<ComponentProps<typeof Markdown>['components']>

const looks: Record<number, string> = {
  1: 'mb-2 font-semibold text-20',
  2: 'mt-6 mb-1 font-semibold text-15',
  3: 'mt-4 font-semibold',
}

interface HeadingProps {
  node?: { position?: { start: { line: number } } | undefined } | undefined
  children?: ReactNode
}

const headingOf =
  (level: number, headings: readonly MarkdownHeading[]) =>
  ({ node, children }: HeadingProps) => {
    const Tag = `h${level}` as 'h1'
    const line = node?.position?.start.line
    return (
      <Tag
        id={headings.find((one) => one.line === line)?.anchor}
        className={`scroll-mt-4 ${looks[level] ?? 'mt-3 font-medium'}`}
      >
        {children}
      </Tag>
    )
  }

const linkClass = 'text-accent underline'

/** Shows the elements of a page: headings that links can lead to, links to other pages, drawings of the server. */
const componentsOf = (page: string, headings: readonly MarkdownHeading[]): Components => ({
  ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((level) => [`h${level}`, headingOf(level, headings)])),
  a: ({ href = '', children }) => {
    const target = docHref(page, href)
    if (!target) return <span>{children}</span>
    if (target.isPage)
      return (
        <PageLink href={target.href} className={linkClass}>
          {children}
        </PageLink>
      )
    return (
      <a href={target.href} target="_blank" rel="noreferrer noopener nofollow" className={linkClass}>
        {children}
      </a>
    )
  },
  img: ({ src, alt }) => {
    const href = drawingHref(page, typeof src === 'string' ? src : '')
    return href === undefined ? <em>{alt}</em> : <img src={href} alt={alt} className="max-w-full" />
  },
  pre: ({ children }) => (
    <div className="group relative">
      <pre
        // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, also with the keyboard
        tabIndex={0}
        className="overflow-x-auto rounded-m border border-line bg-sunk p-3 font-mono text-12"
      >
        {children}
      </pre>
      <div className="absolute top-1 right-1 bg-sunk opacity-0 focus-within:opacity-100 group-hover:opacity-100">
        <CopyButton text={textIn(children)} label="Copy the block" />
      </div>
    </div>
  ),
})

/** Text of what a block of code shows. */
const textIn = (node: ReactNode): string => {
  if (typeof node === 'string') return node
  if (Array.isArray(node)) return node.map(textIn).join('')
  const props = (node as { props?: { children?: ReactNode } } | null)?.props
  return props ? textIn(props.children) : ''
}

/** A page of the documentation, with links to its sections on wide screens. */
const Article = ({ page, markdown }: { page: string; markdown: string }) => {
  const headings = useMemo(() => markdownHeadings(markdown), [markdown])
  const components = useMemo(() => componentsOf(page, headings), [page, headings])
  return (
    <div className="flex gap-8">
      <article className="min-w-0 max-w-200 flex-1 text-13 [&_td:last-child:has(code)]:md:min-w-36 [&_td:last-child_code]:md:[overflow-wrap:anywhere]">
        <Suspense fallback={<p className="text-muted">Loading…</p>}>
          <Markdown text={markdown} components={components} />
          <ScrollToFragment page={page} />
        </Suspense>
        <p className="mt-8 border-line border-t pt-3 text-12 text-muted">
          <a href={`/docs/${page}.md`} className="underline">
            This page as Markdown
          </a>
        </p>
      </article>
      <Sections headings={headings.filter(({ level }) => level === 2)} />
    </div>
  )
}

/** Scrolls to the fragment of the address once the page is there. */
const ScrollToFragment = ({ page }: { page: string }) => {
  // biome-ignore lint/correctness/useExhaustiveDependencies: again for each page
  useEffect(() => {
    document.getElementById(fragmentOf(location.hash))?.scrollIntoView()
  }, [page])
  return null
}

const Sections = ({ headings }: { headings: readonly MarkdownHeading[] }) =>
  headings.length < 2 ? null : (
    <nav
      aria-label="On this page"
      className="sticky top-0 flex h-fit w-44 shrink-0 flex-col gap-1 text-12 max-xl:hidden"
    >
      {headings.map(({ anchor, text }) => (
        <a key={anchor} href={`#${anchor}`} className="text-muted hover:text-text">
          {text}
        </a>
      ))}
    </nav>
  )

/** A page of the documentation. */
export const DocsPage = () => {
  const { folder, page: name } = useParams({ strict: false }) as { folder?: string; page?: string }
  const page = folder === undefined ? (name ?? 'README') : `${folder}/${name}`
  const { data: markdown, error } = useQuery(docPageQuery(page))
  useTitle(markdown === undefined ? undefined : markdownHeadings(markdown)[0]?.text, 'Documentation')
  return (
    <DocsFrame current={page}>
      {error && (
        <>
          <h1 className="font-semibold text-20">This page cannot be shown</h1>
          <Problem error={error} />
        </>
      )}
      {markdown !== undefined && <Article key={page} page={page} markdown={markdown} />}
    </DocsFrame>
  )
}
