import type { Reply } from '../reply.ts'
import { html, htmlPage } from './html-page.ts'

interface PageGroup {
  title: string
  pages: { page: string; title: string }[]
}

/** The pages of the documentation as links to Markdown, for browsers of a server without pages and for programs. */
export const docsIndexPage = (groups: readonly PageGroup[]): Reply =>
  htmlPage(
    'Jetty documentation',
    `<nav aria-label="For programs"><a href="/openapi.json">openapi.json</a><a href="/llms.txt">llms.txt</a>
<a href="/llms-full.txt">llms-full.txt</a></nav>
<main><h1>Jetty documentation</h1>${groups
      .map(
        ({ title, pages }) =>
          `<h2>${html(title)}</h2><ul>${pages
            .map((one) => `<li><a href="/docs/${html(one.page)}.md">${html(one.title)}</a></li>`)
            .join('')}</ul>`,
      )
      .join('')}</main>`,
    { vary: 'accept' },
  )
