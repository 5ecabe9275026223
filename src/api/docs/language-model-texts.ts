import type { DocLibrary } from './library.ts'

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
