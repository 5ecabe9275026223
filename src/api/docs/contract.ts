import { z } from 'zod'
import { endpoint } from '../../http/endpoint.ts'
import { textSchema } from '../../model/names.ts'

const tag = 'Documentation'
const open = { method: 'GET', tag, access: 'none' } as const

const docGroupSchema = z
  .object({
    title: z.string(),
    pages: z.array(z.object({ page: z.string().describe('Name, for `/docs/{page}`.'), title: z.string() })),
  })
  .meta({ id: 'DocGroup' })
export type DocGroup = z.output<typeof docGroupSchema>

const docMatchSchema = z
  .object({
    page: z.string(),
    title: z.string().describe('Title of the page.'),
    heading: z.string().nullable().describe('Heading of the section that matches; null for the beginning of the page.'),
    anchor: z.string().nullable().describe('Fragment that leads to the section.'),
    excerpt: z.string(),
  })
  .meta({ id: 'DocMatch' })
export type DocMatch = z.output<typeof docMatchSchema>

export const docsContract = {
  getDocs: endpoint({
    ...open,
    path: '/docs',
    summary: 'The documentation: a page for browsers, a list of its pages as HTML for programs',
    response: 'html',
  }),
  getDocsPage: endpoint({
    ...open,
    path: '/docs/{page...}',
    summary: 'A page of the documentation as Markdown, such as `workflows.md` or `reference/api.md`',
    response: 'text',
    mediaTypes: ['text/markdown', 'text/plain'],
    errors: ['not_found'],
  }),
  listDocs: endpoint({
    ...open,
    path: '/api/v1/docs',
    summary: 'The pages of the documentation in groups',
    response: z.object({ groups: z.array(docGroupSchema) }),
  }),
  searchDocs: endpoint({
    ...open,
    path: '/api/v1/docs/search',
    summary: 'The sections of the documentation that have all words, the best first',
    query: z.object({
      q: textSchema.max(200).describe('Words to find.'),
      limit: z.coerce.number().int().min(1).max(50).default(20),
    }),
    response: z.object({ matches: z.array(docMatchSchema) }),
  }),
  getLlmsText: endpoint({
    ...open,
    path: '/llms.txt',
    summary: 'The documentation as a list of links for language models',
    response: 'text',
    mediaTypes: ['text/markdown', 'text/plain'],
  }),
  getLlmsFullText: endpoint({
    ...open,
    path: '/llms-full.txt',
    summary: 'All guides and the reference as one Markdown text',
    response: 'text',
    mediaTypes: ['text/markdown', 'text/plain'],
  }),
}
