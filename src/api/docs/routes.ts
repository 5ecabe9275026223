import type { ActivityRegistry } from '../../activities/activity.ts'
import { implement, type Route } from '../../http/implement.ts'
import { docsIndexPage } from '../../http/reference/docs-index-page.ts'
import { Reply } from '../../http/reply.ts'
import { AppError } from '../../lib/errors.ts'
import { nearest } from '../../lib/text/nearest.ts'
import { docsContract } from './contract.ts'
import { llmsFullText, llmsText } from './language-model-texts.ts'
import { type DocLibrary, docLibrary } from './library.ts'
import { withOwnActivities } from './own-activities.ts'
import { searchDocs } from './search.ts'

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
