import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { ActivityRegistry } from '../../activities/activity.ts'
import { implement, type Route } from '../../http/implement.ts'
import { docsIndexPage } from '../../http/reference/html-page.ts'
import { Reply } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { markdownCode as code, markdownHeadings, plainLine, markdownTable as table } from '../../lib/text/markdown.ts'
import { nearest } from '../../lib/text/nearest.ts'
import type { StepTemplate } from '../../model/workflows/step-template.ts'
import { describeActivity } from '../step-templates/describe.ts'
import { type DocGroup, type DocMatch, docsContract } from './contract.ts'

/** A section of a page: from a heading to the next one. */
interface DocSection {
  /** Null for what stands before the first heading below the title. */
  heading: string | null
  anchor: string | null
  text: string
}

/** The title of a page: its first heading. */
export const titleOf = (markdown: string): string | undefined =>
  markdownHeadings(markdown).find(({ level }) => level === 1)?.text

/** Splits a page at its headings below the title. */
export const docSectionsOf = (markdown: string): DocSection[] => {
  const lines = markdown.split('\n')
  const headings = markdownHeadings(markdown)
  const title = headings.find(({ level }) => level === 1)?.line ?? 0
  const below = headings.filter(({ level }) => level > 1)
  const textOf = (from: number, to: number | undefined) => lines.slice(from, to === undefined ? to : to - 1).join('\n')
  return [
    { heading: null, anchor: null, text: textOf(title, below[0]?.line) },
    ...below.map(({ text, anchor, line }, at) => ({
      ...{ heading: text, anchor, text: textOf(line, below[at + 1]?.line) },
    })),
  ]
}

/** A page of the documentation. */
interface DocPage {
  /** Name without `.md`, such as `workflows` or `reference/api`. */
  page: string
  title: string
  markdown: string
  sections: DocSection[]
}

/** The documentation in memory: no path of a request reaches the file system. */
interface DocLibrary {
  pages: ReadonlyMap<string, DocPage>
  /** Drawings by their path, such as `drawings/concepts.svg`. */
  drawings: ReadonlyMap<string, string>
  /** What readers are shown: groups of pages in the order of the index. */
  groups: DocGroup[]
}

/** Folder of the documentation; a package has it beside `dist`. */
const docsFolder = new URL('../../../docs/', import.meta.url)

/**
 * Served folders below it; the empty name stands for the folder itself. Pictures are not served, because packages do
 * not contain them.
 */
const folders = ['', 'reference/', 'decisions/'] as const

const filesIn = (folder: URL, ending: string): [name: string, text: string][] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith(ending))
        .sort()
        .map((name) => [name, readFileSync(new URL(name, folder), 'utf8')])
    : []

const readPages = (): Map<string, DocPage> => {
  const pages = new Map<string, DocPage>()
  for (const folder of folders) {
    for (const [name, markdown] of filesIn(new URL(folder, docsFolder), '.md')) {
      const page = `${folder}${name.slice(0, -3)}`
      pages.set(page, { page, title: titleOf(markdown) ?? page, markdown, sections: docSectionsOf(markdown) })
    }
  }
  return pages
}

/** The index groups pages by its headings, and names them in its links. */
const readGroups = (pages: ReadonlyMap<string, DocPage>): DocGroup[] => {
  const listed = new Set<string>()
  return (pages.get('README')?.sections ?? []).flatMap(({ heading, text }) => {
    const names = [...text.matchAll(/\]\(([\w/-]+)\.md\)/g)].map(([, name]) => name ?? '')
    const fresh = names.filter((name) => pages.has(name) && !listed.has(name))
    for (const name of fresh) listed.add(name)
    const found = fresh.map((page) => ({ page, title: pages.get(page)?.title ?? page }))
    return found.length === 0 ? [] : [{ title: heading ?? 'Start', pages: found }]
  })
}

let read: DocLibrary | undefined

/** Reads the documentation, once. A package without it has no pages. */
export const docLibrary = (): DocLibrary => {
  if (read) return read
  const pages = readPages()
  const drawings = filesIn(new URL('drawings/', docsFolder), '.svg')
  read = {
    pages,
    drawings: new Map(drawings.map(([name, text]) => [`drawings/${name}`, text])),
    groups: readGroups(pages),
  }
  return read
}

const mostWords = 10
const longestExcerpt = 160

/** Weight of a word by where it stands, and of all words one after the other. */
const weights = { title: 8, heading: 5, text: 1, phrase: 12 } as const

/** Occurrences that count: a section that repeats a word is not better for ever. */
const mostOccurrences = 5

const occurrences = (text: string, word: string): number => {
  let count = 0
  for (let at = text.indexOf(word); at >= 0 && count < mostOccurrences; at = text.indexOf(word, at + word.length))
    count++
  return count
}

/** Scores a section; 0 when a word is missing. */
const score = (page: DocPage, section: DocSection, words: readonly string[]): number => {
  const title = page.title.toLowerCase()
  const heading = section.heading?.toLowerCase() ?? ''
  const text = section.text.toLowerCase()
  let sum = 0
  for (const word of words) {
    const found =
      (title.includes(word) ? weights.title : 0) +
      (heading.includes(word) ? weights.heading : 0) +
      occurrences(text, word) * weights.text
    if (found === 0) return 0
    sum += found
  }
  return sum + (words.length > 1 && `${title}\n${heading}\n${text}`.includes(words.join(' ')) ? weights.phrase : 0)
}

/** The line around the first of the words. */
const excerptOf = ({ text }: DocSection, words: readonly string[]): string => {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !/^\s*(```|\|[\s|:-]+\|$)/.test(line))
  const line = lines.find((one) => words.some((word) => one.toLowerCase().includes(word))) ?? lines[0] ?? ''
  const plain = plainLine(line.replace(/^\s*(\||[-*>]) ?/, '').replace(/\s*\|\s*/g, ' · ')).replace(/ ·$/, '')
  const at = Math.max(0, plain.toLowerCase().indexOf(words[0] ?? '') - 60)
  const cut = plain.slice(at, at + longestExcerpt)
  return `${at > 0 ? '…' : ''}${cut}${at + longestExcerpt < plain.length ? '…' : ''}`
}

/** Finds the sections that have all words of `q`, the best first, at most two of each page. Decisions come last. */
export const searchDocs = ({ pages }: DocLibrary, q: string, limit: number): DocMatch[] => {
  const words = q.toLowerCase().split(/\s+/).filter(Boolean).slice(0, mostWords)
  if (words.length === 0) return []
  const scored = [...pages.values()].flatMap((page) =>
    page.sections
      .map((section) => ({ page, section, points: score(page, section, words) }))
      .filter(({ points }) => points > 0)
      .map((one) => (page.page.startsWith('decisions/') ? { ...one, points: one.points / 10 } : one))
      .sort((one, other) => other.points - one.points)
      .slice(0, 2),
  )
  return scored
    .sort((one, other) => other.points - one.points)
    .slice(0, limit)
    .map(({ page: { page, title }, section }) => ({
      ...{ page, title, heading: section.heading, anchor: section.anchor },
      excerpt: excerptOf(section, words),
    }))
}

const about =
  'Jetty runs AI work that must not be lost: durable workflows, a gateway for models, coding agents in sandboxes, ' +
  'evaluations. Every step is recorded.'

/** The list of pages in the format of llmstxt.org. */
export const llmsText = ({ groups }: DocLibrary): string =>
  `${[
    '# Jetty',
    `> ${about}`,
    'Each page is Markdown. All of them as one text: [llms-full.txt](/llms-full.txt). The API as data: [openapi.json](/openapi.json).',
    ...groups.map(({ title, pages }) =>
      [`## ${title}`, '', ...pages.map(({ page, title: name }) => `- [${name}](/docs/${page}.md)`)].join('\n'),
    ),
  ].join('\n\n')}\n`

/** All pages of the list as one text, each under its address. */
export const llmsFullText = ({ groups, pages }: DocLibrary): string =>
  `${[
    `# Jetty\n\n> ${about}`,
    ...groups.flatMap((group) =>
      group.pages.map(({ page }) => `<!-- /docs/${page}.md -->\n\n${pages.get(page)?.markdown.trim() ?? ''}`),
    ),
  ].join('\n\n---\n\n')}\n`

const parameterRows = ({ parameters }: StepTemplate): string[][] =>
  parameters.map(({ name, type, required, default: preset, description, aliases }) => [
    code(name),
    type,
    required ? 'required' : preset === null ? 'optional' : code(JSON.stringify(preset)),
    `${description}${aliases.length > 0 ? ` Old names: ${aliases.map(code).join(', ')}.` : ''}`,
  ])

/** The section about an activity on a page of the reference. */
export const activityMarkdown = (activity: StepTemplate): string =>
  [
    `## ${activity.activity_name}`,
    activity.description,
    table(['Parameter', 'Type', 'Default', 'What it is'], parameterRows(activity)),
    table(
      ['Output', 'Type', 'What it is'],
      activity.outputs.map(({ path, type, description }) => [code(path), type, description]),
    ),
    `\`\`\`json\n${JSON.stringify(activity.example, null, 2)}\n\`\`\``,
    ...(activity.gotchas.length > 0 ? [activity.gotchas.map((gotcha) => `- ${gotcha}`).join('\n')] : []),
  ].join('\n\n')

const title = 'Own activities of this server'
const page = 'reference/own-activities'

/** The documentation of a server with a page about the activities of its JETTY_ACTIVITIES_DIR, if it has any. */
const withOwnActivities = (library: DocLibrary, activities: ActivityRegistry): DocLibrary => {
  const own = [...activities.values()].filter(({ module }) => module !== undefined)
  if (own.length === 0) return library
  const about = 'Modules in JETTY_ACTIVITIES_DIR declare these activities; [the guide](../own-activities.md) says how.'
  const markdown = `${[`# ${title}`, about, ...own.map((one) => activityMarkdown(describeActivity(one)))].join('\n\n')}\n`
  const shown: DocPage = { page, title, markdown, sections: docSectionsOf(markdown) }
  return {
    ...library,
    pages: new Map([...library.pages, [page, shown]]),
    groups: library.groups.map((group) =>
      group.title === 'Reference' ? { ...group, pages: [...group.pages, { page, title }] } : group,
    ),
  }
}

/** Texts change only with the server. */
const textHeaders = { 'cache-control': 'no-cache', 'x-content-type-options': 'nosniff', vary: 'Accept' } as const

/** Browsers show plain text and save Markdown. */
const text = (body: string, accept: string | undefined): Reply =>
  new Reply(body, {
    ...textHeaders,
    'content-type': `text/${accept?.includes('text/html') ? 'plain' : 'markdown'}; charset=utf-8`,
  })

/** A drawing is shown as an image; opened alone it may load and run nothing. */
const drawing = (svg: string): Reply =>
  new Reply(svg, {
    ...textHeaders,
    'content-type': 'image/svg+xml',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    'cross-origin-resource-policy': 'same-origin',
  })

const unknownPage = (page: string, { pages }: DocLibrary): AppError => {
  const near = nearest(page.slice(0, 100), [...pages.keys()])
  return new AppError('not_found', `There is no page '${page.slice(0, 200)}' in the documentation`, {
    hint: near ? `Did you mean /docs/${near}.md? /llms.txt lists all pages.` : '/llms.txt lists all pages.',
  })
}

export const docsRoutes = ({ activities }: { activities: ActivityRegistry }): Route[] => {
  let shown: DocLibrary | undefined
  const library = (): DocLibrary => {
    shown ??= withOwnActivities(docLibrary(), activities)
    return shown
  }
  return implement(docsContract, {
    getDocs: async () => docsIndexPage(library().groups),
    getDocsPage: async ({ params: { page }, headers }) => {
      const { pages, drawings } = library()
      const svg = drawings.get(page)
      if (svg !== undefined) return drawing(svg)
      const found = pages.get(page.replace(/\.md$/, ''))
      if (!found) throw unknownPage(page, library())
      return text(found.markdown, headers.accept)
    },
    listDocs: async () => ({ groups: library().groups }),
    searchDocs: async ({ query: { q, limit } }) => ({ matches: searchDocs(library(), q, limit) }),
    getLlmsText: async ({ headers }) => text(llmsText(library()), headers.accept),
    getLlmsFullText: async ({ headers }) => text(llmsFullText(library()), headers.accept),
  })
}
